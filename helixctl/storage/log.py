"""Reading the audit log: its segments in order, queries over them, and what is added while one looks on."""

from __future__ import annotations

import heapq
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from itertools import chain
from stat import S_ISREG
from typing import TYPE_CHECKING, Any

from helixctl.core import audit
from helixctl.errors import BrokenLog
from helixctl.storage import disk, ledger, lock
from helixctl.storage.frames import Frames

if TYPE_CHECKING:
    from helixctl.core.timeline import Timeline

_KEY = re.compile(rb'\{"v":\d+,"seq":(\d{1,18}),"ts":"([^"]{27})"')
_LARGEST = 67_108_864  # hardly any segment is larger: to look for times in it would not be worth the memory

Line = tuple[str, int, bytes]
Found = tuple[bytes, dict[str, Any]]


def segment_lines(root: str, path: str, offset: int = 0, before: int = 0) -> Iterator[Line]:
    """Yield each finished line of a segment, with its path and number, without its newline.

    Args:
        offset, before: so many bytes, and the lines in them, are left out.
    """
    full = os.path.join(root, path)
    if os.path.islink(full):
        raise BrokenLog("a link stands in place of a segment", path=path, hint="restore the file from git")
    with disk.refusing(f"read {path}"), open(full, "rb") as handle:
        handle.seek(offset)
        frames, number = Frames(handle), before
        for number, raw in enumerate(frames, before + 1):
            yield path, number, raw
        if frames.is_too_long:
            raise BrokenLog("a line of more than 1 MiB", path=path, line=number + 1, hint="restore the file from git")


def lines(root: str) -> Iterator[Line]:
    """Yield each line of the log, ascending by (seq, hash): segment after segment, merged where branches overlap."""
    return chain.from_iterable(merged(root, group) for group in groups(root, ledger.paths(root)))


def groups(root: str, paths: Iterable[str]) -> Iterator[list[str]]:
    """Yield the segments ascending, those together that overlap."""
    spans = sorted((_first_seq(root, path), path) for path in paths)
    group: list[str] = []
    for position, (_, path) in enumerate(spans):
        group.append(path)
        following = spans[position + 1][0] if position + 1 < len(spans) else None
        if following is None or _last_seq(root, group) < following:
            yield group
            group = []


def merged(root: str, group: list[str]) -> Iterator[Line]:
    """Yield each line of segments that overlap, ascending."""
    if len(group) == 1:
        return segment_lines(root, group[0])
    return heapq.merge(*(segment_lines(root, path) for path in group), key=_order)


def _order(line: Line) -> tuple[int, bytes]:
    path, number, raw = line
    found = _KEY.match(raw)
    if not found:
        raise broken(path, number, raw)
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


def query(root: str, wanted: audit.Filter) -> Iterator[Found]:
    """Yield the lines that a filter wants with their entries, ascending by (seq, hash).

    Raises:
        BrokenLog: a line is no entry.
    """
    if wanted.at is not None:
        yield from past(root, wanted).entries(wanted)
    else:
        yield from _matching(_likely(root, wanted), wanted)


def raw_lines(root: str, wanted: audit.Filter) -> Iterator[bytes]:
    """Yield the raw lines that a filter wants, ascending; those of a time range need not be parsed.

    Raises:
        BrokenLog: a line is no entry.
    """
    if wanted == audit.Filter(since=wanted.since, until=wanted.until):
        return (raw for _, _, raw in _likely(root, wanted))
    return (raw for raw, _ in query(root, wanted))


def past(root: str, wanted: audit.Filter) -> Timeline:
    """Return what was so at the filter's time, of its model and version where it names them.

    Raises:
        BrokenLog: a line is no entry.
    """
    from helixctl.core.timeline import Timeline

    timeline = Timeline()
    about = audit.Filter(wanted.model, wanted.version)
    for raw, entry in _matching(_likely(root, about._replace(at=wanted.at)), about):
        timeline.add(raw, entry)
    return timeline


def follow(root: str, wanted: audit.Filter, wait: Callable[[], None], last: int = 10) -> Iterator[Found]:
    """Yield the last lines and entries that a filter wants, and from then on each new one, until `wait` raises.

    Args:
        wait: called where nothing is new; returns when it is time to look again.

    Raises:
        BrokenLog: a line is no entry.
    """
    read: dict[str, tuple[int, int]] = {}
    with lock.shared(root):
        found: Iterable[Line] = _noted(lines(root), read)
        if wanted.is_whole:
            found = deque(found, maxlen=last)
        newest = deque(_matching(found, wanted), maxlen=last)
    yield from newest
    while True:
        wait()
        yield from _matching(_added(root, read), wanted)


def _added(root: str, read: dict[str, tuple[int, int]]) -> Iterator[Line]:
    """Yield the lines that were added since, ascending; what a writer holds the log for is left for the next time."""
    sizes = {}
    with lock.shared(root):
        for path in ledger.paths(root):
            with suppress(FileNotFoundError):  # a checkout may take it away meanwhile
                sizes[path] = os.path.getsize(os.path.join(root, path))
    parts = (
        _noted(segment_lines(root, path, *read.get(path, (0, 0))), read, size)
        for path, size in sizes.items()
        if size > read.get(path, (0, 0))[0]
    )
    return heapq.merge(*parts, key=_order)


def _noted(found: Iterable[Line], read: dict[str, tuple[int, int]], size: int | None = None) -> Iterator[Line]:
    """Yield lines and note how many bytes and lines of each segment were read; stop at a size."""
    for path, number, raw in found:
        offset = read.get(path, (0, 0))[0] + len(raw) + 1
        if size is not None and offset > size:
            return
        read[path] = offset, number
        yield path, number, raw


def _likely(root: str, wanted: audit.Filter) -> Iterator[Line]:
    """Yield the lines that may be wanted, unparsed.

    Raises:
        BrokenLog: a line does not begin and end as an entry does.
    """
    needles = [f'"{key}":{json.dumps(name)}'.encode() for key, name in wanted.named.items()]
    actions = [f'"action":{json.dumps(name)}'.encode() for name in wanted.actions]
    low, high = wanted.bounds
    is_timed = bool(low) or high != b"~"
    paths = ledger.paths(root)
    if is_timed:
        known = ledger.spans(root)
        paths = [path for path in paths if _reaches(root, path, known.get(path), (low, high))]
    for path, number, raw in chain.from_iterable(merged(root, group) for group in groups(root, paths)):
        found = _KEY.match(raw)
        if not found or not raw.endswith(b'"}'):
            raise broken(path, number, raw)
        is_likely = all(needle in raw for needle in needles) and (not actions or any(one in raw for one in actions))
        if is_likely and (not is_timed or low <= found[2] < high):
            yield path, number, raw


def _reaches(root: str, path: str, known: tuple[int, int, str, str] | None, span: tuple[bytes, bytes]) -> bool:
    """Tell whether a segment may hold a time of a range; the index knows it of those that did not change since."""
    low, high = span
    full = os.path.join(root, path)
    stat = os.lstat(full)
    if not S_ISREG(stat.st_mode) or stat.st_size > _LARGEST:
        return True
    if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
        return known[2].encode() < high and known[3].encode() >= low
    with disk.refusing(f"read {path}"):
        first, last = _span(full, stat.st_size, stat.st_mtime_ns)
    return first < high and last >= low


@lru_cache(maxsize=4096)
def _span(full: str, size: int, _mtime_ns: int) -> tuple[bytes, bytes]:
    """Return the smallest and the largest time of a segment: all are looked at, for a clock may have been set back."""
    with open(full, "rb") as handle:
        times = [at for _, at in _KEY.findall(handle.read(size))]
    return (min(times), max(times)) if times else (b"", b"~")


def _matching(found: Iterable[Line], wanted: audit.Filter) -> Iterator[Found]:
    for path, number, raw in found:
        try:
            entry = audit.parse(raw)
            _refuse_shape(entry)
            is_wanted = wanted.wants(entry)
        except (audit.BadLine, KeyError, TypeError, ValueError):
            raise broken(path, number, raw) from None
        if is_wanted:
            yield raw, entry


def _refuse_shape(entry: dict[str, Any]) -> None:
    """Refuse an entry that could not be shown in every format."""
    audit.refuse_shape(entry)
    texts = [entry["actor"]["type"], entry["actor"]["via"], *(effect["action"] for effect in entry["effects"])]
    texts += [entry[key] or "" for key in ("model", "version", "reason", "tool")]
    if entry["v"] != 1 or not all(isinstance(one, str) for one in texts):
        raise TypeError("a text is none")
    if datetime.fromisoformat(entry["ts"]).tzinfo is None:
        raise ValueError("a time without a zone")


def broken(path: str, number: int, raw: bytes) -> BrokenLog:
    """Return the refusal of a line that is no entry, with what is wrong with it."""
    fact = "not an entry of the audit log"
    try:
        audit.scan(raw)
    except audit.BadLine as error:
        fact = str(error)
    return BrokenLog(fact, path=path, line=number, hint="helixctl verify shows all")
