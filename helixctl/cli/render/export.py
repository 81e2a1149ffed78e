"""The log in the formats that leave it, as bytes in chunks."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from helixctl.cli.render import events
from helixctl.cli.render.cells import csv_text
from helixctl.core.audit import Filter
from helixctl.storage import log
from helixctl.storage.export import whole
from helixctl.storage.registry import Store

Format = Callable[[Store, Filter], Iterator[bytes]]

COLUMNS = (
    *("seq", "ts", "id", "registry", "action", "severity", "outcome", "actor.id", "actor.type", "actor.via"),
    *("model", "version", "reason", "effects", "changes", "data", "tool", "parents", "hash"),
)
"""The columns of csv: one for each key of an entry, tables as JSON."""


def ndjson(store: Store, wanted: Filter) -> Iterator[bytes]:
    """Yield the raw lines, which verify on their own."""
    yield from (raw + b"\n" for raw in log.raw_lines(store.root, wanted))


def as_json(store: Store, wanted: Filter) -> Iterator[bytes]:
    """Yield one JSON object with all entries."""
    yield b'{"schema_version":1,"kind":"entries","entries":['
    separator = b"\n"
    for raw, _ in log.query(store.root, wanted):
        yield separator + raw
        separator = b",\n"
    yield b"\n]}\n"


def csv(store: Store, wanted: Filter) -> Iterator[bytes]:
    """Yield a header and a row an entry."""
    header = list(COLUMNS)
    yield csv_text([], header).encode()
    for _, entry in log.query(store.root, wanted):
        yield csv_text([_row(entry)], header).partition("\r\n")[2].encode()


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    actor = {f"actor.{key}": value for key, value in entry["actor"].items()}
    tables = {key: json.dumps(entry[key], separators=(",", ":")) for key in ("effects", "changes", "data", "parents")}
    return {**entry, **actor, **tables}


def _events(event: Callable[[bytes, Mapping[str, Any]], Mapping[str, Any] | bytes]) -> Format:
    """Return a format of one event a line."""

    def each(store: Store, wanted: Filter) -> Iterator[bytes]:
        return (events.line(event(raw, entry)) for raw, entry in log.query(store.root, wanted))

    return each


FORMATS: dict[str, Format] = {
    "ndjson": ndjson,
    "json": as_json,
    "csv": csv,
    "ecs": _events(events.ecs),
    "ocsf": _events(events.ocsf),
    "cloudevents": _events(events.cloudevents),
}


def chunks(format_: str, store: Store, wanted: Filter) -> Iterator[bytes]:
    """Yield the log in a format; all that will be read is checked before the first bytes are given.

    Raises:
        BrokenLog: a line is no entry; nothing was given before.
    """
    if format_ == "ndjson" and wanted.is_whole:
        yield from whole(store.root)
        return
    read = log.raw_lines if format_ == "ndjson" else log.query
    with store.reading():
        deque(read(store.root, wanted), maxlen=0)
    yield from FORMATS[format_](store, wanted)
