from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.judge import Evaluation, ThresholdResult, Thresholds, Verdict, judge
from helixctl.core.stats import Inference, Score, Stats, StatsBuilder

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMITS = Thresholds()


def table(
    successes: int,
    failures: int = 0,
    latency: Callable[[int], int] = lambda i: 100 + i % 10,
    confidence: int | None = 900_000,
    error: str = "other",
) -> Stats:
    builder = StatsBuilder("acme/m", "1.0.0")
    for i in range(successes):
        builder.add(Inference(NOON, "", True, latency(i), 100, 50, None, confidence), 2_500_000)
    for _ in range(failures):
        builder.add(Inference(NOON, "", False, None, None, None, None, None, error), None)
    return builder.build()


def of(evaluation: Evaluation, name: str) -> ThresholdResult:
    return next(one for one in evaluation.thresholds if one.name == name)


def test_a_clean_sample_passes_and_proves_every_threshold() -> None:
    evaluation = judge(table(100), LIMITS)
    assert (evaluation.verdict, evaluation.proven, evaluation.samples) == (Verdict.PASSED, True, 100)
    assert evaluation.recommendations == (
        "every threshold is proven: run `helixctl check acme/m@1.0.0 --for activate`",
    )


def test_fifty_clean_samples_pass_but_prove_nothing_at_five_percent() -> None:
    evaluation = judge(table(50), LIMITS)
    assert (evaluation.verdict, evaluation.proven) == (Verdict.PASSED, False)
    assert evaluation.recommendations[0] == (
        "max_error_rate and min_success_rate hold but are not proven: 9 more samples without a failure would prove it, "
        "then run `helixctl evaluate acme/m@1.0.0`"
    )


@pytest.mark.parametrize(("failures", "n"), [(0, 59), (1, 93), (2, 124), (5, 208)])
def test_an_error_rate_is_proven_from_the_published_sample_sizes_on(failures: int, n: int) -> None:
    def proven(size: int) -> bool:
        return of(judge(table(size - failures, failures), LIMITS), "max_error_rate").proven

    assert proven(n)
    assert not proven(n - 1)


@pytest.mark.parametrize(("failures", "verdict"), [(5, Verdict.PASSED), (6, Verdict.FAILED)])
def test_a_rate_at_its_limit_passes_and_beyond_it_fails(failures: int, verdict: Verdict) -> None:
    evaluation = judge(table(100 - failures, failures), LIMITS)
    assert evaluation.verdict is verdict
    outcome = "violated" if verdict is Verdict.FAILED else "passed"
    assert of(evaluation, "max_error_rate").outcome == of(evaluation, "min_success_rate").outcome == outcome


@pytest.mark.parametrize(("slow", "outcome"), [(5, "passed"), (6, "violated")])
def test_latency_is_judged_by_the_nearest_rank_p95(slow: int, outcome: str) -> None:
    evaluation = judge(table(100, latency=lambda i: 6000 if i < slow else 5000), LIMITS)
    assert of(evaluation, "max_latency_ms").outcome == outcome
    assert evaluation.metrics["p95_latency_ms"] == (6000 if outcome == "violated" else 5000)


@pytest.mark.parametrize(("slow", "proven"), [(1, True), (2, False)])
def test_latency_is_proven_by_the_share_of_requests_beyond_the_limit(slow: int, proven: bool) -> None:
    evaluation = judge(table(100, latency=lambda i: 6000 if i < slow else 5000), LIMITS)
    assert of(evaluation, "max_latency_ms").proven is proven


def test_failed_requests_do_not_touch_the_percentiles() -> None:
    assert judge(table(51, 49, latency=lambda _: 777), LIMITS).metrics["p50_latency_ms"] == 777


@pytest.mark.parametrize("stats", [Stats(), table(49), table(10, 39), table(0, 49)])
def test_too_few_samples_are_inconclusive_whatever_they_show(stats: Stats) -> None:
    evaluation = judge(stats, LIMITS)
    assert (evaluation.verdict, evaluation.proven) == (Verdict.INCONCLUSIVE, False)
    assert "samples: record" in evaluation.recommendations[0]


def test_no_data_is_inconclusive_even_where_no_sample_is_demanded() -> None:
    evaluation = judge(Stats(), LIMITS._replace(min_samples=0))
    assert evaluation.verdict is Verdict.INCONCLUSIVE
    assert evaluation.metrics == {} == evaluation.intervals
    assert {one.outcome for one in evaluation.thresholds} == {"not_measured"}
    assert len(evaluation.recommendations) == 1


def test_requests_that_all_failed_fail_though_their_latency_was_never_measured() -> None:
    evaluation = judge(table(0, 60), LIMITS)
    assert evaluation.verdict is Verdict.FAILED
    assert of(evaluation, "max_latency_ms").outcome == "not_measured"
    assert "error_rate is 1.0, 0.95 above the limit 0.05" in " ".join(evaluation.recommendations)


def test_a_latency_never_measured_is_inconclusive_where_no_threshold_fails() -> None:
    lenient = Thresholds(max_error_rate=1, min_success_rate=0)
    assert judge(table(0, 60), lenient).verdict is Verdict.INCONCLUSIVE
    assert judge(table(0, 60), LIMITS._replace(enforce=False)).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("required", "outcome", "verdict"),
    [(False, "not_applicable", Verdict.PASSED), (True, "not_measured", Verdict.INCONCLUSIVE)],
)
def test_confidence_that_no_record_carries_matters_only_where_the_version_asks_for_it(
    required: bool, outcome: str, verdict: Verdict
) -> None:
    evaluation = judge(table(100, confidence=None), LIMITS._replace(confidence_required=required))
    assert of(evaluation, "min_confidence").outcome == outcome
    assert (evaluation.verdict, evaluation.proven) == (verdict, not required)


@pytest.mark.parametrize(("confidence", "outcome"), [(700_000, "passed"), (699_999, "violated")])
def test_confidence_at_its_limit_passes_and_below_it_does_not(confidence: int, outcome: str) -> None:
    assert of(judge(table(100, confidence=confidence), LIMITS), "min_confidence").outcome == outcome


def test_confidence_is_proven_by_the_lower_bound_of_its_mean() -> None:
    builder = StatsBuilder("m", "1.0.0")
    for i in range(100):
        builder.add(Inference(NOON, "", True, 100, None, None, None, 1_000_000 if i % 5 else 0), None)
    stats = builder.build()  # mean 0.8, lower bound 0.7339
    assert of(judge(stats, LIMITS._replace(min_confidence=Decimal("0.73"))), "min_confidence").proven
    loose = judge(stats, LIMITS._replace(min_confidence=Decimal("0.74")))
    assert (of(loose, "min_confidence").outcome, of(loose, "min_confidence").proven) == ("passed", False)
    assert any("min_confidence holds but is not proven: about 22 more" in text for text in loose.recommendations)


def test_a_threshold_that_only_warns_gives_a_warning_and_is_not_proven() -> None:
    evaluation = judge(table(100, latency=lambda _: 9000), LIMITS._replace(warn=frozenset({"max_latency_ms"})))
    assert (evaluation.verdict, evaluation.proven) == (Verdict.WARNING, False)
    assert of(evaluation, "max_latency_ms").severity == "warn"
    assert of(evaluation, "max_error_rate").severity == "fail"


def test_without_enforcement_every_violation_only_warns() -> None:
    evaluation = judge(table(50, 50, latency=lambda _: 9000), LIMITS._replace(enforce=False))
    assert evaluation.verdict is Verdict.WARNING
    assert {one.severity for one in evaluation.thresholds} == {"warn"}


def test_one_failing_threshold_outweighs_any_that_warn() -> None:
    limits = LIMITS._replace(warn=frozenset({"max_latency_ms"}))
    assert judge(table(50, 50, latency=lambda _: 9000), limits).verdict is Verdict.FAILED


def test_metrics_are_whole_numbers_or_decimals_of_few_places() -> None:
    metrics = judge(table(2, 1, latency=lambda i: 100 + i), LIMITS._replace(min_samples=1)).metrics
    assert {name: str(value) for name, value in metrics.items()} == {
        "avg_latency_ms": "100.5",
        "p50_latency_ms": "100",
        "p95_latency_ms": "101",
        "p99_latency_ms": "101",
        "success_rate": "0.666667",
        "error_rate": "0.333333",
        "avg_confidence": "0.9",
        "avg_input_tokens": "100.0",
        "avg_output_tokens": "50.0",
        "cost_per_request": "0.0025",
        "cost_per_1000": "2.5",
    }


def test_the_metrics_of_the_file_begin_with_the_verdict() -> None:
    kept = judge(table(100), LIMITS).as_metrics()
    assert list(kept)[:4] == ["verdict", "proven", "samples", "avg_latency_ms"]
    assert (type(kept["verdict"]), kept["proven"], kept["samples"]) == (str, True, 100)


def test_the_cost_of_a_thousand_is_reported_with_its_interval_and_left_out_of_the_file() -> None:
    evaluation = judge(table(100), LIMITS)
    assert (evaluation.metrics["cost_per_1000"], evaluation.intervals["cost_per_1000"]) == (
        Decimal("2.5"),
        (Decimal("2.5"),) * 2,
    )
    assert "cost_per_1000" not in evaluation.as_metrics()


def test_p999_is_reported_from_where_its_upper_bound_is_estimable() -> None:
    short, enough = (judge(table(n, latency=lambda i: 100 + i), LIMITS) for n in (2994, 2995))
    assert "p999_latency_ms" not in short.metrics
    assert enough.metrics["p999_latency_ms"] == 100 + 2992  # rank ceil(0.999 x 2995) = 2993
    assert enough.intervals["p999_latency_ms"] == (
        Decimal(3088),
        Decimal(3094),
    )  # ranks 2989 and 2995: six beyond, by Poisson 96.7%
    assert enough.as_metrics()["p999_latency_ms"] == enough.metrics["p999_latency_ms"]


@pytest.mark.parametrize(
    ("p95", "asked"),
    [
        (1, "seconds"),
        (4, "seconds"),
        (5, None),
        (600_000, None),
        (600_001, "microseconds"),
        (3_000_000, "microseconds"),
    ],
)
def test_a_p95_in_an_unlikely_unit_asks_whether_another_was_meant_and_changes_no_verdict(
    p95: int, asked: str | None
) -> None:
    limits = LIMITS._replace(max_latency_ms=10**7)
    evaluation = judge(table(100, latency=lambda _: p95), limits)
    assert (evaluation.verdict, evaluation.proven) == (Verdict.PASSED, True)
    told = [text for text in evaluation.recommendations if "meant" in text]
    assert len(told) == (asked is not None)
    scale = "* 1000" if asked == "seconds" else "/ 1000"
    for text in told:
        assert text.startswith(
            f"p95_latency_ms is {p95}: were {asked} meant, not milliseconds? If so run `helixctl evaluate acme/m"
        )
        assert f"--map 'latency_ms=latency_ms {scale}'`" in text


def test_the_newest_time_is_carried_through() -> None:
    assert judge(table(100), LIMITS).newest_at == NOON


def test_intervals_are_the_bounds_that_proofs_rest_on_and_unknown_where_not_estimable() -> None:
    intervals = judge(table(58), LIMITS).intervals
    assert intervals["error_rate"] == (Decimal("0.000000"), Decimal("0.050339"))
    assert intervals["success_rate"] == (Decimal("0.949661"), Decimal("1.000000"))
    assert intervals["p95_latency_ms"] == (Decimal(108), None)
    assert intervals["cost_per_request"] == (Decimal("0.002500000"), Decimal("0.002500000"))
    assert judge(table(20), LIMITS).intervals["avg_confidence"] == (None, None)


@pytest.mark.parametrize(
    ("error", "words"), [("rate_limit", "more quota"), ("timeout", "allow more time"), ("other", "no common class")]
)
def test_a_violated_error_rate_names_the_gap_the_cause_and_the_samples_that_would_settle_it(
    error: str, words: str
) -> None:
    advice = judge(table(92, 8, error=error), LIMITS).recommendations[0]
    assert advice.startswith(
        "max_error_rate and min_success_rate are violated: error_rate is 0.08, 0.03 above the limit 0.05; "
    )
    assert words in advice
    assert "60 more samples without a failure would settle it" in advice
    assert advice.endswith("then run `helixctl evaluate acme/m@1.0.0`")


@pytest.mark.parametrize(
    ("limits", "begins"),
    [
        ({}, ["max_error_rate and min_success_rate are violated: error_rate is 0.08"]),
        (
            {"min_success_rate": Decimal("0.99")},
            ["max_error_rate and min_success_rate are violated: success_rate is 0.92"],
        ),
        ({"max_error_rate": Decimal("0.5")}, ["min_success_rate is violated"]),
        (
            {"min_success_rate": Decimal("0.91")},
            ["max_error_rate is violated", "min_success_rate holds but is not proven"],
        ),
    ],
)
def test_what_one_cause_makes_of_two_thresholds_is_told_once_by_the_stricter(
    limits: dict[str, Any], begins: list[str]
) -> None:
    told = [text for text in judge(table(92, 8), LIMITS._replace(**limits)).recommendations if "_rate" in text]
    assert [text[: len(begin)] for text, begin in zip(told, begins, strict=True)] == begins


def test_the_samples_that_would_settle_a_violation_do_settle_it() -> None:
    assert judge(table(92 + 60, 8), LIMITS).verdict is Verdict.PASSED
    assert judge(table(92 + 59, 8), LIMITS).verdict is Verdict.FAILED


def test_a_violated_latency_names_the_comparison_with_the_active_version() -> None:
    slow = table(100, latency=lambda i: 6000 if i < 6 else 100)
    told, alone = (
        next(text for text in judge(slow, LIMITS, serving=ref).recommendations if "max_latency_ms is violated" in text)
        for ref in ("acme/m@active", None)
    )
    assert "1000 above the limit 5000, exceeded by 6 of 100 requests; 20 more samples within 5000 ms" in told
    fact = told.removesuffix("; compare with `helixctl compare acme/m@1.0.0 acme/m@active`")
    assert alone == f"{fact}, then run `helixctl evaluate acme/m@1.0.0`"
    unsure = judge(table(100, confidence=500_000), LIMITS).recommendations
    assert any(
        "raise the confidence, or record more samples, then run `helixctl evaluate acme/m@1.0.0`" in one
        for one in unsure
    )


def test_a_limit_that_no_sample_proves_says_so() -> None:
    evaluation = judge(table(100), LIMITS._replace(max_error_rate=0))
    assert evaluation.verdict is Verdict.PASSED
    assert "no number of samples proves a limit of 0" in evaluation.recommendations[0]


def test_the_mean_of_a_score_has_its_bounds_where_its_spread_is_known() -> None:
    million = 10**6
    scores = (
        Score("qa.exact", 40, 30 * million, 30 * million**2),
        Score("qa.few", 29, 29 * million, 29 * million**2),
        Score("qa.mean", 40, 30 * million, None),
    )
    found = judge(Stats(scores=scores), Thresholds()).intervals
    reach = 1.6448536 * math.sqrt(0.75 * 0.25 / 39)
    ends = [float(end or 0) for end in found["scores.qa.exact"]]
    assert ends == pytest.approx([0.75 - reach, 0.75 + reach], abs=2e-6)
    assert found["scores.qa.few"] == found["scores.qa.mean"] == (None, None)


def coarse(upper: int, lower: int, n: int = 100, confidence: int | None = 900_000) -> tuple[Stats, Stats]:
    return table(n, latency=lambda _: upper, confidence=confidence), table(
        n, latency=lambda _: lower, confidence=confidence
    )


@pytest.mark.parametrize(
    ("ends", "verdict", "outcome"),
    [
        ((5000, 2501), Verdict.PASSED, "passed"),
        ((5001, 2501), Verdict.INCONCLUSIVE, "not_measured"),
        ((10_000, 5001), Verdict.FAILED, "violated"),
    ],
)
def test_latencies_known_by_bucket_are_judged_at_both_ends(ends: tuple[int, int], verdict: str, outcome: str) -> None:
    worst, best = coarse(*ends)
    evaluation = judge(worst, LIMITS, None, best)
    assert (evaluation.verdict, of(evaluation, "max_latency_ms").outcome) == (verdict, outcome)
    assert "avg_latency_ms" not in evaluation.metrics
    assert evaluation.metrics["p95_latency_ms"] == ends[0]


def test_a_limit_within_a_bucket_names_the_bound_to_add_and_other_violations_still_fail() -> None:
    worst, best = coarse(8000, 4001)
    (told,) = judge(worst, LIMITS, None, best).recommendations
    assert told == (
        "max_latency_ms is not settled: p95_latency_ms lies in the bucket from 4001 to 8000 ms, and so does the limit; "
        "add a bucket bound at 5000 ms to what measures it, or move the limit to a bound"
    )
    worst, best = coarse(8000, 4001, confidence=100_000)
    evaluation = judge(worst, LIMITS, None, best)
    assert evaluation.verdict is Verdict.FAILED
    assert len(evaluation.recommendations) == 2


def test_buckets_of_seconds_are_not_asked_whether_seconds_were_meant() -> None:
    worst, best = coarse(10**12, 3_000_001)
    assert not any("meant" in told for told in judge(worst, LIMITS, None, best).recommendations)
