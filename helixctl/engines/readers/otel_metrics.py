"""OpenTelemetry metrics of generative AI, as the file exporter writes them: requests counted by bucket of duration.

Latencies are known by bucket, and tokens by sum and bucket, so that their spread is one that is at least as wide as the real
one. Of a metric that has a successor, and of both, one is read: they count the same requests.
Source: OpenTelemetry semantic conventions for generative AI; OTLP 1.x JSON, metrics data model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, BinaryIO, NamedTuple

from helixctl.core.stats import Inference
from helixctl.engines import Query, Reduction, Subject
from helixctl.engines.buckets import Bucket, Buckets
from helixctl.engines.readers import Found, LineError, documents, lines, otlp
from helixctl.engines.readers.native import MAX_WHOLE, inference

_DURATIONS = ("gen_ai.client.operation.duration", "gen_ai.client.inference.duration")
_TOKENS = ("gen_ai.client.inference.tokens", "gen_ai.client.token.usage")
_SIDES = {"input": "input_tokens", "output": "output_tokens", "completion": "output_tokens"}
_DELTA, _CUMULATIVE = (1, "AGGREGATION_TEMPORALITY_DELTA"), (2, "AGGREGATION_TEMPORALITY_CUMULATIVE")
_MS = {"s": 1000, "": 1000, "ms": 1}


class _Point(NamedTuple):
    """What was counted from `start` to `end`, in nanoseconds; a counter has no buckets, and no count."""

    start: int
    end: int
    total: float
    counts: tuple[int, ...] = ()
    bounds: tuple[float, ...] = ()

    def since(self, other: _Point) -> _Point:
        """Return what was counted after another, earlier one."""
        counts = tuple(now - then for now, then in zip(self.counts, other.counts, strict=True))
        return self._replace(total=self.total - other.total, counts=counts)

    def follows(self, other: _Point) -> bool:
        """Tell whether it goes on counting where another of its series stopped."""
        alike = (self.bounds, len(self.counts)) == (other.bounds, len(other.counts))
        pairs = zip((self.total, *self.counts), (other.total, *other.counts), strict=True) if alike else ()
        return alike and all(now >= then for now, then in pairs)


class _Grown(NamedTuple):
    """What one series counted, by then."""

    at: datetime
    like: Inference
    side: str | None
    point: _Point


def matches(head: bytes) -> bool:
    """Tell it by the key of its metrics."""
    return documents.has(head, "resourceMetrics")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield what is wrong with each data point, and in the end what all of them count."""
    grown: dict[str, list[_Grown]] = {}
    last: dict[object, _Point] = {} if query.counted is None else query.counted
    place = skipped = 0
    for place, record in documents.each(stream):
        if isinstance(record, LineError):
            yield place, record
            continue
        try:
            for metric, raw, attributes in _points(record):
                if left := lines.left_out(attributes, query):
                    yield place, left
                    continue
                try:
                    one = _grown((metric, raw, attributes), last, subject, query)
                    if (not query.since or one.at >= query.since) and (not query.until or one.at < query.until):
                        grown.setdefault(metric["name"], []).append(one)
                    else:
                        skipped += 1
                except LineError as error:
                    yield place, error
        except documents.ODD as error:
            yield place, documents.fault(error)
    yield place, _reduction(grown, subject)._replace(skipped=skipped)


def _points(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any], dict[str, object]]]:
    """Yield each data point of a call of a model, with its metric, and its attributes and those of its resource."""
    if not any(key in record for key in otlp.SIGNALS):
        raise LineError("not the metrics of OTLP")
    for resource in record.get("resourceMetrics") or ():
        around = otlp.attributes_of(resource.get("resource") or {})
        for scope in resource.get("scopeMetrics") or ():
            for metric in scope.get("metrics") or ():
                if metric["name"] in (*_DURATIONS, *_TOKENS):
                    for raw in _data(metric)["dataPoints"]:
                        attributes = around | otlp.attributes_of(raw)
                        if otlp.is_call(attributes):
                            yield metric, raw, attributes


def _data(metric: Mapping[str, Any]) -> Mapping[str, Any]:
    kinds = ("histogram",) if metric["name"] in _DURATIONS else ("histogram", "sum")
    found = next((metric[kind] for kind in kinds if kind in metric), None)
    if not isinstance(found, Mapping):
        raise LineError(f"{metric['name']} is no histogram of explicit bounds; let its exporter write one")
    return found


def _grown(
    of: tuple[Mapping[str, Any], Mapping[str, Any], dict[str, object]],
    last: dict[object, _Point],
    subject: Subject,
    query: Query,
) -> _Grown:
    """Return what a data point adds to the one before it."""
    metric, raw, attributes = of
    documents.require_model({name: attributes.get(name) for name in otlp.MODELS}, subject, documents.chosen_by(query))
    if metric["name"] in _TOKENS and "count" in raw and "sum" not in raw:
        raise LineError("a data point of tokens without their sum")
    point, temporality = _point(raw), _data(metric).get("aggregationTemporality")
    if temporality in _CUMULATIVE:
        key = metric["name"], point.start, frozenset(attributes.items())
        before = last.get(key)
        if before and point.end < before.end:
            raise LineError("a data point that is older than the one before it")
        last[key] = point
        if before and point.follows(before):
            point = point.since(before)
        elif query.since and otlp.instant(point.start) < query.since <= otlp.instant(point.end):
            raise LineError("a data point that counts from before the time asked for")
    elif temporality not in _DELTA:
        raise LineError("a data point that is neither cumulative nor a delta")
    error = attributes.get("error.type")
    like = inference(documents.stated(success=error is None, error=error), subject, is_timed=False)
    unit = _MS.get(metric.get("unit", "")) if metric["name"] in _DURATIONS else 1
    if unit is None:
        raise LineError("a duration that is neither in seconds nor in milliseconds")
    bounds = tuple(round(bound * unit, 6) for bound in point.bounds)
    side = _SIDES.get(str(attributes.get("gen_ai.token.type")))
    return _Grown(otlp.instant(point.end), like, side, point._replace(bounds=bounds))


def _point(raw: Mapping[str, Any]) -> _Point:
    start, end = (otlp.nanoseconds(raw, name) for name in ("startTimeUnixNano", "timeUnixNano"))
    if "bucketCounts" not in raw and "count" not in raw:
        return _Point(start, end, _number(otlp.whole(raw.get("asInt", raw.get("asDouble")))))
    count = otlp.whole(raw.get("count"))
    counts = tuple(otlp.whole(one) for one in raw.get("bucketCounts") or (count,))
    bounds = tuple(_number(bound) for bound in raw.get("explicitBounds") or ())
    if not all(type(one) is int and one >= 0 for one in counts) or sum(counts) != count:  # type: ignore[arg-type]
        raise LineError("a data point whose buckets do not add up")
    if len(counts) != len(bounds) + 1 or not all(low < high for low, high in pairwise(bounds)):
        raise LineError("a data point whose bounds do not fit its buckets")
    return _Point(start, end, _number(raw.get("sum", 0)), counts, bounds)  # type: ignore[arg-type]


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MAX_WHOLE**2:
        return float(value)
    raise LineError("a data point with a number that is none, or negative")


def _reduction(grown: Mapping[str, list[_Grown]], subject: Subject) -> Reduction:
    buckets = Buckets(subject)
    durations, tokens = (next((grown[name] for name in names if name in grown), []) for names in (_DURATIONS, _TOKENS))
    answered: dict[object, int] = {}
    for at, like, _, point in durations:
        for low, high, count in zip((None, *point.bounds), (*point.bounds, None), point.counts, strict=True):
            buckets.add(at, like, Bucket(low, high, count))
        answered[at.date()] = answered.get(at.date(), 0) + (sum(point.counts) if like.success else 0)
    sums: dict[object, tuple[_Grown, float]] = {}
    for one in tokens:
        at, like, side, point = one
        if side and point.counts:
            buckets.measure(at, like, side, (sum(point.counts), round(point.total), _squares(point)))
        elif side:
            key = at.date(), side
            sums[key] = one, sums[key][1] + point.total if key in sums else point.total
    for (at, like, side, _), total in sums.values():  # a counter does not say of how many requests
        whole = round(total)
        buckets.measure(at, like, side or "", (answered.get(at.date(), 0), whole, whole**2))
    return buckets.reduction()


def _squares(point: _Point) -> int:
    """Return what the sum of squares is at most: of each bucket its bound, and of the last the square of the sum."""
    bounded = sum(count * math.ceil(bound) ** 2 for count, bound in zip(point.counts, point.bounds, strict=False))
    most = math.ceil(point.total) ** 2
    least = -(-(round(point.total) ** 2) // sum(point.counts))
    return max(least, min(most, bounded + (most if point.counts[-1] else 0)))
