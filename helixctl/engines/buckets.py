"""Requests that are known by bucket of latency only: two tables, one with each at its upper end, one at its lower."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from operator import add
from typing import NamedTuple

from helixctl.core.stats import COLUMNS, Inference, Stats, StatsBuilder
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
        self._heads: dict[tuple[str, date], list[int]] = {}
        self._counts: tuple[dict[tuple[str, date], Counter[int]], ...] = (defaultdict(Counter), defaultdict(Counter))
        self._moments: dict[tuple[str, date, int], tuple[int, ...]] = {}
        self._latest: datetime | None = None

    def add(self, at: datetime, like: Inference, bucket: Bucket) -> None:
        """Count the requests of a bucket, whose region and outcome are those of one."""
        if not bucket.requests:
            return
        self._latest = max(at, self._latest or at)
        key = like.region, at.date()
        head = self._heads.setdefault(key, [0] * len(COLUMNS))
        if not like.success:
            for column in (0, _FAILED, COLUMNS.index(like.error_class)):
                head[column] += bucket.requests
            return
        for counts, end in zip(self._counts, bucket.ends, strict=True):
            counts[key][end] += bucket.requests

    def measure(self, at: datetime, like: Inference, name: str, moments: tuple[int, int, int]) -> None:
        """Add the count, sum and sum of squares of a measure, of requests that are counted besides."""
        key = like.region, at.date(), COLUMNS.index(f"{name}_count")
        self._moments[key] = tuple(map(add, self._moments.get(key, (0, 0, 0)), moments))

    def reduction(self) -> Reduction:
        """Return both tables, as what an engine gives; a measure of more requests than are known is left out."""
        left_out = 0
        for (region, day, first), moments in self._moments.items():
            head = self._heads.get((region, day))
            if head is None or not 0 < moments[0] <= self._requests((region, day)):
                left_out += 1
            else:
                head[first : first + 3] = moments
        best, worst = (self._table(counts) for counts in self._counts)
        unbounded = sum(timed[MAX_WHOLE] for timed in self._counts[1].values())
        notes = ["approximate: latencies are known by bucket only, and stand at its upper end"] if worst.groups else []
        if unbounded:
            notes.append(f"{unbounded} requests took longer than the last bucket bound, by how much nobody knows")
        if left_out:
            notes.append("tokens are left out of days on which they are of no requests, or of more than there are")
        return Reduction(worst, best=best, notes=tuple(notes))

    def _requests(self, place: tuple[str, date]) -> int:
        return self._heads[place][0] + self._counts[0][place].total()

    def _table(self, counts: Mapping[tuple[str, date], Counter[int]]) -> Stats:
        builder = StatsBuilder(self._subject.model, self._subject.version)
        for place, head in self._heads.items():
            builder.put(place, head, counts[place])
        return builder.build(self._latest)
