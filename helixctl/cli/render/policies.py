"""What is asked about the policies themselves, as JSON objects and as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from helixctl.cli.render.decision import MARKS, headline
from helixctl.cli.render.paint import OUTCOME, Screen, columns, counted, paint, safe, uncoloured

Payload = Mapping[str, Any]


def _listed(value: Any) -> dict[str, Any]:
    from helixctl.core.explaining import line_of

    return {
        "kind": "policies",
        "policies": [
            {
                "path": one.path,
                "name": one.name,
                "digest": one.digest,
                "recorded": recorded,
                "rules": [
                    {
                        "rule": rule.id,
                        "line": line_of(one, rule),
                        "enforcement": rule.enforcement,
                        "check": rule.check,
                        "match": {kind: found for kind, found in rule.match._asdict().items() if found is not None},
                        "when": rule.when,
                    }
                    for rule in one.rules
                ],
            }
            for one, recorded in zip(value.policies, value.recorded, strict=True)
        ],
    }


def _linted(value: Any) -> dict[str, Any]:
    keys = ("code", "path", "line", "key", "message", "hint")
    return {
        "kind": "lint",
        "files": list(value.paths),
        "faults": [{key: getattr(error, key) for key in keys} for error in value.faults],
    }


def _explained(value: Any) -> dict[str, Any]:
    rows = []
    for one in value.rules:
        row = {key: found for key, found in one._asdict().items() if key not in ("finding", "misfits")}
        answer = one.finding._asdict() if one.finding else {}
        answer = {key: answer.get(key) for key in ("outcome", "message", "fix")}
        rows.append({**row, "matches": not one.misfits, "misfits": one.misfits, **answer})
    decision = value.decision
    head = {"action": decision.action, "ref": str(decision.ref), "decision": decision.as_data()}
    return {"kind": "explanation", **head, "rules": rows}


def _tested(value: Any) -> dict[str, Any]:
    return {"kind": "policy-tests", "cases": [one._asdict() for one in value.cases]}


DATA: dict[str, Callable[[Any], dict[str, Any]]] = {
    "Listed": _listed,
    "Linted": _linted,
    "Explained": _explained,
    "Rehearsals": _tested,
}


def place(row: Payload) -> str:
    """Return where something stands, as `path:line`."""
    return f"{row['path']}:{row['line']}" if row["line"] else str(row["path"])


def _list_text(payload: Payload, verbose: bool, screen: Screen) -> str:
    on = screen.on
    lines = []
    for one in payload["policies"]:
        state = "" if one["recorded"] else f"  {paint('not recorded yet: the next write does it', 'yellow', on=on)}"
        lines.append(f"{paint(safe(one['path']), 'bold', on=on)}  {safe(one['name'])}  sha256 {one['digest']}{state}\n")
        rows = [uncoloured(rule["rule"], rule["enforcement"], rule["check"], _match(rule)) for rule in one["rules"]]
        lines.append(columns(["RULE", "LEVEL", "CHECK", "MATCHES"], rows, screen, indent="  "))
    return "".join(lines) or "no policies: canary and activate are denied; add one in policies/\n"


def _match(rule: Payload) -> str:
    told = [f"{kind} {', '.join(found) or 'none'}" for kind, found in rule["match"].items() if found != ["*"]]
    return "; ".join([*told, *(["when ..."] if rule["when"] else [])]) or "everything"


def _lint_text(payload: Payload, verbose: bool, screen: Screen) -> str:
    on = screen.on
    files, wrong = counted(len(payload["files"]), "file"), counted(len(payload["faults"]), "fault")
    if not payload["faults"]:
        return f"{paint('ok', 'green', on=on)}: {files}\n"
    lines = [f"{paint('invalid', 'red', on=on)}: {wrong} in {files}\n"]
    for one in payload["faults"]:
        key = f" {safe(one['key'])}:" if one["key"] else ""
        lines.append(f"  {safe(place(one))}:{key} {safe(one['message'])}\n")
        lines += [f"      hint: {safe(one['hint'])}\n"] if one["hint"] else []
    return "".join(lines)


def _explain_text(payload: Payload, verbose: bool, screen: Screen) -> str:
    on = screen.on
    lines = [headline(payload["action"], payload["ref"], payload["decision"], on)]
    for one in payload["rules"]:
        mark = paint(MARKS[one["outcome"]], OUTCOME.get(one["outcome"]), on=on) if one["matches"] else "-"
        head = f"{paint(safe(one['rule']), 'bold', on=on)}  {one['enforcement']} {one['check']}  {safe(place(one))}"
        lines.append(f"  {mark} {head}\n")
        lines += [f"      does not match: {safe(why)}\n" for why in one["misfits"]]
        lines += [f"      {safe(one['message'])}\n"] if one["matches"] else []
        lines += [f"      {safe(name)} = {safe(value)}\n" for name, value in one["saw"].items()]
        lines += [f"      fix: {safe(one['fix'])}\n"] if one["fix"] and one["outcome"] != "pass" else []
    return "".join(lines)


def _tests_text(payload: Payload, verbose: bool, screen: Screen) -> str:
    on = screen.on
    cases = payload["cases"]
    wrong = [one for one in cases if one["differences"]]
    said = paint("FAILED", "red", on=on) if wrong else paint("PASSED", "green", on=on)
    lines = [f"{said}  {len(cases) - len(wrong)} of {len(cases)} cases as expected\n"]
    for one in cases if verbose else wrong:
        mark = paint("x", "red", on=on) if one["differences"] else paint("ok", "green", on=on)
        lines.append(f"  {mark} {safe(one['name'])}  {safe(place(one))}\n")
        lines += [f"      {safe(what)}\n" for what in one["differences"]]
    return "".join(lines)


def rendered(payload: Payload, verbose: bool, screen: Screen) -> str:
    """Return the text of one of these kinds."""
    return _TEXTS[payload["kind"]](payload, verbose, screen)


_TEXTS: dict[str, Callable[[Payload, bool, Screen], str]] = {
    "policies": _list_text,
    "lint": _lint_text,
    "explanation": _explain_text,
    "policy-tests": _tests_text,
}
