"""A decision of policy as text: what blocks first, each with what to type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from helixctl.cli.render.paint import OUTCOME, paint, safe, width

Payload = Mapping[str, Any]
MARKS = {"fail": "x", "error": "x", "inconclusive": "?", "overridden": "!", "pass": "ok", "not_applicable": "-"}
WIDEST = 24
"""Rules whose names are longer do not widen the column of names."""


def decided(name: str, ref: str, decision: Payload, on: bool) -> str:
    """Return a decision: its findings that block, then other ones, and the names of the rules that pass."""
    rows = decision["findings"]
    blocking = [one for one in rows if blocks(one)]
    passing = [one["rule"] for one in rows if one["outcome"] in ("pass", "not_applicable")]
    rest = [one for one in rows if one not in blocking and one["rule"] not in passing]
    lines = [headline(name, ref, decision, on), *findings([*blocking, *rest], on)]
    if passing:
        lines.append(f"  {paint('ok', 'green', on=on)} {safe(', '.join(passing))}\n")
    return "".join(lines)


def headline(name: str, ref: str, decision: Payload, on: bool) -> str:
    """Return the first line of a decision: what it says, to what, and how many rules block it."""
    if decision["allowed"]:
        return f"{paint('ALLOWED', 'green', on=on)}  {name} {safe(ref)}\n"
    rows = decision["findings"]
    count = f"{sum(map(blocks, rows))} of {len(rows)} rules block it"
    return f"{paint('DENIED', 'red', on=on)}  {name} {safe(ref)}  ({count})\n"


def blocks(finding: Payload) -> bool:
    """Tell whether a finding denies."""
    return finding["enforcement"] != "advisory" and finding["outcome"] in ("fail", "inconclusive", "error")


def blocking(decision: Payload, on: bool) -> list[str]:
    """Return a line for each finding that denies."""
    return findings(filter(blocks, decision["findings"]), on)


def findings(rows: Iterable[Payload], on: bool) -> list[str]:
    """Return a line for each finding, the messages one below the other, and a line with what to type."""
    rows = list(rows)
    widest = max((wide for one in rows if (wide := width(safe(one["rule"]))) <= WIDEST), default=0)
    return [_finding(one, widest, on) for one in rows]


def _finding(finding: Payload, widest: int, on: bool) -> str:
    outcome, rule = finding["outcome"], safe(finding["rule"])
    mark = paint(MARKS[outcome], OUTCOME.get(outcome), on=on)
    note = {"overridable": "  [can be overridden]", "advisory": "  [advisory]"}.get(finding["enforcement"], "")
    note = "  [overridden]" if outcome == "overridden" else note if outcome in ("fail", "error", "inconclusive") else ""
    gap = " " * (max(widest - width(rule), 0) + 2)
    under = " " * (6 + widest)
    fix = f"\n{under}fix: {safe(finding['fix'])}" if finding["fix"] and blocks(finding) else ""
    return f"  {mark} {rule}{gap}{safe(finding['message'])}{note}{fix}\n"
