"""Each result as the JSON object that users are promised, and as an exit code."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core.times import short

if TYPE_CHECKING:
    from helixctl.core.policy import Decision
    from helixctl.core.record import Record
    from helixctl.gate import Result

SCHEMA_VERSION = 1


class Shown(NamedTuple):
    """One version, with its rolling metrics and the activations that wait, where there are any."""

    record: Record
    rolling: Mapping[str, Any] | None
    waiting: tuple[Any, ...] = ()


class Entries(NamedTuple):
    """Entries of the log, in the order in which they are to be shown."""

    entries: tuple[Mapping[str, Any], ...]

    @classmethod
    def newest(cls, oldest_first: Iterable[Mapping[str, Any]], limit: int | None) -> Entries:
        """Return the newest entries first, at most `limit`."""
        return cls(tuple(reversed(deque(oldest_first, maxlen=limit))))


class Created(NamedTuple):
    """A registry made, or found, with the versions registered into it."""

    root: str
    created: bool
    results: tuple[Result, ...]
    dry_run: bool = False


class Archival(NamedTuple):
    """The segments that are due to be archived, where nothing was moved."""

    segments: tuple[str, ...]
    days: int
    is_check: bool = False


_AS_IT_IS = frozenset((str, int, bool, float, type(None)))


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: money as a number, times as RFC 3339."""
    if value is None or isinstance(value, (str, int)):  # a word of a closed set is text too
        return value
    match value:
        case dict():
            return {str(key): one if type(one) in _AS_IT_IS else plain(one) for key, one in value.items()}
        case list() | tuple() | frozenset():
            return [plain(element) for element in value]
        case Decimal():
            return float(value)
        case datetime():
            return short(value)
        case date():
            return value.isoformat()
        case Mapping():
            return plain(dict(value))
    return value


def version(record: Record) -> dict[str, Any]:
    """Return a version as `show` and `list` give it."""
    spec = {key: value for key, value in record.spec.items() if key not in ("schema", "model", "version")}
    tables = {"lifecycle": record.lifecycle, **({"metrics": record.metrics} if record.metrics else {})}
    head = {"model": record.ref.model, "version": record.version, "status": record.status}
    return {**head, **spec, **tables, "effective_end_of_life": record.end_of_life}


def _report(report: Any) -> dict[str, Any]:
    evaluation = report.evaluation
    return {
        "kind": "evaluation",
        "ref": str(report.ref),
        "verdict": evaluation.verdict,
        "proven": evaluation.proven,
        "samples": evaluation.samples,
        "metrics": evaluation.metrics,
        "intervals": evaluation.intervals,
        "histogram": _histogram(report.reduction),
        "thresholds": [one._asdict() for one in evaluation.thresholds],
        "recommendations": evaluation.recommendations,
        "newest_at": evaluation.newest_at,
        "scores": evaluation.scores,
        "comparison": _comparison(report.compared) if report.compared else None,
        "malformed": report.reduction.malformed_count,
        "skipped": report.reduction.skipped,
        "dry_run": report.result.dry_run,
        "audit": _standing("result", report.result)["audit"],
        "warnings": [*_read(report.reduction), *_baseline_read(report), *report.result.warnings],
    }


def _rechecked(value: Any) -> dict[str, Any]:
    return {
        "kind": "recheck",
        "ref": str(value.ref),
        "agrees": value.is_sound,
        "evaluations": [one._asdict() for one in value.found],
    }


def _baseline_read(report: Any) -> list[str]:
    return [*report.notes, *(_read(report.compared.reductions[1]) if report.compared else ())]


def _comparison(value: Any) -> dict[str, Any]:
    look = value.comparison.look
    return {
        "baseline": str(value.baseline),
        "verdict": value.comparison.verdict,
        "look": {"number": look.number, "of": look.of, "alpha": look.alpha},
        "deltas": [
            {**one._asdict(), "higher_is_better": value.comparison.margins.higher_is_better(one.metric)}
            for one in value.comparison.deltas
        ],
        "histogram": _histogram(*reversed(value.reductions)),
    }


def _histogram(*reductions: Any) -> list[dict[str, Any]]:
    """Return bins of the latencies of one version, or of the baseline and the candidate."""
    from helixctl.core.histogram import bins

    names = ("requests",) if len(reductions) == 1 else ("baseline", "candidate")
    found = bins(*(one.stats.totals().ranked for one in reductions))
    return [
        {"over_ms": one.over_ms, "to_ms": one.to_ms, **dict(zip(names, one.requests, strict=True))} for one in found
    ]


def _compared(value: Any) -> dict[str, Any]:
    return {
        "kind": "comparison",
        "ref": str(value.ref),
        **_comparison(value),
        "recommendations": value.advice,
        "malformed": sum(one.malformed_count for one in value.reductions),
        "skipped": sum(one.skipped for one in value.reductions),
        "warnings": [warning for one in value.reductions for warning in _read(one)],
    }


def _read(reduction: Any) -> list[str]:
    return [*_malformed(reduction), *reduction.notes]


def _malformed(value: Any) -> list[str]:
    told = [str(bad) for bad in value.malformed]
    more = value.malformed_count - sum(bad.rows for bad in value.malformed)
    return [*told, f"and {more} more malformed lines"] if more else told


def _recorded(value: Any) -> dict[str, Any]:
    return {
        "kind": "recording",
        "ref": str(value.ref),
        "recorded": value.recorded,
        "malformed": value.malformed_count,
        "dry_run": value.dry_run,
        "verdict": value.refreshed.verdict if value.refreshed else None,
        "audit": _standing("result", value.result)["audit"] if value.result else None,
        "warnings": [*_malformed(value), *value.notes],
    }


def _listing(value: Any) -> dict[str, Any]:
    return {
        "kind": "list",
        "versions": [version(record) for record in value.records],
        "warnings": [_standing("told", error) for error in value.broken],
    }


def _shown(value: Shown) -> dict[str, Any]:
    rolling = {"rolling": value.rolling} if value.rolling else {}
    waiting = {"scheduled": [_standing("scheduled", one) for one in value.waiting]} if value.waiting else {}
    return {"kind": "version", **version(value.record), **rolling, **waiting}


def _created(value: Created) -> dict[str, Any]:
    return {
        "kind": "result",
        "action": "init",
        "ref": None,
        "root": value.root,
        "changed": value.created or any(result.changed for result in value.results),
        "dry_run": value.dry_run,
        "changes": [change for one in value.results for change in _standing("result", one)["changes"]],
        "decision": None,
        "audit": None,
    }


def _verification(value: Any) -> dict[str, Any]:
    from helixctl.core.integrity import as_data

    return {"kind": "verification", **as_data(value)}


def _standing(name: str, value: Any) -> Any:
    from helixctl.cli.render import standing

    return standing.PAYLOADS[name](value)


def payload(value: Any) -> dict[str, Any]:
    """Return the JSON object of a result."""
    name = type(value).__name__
    made = getattr(import_module(f"{__package__}.{_ELSEWHERE[name]}"), name.lower()) if name in _ELSEWHERE else None
    return {"schema_version": SCHEMA_VERSION, **plain((made or _PAYLOADS[name])(value))}


_ELSEWHERE = {"Statements": "approving", "Overrides": "approving", "Reported": "report"}
"""The module of this folder that makes the object of a result."""


def _about_policies(value: Any) -> dict[str, Any]:
    from helixctl.cli.render import policies

    return policies.DATA[type(value).__name__](value)


_PAYLOADS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Result": lambda value: _standing("result", value),
    "Decision": lambda value: {
        "kind": "check",
        "action": value.action,
        "ref": str(value.ref),
        "decision": value.as_data(),
    },
    **dict.fromkeys(("Listed", "Linted", "Explained", "Rehearsals"), _about_policies),
    "Report": _report,
    "Compared": _compared,
    "Rechecks": _rechecked,
    "Recorded": _recorded,
    "Listing": _listing,
    "Shown": _shown,
    "Overview": lambda value: _standing("overview", value),
    "Entries": lambda value: {"kind": "entries", "entries": list(value.entries)},
    "Difference": lambda value: {
        "kind": "diff",
        "from": str(value.one),
        "to": str(value.other),
        "changes": [{"key": one.key, "from": one.before, "to": one.after} for one in value.deltas],
    },
    "Swept": lambda value: _standing("swept", value),
    "Agenda": lambda value: _standing("agenda", value),
    "Scheduling": lambda value: _standing("scheduling", value),
    "Created": _created,
    "Verification": _verification,
    "Archival": lambda value: {"kind": "archival", "due": list(value.segments), "retention_days": value.days},
}
"""Every result by the name of its type, so that rendering one imports no other."""


def is_committed(payload: Mapping[str, Any]) -> bool:
    """Tell whether a result is of something that was stored, and stays so whatever becomes of its printing."""
    changed = payload.get("changed", False) and not payload["dry_run"]
    return bool(payload.get("audit") or payload.get("recorded") or changed)


def exit_code(value: Any) -> int:
    """Return the exit code that a result deserves."""
    return _CODES.get(type(value).__name__, lambda _: 0)(value)


def _decided(decision: Decision) -> int:
    if decision.allowed:
        return 0
    return 7 if decision.is_inconclusive else 3


_CODES: dict[str, Callable[[Any], int]] = {
    "Decision": _decided,
    "Result": lambda value: _decided(value.decision) if value.decision else 0,
    "Report": lambda value: {"failed": 3, "inconclusive": 7}.get(value.evaluation.verdict, 0),
    "Compared": lambda value: {"worse": 3, "undecided": 7}.get(value.comparison.verdict, 0),
    "Rechecks": lambda value: 0 if value.is_sound else 6,
    "Listing": lambda value: 0 if value.is_sound else 6,
    "Linted": lambda value: 0 if value.is_sound else 2,
    "Rehearsals": lambda value: 0 if value.is_sound else 3,
    "Agenda": lambda value: 0 if value.is_sound else 6,
    "Statements": lambda value: 0 if value.is_sound else 6,
    "Created": lambda value: max((_decided(one.decision) for one in value.results if one.decision), default=0),
    "Swept": lambda value: 3 if not value.allowed else 6 if value.broken else 10 if value.is_pending else 0,
    "Difference": lambda value: 10 if value.is_asked and value.deltas else 0,
    "Reported": lambda value: exit_code(value.integrity),
    "Archival": lambda value: 10 if value.is_check and value.segments else 0,
    "Verification": lambda value: {"ok": 0, "denied": 3}.get(value.outcome, 6),
    "Overview": lambda value: 6 if value.broken_log or value.has_gaps or any(one.broken for one in value.models) else 0,
}
"""What tells the exit code of a result, by the name of its type; every other result is 0."""
