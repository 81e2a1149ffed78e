from __future__ import annotations

from typing import Any

import pytest

from helixctl.core.audit import Filter
from helixctl.core.timeline import Timeline

Step = tuple[str, str, str | None, str | None]


def entry(seq: int, *effects: Step, outcome: str = "success", **more: Any) -> dict[str, Any]:
    """An entry about model m: each effect as action, version, from, to; its own action first."""
    rows = [{"action": a, "model": "m", "version": v, "from": f, "to": t} for a, v, f, t in effects]
    own = rows[0] if rows else {"action": "deployment.denied", "model": "m", "version": "1.0.0"}
    head = {"seq": seq, "hash": f"{seq:064x}", "severity": "info", "outcome": outcome, "actor": {"id": "alice"}}
    return {**head, **own, "effects": rows, "data": {}, **more}


REGISTERED = entry(1, ("version.registered", "1.0.0", None, "inactive"))
ACTIVATED = entry(2, ("version.activated", "1.0.0", "inactive", "active"))
OTHER = entry(3, ("version.registered", "10.0.0", None, "inactive"))
TRIED = entry(4, ("version.promoted", "10.0.0", "inactive", "testing"))
CANARY = entry(5, ("canary.started", "10.0.0", "testing", "canary"))
SUCCEEDED = entry(
    6,
    ("version.activated", "10.0.0", "canary", "active"),
    ("override.used", "10.0.0", None, None),
    ("canary.ended", "10.0.0", "canary", "active"),
    ("version.deprecated", "1.0.0", "active", "deprecated"),
)
DENIED = entry(7, outcome="denied")
UPDATED = entry(8, ("version.updated", "10.0.0", "active", "active"))
BACK = entry(
    9,
    ("version.rolled_back", "1.0.0", "deprecated", "active"),
    ("version.blocked", "10.0.0", "active", "inactive"),
)
UNBLOCKED = entry(10, ("version.unblocked", "10.0.0", "inactive", "inactive"))
RETIRED = entry(11, ("version.retired", "10.0.0", "inactive", "retired"))
STORY = [REGISTERED, ACTIVATED, OTHER, TRIED, CANARY, SUCCEEDED, DENIED, UPDATED, BACK, UNBLOCKED, RETIRED]


def told(*entries: dict[str, Any]) -> Timeline:
    timeline = Timeline()
    for one in entries:
        timeline.add(b"line %d" % one["seq"], one)
    return timeline


@pytest.mark.parametrize(
    ("count", "versions", "force"),
    [
        (0, [], []),
        (1, [("1.0.0", "inactive", False)], [1]),
        (2, [("1.0.0", "active", False)], [2]),
        (3, [("1.0.0", "active", False), ("10.0.0", "inactive", False)], [2, 3]),
        (4, [("1.0.0", "active", False), ("10.0.0", "testing", False)], [2, 4]),
        (5, [("1.0.0", "active", False), ("10.0.0", "canary", False)], [2, 5]),
        (6, [("1.0.0", "deprecated", False), ("10.0.0", "active", False)], [6]),
        (7, [("1.0.0", "deprecated", False), ("10.0.0", "active", False)], [6]),
        (8, [("1.0.0", "deprecated", False), ("10.0.0", "active", False)], [6]),
        (9, [("1.0.0", "active", False), ("10.0.0", "inactive", True)], [9]),
        (10, [("1.0.0", "active", False), ("10.0.0", "inactive", False)], [9]),
        (11, [("1.0.0", "active", False), ("10.0.0", "retired", False)], [9, 11]),
    ],
)
def test_after_each_entry_each_version_stands_where_that_put_it(
    count: int, versions: list[tuple[str, str, bool]], force: list[int]
) -> None:
    timeline = told(*STORY[:count])
    assert list(timeline.versions("m")) == versions
    assert [found["seq"] for _, found in timeline.entries(Filter())] == force
    assert [raw for raw, _ in timeline.entries(Filter())] == [b"line %d" % seq for seq in force]


@pytest.mark.parametrize(
    ("wanted", "count", "force"),
    [
        (Filter(actions=("version.activated",)), 2, [2]),
        (Filter(actions=("version.activated",)), 6, [6]),
        (Filter(actions=("version.activated",)), 9, []),
        (Filter(actions=("version.rolled_back",)), 9, [9]),
        (Filter(actions=("version.deprecated",)), 6, [6]),
        (Filter(actions=("canary.ended",)), 6, [6]),
        (Filter(actions=("override.used",)), 6, []),
        (Filter(version="1.0.0"), 11, [9]),
        (Filter(version="1.0.0", actions=("version.activated",)), 6, []),
        (Filter(model="other"), 11, []),
        (Filter(actor="alice"), 6, [6]),
        (Filter(actor="bob"), 6, []),
        (Filter(severity="warning"), 6, []),
    ],
)
def test_a_filter_matches_only_the_effects_that_are_in_force(wanted: Filter, count: int, force: list[int]) -> None:
    assert [found["seq"] for _, found in told(*STORY[:count]).entries(wanted)] == force


def test_an_entry_that_put_a_version_in_service_is_not_shown_once_that_version_left_it() -> None:
    """The entry still stands for the predecessor that it deprecated."""
    retired = entry(7, ("version.retired", "10.0.0", "active", "retired"))
    timeline = told(*STORY[:6], retired)
    assert [found["seq"] for _, found in timeline.entries(Filter())] == [6, 7]
    assert timeline.entries(Filter(actions=("version.activated",))) == []


@pytest.mark.parametrize(
    ("status", "count", "version"),
    [("active", 1, None), ("active", 2, "1.0.0"), ("canary", 5, "10.0.0"), ("canary", 6, None), ("active", 9, "1.0.0")],
)
def test_the_holder_of_a_status_is_the_version_that_had_it(status: str, count: int, version: str | None) -> None:
    assert told(*STORY[:count]).holder("m", status) == version


def test_a_status_named_as_kept_after_a_merge_is_the_status_from_there_on() -> None:
    """Two branches went apart: the later in the log's order is not the one that was kept."""
    kept = entry(4, ("registry.reconciled", "1.0.0", "active", "active"))
    branch = entry(3, ("version.deactivated", "1.0.0", "active", "inactive"))
    timeline = told(REGISTERED, ACTIVATED, branch, kept)
    assert list(timeline.versions("m")) == [("1.0.0", "active", False)]
    assert [found["seq"] for _, found in timeline.entries(Filter())] == [4]


def test_versions_ascend_by_precedence_and_any_text_of_a_log_has_its_place() -> None:
    names = ("2.0.0", "10.0.0", "2.0.0-rc.1", "not a version", "1.0.0+b")
    timeline = told(*(entry(n, ("version.registered", name, None, "inactive")) for n, name in enumerate(names, 1)))
    found = [version for version, _, _ in timeline.versions("m")]
    assert found == ["not a version", "1.0.0+b", "2.0.0-rc.1", "2.0.0", "10.0.0"]
    assert timeline.models() == ["m"]
    assert list(timeline.versions("other")) == []


def test_effects_on_no_version_leave_no_trace() -> None:
    nothing = entry(1, ("registry.initialized", "1.0.0", None, None))
    nothing["effects"] = [{"action": "registry.initialized", "model": None, "version": None, "from": None, "to": None}]
    assert told(nothing).standings == {}
