"""Statements about versions, and overrides that wait for a review: as JSON objects and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helixctl.cli.render.decision import MARKS
from helixctl.cli.render.paint import OUTCOME, Screen, columns, paint, safe, uncoloured

Payload = Mapping[str, Any]


def statements(value: Any) -> dict[str, Any]:
    """Return the JSON object of what was stated about a version."""
    rows = [
        {
            "id": one.statement.id,
            "kind": one.statement.kind,
            "by": one.statement.by,
            "person": one.person,
            "action": one.statement.action,
            "at": one.statement.at,
            "expires": one.statement.expires,
            "withdraws": one.statement.withdraws,
            "entry": one.statement.entry,
            "reason": one.statement.reason,
            "counts": one.statement.kind in ("approval", "rejection") and (one.why is None or bool(one.counts_for)),
            "counts_for": one.counts_for,
            "why": one.why,
        }
        for one in value.rulings
    ]
    lost = [value.lost] if value.lost else []
    return {
        "kind": "approvals",
        "ref": str(value.ref),
        "action": value.action,
        "rules": [_asked(one) for one in value.asked],
        "approvals": rows,
        "warnings": [*lost, *(f"{one.path}: {one.fault}" for one in value.broken)],
    }


def _asked(value: Any) -> dict[str, Any]:
    said = {key: getattr(value.finding, key) for key in ("rule", "enforcement", "outcome", "message", "fix")}
    return {**said, "path": value.path, "asks": value.asks}


def overrides(value: Any) -> dict[str, Any]:
    """Return the JSON object of the overrides that wait."""
    return {"kind": "overrides", "overrides": [one._asdict() for one in value.waiting]}


def rendered(payload: Payload, verbose: bool, screen: Screen) -> str:
    """Return the text of either."""
    return _statements(payload, screen) if payload["kind"] == "approvals" else _overrides(payload, screen)


def _statements(payload: Payload, screen: Screen) -> str:
    on = screen.on
    head = [f"{safe(payload['ref'])}  for {payload['action']}\n"]
    for one in payload["rules"]:
        mark = paint(MARKS[one["outcome"]], OUTCOME.get(one["outcome"]), on=on)
        name = f"{paint(safe(one['rule']), 'bold', on=on)}  {one['enforcement']}  {safe(one['path'])}"
        head.append(f"  {mark} {name}\n      asks for {safe(one['asks'])}\n      {safe(one['message'])}\n")
        head += [f"      fix: {safe(one['fix'])}\n"] if one["fix"] else []
    if not payload["rules"]:
        head.append("  no policy asks for approvals of it\n")
    if not payload["approvals"]:
        return "".join(head) + "nothing was stated about it\n"
    rows = [
        [
            *uncoloured(one["id"], one["kind"], one["person"]),
            (one["action"] or ("all" if one["kind"] == "rejection" else "-"), None),
            (_worth(one), "grey" if one["why"] else "red" if one["kind"] == "rejection" else "green"),
            (one["reason"] or "", None),
        ]
        for one in payload["approvals"]
    ]
    return "".join(head) + columns(["ID", "KIND", "BY", "FOR", "COUNTS", "REASON"], rows, screen)


def _worth(one: Payload) -> str:
    """Return what a statement counts for, takes back or is of, or why it does not count."""
    here = {
        "rejection": "as a veto",
        "withdrawal": f"takes back {one['withdraws']}",
        "review": f"of override {one['entry']}",
    }
    if one["counts_for"]:
        return f"for {', '.join(one['counts_for'])}{'; for other rules it ' + one['why'] if one['why'] else ''}"
    return str(one["why"] or here.get(one["kind"], "no rule asks for it"))


def _overrides(payload: Payload, screen: Screen) -> str:
    rows = [
        uncoloured(
            *(one["entry"], one["at"] + screen.since(one["at"]), one["action"], one["ref"]),
            *(", ".join(one["rules"]), one["by"], one["reason"] or ""),
        )
        for one in payload["overrides"]
    ]
    heads = ["ENTRY", "AT", "ACTION", "VERSION", "RULES", "BY", "REASON"]
    return columns(heads, rows, screen) if rows else "no override waits for a review\n"
