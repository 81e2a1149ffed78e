"""Prometheus: the raw samples of a classic histogram, counted by bucket; approximate, and says so.

Neither histogram_quantile nor increase is asked, as both interpolate: what is read is each sample of the counters, and
what they grew by from one to the next. A counter that fell began again from 0. Latencies are known by bucket.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from helixctl.core.columns import Expression, compiled, plain, valued
from helixctl.core.stats import Inference, Stats
from helixctl.engines import MAX_REPORTED, PLAIN, Malformed, Query, Reduction, Source, Subject, away, secretless
from helixctl.engines.buckets import Bucket, Buckets
from helixctl.engines.readers import LineError, MismatchError, Skipped, documents, refuse_judged
from helixctl.engines.readers.native import inference
from helixctl.errors import HelixError, StorageRefused, Usage

if TYPE_CHECKING:
    from urllib.request import Request

TIMEOUT_S = 60
LAST_S = datetime(9999, 1, 1, tzinfo=UTC).timestamp()
_STEP = timedelta(days=1)
_MODELS = ("gen_ai_response_model", "gen_ai_request_model")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:.]*", re.ASCII)
_UNITS = {"seconds": "le * 1000", "milliseconds": "le", "ms": "le"}
Labels = tuple[tuple[str, str], ...]


T = TypeVar("T")


class NotANumberError(Exception):
    """A sample is NaN."""


def reduce(sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction:
    """Reduce what a histogram counted from `since` until `until`, or now.

    Raises:
        Usage: nothing says which histogram, since when or in which unit, or the server does not take the query.
        StorageRefused: the server is away, or answers with something else.
    """
    if sources or not (query.connect and query.table and query.since):
        hint = "--connect http://HOST:9090 --table METRIC --since 1d, and no --from"
        raise Usage("the prometheus engine reads one histogram of a server, since a time", hint=hint)
    refuse_judged("prometheus", query)
    name = query.table.removesuffix("_bucket")
    columns = compiled({"error": "error_type", **_latency(name, query), **query.columns})
    selector, found, buckets = _selector(name, query), dict[Labels, Inference | LineError | Skipped](), Buckets(subject)
    whole = dict[Labels, int]()
    try:
        last = _before(query.connect, selector, query.since)
        seeded = frozenset(last)
        for labels, at, grown in _growth(query.connect, selector, query, last):
            if labels not in found:
                found[labels] = _like(dict(labels), columns, subject, query)
                whole |= {labels: max(grown.values())} if labels not in seeded else {}
            like = found[labels]
            split = list(_split(grown, columns["latency_ms"]))
            if math.inf not in grown or any(bucket.requests < 0 for bucket in split):
                found[labels] = LineError("its buckets do not add up")
            elif isinstance(like, Inference):
                for bucket in split:
                    buckets.add(at, like, bucket)
    except NotANumberError:
        return Reduction(Stats(), notes=(f"samples of {name} are not numbers (NaN): nothing is known of them",))
    told = buckets.reduction()
    if not found:
        told = told._replace(notes=(f"nothing counted in {selector} since then",))
    counted = [count for labels, count in whole.items() if isinstance(found[labels], Inference)]
    if counted:
        fact = f"of {len(counted)} series nothing is known from the 30 days before"
        more = f"{fact}: all that they had counted by their first sample counts (requests: {sum(counted)})"
        told = told._replace(notes=(*told.notes, more))
    totals = told.stats.totals()
    if totals.requests and not totals.failures and not {"error", "success"} & query.columns.keys():
        fact = "no series has a label 'error_type', so each request counts as a success"
        told = told._replace(notes=(*told.notes, f"{fact}: where failures stand in another, say so: --map error=LABEL"))
    bad = [error for error in found.values() if isinstance(error, LineError)]
    named = tuple(Malformed(name, 0, f"a series: {one}") for one in bad[:MAX_REPORTED])
    skipped = sum(isinstance(one, Skipped) for one in found.values())
    return told._replace(malformed=named, malformed_count=len(bad), skipped=skipped)


def _latency(name: str, query: Query) -> dict[str, str]:
    if "latency_ms" in query.columns:
        return {}
    unit = name.rpartition("_")[2]
    if unit not in _UNITS:
        raise Usage(
            f"the name {name!a} tells no unit", hint="--map latency_ms='le * 1000' for seconds, 'le' for milliseconds"
        )
    return {"latency_ms": _UNITS[unit]}


def _selector(name: str, query: Query) -> str:
    for label in (name, *(label for label, _ in query.where)):
        if not _NAME.fullmatch(label):
            raise Usage(f"{label!a} is no name of a metric, or of a label", hint="--table METRIC --where LABEL=VALUE")
    matchers = ",".join(f"{label}={json.dumps(value, ensure_ascii=False)}" for label, value in query.where)
    return f"{name}_bucket{{{matchers}}}"


def _like(
    labels: Mapping[str, str], columns: Mapping[str, Expression], subject: Subject, query: Query
) -> Inference | LineError | Skipped:
    """Return an inference that has the outcome and the region of a series; one of another model is left out."""
    chosen = documents.chosen_by(query)
    names = {label: labels.get(label) for label in _MODELS}
    try:
        if any(names.values()) or not (query.where or "model" in columns):
            documents.require_model(names, subject, chosen)
        fields = {field: valued(one, labels.get) for field, one in columns.items() if field != "latency_ms"}
        texts = {field: value if field == "success" else plain(value) or None for field, value in fields.items()}
        return inference(documents.stated(**texts), subject, chosen, is_timed=False)
    except LineError as error:
        return Skipped() if isinstance(error, MismatchError) and (any(names.values()) or "model" in columns) else error
    except ValueError as error:
        return LineError(f"a label is {error}")


def _split(grown: Mapping[float, int], latency: Expression) -> Iterator[Bucket]:
    """Yield each bucket by itself; those of Prometheus hold all that precede them."""
    below, above = 0, None
    for bound in sorted(grown):
        end = None if math.isinf(bound) else _milliseconds(bound, latency)
        yield Bucket(above, end, grown[bound] - below)
        below, above = grown[bound], end


def _milliseconds(bound: float, latency: Expression) -> float:
    value = valued(latency, {"le": bound}.get)
    if not isinstance(value, float):
        raise Usage("latency_ms is not made of the label le", hint="--map latency_ms='le * 1000'")
    return round(value, 6)


class _Point(NamedTuple):
    at: float
    counts: dict[float, int]


def _before(url: str, selector: str, since: datetime) -> dict[Labels, dict[float, int]]:
    """Return what each series had counted before a time, by its last sample in the 30 days until then."""
    found = _points(url, f"last_over_time({selector}[30d])", since.timestamp())
    return {labels: points[-1].counts for labels, points in found.items()}


def _growth(
    url: str, selector: str, query: Query, last: dict[Labels, dict[float, int]]
) -> Iterator[tuple[Labels, datetime, dict[float, int]]]:
    """Yield by how much each bucket of each series grew from one sample to the next.

    A series that is new since then began from 0: the first failure of a kind makes its series.
    """
    assert query.since
    start = query.since.timestamp()
    end = query.until.timestamp() if query.until else _answer(url, {"query": "time()"}, _time)
    while start < end:
        stop = min(end, start + _STEP.total_seconds())
        for labels, points in _points(url, f"{selector}[{math.ceil((stop - start) * 1000)}ms]", stop).items():
            for at, counts in points:
                before = last.get(labels, {})
                is_new = before.keys() != counts.keys() or any(counts[bound] < before[bound] for bound in counts)
                grown = counts if is_new else {bound: counts[bound] - before[bound] for bound in counts}
                last[labels] = counts
                if any(grown.values()):
                    yield labels, datetime.fromtimestamp(at, UTC), grown
        start = stop


def _points(url: str, asked: str, at: float) -> dict[Labels, list[_Point]]:
    """Return by series the counts of each time at which all of its buckets were read."""
    return _answer(url, {"query": asked, "time": f"{at:.3f}"}, _histograms)


def _time(told: Any) -> float:
    at = float(told["result"][1])
    if not 0 <= at < LAST_S:
        raise ValueError("no time")
    return at


def _histograms(told: Any) -> dict[Labels, list[_Point]]:
    series: dict[Labels, dict[float, dict[float, int]]] = {}
    for one in told["result"]:
        labels = {str(name): str(value) for name, value in one["metric"].items()}
        labels.pop("__name__", None)
        if "le" not in labels:
            raise Usage("that is no classic histogram: its series have no label le", hint="check --table")
        bound = float(labels.pop("le"))
        times = series.setdefault(tuple(sorted(labels.items())), {})
        for moment, text in one["values"] if "values" in one else [one["value"]]:
            value = float(text)
            if not math.isfinite(value):
                raise NotANumberError
            if not (0 <= moment < LAST_S and 0 <= value < 2**53):
                raise ValueError("no time, or no count")
            times.setdefault(moment, {})[bound] = int(value)
    found = {}
    for key, times in series.items():
        bounds = set[float]().union(*times.values())
        whole = [_Point(moment, dict(sorted(times[moment].items()))) for moment in sorted(times)]
        found[key] = [one for one in whole if one.counts.keys() == bounds or math.inf in one.counts]
    return {key: points for key, points in found.items() if points}


def _answer(url: str, asked: Mapping[str, str], read: Callable[[Any], T]) -> T:
    """Ask the server, and return what is read of the data of its answer."""
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    request = _request(url, asked)
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:
            told = json.load(answer)
        if told["status"] != "success":
            raise ValueError("no success")
        if told.get("warnings"):
            fact = f"{secretless(url)} warns of its answer: {str(told['warnings'])[:200]!a}"
            raise StorageRefused(fact, hint="an answer in part proves nothing; see what the server lacks")
        return read(told["data"])
    except HTTPError as error:
        with error:
            raise _refused(url, error.code, error.read(2000)) from None
    except (URLError, OSError, HTTPException) as error:
        raise away(url, error) from None
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        raise StorageRefused(f"{secretless(url)} does not answer as Prometheus does", hint="check --connect") from None


def _request(url: str, asked: Mapping[str, str]) -> Request:
    import base64
    from urllib.parse import unquote, urlencode, urlsplit
    from urllib.request import Request

    address = f"{secretless(url).rstrip('/')}/api/v1/query"
    try:
        parts = urlsplit(address)
        is_sound = bool(parts.hostname and re.fullmatch(r"[\w.:%-]+", parts.hostname)) and parts.port != 0
    except ValueError:
        is_sound = False
    if not is_sound:
        raise Usage(f"{secretless(url)!a} is no address", hint="--connect http://HOST:9090")
    request = Request(address, urlencode(asked).encode())
    user = url.partition("://")[2].rpartition("@")[0]
    if user:
        known = base64.b64encode(unquote(user).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {known}")  # it is for this server only
    return request


def _refused(url: str, code: int, body: bytes) -> HelixError:
    if code != 400:
        return StorageRefused(f"{secretless(url)} answers with HTTP {code}", hint="check its log, and the credentials")
    try:
        why = str(json.loads(body)["error"])[:200]
    except (ValueError, LookupError, TypeError):
        why = "no reason given"
    return Usage(f"Prometheus does not take the query: {why!a}", hint="check --table and --where")
