from __future__ import annotations

import math
import random
import statistics
import time
from collections import Counter
from decimal import Decimal

import pytest

from helixctl.core.statistics import (
    Z_95,
    Z_95_TWO_SIDED,
    Ranked,
    Sums,
    beta_cdf,
    beta_quantile,
    clean_samples_needed,
    clopper_pearson_lower,
    clopper_pearson_upper,
    mean_interval,
    nearest_rank,
    newcombe_interval,
    percentile_lower,
    percentile_upper,
    ranked,
    share_of_wins,
    two_sided_z,
    variance,
    welch_half_width,
    wilson_interval,
)


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
    assert nearest_rank(ranked({}), 95, 100) is None
    assert percentile_upper(ranked({}), 95, 100) is None
    assert percentile_lower(ranked({}), 95, 100) is None
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
    assert nearest_rank(ranked(Counter(values)), percent, 100) == expected


@pytest.mark.parametrize(("percent", "smallest_n"), [(50, 5), (90, 29), (95, 59), (99, 299)])
def test_an_upper_bound_of_a_percentile_is_not_estimable_below_its_smallest_sample(
    percent: int, smallest_n: int
) -> None:
    assert percentile_upper(ranked({100: smallest_n - 1}), percent, 100) is None
    assert percentile_upper(ladder(smallest_n), percent, 100) == smallest_n


@pytest.mark.parametrize("failures", [0, 1, 2, 5])
def test_the_bound_of_p95_keeps_to_a_limit_exactly_where_the_bound_of_the_exceeding_share_does(failures: int) -> None:
    for n in range(59, 300):
        bound = percentile_upper(ranked({100: n - failures, 900: failures}), 95, 100)
        assert (bound == 100) == (clopper_pearson_upper(failures, n) <= 0.05)


def test_the_bounds_of_a_percentile_enclose_it_and_mirror_each_other() -> None:
    low, high = percentile_lower(ladder(1000), 95, 100), percentile_upper(ladder(1000), 95, 100)
    assert (low, nearest_rank(ladder(1000), 95, 100), high) == (938, 950, 962)
    assert percentile_upper(ladder(1000), 5, 100) == 1001 - 938


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


def ladder(n: int) -> Ranked:
    return ranked(dict.fromkeys(range(1, n + 1), 1))


def sums(values: list[int]) -> Sums:
    return len(values), sum(values), sum(value * value for value in values)


def cases(seed: int, most: int) -> list[tuple[int, int]]:
    draw = random.Random(seed)
    found = [(k, n) for n in (1, 2, 30) for k in (0, 1, n)]
    for _ in range(60):
        n = round(10 ** draw.uniform(0, math.log10(most)))
        found.append((draw.choice((0, draw.randrange(n + 1), draw.randrange(n // 20 + 1), n)), n))
    return found


@pytest.mark.parametrize(
    ("k", "n", "alpha", "low", "high"),
    [
        (3, 10, 0.05, 0.0667, 0.6525),  # Pearson and Hartley (1954), table 41
        (20, 1000, 0.05, 0.0123, 0.0307),  # Hahn and Meeker (1991), section 6.2
        (4, 20, 0.10, 0.0714, 0.4010),  # NIST/SEMATECH e-Handbook, section 7.2.4.2
    ],
)
def test_clopper_pearson_gives_what_tables_and_handbooks_print(
    k: int, n: int, alpha: float, low: float, high: float
) -> None:
    assert clopper_pearson_lower(k, n, alpha / 2) == pytest.approx(low, abs=6e-5)
    assert clopper_pearson_upper(k, n, alpha / 2) == pytest.approx(high, abs=6e-5)


@pytest.mark.parametrize("alpha", [0.05, 0.0125, 0.2])
def test_intervals_of_rates_agree_with_statsmodels(alpha: float) -> None:
    proportion_confint = pytest.importorskip("statsmodels.stats.proportion").proportion_confint
    for k, n in cases(1, 10**7):
        exact = clopper_pearson_lower(k, n, alpha / 2), clopper_pearson_upper(k, n, alpha / 2)
        assert exact == pytest.approx(proportion_confint(k, n, alpha, "beta"), rel=1e-8, abs=1e-12)
        score = wilson_interval(k, n, two_sided_z(alpha))
        assert score == pytest.approx(proportion_confint(k, n, alpha, "wilson"), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_the_interval_of_a_difference_of_rates_agrees_with_statsmodels(alpha: float) -> None:
    confint = pytest.importorskip("statsmodels.stats.proportion").confint_proportions_2indep
    for (k, n), (k_baseline, n_baseline) in zip(cases(2, 10**5), cases(3, 10**6), strict=True):
        counts = k, n, k_baseline, n_baseline
        expected = confint(*counts, method="newcomb", compare="diff", alpha=alpha)
        assert newcombe_interval(*counts, two_sided_z(alpha)) == pytest.approx(expected, rel=1e-7, abs=1e-9)


def test_the_default_intervals_are_of_95_percent() -> None:
    assert two_sided_z(0.05) == pytest.approx(Z_95_TWO_SIDED, rel=1e-12)
    assert two_sided_z(0.10) == pytest.approx(Z_95, rel=1e-12)
    assert two_sided_z(0.0125) == pytest.approx(2.4977, abs=5e-5)
    assert newcombe_interval(5, 56, 0, 29) == newcombe_interval(5, 56, 0, 29, Z_95_TWO_SIDED)


def test_nearest_rank_is_the_inverted_distribution_of_numpy() -> None:
    numpy = pytest.importorskip("numpy")
    draw = random.Random(4)
    for size in (1, 2, 19, 20, 21, 100, 999, 1000, 1001):
        values = [draw.randrange(1, 200) for _ in range(size)]
        for numerator, denominator in ((50, 100), (95, 100), (99, 100), (999, 1000)):
            expected = numpy.quantile(values, numerator / denominator, method="inverted_cdf")
            assert nearest_rank(ranked(Counter(values)), numerator, denominator) == expected


@pytest.mark.parametrize(
    ("percent", "smallest"),
    [
        (10, {29: 1, 46: 2, 61: 3, 76: 4, 89: 5, 103: 6, 116: 7, 129: 8, 142: 9, 154: 10}),
        (1, {299: 1, 473: 2, 628: 3, 773: 4, 913: 5}),
    ],
)
def test_a_lower_bound_takes_the_ranks_of_the_tables_of_basis_values(percent: int, smallest: dict[int, int]) -> None:
    """Guenther (1969), as CMH-17-1G tables it: from which sample size on which rank bounds, at 95%."""
    for n, rank in smallest.items():
        assert percentile_lower(ladder(n), percent, 100) == rank
        assert (percentile_lower(ladder(n - 1), percent, 100) or 0) == rank - 1
        assert percentile_upper(ladder(n), 100 - percent, 100) == n + 1 - rank


def test_the_bound_of_the_tenth_percentile_of_a_hundred_is_that_of_hahn_and_meeker() -> None:
    hundred = ladder(
        100
    )  # Hahn and Meeker (1991), section 5.2: rank 5, which holds with 97.6%, as rank 6 does not with 95%
    assert percentile_lower(hundred, 10, 100, 0.05) == percentile_lower(hundred, 10, 100, 0.0238) == 5
    assert percentile_lower(hundred, 10, 100, 0.0236) == 4
    assert percentile_upper(hundred, 90, 100) == 96


@pytest.mark.parametrize(("numerator", "denominator"), [(50, 100), (95, 100), (99, 100), (999, 1000)])
def test_the_ranks_of_the_bounds_of_a_percentile_are_quantiles_of_the_binomial_of_scipy(
    numerator: int, denominator: int
) -> None:
    binom = pytest.importorskip("scipy.stats").binom
    p = numerator / denominator
    for n in (5, 58, 59, 300, 2994, 2995, 20_000):
        upper, lower = int(binom.ppf(0.95, n, p)) + 1, int(binom.ppf(0.05, n, p))
        assert percentile_upper(ladder(n), numerator, denominator) == (upper if upper <= n else None)
        assert percentile_lower(ladder(n), numerator, denominator) == (lower or None)


def test_the_interval_of_a_mean_agrees_with_statsmodels() -> None:
    describe = pytest.importorskip("statsmodels.stats.weightstats").DescrStatsW
    draw = random.Random(5)
    for size in (30, 31, 500):
        values = [draw.randrange(-(10**6), 10**9) for _ in range(size)]
        expected = describe(values).zconfint_mean(alpha=0.10)
        assert mean_interval(*sums(values)) == pytest.approx(expected, rel=1e-9)


def test_the_interval_of_a_difference_of_means_agrees_with_statsmodels_and_nearly_with_student() -> None:
    weightstats = pytest.importorskip("statsmodels.stats.weightstats")
    draw = random.Random(6)
    for m, n in ((30, 30), (30, 4000), (700, 45)):
        one, other = ([draw.randrange(most) for _ in range(size)] for most, size in ((100, m), (900, n)))
        means = weightstats.CompareMeans.from_data(one, other)
        for alpha in (0.05, 0.0125):
            half = welch_half_width(sums(one), sums(other), two_sided_z(alpha))
            assert half is not None
            delta = statistics.mean(one) - statistics.mean(other)
            expected = means.zconfint_diff(alpha=alpha, usevar="unequal")
            assert (delta - half, delta + half) == pytest.approx(expected, rel=1e-9)
            low, high = means.tconfint_diff(alpha=alpha, usevar="unequal")
            assert 1 <= (high - low) / 2 / half < 1.08


def test_welch_gives_the_statistic_that_nist_prints_for_the_mileage_of_cars() -> None:
    usa, japan = (249, 5016, 111_250), (79, 2408, 76_308)  # NIST/SEMATECH e-Handbook, section 1.3.5.3, AUTO83B.DAT
    assert [math.sqrt(variance(one)) for one in (usa, japan)] == pytest.approx([6.41470, 6.10771], abs=5e-5)
    half = welch_half_width(usa, japan, 1.0)
    assert half is not None
    assert (5016 / 249 - 2408 / 79) / half == pytest.approx(-12.94627, abs=5e-5)


@pytest.mark.parametrize("of", [(29, 29, 29), (0, 0, 0), (40, 400, 100)])
def test_a_difference_of_means_is_not_estimable_from_few_or_impossible_sums(of: Sums) -> None:
    assert welch_half_width(of, (100, 500, 9000)) is None
    assert welch_half_width((100, 500, 9000), of) is None


@pytest.mark.parametrize(
    ("one", "other", "u"),
    [
        # Hollander and Wolfe (1973), page 69: permeability of the human chorioamnion
        (
            (80, 83, 189, 104, 145, 138, 191, 164, 73, 146),
            (115, 88, 90, 74, 121),
            35,
        ),
        ((19, 22, 16, 29, 24), (20, 11, 17, 12), 17),  # age at diagnosis of diabetes, the example of scipy's manual
    ],
)
def test_the_statistic_of_mann_and_whitney_is_that_of_published_examples(
    one: tuple[int, ...], other: tuple[int, ...], u: int
) -> None:
    found = share_of_wins(ranked(Counter(one)), ranked(Counter(other)))
    assert found == pytest.approx(u / (len(one) * len(other)), rel=1e-12)


@pytest.mark.parametrize(("limit", "above"), [(0, 6), (1, 5), (1.5, 5), (Decimal("2.9"), 5), (3, 2), (9, 0), (10, 0)])
def test_how_many_exceed_a_limit_is_counted_by_rank(limit: float | Decimal, above: int) -> None:
    assert ranked({3: 3, 1: 1, 9: 2}).above(limit) == above


def test_a_histogram_by_rank_gives_its_pairs_back() -> None:
    assert ranked({3: 2, 1: 1, 9: 2}).pairs() == ((1, 1), (3, 2), (9, 2))
    assert ranked({}).pairs() == ()
