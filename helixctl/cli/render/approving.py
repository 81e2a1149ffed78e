"""Statements about versions, and overrides that wait for a review: as JSON objects and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helixctl.cli.render.paint import columns, paint, safe

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
            "counts": one.why is None,
            "why": one.why,
        }
        for one in value.rulings
    ]
    lost = [value.lost] if value.lost else []
    return {
        "kind": "approvals",
        "ref": str(value.ref),
        "action": value.action,
        "rules": [{"outcome": one.outcome, "message": one.message, "fix": one.fix} for one in value.answers],
        "approvals": rows,
        "warnings": [*lost, *(f"{one.path}: {one.fault}" for one in value.broken)],
    }


def overrides(value: Any) -> dict[str, Any]:
    """Return the JSON object of the overrides that wait."""
    return {"kind": "overrides", "overrides": [one._asdict() for one in value.waiting]}


def rendered(payload: Payload, *, on: bool) -> str:
    """Return the text of either."""
    return _statements(payload, on) if payload["kind"] == "approvals" else _overrides(payload, on)


def _statements(payload: Payload, on: bool) -> str:
    head = [f"{safe(payload['ref'])}  for {payload['action']}\n"]
    for one in payload["rules"]:
        fix = f"\n      fix: {safe(one['fix'])}" if one["fix"] else ""
        head.append(f"  {'ok' if one['outcome'] == 'pass' else 'x'} {safe(one['message'])}{fix}\n")
    if not payload["rules"]:
        head.append("  no policy asks for approvals of it\n")
    if not payload["approvals"]:
        return "".join(head) + "nothing was stated about it\n"
    rows = [
        [
            (one["id"], None),
            (one["kind"], None),
            (one["person"], None),
            (one["action"] or "-", None),
            ("counts" if one["counts"] else one["why"], "green" if one["counts"] else "grey"),
            (one["reason"] or "", None),
        ]
        for one in payload["approvals"]
    ]
    return "".join(head) + columns(["ID", "KIND", "BY", "FOR", "", "REASON"], rows, on=on)


def _overrides(payload: Payload, on: bool) -> str:
    lines = []
    for one in payload["overrides"]:
        what = f"{one['action']}  {safe(one['ref'])}  {safe(', '.join(one['rules']))}"
        lines.append(f"{paint(one['entry'], 'bold', on=on)}  {one['at'][:19]}  {what}  by {safe(one['by'])}\n")
        lines += [f"    reason: {safe(one['reason'])}\n"] if one["reason"] else []
    return "".join(lines) or "no override waits for a review\n"
