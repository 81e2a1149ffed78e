"""Reading the audit log: its segments in order, and queries over them."""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterator
from typing import Any

from helixctl.core import audit
from helixctl.errors import BrokenLog
from helixctl.storage import disk, ledger
from helixctl.storage.frames import Frames

_KEY = re.compile(rb'\{"v":\d+,"seq":(\d{1,18}),"ts":"([^"]{27})"')


def segment_lines(root: str, path: str) -> Iterator[tuple[str, int, bytes]]:
    """Yield each finished line of a segment, with its path and number, without its newline."""
    full = os.path.join(root, path)
    if os.path.islink(full):
        raise BrokenLog("a link stands in place of a segment", path=path, hint="restore the file from git")
    with disk.refusing(f"read {path}"), open(full, "rb") as handle:
        frames, number = Frames(handle), 0
        for number, raw in enumerate(frames, 1):
            yield path, number, raw
        if frames.is_too_long:
            raise BrokenLog("a line of more than 1 MiB", path=path, line=number + 1, hint="restore the file from git")


def lines(root: str) -> Iterator[tuple[str, int, bytes]]:
    """Yield each line of the log, ascending by (seq, hash): segment after segment, merged where branches overlap."""
    spans = sorted((_first_seq(root, path), path) for path in ledger.paths(root))
    group: list[str] = []
    for position, (_, path) in enumerate(spans):
        group.append(path)
        following = spans[position + 1][0] if position + 1 < len(spans) else None
        if following is None or _last_seq(root, group) < following:
            yield from _merged(root, group)
            group = []


def _merged(root: str, group: list[str]) -> Iterator[tuple[str, int, bytes]]:
    if len(group) == 1:
        return segment_lines(root, group[0])
    return heapq.merge(*(segment_lines(root, path) for path in group), key=_order)


def _order(line: tuple[str, int, bytes]) -> tuple[int, bytes]:
    path, number, raw = line
    found = _KEY.match(raw)
    if not found:
        raise BrokenLog("not an entry of the audit log", path=path, line=number, hint="helixctl verify shows all")
    return int(found[1]), raw[-66:-2]


def _first_seq(root: str, path: str) -> int:
    for line in segment_lines(root, path):
        return _order(line)[0]
    return 0


def _last_seq(root: str, group: list[str]) -> int:
    return max(_seq_of_tail(root, path) for path in group)


def _seq_of_tail(root: str, path: str) -> int:
    """Return the `seq` of a segment's last finished line, reading from its end."""
    full = os.path.join(root, path)
    size = os.path.getsize(full)
    for span in (65_536, 2 * audit.MAX_LINE):
        with open(full, "rb") as handle:
            handle.seek(max(size - span, 0))
            finished = handle.read().rpartition(b"\n")[0]
        last = finished.rpartition(b"\n")[2]
        found = _KEY.match(last)
        if found:
            return int(found[1])
    return 0


def query(root: str, wanted: audit.Filter) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Yield the lines that a filter wants with their entries, ascending by (seq, hash).

    Raises:
        BrokenLog: a line is no entry.
    """
    needles = [f'"model":"{wanted.model}"'.encode()] if wanted.model else []
    needles += [f'"version":"{wanted.version}"'.encode()] if wanted.version else []
    timed = wanted.since is not None or wanted.until is not None
    for path, number, raw in lines(root):
        if any(needle not in raw for needle in needles):
            continue
        if timed:
            found = _KEY.match(raw)
            if found and not wanted.wants_time(found[2]):
                continue
        try:
            entry = audit.parse(raw)
            if wanted.wants(entry):
                yield raw, entry
        except (audit.BadLine, KeyError, TypeError, ValueError):
            raise BrokenLog(
                "not an entry of the audit log", path=path, line=number, hint="helixctl verify shows all"
            ) from None
