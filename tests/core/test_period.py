from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helixctl.core.figures import Figure
from helixctl.core.period import report
from helixctl.core.report import Activation, Denied, Evaluation, Override, Report, Rollback, Service
from helixctl.core.times import stamp

START = datetime(2026, 3, 2, tzinfo=UTC)
END = START + timedelta(weeks=4)
NEVER = Figure(None, "share", 0)
Step = tuple[str, str, str | None, str | None]
Entry = dict[str, Any]
numbers = itertools.count(1)


def at(**span: float) -> str:
    return stamp(START + timedelta(**span))


def entry(ts: str, *effects: Step, by: str = "alice", model: str = "m", **more: Any) -> Entry:
    """An entry: each effect as action, version, from, to, its own action first; without effects a denied attempt."""
    rows = [{"action": a, "model": model, "version": v, "from": f, "to": t} for a, v, f, t in effects]
    own = rows[0] if rows else {"action": "deployment.denied", "model": model, "version": "1.0.0"}
    outcome = "success" if rows else "denied"
    head = {"id": f"id-{next(numbers)}", "ts": ts, "severity": "info", "outcome": outcome, "actor": {"id": by}}
    return {**head, **own, "reason": None, "effects": rows, "data": {}, **more}


def activated(ts: str, version: str, over: str | None = None, also: Step | None = None, **more: Any) -> Entry:
    left: list[Step] = [("version.deprecated", over, "active", "deprecated")] if over else []
    return entry(ts, ("version.activated", version, "inactive", "active"), *left, *([also] if also else []), **more)


def rolled_back(ts: str, version: str, left: str, **more: Any) -> Entry:
    effects: list[Step] = [
        ("version.rolled_back", version, "deprecated", "active"),
        ("version.blocked", left, "active", "inactive"),
    ]
    return entry(ts, *effects, data={"left": left, "skipped": []}, severity="warning", **more)


def evaluated(ts: str, verdict: str, *violated: str, **more: Any) -> Entry:
    action = "evaluation.failed" if verdict == "failed" else "evaluation.completed"
    data = {"verdict": verdict, "samples": 100, "proven": verdict == "passed", "violated": list(violated)}
    return entry(ts, (action, "1.0.0", "testing", "testing"), data=data, **more)


def told(*entries: Entry, since: datetime = START, until: datetime = END, model: str | None = None) -> Report:
    return report(entries, since, until, model)


def test_an_empty_period_measures_nothing() -> None:
    found = told()
    assert found.entries == 0
    assert found.counts == {"action": {}, "severity": {}, "model": {}, "actor": {}}
    assert [one for one in found if isinstance(one, tuple)] == [()] * 7
    assert {(one.value, one.n) for one in found.figures.values()} == {(None, 0)}


def test_counts_are_of_effects_by_action_and_of_entries_by_all_else() -> None:
    found = told(
        activated(at(days=1), "1.0.0"),
        activated(at(days=2), "2.0.0", "1.0.0", by="bob"),
        entry(at(days=3), severity="warning", model="n"),
        entry(at(days=4), ("registry.initialized", "", None, None), model=""),
    )
    assert found.entries == 4
    assert found.counts == {
        "action": {
            "deployment.denied": 1,
            "registry.initialized": 1,
            "version.activated": 2,
            "version.deprecated": 1,
        },
        "severity": {"info": 3, "warning": 1},
        "model": {"m": 2, "n": 1},
        "actor": {"alice": 3, "bob": 1},
    }


def test_a_period_has_its_first_instant_and_not_its_last() -> None:
    inside = [activated(stamp(START), "1.0.0"), entry(stamp(END - timedelta(microseconds=1)))]
    outside = [entry(stamp(START - timedelta(microseconds=1)), by="early"), entry(stamp(END), by="late")]
    found = told(*outside, *inside)
    assert found.entries == 2
    assert found.counts["actor"] == {"alice": 2}
    assert (found.since, found.until) == (stamp(START), stamp(END))


def test_versions_in_service_are_told_from_the_entry_that_began_it_to_the_one_that_ended_it() -> None:
    found = told(
        activated(at(days=-9), "0.1.0"),
        activated(at(days=-8), "0.2.0", "0.1.0"),
        activated(at(days=0), "1.0.0", "0.2.0"),
        activated(at(days=3), "2.0.0", "1.0.0"),
        rolled_back(at(days=4), "1.0.0", "2.0.0"),
        activated(at(days=30), "3.0.0", "1.0.0"),
    )
    assert found.in_service == (
        Service("m@1.0.0", at(days=0), at(days=3), began_before=False),
        Service("m@1.0.0", at(days=4), None, began_before=False),
        Service("m@2.0.0", at(days=3), at(days=4), began_before=False),
    )
    earlier = told(activated(at(days=-8), "0.2.0"), activated(at(days=1), "1.0.0", "0.2.0"))
    assert earlier.in_service[0] == Service("m@0.2.0", at(days=-8), at(days=1), began_before=True)


@pytest.mark.parametrize(
    ("effect", "until"),
    [
        (("version.deprecated", "1.0.0", "active", "deprecated"), at(days=1)),
        (("version.retired", "1.0.0", "active", "retired"), at(days=1)),
        (("evaluation.completed", "1.0.0", "active", "active"), None),
    ],
)
def test_a_version_that_served_before_the_first_entry_began_nobody_knows_when(effect: Step, until: str | None) -> None:
    found = told(entry(at(days=1), effect))
    assert found.in_service == (Service("m@1.0.0", None, until, began_before=True),)


def test_the_second_side_of_a_merge_ends_nothing_twice() -> None:
    found = told(
        activated(at(days=1), "1.0.0"),
        activated(at(days=2), "2.0.0", "1.0.0"),
        activated(at(days=3), "3.0.0", "1.0.0"),
        entry(at(days=4), ("registry.reconciled", "3.0.0", "active", "active"), ("x", "2.0.0", "active", "deprecated")),
    )
    assert [(one.ref, one.since, one.until) for one in found.in_service] == [
        ("m@1.0.0", at(days=1), at(days=2)),
        ("m@2.0.0", at(days=2), at(days=4)),
        ("m@3.0.0", at(days=3), None),
    ]


def test_a_version_that_both_sides_of_a_merge_activate_does_not_replace_itself() -> None:
    found = told(activated(at(days=1), "1.0.0"), activated(at(days=2), "1.0.0"))
    assert [one.replaced for one in found.activations] == [(), ()]
    assert found.in_service == (Service("m@1.0.0", at(days=1), None, began_before=False),)


def granted(ts: str, who: str, action: str = "approval.granted") -> Entry:
    return entry(ts, (action, "2.0.0", "testing", "testing"), by=who)


@pytest.mark.parametrize(
    ("before", "approvers", "four_eyes"),
    [
        ([], (), None),
        ([granted(at(days=1), "alice")], ("alice",), False),
        ([granted(at(days=1), "bob")], ("bob",), True),
        ([granted(at(days=1), "alice"), granted(at(days=1), "bob")], ("alice", "bob"), True),
        ([granted(at(days=-9), "bob")], ("bob",), True),
        ([granted(at(days=1), "bob"), granted(at(days=2), "bob", "approval.withdrawn")], (), None),
        ([granted(at(days=1), "bob"), granted(at(days=2), "bob", "approval.rejected")], (), None),
        ([granted(at(days=1), "bob", "approval.withdrawn"), granted(at(days=2), "bob")], ("bob",), True),
        ([granted(at(days=1), "bob"), entry(at(days=2), ("version.updated", "2.0.0", "testing", "inactive"))], (), None),
        ([granted(at(days=1), "bob"), entry(at(days=2), ("version.updated", "3.0.0", "testing", "inactive"))], ("bob",), True),
        ([granted(at(days=1), "bob"), activated(at(days=2), "1.0.0", also=("version.updated", "2.0.0", "testing", "testing"))], ("bob",), True),
        ([granted(at(days=1), "bob") | {"effects": [], "outcome": "denied"}], (), None),
    ],
)  # fmt: skip
def test_an_activation_names_whose_approval_stood(
    before: list[Entry], approvers: tuple[str, ...], four_eyes: bool | None
) -> None:
    found = told(*before, activated(at(days=3), "2.0.0"), granted(at(days=4), "late"))
    activation = found.activations[-1]
    assert activation.ref == "m@2.0.0"
    assert (activation.approvers, activation.four_eyes) == (approvers, four_eyes)
    assert found.figures["four_eyes"] == Figure(
        bool(four_eyes) / len(found.activations), "share", len(found.activations)
    )


def test_a_scheduled_activation_is_by_who_scheduled_it_whoever_swept() -> None:
    granted = entry(at(days=1), ("approval.granted", "1.0.0", "inactive", "inactive"), by="bob")
    fired = activated(at(days=2), "1.0.0", by="cron", data={"schedule": "1", "scheduled_by": "bob"})
    (row,) = told(granted, fired).activations
    assert (row.by, row.four_eyes) == ("bob", False)


def test_approvals_of_the_period_are_listed_with_what_was_done() -> None:
    found = told(
        granted(at(days=-1), "early"), granted(at(days=1), "bob"), granted(at(days=2), "eve", "approval.rejected")
    )
    assert [(one.ref, one.by, one.action) for one in found.approvals] == [
        ("m@2.0.0", "bob", "approval.granted"),
        ("m@2.0.0", "eve", "approval.rejected"),
    ]


def overridden(ts: str) -> Entry:
    effects: list[Step] = [("version.activated", "1.0.0", "inactive", "active"), ("override.used", "1.0.0", None, None)]
    decision = {"allowed": True, "findings": [], "overrides": ["tested-first", "evaluation"]}
    return entry(ts, *effects, data={"decision": decision}, reason="already serves")


def reviewed(ts: str, data: dict[str, Any]) -> Entry:
    return entry(ts, ("override.reviewed", "1.0.0", None, None), by="carol", data=data)


def test_an_override_is_reviewed_by_a_later_entry_that_names_it() -> None:
    first, second, third, early = (overridden(at(days=day)) for day in (1, 2, 3, -1))
    found = told(
        early,
        first,
        second,
        third,
        reviewed(at(days=4), {"entry": first["id"]}),
        reviewed(at(days=5), {"entries": [second["id"], early["id"], 7], "note": "x"}),
        reviewed(at(days=29), {"entry": third["id"]}),
    )
    rules = ("tested-first", "evaluation")
    expected = [(first, "carol", at(days=4)), (second, "carol", at(days=5)), (third, None, None)]
    assert found.overrides == tuple(
        Override("m@1.0.0", one["ts"], "alice", rules, "already serves", one["id"], by, when)
        for one, by, when in expected
    )
    assert found.figures["overrides_reviewed"] == Figure(0.6667, "share", 3)


def test_a_denied_attempt_names_the_rules_that_denied_it() -> None:
    findings = [
        {"rule": rule, "enforcement": enforcement, "outcome": outcome}
        for rule, enforcement, outcome in (
            ("a", "mandatory", "fail"),
            ("b", "advisory", "fail"),
            ("c", "overridable", "inconclusive"),
            ("d", "overridable", "overridden"),
            ("e", "mandatory", "pass"),
            ("f", "mandatory", "error"),
        )
    ]
    found = told(entry(at(days=1), data={"decision": {"findings": findings}}, reason="please"), entry(at(days=-1)))
    assert found.denied == (Denied("m@1.0.0", at(days=1), "alice", "deployment.denied", ("a", "c", "f"), "please"),)


def test_evaluations_are_counted_by_verdict_and_the_conclusive_ones_by_their_thresholds() -> None:
    found = told(
        evaluated(at(days=-1), "failed", "max_latency_ms"),
        evaluated(at(days=1), "passed"),
        evaluated(at(days=2), "passed"),
        evaluated(at(days=3), "warning", "min_confidence"),
        evaluated(at(days=4), "failed", "max_latency_ms", "max_error_rate"),
        evaluated(at(days=5), "inconclusive"),
    )
    assert found.evaluations[3] == Evaluation(
        "m@1.0.0", at(days=4), "alice", ("max_latency_ms", "max_error_rate"), "failed", 100, proven=False
    )
    shares = {name: found.figures[f"verdict_{name}"] for name in ("passed", "warning", "failed", "inconclusive")}
    assert {name: (one.value, one.n) for name, one in shares.items()} == {
        "passed": (0.4, 5),
        "warning": (0.2, 5),
        "failed": (0.2, 5),
        "inconclusive": (0.2, 5),
    }
    assert found.figures["threshold_compliance"] == Figure(0.5, "share", 4)


def test_only_inconclusive_evaluations_say_nothing_of_thresholds() -> None:
    found = told(evaluated(at(days=1), "inconclusive"))
    assert found.figures["threshold_compliance"] == NEVER
    assert found.figures["verdict_passed"] == Figure(0.0, "share", 1)


def test_deployments_and_rollbacks_are_counted_a_week() -> None:
    found = told(
        activated(at(days=-1), "0.1.0"),
        activated(at(days=1), "1.0.0", "0.1.0"),
        activated(at(days=2), "2.0.0", "1.0.0"),
        rolled_back(at(days=2, hours=6), "1.0.0", "2.0.0", reason="slow"),
        activated(at(days=9), "3.0.0", "1.0.0"),
        rolled_back(at(days=9, hours=1), "1.0.0", "3.0.0"),
        activated(at(days=20), "4.0.0", "1.0.0"),
        rolled_back(at(days=29), "1.0.0", "4.0.0"),
        entry(at(days=21), action="deployment.failed", outcome="failed"),
    )
    figures = found.figures
    assert found.rollbacks[0] == Rollback("m@1.0.0", at(days=2, hours=6), "alice", "2.0.0", 6.0, "slow")
    assert figures["deployments"] == Figure(1.0, "per week", 6)
    assert figures["rollbacks"] == Figure(0.5, "per week", 6)
    assert figures["time_to_restore"] == Figure(3.5, "hours", 2)
    assert figures["failed_deployments"] == Figure(0.6, "share", 5)
    assert [one.rolled_back for one in found.activations] == [False, True, True, False]


def test_a_rollback_of_what_was_activated_before_the_period_is_a_rollback_and_no_failed_deployment() -> None:
    found = told(
        activated(at(days=-9), "1.0.0"),
        activated(at(hours=-2), "2.0.0", "1.0.0"),
        rolled_back(at(hours=1), "1.0.0", "2.0.0"),
    )
    assert found.figures["time_to_restore"] == Figure(3.0, "hours", 1)
    assert found.figures["rollbacks"] == Figure(0.25, "per week", 1)
    assert found.figures["failed_deployments"] == NEVER


def test_what_was_left_behind_by_a_rollback_may_be_unknown() -> None:
    effects: list[Step] = [("version.rolled_back", "1.0.0", "deprecated", "active")]
    unknown: list[Any] = [None, "9.0.0", 7, ["x"], {}]
    for left in unknown:
        found = told(entry(at(days=1), *effects, data={"left": left}))
        assert found.rollbacks[0].hours is None
        assert found.figures["time_to_restore"] == Figure(None, "hours", 0)


def test_an_activation_below_what_it_replaces_is_a_downgrade_and_a_rollback_is_none() -> None:
    found = told(
        activated(at(days=1), "1.10.0"),
        activated(at(days=2), "1.9.0", "1.10.0"),
        activated(at(days=3), "2.0.0-rc.1", "1.9.0"),
        activated(at(days=4), "2.0.0", "2.0.0-rc.1"),
        rolled_back(at(days=5), "1.9.0", "2.0.0"),
        activated(at(days=6), "1.0.0", model="n"),
    )
    assert found.activations[1] == Activation(
        "m@1.9.0", at(days=2), "alice", ("1.10.0",), is_downgrade=True, approvers=(), four_eyes=None
    )
    assert [one.is_downgrade for one in found.activations] == [False, True, False, False, False]
    assert found.figures["unplanned_downgrades"] == Figure(1, "count", 5)


def deprecated(ts: str, version: str, origin: str = "active") -> Entry:
    return entry(ts, ("version.deprecated", version, origin, "deprecated"))


def retired(ts: str, version: str, origin: str = "deprecated") -> Entry:
    return entry(ts, ("version.retired", version, origin, "retired"))


def test_a_retirement_is_timed_from_the_first_deprecation_that_was_not_cancelled() -> None:
    found = told(
        deprecated(at(days=-80), "1.0.0"),
        deprecated(at(days=-40), "1.0.0", "deprecated"),
        retired(at(days=10), "1.0.0"),
        deprecated(at(days=-50), "2.0.0"),
        entry(at(days=-45), ("version.deprecated", "2.0.0", "deprecated", "inactive")),
        deprecated(at(days=1), "2.0.0"),
        retired(at(days=11), "2.0.0"),
        retired(at(days=12), "3.0.0", "inactive"),
        entry(at(days=13), ("eol.warned", "4.0.0", "deprecated", "deprecated")),
        retired(at(days=14), "4.0.0"),
        deprecated(at(days=-30), "5.0.0"),
        retired(at(days=-1), "5.0.0"),
    )
    assert found.figures["deprecation_to_retirement"] == Figure(50.0, "days", 2)


def test_a_report_of_a_model_has_only_what_touches_it() -> None:
    entries = (
        activated(at(days=1), "1.0.0"),
        activated(at(days=2), "5.0.0", model="other", by="bob"),
        rolled_back(at(days=3), "4.0.0", "5.0.0", model="other"),
        entry(at(days=4), model="other"),
        entry(at(days=5), ("registry.initialized", "", None, None), model=""),
    )
    found = told(*entries, model="m")
    assert (found.entries, found.counts["actor"], found.counts["model"]) == (1, {"alice": 1}, {"m": 1})
    assert (found.rollbacks, found.denied, len(found.in_service)) == ((), (), 1)
    assert told(*entries, model="other").counts["action"]["version.rolled_back"] == 1


HOSTILE: list[Any] = [None, 7, True, "text", [], ["x", 7, None], {}, {"a": "b"}, [["x"]], [{"rule": {}}]]


@pytest.mark.parametrize("value", HOSTILE, ids=repr)
@pytest.mark.parametrize("key", ["decision", "left", "verdict", "samples", "proven", "violated", "entry"])
def test_data_of_another_shape_is_left_out_and_stops_nothing(key: str, value: Any) -> None:
    actions = ("version.activated", "version.rolled_back", "override.used", "override.reviewed", "evaluation.completed")
    effects: list[Step] = [(action, "1.0.0", "inactive", "active") for action in actions]
    decision = {"decision": {"findings": value, "overrides": value}}
    datas = ({key: value}, decision)
    found = told(*(entry(at(days=1), *given, data=data) for data in datas for given in (effects, ())))
    assert found.entries == 4


@pytest.mark.parametrize("version", ["", "x", "1.0", "1.0.0; rm", "٣.0.0", "1.0.0\n"])
def test_a_version_that_is_none_has_no_precedence(version: str) -> None:
    found = told(activated(at(days=1), version or "y"), activated(at(days=2), "1.0.0", version or "y"))
    assert [one.is_downgrade for one in found.activations] == [False, False]
