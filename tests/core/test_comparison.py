from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Sequence

import pytest

from helixctl.core.comparison import Comparison, Delta, Margins, Verdict, compare
from helixctl.core.statistics import Z_95_TWO_SIDED, newcombe_interval, share_interval, share_of_wins
from helixctl.core.stats import Inference, Stats, StatsBuilder

MARGINS = Margins()
BETTER, EQUIVALENT, WORSE, UNDECIDED = Verdict
FLAT = tuple(range(100, 200)) * 20


def table(
    latencies: Sequence[int] = FLAT,
    failures: int = 0,
    tokens: Sequence[int | None] = (None,),
    confidence: Sequence[int | None] = (None,),
    cost: Sequence[int | None] = (None,),
) -> Stats:
    """Return a table of successes with these latencies, then failures; a measure's values are taken in turn."""
    builder = StatsBuilder("m", "1.0.0")
    for i, latency in enumerate(latencies):
        at = [values[i % len(values)] for values in (tokens, confidence, cost)]
        builder.add(Inference(None, "", True, latency, at[0], at[0], at[2], at[1]), at[2])
    for _ in range(failures):
        builder.add(Inference(None, "", False, None, None, None, None, None), None)
    return builder.build()


def of(comparison: Comparison, metric: str) -> Delta:
    return next(one for one in comparison.deltas if one.metric == metric)


def histogram(values: Sequence[int]) -> list[tuple[int, int]]:
    return sorted(Counter(values).items())


@pytest.mark.parametrize(
    ("rates", "low", "high"),
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_the_difference_of_rates_has_the_intervals_that_newcombe_published_in_1998(
    rates: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert newcombe_interval(*rates) == pytest.approx((low, high), abs=5e-5)


def test_the_share_of_wins_is_the_statistic_of_mann_and_whitney_with_ties_counted_half() -> None:
    mannwhitneyu = pytest.importorskip("scipy.stats").mannwhitneyu
    draw = random.Random(1)
    for m, n, most in ((1, 1, 2), (3, 7, 4), (40, 25, 10), (200, 300, 10**6)):
        one, other = ([draw.randrange(most) for _ in range(size)] for size in (m, n))
        expected = float(mannwhitneyu(one, other).statistic) / (m * n)
        assert share_of_wins(histogram(one), histogram(other)) == pytest.approx(expected, rel=1e-12)


def test_the_interval_of_the_share_excludes_a_half_exactly_where_the_test_of_scipy_is_significant() -> None:
    mannwhitneyu = pytest.importorskip("scipy.stats").mannwhitneyu
    draw = random.Random(2)
    outcomes = set()
    for _ in range(150):
        m, n = draw.randrange(20, 80), draw.randrange(20, 80)
        one, other = [draw.gauss(0.35, 1) for _ in range(m)], [draw.gauss(0, 1) for _ in range(n)]
        tested = mannwhitneyu(one, other, use_continuity=False, method="asymptotic")
        low, high = share_interval(float(tested.statistic) / (m * n), m, n)
        significant = bool(tested.pvalue < 0.05)
        assert (low > 0.5 or high < 0.5) == significant
        outcomes.add(significant)
    assert outcomes == {True, False}


@pytest.mark.parametrize("share", [0.07, 0.5, 0.61, 0.8931, 0.999])
@pytest.mark.parametrize(("m", "n"), [(1, 2), (51, 58), (500, 5000), (10**6, 10**7)])
def test_the_ends_of_the_interval_are_as_far_as_the_variance_of_hanley_and_mcneil_allows(
    share: float, m: int, n: int
) -> None:
    for end in share_interval(share, m, n):
        q1, q2, rest = end / (2 - end), 2 * end**2 / (1 + end), (m + n) / 2 - 1
        variance = (end * (1 - end) + rest * (q1 - end**2) + rest * (q2 - end**2)) / (m * n)
        assert abs(share - end) == pytest.approx(Z_95_TWO_SIDED * math.sqrt(variance), rel=1e-6)
    assert share_interval(1 - share, m, n) == pytest.approx([1 - end for end in share_interval(share, m, n)[::-1]])


def test_complete_separation_bounds_the_share_on_one_side_and_one_pair_says_little() -> None:
    assert share_interval(0.0, 40, 50)[0] == 0.0
    assert 0.0 < share_interval(0.0, 40, 50)[1] < 0.1
    assert share_interval(1.0, 40, 50)[1] == 1.0
    low, high = share_interval(1.0, 1, 1)
    assert low < 0.25
    assert high == 1.0


def test_a_difference_of_means_has_the_interval_of_welch() -> None:
    draw = random.Random(3)
    one, other = [draw.randrange(50, 150) for _ in range(80)], [draw.randrange(90, 400) for _ in range(40)]
    found = of(compare(table(FLAT[:80], tokens=one), table(FLAT[:40], tokens=other), MARGINS), "avg_input_tokens")
    delta = statistics.mean(one) - statistics.mean(other)
    variances = statistics.variance(one), statistics.variance(other)
    half = statistics.NormalDist().inv_cdf(0.975) * math.sqrt(variances[0] / 80 + variances[1] / 40)
    assert (found.delta, found.ci_low, found.ci_high) == pytest.approx((delta, delta - half, delta + half))
    assert found.effect == pytest.approx(delta / math.sqrt(sum(variances) / 2))
    assert (found.n_candidate, found.n_baseline) == (80, 40)
    assert found.margin == pytest.approx(statistics.mean(other) / 10)


@pytest.mark.parametrize(
    ("metric", "candidate", "baseline", "verdict"),
    [
        ("error_rate", table(failures=0), table(failures=60), BETTER),
        ("error_rate", table(failures=10), table(failures=10), EQUIVALENT),
        ("error_rate", table(FLAT[:50]), table(failures=10), UNDECIDED),
        ("error_rate", table(failures=90), table(failures=10), WORSE),
        ("slow_share", table([100] * 2000), table(), BETTER),
        ("slow_share", table(), table(), EQUIVALENT),
        ("slow_share", table([*FLAT[:60], *[900] * 5]), table(), UNDECIDED),
        ("slow_share", table([*FLAT[:900], *[900] * 150]), table(), WORSE),
        ("p_slower", table([value - 10 for value in FLAT]), table(), BETTER),
        ("p_slower", table([value + 1 for value in FLAT]), table(), EQUIVALENT),
        ("p_slower", table(FLAT[:100]), table(), UNDECIDED),
        ("p_slower", table([value + 15 for value in FLAT]), table(), WORSE),
        ("avg_confidence", table(confidence=[950_000]), table(confidence=[900_000]), BETTER),
        ("avg_confidence", table(confidence=[881_000]), table(confidence=[900_000]), EQUIVALENT),
        ("avg_confidence", table(FLAT[:30], confidence=[900_000, 500_000]), table(confidence=[710_000]), UNDECIDED),
        ("avg_confidence", table(confidence=[879_000]), table(confidence=[900_000]), WORSE),
        ("avg_input_tokens", table(tokens=[99]), table(tokens=[100]), BETTER),
        ("avg_input_tokens", table(tokens=[110]), table(tokens=[100]), EQUIVALENT),
        ("avg_output_tokens", table(FLAT[:30], tokens=[10, 200]), table(tokens=[100]), UNDECIDED),
        ("avg_output_tokens", table(tokens=[111]), table(tokens=[100]), WORSE),
        ("cost_per_request", table(cost=[2_000_000]), table(cost=[3_000_000]), BETTER),
        ("cost_per_request", table(cost=[0]), table(cost=[0]), EQUIVALENT),
        ("cost_per_request", table(cost=[1]), table(cost=[0]), WORSE),
    ],
)
def test_a_metric_is_judged_by_where_its_interval_lies(
    metric: str, candidate: Stats, baseline: Stats, verdict: Verdict
) -> None:
    found = of(compare(candidate, baseline, MARGINS), metric)
    assert found.verdict is verdict
    assert found.ci_low is not None
    assert found.ci_high is not None
    assert found.delta is not None
    assert found.ci_low <= found.delta <= found.ci_high


def test_a_mean_of_fewer_than_thirty_observations_on_one_side_is_undecided_without_an_interval() -> None:
    few, enough = table(FLAT[:29], tokens=[900]), table(FLAT[:30], tokens=[900])
    baseline = table(tokens=[100])
    found = of(compare(few, baseline, MARGINS), "avg_input_tokens")
    assert (found.verdict, found.delta, found.ci_low, found.effect) == (UNDECIDED, 800, None, None)
    assert of(compare(enough, baseline, MARGINS), "avg_input_tokens").verdict is WORSE
    assert of(compare(baseline, few, MARGINS), "avg_input_tokens").verdict is UNDECIDED


def test_a_wider_margin_lets_pass_what_a_narrower_one_does_not() -> None:
    candidate, baseline = table(failures=90), table(failures=10)
    assert of(compare(candidate, baseline, MARGINS._replace(error_rate=0.1)), "error_rate").verdict is EQUIVALENT
    assert of(compare(candidate, baseline, MARGINS._replace(error_rate=0.04)), "error_rate").verdict is UNDECIDED


def test_a_heavy_tail_shows_in_the_share_of_slow_requests_and_a_shift_in_the_probability_to_be_slower() -> None:
    draw = random.Random(4)
    normal = [round(draw.lognormvariate(6, 0.5)) for _ in range(5000)]
    tail = [value * (10 if draw.random() < 0.12 else 1) for value in normal[:1000]]
    shifted = [round(value * 1.2) for value in normal[:300]]
    tailed, moved = (compare(table(one), table(normal), MARGINS) for one in (tail, shifted))
    assert (of(tailed, "slow_share").verdict, of(tailed, "p_slower").verdict) == (WORSE, UNDECIDED)
    assert (of(moved, "slow_share").verdict, of(moved, "p_slower").verdict) == (UNDECIDED, WORSE)
    assert tailed.verdict is moved.verdict is WORSE


@pytest.mark.parametrize(
    ("candidate", "baseline"),
    [(Stats(), Stats()), (table(), Stats()), (Stats(), table()), (table((), failures=5), table((), failures=5))],
)
def test_without_requests_that_succeeded_on_both_sides_nothing_is_decided(candidate: Stats, baseline: Stats) -> None:
    comparison = compare(candidate, baseline, MARGINS)
    assert comparison.verdict is UNDECIDED
    assert {of(comparison, metric).verdict for metric in ("slow_share", "p_slower")} == {UNDECIDED}
    assert [one.delta for one in comparison.deltas if one.metric != "error_rate"] == [None, None]


def test_a_candidate_that_only_fails_is_worse_though_its_latency_is_unknown() -> None:
    comparison = compare(table((), failures=100), table(), MARGINS)
    assert comparison.verdict is WORSE
    assert (of(comparison, "error_rate").delta, of(comparison, "p_slower").verdict) == (1.0, UNDECIDED)


def test_one_worse_metric_makes_the_whole_worse_and_one_better_makes_it_better() -> None:
    cheap, dear = table(cost=[2_000_000]), table(cost=[3_000_000])
    assert compare(cheap, dear, MARGINS).verdict is BETTER
    assert compare(dear, cheap, MARGINS).verdict is WORSE
    assert compare(cheap, cheap, MARGINS).verdict is EQUIVALENT


def test_a_measure_that_one_side_lacks_is_undecided_and_keeps_the_whole_from_being_better() -> None:
    cheap, dear = table(cost=[2_000_000], confidence=[900_000]), table(cost=[3_000_000])
    comparison = compare(cheap, dear, MARGINS)
    found = of(comparison, "avg_confidence")
    assert (found.verdict, found.n_candidate, found.n_baseline) == (UNDECIDED, len(FLAT), 0)
    assert (found.candidate, found.baseline, found.ci_low) == (0.9, None, None)
    assert comparison.verdict is EQUIVALENT


def test_a_measure_that_neither_side_carries_is_absent() -> None:
    assert [one.metric for one in compare(table(), table(), MARGINS).deltas] == ["error_rate", "slow_share", "p_slower"]


def test_effects_are_those_of_cohen_and_of_cliff() -> None:
    comparison = compare(table([200] * 35, failures=65), table([100] * 50, failures=50), MARGINS)
    assert of(comparison, "error_rate").effect == pytest.approx(1.875 - 1.571, abs=1e-3)
    assert of(comparison, "p_slower").effect == 1.0
    assert of(compare(table(tokens=[5]), table(tokens=[7]), MARGINS), "avg_input_tokens").effect is None
