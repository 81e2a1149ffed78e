from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from helixctl.api.scheduling import Scheduling
from helixctl.api.sweep import Swept
from helixctl.core.audit import Actor, Filter
from helixctl.errors import Drift, HelixError, IllegalTransition, NotFound, Usage
from helixctl.storage import ledger
from tests.conftest import BECAUSE, OVERRIDE, START, Place

AT = START + timedelta(days=2)
FORCED: dict[str, Any] = {"overrides": OVERRIDE, "reason": BECAUSE}


def schedule(place: Place, ref: str = "m@2.0.0", at: datetime = AT, **terms: Any) -> Scheduling:
    return place.registry.schedule.add(ref, at, **{**FORCED, **terms})


def sweep_at(place: Place, at: datetime, **terms: Any) -> Swept:
    place.clock.now = at
    return place.registry.sweep(actor=Actor("cron", "ci", "test"), **terms)


def did(swept: Swept) -> list[tuple[str, str, bool]]:
    return [(one.action, str(one.ref), one.allowed) for one in swept.results]


def waiting(place: Place) -> list[str]:
    return [str(one.scheduled.ref) for one in place.registry.schedule.waiting().waiting]


def path_of(place: Place) -> Path:
    (path,) = (place.root / "schedule").iterdir()
    return path


def last(place: Place, back: int = 1) -> dict[str, Any]:
    return list(place.registry.audit())[-back]


def whys(place: Place) -> list[str]:
    return [entry["data"]["why"] for entry in place.registry.audit(Filter(actions=("deployment.expired",)))]


@pytest.fixture
def ready(place: Place) -> Place:
    """A model with a version in service, and another to come."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    return place


def test_a_scheduled_activation_waits_fires_once_and_is_gone(ready: Place) -> None:
    made = schedule(ready)
    assert (made.result.changed, made.forecast.allowed, ready.status("m@2.0.0")) == (True, True, "inactive")
    entry = last(ready)
    assert (entry["action"], entry["data"]["schedule"]) == ("deployment.scheduled", made.scheduled.id)
    assert made.scheduled.not_after == AT + timedelta(hours=24)
    assert did(sweep_at(ready, AT - timedelta(minutes=1))) == []
    assert did(sweep_at(ready, AT)) == [("activate", "m@2.0.0", True)]
    assert (ready.status("m@2.0.0"), ready.status("m@1.0.0")) == ("active", "deprecated")
    entry = last(ready)
    assert (entry["action"], entry["actor"]["id"], entry["reason"]) == ("version.activated", "cron", BECAUSE)
    assert (entry["data"]["scheduled_by"], entry["data"]["schedule"]) == ("alice@example.com", made.scheduled.id)
    assert "override.used" in [one["action"] for one in entry["effects"]]
    with closing(ledger.load(str(ready.root))) as book:
        used = [json.loads(text)["by"] for text in book.noted("override")]
    assert used == ["alice@example.com"] * 2, "who swept did not ask for it, and may review it"
    assert [change["after"] for change in entry["changes"] if change["path"].startswith("schedule/")] == [None]
    assert did(sweep_at(ready, AT + timedelta(hours=1))) == []
    assert not list((ready.root / "schedule").iterdir())
    assert ready.registry.verify().findings == ()


def test_policy_is_asked_when_it_fires_and_a_denial_is_final(ready: Place) -> None:
    made = schedule(ready, overrides=(), reason=None)
    assert (made.result.changed, made.forecast.allowed) == (True, False)
    swept = sweep_at(ready, AT)
    assert did(swept) == [("activate", "m@2.0.0", False), ("unschedule", "m@2.0.0", True)]
    assert not swept.allowed
    denied, ended = last(ready, 2), last(ready)
    assert (denied["action"], denied["outcome"], denied["changes"]) == ("deployment.denied", "denied", [])
    assert (ended["action"], ended["data"]["why"]) == ("deployment.expired", "policy denied it")
    assert did(sweep_at(ready, AT + timedelta(hours=1))) == []
    assert ready.registry.verify().findings == ()


def test_what_was_denied_when_scheduled_fires_once_policy_allows_it(ready: Place) -> None:
    assert not schedule(ready, overrides=(), reason=None).forecast.allowed
    ready.registry.promote("m@2.0.0", "testing")
    ready.registry.evaluate("m@2.0.0", [str(ready.inferences())])
    assert did(sweep_at(ready, AT)) == [("activate", "m@2.0.0", True)]


def test_the_forecast_is_of_the_time_at_which_it_would_fire(place: Place) -> None:
    place.register("m@2.0.0", extra=f"\n[availability]\nend_of_life = {AT + timedelta(days=3):%Y-%m-%d}\n")
    early, late = schedule(place, at=START + timedelta(hours=1)), schedule(place)
    assert (early.forecast.allowed, late.forecast.allowed) == (False, False)
    blocking = [[one.rule for one in made.forecast.findings if one.blocks] for made in (early, late)]
    assert blocking == [["end-of-life"], ["end-of-life"]]
    assert early.forecast.findings != late.forecast.findings


def test_one_that_was_missed_expires_and_says_how_to_schedule_it_again(ready: Place) -> None:
    schedule(ready, not_after=AT + timedelta(minutes=5))
    swept = sweep_at(ready, AT + timedelta(minutes=6))
    assert (did(swept), ready.status("m@2.0.0")) == ([("unschedule", "m@2.0.0", True)], "inactive")
    assert "helixctl activate m@2.0.0 --at TIME" in swept.results[0].warnings[0]
    assert (last(ready)["action"], last(ready)["severity"]) == ("deployment.expired", "info")
    assert whys(ready) == [f"no sweep ran until {AT + timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"]
    assert did(sweep_at(ready, AT + timedelta(minutes=7))) == []


ENDED: list[tuple[str, Callable[[Place], object]]] = [
    ("the specification of m@2.0.0 changed since it was scheduled", lambda p: p.registry.update("m@2.0.0", {"description": "other"})),
    ("m@2.0.0 is retired: it cannot become active", lambda p: p.registry.retire("m@2.0.0")),
    ("it is active already", lambda p: p.registry.activate("m@2.0.0", **FORCED)),
    ("m@2.0.0: expected 1.0.0, found none", lambda p: p.registry.deactivate("m@1.0.0")),
    ("override names no rule that applies: 'tested-first'", lambda p: (p.root / "policies/default.toml").unlink()),
]  # fmt: skip


@pytest.mark.parametrize(("why", "meanwhile"), ENDED, ids=[why for why, _ in ENDED])
def test_what_can_never_fire_expires_with_the_reason(
    ready: Place, why: str, meanwhile: Callable[[Place], object]
) -> None:
    schedule(ready, expect="1.0.0" if "expected" in why else None)
    meanwhile(ready)
    sweep_at(ready, AT)
    assert (whys(ready), waiting(ready)) == ([why], [])
    assert did(sweep_at(ready, AT + timedelta(minutes=1))) == []
    assert ready.registry.verify().outcome == "ok"


def test_a_version_that_drifted_waits_until_it_is_mended(ready: Place) -> None:
    schedule(ready)
    whole = ready.path("m@2.0.0").read_bytes()
    ready.path("m@2.0.0").write_bytes(whole.replace(b"in-house", b"elsewhere"))
    swept = sweep_at(ready, AT)
    assert (did(swept), [type(one) for one in swept.broken]) == ([], [Drift])
    ready.path("m@2.0.0").write_bytes(whole)
    assert did(sweep_at(ready, AT + timedelta(hours=1))) == [("activate", "m@2.0.0", True)]


def _edit(place: Place) -> None:
    path = path_of(place)
    path.write_bytes(path.read_bytes().replace(b"2.0.0", b"3.0.0"))


def _forge(place: Place) -> None:
    path = path_of(place)
    path.with_name(path.name.replace("-", "-0")).write_bytes(path.read_bytes())
    path.unlink()


def _unsayable(place: Place) -> None:
    path = os.fsencode(path_of(place))
    os.rename(path, path.replace(b"Z-", b"Z-\xff"))


def _link(place: Place) -> None:
    path = path_of(place)
    path.rename(place.root / "elsewhere.toml")
    path.symlink_to(place.root / "elsewhere.toml")


@pytest.mark.parametrize(
    ("tamper", "code"),
    [
        (_edit, "changed-file"),
        (_forge, "unknown-file"),
        (_link, "damaged-file"),
        pytest.param(
            _unsayable,
            "unknown-file",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="needs a disk that keeps any bytes as a name"),
        ),
    ],
)
def test_a_file_that_is_not_what_the_log_says_never_fires_and_is_reported(
    ready: Place, tamper: Callable[[Place], None], code: str
) -> None:
    ready.register("m@3.0.0")
    schedule(ready)
    tamper(ready)
    for at in (AT, AT + timedelta(days=9)):
        swept = sweep_at(ready, at)
        assert did(swept) == []
        assert [error.exit_code for error in swept.broken] == [6]
    assert (ready.status("m@1.0.0"), waiting(ready)) == ("active", [])
    assert not ready.registry.schedule.waiting().is_sound
    assert code in [finding.code for finding in ready.registry.verify().findings]


def test_a_file_that_was_fired_and_is_put_back_does_not_fire_again(ready: Place) -> None:
    schedule(ready)
    path = path_of(ready)
    raw = path.read_bytes()
    sweep_at(ready, AT)
    ready.registry.rollback("m")
    ready.registry.unblock("m@2.0.0")
    path.write_bytes(raw)
    assert did(sweep_at(ready, AT + timedelta(minutes=5))) == []
    assert ready.status("m@1.0.0") == "active"


@pytest.mark.parametrize("tamper", [None, _edit, Path.unlink], ids=["as it is", "edited", "deleted"])
def test_a_cancelled_activation_never_fires(ready: Place, tamper: Callable[[Any], None] | None) -> None:
    made = schedule(ready)
    if tamper:
        tamper(path_of(ready) if tamper is Path.unlink else ready)
        assert ready.registry.verify().outcome == "drift"
    cancelled = ready.registry.schedule.cancel(made.scheduled.id, reason="put off")
    entry = last(ready)
    told = entry["action"], entry["data"]["why"], entry["reason"]
    assert (cancelled.changed, *told) == (True, "deployment.expired", "cancelled", "put off")
    assert (ready.registry.verify().findings, waiting(ready)) == ((), [])
    assert did(sweep_at(ready, AT)) == []
    with pytest.raises(NotFound):
        ready.registry.schedule.cancel(made.scheduled.id)


REFUSED: list[tuple[type[HelixError], Callable[[Place], object]]] = [
    (Usage, lambda p: schedule(p, at=START)),
    (Usage, lambda p: schedule(p, at=p.clock.now)),
    (Usage, lambda p: schedule(p, not_after=AT - timedelta(seconds=1))),
    (Usage, lambda p: schedule(p, at=datetime.max.replace(tzinfo=START.tzinfo))),
    (Usage, lambda p: schedule(p, overrides=("nope",))),
    (Usage, lambda p: schedule(p, reason="short")),
    (Usage, lambda p: schedule(p, ref="m")),
    (NotFound, lambda p: schedule(p, ref="m@9.0.0")),
    (NotFound, lambda p: schedule(p, ref="nobody@1.0.0")),
    (HelixError, lambda p: schedule(p, expect="testing")),
    (IllegalTransition, lambda p: schedule(p, ref="m@0.9.0")),
    (NotFound, lambda p: p.registry.schedule.cancel("0123456789ab")),
    (NotFound, lambda p: p.registry.schedule.cancel("../../etc/passwd")),
]


@pytest.mark.parametrize("which", range(len(REFUSED)))
def test_a_refused_request_writes_nothing(ready: Place, which: int) -> None:
    ready.register("m@0.9.0")
    ready.registry.retire("m@0.9.0")
    kind, ask = REFUSED[which]
    before = ready.files()
    with pytest.raises(kind):
        ask(ready)
    assert ready.files() == before


def test_a_drifted_version_is_not_scheduled(ready: Place) -> None:
    path = ready.path("m@2.0.0")
    path.write_bytes(path.read_bytes().replace(b"in-house", b"elsewhere"))
    with pytest.raises(Drift):
        schedule(ready)


def test_the_same_activation_asked_for_twice_waits_once(ready: Place) -> None:
    first = schedule(ready)
    before = ready.files()
    again = schedule(ready)
    assert (again.result.changed, again.scheduled.id) == (False, first.scheduled.id)
    assert ready.files() == before
    other = Actor("bob@example.com", "user", "test")
    for terms in ({"at": AT + timedelta(hours=1)}, {"actor": other}, {"reason": f"{BECAUSE}, once more"}):
        assert schedule(ready, **terms).result.changed
        assert not schedule(ready, **terms).result.changed
    ready.registry.update("m@2.0.0", {"description": "other"})
    assert schedule(ready).result.changed
    assert waiting(ready) == ["m@2.0.0"] * 5


def test_a_dry_run_schedules_and_fires_nothing_and_looks_ahead(ready: Place) -> None:
    before = ready.files()
    assert schedule(ready, dry_run=True).result.changed
    assert ready.files() == before
    schedule(ready)
    before = ready.files()
    assert did(ready.registry.sweep(as_of=AT - timedelta(hours=1), dry_run=True)) == []
    assert did(ready.registry.sweep(as_of=AT, dry_run=True)) == [("activate", "m@2.0.0", True)]
    assert did(ready.registry.sweep(as_of=AT + timedelta(days=3), dry_run=True)) == [("unschedule", "m@2.0.0", True)]
    assert ready.files() == before


def test_a_sweep_as_of_a_day_to_come_does_not_fire_ahead_of_time(ready: Place) -> None:
    schedule(ready)
    assert did(ready.registry.sweep(as_of=AT + timedelta(days=9))) == []
    assert waiting(ready) == ["m@2.0.0"]


def test_whoever_scheduled_it_is_who_asks_when_a_sweep_fires_it() -> None:
    from helixctl.core import request as ask
    from helixctl.core.names import Ref
    from helixctl.core.schedule import Scheduled

    alice, cron = Actor("alice@example.com", "user", "git"), Actor("cron", "ci", "environment")
    one = Scheduled("0123456789ab", Ref("m", "1.0.0"), AT, AT, alice)
    assert ask.Request(ask.Fire(one.ref, one, None), cron).requester == "alice@example.com"
    assert ask.Request(ask.Retire(one.ref), cron).requester == "cron"
