from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from helixctl.core import audit
from helixctl.core import request as ask
from helixctl.core.audit import Effect
from helixctl.core.lifecycle import Action, Status
from helixctl.core.names import Ref
from helixctl.core.plan import Plan
from helixctl.core.planning import plan
from helixctl.core.record import Record, decode, decode_specification, encode
from helixctl.core.snapshot import Snapshot
from helixctl.errors import (
    Changed,
    Drift,
    Duplicate,
    HelixError,
    IllegalTransition,
    Invalid,
    NotFound,
    NothingToRestore,
    Unexpected,
    Usage,
)
from tests.core.making import AT, BLOCK, DAY, SETTINGS, announced, made, measured, ref, served, snapshot, text, wish

S = Status


def of(plan: Plan) -> Record:
    """Return the version that a plan is about."""
    assert plan.subject is not None
    return plan.subject


def planned(act: ask.Act, *records: Record, **terms: Any) -> Plan:
    return plan(wish(act, **terms), snapshot(*records))


def actions(found: Plan) -> list[tuple[str, str | None, str | None, str | None]]:
    return [(one.action, one.version, one.origin, one.target) for one in found.effects]


def by_version(found: Plan) -> dict[str, Record]:
    return {record.version: record for record in found.records}


def after(now: Snapshot, found: Plan, seconds: int = 1) -> Snapshot:
    """Return the snapshot once the plan is committed."""
    return now._replace(records={**now.records, **by_version(found)}, at=now.at + timedelta(seconds=seconds))


def run(now: Snapshot, *acts: ask.Act) -> Snapshot:
    for act in acts:
        now = after(now, plan(wish(act), now))
    return now


def activate(*versions: str) -> list[ask.Act]:
    return [ask.Move(ref(version), S.ACTIVE) for version in versions]


def act_for(target: Status) -> ask.Act:
    match target:
        case S.DEPRECATED:
            return ask.Deprecate(ref())
        case S.RETIRED:
            return ask.Retire(ref())
    return ask.Move(ref(), target)


def in_status(status: Status) -> Record:
    match status:
        case S.ACTIVE | S.RETIRED:
            return served("1.0.0", status)
        case S.DEPRECATED:
            return served("1.0.0", status, deprecation=announced())
        case S.CANARY:
            return made("1.0.0", status, canary_weight=Decimal("0.05"))
    return made("1.0.0", status)


MOVES = {
    (S.INACTIVE, S.TESTING): ["version.promoted"],
    (S.INACTIVE, S.CANARY): ["canary.started"],
    (S.INACTIVE, S.ACTIVE): ["version.activated"],
    (S.INACTIVE, S.RETIRED): ["version.retired"],
    (S.TESTING, S.INACTIVE): ["version.deactivated"],
    (S.TESTING, S.CANARY): ["canary.started"],
    (S.TESTING, S.ACTIVE): ["version.activated"],
    (S.TESTING, S.RETIRED): ["version.retired"],
    (S.CANARY, S.TESTING): ["canary.ended"],
    (S.CANARY, S.INACTIVE): ["canary.ended"],
    (S.CANARY, S.ACTIVE): ["version.activated", "canary.ended"],
    (S.CANARY, S.RETIRED): ["version.retired", "canary.ended"],
    (S.ACTIVE, S.DEPRECATED): ["version.deprecated"],
    (S.ACTIVE, S.INACTIVE): ["version.deactivated"],
    (S.ACTIVE, S.RETIRED): ["version.retired"],
    (S.DEPRECATED, S.ACTIVE): ["version.activated"],
    (S.DEPRECATED, S.RETIRED): ["version.retired"],
}
"""Each step of the contract's table that a request for the target takes, and the effects it is logged by."""


@pytest.mark.parametrize(("origin", "target"), list(product(Status, Status)))
def test_every_step_of_the_lifecycle_is_taken_left_alone_or_refused_as_the_contract_says(
    origin: Status, target: Status
) -> None:
    before = in_status(origin)
    if origin is target:
        found = planned(act_for(target), before)
        assert (found.records, found.effects) == ((), ())
    elif (origin, target) in MOVES:
        found = planned(act_for(target), before)
        assert [one.action for one in found.effects] == MOVES[origin, target]
        assert {(one.origin, one.target) for one in found.effects} == {(origin, target)}
        assert by_version(found)["1.0.0"].status is target
        assert len(found.records) == 1
    else:
        with pytest.raises(IllegalTransition) as refused:
            planned(act_for(target), before)
        assert refused.value.exit_code == 5
        assert f"m@1.0.0 is {origin}" in refused.value.message
        assert refused.value.hint


@pytest.mark.parametrize(("origin", "target"), list(MOVES))
def test_a_moved_record_encodes_to_a_file_that_reads_back_as_it_is(origin: Status, target: Status) -> None:
    for record in planned(act_for(target), in_status(origin)).records:
        again = decode(encode(record))
        assert (again.spec, again.lifecycle) == (record.spec, record.lifecycle)
        assert ("canary_weight" in record.lifecycle) is (target is S.CANARY)


@pytest.mark.parametrize("status", Status)
def test_cancelling_a_deprecation_makes_a_deprecated_version_inactive_and_nothing_else(status: Status) -> None:
    before, cancel = in_status(status), ask.Deprecate(ref(), cancel=True)
    if status is S.DEPRECATED:
        found = planned(cancel, before)
        assert actions(found) == [("version.deprecated", "1.0.0", "deprecated", "inactive")]
        assert "deprecation" not in found.records[0].lifecycle
        assert found.data == {"cancelled": True}
    elif status is S.INACTIVE:
        assert planned(cancel, before).effects == ()
    else:
        with pytest.raises(IllegalTransition, match="there is no deprecation to cancel"):
            planned(cancel, before)


def test_a_retired_version_stays_as_it_is_whatever_is_asked() -> None:
    retired = served("1.0.0", "retired", blocked=BLOCK)
    acts: list[ask.Act] = [
        ask.Move(ref(), S.TESTING),
        ask.Move(ref(), S.CANARY),
        ask.Move(ref(), S.ACTIVE),
        ask.Move(ref(), S.INACTIVE),
        ask.Deprecate(ref()),
        ask.Deprecate(ref(), cancel=True),
        ask.Update(ref(), {"description": "x"}),
        ask.Block(ref(), blocked=False),
        ask.Evaluate(ref(), measured(retired), (), "", retired.serving_digest),
    ]
    for act in acts:
        with pytest.raises(IllegalTransition) as refused:
            planned(act, retired)
        assert "retired" in refused.value.message, act
    with pytest.raises(IllegalTransition, match="cannot be blocked"):
        planned(ask.Block(ref()), served("1.0.0", "retired"))
    with pytest.raises(IllegalTransition, match="cannot be changed"):
        plan(wish(ask.Adopt(ref())), snapshot(retired, drifted={"1.0.0": "specification"}))


# registering


def registered(version: str, *held: str, extra: str = "") -> Plan:
    source = text(version, extra)
    return planned(ask.Register(ref(version), source, decode_specification(source)), *(made(one) for one in held))


def test_a_new_version_is_inactive_and_its_digests_are_logged() -> None:
    found = registered("2.0.0", "1.0.0", extra="# kept\n")
    (record,) = found.records
    assert record.lifecycle == {"status": "inactive", "registered_at": AT}
    assert record.source == text("2.0.0", "# kept\n")
    assert actions(found) == [("version.registered", "2.0.0", None, "inactive")]
    assert found.data == {
        "provider": "in-house",
        "digests": {"specification": record.specification_digest, "serving": record.serving_digest},
    }
    assert (found.action, found.subject) == (Action.REGISTER, record)


@pytest.mark.parametrize(
    ("held", "version", "detail"),
    [
        ("1.0.0", "1.0.0", ""),
        ("1.0.0", "1.0.0+build", ", and 1.0.0+build equals it in precedence or but for case"),
        ("1.0.0+a", "1.0.0+b", ", and 1.0.0+b equals it in precedence or but for case"),
        ("1.0.0-RC", "1.0.0-rc", ", and 1.0.0-rc equals it in precedence or but for case"),
    ],
)
def test_a_version_that_is_there_under_this_or_an_equal_name_is_a_duplicate(
    held: str, version: str, detail: str
) -> None:
    with pytest.raises(Duplicate) as refused:
        registered(version, "0.1.0", held)
    assert refused.value.message == f"m@{held} is registered already{detail}"
    assert refused.value.exit_code == 5


# activation


def test_activation_deprecates_the_predecessor_in_the_same_plan_with_ninety_days_of_grace() -> None:
    found = planned(
        ask.Move(ref("2.0.0"), S.ACTIVE), served("1.0.0", "active"), made("2.0.0", "testing", testing_since=AT)
    )
    records = by_version(found)
    assert actions(found) == [
        ("version.activated", "2.0.0", "testing", "active"),
        ("version.deprecated", "1.0.0", "active", "deprecated"),
    ]
    assert records["2.0.0"].lifecycle == {
        "status": "active",
        "registered_at": AT - 100 * DAY,
        "testing_since": AT,
        "activated_at": AT,
        "served_digest": records["2.0.0"].serving_digest,
        "previous": "1.0.0",
    }
    assert records["1.0.0"].deprecation == {
        "announced_at": AT,
        "end_of_life": AT + 90 * DAY,
        "replacement": "m@2.0.0",
        "reason": "succeeded by m@2.0.0",
        "grace_period_days": 90,
        "allow_new_deployments": False,
        "source": "activation",
    }
    assert (of(found).status, found.action) == (S.TESTING, Action.ACTIVATE)
    assert (found.undo, found.data) == ("helixctl rollback m", {"previous": "1.0.0"})


@pytest.mark.parametrize("grace", [0, 1, 36_500])
def test_the_grace_of_a_predecessor_is_as_configured(grace: int) -> None:
    now = snapshot(served("1.0.0", "active"), made("2.0.0"), settings=SETTINGS._replace(grace_days=grace))
    left = by_version(plan(wish(ask.Move(ref("2.0.0"), S.ACTIVE)), now))["1.0.0"]
    assert left.deprecation["end_of_life"] == AT + grace * DAY


def test_a_predecessor_becomes_inactive_where_that_is_configured() -> None:
    now = snapshot(served("1.0.0", "active"), made("2.0.0"), settings=SETTINGS._replace(deprecate_predecessor=False))
    found = plan(wish(ask.Move(ref("2.0.0"), S.ACTIVE)), now)
    assert actions(found)[1] == ("version.deactivated", "1.0.0", "active", "inactive")
    assert "deprecation" not in by_version(found)["1.0.0"].lifecycle


def test_activation_ends_the_versions_own_canary_and_its_own_deprecation() -> None:
    canary = made("2.0.0", "canary", canary_weight=Decimal("0.1"))
    found = planned(ask.Move(ref("2.0.0"), S.ACTIVE), served("1.0.0", "active"), canary)
    assert [one[0] for one in actions(found)] == ["version.activated", "canary.ended", "version.deprecated"]
    again = served("2.0.0", "deprecated", deprecation=announced(allow_new_deployments=True))
    restored = by_version(planned(ask.Move(ref("2.0.0"), S.ACTIVE), again))["2.0.0"]
    assert "deprecation" not in restored.lifecycle
    assert restored.lifecycle["activated_at"] == AT


def test_another_versions_canary_goes_on_when_a_version_is_activated() -> None:
    found = planned(ask.Move(ref("2.0.0"), S.ACTIVE), made("2.0.0"), made("3.0.0", "canary"))
    assert list(by_version(found)) == ["2.0.0"]


def test_the_first_activation_has_no_predecessor_and_is_undone_by_deactivating() -> None:
    found = planned(ask.Move(ref(), S.ACTIVE), made(), made("0.9.0", "testing"))
    assert "previous" not in found.records[0].lifecycle
    assert found.undo == "helixctl deactivate m@1.0.0"


def test_after_a_deactivation_the_version_that_served_last_is_the_predecessor() -> None:
    found = planned(ask.Move(ref("3.0.0"), S.ACTIVE), served("1.0.0", days=9), served("2.0.0", days=5), made("3.0.0"))
    assert found.records[0].lifecycle["previous"] == "2.0.0"
    assert list(by_version(found)) == ["3.0.0"]


def test_a_version_that_is_activated_again_keeps_its_predecessor() -> None:
    now = run(snapshot(made("1.0.0"), made("2.0.0")), *activate("1.0.0", "2.0.0"), ask.Move(ref("2.0.0"), S.INACTIVE))
    now = run(now, *activate("2.0.0"))
    assert now.records["2.0.0"].lifecycle.get("previous") == "1.0.0"
    assert now.restorable().version == "1.0.0"


# canary


def test_a_canary_has_the_weight_asked_for_or_that_of_the_settings() -> None:
    for weight, expected in ((None, Decimal("0.05")), (Decimal("0.5"), Decimal("0.5")), (Decimal(0), Decimal(0))):
        found = planned(ask.Move(ref(), S.CANARY, weight), made(status="testing"), served("0.9.0", "active"))
        assert found.records[0].lifecycle["canary_weight"] == expected
        assert found.data == {"weight": str(expected)}
        assert list(by_version(found)) == ["1.0.0"]


def test_a_second_canary_is_refused_with_how_to_end_the_first() -> None:
    with pytest.raises(IllegalTransition, match=r"m has a canary already: m@0\.9\.0") as refused:
        planned(ask.Move(ref(), S.CANARY), made(), made("0.9.0", "canary"))
    assert refused.value.hint == "helixctl deactivate m@0.9.0 ends it"


def test_testing_is_dated_from_its_first_beginning() -> None:
    first = planned(ask.Move(ref(), S.TESTING), made()).records[0]
    assert first.lifecycle["testing_since"] == AT
    again = planned(ask.Move(ref(), S.TESTING), made(testing_since=AT - DAY)).records[0]
    back = planned(ask.Move(ref(), S.TESTING), made(status="canary", testing_since=AT - DAY)).records[0]
    assert again.lifecycle["testing_since"] == back.lifecycle["testing_since"] == AT - DAY


# rollback


def test_a_rollback_restores_the_predecessor_and_blocks_the_version_left_behind() -> None:
    old = served("1.0.0", "deprecated", deprecation=announced("activation"))
    found = planned(ask.Rollback(ref(None)), old, served("2.0.0", "active", 1, "1.0.0"), reason="wrong answers")
    records = by_version(found)
    assert actions(found) == [
        ("version.rolled_back", "1.0.0", "deprecated", "active"),
        ("version.blocked", "2.0.0", "active", "inactive"),
    ]
    assert records["1.0.0"].lifecycle == {
        "status": "active",
        "registered_at": AT - 100 * DAY,
        "activated_at": AT,
        "served_digest": old.serving_digest,
    }
    assert records["2.0.0"].blocked == {"at": AT, "reason": "wrong answers"}
    assert records["2.0.0"].lifecycle["last_blocked_at"] == AT
    assert (of(found).version, found.action) == ("1.0.0", Action.ROLLBACK)
    assert found.data == {"left": "2.0.0", "skipped": []}
    assert found.undo == "helixctl unblock m@2.0.0 && helixctl evaluate m@2.0.0 && helixctl activate m@2.0.0"


def test_without_a_reason_the_block_says_what_was_rolled_back_to() -> None:
    found = planned(ask.Rollback(ref(None)), served("1.0.0"), served("2.0.0", "active", 1, "1.0.0"))
    assert (by_version(found)["2.0.0"].blocked or {})["reason"] == "rolled back to 1.0.0"


def test_a_rollback_to_a_canary_ends_that_canary() -> None:
    canary = served("1.0.0", "canary", canary_weight=Decimal("0.1"))
    found = planned(ask.Rollback(ref(None)), canary, served("2.0.0", "active", 1, "1.0.0"))
    assert actions(found)[2] == ("canary.ended", "1.0.0", "canary", "active")
    assert "canary_weight" not in by_version(found)["1.0.0"].lifecycle


def test_what_a_rollback_skips_is_noted_and_logged() -> None:
    chain = [
        served("4.0.0", "active", 1, "3.0.0"),
        served("3.0.0", previous="2.0.0", blocked=BLOCK),
        served("2.0.0", "retired", previous="1.0.0"),
        served("1.0.0"),
    ]
    found = planned(ask.Rollback(ref(None)), *chain)
    assert of(found).version == "1.0.0"
    assert found.data["skipped"] == ["3.0.0 is blocked (wrong answers)", "2.0.0 is retired"]
    assert found.note == "skipped: 3.0.0 is blocked (wrong answers); 2.0.0 is retired"


def test_a_rollback_to_a_chosen_version_passes_over_the_others_silently() -> None:
    chain = [served("3.0.0", "active", 1, "2.0.0"), served("2.0.0", previous="1.0.0"), served("1.0.0")]
    found = planned(ask.Rollback(ref(None), to="1.0.0"), *chain)
    assert (of(found).version, found.note, found.data["skipped"]) == ("1.0.0", None, [])


@pytest.mark.parametrize(
    ("to", "error", "message"),
    [
        ("9.9.9", NotFound, "m@9.9.9 is not registered"),
        ("3.0.0", NothingToRestore, "m@3.0.0 is active: a rollback cannot restore it"),
        ("2.0.0", NothingToRestore, "m@2.0.0 is blocked (wrong answers): a rollback cannot restore it"),
        ("4.0.0", NothingToRestore, "m@4.0.0 was never active: a rollback cannot restore it"),
    ],
)
def test_a_chosen_version_that_cannot_be_restored_is_refused_with_the_reason(
    to: str, error: type[HelixError], message: str
) -> None:
    chain = [served("3.0.0", "active", 1, "2.0.0"), served("2.0.0", blocked=BLOCK), made("4.0.0")]
    with pytest.raises(error) as refused:
        planned(ask.Rollback(ref(None), to=to), *chain)
    assert refused.value.message == message


def test_without_an_active_version_no_rollback_is_possible_even_to_a_chosen_one() -> None:
    for act in (ask.Rollback(ref(None)), ask.Rollback(ref(None), to="1.0.0")):
        with pytest.raises(NothingToRestore, match="no active version to roll back from") as refused:
            planned(act, served("1.0.0"))
        assert refused.value.exit_code == 5


def roll_back_all_the_way(now: Snapshot) -> list[str]:
    restored: list[str] = []
    while True:
        try:
            now = run(now, ask.Rollback(ref(None)))
        except NothingToRestore:
            return restored
        assert now.active is not None
        restored.append(now.active.version)


@pytest.mark.parametrize(
    ("order", "restored"),
    [
        ("1", ""),
        ("12", "1"),
        ("1234", "321"),
        ("121", "2"),
        ("1212", "1"),
        ("12131", "32"),
        ("0121", "20"),
        ("1232", "31"),
        ("12314", "132"),
    ],
)
def test_rolling_back_goes_further_back_each_time_and_never_to_and_fro(order: str, restored: str) -> None:
    versions = sorted(set(order))
    now = run(snapshot(*(made(f"{one}.0.0") for one in versions)), *activate(*(f"{one}.0.0" for one in order)))
    assert roll_back_all_the_way(now) == [f"{one}.0.0" for one in restored]


def test_a_version_that_serves_again_leaves_its_old_place_in_the_chain_and_that_is_logged() -> None:
    now = run(snapshot(*(made(f"{n}.0.0") for n in (1, 2, 3))), *activate("1.0.0", "2.0.0", "3.0.0"))
    found = plan(wish(ask.Move(ref("1.0.0"), S.ACTIVE)), now)
    records = by_version(found)
    assert {version: record.lifecycle.get("previous") for version, record in records.items()} == {
        "1.0.0": "3.0.0",
        "2.0.0": None,
        "3.0.0": "2.0.0",
    }
    assert {one.version for one in found.effects} == set(records)


def test_a_version_left_behind_is_not_restored_after_it_was_unblocked_either() -> None:
    now = run(snapshot(made("1.0.0"), made("2.0.0"), made("3.0.0")), *activate("1.0.0", "2.0.0", "3.0.0"))
    now = run(now, ask.Rollback(ref(None)), ask.Block(ref("3.0.0"), blocked=False))
    assert now.restorable().version == "1.0.0"


def test_after_a_rollback_a_fixed_successor_leads_back_to_the_restored_version() -> None:
    now = run(snapshot(made("1.0.0"), made("2.0.0"), made("2.0.1")), *activate("1.0.0", "2.0.0"))
    now = run(now, ask.Rollback(ref(None)), *activate("2.0.1"))
    assert roll_back_all_the_way(now) == ["1.0.0"]


# deprecation and retirement


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (ask.Deprecate(ref()), {"end_of_life": AT + 90 * DAY, "grace_period_days": 90}),
        (ask.Deprecate(ref(), grace_days=0), {"end_of_life": AT, "grace_period_days": 0}),
        (ask.Deprecate(ref(), grace_days=5), {"end_of_life": AT + 5 * DAY, "grace_period_days": 5}),
        (ask.Deprecate(ref(), end_of_life=date(2026, 4, 1)), {"end_of_life": date(2026, 4, 1)}),
        (ask.Deprecate(ref(), end_of_life=AT), {"end_of_life": AT}),
        (
            ask.Deprecate(ref(), date(2026, 4, 1), None, "m@2.0.0", "https://x", True),
            {
                "end_of_life": date(2026, 4, 1),
                "replacement": "m@2.0.0",
                "migration_guide": "https://x",
                "allow_new_deployments": True,
            },
        ),
    ],
)
def test_deprecating_sets_a_date_and_what_else_is_said(act: ask.Deprecate, expected: dict[str, Any]) -> None:
    found = planned(act, served("1.0.0", "active"), reason="old")
    base = {"announced_at": AT, "reason": "old", "allow_new_deployments": False, "source": "operator"}
    assert found.records[0].deprecation == {**base, **expected}
    assert actions(found) == [("version.deprecated", "1.0.0", "active", "deprecated")]
    assert (found.undo, found.note) == (None, "m has no active version now")
    assert decode(encode(found.records[0])).lifecycle == found.records[0].lifecycle


def test_the_grace_of_the_settings_is_the_default() -> None:
    now = snapshot(served("1.0.0", "active"), settings=SETTINGS._replace(grace_days=3))
    assert plan(wish(ask.Deprecate(ref())), now).records[0].deprecation["end_of_life"] == AT + 3 * DAY


@pytest.mark.parametrize(
    "act",
    [
        ask.Deprecate(ref(), end_of_life=date(2026, 3, 1)),
        ask.Deprecate(ref(), end_of_life=AT - timedelta(seconds=1)),
        ask.Deprecate(ref(), grace_days=10**9),
    ],
)
def test_a_date_before_the_announcement_or_past_the_calendar_is_refused(act: ask.Deprecate) -> None:
    with pytest.raises(Usage) as refused:
        planned(act, served("1.0.0", "active"))
    assert refused.value.hint


def test_a_deprecation_can_be_changed_and_keeps_what_is_not_asked_for() -> None:
    held = announced("activation", 90, replacement="m@2.0.0", grace_period_days=90)
    found = planned(ask.Deprecate(ref(), end_of_life=date(2027, 1, 1)), served("1.0.0", "deprecated", deprecation=held))
    assert found.records[0].deprecation == {
        "announced_at": held["announced_at"],
        "end_of_life": date(2027, 1, 1),
        "replacement": "m@2.0.0",
        "allow_new_deployments": False,
        "source": "operator",
    }


def test_a_date_that_an_activation_set_stays_its_own_where_an_operator_only_adds_to_it() -> None:
    before = served("1.0.0", "deprecated", deprecation=announced("activation", 90))
    after_that = planned(ask.Deprecate(ref(), replacement="m@2.0.0"), before).records[0]
    assert (after_that.deprecation["source"], after_that.binding_end_of_life) == ("activation", None)
    assert after_that.deprecation["replacement"] == "m@2.0.0"


def test_retiring_says_the_end_of_life_and_whether_a_sweep_did_it() -> None:
    record = served("1.0.0", "deprecated", deprecation=announced("operator", 0))
    found = planned(ask.Retire(ref(), swept=AT), record)
    assert found.data == {"end_of_life": "2026-03-01T12:00:00Z", "swept": True}
    assert found.records[0].deprecation == record.deprecation
    assert planned(ask.Retire(ref(), swept=AT - DAY), record).effects == ()
    assert planned(ask.Retire(ref()), made()).data == {"end_of_life": None, "swept": False}


# blocks


def test_blocking_and_unblocking_leave_the_status_and_remember_the_last_block() -> None:
    for status in (S.INACTIVE, S.TESTING, S.CANARY, S.ACTIVE, S.DEPRECATED):
        blocked = planned(ask.Block(ref()), in_status(status), reason="wrong").records[0]
        assert (blocked.status, blocked.blocked) == (status, {"at": AT, "reason": "wrong"})
        found = planned(ask.Block(ref(), blocked=False), blocked)
        assert actions(found) == [("version.unblocked", "1.0.0", status, status)]
        freed = found.records[0]
        assert (freed.blocked, freed.lifecycle["last_blocked_at"]) == (None, AT)


def test_blocking_what_is_blocked_and_unblocking_what_is_not_changes_nothing() -> None:
    assert planned(ask.Block(ref()), made(blocked=BLOCK)).effects == ()
    assert planned(ask.Block(ref(), blocked=False), made()).effects == ()
    assert (planned(ask.Block(ref()), made()).records[0].blocked or {})["reason"] == "blocked by an operator"


# specification


@pytest.mark.parametrize("status", [S.INACTIVE, S.TESTING, S.CANARY, S.ACTIVE, S.DEPRECATED])
def test_a_value_that_does_not_serve_can_change_in_every_status_but_the_last(status: Status) -> None:
    found = planned(ask.Update(ref(), {"description": "new"}), in_status(status))
    assert actions(found) == [("version.updated", "1.0.0", status, status)]
    assert found.records[0].lifecycle == in_status(status).lifecycle
    assert found.records[0].spec["description"] == "new"
    assert found.data["keys"] == ["description"]
    assert found.data["digests"]["specification"] == found.records[0].specification_digest


SERVES = {"provider": "other", "provider_model_id": "x", "artifact.uri": "s3://x", "configuration.temperature": 1}


@pytest.mark.parametrize("key", SERVES)
@pytest.mark.parametrize("status", [S.INACTIVE, S.TESTING, S.CANARY, S.ACTIVE, S.DEPRECATED])
def test_a_value_that_serves_ends_testing_and_is_refused_in_every_later_status(status: Status, key: str) -> None:
    before = in_status(status)
    before = before.with_lifecycle(testing_since=AT - DAY)
    update = ask.Update(ref(), {key: SERVES[key]})
    if status in (S.INACTIVE, S.TESTING):
        after_that = planned(update, before).records[0]
        assert after_that.status is S.INACTIVE
        assert "testing_since" not in after_that.lifecycle
        assert planned(update, before).effects[0].target == S.INACTIVE
    else:
        with pytest.raises(IllegalTransition, match="what it serves cannot change under its name") as refused:
            planned(update, before)
        assert refused.value.hint == "register a new version with these values"


def test_an_update_that_says_what_is_so_changes_nothing() -> None:
    before = made(extra="description = 'same'\n[cost]\ninput_per_mtok = 10.00\n")
    for values in ({"description": "same"}, {"cost.input_per_mtok": Decimal(10)}, {"tags": None}, {}):
        assert planned(ask.Update(ref(), values), before).effects == ()


def test_an_update_of_thresholds_is_logged_as_that_too() -> None:
    found = planned(ask.Update(ref(), {"thresholds.min_samples": 5, "description": "x"}), made())
    assert [one[0] for one in actions(found)] == ["version.updated", "thresholds.updated"]
    assert found.data["keys"] == ["description", "thresholds.min_samples"]


@pytest.mark.parametrize(
    ("extra", "values"),
    [
        ("[availability]\nannounced_at = 2026-02-01\n", {"availability.end_of_life": date(2026, 1, 31)}),
        ("[limits]\ncontext_window = 10\n", {"limits.max_output_tokens": 11}),
        ("", {"provider": None}),
        ("[configuration]\na = 1\n", {"configuration.a.b": 2}),
    ],
)
def test_an_update_to_what_could_not_be_registered_is_refused(extra: str, values: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        planned(ask.Update(ref(), values), made(extra=extra))


def adopted(status: Status, edit: str, logged_extra: str = "", **lifecycle: Any) -> Plan:
    logged, edited = made(status=status, extra=logged_extra), made(status=status, extra=edit, **lifecycle)
    now = snapshot(edited, drifted={"1.0.0": "specification"}, logged_serving={"1.0.0": logged.serving_digest})
    return plan(wish(ask.Adopt(ref()), reason="edited in a pull request"), now)


@pytest.mark.parametrize("status", [S.INACTIVE, S.TESTING, S.CANARY, S.ACTIVE, S.DEPRECATED])
def test_an_edit_of_what_does_not_serve_is_adopted_in_every_status(status: Status) -> None:
    found = adopted(status, "description = 'edited'\n")
    assert actions(found) == [("version.adopted", "1.0.0", status, status)]
    assert found.records[0].source == text(extra="description = 'edited'\n")


@pytest.mark.parametrize("status", [S.INACTIVE, S.TESTING, S.CANARY, S.ACTIVE, S.DEPRECATED])
def test_an_edit_of_what_serves_ends_testing_and_is_not_adopted_in_a_later_status(status: Status) -> None:
    if status in (S.INACTIVE, S.TESTING):
        after_that = adopted(status, "[configuration]\na = 1\n", testing_since=AT).records[0]
        assert (after_that.status, after_that.lifecycle.get("testing_since")) == (S.INACTIVE, None)
    else:
        with pytest.raises(IllegalTransition):
            adopted(status, "[configuration]\na = 1\n")


def test_a_file_that_did_not_drift_needs_no_adoption() -> None:
    assert planned(ask.Adopt(ref()), made()).effects == ()


@pytest.mark.parametrize("what", ["lifecycle or metrics", "the log does not know it"])
def test_an_edited_lifecycle_and_an_unknown_file_are_not_adopted(what: str) -> None:
    with pytest.raises(Drift, match=f"cannot be adopted: {what}") as refused:
        plan(wish(ask.Adopt(ref())), snapshot(made(), drifted={"1.0.0": what}))
    assert (refused.value.exit_code, refused.value.path) == (6, "models/m/1.0.0.toml")


def test_drift_stops_a_write_of_that_version_and_of_no_other() -> None:
    records = (served("1.0.0", "active"), made("2.0.0"), made("3.0.0", "testing"))
    drifted = snapshot(*records, drifted={"1.0.0": "specification"})
    assert plan(wish(ask.Move(ref("3.0.0"), S.INACTIVE)), drifted).effects
    for act in (ask.Move(ref("2.0.0"), S.ACTIVE), ask.Deprecate(ref()), ask.Block(ref()), ask.Update(ref(), {})):
        with pytest.raises(Drift, match=r"m@1\.0\.0 was changed outside helixctl: specification") as refused:
            plan(wish(act), drifted)
        assert "adopt m@1.0.0" in (refused.value.hint or "")


# expectations


@pytest.mark.parametrize(
    ("expect", "act", "met"),
    [
        ("testing", ask.Move(ref("2.0.0"), S.CANARY), True),
        ("inactive", ask.Move(ref("2.0.0"), S.CANARY), False),
        ("1.0.0", ask.Move(ref("2.0.0"), S.ACTIVE), True),
        ("2.0.0", ask.Move(ref("2.0.0"), S.ACTIVE), False),
        ("active", ask.Rollback(ref(None)), True),
        ("deprecated", ask.Rollback(ref(None)), False),
        ("1.0.0", ask.Rollback(ref(None)), True),
        ("0.9.0", ask.Rollback(ref(None)), False),
        ("inactive", ask.Register(ref("3.0.0"), text("3.0.0"), decode_specification(text("3.0.0"))), False),
        ("1.0.0", ask.Register(ref("3.0.0"), text("3.0.0"), decode_specification(text("3.0.0"))), True),
        ("active", ask.Move(ref("active"), S.INACTIVE), True),
        ("canary", ask.Move(ref("latest"), S.INACTIVE), False),
        ("retired", ask.Move(ref("1.0.0"), S.ACTIVE), False),
    ],
)
def test_an_expected_status_or_active_version_is_compared_first(expect: str, act: ask.Act, met: bool) -> None:
    records = (served("1.0.0", "active", previous="0.9.0"), served("0.9.0"), made("2.0.0", "testing"))
    if met:
        assert planned(act, *records, expect=expect).effects
    else:
        with pytest.raises(Unexpected, match=f"expected {expect}, found") as refused:
            planned(act, *records, expect=expect)
        assert refused.value.exit_code == 5


def test_where_nothing_is_active_no_version_is_what_was_expected() -> None:
    with pytest.raises(Unexpected, match=r"expected 1\.0\.0, found none"):
        planned(ask.Move(ref(), S.ACTIVE), made(), expect="1.0.0")


@pytest.mark.parametrize("expect", ["none", "", "actve", "1.0"])
def test_an_expectation_that_is_neither_a_status_nor_a_version_is_asked_wrongly(expect: str) -> None:
    with pytest.raises(Usage):
        planned(ask.Move(ref(), S.ACTIVE), made(), expect=expect)


# aliases, evaluation and what is only noted


def test_an_alias_is_resolved_before_anything_else() -> None:
    records = (served("1.0.0", "active"), made("2.0.0"))
    assert str(of(planned(ask.Move(Ref("m", "latest"), S.TESTING), *records)).ref) == "m@2.0.0"
    with pytest.raises(NotFound, match="m has no canary version"):
        planned(ask.Move(Ref("m", "canary"), S.ACTIVE), *records)


def evaluated(verdict: str, *violated: str, record: Record | None = None) -> Plan:
    subject = record or made("1.0.0", "testing")
    metrics = {key: value for key, value in measured(subject, verdict).items() if key != "serving_digest"}
    return planned(ask.Evaluate(ref(), metrics, violated, "f" * 64, subject.serving_digest), subject)


@pytest.mark.parametrize(
    ("verdict", "violated", "effects", "outcome"),
    [
        ("passed", (), ["evaluation.completed"], "success"),
        ("inconclusive", (), ["evaluation.completed"], "success"),
        ("warning", ("max_latency_ms",), ["evaluation.completed", "threshold.violated"], "success"),
        ("failed", ("max_error_rate",), ["evaluation.failed", "threshold.violated"], "failed"),
    ],
)
def test_an_evaluation_is_stored_and_logged_by_its_verdict(
    verdict: str, violated: tuple[str, ...], effects: list[str], outcome: str
) -> None:
    found = evaluated(verdict, *violated)
    assert [one.action for one in found.effects] == effects
    assert (found.outcome, found.action) == (outcome, None)
    assert (found.records[0].metrics or {})["serving_digest"] == of(found).serving_digest
    assert found.records[0].status is S.TESTING
    assert found.data == {
        "verdict": verdict,
        "proven": False,
        "samples": 100,
        "violated": list(violated),
        "stats": "f" * 64,
    }


def test_scores_of_an_earlier_evaluation_are_kept() -> None:
    before = made("1.0.0", "testing")
    before = before._replace(metrics=measured(before, scores={"mmlu": Decimal("0.86")}))
    assert (evaluated("passed", record=before).records[0].metrics or {})["scores"] == {"mmlu": Decimal("0.86")}


@pytest.mark.parametrize("of_another_time", [{"serving_digest": "0" * 64}, {"evaluated_at": AT - 3 * DAY}])
def test_a_score_of_what_was_served_before_or_of_before_a_block_is_not_kept(of_another_time: dict[str, Any]) -> None:
    before = made("1.0.0", "testing", last_blocked_at=AT - DAY)
    before = before._replace(metrics=measured(before, scores={"mmlu": Decimal("0.86")}) | of_another_time)
    assert "scores" not in (evaluated("passed", record=before).records[0].metrics or {})


def test_an_evaluation_of_what_changed_meanwhile_is_a_conflict() -> None:
    subject = made()
    act = ask.Evaluate(ref(), measured(subject), (), "", "0" * 64)
    with pytest.raises(Changed, match="changed during the evaluation") as refused:
        planned(act, subject)
    assert refused.value.exit_code == 5


def test_a_warning_of_an_end_of_life_writes_no_file_and_says_where_an_active_version_is_past_it() -> None:
    ahead = planned(ask.Warn(ref(), AT + 7 * DAY, 7), served("1.0.0", "active"))
    assert (ahead.records, ahead.data) == ((), {"end_of_life": "2026-03-08T12:00:00Z", "days": 7})
    past = planned(ask.Warn(ref(), AT, 0), served("1.0.0", "active"))
    assert past.data == {"end_of_life": "2026-03-01T12:00:00Z", "days": 0, "past": "active"}


def test_rolling_metrics_are_noted_with_what_they_violate() -> None:
    found = planned(
        ask.Observe(ref(), "failed", 100, ("max_error_rate",), True, "f" * 64, ("quality",), "a" * 64), made()
    )
    assert [one.action for one in found.effects] == ["metrics.updated", "threshold.violated", "quality.degraded"]
    quiet = planned(ask.Observe(ref(), "passed", 100, (), False, "f" * 64, (), "a" * 64), made())
    assert ([one.action for one in quiet.effects], quiet.records) == (["metrics.updated"], ())


def every_plan() -> Iterable[Plan]:
    for (origin, target), _ in MOVES.items():
        yield planned(act_for(target), in_status(origin))
    yield planned(ask.Move(ref("2.0.0"), S.ACTIVE), served("1.0.0", "active"), made("2.0.0", "canary"))
    yield planned(ask.Rollback(ref(None)), served("1.0.0"), served("2.0.0", "active", 1, "1.0.0"))
    yield planned(ask.Deprecate(ref(), cancel=True), in_status(S.DEPRECATED))
    yield planned(ask.Block(ref()), made())
    yield planned(ask.Block(ref(), blocked=False), made(blocked=BLOCK))
    yield planned(ask.Update(ref(), {"thresholds.min_samples": 5}), made())
    yield planned(ask.Warn(ref(), AT, 0), served("1.0.0", "active"))
    yield planned(ask.Observe(ref(), "failed", 1, ("max_error_rate",), True, "f" * 64, ("quality",), "a" * 64), made())
    yield from (registered("1.0.0"), evaluated("passed"), evaluated("failed", "max_error_rate"))
    yield adopted(S.INACTIVE, "description = 'x'\n")


def test_every_plan_names_known_actions_its_own_first_and_only_data_that_the_log_takes() -> None:
    for found in every_plan():
        assert {one.action for one in found.effects} <= set(audit.ACTIONS)
        assert found.effects[0].version == of(found).version
        data = {**found.data, "decision": {}}
        entry = audit.Entry(
            datetime(2026, 3, 1, tzinfo=UTC), found.effects[0].action, audit.Actor("a", "b", "c"), data=data
        )
        assert audit.encode(entry._replace(effects=found.effects))[0].endswith(b"}\n")


def test_an_effect_for_each_record_and_a_record_for_each_version_that_moves() -> None:
    for found in every_plan():
        moved = {one.version for one in found.effects if isinstance(one, Effect) and one.origin != one.target}
        assert moved <= set(by_version(found))
        assert {record.version for record in found.records} <= {one.version for one in found.effects}
