"""Evaluate a version on its inferences, and record inferences as they come."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from helixctl.api.evidence import paths
from helixctl.api.sources import Asked, reduced, subject_of
from helixctl.core import evidence
from helixctl.core import request as ask
from helixctl.core import stats as statistics
from helixctl.core.case import CLOCK_TOLERANCE
from helixctl.core.evidence import WINDOW, Evidence
from helixctl.core.judge import Evaluation, Thresholds, judge
from helixctl.core.lifecycle import IN_SERVICE
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.core.settings import Settings
from helixctl.core.stats import digest_of
from helixctl.core.times import short
from helixctl.engines import MAX_REPORTED, Malformed, Query, Reduction, Source, reduce
from helixctl.engines.python import read_records
from helixctl.engines.readers.native import write
from helixctl.errors import Invalid
from helixctl.gate import Result, submit
from helixctl.storage import inferences, lock
from helixctl.storage.registry import Store

if TYPE_CHECKING:
    from helixctl.api.comparison import Against, Compared

CHUNK = 1000
_NATIVE = Query("native", engine="python")


class Report(NamedTuple):
    """An evaluation, and what storing it did; the comparison that counts in its verdict, or why there is none."""

    ref: Ref
    evaluation: Evaluation
    result: Result
    reduction: Reduction
    compared: Compared | None = None
    notes: tuple[str, ...] = ()


class Recorded(NamedTuple):
    """How many inferences were recorded, which lines were not, and the rolling verdict where it was refreshed."""

    ref: Ref
    recorded: int
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0
    refreshed: Evaluation | None = None
    result: Result | None = None


def thresholds_of(record: Record, settings: Settings) -> Thresholds:
    """Return the thresholds that judge a version: the registry's, overridden by its own."""
    own = record.spec.get("thresholds", {})
    return Thresholds(
        max_error_rate=own.get("max_error_rate", settings.max_error_rate),
        min_success_rate=own.get("min_success_rate", settings.min_success_rate),
        max_latency_ms=own.get("max_latency_ms", settings.max_latency_ms),
        min_confidence=own.get("min_confidence", settings.min_confidence),
        min_samples=own.get("min_samples", settings.min_samples),
        warn=frozenset(settings.warn),
        enforce=settings.enforce,
        confidence_required="min_confidence" in own,
    )


def evaluate(
    store: Store, request: ask.Request, record: Record, asked: Asked, against: Against | None = None
) -> Report:
    """Reduce the inferences, judge them, and store the result through the gate.

    Args:
        request: the envelope; its act names the version. against: what the version must not be worse than.

    Raises:
        Invalid: more malformed lines than `max_malformed`; nothing is written.
        NotFound, StorageRefused: a source cannot be read. Usage: a look, or a margin, that nobody can mean.
    """
    settings, now = store.settings(), store.clock()
    is_window = asked.window is not None
    reduction = reduced(store, record, asked)
    thresholds = thresholds_of(record, settings)
    alone = judge(reduction.stats, thresholds, str(record.ref))
    evaluation, compared, notes = alone, None, tuple[str, ...]()
    if against:
        from helixctl.api import comparison

        compared, notes = comparison.beside(store, comparison.Side(record, asked), reduction, against)
        evaluation = comparison.weighed(alone, compared)
    notes += _from_the_future(reduction, now)
    source = WINDOW if is_window else "files" if asked.patterns or asked.query.connect else "recorded"
    metrics = {
        **({"newest_at": evaluation.newest_at} if evaluation.newest_at else {}),
        **evaluation.as_metrics(),
        "source": source,
    }
    said = record.serving_digest, source, thresholds, str(alone.verdict), alone.proven
    table = reduction.stats.encode()
    kept = evidence.encode(Evidence(record.ref, *said, reduction.stats), table)
    gone = tuple(evidence.expired(paths(store, record.ref), now, settings.evidence_days))
    stated = metrics, violated(evaluation), digest_of(table), record.serving_digest
    told = {"baseline": str(compared.baseline), "compared": str(compared.comparison.verdict)} if compared else {}
    act = ask.Evaluate(record.ref, *stated, kept, gone, told)
    envelope = ask.Request(act, request.actor, request.reason, request.expect, (), request.dry_run)
    result = submit(store, envelope)
    return Report(record.ref, evaluation, result, reduction, compared, notes)


def _from_the_future(reduction: Reduction, now: datetime) -> tuple[str, ...]:
    latest = reduction.stats.latest
    if latest is None or latest <= now + CLOCK_TOLERANCE:
        return ()
    return (f"an inference is of {short(latest)}, which is yet to come: check the clock that wrote it",)


def violated(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the names of the thresholds that are violated."""
    return tuple(one.name for one in evaluation.thresholds if one.outcome == "violated")


def source_of(given: BinaryIO | Iterable[Mapping[str, Any]]) -> Source:
    """Return a source over a binary stream, or over mappings; a key whose value is None is left out."""
    if not isinstance(given, Iterable) or hasattr(given, "readline"):
        return Source("-", cast(BinaryIO, given))
    many = [given] if isinstance(given, Mapping) else given
    stated = ({key: value for key, value in one.items() if value is not None or key == "latency_ms"} for one in many)
    lines = (json.dumps(one, default=_json) for one in stated)
    return Source("inferences", io.BytesIO("".join(f"{line}\n" for line in lines).encode()))


def _json(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def record_lines(store: Store, request: ask.Request, record: Record, source: Source) -> Recorded:
    """Append the inferences of a stream to the version's files, and refresh the rolling metrics when it is time.

    Unknown fields and the text of errors are not kept; a line without a time gets that of its arrival.

    Raises:
        BadSettings: settings or a policy do not load. Invalid: there are lines, and none is an inference.
        StorageRefused: a file cannot be written; lines before that are kept.
    """
    store.policies()  # one that does not load stops every write, before the first line is kept
    recorded = malformed_count = 0
    malformed: list[Malformed] = []
    for chunk in _batched(read_records(source, subject_of(record), _NATIVE), CHUNK):
        lines: dict[str, list[bytes]] = {}
        for found in chunk:
            if isinstance(found, Malformed):
                malformed_count += 1
                malformed += [found] if len(malformed) < MAX_REPORTED else []
                continue
            timed = found if found.at else found._replace(at=store.clock())
            lines.setdefault(f"{timed.at:%Y-%m-%d}", []).append(write(timed))
            recorded += 1
        if not request.dry_run:
            inferences.append(store.root, record.ref, {day: b"".join(kept) for day, kept in lines.items()})
    if malformed and not recorded:
        bad = malformed[0]
        raise Invalid(
            f"no line is an inference: {bad.source}:{bad.line}: {bad.why}", hint="docs/evaluation.md shows one"
        )
    if request.dry_run or not recorded:
        return Recorded(record.ref, recorded, tuple(malformed), malformed_count)
    with lock.exclusive(store.root, path=lock.REFRESH):  # two at once would both alert
        refreshed, result = _refresh(store, request, record)
    return Recorded(record.ref, recorded, tuple(malformed), malformed_count, refreshed, result)


def _batched(found: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yield lists of at most `size`; an interrupt comes after what was read before it."""
    chunk: list[Any] = []
    try:
        for one in found:
            chunk.append(one)
            if len(chunk) == size:
                yield chunk
                chunk = []
    except KeyboardInterrupt:
        yield chunk
        raise
    yield chunk


def _refresh(store: Store, request: ask.Request, record: Record) -> tuple[Evaluation | None, Result | None]:
    settings, ref = store.settings(), record.ref
    known = inferences.rolling(store.root, ref) or {}
    fresh = inferences.tails(store.root, ref, known.get("offsets", {}))
    if sum(data.count(b"\n") for data in fresh.values()) < settings.metrics_update_interval:
        return None, None
    sources = [Source(name, io.BytesIO(data)) for name, data in fresh.items()]
    added = reduce(sources, subject_of(record), _NATIVE).stats
    stats = statistics.decode(known["stats"].encode()).merge(added) if known else added
    evaluation = judge(stats, thresholds_of(record, settings), str(ref))
    before = known.get("summary", {})
    newly = tuple(name for name in violated(evaluation) if name not in before.get("violated", ()))
    degraded = evaluation.verdict == "failed" != before.get("verdict") and record.status in IN_SERVICE
    act = ask.Observe(ref, str(evaluation.verdict), evaluation.samples, newly, degraded, stats.digest())
    result = submit(store, request._replace(act=act))
    offsets = {**known.get("offsets", {})}
    offsets |= {name: offsets.get(name, 0) + len(data) for name, data in fresh.items()}
    summary = {"refreshed_at": short(store.clock()), "violated": list(violated(evaluation)), **_plain(evaluation)}
    inferences.keep_rolling(store.root, ref, {"offsets": offsets, "stats": stats.encode().decode(), "summary": summary})
    return evaluation, result


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    metrics = evaluation.as_metrics()
    return {
        key: float(value) if isinstance(value, Decimal) else value for key, value in metrics.items() if key != "scores"
    }
