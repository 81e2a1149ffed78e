from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from helixctl.api.sweep import Swept
from helixctl.core.audit import Filter
from helixctl.errors import Drift
from tests.conftest import BECAUSE, OVERRIDE, START, Place

ENDS = datetime(2026, 9, 1, tzinfo=UTC)
AVAILABILITY = "\n[availability]\nend_of_life = 2026-09-01\n"


def last(place: Place) -> dict[str, Any]:
    return list(place.registry.audit())[-1]


def before_end(place: Place, **span: float) -> Swept:
    place.clock.now = ENDS - timedelta(**span)
    return place.registry.sweep()


def did(swept: Swept) -> list[tuple[str, list[int]]]:
    marks = [(f"{one.model}@{one.version}", [one.days]) for one in swept.warned]
    return marks + [(str(one.ref), []) for one in swept.results if one.action == "retire"]


@pytest.mark.parametrize("status", ["inactive", "testing", "canary", "deprecated"])
def test_a_version_is_warned_of_at_30_and_7_days_once_each_and_then_retired(place: Place, status: str) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    if status == "deprecated":
        place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE)
        place.registry.deprecate("m@1.0.0", grace_days=3000)
    elif status != "inactive":
        place.registry.promote("m@1.0.0", status, overrides=OVERRIDE if status == "canary" else (), reason=BECAUSE)
    found = [did(before_end(place, days=days)) for days in (31, 30, 29, 8, 7, 1, 0, -1)]
    nothing: list[tuple[str, list[int]]] = []
    warned = [("m@1.0.0", [30])], [("m@1.0.0", [7])]
    assert found == [nothing, warned[0], nothing, nothing, warned[1], nothing, [("m@1.0.0", [])], nothing]
    (entry,) = place.registry.audit(Filter(actions=("version.retired",)))
    assert (entry["data"]["swept"], entry["data"]["end_of_life"]) == (True, "2026-09-01T00:00:00Z")
    assert ("override.used" in [one["action"] for one in entry["effects"]]) == (status == "canary")
    levels = [entry["severity"] for entry in place.registry.audit(Filter(actions=("eol.warned",)))]
    assert levels == ["warning", "warning"]
    assert place.registry.verify().outcome == "ok"


def test_an_active_version_past_its_end_is_flagged_once_and_not_retired(place: Place) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert did(before_end(place, days=-1)) == [("m@1.0.0", [0])]
    assert (last(place)["severity"], last(place)["data"]["past"]) == ("critical", "active")
    assert did(before_end(place, days=-2)) == []
    assert place.status("m@1.0.0") == "active"
    with (place.root / "helix.toml").open("a") as settings:
        settings.write("\n[lifecycle]\nretire_active = true\n")
    assert did(before_end(place, days=-3)) == [("m@1.0.0", [])]
    assert place.status("m@1.0.0") == "retired"


def test_what_an_activation_ended_is_kept_for_a_rollback_and_only_that(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    place.clock.pass_by(days=100)
    assert did(place.registry.sweep()) == [("m@1.0.0", [])]
    assert str(place.registry.rollback("m").ref) == "m@2.0.0"


def test_what_a_rollback_would_choose_is_kept_also_where_its_successor_is_gone(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    place.registry.retire("m@2.0.0")
    place.clock.pass_by(days=100)
    assert did(place.registry.sweep()) == []
    assert str(place.registry.rollback("m").ref) == "m@1.0.0"


def test_what_a_rollback_would_choose_is_kept_where_the_active_version_was_deleted_or_edited(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    active = place.path("m@2.0.0")
    raw = active.read_bytes()
    place.clock.pass_by(days=200)
    for broken in (None, raw.replace(b'status = "active"', b'status = "inactive"')):
        active.unlink() if broken is None else active.write_bytes(broken)
        swept = place.registry.sweep()
        assert [type(error) for error in swept.broken] == [Drift]
        assert place.status("m@1.0.0") == "deprecated"
        active.write_bytes(raw)
    assert not place.registry.sweep().broken
    assert place.status("m@1.0.0") == "deprecated"


def test_what_a_rollback_would_choose_is_kept_also_where_the_one_before_it_was_edited(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    edited = place.path("m@2.0.0")
    edited.write_bytes(edited.read_bytes().replace(b'"in-house"', b'"in-house"\ndescription = "d"'))
    place.clock.pass_by(days=200)
    assert [type(error) for error in place.registry.sweep().broken] == [Drift]
    assert str(place.registry.rollback("m").ref) == "m@1.0.0"


def test_a_date_that_an_operator_set_retires_the_fallback_too(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.registry.deprecate("m@1.0.0", grace_days=10)
    place.clock.pass_by(days=11)
    assert did(place.registry.sweep()) == [("m@1.0.0", [])]


def test_a_date_that_moved_is_warned_of_again(place: Place) -> None:
    place.serve("m@1.0.0")
    place.registry.deprecate("m@1.0.0", end_of_life=ENDS)
    assert did(before_end(place, days=5)) == [("m@1.0.0", [7])]
    place.registry.deprecate("m@1.0.0", end_of_life=ENDS + timedelta(days=1))
    assert did(before_end(place, days=5)) == [("m@1.0.0", [7])]
    assert did(before_end(place, days=5)) == []


def test_as_of_another_day_is_judged_then_and_logged_now(place: Place) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    swept = place.registry.sweep(as_of=ENDS, dry_run=True)
    assert (did(swept), swept.dry_run, swept.as_of) == ([("m@1.0.0", [])], True, ENDS)
    assert place.status("m@1.0.0") == "inactive"
    assert did(place.registry.sweep(as_of=ENDS - timedelta(days=2))) == [("m@1.0.0", [7])]
    assert did(place.registry.sweep(as_of=ENDS)) == [("m@1.0.0", [])]
    assert last(place)["ts"].startswith(f"{START:%Y-%m-%d}")


def test_a_short_reason_does_not_stop_the_retirement_of_a_canary(place: Place) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    place.registry.promote("m@1.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
    place.clock.now = ENDS
    assert did(place.registry.sweep(reason="cron")) == [("m@1.0.0", [])]
    assert last(place)["reason"].startswith("cron; ")


def test_trouble_with_one_model_does_not_stop_the_sweep_of_the_others(place: Place) -> None:
    place.register("broken@1.0.0", "drifted@1.0.0", "fine@1.0.0", extra=AVAILABILITY)
    place.path("broken@1.0.0").write_text("schema = ")
    path = place.path("drifted@1.0.0")
    path.write_bytes(path.read_bytes().replace(b"in-house", b"elsewhere"))
    place.clock.now = ENDS
    swept = place.registry.sweep()
    assert did(swept) == [("fine@1.0.0", [])]
    assert [error.path for error in swept.broken] == ["models/broken/1.0.0.toml", "models/drifted/1.0.0.toml"]
    assert isinstance(swept.broken[1], Drift)


def test_a_denied_retirement_is_told(place: Place) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    (place.root / "policies/keep.toml").write_text(
        'schema = 1\nname = "keep"\n[[rule]]\nid = "keep"\nenforcement = "mandatory"\n'
        'through = ["testing"]\nactions = ["retire"]\n'
    )
    swept = before_end(place, days=0)
    assert (swept.allowed, place.status("m@1.0.0")) == (False, "inactive")
    assert (last(place)["action"], last(place)["outcome"]) == ("version.retired", "denied")


def rules(place: Place, *ids: str) -> None:
    rows = "".join(
        f'[[rule]]\nid = "{one}"\nenforcement = "mandatory"\ncheck = {{ field = "description", required = true }}\n'
        for one in ids
    )
    (place.root / "policies/keep.toml").write_text(f'schema = 1\nname = "keep"\n[match]\nactions = ["retire"]\n{rows}')


def test_a_denied_retirement_is_logged_once_for_each_cause_and_told_each_time(place: Place) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    rules(place, "first")
    place.clock.now = ENDS + timedelta(days=1)

    def denials() -> int:
        assert not place.registry.sweep().allowed
        return len(list(place.registry.audit(Filter(actions=("version.retired",)))))

    assert [denials() for _ in range(3)] == [1, 1, 1]
    assert last(place)["data"]["end_of_life"] == "2026-09-01T00:00:00Z"
    (place.root / ".helix/index.db").unlink()
    assert denials() == 1
    assert not place.registry.sweep(dry_run=True).allowed
    rules(place, "first", "second")
    assert [denials() for _ in range(2)] == [2, 2]
    assert not place.registry.retire("m@1.0.0").allowed  # what a person asks for is logged each time
    assert not place.registry.retire("m@1.0.0").allowed
    assert denials() == 4
    (place.root / "policies/keep.toml").unlink()
    assert did(place.registry.sweep()) == [("m@1.0.0", [])]
    assert place.status("m@1.0.0") == "retired"
    assert place.registry.verify().outcome == "ok"


FREEZE = """\
[[freeze]]
name = "summer"
enforcement = "mandatory"
timezone = "UTC"
from = 2026-08-30
until = 2026-09-03
allow = []
"""
TAGGED = """\
[[rule]]
id = "tagged"
enforcement = "mandatory"
actions = ["retire"]
expr = "now >= timestamp('2026-09-03T00:00:00Z') && model.lifecycle.status == 'inactive'"
"""


@pytest.mark.parametrize(("name", "text"), [("summer", FREEZE), ("tagged", TAGGED)])
def test_a_sweep_is_judged_by_freezes_and_expressions_too(place: Place, name: str, text: str) -> None:
    place.register("m@1.0.0", extra=AVAILABILITY)
    (place.root / "policies/keep.toml").write_text(f'schema = 1\nname = "keep"\n{text}')
    denied = before_end(place, days=-1)
    (result,) = denied.results
    assert result.decision is not None
    assert [one.rule for one in result.decision.findings if one.blocks] == [name]
    assert (denied.allowed, place.status("m@1.0.0")) == (False, "inactive")
    assert did(before_end(place, days=-2)) == [("m@1.0.0", [])]
    assert place.status("m@1.0.0") == "retired"


def test_without_retirement_at_the_end_nothing_is_retired(place: Place) -> None:
    with (place.root / "helix.toml").open("a") as settings:
        settings.write("\n[lifecycle]\nretire_at_eol = false\neol_warning_days = [10]\n")
    place.register("m@1.0.0", extra=AVAILABILITY)
    assert [did(before_end(place, days=days)) for days in (20, 10, -1)] == [[], [("m@1.0.0", [10])], []]


def test_what_moved_while_a_sweep_ran_is_not_retired(place: Place) -> None:
    from helixctl import gate
    from helixctl.core import request as ask
    from helixctl.core.names import Ref

    place.serve("m@1.0.0")
    place.registry.deprecate("m@1.0.0", end_of_life=ENDS)
    place.registry.deprecate("m@1.0.0", end_of_life=ENDS + timedelta(days=30))
    request = ask.Request(ask.Retire(Ref("m", "1.0.0"), swept=ENDS), place.registry.who())
    assert not gate.submit(place.registry.store, request).changed
    assert place.status("m@1.0.0") == "deprecated"
