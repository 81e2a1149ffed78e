"""How one version differs from another, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from helixctl.core.names import Ref
from helixctl.core.record import Record

_NAMES = ("schema", "model", "version")
"""Keys that say which version it is, not what it is like."""


class Delta(NamedTuple):
    """One key with its value in the one version and in the other; None where it is not stated."""

    key: str
    before: Any
    after: Any


class Difference(NamedTuple):
    """Two versions, and each key whose value differs, in the order of the file; `is_asked` lets the exit code tell."""

    one: Ref
    other: Ref
    deltas: tuple[Delta, ...]
    is_asked: bool = False


def between(one: Record, other: Record) -> Difference:
    """Return how the other version differs from the one: specification, lifecycle and metrics."""
    before, after = (dict(_spread(_tables(record))) for record in (one, other))
    keys = sorted({*before, *after}, key=[*before, *after].index)
    deltas = (Delta(key, before.get(key), after.get(key)) for key in keys)
    return Difference(one.ref, other.ref, tuple(delta for delta in deltas if delta.before != delta.after))


def _tables(record: Record) -> dict[str, Any]:
    spec = {key: value for key, value in record.spec.items() if key not in _NAMES}
    return {**spec, "lifecycle": record.lifecycle, "metrics": record.metrics or {}}


def _spread(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _spread(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
