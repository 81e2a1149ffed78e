from __future__ import annotations

import time

import pytest

from helixctl.core.statistics import (
    Z_95,
    beta_cdf,
    beta_quantile,
    clean_samples_needed,
    clopper_pearson_lower,
    clopper_pearson_upper,
    mean_interval,
    nearest_rank,
    percentile_lower,
    percentile_upper,
    wilson_interval,
)

LADDER = [(value, 1) for value in range(1, 1001)]


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2527, 0.3676), (15, 148, 0.0578, 0.1617), (0, 20, 0.0, 0.1684), (1, 29, 0.0009, 0.1776)],
)
def test_clopper_pearson_gives_the_intervals_that_newcombe_published_in_1998(
    k: int, n: int, low: float, high: float
) -> None:
    assert clopper_pearson_lower(k, n, 0.025) == pytest.approx(low, abs=5e-5)
    assert clopper_pearson_upper(k, n, 0.025) == pytest.approx(high, abs=5e-5)


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_intervals_that_newcombe_published_in_1998(k: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(k, n, 1.959964) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("failures", "n"), [(0, 59), (1, 93), (2, 124), (3, 153), (4, 181), (5, 208)])
def test_proving_five_percent_takes_the_sample_sizes_that_wilks_published_in_1941(failures: int, n: int) -> None:
    assert clopper_pearson_upper(failures, n) <= 0.05 < clopper_pearson_upper(failures, n - 1)
    assert clean_samples_needed(failures, 50, 0.05) == n - 50
    assert clean_samples_needed(failures, n, 0.05) == 0


@pytest.mark.parametrize(
    ("failures", "n", "limit", "needed"),
    [(0, 0, 0.05, 59), (0, 0, 0.01, 299), (0, 0, 0.001, 2995), (7, 10, 1.0, 0), (0, 10, 0.0, None), (0, 9, -1.0, None)],
)
def test_clean_samples_needed_at_its_edges(failures: int, n: int, limit: float, needed: int | None) -> None:
    assert clean_samples_needed(failures, n, limit) == needed


@pytest.mark.parametrize(("failures", "n", "limit"), [(3, 17, 0.1), (40, 41, 0.02), (999, 100_000, 0.0101)])
def test_one_clean_sample_fewer_than_needed_does_not_prove_the_limit(failures: int, n: int, limit: float) -> None:
    needed = clean_samples_needed(failures, n, limit)
    assert needed
    assert clopper_pearson_upper(failures, n + needed) <= limit < clopper_pearson_upper(failures, n + needed - 1)


def test_bounds_without_samples_say_nothing() -> None:
    assert (clopper_pearson_lower(0, 0), clopper_pearson_upper(0, 0)) == (0.0, 1.0)
    assert wilson_interval(0, 0, Z_95) == (0.0, 1.0)
    assert nearest_rank([], 95, 100) is None
    assert percentile_upper([], 95, 100) is None
    assert percentile_lower([], 95, 100) is None
    assert mean_interval(0, 0, 0) is None


def test_a_sample_that_only_failed_or_never_failed_has_one_bound_at_the_end_of_the_scale() -> None:
    assert clopper_pearson_upper(7, 7) == 1.0
    assert clopper_pearson_lower(7, 7) == pytest.approx(0.05 ** (1 / 7), rel=1e-12)
    assert clopper_pearson_lower(0, 7) == 0.0
    assert clopper_pearson_upper(0, 7) == pytest.approx(1 - 0.05 ** (1 / 7), rel=1e-12)
    assert wilson_interval(0, 7, Z_95)[0] == 0.0
    assert wilson_interval(7, 7, Z_95)[1] == 1.0


def test_the_bounds_agree_with_scipy() -> None:
    beta = pytest.importorskip("scipy.stats").beta
    for n in (1, 2, 3, 10, 50, 1000, 10**5, 10**7):
        for k in sorted({0, 1, 2, n // 1000, n // 20, n // 2, n - 1, n}):
            if k < n:
                assert clopper_pearson_upper(k, n) == pytest.approx(beta.ppf(0.95, k + 1, n - k), rel=1e-9, abs=1e-12)
            if 0 < k <= n:
                assert clopper_pearson_lower(k, n) == pytest.approx(beta.ppf(0.05, k, n - k + 1), rel=1e-9, abs=1e-12)


def test_the_incomplete_beta_function_agrees_with_scipy_and_its_inverse() -> None:
    betainc = pytest.importorskip("scipy.special").betainc
    for a, b in ((1, 1), (1, 59), (3.5, 2), (60, 40), (1e4, 3e5), (5e5, 9.5e6)):
        for q in (1e-6, 0.0125, 0.05, 0.5, 0.95, 0.999):
            x = beta_quantile(q, a, b)
            assert beta_cdf(x, a, b) == pytest.approx(q, rel=1e-9)
            assert float(betainc(a, b, x)) == pytest.approx(q, rel=1e-8)
    assert (beta_cdf(-0.1, 2, 3), beta_cdf(0, 2, 3), beta_cdf(1, 2, 3), beta_cdf(2, 2, 3)) == (0, 0, 1, 1)


def test_a_bound_on_ten_million_samples_takes_a_few_milliseconds_at_most() -> None:
    def cost(failures: int) -> float:
        start = time.process_time()
        clopper_pearson_upper(failures, 10**7)
        return time.process_time() - start

    assert max(min(cost(failures) for _ in range(5)) for failures in (0, 3, 10**4, 10**6, 5 * 10**6)) < 0.02


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([15, 20, 35, 40, 50], 5, 15),
        ([15, 20, 35, 40, 50], 30, 20),
        ([15, 20, 35, 40, 50], 40, 20),
        ([15, 20, 35, 40, 50], 50, 35),
        ([15, 20, 35, 40, 50], 100, 50),
        (list(range(1, 101)), 95, 95),
        (list(range(1, 41)), 95, 38),
        ([7], 99, 7),
        ([7, 9], 0, 7),
    ],
)
def test_nearest_rank_takes_the_value_of_rank_ceil_p_n(values: list[int], percent: int, expected: int) -> None:
    assert nearest_rank([(value, 1) for value in values], percent, 100) == expected


@pytest.mark.parametrize(("percent", "smallest_n"), [(50, 5), (90, 29), (95, 59), (99, 299)])
def test_an_upper_bound_of_a_percentile_is_not_estimable_below_its_smallest_sample(
    percent: int, smallest_n: int
) -> None:
    assert percentile_upper([(100, smallest_n - 1)], percent, 100) is None
    assert percentile_upper(LADDER[:smallest_n], percent, 100) == smallest_n


@pytest.mark.parametrize("failures", [0, 1, 2, 5])
def test_the_bound_of_p95_keeps_to_a_limit_exactly_where_the_bound_of_the_exceeding_share_does(failures: int) -> None:
    for n in range(59, 300):
        bound = percentile_upper([(100, n - failures), *([(900, failures)] if failures else [])], 95, 100)
        assert (bound == 100) == (clopper_pearson_upper(failures, n) <= 0.05)


def test_the_bounds_of_a_percentile_enclose_it_and_mirror_each_other() -> None:
    low, high = percentile_lower(LADDER, 95, 100), percentile_upper(LADDER, 95, 100)
    assert (low, nearest_rank(LADDER, 95, 100), high) == (938, 950, 962)
    assert percentile_upper(LADDER, 5, 100) == 1001 - 938


def test_a_mean_has_a_normal_interval_from_thirty_observations_on() -> None:
    values = [*range(10), *range(10), *range(10)]
    total, squares = sum(values), sum(value * value for value in values)
    assert mean_interval(29, total, squares) is None
    interval = mean_interval(30, total, squares, 1.96)
    assert interval == pytest.approx((4.5 - 1.04541, 4.5 + 1.04541), abs=1e-4)


def test_the_variance_of_large_integers_does_not_cancel() -> None:
    shift = 10**15
    values = [shift + step for step in (0, 1, 2) * 20]
    interval = mean_interval(60, sum(values), sum(value * value for value in values), 1.0)
    assert interval is not None
    assert (interval[1] - interval[0]) / 2 == pytest.approx((2 / 3 / 59) ** 0.5, abs=0.13)
