"""The verdict on a table of statistics: metrics, bounds, thresholds, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Context, Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from helixctl.core import statistics as st
from helixctl.core.stats import Score, Stats, Totals

Number = int | Decimal
_PRECISE = Context(prec=40)
_PERCENTILES = {
    "p50_latency_ms": (50, 100),
    "p95_latency_ms": (95, 100),
    "p99_latency_ms": (99, 100),
    "p999_latency_ms": (999, 1000),  # absent where its upper bound is not estimable: below 2,995 requests
}
_USUAL_P95_MS = (5, 600_000)
"""Outside of it the unit is in doubt."""

MEANS = {  # metric: measure, units in one, decimal places
    "avg_latency_ms": ("latency_ms", 1, 6),
    "avg_confidence": ("confidence", 10**6, 6),
    "avg_input_tokens": ("input_tokens", 1, 6),
    "avg_output_tokens": ("output_tokens", 1, 6),
    "cost_per_request": ("cost", 10**9, 9),
    "cost_per_1000": ("cost", 10**6, 6),
}
_CAUSES = {
    "timeout": "timeouts: allow more time, or shorten the output",
    "rate_limit": "rate limits: ask the provider for more quota, or send less at once",
    "server": "errors of the provider: see its status page",
    "client": "refused requests: check the model id, the credentials and the parameters",
}
_MISSING = {
    "max_latency_ms": "no successful request has a latency; record some, with `latency_ms`",
    "min_confidence": "record inferences with `confidence`, or take min_confidence out of the version file",
}


class Verdict(StrEnum):
    """The answer of an evaluation."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    INCONCLUSIVE = "inconclusive"


class Thresholds(NamedTuple):
    """What a version must keep to; `max_latency_ms` bounds P95.

    Violations only warn of thresholds named in `warn`, and of all without `enforce`; a version file that itself sets
    `min_confidence` has `confidence_required`.
    """

    max_error_rate: Number = Decimal("0.05")
    min_success_rate: Number = Decimal("0.95")
    max_latency_ms: Number = 5000
    min_confidence: Number = Decimal("0.7")
    min_samples: int = 50
    warn: frozenset[str] = frozenset()
    enforce: bool = True
    confidence_required: bool = False


class ThresholdResult(NamedTuple):
    """One threshold: severity is fail or warn; outcome is passed, violated, not_measured or not_applicable.

    `proven` is True where the one-sided 95% bound keeps to the limit too.
    """

    name: str
    metric: str
    value: Number | None
    limit: Number
    severity: str
    outcome: str
    proven: bool


class Evaluation(NamedTuple):
    """A verdict and what it rests on; metrics that were not measured are absent.

    `intervals` holds one-sided 95% bounds, below and above, None where not estimable; those of a score as `scores.NAME`.
    """

    verdict: Verdict
    proven: bool
    samples: int
    metrics: Mapping[str, Number]
    intervals: Mapping[str, tuple[Decimal | None, Decimal | None]]
    thresholds: tuple[ThresholdResult, ...]
    recommendations: tuple[str, ...]
    newest_at: datetime | None
    scores: Mapping[str, Decimal]

    def as_metrics(self) -> dict[str, Any]:
        """Return the keys of `[metrics]` from the verdict on, in the order of the file; the cost of one stands for that of 1,000."""
        stated: dict[str, Any] = {
            "verdict": str(self.verdict),
            "proven": self.proven,
            "samples": self.samples,
            **{name: value for name, value in self.metrics.items() if name != "cost_per_1000"},
        }
        return {**stated, "scores": self.scores} if self.scores else stated


def judge(
    stats: Stats,
    thresholds: Thresholds,
    ref: str | None = None,
    best: Stats | None = None,
    *,
    serving: str | None = None,
) -> Evaluation:
    """Compute every metric, bound and threshold of one version, and the verdict.

    Args:
        ref: the version, as recommendations name it; None takes it from the table.
        best: where latencies are known by bucket only; `stats` then has the upper end of each bucket, and `best` the
            lower. What violates a limit at the one and keeps it at the other was not measured finely enough, and there
            is no mean.
        serving: another version, which serves, to compare with.
    """
    totals = stats.totals()
    metrics = _metrics(totals)
    results = tuple(_result(name, totals, metrics, thresholds) for name in _TESTS)
    low = None if best is None else best.totals()
    if low:
        metrics.pop("avg_latency_ms", None)
        at_best = (_result(name, low, _metrics(low), thresholds) for name in _TESTS)
        results = tuple(map(_settled, results, at_best))
    verdict = _verdict(totals.requests, results, thresholds)
    told = _recommendations((ref or _named(stats), serving), (totals, low), results, thresholds)
    return Evaluation(
        verdict=verdict,
        proven=verdict is Verdict.PASSED and all(one.proven for one in results if one.outcome != "not_applicable"),
        samples=totals.requests,
        metrics=metrics,
        intervals=_intervals(totals, metrics) | {f"scores.{one.name}": _of_score(one) for one in stats.scores},
        thresholds=results,
        recommendations=tuple(told),
        newest_at=stats.newest_at,
        scores={one.name: _ratio(one.total, one.n * 10**6, 6) for one in stats.scores},
    )


def _metrics(totals: Totals) -> dict[str, Number]:
    of_requests = {"success_rate": totals.requests - totals.failures, "error_rate": totals.failures}
    rates = {name: _ratio(count, totals.requests, 6) for name, count in of_requests.items() if totals.requests}
    percentiles = {
        name: st.nearest_rank(totals.ranked, *share) or 0
        for name, share in _PERCENTILES.items()
        if totals.timed and (name != "p999_latency_ms" or st.percentile_upper(totals.ranked, *share) is not None)
    }
    means = {
        name: _ratio(totals.measures[measure].total, totals.measures[measure].n * unit, places)
        for name, (measure, unit, places) in MEANS.items()
        if totals.measures[measure].n
    }
    first = {name: value for name, value in means.items() if name == "avg_latency_ms"}
    return {**first, **percentiles, **rates, **means}


def _ratio(numerator: int, denominator: int, places: int) -> Decimal:
    """Divide, rounded half up to some places within 15 digits; trailing zeros go, but for the first place."""
    places = min(places, 15 - len(str(numerator // denominator)))
    units = (2 * numerator * 10**places + denominator) // (2 * denominator)
    while places > 1 and units % 10 == 0:
        units, places = units // 10, places - 1
    return Decimal(units).scaleb(-places, _PRECISE)


def _intervals(totals: Totals, metrics: Mapping[str, Number]) -> dict[str, tuple[Decimal | None, Decimal | None]]:
    n, failures, ranked = totals.requests, totals.failures, totals.ranked
    bounds: dict[str, tuple[float | None, float | None]] = {}
    for name in metrics:
        if name in _PERCENTILES:
            share = _PERCENTILES[name]
            bounds[name] = st.percentile_lower(ranked, *share), st.percentile_upper(ranked, *share)
        elif name in ("error_rate", "success_rate"):
            k = failures if name == "error_rate" else n - failures
            bounds[name] = st.clopper_pearson_lower(k, n), st.clopper_pearson_upper(k, n)
        else:
            bounds[name] = _mean_interval(name, totals) or (None, None)
    return {name: (_bound(name, low), _bound(name, high)) for name, (low, high) in bounds.items()}


def _mean_interval(name: str, totals: Totals) -> tuple[float, float] | None:
    measure, unit, _ = MEANS[name]
    interval = st.mean_interval(*totals.measures[measure])
    most = 1.0 if name == "avg_confidence" else math.inf
    return interval and (max(0.0, interval[0] / unit), min(most, interval[1] / unit))


def _of_score(score: Score) -> tuple[Decimal | None, Decimal | None]:
    spread = None if score.squares is None else st.mean_interval(score.n, score.total, score.squares)
    low, high = (None, None) if spread is None else (end / 10**6 for end in spread)
    return _bound(score.name, low), _bound(score.name, high)


def _bound(name: str, value: float | None) -> Decimal | None:
    if value is None or isinstance(value, int):
        return None if value is None else Decimal(value)
    return Decimal(value).quantize(Decimal("1E-9" if name == "cost_per_request" else "1E-6"), None, _PRECISE)


def _error_rate_keeps(totals: Totals, limit: Number) -> tuple[bool, bool]:
    numerator, denominator = limit.as_integer_ratio()
    keeps = totals.failures * denominator <= numerator * totals.requests
    return keeps, st.clopper_pearson_upper(totals.failures, totals.requests) <= float(limit)


def _latency_keeps(totals: Totals, limit: Number) -> tuple[bool, bool]:
    n, slow = totals.timed, totals.ranked.above(limit)
    return 20 * slow <= n, st.clopper_pearson_upper(slow, n) <= 0.05


def _confidence_keeps(totals: Totals, limit: Number) -> tuple[bool, bool]:
    moments = totals.measures["confidence"]
    numerator, denominator = limit.as_integer_ratio()
    interval = _mean_interval("avg_confidence", totals)
    keeps = moments.total * denominator >= numerator * moments.n * 10**6
    return keeps, interval is not None and interval[0] >= float(limit)


_TESTS: Mapping[str, tuple[str, Callable[[Totals, Number], tuple[bool, bool]]]] = {
    "max_error_rate": ("error_rate", _error_rate_keeps),
    "min_success_rate": ("success_rate", lambda totals, limit: _error_rate_keeps(totals, 1 - limit)),
    "max_latency_ms": ("p95_latency_ms", _latency_keeps),
    "min_confidence": ("avg_confidence", _confidence_keeps),
}
"""Threshold -> its metric, and whether the measured value and its bound keep to a limit."""


def _result(name: str, totals: Totals, metrics: Mapping[str, Number], thresholds: Thresholds) -> ThresholdResult:
    metric, keeps = _TESTS[name]
    limit: Number = getattr(thresholds, name)
    severity = "warn" if name in thresholds.warn or not thresholds.enforce else "fail"
    if metric in metrics:
        kept, proven = keeps(totals, limit)
        outcome = "passed" if kept else "violated"
        return ThresholdResult(name, metric, metrics[metric], limit, severity, outcome, kept and proven)
    optional = name == "min_confidence" and totals.requests and not thresholds.confidence_required
    outcome = "not_applicable" if optional else "not_measured"
    return ThresholdResult(name, metric, None, limit, severity, outcome, proven=False)


def _settled(one: ThresholdResult, best: ThresholdResult) -> ThresholdResult:
    return one if one.outcome == best.outcome else one._replace(outcome="not_measured")


def _verdict(samples: int, results: tuple[ThresholdResult, ...], thresholds: Thresholds) -> Verdict:
    violated = {one.severity for one in results if one.outcome == "violated"}
    if samples < max(1, thresholds.min_samples):
        return Verdict.INCONCLUSIVE
    if "fail" in violated:
        return Verdict.FAILED
    if any(one.outcome == "not_measured" for one in results):
        return Verdict.INCONCLUSIVE
    return Verdict.WARNING if violated else Verdict.PASSED


def _named(stats: Stats) -> str:
    names = {group[:2] for group in stats.groups}
    return "@".join(names.pop()) if len(names) == 1 else "MODEL@VERSION"


def _recommendations(
    refs: tuple[str, str | None],
    known: tuple[Totals, Totals | None],
    results: tuple[ThresholdResult, ...],
    thresholds: Thresholds,
) -> Iterator[str]:
    (ref, serving), (totals, best) = refs, known
    missing = max(1, thresholds.min_samples) - totals.requests
    if missing > 0:
        fact = f"{totals.requests} of {totals.requests + missing} samples"
        more = f"record {missing} more with `helixctl record {ref}`, or name more with --from"
        yield f"{fact}: {more}, then run `helixctl evaluate {ref}`"
    yield from _units(totals, ref) if best is None else ()
    for one in _once(*results) if totals.requests else ():
        is_one = " and " not in one.name
        if one.outcome == "not_measured" and best and one.value is not None:
            yield _between(one, totals, best)
        elif one.outcome == "not_measured":
            yield f"{one.name} was not measured: {_MISSING[one.name]}, then run `helixctl evaluate {ref}`"
        elif one.outcome == "violated":
            beside = serving and "_rate" not in one.metric
            then = (
                f"; compare with `helixctl compare {ref} {serving}`"
                if beside
                else f", then run `helixctl evaluate {ref}`"
            )
            yield f"{one.name} {'is' if is_one else 'are'} violated: {_violation(one, totals)}{then}"
        elif one.outcome == "passed" and not one.proven:
            fact = f"{one.name} {'holds but is' if is_one else 'hold but are'} not proven"
            yield f"{fact}: {_proof(one, totals)}, then run `helixctl evaluate {ref}`"
    if missing <= 0 and all(one.proven or one.outcome == "not_applicable" for one in results):
        yield f"every threshold is proven: run `helixctl check {ref} --for activate`"


def _once(errors: ThresholdResult, successes: ThresholdResult, *rest: ThresholdResult) -> tuple[ThresholdResult, ...]:
    """Return what there is to advise on: the thresholds of the rates, where they fare alike, as the stricter of them."""
    if (errors.outcome, errors.proven) != (successes.outcome, successes.proven):
        return (errors, successes, *rest)
    one = errors if errors.limit <= 1 - successes.limit else successes
    return (one._replace(name=f"{errors.name} and {successes.name}"), *rest)


def _units(totals: Totals, ref: str) -> Iterator[str]:
    p95, (low, high) = st.nearest_rank(totals.ranked, 95, 100), _USUAL_P95_MS
    if p95 is not None and not low <= p95 <= high:
        from helixctl.core.columns import FIELDS

        unit, scale = ("seconds", "* 1000") if p95 < low else ("microseconds", "/ 1000")
        unit, scale = (unit, scale) if p95 <= 1000 * high else ("nanoseconds", "/ 1e6")
        maps = " ".join(f"--map {name}={name}" for name in FIELDS if name != "latency_ms")
        again = f"helixctl evaluate {ref} --from FILE {maps} --map 'latency_ms=latency_ms {scale}'"
        yield f"p95_latency_ms is {p95}: were {unit} meant, not milliseconds? If so run `{again}`"


def _between(one: ThresholdResult, totals: Totals, best: Totals) -> str:
    low, high = (st.nearest_rank(each.ranked, 95, 100) for each in (best, totals))
    fact = f"{one.name} is not settled: {one.metric} lies in the bucket from {low} to {high} ms, and so does the limit"
    return f"{fact}; add a bucket bound at {one.limit} ms to what measures it, or move the limit to a bound"


def _violation(one: ThresholdResult, totals: Totals) -> str:
    value = one.limit if one.value is None else one.value
    gap = f"{abs(value - one.limit)} {'above' if value > one.limit else 'below'} the limit {one.limit}"
    fact = f"{one.metric} is {value}, {gap}"
    if "_rate" in one.metric:
        fact += f"; {_cause(totals)}"
    if one.metric == "p95_latency_ms":
        fact += f", exceeded by {totals.ranked.above(one.limit)} of {totals.timed} requests"
    return f"{fact}; {_proof(one, totals)}"


def _cause(totals: Totals) -> str:
    name = max(totals.errors, key=lambda each: totals.errors[each])
    if name in _CAUSES and 2 * totals.errors[name] >= totals.failures:
        return f"{totals.errors[name]} of {totals.failures} failures are {_CAUSES[name]}"
    return f"the {totals.failures} failures have no common class: see the caller's own log"


def _proof(one: ThresholdResult, totals: Totals) -> str:
    if one.metric == "avg_confidence":
        return _confidence_proof(one.limit, totals)
    bad, n, share, what = totals.failures, totals.requests, one.limit, "without a failure"
    if one.metric == "success_rate":
        share = 1 - one.limit
    elif one.metric == "p95_latency_ms":
        bad, n, share, what = totals.ranked.above(one.limit), totals.timed, Decimal("0.05"), f"within {one.limit} ms"
    needed = st.clean_samples_needed(bad, n, float(share))
    if needed is None:
        return f"no number of samples proves a limit of {one.limit}; move it where a proof is wanted"
    if one.outcome == "violated":
        return f"{_more(math.ceil(bad / share) - n)} {what} would settle it, {needed} would prove it"
    return f"{_more(needed)} {what} would prove it"


def _more(samples: int) -> str:
    return "1 more sample" if samples == 1 else f"{samples} more samples"


def _confidence_proof(limit: Number, totals: Totals) -> str:
    count, total, squares = totals.measures["confidence"]
    margin = total / count / 10**6 - float(limit)
    if margin <= 0 or count < 2:
        return "raise the confidence, or record more samples"
    variance = (count * squares - total * total) / (count * (count - 1)) / 10**12
    needed = max(st.SMALLEST_NORMAL_N, math.ceil(st.Z_95**2 * variance / margin**2)) - count
    return f"about {_more(max(1, needed))} like these would prove it"
