"""Figures, each with what it was taken over: a share, a rate or a median is None, never 0, where there was nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from statistics import median
from typing import NamedTuple

from helixctl.core import times

HOURS_A_WEEK = 168


class Figure(NamedTuple):
    """A figure, None where it was not measured, its unit, and the number of things it was taken over."""

    value: float | None
    unit: str
    n: int


def share(held: Iterable[bool]) -> Figure:
    """Return the part of the answers that are yes."""
    answers = list(held)
    return Figure(round(sum(answers) / len(answers), 4) if answers else None, "share", len(answers))


def rate(count: int, hours: float, n: int) -> Figure:
    """Return how often a week something happened, over `n` chances of it."""
    return Figure(round(count * HOURS_A_WEEK / hours, 4) if n and hours > 0 else None, "per week", n)


def count(number: int, n: int) -> Figure:
    """Return how often something happened among `n` chances of it."""
    return Figure(number if n else None, "count", n)


def middle(values: Sequence[float], unit: str) -> Figure:
    """Return the median."""
    return Figure(round(median(values), 4) if values else None, unit, len(values))


def hours(since: str | None, until: str) -> float | None:
    """Return the hours between two times of the log; None where one is unknown, or the clock was set back meanwhile."""
    if since is None or since > until:
        return None
    try:
        return round((times.parse_instant(until) - times.parse_instant(since)) / timedelta(hours=1), 4)
    except ValueError:  # a log can hold any text
        return None
