from __future__ import annotations

import json
from typing import Any

import pytest

from helixctl.core.facts import facts, unreviewed


def entry(action: str, *effects: str, by: str = "ada", **data: Any) -> dict[str, Any]:
    rows = [{"action": one, "model": "m", "version": "1.0.0"} for one in (action, *effects)]
    head = {"id": "e1", "ts": "2026-03-01", "action": action, "model": "m", "version": "1.0.0", "reason": "why"}
    return {**head, "actor": {"id": by}, "effects": rows, "data": data}


DIGESTS = {"specification": "abc"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (entry("version.registered", digests=DIGESTS), {("author", "m@1.0.0", "ada")}),
        (entry("version.updated", digests=DIGESTS), {("author", "m@1.0.0", "ada")}),
        (entry("version.adopted", digests=DIGESTS), {("author", "m@1.0.0", "ada")}),
        (entry("version.activated", "version.updated"), set()),
        (entry("registry.reconciled", accepted=["2.0.0"]), {("author", "m@2.0.0", "ada")}),
        (entry("version.activated", decision={"approvals": ["x", "y"]}), {("spent", "m@1.0.0", one) for one in "xy"}),
        ({**entry("version.activated", decision={"approvals": ["x"]}), "outcome": "denied"}, set()),
        (entry("override.reviewed", entry="e0"), {("review", "e0", "ada")}),
        ({**entry("version.updated"), "effects": [], "outcome": "denied"}, set()),
        ({"changes": ()}, set()),
        ({**entry("version.activated"), "data": {"decision": 1}}, set()),
    ],
)
def test_an_entry_tells_what_later_decisions_need(told: dict[str, Any], expected: set[Any]) -> None:
    assert set(facts(told)) == expected


def test_an_override_waits_until_somebody_else_has_reviewed_it() -> None:
    used = entry("version.activated", "override.used", decision={"overrides": ["evaluation"]})
    ((kind, model, text),) = facts(used)
    assert (kind, model, json.loads(text)["rules"]) == ("override", "m", ["evaluation"])
    for reviewers, waits in (((), True), (("ada",), True), (("bob",), False), (("ada", "bob"), False)):
        assert bool(list(unreviewed([text], lambda _, found=reviewers: found))) is waits  # type: ignore[misc]
