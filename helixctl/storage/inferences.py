"""Recorded inferences, in segments by day, and the rolling metrics beside them; all under `.helix/`, untracked.

A folder holds what was recorded while the version served the same: its name is the beginning of the serving digest. So
what was recorded before a change of the model id, the artifact or the configuration says nothing of what serves now.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, NamedTuple

from helixctl.core.digest import sha256
from helixctl.core.record import Record
from helixctl.storage import disk, tree

MAX_SEGMENT = 67_108_864
"""A segment that has so many bytes gets no more; the next has the next number."""

_PIECE = 1_048_576
_ROLLING = "rolling.stats"


class Rolling(NamedTuple):
    """The rolling metrics: how much of each segment they count, what they say, the open alerts; and their table."""

    offsets: Mapping[str, int]
    summary: Mapping[str, Any]
    alerts: Mapping[str, int]
    table: bytes = b""


def _above(root: str, record: Record) -> str:
    below = f".helix/inferences/{record.ref.model}/{record.version}"
    tree.refuse_links(root, below)
    return os.path.join(root, below)


def folder(root: str, record: Record) -> str:
    """Return where the inferences of a version lie, as it serves now."""
    return os.path.join(_above(root, record), record.serving_digest[:16])


def append(place: str, day: date, data: bytes, top: str | None = None) -> tuple[str, int]:
    """Append whole lines to the segment of a day that has room; return its name, and where in it they begin.

    With `top` they are synced, and the folders up to it.

    Raises:
        OSError: nothing was appended.
    """
    number = max((found[1] for name in segments(place) if (found := _placed(name)) and found[0] == day), default=1)
    while (start := disk.append_shared(path := _path(place, day, number), data, MAX_SEGMENT, top)) is None:
        number += 1
    return os.path.basename(path), start


def _path(place: str, day: date, number: int) -> str:
    return os.path.join(place, f"{day}.{number:04}.jsonl")


def _placed(name: str) -> tuple[date, int] | None:
    """Return the day and the number that a segment's name says; None for the name of anything else."""
    day, _, rest = name.partition(".")
    try:
        placed = date.fromisoformat(day), int(rest.removesuffix(".jsonl"))
    except ValueError:
        return None
    return placed if name == _path("", *placed) else None


def segments(place: str) -> dict[str, int]:
    """Return the names of the segments, by day, with their sizes."""
    found = {}
    for name in filter(_placed, _names(place)):
        with suppress(FileNotFoundError):  # it may have expired since
            found[name] = os.path.getsize(os.path.join(place, name))
    return found


def files(root: str, record: Record) -> list[str]:
    """Return the paths of the segments, by day."""
    place = folder(root, record)
    return [os.path.join(place, name) for name in segments(place)]


def is_elsewhere(root: str, record: Record) -> bool:
    """Tell whether there are inferences from before a change of what the version serves."""
    above, own = _above(root, record), os.path.basename(folder(root, record))
    return any(segments(os.path.join(above, name)) for name in _names(above) if name != own)


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except (FileNotFoundError, NotADirectoryError):
        return []


def pieces(path: str, start: int) -> Iterator[bytes]:
    """Yield the whole lines of a segment from an offset on, about a MiB at a time."""
    rest = b""
    with open(path, "rb") as handle:
        handle.seek(start)
        while data := handle.read(_PIECE):
            whole, ends, tail = data.rpartition(b"\n")
            if ends:
                yield rest + whole + ends
                rest = tail
            else:
                rest += tail


def expire(root: str, record: Record, before: date) -> None:
    """Remove the segments of days before a date, and folders that hold nothing else any more."""
    above = _above(root, record)
    for place in (os.path.join(above, name) for name in _names(above)):
        for name in segments(place):
            if name[:10] < str(before):
                disk.remove(os.path.join(place, name))
        if place != folder(root, record) and set(_names(place)) <= {_ROLLING}:
            disk.remove_folder(place)


def rolling(place: str) -> Rolling | None:
    """Return the rolling metrics as last refreshed, or None where there are none, or not as they were written."""
    try:
        with open(os.path.join(place, _ROLLING), "rb") as handle:
            digest, _, written = handle.read().partition(b"\n")
    except OSError:
        return None
    if digest != sha256(written).encode():
        return None
    head, _, table = written.partition(b"\n")
    return Rolling(**json.loads(head), table=table)


def summary(root: str, record: Record) -> Mapping[str, Any] | None:
    """Return what the rolling metrics add up to, as last refreshed, or None."""
    if not os.path.isdir(_above(root, record)):
        return None  # before a digest is computed for it
    found = rolling(folder(root, record))
    return found.summary if found else None


def keep_rolling(place: str, value: Rolling) -> None:
    """Put new rolling metrics in place whole.

    Raises:
        OSError: they cannot be written.
    """
    head = {"offsets": value.offsets, "summary": value.summary, "alerts": value.alerts}
    written = json.dumps(head).encode() + b"\n" + value.table
    disk.replace(os.path.join(place, _ROLLING), sha256(written).encode() + b"\n" + written)


def newest_days(names: Mapping[str, int], days: int) -> list[str]:
    """Return the names of the segments of the last days, counted back from the newest."""
    newest = max((name[:10] for name in names), default="")
    return [name for name in names if date.fromisoformat(name[:10]) > date.fromisoformat(newest) - timedelta(days)]
