"""The whole log as bytes, copied as it lies on disk; its framing is checked before the first of them is given."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

from helixctl.core.audit import MAX_LINE
from helixctl.errors import BrokenLog
from helixctl.storage import disk, ledger, lock, log

_BLOCK = 131_072  # larger ones are mapped anew each time, which costs more than the copying
_START, _END = b'{"v":1,"seq":', b'"}\n'


def whole(root: str) -> Iterator[bytes]:
    """Yield the log's lines, ascending by (seq, hash), in large pieces.

    Raises:
        BrokenLog: a line does not begin and end as an entry does; nothing was given before.
    """
    with lock.shared(root):
        groups = list(log.groups(root, ledger.paths(root)))
        known = ledger.spans(root)
        sizes = {path: _checked(root, path, known.get(path)) for group in groups for path in group}
    for group in groups:
        if len(group) == 1:
            yield from _copied(root, group[0], sizes[group[0]])
        else:
            yield from _joined(root, group, sizes)


def _checked(root: str, path: str, known: tuple[int, int, str, str] | None) -> int:
    """Return the size of a segment up to its last newline, its framing checked: by the index, where it did not change."""
    full = os.path.join(root, path)
    stat = os.lstat(full)
    if known and known[:2] == (stat.st_size, stat.st_mtime_ns):
        return stat.st_size
    if not os.path.islink(full):
        with disk.refusing(f"read {path}"), open(full, "rb", buffering=0) as handle:
            size = _finished(handle)
            if size is not None and _is_framed(handle, size):
                return size
    for _, number, raw in log.segment_lines(root, path):
        if not raw.startswith(_START) or not raw.endswith(_END[:-1]):
            raise log.broken(path, number, raw)
    raise BrokenLog("the segment changed while it was read", path=path, hint="run it again")


def _finished(handle: BinaryIO) -> int | None:
    """Return where the last finished line ends, or None where the last line is longer than any reader takes."""
    size = handle.seek(0, os.SEEK_END)
    for span in (65_536, MAX_LINE + 1):
        handle.seek(max(size - span, 0))
        end = handle.read(span)
        if b"\n" in end or len(end) == size:
            return size - len(end) + end.rfind(b"\n") + 1
    return None


def _is_framed(handle: BinaryIO, size: int) -> bool:
    """Tell whether each line begins and ends as an entry does: so many newlines, so many times one ends and one begins."""
    joint = _END + _START
    lines, joints, gap, carried = 0, 0, 0, _END
    for block in _blocks(handle, size):
        count = block.count(b"\n")
        gap += block.find(b"\n") if count else len(block)
        if gap > MAX_LINE:
            return False
        if count:
            gap = len(block) - block.rfind(b"\n") - 1
        lines += count
        joints += block.count(joint) + (carried + block[: len(joint) - 1]).count(joint)
        carried = (carried + block[1 - len(joint) :])[1 - len(joint) :]
    return joints == lines and carried.endswith(_END)


def _blocks(handle: BinaryIO, size: int) -> Iterator[bytes]:
    handle.seek(0)
    while size and (block := handle.read(min(_BLOCK, size))):
        size -= len(block)
        yield block


def _copied(root: str, path: str, size: int) -> Iterator[bytes]:
    with disk.refusing(f"read {path}"), open(os.path.join(root, path), "rb", buffering=0) as handle:
        yield from _blocks(handle, size)


def _joined(root: str, group: list[str], sizes: dict[str, int]) -> Iterator[bytes]:
    """Yield the lines of segments that overlap, many at a time."""
    pieces, weight = [], 0
    for path, _, raw in log.merged(root, group):
        sizes[path] -= len(raw) + 1
        if sizes[path] < 0:
            continue  # added after the check
        pieces += [raw, b"\n"]
        weight += len(raw) + 1
        if weight > _BLOCK:
            yield b"".join(pieces)
            pieces, weight = [], 0
    yield b"".join(pieces)
