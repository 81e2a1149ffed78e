"""What a change or a sweep did, what serves and what waits: as JSON objects, and the registry at a glance as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from helixctl.cli.render.paint import OUTCOME, Screen, columns, paint, safe, unpainted, width

if TYPE_CHECKING:
    from helixctl.gate import Result

Payload = Mapping[str, Any]
HEADER = ["MODEL", "ACTIVE", "CANARY", "PREVIOUS", "ROLLING"]


def _result(value: Result) -> dict[str, Any]:
    """Return what happened, as every change gives it."""
    entry = value.audit
    return {
        "kind": "result",
        "action": value.action,
        "ref": str(value.ref) if value.ref else None,
        "changed": value.changed,
        "dry_run": value.dry_run,
        "changes": [
            {"ref": f"{one.model}@{one.version}", "from": one.origin, "to": one.target} for one in value.changes
        ],
        "decision": value.decision.as_data() if value.decision else None,
        "audit": {"id": entry.id, "seq": entry.seq, "hash": entry.hash} if entry else None,
        "undo": value.undo,
        "warnings": list(value.warnings),
    }


def _told(error: Any) -> str:
    """Return a refusal as a warning tells it, with what to do."""
    return f"{error}; {error.hint}" if error.hint else str(error)


def _overview(value: Any) -> dict[str, Any]:
    models = [
        {
            **{key: getattr(one, key) for key in ("model", "active", "canary", "previous", "counts", "blocked")},
            "ending": [ending._asdict() for ending in one.ending],
            "rolling": one.rolling,
            "overrides": one.overrides,
            "scheduled": [_scheduled(each) for each in one.scheduled],
            "drifted": one.drifted,
            "awaited": [each._asdict() for each in one.awaited],
        }
        for one in value.models
    ]
    log = str(value.broken_log) if value.broken_log else None
    outcome = None if value.at else value.integrity
    warnings = [*(str(error) for one in value.models for error in one.broken), *map(_told, value.strays)]
    warnings += [f"no write passes: {_told(value.unloaded)}"] if value.unloaded else []
    return {
        "kind": "status",
        "models": models,
        "integrity": {"outcome": outcome, "log": log},
        "unrecorded": value.unrecorded,
        "warnings": warnings,
        **({"at": value.at} if value.at else {}),
    }


def _swept(value: Any) -> dict[str, Any]:
    results = [_result(one) for one in value.results]
    denied = [one["decision"] for one in results if one["decision"] and not one["decision"]["allowed"]]
    return {
        "kind": "result",
        "action": "sweep",
        "ref": None,
        "changed": any(one["changed"] for one in results),
        "dry_run": value.dry_run,
        "as_of": value.as_of,
        "changes": [each for one in results if one["action"] in ("retire", "activate") for each in one["changes"]],
        "warned": [
            {"ref": f"{w.model}@{w.version}", "end_of_life": w.end_of_life, "days": w.days, "status": w.status}
            for w in value.warned
        ],
        "decision": denied[0] if denied else None,
        "audit": results[-1]["audit"] if results else None,
        "results": results,
        "warnings": [*(text for one in value.results for text in one.warnings), *map(_told, value.broken)],
    }


def _scheduled(one: Any) -> dict[str, Any]:
    kept = {"id": one.id, "ref": str(one.ref), "at": one.at, "not_after": one.not_after, "actor": one.actor.id}
    return kept | {"reason": one.reason, "expect": one.expect, "overrides": one.overrides}


def _agenda(value: Any) -> dict[str, Any]:
    waiting = [_scheduled(one.scheduled) for one in value.waiting]
    return {"kind": "schedule", "scheduled": waiting, "warnings": [_told(error) for error in value.broken]}


def _scheduling(value: Any) -> dict[str, Any]:
    return {**_result(value.result), "scheduled": _scheduled(value.scheduled), "forecast": value.forecast.as_data()}


PAYLOADS: dict[str, Callable[[Any], Any]] = {
    "result": _result,
    "told": _told,
    "overview": _overview,
    "swept": _swept,
    "agenda": _agenda,
    "scheduling": _scheduling,
    "scheduled": _scheduled,
}


def rendered(payload: Payload, verbose: bool, screen: Screen) -> str:
    """Return the registry at a glance; notes stand beside their model, or where the screen is too narrow below it."""
    head = f"as of {payload['at']}\n" if "at" in payload else ""
    if not payload["models"]:
        return f"{head}no models then\n" if head else "no models yet; helixctl register adds one\n"
    notes = [list(_notes(one, screen)) for one in payload["models"]]
    rows = [_row(one) for one in payload["models"]]
    beside = [[*row, ("; ".join(found), "yellow")] for row, found in zip(rows, notes, strict=True)]
    table = columns([*HEADER, "NOTES"], beside, screen._replace(width=None))
    if screen.width and any(width(unpainted(line)) > screen.width for line in table.splitlines()):
        below = ["".join(f"  {paint(safe(note), 'yellow', on=screen.on)}\n" for note in found) for found in notes]
        table = columns(HEADER, rows, screen, below=below)
    return head + table + "".join(f"{line}\n" for line in _registry(payload, verbose, screen.on))


def _row(one: Payload) -> list[tuple[str, str | None]]:
    rolling = (one["rolling"] or {}).get("verdict", "")
    return [
        (one["model"], "bold"),
        (one["active"] or "-", "green" if one["active"] else "grey"),
        (one["canary"] or "-", "cyan" if one["canary"] else "grey"),
        (one["previous"] or "-", None),
        (rolling or "-", OUTCOME.get(rolling)),
    ]


def _notes(one: Payload, screen: Screen) -> Iterator[str]:
    """Yield what somebody should know of a model."""
    if one["blocked"]:
        yield f"blocked: {', '.join(one['blocked'])}"
    if one["ending"]:
        endings = (
            f"{each['version']} on {each['end_of_life'][:10]}{screen.since(each['end_of_life'])}"
            for each in one["ending"]
        )
        yield f"ends: {', '.join(endings)}"
    for each in one["scheduled"]:
        yield f"scheduled: {each['ref'].rpartition('@')[2]} at {each['at']}"
    for each in one["awaited"]:
        yield f"waits for approvals: {each['version']}: {each['message']}"
    if one["overrides"]:
        yield f"overrides to review: {len(one['overrides'])}"
    if one["drifted"]:
        yield f"drifted: {', '.join(one['drifted'])}"


def _registry(payload: Payload, verbose: bool, on: bool) -> Iterator[str]:
    """Yield what concerns the whole registry; where all is well only when more is asked for."""
    if "at" in payload:
        return
    if payload["unrecorded"]:
        paths = safe(", ".join(payload["unrecorded"]))
        yield f"{paint('unrecorded', 'yellow', on=on)}: {paths}; the next write records it"
    outcome = payload["integrity"]["outcome"]
    if outcome != "ok":
        said = paint(outcome.replace("_", " "), OUTCOME.get(outcome), on=on)
        yield f"integrity: {said}; helixctl verify says where"
    elif verbose:
        yield "integrity: each file is what the log says; helixctl verify reads the log too"
