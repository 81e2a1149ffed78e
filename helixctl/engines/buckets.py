"""Requests that are known by bucket of latency only: two tables, one with each at its upper end, one at its lower."""

from __future__ import annotations

import math
from datetime import datetime
from operator import add
from typing import NamedTuple

from helixctl.core.stats import COLUMNS, Inference, Row, Stats, table_of
from helixctl.engines import Reduction, Subject
from helixctl.engines.readers.native import MAX_WHOLE

_FAILED = COLUMNS.index("failures")


class Bucket(NamedTuple):
    """How many requests took more than `above_ms`, and `up_to_ms` at most; None for no bound."""

    above_ms: float | None
    up_to_ms: float | None
    requests: int

    @property
    def ends(self) -> tuple[int, int]:
        """The whole milliseconds, rounded up, that a request in it may have taken."""
        low = 0 if not self.above_ms or self.above_ms < 0 else math.floor(self.above_ms) + 1
        return low, MAX_WHOLE if self.up_to_ms is None else max(low, math.ceil(self.up_to_ms))


class Buckets:
    """Adds up the buckets of one version."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._heads: dict[tuple[str, str], list[int]] = {}
        self._counts: tuple[dict[tuple[str, str, int], int], ...] = ({}, {})
        self._moments: dict[tuple[str, str, int], tuple[int, ...]] = {}
        self._latest: datetime | None = None

    def add(self, at: datetime, like: Inference, bucket: Bucket) -> None:
        """Count the requests of a bucket, whose region and outcome are those of one."""
        if not bucket.requests:
            return
        self._latest = max(at, self._latest or at)
        key = like.region, at.date().isoformat()
        head = self._heads.setdefault(key, [0] * len(COLUMNS))
        if not like.success:
            for column in (0, _FAILED, COLUMNS.index(like.error_class)):
                head[column] += bucket.requests
            return
        for counts, end in zip(self._counts, bucket.ends, strict=True):
            counts[*key, end] = counts.get((*key, end), 0) + bucket.requests

    def measure(self, at: datetime, like: Inference, name: str, moments: tuple[int, int, int]) -> None:
        """Add the count, sum and sum of squares of a measure, of requests that are counted besides."""
        key = like.region, at.date().isoformat(), COLUMNS.index(f"{name}_count")
        self._moments[key] = tuple(map(add, self._moments.get(key, (0, 0, 0)), moments))

    def reduction(self) -> Reduction:
        """Return both tables, as what an engine gives; a measure of more requests than are known is left out."""
        left_out = 0
        for (region, day, first), moments in self._moments.items():
            head = self._heads.get((region, day))
            if head is None or not 0 < moments[0] <= self._requests(region, day):
                left_out += 1
            else:
                head[first : first + 3] = moments
        best, worst = (self._table(counts) for counts in self._counts)
        unbounded = sum(row.cells[0] for row in worst.rows if row.latency_ms == MAX_WHOLE)
        notes = ["approximate: latencies are known by bucket only, and stand at its upper end"] if worst.rows else []
        if unbounded:
            notes.append(f"{unbounded} requests took longer than the last bucket bound, by how much nobody knows")
        if left_out:
            notes.append("tokens are left out of days on which they are of no requests, or of more than there are")
        return Reduction(worst, best=best, notes=tuple(notes))

    def _requests(self, region: str, day: str) -> int:
        timed = sum(count for key, count in self._counts[0].items() if key[:2] == (region, day))
        return self._heads[region, day][0] + timed

    def _table(self, counts: dict[tuple[str, str, int], int]) -> Stats:
        names = self._subject.model, self._subject.version
        rows = [Row(*names, region, day, None, tuple(head)) for (region, day), head in self._heads.items()]
        rows += [Row(*names, region, day, end, (count,)) for (region, day, end), count in counts.items()]
        return table_of(rows, self._latest)
