"""Evaluate a version on its inferences."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from helixctl.api.evidence import paths
from helixctl.api.sources import Asked, kind_of, reduced
from helixctl.core import evidence
from helixctl.core import request as ask
from helixctl.core.evidence import Evidence
from helixctl.core.judge import Evaluation, Thresholds, judge
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.core.settings import Settings
from helixctl.core.stats import digest_of
from helixctl.core.times import CLOCK_TOLERANCE, short
from helixctl.engines import Reduction
from helixctl.errors import HelixError
from helixctl.gate import Result, submit
from helixctl.storage.registry import Store

if TYPE_CHECKING:
    from helixctl.api.comparison import Against, Compared


class Report(NamedTuple):
    """An evaluation, and what storing it did; the comparison that counts in its verdict, or why there is none."""

    ref: Ref
    evaluation: Evaluation
    result: Result
    reduction: Reduction
    compared: Compared | None = None
    notes: tuple[str, ...] = ()


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
    reduction = reduced(store, record, asked)
    thresholds = thresholds_of(record, settings)
    alone = judge(reduction.stats, thresholds, str(record.ref), reduction.best, serving=_serving(store, record.ref))
    evaluation, compared, notes = alone, None, tuple[str, ...]()
    if against:
        from helixctl.api import comparison

        compared, notes = comparison.beside(store, comparison.Side(record, asked), reduction, against)
        evaluation = comparison.weighed(alone, compared)
    notes += _odd_times(reduction, now)
    source = kind_of(asked, settings)
    if source == "files":  # what was recorded is another question, and its answer would stand in place of this one
        bare = f"helixctl evaluate {record.ref}`"
        advice = tuple(one.replace(bare, f"{bare[:-1]} --from FILE`") for one in evaluation.recommendations)
        evaluation = evaluation._replace(recommendations=advice)
    metrics = {
        **({"newest_at": evaluation.newest_at} if evaluation.newest_at else {}),
        **evaluation.as_metrics(),
        "source": source,
    }
    said = record.serving_digest, source, thresholds, str(alone.verdict), alone.proven
    table = reduction.stats.encode()
    kept = evidence.encode(Evidence(record.ref, *said, reduction.stats, reduction.best), table)
    gone = tuple(evidence.expired(paths(store, record.ref), now, settings.evidence_days))
    stated = metrics, violated(evaluation), digest_of(table), record.serving_digest
    told = {"baseline": str(compared.baseline), "compared": str(compared.comparison.verdict)} if compared else {}
    act = ask.Evaluate(record.ref, *stated, kept, gone, told)
    envelope = ask.Request(act, request.actor, request.reason, request.expect, (), request.dry_run)
    result = submit(store, envelope)
    return Report(record.ref, evaluation, result, reduction, compared, notes)


def _serving(store: Store, ref: Ref) -> str | None:
    """Return the reference of the version that serves, where it is another one."""
    active = Ref(ref.model, "active")
    try:
        return str(active) if store.resolved(active).ref != ref else None
    except HelixError:
        return None


def _odd_times(reduction: Reduction, now: datetime) -> tuple[str, ...]:
    latest, timeless = reduction.stats.latest, reduction.stats.of_windows({""}).totals().requests
    notes = [f"inferences without a time: {timeless}; no rule with max_age passes"] if timeless else []
    if latest is not None and latest > now + CLOCK_TOLERANCE:
        notes.append(f"an inference is of {short(latest)}, which is yet to come: check the clock that wrote it")
    return tuple(notes)


def violated(evaluation: Evaluation) -> tuple[str, ...]:
    """Return the names of the thresholds that are violated."""
    return tuple(one.name for one in evaluation.thresholds if one.outcome == "violated")
