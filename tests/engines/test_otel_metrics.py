"""OpenTelemetry metrics: what histograms and counters count, by bucket, cumulative or not."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helixctl import engines
from helixctl.core import stats as statistics
from helixctl.core.judge import Thresholds, judge
from helixctl.core.stats import Moments
from helixctl.engines import Query, Reduction, Source, Subject
from helixctl.engines.python import reduce
from helixctl.engines.readers import detected

SUBJECT = Subject("acme/m", "1.0.0", provider_model_id="gpt-4o")
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MODEL = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
SECONDS = [0.1, 0.5, 2.56, 5.12]


def nano(at: datetime) -> str:
    return str(int(at.timestamp()) * 10**9)


def point(counts: list[int], minute: int = 1, start: int = 0, /, **more: Any) -> dict[str, Any]:
    attributes = MODEL | more.pop("attributes", {})
    return {
        "startTimeUnixNano": nano(NOON + timedelta(minutes=start)),
        "timeUnixNano": nano(NOON + timedelta(minutes=minute)),
        "count": str(sum(counts)),
        "sum": 1.0,
        "bucketCounts": [str(count) for count in counts],
        "explicitBounds": SECONDS,
        "attributes": [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()],
        **more,
    }


def metric(
    *points: Any, name: str = "gen_ai.client.operation.duration", temporality: Any = 2, **more: Any
) -> dict[str, Any]:
    data = {"histogram": {"dataPoints": list(points), "aggregationTemporality": temporality}}
    return {"name": name, "unit": "s", **data, **more}


def tokens(side: str, counts: list[int], total: float, name: str = "gen_ai.client.token.usage") -> dict[str, Any]:
    given = {"sum": total, "explicitBounds": [1, 4, 16, 64], "attributes": {"gen_ai.token.type": side}}
    return metric(point(counts, **given), name=name, unit="{token}")


def read(*metrics: Any, query: Query = Query("otel-metrics")) -> Reduction:  # noqa: B008 - a value
    lines = ({"resourceMetrics": [{"scopeMetrics": [{"metrics": [one]}]}]} for one in metrics)
    raw = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert detected(raw, Query()) == "otel-metrics"
    found = reduce([Source("in", io.BytesIO(raw))], SUBJECT, query)
    assert statistics.decode(found.stats.encode()) == found.stats
    return found


def latencies(found: Reduction) -> tuple[Any, Any]:
    assert found.best
    return found.stats.totals().latencies, found.best.totals().latencies


def test_each_bucket_stands_at_its_upper_end_and_in_best_at_its_lower() -> None:
    found = read(metric(point([3, 4, 5, 6, 2])))
    assert latencies(found) == (
        ((100, 3), (500, 4), (2560, 5), (5120, 6), (10**12, 2)),
        ((0, 3), (101, 4), (501, 5), (2561, 6), (5121, 2)),
    )
    assert (found.stats.totals().requests, found.stats.latest) == (20, NOON + timedelta(minutes=1))
    assert found.notes[0].startswith("approximate")
    assert "2 requests took longer than the last bucket bound" in found.notes[1]


@pytest.mark.parametrize("temporality", [1, "AGGREGATION_TEMPORALITY_DELTA"])
def test_deltas_add_up(temporality: Any) -> None:
    found = read(metric(point([1, 0, 0, 0, 0]), point([2, 0, 1, 0, 0], 2, 1), temporality=temporality))
    assert latencies(found)[0] == ((100, 3), (2560, 1))


def test_what_is_cumulative_counts_once_and_begins_again_with_a_new_start() -> None:
    first, second = point([1, 0, 0, 0, 0]), point([3, 0, 1, 0, 0], 2)
    again = point([0, 2, 0, 0, 0], 5, 4)
    assert latencies(read(metric(first), metric(second), metric(second), metric(again)))[0] == (
        (100, 3),
        (500, 2),
        (2560, 1),
    )


@pytest.mark.parametrize("engine", ["python", "duckdb"])
def test_what_is_cumulative_goes_on_counting_from_one_file_to_the_next(tmp_path: Path, engine: str) -> None:
    counts = ([20, 10, 0, 0, 0], [21, 10, 0, 0, 0])
    for minute, one in enumerate(counts, 1):
        of = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric(point(one, minute))]}]}]}
        (tmp_path / f"{minute}.jsonl").write_text(json.dumps(of) + "\n")
    first, second = (Source(str(tmp_path / name)) for name in ("1.jsonl", "2.jsonl"))
    found = engines.reduce([first, second], SUBJECT, Query(engine=engine))
    assert (latencies(found)[0], len(found.notes)) == (((100, 21), (500, 10)), 1)
    turned = engines.reduce([second, first], SUBJECT, Query(engine=engine))
    assert (turned.malformed[0].source, turned.malformed_count) == (first.name, 1)


def test_two_exporters_of_equal_attributes_are_told_apart_by_when_they_started() -> None:
    one = [metric(point([many, 0, 0, 0, 0], minute)) for many, minute in ((5, 10), (7, 20), (8, 25))]
    other = [metric(point([0, many, 0, 0, 0], minute, 1)) for many, minute in ((2, 8), (4, 22))]
    for order in ([*one, *other], [*other, *one], [one[0], other[0], one[1], other[1], one[2]]):
        found = read(*order)
        assert (latencies(found)[0], found.malformed_count) == (((100, 8), (500, 4)), 0)


def test_a_failure_has_no_latency_and_its_type_says_its_class() -> None:
    failed = point([1, 0, 0, 0, 1], attributes={"error.type": "timeout"})
    totals = read(metric(point([3, 0, 0, 0, 0]), failed)).stats.totals()
    assert (totals.requests, totals.failures, totals.errors["timeout"], totals.timed) == (5, 2, 2, 3)


def test_tokens_have_the_sum_that_was_told_and_a_spread_at_least_as_wide() -> None:
    found = read(
        metric(point([4, 0, 0, 0, 0])), tokens("input", [0, 2, 0, 2, 0], 110), tokens("output", [0, 0, 1, 0, 1], 90)
    )
    measures = found.stats.totals().measures
    assert measures["input_tokens"] == Moments(4, 110, 2 * 4**2 + 2 * 64**2)
    assert measures["output_tokens"] == Moments(2, 90, 90**2)


def test_a_counter_of_tokens_is_of_the_requests_that_succeeded() -> None:
    data = {"attributes": {"gen_ai.token.type": "input"}, "asInt": "120"}
    counter = point([], **data)
    for name in ("count", "sum", "bucketCounts", "explicitBounds"):
        del counter[name]
    named = {"name": "gen_ai.client.inference.tokens", "sum": {"dataPoints": [counter], "aggregationTemporality": 2}}
    failed = point([0, 1, 0, 0, 0], attributes={"error.type": "500"})
    found = read(metric(point([4, 0, 0, 0, 0]), failed), named, tokens("input", [4, 0, 0, 0, 0], 4))
    assert found.stats.totals().measures["input_tokens"] == Moments(4, 120, 120**2)


def test_tokens_of_more_requests_than_are_known_are_left_out_and_told() -> None:
    found = read(metric(point([1, 0, 0, 0, 0])), tokens("input", [2, 0, 0, 0, 0], 2))
    assert found.stats.totals().measures["input_tokens"] == Moments(0, 0, 0)
    assert "tokens are left out" in found.notes[-1]


def test_a_window_takes_what_was_counted_in_it() -> None:
    points = [point([many, 0, 0, 0, 0], minute) for many, minute in ((1, 1), (3, 10), (9, 20))]
    since, until = NOON + timedelta(minutes=5), NOON + timedelta(minutes=15)
    whole = read(*map(metric, points), query=Query("otel-metrics", since=NOON))
    assert whole.stats.totals().requests == 9
    cut = read(*map(metric, points), query=Query("otel-metrics", since=since, until=until))
    assert (cut.stats.totals().requests, cut.malformed_count) == (2, 0)
    late = read(*map(metric, points[1:]), query=Query("otel-metrics", since=since))
    assert (late.stats.totals().requests, late.malformed_count) == (6, 1)
    assert "counts from before the time asked for" in late.malformed[0].why
    after = read(*map(metric, points[:2]), query=Query("otel-metrics", since=NOON + timedelta(hours=1)))
    assert (after.stats.totals().requests, after.skipped, after.malformed_count) == (0, 2, 0)


def test_calls_of_other_operations_are_passed_over_and_other_models_are_told() -> None:
    agent = point([1, 0, 0, 0, 0], attributes={"gen_ai.operation.name": "invoke_agent"})
    other = point([1, 0, 0, 0, 0], attributes={"gen_ai.request.model": "else"})
    found = read(metric(agent, other, point([1, 0, 0, 0, 0])), {"name": "http.client.request.duration", "gauge": {}})
    assert (found.stats.totals().requests, found.malformed_count, found.mismatched_count) == (1, 1, 1)


ODD: dict[str, tuple[Any, str]] = {
    "exponential": (
        {"name": "gen_ai.client.operation.duration", "exponentialHistogram": {}},
        "no histogram of explicit bounds",
    ),
    "no temporality": (metric(point([1, 0, 0, 0, 0]), temporality=0), "neither cumulative nor a delta"),
    "another unit": (metric(point([1, 0, 0, 0, 0]), unit="h"), "neither in seconds nor in milliseconds"),
    "buckets that do not add up": (metric(point([1, 0, 0, 0, 0], count="3")), "do not add up"),
    "a negative count": (metric(point([1, 0, 0, 0, 0], bucketCounts=["2", "-1", "0", "0", "0"])), "do not add up"),
    "too few buckets": (metric(point([1, 0, 0])), "bounds do not fit"),
    "bounds that fall": (metric(point([1, 0, 0, 0, 0], explicitBounds=[5, 4, 3, 2])), "bounds do not fit"),
    "a bound that is NaN": (metric(point([1, 0, 0, 0, 0], explicitBounds=["NaN", 1, 2, 3])), "a number that is none"),
    "no time": (metric(point([1, 0, 0, 0, 0], timeUnixNano="0")), "not a time"),
    "an older point": (metric(point([2, 0, 0, 0, 0], 5), point([1, 0, 0, 0, 0], 4)), "older than the one before"),
    "another shape": (
        {"name": "gen_ai.client.operation.duration", "histogram": {"dataPoints": [5]}},
        "not those of OTLP",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_an_odd_data_point_is_malformed_and_the_rest_counts(name: str) -> None:
    odd, why = ODD[name]
    found = read(metric(point([0, 0, 0, 1, 0]), temporality=1), odd)
    assert found.malformed_count == 1, found
    assert (found.malformed[0].line, why in found.malformed[0].why) == (2, True), found.malformed
    assert (5120, 1) in found.stats.totals().latencies


@pytest.mark.parametrize(("limit", "verdict"), [(2560, "failed"), (5120, "passed"), (3000, "inconclusive")])
def test_a_limit_within_the_bucket_of_p95_is_inconclusive(limit: int, verdict: str) -> None:
    found = read(metric(point([50, 200, 10, 100, 0])))
    told = judge(found.stats, Thresholds(max_latency_ms=limit), "acme/m@1.0.0", found.best)
    assert (told.verdict, "avg_latency_ms" in told.metrics) == (verdict, False)
    advice = (
        "max_latency_ms is not settled: p95_latency_ms lies in the bucket from 2561 to 5120 ms, and so does the limit; "
    )
    assert any(one.startswith(advice + "add a bucket bound at 3000 ms") for one in told.recommendations) is (
        limit == 3000
    )
