from __future__ import annotations

import math
import random
import statistics
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import pytest

from helixctl.core import judge
from helixctl.core.comparison import ONLY, Comparison, Delta, Look, Margins, Verdict, advice, agreed, compare, weighed
from helixctl.core.statistics import Z_95_TWO_SIDED, newcombe_interval, ranked, share_interval, share_of_wins
from helixctl.core.stats import Inference, Score, Stats, StatsBuilder
from helixctl.errors import Usage

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
        assert share_of_wins(ranked(Counter(one)), ranked(Counter(other))) == pytest.approx(expected, rel=1e-12)


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


def scored(*values: float, name: str = "exact", known: bool = True) -> Stats:
    """Return a table of usual requests and of samples with these scores."""
    found = [round(value * 10**6) for value in values]
    score = Score(name, len(found), sum(found), sum(value * value for value in found) if known else None)
    return table()._replace(scores=(score,))


def shares(right: int, wrong: int) -> list[float]:
    return [1.0] * right + [0.0] * wrong


@pytest.mark.parametrize(
    ("candidate", "baseline", "verdict"),
    [
        (shares(950, 50), shares(850, 150), BETTER),
        (shares(8500, 1500), shares(8500, 1500), EQUIVALENT),
        (shares(85, 15), shares(85, 15), UNDECIDED),
        (shares(700, 300), shares(850, 150), WORSE),
    ],
)
def test_a_score_is_compared_like_a_mean_and_higher_is_better(
    candidate: list[float], baseline: list[float], verdict: Verdict
) -> None:
    found = of(compare(scored(*candidate), scored(*baseline), MARGINS), "scores.exact")
    means, n = (statistics.mean(baseline), statistics.mean(candidate)), (len(baseline), len(candidate))
    assert (found.baseline, found.candidate, found.margin) == pytest.approx((*means, 0.02))
    assert (found.n_baseline, found.n_candidate, found.verdict) == (*n, verdict)
    variances = statistics.variance(candidate), statistics.variance(baseline)
    half = Z_95_TWO_SIDED * math.sqrt(variances[0] / n[1] + variances[1] / n[0])
    assert (found.ci_low, found.ci_high) == pytest.approx((means[1] - means[0] - half, means[1] - means[0] + half))
    assert found.effect == pytest.approx((means[1] - means[0]) / math.sqrt(sum(variances) / 2))


def test_a_score_of_which_lower_is_better_is_judged_the_other_way_round() -> None:
    low, high = scored(*shares(50, 950), name="loss"), scored(*shares(150, 850), name="loss")
    falling = Margins.of({}, ("loss",))
    assert of(compare(low, high, falling), "scores.loss").verdict is BETTER
    assert of(compare(high, low, falling), "scores.loss").verdict is WORSE
    assert of(compare(high, low, Margins.of({}, ("other",))), "scores.loss").verdict is BETTER


def test_scores_whose_spread_is_not_known_have_a_difference_and_no_interval() -> None:
    known, unknown = scored(*shares(900, 100)), scored(*shares(100, 900), known=False)
    for one, other in ((known, unknown), (unknown, known), (unknown, unknown)):
        found = of(compare(one, other, MARGINS), "scores.exact")
        assert (found.verdict, found.ci_low, found.effect) == (UNDECIDED, None, None)
    assert of(compare(known, unknown, MARGINS), "scores.exact").delta == pytest.approx(0.8)
    impossible = table()._replace(scores=(Score("exact", 100, 10**9, 10),))
    assert of(compare(known, impossible, MARGINS), "scores.exact").ci_low is None


def test_a_score_of_one_side_only_is_undecided_and_keeps_the_whole_from_being_better() -> None:
    comparison = compare(scored(*shares(90, 10)), table(cost=[1]), MARGINS)
    found = of(comparison, "scores.exact")
    assert (found.verdict, found.n_candidate, found.n_baseline, found.baseline) == (UNDECIDED, 100, 0, None)
    assert comparison.verdict is EQUIVALENT


def test_margins_come_from_a_table_over_the_defaults() -> None:
    margins = Margins.of({"error_rate": Decimal("0.2"), "scores": {"exact": Decimal("0.3")}, "score": Decimal("0.1")})
    told = (margins.margin("error_rate"), margins.margin("slow_share"), margins.margin("cost_per_request"))
    assert told == (0.2, 0.05, 0.1)
    assert (margins.margin("scores.exact"), margins.margin("scores.other")) == (0.3, 0.1)
    candidate, baseline = scored(*shares(700, 300)), scored(*shares(850, 150))
    assert compare(candidate, baseline, margins).verdict is EQUIVALENT


@pytest.mark.parametrize(
    ("stated", "metric"),
    [
        ({"avg_confidence": Decimal("0.1")}, "avg_confidence"),
        ({"cost_per_request": Decimal("0.1")}, "cost_per_request"),
        ({"scores": {"exact": Decimal("0.1")}}, "scores.exact"),
    ],
)
def test_what_a_margin_is_stated_for_must_be_answered(stated: dict[str, Decimal], metric: str) -> None:
    comparison = compare(table(), table(), Margins.of(stated))
    found = of(comparison, metric)
    assert (comparison.verdict, found.verdict, found.n_candidate, found.n_baseline) == (UNDECIDED, UNDECIDED, 0, 0)
    assert compare(table(), table(), MARGINS).verdict is EQUIVALENT


def test_a_margin_for_scores_in_general_asks_for_an_answer_on_each_there_is() -> None:
    margins, one_side = Margins.of({"score": Decimal("0.1")}), scored(*shares(90, 10))
    assert compare(one_side, table(), margins).verdict is UNDECIDED
    assert compare(table(), table(), margins).verdict is EQUIVALENT


@pytest.mark.parametrize(("text", "look"), [("1/1", (1, 1)), ("2/4", (2, 4)), ("4/4", (4, 4)), ("999/999", (999, 999))])
def test_a_look_is_one_of_so_many_and_spends_its_part_of_alpha(text: str, look: tuple[int, int]) -> None:
    found = Look.parse(text)
    assert found == look
    assert found.alpha == pytest.approx(0.05 / look[1])
    assert statistics.NormalDist().cdf(found.z) == pytest.approx(1 - found.alpha / 2, rel=1e-9)


@pytest.mark.parametrize(
    "text",
    ["5/4", "0/4", "x/y", "2", "", "2/0", "-1/4", "1/-4", "1.5/4", "2/4/8", "01/4", " 2/4", "2/4\n", "1/1000", "٢/٤"],
)
def test_a_look_that_nobody_can_mean_is_refused(text: str) -> None:
    with pytest.raises(Usage, match="is no look"):
        Look.parse(text)


def test_each_of_four_looks_takes_its_intervals_at_a_quarter_of_alpha() -> None:
    candidate, baseline = scored(*shares(85, 15)), scored(*shares(90, 10))
    z = statistics.NormalDist().inv_cdf(1 - 0.05 / 4 / 2)
    candidate, baseline = (
        one._replace(groups=side.groups) for one, side in ((candidate, table(failures=40)), (baseline, table()))
    )
    whole, part = (compare(candidate, baseline, MARGINS, look) for look in (ONLY, Look(2, 4)))
    assert (part.look, whole.look) == ((2, 4), (1, 1))
    for one, other in zip(whole.deltas, part.deltas, strict=True):
        assert one.delta == other.delta
        assert None not in (one.ci_low, one.ci_high, other.ci_low, other.ci_high)
        assert other.ci_low < one.ci_low  # type: ignore[operator]  # neither is None
        assert one.ci_high < other.ci_high  # type: ignore[operator]  # neither is None
    rate = of(part, "error_rate")
    assert (rate.ci_low, rate.ci_high) == newcombe_interval(40, 2040, 0, 2000, z)
    slower = of(part, "p_slower")
    assert (slower.ci_low, slower.ci_high) == pytest.approx([end - 0.5 for end in share_interval(0.5, 2000, 2000, z)])
    exact = of(part, "scores.exact")
    half = z * math.sqrt(statistics.variance(shares(85, 15)) / 100 + statistics.variance(shares(90, 10)) / 100)
    assert exact.ci_high == pytest.approx(-0.05 + half)
    assert len({compare(candidate, baseline, MARGINS, Look(i, 4)).deltas for i in (1, 2, 3, 4)}) == 1


def test_a_difference_that_one_look_calls_worse_may_be_undecided_at_one_of_four() -> None:
    candidate, baseline = table(FLAT[:1000], failures=28), table(FLAT[:1000], failures=6)
    assert of(compare(candidate, baseline, MARGINS), "error_rate").verdict is WORSE
    assert of(compare(candidate, baseline, MARGINS, Look(1, 4)), "error_rate").verdict is UNDECIDED


def test_two_comparisons_of_latencies_known_by_bucket_count_where_they_agree() -> None:
    usual, slow = compare(table(), table(), MARGINS), compare(table([300] * 2000), table(), MARGINS)
    assert agreed(usual, usual) == usual
    found = agreed(slow, usual)
    assert (found.verdict, of(found, "p_slower").verdict, of(found, "error_rate").verdict) == (
        UNDECIDED,
        UNDECIDED,
        EQUIVALENT,
    )
    assert any("known by bucket only" in text for text in advice(found, "m@2.0.0", "m@1.0.0"))


LIMITS = judge.Thresholds()
"""No confidence is recorded, so that its threshold is not applicable."""


@pytest.mark.parametrize(
    ("candidate", "baseline", "alone", "beside"),
    [
        (table(), table(), "passed", "passed"),
        (table(failures=90), table(), "passed", "failed"),
        (table(failures=900), table(), "failed", "failed"),
        (table(FLAT[:100]), table(), "passed", "inconclusive"),
        (table(failures=900), Stats(), "failed", "failed"),
        (table(FLAT[:20]), table(), "inconclusive", "inconclusive"),
        (table([900] * 40), table(), "inconclusive", "failed"),
    ],
)
def test_worse_fails_an_evaluation_and_undecided_leaves_it_inconclusive_at_best(
    candidate: Stats, baseline: Stats, alone: str, beside: str
) -> None:
    evaluation = judge.judge(candidate, LIMITS)
    found = weighed(evaluation, compare(candidate, baseline, MARGINS), ())
    assert (evaluation.verdict, found.verdict) == (alone, beside)
    assert found.proven == (evaluation.proven and beside == "passed")
    assert (found.metrics, found.thresholds, found.samples) == (
        evaluation.metrics,
        evaluation.thresholds,
        evaluation.samples,
    )
    activates = [text for text in found.recommendations if "--for activate" in text]
    assert bool(activates) == found.proven


def test_a_warning_becomes_inconclusive_beside_a_comparison_that_is_undecided() -> None:
    candidate = table([6000] * 100)
    evaluation = judge.judge(candidate, LIMITS._replace(warn=frozenset({"max_latency_ms"})))
    found = weighed(evaluation, compare(candidate, candidate, MARGINS), ())
    assert (evaluation.verdict, found.verdict) == ("warning", "inconclusive")


def test_the_advice_names_what_is_worse_by_how_much_and_what_would_settle_the_rest() -> None:
    candidate, baseline = table([1900] * 400, failures=3), table(FLAT[:400])
    worse, undecided = (
        next(text for text in advice(compare(candidate, baseline, MARGINS), "m@2.0.0", "m@1.0.0") if name in text)
        for name in ("p_slower", "error_rate")
    )
    assert worse.startswith("p_slower is worse than that of m@1.0.0: 1 against 0.5, by 0.")
    assert worse.endswith(" at least where 0.05 is allowed; see `helixctl diff m@1.0.0 m@2.0.0`")
    assert undecided.startswith("error_rate is undecided against m@1.0.0: about ")
    assert undecided.endswith(
        " times as many requests of both, alike, would settle it, then run `helixctl compare m@2.0.0 m@1.0.0`"
    )
    assert advice(compare(table(), table(), MARGINS), "a", "b") == ()
    few = advice(compare(table(), table([], failures=3), MARGINS), "a", "b")
    assert [text.partition(" is undecided")[0] for text in few] == ["slow_share", "p_slower"]
    assert "known of 2000 requests and of 0 of the baseline; record more" in few[0]


@pytest.mark.parametrize(
    ("sides", "named"), [((table(), Stats()), "b"), ((Stats(), table()), "a"), ((Stats(), Stats()), "a and b")]
)
def test_a_side_without_requests_is_told_once_with_where_they_may_come_from(
    sides: tuple[Stats, Stats], named: str
) -> None:
    (told,) = advice(compare(*sides, MARGINS), "a", "b")
    assert told == (
        f"no request of {named} is known: record some with `helixctl record {named[0]}`, "
        "or name files by --from and --baseline-from"
    )


@pytest.mark.parametrize("failures", [0, 1, 4])
def test_as_many_requests_as_the_advice_says_do_settle_it_and_fewer_do_not(failures: int) -> None:
    def sides(times: float) -> tuple[Stats, Stats]:
        n, bad = round(200 * times), round(failures * times)
        return table([100] * (n - bad), failures=bad), table([100] * n)

    (told,) = (text for text in advice(compare(*sides(1), MARGINS), "a", "b") if text.startswith("error_rate"))
    times = float(told.partition("about ")[2].partition(" times")[0])
    assert of(compare(*sides(1.15 * times), MARGINS), "error_rate").verdict is not UNDECIDED
    assert of(compare(*sides(0.85 * times), MARGINS), "error_rate").verdict is UNDECIDED


def test_a_difference_that_is_the_margin_is_settled_by_no_number_of_requests() -> None:
    candidate, baseline = table([100] * 990, failures=10), table([100] * 1000)
    (told,) = (
        text for text in advice(compare(candidate, baseline, MARGINS), "a", "b") if text.startswith("error_rate")
    )
    assert "the difference is about the margin itself; record more, or move the margin" in told
    few = scored(*shares(30, 10)), scored(*shares(30, 10))
    (told,) = advice(compare(*few, Margins.of({"score": Decimal("0.1")})), "a", "b")
    assert "scores.exact is undecided against b: about 3.7 times as many" in told


@pytest.mark.parametrize(("baseline", "known"), [(2, False), (19, False), (20, True)])
def test_a_baseline_too_small_for_a_p95_calls_no_candidate_slower_by_it(baseline: int, known: bool) -> None:
    found = compare(table([100] * 200 + [300] * 200), table([100 + n for n in range(baseline)]), MARGINS)
    share = next(one for one in found.deltas if one.metric == "slow_share")
    assert (share.baseline is not None) is known
    assert (share.verdict is Verdict.UNDECIDED) is not known
