"""Record inferences as they come, into the segments of a version."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, BinaryIO, NamedTuple, cast

from helixctl.api.rolling import Refresher
from helixctl.api.sources import subject_of
from helixctl.core import request as ask
from helixctl.core.judge import Evaluation
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.engines import STDIN, Malformed, Source
from helixctl.engines.interrupts import uninterrupted
from helixctl.engines.recording import Recording, blocks
from helixctl.errors import HelixError, Invalid, StorageRefused
from helixctl.gate import Result
from helixctl.storage import disk, inferences
from helixctl.storage.registry import Store


class Recorded(NamedTuple):
    """How many inferences were recorded, which lines were not, and the rolling verdict where it was refreshed."""

    ref: Ref
    recorded: int
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0
    refreshed: Evaluation | None = None
    result: Result | None = None
    notes: tuple[str, ...] = ()
    dry_run: bool = False


GIVEN = "inference"

Given = BinaryIO | Iterable[Mapping[str, Any]]
"""Inferences, as a stream of JSON lines or as mappings."""


def source_of(given: Given) -> Source:
    """Return a source over a binary stream, or over mappings; a key whose value is None is left out."""
    if not isinstance(given, Iterable) or hasattr(given, "readline"):
        return Source(STDIN, cast(BinaryIO, given))
    many = [given] if isinstance(given, Mapping) else given
    stated = ({key: value for key, value in one.items() if value is not None or key == "latency_ms"} for one in many)
    lines = (json.dumps(one, default=_json) for one in stated)
    return Source(GIVEN, io.BytesIO("".join(f"{line}\n" for line in lines).encode()))


def _json(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


class Keeper:
    """Checks the inferences of a version, appends them to its segments, and has its rolling metrics refreshed."""

    def __init__(self, store: Store, request: ask.Request, record: Record, name: str, *, is_command: bool) -> None:
        self._store, self.record = store, record
        self._place = inferences.folder(store.root, record)
        self.recording = Recording(name, subject_of(record))
        self.rolling = Refresher(store, request, record, self.recording, is_command=is_command)
        self.recorded = self.lines = 0

    def append(self, lines: bytes, *, sync: bool = False) -> None:
        """Append whole lines that were checked; an interrupt waits until they are counted.

        Raises:
            StorageRefused: they cannot be written, and none of them is.
        """
        with uninterrupted(), disk.refusing(f"record inferences of {self.record.ref}"):
            top = self._store.root if sync else None
            name, start = inferences.append(self._place, self._store.clock().date(), lines, top)
            self.rolling.appended(name, start, len(lines))
            self.recorded, self.lines = self.recording.count, self.recording.line

    def said(self) -> str:
        """Return what was recorded, in words."""
        return f"inferences of {self.record.ref} recorded: {self.recorded}, out of lines read: {self.lines}"


def record_lines(store: Store, request: ask.Request, record: Record, source: Source, *, sync: bool = False) -> Recorded:
    """Append the inferences of a stream to the version's segments, and refresh the rolling metrics when it is time.

    Unknown fields and the text of errors are not kept; a line without a time gets that of its arrival.

    Raises:
        BadSettings: settings or a policy do not load. Invalid: there are lines, and none is an inference.
        StorageRefused: a segment cannot be written, or the stream not be read; lines before that are kept, and counted
            in the message, as in that of a KeyboardInterrupt.
    """
    store.policies()  # one that does not load stops every write, before the first line is kept
    keeper = Keeper(store, request, record, source.name, is_command=True)
    recording, notes = keeper.recording, list[str]()
    try:
        for raw in blocks(source):
            lines = recording.take(raw, store.clock())
            if lines and not request.dry_run:
                keeper.append(lines, sync=sync)
                if keeper.rolling.is_due:
                    _refresh(keeper, notes, is_end=False)
        if recording.malformed and not recording.count:
            bad = recording.malformed[0]
            raise _no_inference(bad, is_single=source.name == GIVEN and recording.line == 1)
        if keeper.recorded:
            _refresh(keeper, notes, is_end=True)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(f"interrupted: {keeper.said()}") from None
    except StorageRefused as error:
        raise StorageRefused(f"{error.message}; {keeper.said()}", hint=error.hint) from error
    bad_lines, rolling = (tuple(recording.malformed), recording.malformed_count), keeper.rolling
    dry = request.dry_run
    return Recorded(record.ref, recording.count, *bad_lines, rolling.refreshed, rolling.logged, tuple(notes), dry)


def _no_inference(bad: Malformed, *, is_single: bool) -> Invalid:
    if is_single:
        hint = "helixctl record --help has the form of each option"
        if bad.why.startswith("latency_ms"):
            hint = "a success has a latency (--latency-ms), a failure none (--failed, or --error TEXT)"
        return Invalid(f"that is no inference: {bad.why}", hint=hint)
    hint = 'the least is {"success":true,"latency_ms":812}; docs/evaluation.md has every field'
    return bad.refused(f"no line is an inference: {bad}", hint)


def _refresh(keeper: Keeper, notes: list[str], *, is_end: bool) -> None:
    """Refresh the rolling metrics; that it fails takes nothing back of what is recorded, and the next command tries again."""
    try:
        keeper.rolling.refresh(is_end=is_end)
    except HelixError as error:
        notes[:] = [f"the rolling metrics are not refreshed: {error}"]
