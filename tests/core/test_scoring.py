"""Scorers: what counts as the same."""

from __future__ import annotations

import pytest

from helixctl.core.scoring import parse, scored


@pytest.mark.parametrize(
    ("expected", "output", "score"),
    [
        *(("1234.5", "1,234.5", 1), (1234567, " 1,234,567 ", 1), ("-1,234", "-1234", 1)),
        *((5, "0,5", 0), (15, "1,5", 0), (12345, "12,345", 1), (12345, "123,45", 0), (1234, "1234,", 0)),
    ],
)
def test_a_comma_parts_thousands_and_nothing_else(expected: object, output: str, score: float) -> None:
    assert scored(parse("numeric"), expected, output) == score


@pytest.mark.parametrize("scorer", ["numeric:0.01", "numeric:1%"])
@pytest.mark.parametrize(
    ("expected", "output", "score"), [(1, 1.01, 1), (1, 1.0101, 0), ("2.5", 2.51, 1), (10**30, 10**30, 1)]
)
def test_a_number_at_the_very_tolerance_is_within_it(
    scorer: str, expected: object, output: object, score: float
) -> None:
    assert scored(parse(scorer), expected, output) == score
