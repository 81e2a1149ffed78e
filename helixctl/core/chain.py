"""The log's lines as a graph: framing, hashes, links and order, checked in one pass over the raw bytes.

Almost every line just follows the line before it in its segment; for such a run only the first line and the end are
kept, so memory grows with the number of segments and merges, not with the log. What a run's first line refers to, and
whether it stands elsewhere too, is settled at the end; only where its parent lies in the midst of another run, or two
segments overlap, are segments read again.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import NamedTuple

from helixctl.core import audit
from helixctl.core.integrity import Finding

_SHAPE = bytes.maketrans(b"123456789abcdef", b"000000000000000")
_TIME_AND_ID = b'0000-00-00T00:00:00.000000Z","id":"00000000-0000-0000-0000-000000000000","'.translate(_SHAPE)
_LENGTH = len(_TIME_AND_ID)


class Start(NamedTuple):
    """The first line of a run: one that does not just follow the line before it."""

    path: str
    number: int
    seq: int
    hash: bytes
    parents: tuple[bytes, ...]


class Chain:
    """Checks lines as they are fed, segment after segment. Hashes are 64 hex digits, as they stand in the lines."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.entries = self.roots = 0
        self.starts: list[Start] = []
        self.ends: dict[bytes, int] = {}
        self.spans: dict[str, tuple[int, int]] = {}
        self.heads: dict[str, int] = {}
        self.elsewhere: dict[bytes, int] = {}
        self.seqs: dict[bytes, int] = {}
        self.expected: list[tuple[str, bytes, int]] = []

    def segment(self, path: str, lines: Iterable[bytes], after: int = 0) -> int:
        """Check one segment's lines, given without their newlines; return how many it has.

        Args:
            after: so many of its lines, not given, are known already.
        """
        seq, digest, first, number = 0, b"", self.spans.get(path, (0, 0))[0], after
        is_run = False
        for number, raw in enumerate(lines, after + 1):
            following = sha256(raw[:-75]).hexdigest().encode()
            if is_run and raw.endswith(b',"parents":["%b"],"hash":"%b"}' % (digest, following)):
                begin = b'{"v":1,"seq":%d,"ts":"' % (seq + 1)
                at = len(begin)
                if raw[at : at + _LENGTH].translate(_SHAPE) == _TIME_AND_ID and raw.startswith(begin):
                    seq, digest = seq + 1, following
                    continue
            try:
                line = audit.scan(raw)
            except audit.BadLine as error:
                self._found("bad-line", path, number, str(error))
                self._ends(path, number, digest, seq, is_run=is_run)
                is_run = False
                continue
            self._ends(path, number, digest, seq, is_run=is_run)
            if (line.seq, following) <= (seq, digest):
                self._found("bad-order", path, number, f"seq {line.seq} does not follow seq {seq} in its segment")
            parents = tuple(parent.encode() for parent in line.parents)
            self.starts.append(Start(path, number, line.seq, following, parents))
            seq, digest, is_run, first = line.seq, following, True, min(first or line.seq, line.seq)
        self._ends(path, number, digest, seq, is_run=is_run)
        self.entries += number - after
        self.spans[path] = (first, max(seq, self.spans.get(path, (0, 0))[1]))
        return number

    def _ends(self, path: str, number: int, digest: bytes, seq: int, *, is_run: bool) -> None:
        if not is_run:
            return
        if digest in self.ends:
            self._found("bad-order", path, number, "the entry stands in the log twice")
        self.ends[digest] = seq

    def known(self, heads: Mapping[str, int], spans: Mapping[str, tuple[int, int]], entries: int) -> None:
        """Take in segments that were checked before, by the heads that they add up to and their first and last `seq`."""
        self.ends.update((head.encode(), seq) for head, seq in heads.items())
        self.spans.update(spans)
        self.entries += entries
        self.roots = 1

    def archived(self, heads: Mapping[str, int], entries: int, *, with_root: bool) -> None:
        """Take in segments that were moved away, by those of their entries that others may refer to."""
        self.elsewhere.update((head.encode(), seq) for head, seq in heads.items())
        self.entries += entries
        self.roots += with_root

    def expect(self, path: str, heads: Mapping[str, int]) -> None:
        """Demand that entries that a checkpoint states are in the log, once it is finished."""
        self.expected += [(path, head.encode(), seq) for head, seq in heads.items()]

    def finish(self, again: Callable[[str], Iterable[bytes]], *, is_part: bool = False) -> None:
        """Check the links between all runs, once every segment was fed.

        Args:
            again: gives a segment's lines once more.
            is_part: the log's first entry may be elsewhere, as in an export of a range.
        """
        self.seqs = seqs = self.elsewhere | self.ends | self._looked_up(again)
        for path, head, seq in self.expected:
            if seqs.get(head) != seq:
                self._found(
                    "lost-entry", path, None, f"the log lacks entry {seq}, {head[:12].decode()}, which stood in it"
                )
        for path, number, seq, _, parents in self.starts:
            self.roots += not parents
            if not parents and (self.roots > 1 or seq != 1):
                self._found("second-root", path, number, "an entry without parents that is not the log's first")
            found = [seqs[parent] for parent in parents if parent in seqs]
            if len(found) < len(parents):
                self._found("missing-parent", path, number, f"{len(parents) - len(found)} parents are not in the log")
            elif parents and seq != 1 + max(found):
                self._found("bad-seq", path, number, f"seq {seq} is not 1 + the largest seq of its parents")
        if not self.roots and not is_part:
            where: tuple[str, int | None] = self.starts[0][:2] if self.starts else ("audit", None)
            self._found("no-root", *where, "the log's first entry is not there")
        referred = {parent for start in self.starts for parent in start.parents}
        self.heads = {end.decode(): seq for end, seq in self.ends.items() if end not in referred}

    def _looked_up(self, again: Callable[[str], Iterable[bytes]]) -> dict[bytes, int]:
        """Return the `seq` of each parent inside a run; note the first lines of runs that stand in two segments."""
        sought = [(parent, start.seq) for start in self.starts for parent in start.parents]
        sought += [(head, seq + 1) for _, head, seq in self.expected]
        inside = {digest: seq for digest, seq in sought if digest not in self.ends and digest not in self.elsewhere}
        by_seq = sorted(self.starts, key=_seq)
        found: dict[bytes, int] = {}
        for path, (first, last) in self.spans.items():
            low, high = bisect_left(by_seq, first, key=_seq), bisect_right(by_seq, last, key=_seq)
            twice = {start.hash for start in by_seq[low:high] if start.path != path}
            wanted = twice | {parent for parent, seq in inside.items() if first < seq}
            for number, raw in enumerate(again(path) if wanted else (), 1):
                digest = raw[-66:-2]
                seq = _sound_seq(raw) if digest in wanted else None
                if seq is None:
                    continue
                if digest in inside:
                    found[digest] = seq
                if digest in twice:
                    self._found("bad-order", path, number, "the entry stands in the log twice")
        return found

    def _found(self, code: str, path: str, line: int | None, message: str) -> None:
        self.findings.append(Finding(code, path, line, message))


def _seq(start: Start) -> int:
    return start.seq


def _sound_seq(raw: bytes) -> int | None:
    try:
        return audit.scan(raw).seq
    except audit.BadLine:
        return None
