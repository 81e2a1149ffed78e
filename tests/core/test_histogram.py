from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helixctl.core.histogram import MOST, bins
from helixctl.core.statistics import ranked

Table = list[tuple[int, int]]
TABLES = st.lists(
    st.dictionaries(st.integers(0, 10**12), st.integers(1, 10**6), max_size=30).map(
        lambda found: sorted(found.items())
    ),
    min_size=1,
    max_size=2,
)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ([], []),
        ([(0, 3)], [(0, 1, 3)]),
        ([(12, 1)], [(11, 12, 1)]),
        ([(100, 5), (101, 1)], [(99, 100, 5), (100, 101, 1)]),
        (
            [(500, 1), (501, 1), (1499, 1), (4000, 1)],
            [(0, 500, 1), (500, 1000, 1), (1000, 1500, 1)]
            + [(low, low + 500, int(low == 3500)) for low in range(1500, 4000, 500)],
        ),
        (
            [(10, 99), (20, 99), (90_000, 1)],
            [(low, low + 2, 99 * (low in (8, 18))) for low in range(8, 20, 2)] + [(20, 90_000, 1)],
        ),
    ],
)
def test_bins_have_a_round_width_and_the_last_takes_what_is_beyond_the_99th_percentile(
    table: Table, expected: list[tuple[int, int, int]]
) -> None:
    assert [(one.over_ms, one.to_ms, *one.requests) for one in bins(ranked(dict(table)))] == expected


@given(TABLES)
def test_every_request_is_in_one_bin(tables: list[Table]) -> None:
    found = bins(*(ranked(dict(table)) for table in tables))
    assert len(found) <= MOST + 1
    assert all(one.to_ms == after.over_ms for one, after in pairwise(found))
    for side, table in enumerate(tables):
        for one in found:
            least = one.over_ms - (one is found[0])
            held = sum(requests for value, requests in table if least < value <= one.to_ms)
            assert one.requests[side] == held
        assert sum(one.requests[side] for one in found) == sum(requests for _, requests in table)
