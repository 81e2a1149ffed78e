"""Each kind of JSON object as text for people."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from helixctl.cli.render.cells import cell, flattened
from helixctl.cli.render.paint import OUTCOME, PLAIN, STATUS, Screen, columns, counted, paint, safe, uncoloured

Payload = Mapping[str, Any]


def rendered(payload: Payload, *, verbose: bool = False, screen: Screen = PLAIN) -> str:
    """Return the text of a payload."""
    kind = payload["kind"]
    if kind in _ELSEWHERE:
        text: str = import_module(f"{__package__}.{_ELSEWHERE[kind]}").rendered(payload, verbose, screen)
        return text
    return _TEXTS[kind](payload, verbose, screen)


_ELSEWHERE = {
    **dict.fromkeys(("evaluation", "comparison", "recheck"), "evaluation"),
    **dict.fromkeys(("approvals", "overrides"), "approving"),
    **dict.fromkeys(("policies", "lint", "explanation", "policy-tests"), "policies"),
    "status": "standing",
    "report": "report",
}
"""The module of this folder that renders a kind, where this one does not."""


def _status(status: str | None, on: bool) -> str:
    return paint(status or "new", STATUS.get(status or ""), on=on)


def _result(payload: Payload, verbose: bool, screen: Screen) -> str:
    decision, name = payload["decision"], _name(payload)
    if decision:
        from helixctl.cli.render.decision import decided, findings
    if decision and not decision["allowed"]:
        return decided(name, payload["ref"], decision, screen.on)
    mood = "would " if payload["dry_run"] else ""
    if not payload["changed"]:
        if payload["action"] == "reconcile":  # it was asked of the registry, or a model: a version says nothing
            return "there is nothing to reconcile: unchanged\n"
        return f"{safe(payload['ref'])} {'would stay' if mood else 'is'} as asked: unchanged\n"
    lines = [f"{mood}{name} {safe(payload['ref'] or '')}".rstrip() + "\n"]
    for change in payload["changes"]:
        moved = "" if change["from"] == change["to"] else f"{_status(change['from'], screen.on)} -> "
        lines.append(f"  {safe(change['ref'])}: {moved}{_status(change['to'], screen.on)}\n")
    if decision:
        shown = decision["findings"] if verbose else [f for f in decision["findings"] if f["outcome"] == "overridden"]
        lines += findings(shown, screen.on)
    return "".join([*lines, *_logged(payload, screen)])


def _logged(payload: Payload, screen: Screen) -> list[str]:
    """Return the lines of the entry that a change has made, and of how to undo it."""
    audit, undo = payload["audit"], payload["undo"]
    entry = [paint(f"  entry {audit['seq']}  {audit['id']}\n", "grey", on=screen.on)] if audit else []
    return [*entry, *([f"  undo: {safe(undo)}\n"] if undo and payload["changed"] and not payload["dry_run"] else [])]


_NAMES = {
    "testing": "promote to testing",
    "canary": "start canary",
    "rollback": "roll back to",
    "unschedule": "take off the schedule",
    "audit.checkpointed": "checkpoint the log",
    "audit.archived": "move segments of the log",
    "config.updated": "record edits of settings",
    "policy.updated": "record edits of policies",
}


def _name(payload: Payload) -> str:
    action: str = payload["action"]
    return _NAMES.get(action, action)


def _check(payload: Payload, verbose: bool, screen: Screen) -> str:
    from helixctl.cli.render.decision import decided

    text = decided(_name(payload), payload["ref"], payload["decision"], screen.on)
    if verbose:
        text += "".join(f"  policy {safe(one['name'])}  {one['digest']}\n" for one in payload["decision"]["policies"])
    return text


def _version(payload: Payload, verbose: bool, screen: Screen) -> str:
    skip = ("schema_version", "kind", "model", "version", "status")
    lines = [f"{safe(payload['model'])}@{safe(payload['version'])}  {_status(payload['status'], screen.on)}\n"]
    flat = {name: value for name, value in flattened(payload).items() if name not in skip and value is not None}
    if "scheduled" in flat:
        flat["scheduled"] = "; ".join(f"{one['at']} by {one['actor']}, {one['id']}" for one in flat["scheduled"])
    widest = max(map(len, flat), default=0)
    for name, value in flat.items():
        since = screen.since(value) if name.endswith(_TIMES) and isinstance(value, str) else ""
        said = ", ".join(map(cell, value)) if isinstance(value, list) and value else cell(value)
        lines.append(f"  {safe(name):{widest}}  {safe(said)}{since}\n")
    return "".join(lines)


_TIMES = ("_at", "_since", ".at", ".not_after", "end_of_life", "_date")


def _list(payload: Payload, verbose: bool, screen: Screen) -> str:
    if not payload["versions"]:
        return "no versions yet; helixctl register adds one\n"
    rows = []
    for one in payload["versions"]:
        verdict = one.get("metrics", {}).get("verdict", "")
        blocked = "blocked" if "blocked" in one["lifecycle"] else ""
        ends = one["effective_end_of_life"] or ""
        rows.append(
            [
                (one["model"], None),
                (one["version"], None),
                (one["status"], STATUS.get(one["status"])),
                (one["provider"], None),
                (ends[:10] + screen.since(ends), None),  # its hour counts in how far it is, and stands in `show`
                (verdict, OUTCOME.get(verdict)),
                (blocked, "red"),
            ]
        )
    return columns(
        ["MODEL", "VERSION", "STATUS", "PROVIDER", "END OF LIFE", "EVALUATION", ""],
        rows,
        screen,
    )


def _diff(payload: Payload, verbose: bool, screen: Screen) -> str:
    lines = [(f"--- {payload['from']}", "bold"), (f"+++ {payload['to']}", "bold")] if payload["changes"] else []
    table, places = None, list(dict.fromkeys(one["key"].rpartition(".")[0] for one in payload["changes"]))
    for one in sorted(payload["changes"], key=lambda one: places.index(one["key"].rpartition(".")[0])):
        place, _, key = one["key"].rpartition(".")
        if place != table:
            lines.append((f"@@ [{place}] @@" if place else "@@", "cyan"))
            table = place
        for sign, value, colour in (("-", one["from"], "red"), ("+", one["to"], "green")):
            if value is not None:
                lines.append((f"{sign}{key} = {cell(value)}", colour))
    return "".join(paint(safe(text), colour, on=screen.on) + "\n" for text, colour in lines)


def _recording(payload: Payload, verbose: bool, screen: Screen) -> str:
    bad = f", {counted(payload['malformed'], 'malformed line')} left out" if payload["malformed"] else ""
    rolling = f"; rolling verdict: {payload['verdict']}" if payload["verdict"] else ""
    mood = "would record" if payload["dry_run"] else "recorded"
    return f"{mood} {counted(payload['recorded'], 'inference')} of {safe(payload['ref'])}{bad}{rolling}\n"


def _entries(payload: Payload, verbose: bool, screen: Screen) -> str:
    if not payload["entries"]:
        return "no entries\n"
    return "".join(_entry(entry, verbose, screen) for entry in payload["entries"])


_TOLD = {
    "verdict": "verdict",
    "violated": "violated",
    "end_of_life": "end of life",
    "replacement": "replaced by",
    "weight": "weight",
    "for": "for",
    "statement": "id",
    "withdraws": "takes back",
    "entry": "of override",
    "at": "at",
    "not_after": "not after",
    "asked": "to override",
    "schedule": "schedule",
    "scheduled_by": "scheduled by",
    "why": "why",
    "overrides": "overridden",
    "approvals": "approved by",
}
"""What an entry's data says to a reader of the log."""
_RULES = ("policies/", "trust/", "helix.toml")


def _entry(entry: Payload, verbose: bool, screen: Screen) -> str:
    subject = f"{entry['model']}@{entry['version']}" if entry["model"] else entry["registry"]
    outcome = entry["outcome"]
    mark = "" if outcome == "success" else f"  {paint(outcome, OUTCOME.get(outcome), on=screen.on)}"
    number = paint(f"entry {entry['seq']}", "yellow", on=screen.on)
    head = f"{number}  {paint(safe(entry['action']), 'bold', on=screen.on)}  {safe(subject)}{mark}\n"
    head += f"Actor:  {safe(entry['actor']['id'])} ({safe(entry['actor']['via'])})\nDate:   {entry['ts']}{screen.since(entry['ts'])}\n"
    if verbose:
        head += f"Hash:   {entry['hash']}\nId:     {entry['id']}\n"
    lines = []
    moves = {(one["model"], one["version"], one["from"], one["to"]): None for one in entry["effects"] if one["model"]}
    for model, version, origin, target in moves:
        if origin != target:
            lines.append(
                f"    {safe(model)}@{safe(version)}: {_status(origin, screen.on)} -> {_status(target, screen.on)}\n"
            )
    if entry["reason"]:
        lines.append(f"    reason: {safe(entry['reason'])}\n")
    decision = entry["data"].get("decision") or {}
    about = {"for": "every action"} if entry["action"] == "approval.rejected" else {}
    about |= {**(decision if outcome != "denied" else {}), **entry["data"]}
    lines += [f"    {word}: {safe(_listed(about[name]))}\n" for name, word in _TOLD.items() if about.get(name)]
    for row in entry["changes"]:
        if row["path"].startswith(_RULES):
            lines.append(f"    {safe(row['path'])}: {row['before'] or 'none'} -> {row['after'] or 'none'}\n")
    if decision and outcome == "denied":
        from textwrap import indent

        from helixctl.cli.render.decision import blocking

        lines.append(indent("".join(blocking(decision, screen.on)), "  "))
    return "\n".join((head, *(["".join(lines)] if lines else []))) + "\n"


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else cell(value)


def _verification(payload: Payload, verbose: bool, screen: Screen) -> str:
    outcome = payload["outcome"]
    said = paint(outcome.replace("_", " "), OUTCOME.get(outcome), on=screen.on)
    counts = f"{counted(payload['entries'], 'entry')} in {counted(payload['segments'], 'segment')}"
    lines = [f"{said}: {counts}; {safe(payload['anchor'])}\n"]
    for one in payload["findings"]:
        where = one["path"] + (f":{one['line']}" if one["line"] else "")
        lines.append(f"  {one['code']}  {safe(where)}: {safe(one['message'])}\n")
    if verbose:
        lines += [f"  {safe(one['who'])} vouches for {safe(one['path'])}\n" for one in payload["vouchers"]]
        lines += [f"  head {head}\n" for head in payload["heads"]]
    return "".join(lines)


def _archival(payload: Payload, verbose: bool, screen: Screen) -> str:
    if not payload["due"]:
        return "no segment is to be moved\n"
    return "".join(f"due: {safe(path)}\n" for path in payload["due"])


def _swept(payload: Payload, verbose: bool, screen: Screen) -> str:
    lines = []
    for one in payload["warned"]:
        when = f"ends in {one['days']} days or less" if one["days"] else "is past its end of life and still serves"
        lines.append(
            f"{paint('would warn' if payload['dry_run'] else 'warned', 'yellow', on=screen.on)}  {safe(one['ref'])} {when} ({one['end_of_life'].removesuffix('T00:00:00Z')})\n"
        )
    for result in payload["results"]:
        if result["action"] != "warn":
            lines.append(_result(result, verbose, screen))
    return "".join(lines) or f"nothing is due as of {payload['as_of']}\n"


def _schedule(payload: Payload, verbose: bool, screen: Screen) -> str:
    if not payload["scheduled"]:
        return "no activation waits; helixctl activate REF --at TIME schedules one\n"
    rows = [
        uncoloured(one["id"], one["ref"], one["at"] + screen.since(one["at"]), one["not_after"], one["actor"])
        for one in payload["scheduled"]
    ]
    return columns(["ID", "VERSION", "AT", "NOT AFTER", "BY"], rows, screen)


def _scheduling(payload: Payload, verbose: bool, screen: Screen) -> str:
    one, forecast = payload["scheduled"], payload["forecast"]
    mood = "would schedule" if payload["dry_run"] else "scheduled" if payload["changed"] else "is scheduled already:"
    lines = [f"{mood} {safe(one['ref'])} to be active from {one['at']}, not after {one['not_after']}\n"]
    if not forecast["allowed"]:
        lines.append(
            f"  as things stand, policy would {paint('deny', 'yellow', on=screen.on)} it then; it is asked again:\n"
        )
        from helixctl.cli.render.decision import blocking

        lines += blocking(forecast, screen.on)
    return "".join([*lines, *_logged(payload, screen)])


def _created(payload: Payload, verbose: bool, screen: Screen) -> str:
    added = f", {len(payload['changes'])} default versions registered" if payload["changes"] else ""
    if not payload["changed"]:
        return f"{safe(payload['root'])} is a registry already: unchanged\n"
    return f"{'would make a ' if payload['dry_run'] else ''}registry in {safe(payload['root'])}{added}\n"


_RESULTS = {"sweep": _swept, "init": _created, "schedule": _scheduling}
_TEXTS: dict[str, Callable[[Payload, bool, Screen], str]] = {
    "result": lambda payload, verbose, screen: _RESULTS.get(payload["action"], _result)(payload, verbose, screen),
    "schedule": _schedule,
    "check": _check,
    "version": _version,
    "list": _list,
    "diff": _diff,
    "recording": _recording,
    "entries": _entries,
    "verification": _verification,
    "archival": _archival,
}
