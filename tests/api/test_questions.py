from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helixctl.api import Registry
from helixctl.core.audit import Filter
from helixctl.core.lifecycle import TRANSITIONS, Action, Status
from helixctl.core.policy import Decision
from helixctl.errors import Duplicate, HelixError, IllegalTransition, NotFound, NothingToRestore, Usage
from helixctl.gate import Result
from tests.conftest import ALICE, BECAUSE, OVERRIDE, START, Place


def bring(place: Place, status: Status) -> None:
    place.register("m@1.0.0")
    registry, how = place.registry, {"overrides": OVERRIDE, "reason": BECAUSE}
    match status:
        case Status.TESTING:
            registry.promote("m@1.0.0", "testing")
        case Status.CANARY | Status.ACTIVE:
            registry.promote("m@1.0.0", status, **how)  # type: ignore[arg-type]
        case Status.DEPRECATED:
            registry.activate("m@1.0.0", **how)  # type: ignore[arg-type]
            registry.deprecate("m@1.0.0")
        case Status.RETIRED:
            registry.retire("m@1.0.0")
    assert place.status("m@1.0.0") == status


WRITES: dict[Action, Callable[[Registry], Result]] = {
    Action.TESTING: lambda r: r.promote("m@1.0.0", "testing"),
    Action.CANARY: lambda r: r.promote("m@1.0.0", "canary"),
    Action.ACTIVATE: lambda r: r.activate("m@1.0.0"),
    Action.DEACTIVATE: lambda r: r.deactivate("m@1.0.0"),
    Action.ROLLBACK: lambda r: r.rollback("m"),
    Action.DEPRECATE: lambda r: r.deprecate("m@1.0.0"),
    Action.RETIRE: lambda r: r.retire("m@1.0.0"),
    Action.BLOCK: lambda r: r.block("m@1.0.0"),
    Action.UNBLOCK: lambda r: r.unblock("m@1.0.0"),
    Action.UPDATE: lambda r: r.update("m@1.0.0", {"tags": ["x"]}),
    Action.ADOPT: lambda r: r.adopt("m@1.0.0"),
}
REACHES = {
    Action.TESTING: Status.TESTING,
    Action.CANARY: Status.CANARY,
    Action.ACTIVATE: Status.ACTIVE,
    Action.DEACTIVATE: Status.INACTIVE,
    Action.DEPRECATE: Status.DEPRECATED,
    Action.RETIRE: Status.RETIRED,
}


@dataclass
class Seen:
    """Every file and folder with its bytes and times."""

    found: dict[str, tuple[int, bytes | None]]

    @classmethod
    def of(cls, root: Path) -> Seen:
        return cls(
            {
                str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
                for path in [root, *sorted(root.rglob("*"))]
            }
        )


def answer(ask: Callable[[], Any]) -> Any:
    try:
        return ask()
    except HelixError as error:
        return type(error)


@pytest.mark.parametrize("status", Status)
def test_check_says_what_the_write_would_for_every_action_and_status_and_never_writes(
    place: Place, status: Status
) -> None:
    bring(place, status)
    place.registry.verify()
    for action, write in WRITES.items():
        before = Seen.of(place.root)
        said = answer(partial(place.registry.check, "m" if action is Action.ROLLBACK else "m@1.0.0", action))
        assert Seen.of(place.root) == before, action
        did = on_a_copy(place, write)
        if isinstance(did, type):
            assert said is did, (action, status)
            continue
        assert isinstance(said, Decision), (action, status)
        assert said.action == action
        if did.decision is not None:
            assert (did.decision.findings, did.allowed) == (said.findings, said.allowed), (action, status)


def on_a_copy(place: Place, write: Callable[[Registry], Result]) -> Any:
    """Run a write on a copy of the registry, so that each starts from the same state."""
    import shutil

    copy = place.root.parent / "copy"
    shutil.copytree(place.root, copy)
    try:
        return answer(lambda: write(Registry.open(copy, actor=ALICE, clock=place.clock)))
    finally:
        shutil.rmtree(copy)


@pytest.mark.parametrize("origin", Status)
@pytest.mark.parametrize("action", REACHES)
def test_every_step_is_taken_or_refused_as_the_table_says(place: Place, origin: Status, action: Action) -> None:
    bring(place, origin)
    found = on_a_copy(place, WRITES[action])
    target = REACHES[action]
    by_command = target in TRANSITIONS[origin] and (origin, target) != (Status.DEPRECATED, Status.INACTIVE)
    if by_command or origin is target:
        assert isinstance(found, Result)
        assert bool(found.decision) == (origin is not target)
    else:
        assert found is IllegalTransition


@pytest.mark.parametrize("action", [Action.REGISTER, Action.IMPORT])
def test_check_answers_for_a_registered_version_as_registering_it_again_would(place: Place, action: Action) -> None:
    place.register("m@1.0.0")
    for ref in ("m@1.0.0", "m@1.0.0+build"):
        with pytest.raises(Duplicate):
            place.registry.check(ref, action)
    with pytest.raises(NotFound, match="policy judges the values of a version"):
        place.registry.check("m@2.0.0", action)


NEVER = 'schema = 1\nname = "p"\n[[rule]]\nid = "never"\nenforcement = "mandatory"\ncheck = { field = "provider", equals = "nobody" }\n'


def test_check_asks_the_rules_about_an_update_whose_values_nobody_knows(place: Place) -> None:
    place.register("m@1.0.0")
    (place.root / "policies/default.toml").write_text(NEVER)
    assert not place.registry.check("m@1.0.0", "update").allowed
    assert not place.registry.update("m@1.0.0", {"description": "x"}).allowed


def test_check_asks_as_nobody_also_in_an_expression(place: Place) -> None:
    place.register("m@1.0.0")
    rule = '[[rule]]\nid = "who"\nenforcement = "mandatory"\nexpr = "actor == \'\'"\n'
    (place.root / "policies/default.toml").write_text(f'schema = 1\nname = "p"\n{rule}')
    assert place.registry.check("m@1.0.0", "block").allowed
    assert not place.registry.block("m@1.0.0").allowed


def test_an_empty_region_is_refused_where_it_would_leave_out_every_rule_of_a_region(place: Place) -> None:
    place.register("m@1.0.0")
    for ask in (place.registry.check, place.registry.policy.explain):
        with pytest.raises(Usage, match="the name of the region is empty"):
            ask("m@1.0.0", "activate", region="")


def test_check_says_where_there_is_nothing_to_change_that_no_rule_was_asked(place: Place) -> None:
    place.register("m@1.0.0")
    (place.root / "policies/default.toml").write_text(NEVER)
    for action in (Action.ADOPT, Action.RECONCILE, Action.DEACTIVATE):
        decision = place.registry.check("m@1.0.0", action)
        (said,) = decision.findings
        assert decision.allowed
        assert said.message.endswith(" already: no rule was asked")
    with pytest.raises(NotFound):
        place.registry.check("m@2.0.0", "reconcile")


def test_every_action_word_is_tried() -> None:
    assert set(WRITES) | {Action.REGISTER, Action.IMPORT, Action.RECONCILE} == set(Action)


def test_check_works_on_a_registry_that_cannot_be_written(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    os.unlink(place.root / ".helix" / "index.db")
    before = Seen.of(place.root)
    assert not place.registry.check("m@2.0.0", "activate").allowed
    with pytest.raises(NothingToRestore):
        place.registry.check("m", "rollback")
    place.registry.show("m@active")
    place.registry.status()
    place.registry.verify()
    assert Seen.of(place.root) == before


def test_history_tells_every_effect_on_a_version_oldest_first(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("n@1.0.0")
    place.registry.rollback("m")
    actions = [entry["action"] for entry in place.registry.history("m@1.0.0")]
    assert actions == ["version.registered", "version.activated", "version.activated", "version.rolled_back"]
    assert [entry["seq"] for entry in place.registry.history("m@active")] == [
        entry["seq"] for entry in place.registry.history("m@1.0.0")
    ]
    assert {entry["model"] for entry in place.registry.history("m")} == {"m"}
    assert len(list(place.registry.history("n"))) == 1


def test_the_log_is_filtered_by_every_field_and_by_all_together(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0", "n@1.0.0")
    middle = place.clock.now
    place.clock.pass_by(hours=1)
    place.registry.activate("m@2.0.0")
    place.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE)

    def found(**wanted: Any) -> list[str]:
        return [entry["action"] for entry in place.registry.audit(Filter(**wanted))]

    assert found(model="n") == ["version.registered"]
    assert found(version="2.0.0") == ["version.registered", "deployment.denied", "version.activated"]
    assert found(actions=("version.deprecated",)) == ["version.activated"], "an effect counts"
    assert found(outcome="denied") == ["deployment.denied"]
    assert found(severity="warning") == ["version.activated", "deployment.denied", "version.activated"]
    assert found(severity="error") == []
    assert found(actor="nobody") == []
    assert len(found(actor=ALICE.id)) == len(found()) == 7
    assert found(since=middle + timedelta(minutes=1)) == ["deployment.denied", "version.activated"]
    assert len(found(until=middle)) + len(found(since=middle)) == 7
    assert found(model="m", version="1.0.0", actions=("version.activated",), since=middle) == []
    sequence = [entry["seq"] for entry in place.registry.audit()]
    assert sequence == list(range(1, 8))


def test_an_entry_holds_when_the_filter_names_its_exact_time(place: Place) -> None:
    place.register("m@1.0.0")
    at = datetime.fromisoformat(list(place.registry.audit())[-1]["ts"])
    assert len(list(place.registry.audit(Filter(since=at)))) == 1
    assert len(list(place.registry.audit(Filter(until=at)))) == 1


def test_status_tells_each_model_at_a_glance(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("m@3.0.0", "n@1.0.0", extra="\n[availability]\nend_of_life = 2026-03-11\n")
    place.registry.promote("m@3.0.0", "canary", overrides=(*OVERRIDE,), reason=BECAUSE)
    place.registry.block("n@1.0.0")
    place.register("broken@1.0.0")
    place.path("broken@1.0.0").write_text("schema = ")
    broken, m, n = place.registry.status().models
    assert (m.model, m.active, m.canary, m.previous) == ("m", "2.0.0", "3.0.0", "1.0.0")
    assert m.counts == {"canary": 1, "active": 1, "deprecated": 1}
    assert [(one.version, one.status, one.days) for one in m.ending] == [("3.0.0", "canary", 9)]
    assert (n.active, n.previous, n.blocked) == (None, None, ("1.0.0",))
    assert (broken.model, [one.path for one in broken.broken]) == ("broken", ["models/broken/1.0.0.toml"])
    assert place.registry.status("m").models == (m,)


def test_status_tells_what_waits_for_somebody_and_what_is_not_as_the_log_says(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0", "n@1.0.0")
    whole = place.registry.status()
    m, n = whole.models
    assert (whole.integrity, whole.unrecorded, whole.strays) == ("ok", (), ())
    (used,) = place.registry.audit(Filter(actions=("override.used",)))
    assert (m.overrides, n.overrides) == ((used["id"],), ())
    made = place.registry.schedule.add("m@2.0.0", START + timedelta(days=1))
    assert place.registry.status().models[0].scheduled[0].id == made.scheduled.id
    (place.root / "policies/default.toml").unlink()
    (place.root / "policies/other.toml").write_text('schema = 1\nname = "other"\nrule = []\n')
    told = place.registry.status()
    assert (set(told.unrecorded), told.integrity) == ({"policies/default.toml", "policies/other.toml"}, "ok")
    (place.root / "schedule/x.toml").write_text("")
    assert (place.registry.status().integrity, len(place.registry.status().strays)) == ("drift", 1)
    (place.root / "schedule/x.toml").unlink()
    path = place.path("n@1.0.0")
    path.write_bytes(path.read_bytes().replace(b"in-house", b"elsewhere"))
    told = place.registry.status()
    assert (told.integrity, [one.drifted for one in told.models]) == ("drift", [(), ("1.0.0",)])


def test_status_says_where_a_merge_left_two_versions_in_service(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    path = place.path("m@1.0.0")
    path.write_bytes(path.read_bytes().replace(b'status = "deprecated"', b'status = "active"'))
    assert place.registry.status().integrity == "needs_reconcile"


def test_status_still_answers_when_the_log_is_broken(place: Place) -> None:
    place.serve("m@1.0.0")
    (segment,) = (place.root / "audit").rglob("*.jsonl")
    segment.write_bytes(b"<<<<<<< ours\n" + segment.read_bytes())
    assert place.registry.verify().outcome == "tampered"
    told = place.registry.status()
    assert (told.models[0].active, told.integrity) == ("1.0.0", "tampered")


def test_a_list_ascends_by_model_and_precedence_with_all_statuses(place: Place) -> None:
    place.register("m@10.0.0", "m@2.0.0", "m@2.0.0-rc.1", "a/b@1.0.0")
    place.registry.retire("m@2.0.0")
    found = place.registry.list()
    assert [str(one.ref) for one in found.records] == ["a/b@1.0.0", "m@2.0.0-rc.1", "m@2.0.0", "m@10.0.0"]
    assert [str(one.ref) for one in place.registry.list("a/b").records] == ["a/b@1.0.0"]
    assert str(place.registry.show("m@latest").ref) == "m@10.0.0"
    for alias in ("active", "canary"):
        with pytest.raises(NotFound):
            place.registry.show(f"m@{alias}")


def test_what_is_so_already_is_allowed_as_the_write_would_be_unchanged(place: Place) -> None:
    place.serve("m@1.0.0")
    decision = place.registry.check("m@1.0.0", "activate")
    assert (decision.allowed, str(decision.ref)) == (True, "m@1.0.0")
    assert [one.message for one in decision.findings] == ["is active already: no rule was asked"]
    assert not place.registry.activate("m@1.0.0").changed


def test_the_status_of_this_moment_by_the_log_is_the_status_by_the_files(place: Place) -> None:
    """Through every step that gives a version its status."""
    registry, how = place.registry, {"overrides": OVERRIDE, "reason": BECAUSE}

    def agrees() -> None:
        by_files = tuple(
            one._replace(previous=None, ending=(), rolling=None, overrides=()) for one in registry.status().models
        )
        assert registry.status(at=place.clock.now).models == by_files

    steps: list[Callable[[], object]] = [
        lambda: place.serve("m@1.0.0", "m@2.0.0", "n@1.0.0"),
        lambda: place.register("m@10.0.0-rc.1", "m@3.0.0"),
        lambda: registry.promote("m@3.0.0", "canary", **how),  # type: ignore[arg-type]
        lambda: registry.activate("m@3.0.0", **how),  # type: ignore[arg-type]
        lambda: registry.activate("m@10.0.0-rc.1"),
        lambda: registry.rollback("m"),
        lambda: registry.unblock("m@3.0.0"),
        lambda: registry.block("n@1.0.0"),
        lambda: registry.update("n@1.0.0", {"tags": ["x"]}),
        lambda: registry.deprecate("n@1.0.0"),
        lambda: registry.deprecate("n@1.0.0", cancel=True),
        lambda: registry.deactivate("m@2.0.0"),
        lambda: registry.retire("m@1.0.0"),
    ]
    for step in steps:
        step()
        agrees()


def test_the_past_is_asked_by_model_and_version_with_the_api(place: Place) -> None:
    place.serve("m@1.0.0")
    then = place.clock.now
    place.clock.pass_by(hours=1)
    place.serve("m@2.0.0")
    assert place.registry.status("m", at=then).models[0].active == "1.0.0"
    assert [entry["seq"] for entry in place.registry.history("m@active", at=then)] == [3]
    assert [entry["seq"] for entry in place.registry.audit(Filter(model="m", at=place.clock.now))] == [5]
    for ask in (
        lambda: place.registry.status(at=then + timedelta(days=1)),
        lambda: place.registry.history("m", at=then + timedelta(days=1)),
        lambda: place.registry.history("m@latest", at=then),
        lambda: place.registry.audit(Filter(at=then, since=then)),
    ):
        assert answer(ask) is Usage
    assert answer(lambda: place.registry.status("n", at=then)) is NotFound


def test_two_versions_that_were_active_at_once_are_told_as_such(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    (segment,) = (place.root / "audit").rglob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    made = lines[2].replace(b'"version":"1.0.0"', b'"version":"2.0.0"').replace(b'"seq":3', b'"seq":5')
    segment.write_bytes(b"".join(lines) + made)
    (told,) = place.registry.status(at=place.clock.now).models
    assert (told.active, told.counts) == ("1.0.0", {"active": 2})
    assert [str(one) for one in told.broken] == ["models/m: 1.0.0, 2.0.0 are all active"]
