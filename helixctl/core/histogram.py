"""Latencies in a few bins of a round width, for people to look at; what decides anything is never taken from them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, pairwise
from typing import NamedTuple

from helixctl.core import statistics as st

MOST = 9
"""How many bins reach to the slowest P99; one more takes what is beyond it."""


class Bin(NamedTuple):
    """Latencies over one bound and up to another, and how many requests of each table; the first holds its lower bound."""

    over_ms: int
    to_ms: int
    requests: tuple[int, ...]


def bins(*tables: st.Ranked) -> tuple[Bin, ...]:
    """Return the same bins of one or more tables; none where no request was timed."""
    timed = [table.values for table in tables if table.values]
    if not timed:
        return ()
    lowest, highest = min(values[0] for values in timed), max(values[-1] for values in timed)
    common = max(st.nearest_rank(table, 99, 100) or 0 for table in tables)
    step = next(step for step in _round() if -(-common // step) - _below(lowest, step) <= MOST)
    edges = [at * step for at in range(_below(lowest, step), max(-(-common // step), _below(lowest, step) + 1) + 1)]
    edges += [highest] if highest > edges[-1] else []
    sides = [_counted(table, edges) for table in tables]
    return tuple(map(Bin, edges, edges[1:], zip(*sides, strict=True)))


def _round() -> Iterator[int]:
    return (digit * 10**zeros for zeros in count() for digit in (1, 2, 5))


def _below(value: int, step: int) -> int:
    return max(0, -(-value // step) - 1)


def _counted(table: st.Ranked, edges: list[int]) -> list[int]:
    above = [table.n, *map(table.above, edges[1:])]
    return [more - less for more, less in pairwise(above)]
