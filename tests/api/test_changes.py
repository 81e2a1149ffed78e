from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

import helixctl
from helixctl.api import Registry
from helixctl.core.audit import ACTIONS, Actor, Filter
from helixctl.core.lifecycle import Status
from helixctl.errors import (
    BadSettings,
    Damaged,
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
from helixctl.gate import Result
from tests.conftest import ALICE, BECAUSE, OVERRIDE, Place

SPECIFICATION: dict[str, Any] = {"model": "m", "version": "1.0.0", "provider": "p"}


def last(place: Place) -> dict[str, Any]:
    return list(place.registry.audit())[-1]


def count(place: Place) -> int:
    return len(list(place.registry.audit()))


def test_a_change_returns_a_frozen_result_that_names_its_entry(place: Place) -> None:
    result = place.registry.register({**SPECIFICATION, "cost": {"input_per_mtok": 0.5}}, reason="first")
    entry = last(place)
    assert (result.action, str(result.ref), result.changed, result.dry_run) == ("register", "m@1.0.0", True, False)
    assert [(one.origin, one.target) for one in result.changes] == [(None, "inactive")]
    assert result.audit is not None
    assert (result.audit.id, result.audit.seq, result.audit.hash) == (entry["id"], entry["seq"], entry["hash"])
    assert (entry["action"], entry["reason"], entry["actor"]["id"]) == ("version.registered", "first", ALICE.id)
    assert place.registry.show("m@1.0.0").spec["cost"]["input_per_mtok"] == Decimal("0.5")
    with pytest.raises((FrozenInstanceError, AttributeError)):
        result.changed = False  # type: ignore[misc]


def test_the_package_gives_the_registry_and_nothing_else_lazily(place: Place) -> None:
    assert helixctl.Registry is Registry
    with pytest.raises(AttributeError, match="Registri"):
        helixctl.Registri  # noqa: B018
    opened = helixctl.Registry.open(place.root)
    assert opened.list().records == ()
    with pytest.raises(NotFound):
        Registry.open(place.root / "models")
    again, created = Registry.create(place.root)
    assert (again.store.root, created) == (str(place.root), False)


def test_the_actor_is_a_value_or_is_asked_for_only_when_something_is_written(place: Place) -> None:
    asked = []

    def tell() -> Actor:
        asked.append(1)
        return Actor("bob@example.com", "ci", "callable")

    registry = Registry.open(place.root, actor=tell, clock=place.clock)
    assert not registry.list().records
    assert not asked
    registry.register(SPECIFICATION)
    assert last(place)["actor"] == {"id": "bob@example.com", "type": "ci", "via": "callable"}
    registry.promote("m@1.0.0", "testing", actor=ALICE)
    assert last(place)["actor"]["id"] == ALICE.id
    Registry.open(place.root).block("m@1.0.0")
    assert last(place)["actor"] == {"id": "python", "type": "api", "via": "api"}


REFUSALS: list[tuple[type[HelixError], Any]] = [
    (Invalid, lambda r: r.register({"model": "m", "version": "3.0.0", "provider": 7})),
    (Invalid, lambda r: r.register({**SPECIFICATION, "lifecycle": {"status": "active"}})),
    (Invalid, lambda r: r.register({**SPECIFICATION, "version": "01.0.0"})),
    (Duplicate, lambda r: r.register(SPECIFICATION)),
    (Duplicate, lambda r: r.register({**SPECIFICATION, "version": "1.0.0+build"})),
    (Duplicate, lambda r: r.register({**SPECIFICATION, "model": "M"})),
    (Usage, lambda r: r.register({**SPECIFICATION, "version": "3.0.0"}, ref="m@4.0.0")),
    (Usage, lambda r: r.register({**SPECIFICATION, "version": "3.0.0"}, ref="m@latest")),
    (Usage, lambda r: r.promote("m@1.0.0", "retired")),
    (Usage, lambda r: r.activate("m")),
    (Usage, lambda r: r.rollback("m@1.0.0")),
    (Usage, lambda r: r.rollback("m", to="latest")),
    (Usage, lambda r: r.update("m@1.0.0", {"version": "2.0.0"})),
    (Usage, lambda r: r.update("m@1.0.0", {"status": "active"})),
    (Usage, lambda r: r.update("m@1.0.0", {"cost.imput_per_mtok": 1})),
    (Invalid, lambda r: r.update("m@1.0.0", {"cost.input_per_mtok": Decimal(-1)})),
    (
        Invalid,
        lambda r: r.promote("m@1.0.0", "canary", canary_weight=Decimal("1.5"), overrides=OVERRIDE, reason=BECAUSE),
    ),
    (Invalid, lambda r: r.deprecate("m@2.0.0", end_of_life=datetime(2027, 1, 1))),
    (Invalid, lambda r: r.deprecate("m@2.0.0", migration_guide="x" * 20_000)),
    (Usage, lambda r: r.deprecate("m@2.0.0", replacement="no version@1")),
    (Usage, lambda r: r.deprecate("m@2.0.0", grace_days=10**9)),
    (Invalid, lambda r: r.deprecate("m@2.0.0", grace_days=-1)),
    (IllegalTransition, lambda r: r.deprecate("m@1.0.0")),
    (IllegalTransition, lambda r: r.deprecate("m@2.0.0", cancel=True)),
    (IllegalTransition, lambda r: r.promote("m@2.0.0", "testing")),
    (NotFound, lambda r: r.retire("m@9.0.0")),
    (NotFound, lambda r: r.block("m@canary")),
    (NothingToRestore, lambda r: r.rollback("m")),
    (Unexpected, lambda r: r.block("m@1.0.0", expect="active")),
    (Unexpected, lambda r: r.block("m@1.0.0", expect="1.0.0")),
    (Usage, lambda r: r.block("m@1.0.0", overrides=("blocked",), reason=BECAUSE)),
    (Usage, lambda r: r.activate("m@1.0.0", overrides=("evaluation",), reason="too short")),
    (Usage, lambda r: r.activate("m@1.0.0", overrides=("evaluation",), reason=" " * 30)),
    (Usage, lambda r: r.activate("m@1.0.0", overrides=("evaluatoin",), reason=BECAUSE)),
    (Invalid, lambda r: r.block("m@1.0.0", reason="x" * 5000)),
    (Usage, lambda r: r.check("m@1.0.0", "activated")),
    (Usage, lambda r: r.show("m")),
    (NotFound, lambda r: r.show("m@9.0.0")),
    (NotFound, lambda r: r.show("nobody@latest")),
    (NotFound, lambda r: r.list("nobody")),
    (NotFound, lambda r: r.status("nobody")),
    (NotFound, lambda r: r.evaluate("m@9.0.0")),
    (NotFound, lambda r: r.record("m@9.0.0", [])),
    (Usage, lambda r: r.audit(Filter(severity="warn"))),
]


def test_a_refusal_is_an_exception_and_writes_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    place.serve("m@2.0.0")
    before = place.files()
    for number, (kind, ask) in enumerate(REFUSALS):
        with pytest.raises(HelixError) as caught:
            ask(place.registry)
        assert type(caught.value) is kind, (number, caught.value)
        assert place.files() == before, number
    assert not list((place.root / ".helix").glob("pending/*"))


def test_a_denial_is_a_value_and_leaves_one_entry_without_changes(place: Place) -> None:
    place.register("m@1.0.0")
    result = place.registry.activate("m@1.0.0")
    entry = last(place)
    assert (result.changed, result.allowed, result.changes, result.undo) == (False, False, (), None)
    assert (entry["action"], entry["outcome"], entry["severity"]) == ("deployment.denied", "denied", "warning")
    assert (entry["changes"], entry["effects"]) == ([], [])
    assert entry["data"]["decision"]["allowed"] is False
    assert {one["name"] for one in entry["data"]["decision"]["policies"]} == {"built-in", "default"}
    assert all(len(one["digest"]) == 64 for one in entry["data"]["decision"]["policies"])
    assert place.status("m@1.0.0") == "inactive"


def test_a_dry_run_decides_as_the_real_run_and_writes_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    before = place.files()
    denied = place.registry.activate("m@1.0.0", dry_run=True)
    would = place.registry.activate("m@1.0.0", dry_run=True, overrides=OVERRIDE, reason=BECAUSE)
    assert (denied.allowed, denied.audit, would.changed, would.audit) == (False, None, True, None)
    assert place.files() == before
    real = place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert (real.changes, real.action) == (would.changes, would.action)


def test_used_overrides_are_an_effect_and_raise_the_severity(place: Place) -> None:
    place.register("m@1.0.0")
    names = (*OVERRIDE, "cost-cap")
    result = place.registry.activate("m@1.0.0", overrides=names, reason=BECAUSE)
    assert result.decision is not None
    assert result.decision.overridden == OVERRIDE
    entry = last(place)
    assert [effect["action"] for effect in entry["effects"]] == ["version.activated", "override.used"]
    assert (entry["severity"], entry["data"]["decision"]["overrides"]) == ("warning", list(OVERRIDE))
    assert [one["id"] for one in place.registry.audit(Filter(actions=("override.used",)))] == [entry["id"]]
    place.registry.deactivate("m@1.0.0")
    assert not place.registry.activate("m@1.0.0").allowed, "an override applies once"


def test_an_override_sets_no_mandatory_rule_aside(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.block("m@1.0.0")
    before = place.files()
    with pytest.raises(Usage, match="rule 'blocked' is mandatory: it cannot be overridden"):
        place.registry.activate("m@1.0.0", overrides=(*OVERRIDE, "blocked"), reason=BECAUSE)
    assert place.files() == before
    result = place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert not result.allowed
    assert result.decision is not None
    assert [finding.rule for finding in result.decision.findings if finding.blocks] == ["blocked"]


@pytest.mark.parametrize("status", ["canary", "active"])
def test_what_serves_retires_only_with_an_override(place: Place, status: str) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", status, overrides=OVERRIDE, reason=BECAUSE)
    assert not place.registry.retire("m@1.0.0").allowed
    assert place.registry.retire("m@1.0.0", overrides=("retire-in-service",), reason=BECAUSE).changed
    assert place.status("m@1.0.0") == "retired"
    names = [effect["action"] for effect in last(place)["effects"]]
    assert names == ["version.retired", *["canary.ended"] * (status == "canary"), "override.used"]


def test_a_retired_version_is_final(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.block("m@1.0.0")
    place.registry.retire("m@1.0.0")
    entries = count(place)
    assert not place.registry.retire("m@1.0.0").changed
    for ask in (
        lambda: place.registry.unblock("m@1.0.0"),
        lambda: place.registry.update("m@1.0.0", {"tags": ["x"]}),
        lambda: place.registry.deprecate("m@1.0.0", cancel=True),
        lambda: place.registry.evaluate("m@1.0.0", [str(place.inferences())]),
        lambda: place.registry.activate("m@1.0.0"),
    ):
        with pytest.raises(IllegalTransition):
            ask()
    assert count(place) == entries


def test_running_a_change_again_changes_nothing(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    registry = place.registry
    until = place.clock.now + timedelta(days=50)
    changes: tuple[Callable[[], Result], ...] = (
        lambda: registry.deprecate("m@1.0.0", end_of_life=until, reason="end"),
        lambda: registry.promote("m@2.0.0", "testing"),
        lambda: registry.block("m@2.0.0"),
        lambda: registry.update("m@2.0.0", {"tags": ["x"]}),
        lambda: registry.unblock("m@2.0.0"),
        lambda: registry.deactivate("m@2.0.0"),
        lambda: registry.retire("m@2.0.0"),
    )
    for ask in changes:
        assert ask().changed
        entries = count(place)
        again = ask()
        assert (again.changed, again.allowed, again.audit, again.changes) == (False, True, None, ())
        assert count(place) == entries


def test_activation_deprecates_the_predecessor_and_ends_the_canary_in_one_entry(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    place.registry.promote("m@2.0.0", "canary", canary_weight=Decimal("0.2"), overrides=OVERRIDE, reason=BECAUSE)
    assert place.registry.show("m@canary").lifecycle["canary_weight"] == Decimal("0.2")
    place.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE)
    names = [(one["action"], one["version"]) for one in last(place)["effects"]]
    assert names[:3] == [("version.activated", "2.0.0"), ("canary.ended", "2.0.0"), ("version.deprecated", "1.0.0")]
    left = place.registry.show("m@1.0.0").deprecation
    assert (left["source"], left["replacement"], left["grace_period_days"]) == ("activation", "m@2.0.0", 90)
    assert left["end_of_life"] - left["announced_at"] == timedelta(days=90)
    assert place.registry.show("m@active").lifecycle["previous"] == "1.0.0"


def test_without_deprecation_the_predecessor_becomes_inactive(place: Place) -> None:
    with (place.root / "helix.toml").open("a") as settings:
        settings.write("\n[lifecycle]\ndeprecate_predecessor = false\n")
    place.serve("m@1.0.0", "m@2.0.0")
    assert place.status("m@1.0.0") == "inactive"
    assert place.registry.rollback("m").changed
    assert place.status("m@1.0.0") == "active"


def test_rollbacks_go_further_back_and_never_to_and_fro(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    assert [str(place.registry.rollback("m").ref) for _ in range(2)] == ["m@2.0.0", "m@1.0.0"]
    with pytest.raises(NothingToRestore):
        place.registry.rollback("m")
    assert [one.version for one in place.registry.list("m").records if one.blocked] == ["2.0.0", "3.0.0"]


def test_a_rollback_says_only_what_it_passed_over(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0", "m@4.0.0")
    place.registry.retire("m@1.0.0")
    place.registry.block("m@3.0.0", reason="it hallucinates")
    result = place.registry.rollback("m")
    assert str(result.ref) == "m@2.0.0"
    assert result.warnings == ("skipped: 3.0.0 is blocked (it hallucinates)",)
    assert last(place)["data"]["skipped"] == ["3.0.0 is blocked (it hallucinates)"]
    assert [str(one.version) for one in result.changes] == ["2.0.0", "4.0.0"]


def test_a_rollback_to_the_canary_names_what_it_restored_first(place: Place) -> None:
    place.serve("m@1.0.0")
    place.registry.deactivate("m@1.0.0")
    place.serve("m@2.0.0")
    place.registry.promote("m@1.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
    result = place.registry.rollback("m", to="1.0.0")
    assert [(one.version, one.target) for one in result.changes] == [("1.0.0", "active"), ("2.0.0", "inactive")]
    assert place.registry.verify().outcome == "ok"


def test_a_version_that_pauses_keeps_what_it_would_roll_back_to(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.registry.deactivate("m@2.0.0")
    place.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert str(place.registry.rollback("m").ref) == "m@1.0.0"


def test_what_served_before_a_version_that_was_activated_again_stays_in_reach(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    again = (*OVERRIDE, "not-deprecated")
    assert place.registry.activate("m@2.0.0", overrides=again, reason=BECAUSE).changed
    assert [str(place.registry.rollback("m").ref) for _ in range(2)] == ["m@3.0.0", "m@1.0.0"]


def test_only_a_date_that_somebody_set_bars_a_rollback(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.registry.deprecate("m@1.0.0", replacement="m@2.0.0")
    assert place.registry.show("m@1.0.0").deprecation["source"] == "activation"
    place.clock.pass_by(days=200)
    assert str(place.registry.show("m@previous").ref) == "m@1.0.0"
    place.registry.deprecate("m@1.0.0", grace_days=1)
    place.clock.pass_by(days=2)
    with pytest.raises(NothingToRestore, match="past its end of life"):
        place.registry.rollback("m")
    with pytest.raises(NothingToRestore):
        place.registry.show("m@previous")


def test_previous_is_what_a_rollback_would_choose_also_where_a_file_was_edited(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    path = place.path("m@2.0.0")
    path.write_bytes(path.read_bytes().replace(b"# kept", b"# changed"))
    assert str(place.registry.show("m@previous").ref) == "m@1.0.0"
    assert place.registry.status("m").models[0].previous == "1.0.0"
    assert str(place.registry.rollback("m").ref) == "m@1.0.0"


def test_a_cancelled_deprecation_leaves_the_version_inactive(place: Place) -> None:
    place.serve("m@1.0.0")
    place.registry.deprecate("m@1.0.0", reason="no more", migration_guide="docs", allow_new_deployments=True)
    deprecation = place.registry.show("m@1.0.0").deprecation
    assert (deprecation["reason"], deprecation["migration_guide"]) == ("no more", "docs")
    assert place.registry.check("m@1.0.0", "activate").findings[-1].outcome == "pass"
    assert place.registry.deprecate("m@1.0.0", cancel=True).changed
    shown = place.registry.show("m@1.0.0")
    assert (shown.status, dict(shown.deprecation)) == (Status.INACTIVE, {})
    assert last(place)["data"]["cancelled"] is True


def test_a_second_canary_is_refused(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    place.registry.promote("m@1.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
    with pytest.raises(IllegalTransition, match="has a canary already"):
        place.registry.promote("m@2.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
    assert place.registry.promote("m@1.0.0", "testing").changed
    assert [one["action"] for one in last(place)["effects"]] == ["canary.ended"]


@pytest.mark.parametrize(
    ("key", "value", "status"), [("artifact.uri", "s3://x", "inactive"), ("tags", ["x"], "testing")]
)
def test_an_update_of_what_is_served_starts_testing_anew(place: Place, key: str, value: Any, status: str) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", "testing")
    place.registry.update("m@1.0.0", {key: value})
    shown = place.registry.show("m@1.0.0")
    assert (shown.status, "testing_since" in shown.lifecycle) == (status, status == "testing")
    assert place.path("m@1.0.0").read_bytes().startswith(b"# kept as it is\n")


def test_an_update_of_a_paused_version_takes_its_testing_back(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", "testing")
    place.registry.deactivate("m@1.0.0")
    place.registry.update("m@1.0.0", {"provider_model_id": "another"})
    outcomes = {one.rule: one.outcome for one in place.registry.check("m@1.0.0", "activate").findings}
    assert outcomes["tested-first"] == "fail"


def test_what_serves_keeps_what_it_serves(place: Place) -> None:
    place.serve("m@1.0.0")
    with pytest.raises(IllegalTransition, match="cannot change under its name"):
        place.registry.update("m@1.0.0", {"provider": "another"})
    place.registry.update("m@1.0.0", {"thresholds.max_latency_ms": 900, "cost.tier": "premium"})
    assert [one["action"] for one in last(place)["effects"]] == ["version.updated", "thresholds.updated"]
    place.registry.update("m@1.0.0", {"cost.tier": None})
    assert "tier" not in place.registry.show("m@1.0.0").spec["cost"]
    assert last(place)["data"]["keys"] == ["cost.tier"]


def edit(place: Place, ref: str, old: str, new: str) -> None:
    path = place.path(ref)
    assert old.encode() in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old.encode(), new.encode()))


def test_a_hand_edit_stops_writes_until_it_is_adopted(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", "testing")
    edit(place, "m@1.0.0", '"in-house"', '"elsewhere"')
    assert place.registry.verify().outcome == "drift"
    with pytest.raises(Drift, match="changed outside helixctl"):
        place.registry.block("m@1.0.0")
    assert place.registry.adopt("m@1.0.0", reason="moved").changed
    shown = place.registry.show("m@1.0.0")
    assert (shown.status, "testing_since" in shown.lifecycle) == ("inactive", False)
    assert place.registry.verify().outcome == "ok"
    assert not place.registry.adopt("m@1.0.0").changed


def test_a_cosmetic_edit_is_adopted_whatever_the_status(place: Place) -> None:
    place.serve("m@1.0.0")
    edit(place, "m@1.0.0", "# kept as it is", "# a better comment")
    assert place.registry.adopt("m@1.0.0").changed
    assert place.path("m@1.0.0").read_bytes().startswith(b"# a better comment\n")
    assert place.status("m@1.0.0") == "active"
    edit(place, "m@1.0.0", '"in-house"', '"elsewhere"')
    with pytest.raises(IllegalTransition):
        place.registry.adopt("m@1.0.0")


def test_what_helixctl_alone_writes_is_never_adopted(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    edit(place, "m@2.0.0", 'status = "inactive"', 'status = "testing"')
    with pytest.raises(Drift, match="lifecycle or metrics"):
        place.registry.adopt("m@2.0.0")
    place.path("m@1.0.0").unlink()
    for ask in (place.registry.adopt, place.registry.activate, place.registry.block):
        with pytest.raises(Drift, match="deleted"):
            ask("m@1.0.0")
    with pytest.raises(Drift):
        place.register("m@1.0.0")
    assert place.registry.verify().outcome == "drift"


@pytest.mark.parametrize("term", ["dryrun", "override", "audit"])
def test_a_term_that_there_is_not_is_refused_and_never_left_out(place: Place, term: str) -> None:
    place.register("m@1.0.0")
    before = place.files()
    strange: dict[str, Any] = {term: True}
    for ask in (place.registry.block, place.registry.retire, place.registry.approvals.approve):
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{term}'"):
            ask("m@1.0.0", **strange)
    assert place.files() == before


ACTIVE_EDITS: dict[str, Callable[[Place], object]] = {
    "deleted": lambda place: place.path("m@1.0.0").unlink(),
    "lifecycle or metrics": lambda place: edit(place, "m@1.0.0", 'status = "active"', 'status = "inactive"'),
    "specification": lambda place: edit(place, "m@1.0.0", '"in-house"', '"elsewhere"'),
}


@pytest.mark.parametrize("what", ACTIVE_EDITS)
@pytest.mark.parametrize("target", ["canary", "active"])
def test_nothing_is_put_in_service_beside_an_active_version_that_was_changed_by_hand(
    place: Place, what: str, target: str
) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0", "m@3.0.0")
    place.path("m@3.0.0").unlink()
    ACTIVE_EDITS[what](place)
    before = place.files()
    for ask in (
        lambda: place.registry.promote("m@2.0.0", target, overrides=OVERRIDE, reason=BECAUSE),
        lambda: place.registry.check("m@2.0.0", "activate" if target == "active" else target),
    ):
        with pytest.raises(Drift, match=rf"m@1\.0\.0 was changed outside helixctl: {what}"):
            ask()
    assert place.files() == before
    assert place.registry.promote("m@2.0.0", "testing").changed


@pytest.mark.parametrize("what", ["deleted", "lifecycle or metrics"])
@pytest.mark.parametrize("to", [None, "0.9.0"])
def test_a_rollback_says_that_the_active_version_was_changed_by_hand(place: Place, what: str, to: str | None) -> None:
    place.serve("m@0.9.0", "m@1.0.0")
    ACTIVE_EDITS[what](place)
    for ask in (lambda: place.registry.rollback("m", to=to), lambda: place.registry.check("m", "rollback")):
        with pytest.raises(Drift, match=rf"m@1\.0\.0 was changed outside helixctl: {what}"):
            ask()


@pytest.mark.parametrize(
    ("ref", "gone", "why"),
    [
        ("m@latest", "3.0.0", "deleted"),
        ("m@active", "1.0.0", "deleted"),
        ("m@canary", "2.0.0", "deleted"),
        ("m@canary", "2.0.0", "lifecycle or metrics"),
    ],
)
def test_an_alias_means_no_other_version_where_its_own_was_changed_by_hand(
    place: Place, ref: str, gone: str, why: str
) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0", "m@3.0.0")
    place.registry.promote("m@2.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
    if why == "deleted":
        place.path(f"m@{gone}").unlink()
    else:
        edit(place, f"m@{gone}", 'status = "canary"', 'status = "testing"')
    with pytest.raises(Drift, match=f"m@{gone}"):
        place.registry.activate(ref, overrides=OVERRIDE, reason=BECAUSE)


@pytest.mark.parametrize("status", ["testing", "active", "retired"])
def test_what_only_a_hand_edited_file_says_is_not_so_already(place: Place, status: str) -> None:
    place.register("m@1.0.0")
    edit(place, "m@1.0.0", 'status = "inactive"', f'status = "{status}"')
    ask, word = {
        "testing": (lambda: place.registry.promote("m@1.0.0", "testing"), "testing"),
        "active": (lambda: place.registry.activate("m@1.0.0"), "activate"),
        "retired": (lambda: place.registry.retire("m@1.0.0"), "retire"),
    }[status]
    for each in (ask, lambda: place.registry.check("m@1.0.0", word)):
        with pytest.raises(Drift, match=r"m@1\.0\.0 was changed outside helixctl: lifecycle or metrics"):
            each()


CANARY_EDITS: dict[str, Callable[[Place], object]] = {
    "deleted": lambda place: place.path("m@1.0.0").unlink(),
    "lifecycle or metrics": lambda place: edit(place, "m@1.0.0", 'status = "canary"', 'status = "testing"'),
    "specification": lambda place: edit(place, "m@1.0.0", '"in-house"', '"elsewhere"'),
}


@pytest.mark.parametrize("what", CANARY_EDITS)
def test_no_canary_is_started_beside_one_that_was_changed_by_hand(place: Place, what: str) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    place.registry.promote("m@1.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
    CANARY_EDITS[what](place)
    before = place.files()
    for ask in (
        lambda: place.registry.promote("m@2.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE),
        lambda: place.registry.check("m@2.0.0", "canary"),
    ):
        with pytest.raises(Drift, match=rf"m@1\.0\.0 was changed outside helixctl: {what}"):
            ask()
    assert place.files() == before
    assert place.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE).changed


def test_a_version_that_was_deleted_and_did_not_serve_stops_no_other(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    place.path("m@1.0.0").unlink()
    for target in ("canary", "active"):
        assert place.registry.promote("m@2.0.0", target, overrides=OVERRIDE, reason=BECAUSE).changed


@pytest.mark.parametrize("again", ["1.0.0", "1.0.0+build"])
def test_the_version_whose_file_was_deleted_is_not_registered_again(place: Place, again: str) -> None:
    place.register("m@1.0.0")
    place.path("m@1.0.0").unlink()
    with pytest.raises(Drift, match=r"m@1\.0\.0 was changed outside helixctl: deleted"):
        place.register(f"m@{again}")


def test_trouble_in_one_model_does_not_stop_another(place: Place) -> None:
    place.register("bad@1.0.0", "m@1.0.0")
    place.path("bad@1.0.0").write_text("schema = ")
    with pytest.raises(Damaged):
        place.registry.block("bad@1.0.0")
    assert place.registry.block("m@1.0.0").changed
    listing = place.registry.list()
    assert [str(one.ref) for one in listing.records] == ["m@1.0.0"]
    assert [one.path for one in listing.broken] == ["models/bad/1.0.0.toml"]


def test_edited_policies_and_settings_are_recorded_by_the_next_write(place: Place) -> None:
    with (place.root / "helix.toml").open("a") as settings:
        settings.write("\n[evaluation]\nmin_samples = 10\n")
    with (place.root / "policies/default.toml").open("a") as policy:
        policy.write("# agreed on Monday\n")
    found = place.registry.verify()
    assert (found.outcome, {one.code for one in found.findings}) == ("ok", {"unrecorded"})
    place.register("m@1.0.0")
    names = [one["action"] for one in last(place)["effects"]]
    assert names[0] == "version.registered"
    assert set(names[1:]) == {"config.updated", "thresholds.updated", "policy.updated"}
    assert place.registry.verify().findings == ()
    (place.root / "policies/default.toml").unlink()
    place.registry.block("m@1.0.0")
    assert [one["path"] for one in last(place)["changes"] if one["after"] is None] == ["policies/default.toml"]


def policy(place: Place, name: str, text: str) -> None:
    (place.root / "policies" / name).write_text(f'schema = 1\nname = "{name}"\n{text}')


def test_a_custom_policy_judges_what_it_matches_and_nothing_else(place: Place) -> None:
    place.register("m@1.0.0", "n@1.0.0")
    rule = '[match]\nactions = ["deactivate", "testing"]\nmodels = ["m"]\n[[rule]]\nid = "tested"\n'
    policy(place, "a.toml", rule + 'enforcement = "mandatory"\nthrough = ["testing"]\n')
    denied = place.registry.promote("m@1.0.0", "testing")
    assert (denied.allowed, last(place)["action"], last(place)["outcome"]) == (False, "version.promoted", "denied")
    assert place.registry.promote("n@1.0.0", "testing").changed


def test_an_advisory_rule_speaks_and_never_stops(place: Place) -> None:
    place.register("m@1.0.0")
    policy(
        place, "a.toml", '[[rule]]\nid = "hint"\nenforcement = "advisory"\nthrough = ["testing"]\nactions = ["block"]\n'
    )
    result = place.registry.block("m@1.0.0")
    assert result.changed
    assert result.decision is not None
    assert [(one.rule, one.outcome) for one in result.decision.findings] == [("hint", "fail")]


def test_without_a_policy_only_canary_and_activation_are_denied(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("m@3.0.0")
    (place.root / "policies/default.toml").unlink()
    assert not place.registry.check("m@3.0.0", "canary").allowed
    assert not place.registry.check("m@3.0.0", "activate").allowed
    assert place.registry.promote("m@3.0.0", "testing").changed
    assert place.registry.rollback("m").changed


def test_two_policies_of_one_name_are_both_named_in_the_decision(place: Place) -> None:
    place.register("m@1.0.0")
    for name, rule in (("a", "one"), ("b", "two")):
        text = f'[[rule]]\nid = "{rule}"\nenforcement = "advisory"\nnot_blocked = true\nactions = ["block"]\n'
        (place.root / "policies" / f"{name}.toml").write_text(f'schema = 1\nname = "same"\n{text}')
    decision = place.registry.block("m@1.0.0").decision
    assert decision is not None
    assert len({one.digest for one in decision.policies if one.name == "same"}) == 2


def test_a_policy_that_does_not_load_stops_every_write(place: Place) -> None:
    place.register("m@1.0.0")
    policy(place, "broken.toml", '[[rule]]\nid = "x"\nthrough = ["testing"]\n')
    before = place.files()
    with pytest.raises(BadSettings) as caught:
        place.registry.block("m@1.0.0")
    assert (caught.value.path, caught.value.exit_code) == ("policies/broken.toml", 2)
    assert caught.value.line is not None
    assert place.files() == before
    assert place.registry.show("m@1.0.0").status == "inactive"


def test_a_missing_price_denies_and_is_no_lack_of_evidence(place: Place) -> None:
    place.registry.register(SPECIFICATION)
    decision = place.registry.check("m@1.0.0", "activate")
    assert [one.outcome for one in decision.findings if one.rule == "cost-cap"] == ["error"]
    assert not decision.is_inconclusive


def test_every_word_of_the_log_that_this_suite_can_cause_has_a_severity(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.registry.rollback("m")
    for entry in place.registry.audit():
        assert {entry["action"], *(one["action"] for one in entry["effects"])} <= set(ACTIONS)
    levels = {entry["action"]: entry["severity"] for entry in place.registry.audit()}
    assert levels["version.rolled_back"] == "warning"
    assert levels["registry.initialized"] == "info"
