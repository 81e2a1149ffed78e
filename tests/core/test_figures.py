from __future__ import annotations

import pytest

from helixctl.core import figures
from helixctl.core.figures import Figure


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (figures.share([]), Figure(None, "share", 0)),
        (figures.share([False]), Figure(0.0, "share", 1)),
        (figures.share([True, True, False]), Figure(0.6667, "share", 3)),
        (figures.rate(0, 168, 0), Figure(None, "per week", 0)),
        (figures.rate(0, 168, 4), Figure(0.0, "per week", 4)),
        (figures.rate(3, 336, 4), Figure(1.5, "per week", 4)),
        (figures.rate(3, 0, 4), Figure(None, "per week", 4)),
        (figures.count(0, 0), Figure(None, "count", 0)),
        (figures.count(0, 5), Figure(0, "count", 5)),
        (figures.count(2, 5), Figure(2, "count", 5)),
        (figures.middle([], "days"), Figure(None, "days", 0)),
        (figures.middle([3.0], "days"), Figure(3.0, "days", 1)),
        (figures.middle([5.0, 1.0, 2.0], "days"), Figure(2.0, "days", 3)),
        (figures.middle([1.0, 2.0], "hours"), Figure(1.5, "hours", 2)),
    ],
)
def test_a_figure_says_over_how_much_it_was_taken_and_nothing_where_that_is_nothing(
    figure: Figure, expected: Figure
) -> None:
    assert figure == expected


@pytest.mark.parametrize(
    ("since", "until", "hours"),
    [
        ("2026-03-01T12:00:00.000000Z", "2026-03-02T13:30:00.000000Z", 25.5),
        ("2026-03-01T12:00:00.000000Z", "2026-03-01T12:00:00.000000Z", 0.0),
        (None, "2026-03-01T12:00:00.000000Z", None),
        ("2026-03-01T12:00:00.000001Z", "2026-03-01T12:00:00.000000Z", None),
        ("2026-03-01T12:00", "soon", None),
    ],
)
def test_hours_are_known_only_between_two_times_in_their_order(
    since: str | None, until: str, hours: float | None
) -> None:
    assert figures.hours(since, until) == hours
