from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from helixctl.core import request as ask
from helixctl.core import schedule
from helixctl.core.lifecycle import Status, can_move
from helixctl.core.names import Ref
from helixctl.core.planning import plan
from helixctl.core.record import Record
from helixctl.core.schedule import Scheduled, decode, encode, window
from helixctl.errors import IllegalTransition, Invalid, Unexpected, Usage
from tests.core.making import AT, DAY, made, served, snapshot, wish

ONE = Scheduled("0123456789ab", Ref("m", "1.0.0"), AT + DAY, AT + 2 * DAY, wish(ask.Retire(Ref("m"))).actor)
FULL = ONE._replace(expect="testing", reason='a "reason"\nof two lines', overrides=("evaluation", "cost-cap"))
DIGEST = made().specification_digest


def placed(one: Scheduled) -> Scheduled:
    return one._replace(registry="0198-test", specification_digest=DIGEST)


def fired(*records: Record, one: Scheduled = ONE) -> ask.Request:
    return wish(ask.Fire(one.ref, one._replace(specification_digest=records[0].specification_digest), "f" * 64))


@pytest.mark.parametrize("one", [ONE, FULL], ids=["plain", "full"])
def test_a_file_of_the_schedule_reads_back_as_it_was(one: Scheduled) -> None:
    whole = placed(one)
    assert decode(encode(whole)) == whole
    assert encode(decode(encode(whole))) == encode(whole)
    assert schedule.id_of(whole.path) == whole.id


def test_a_path_is_named_by_the_time_in_utc() -> None:
    zurich = datetime.fromisoformat("2026-12-01T06:00:00+01:00")
    assert ONE._replace(at=zurich).path == "schedule/20261201T050000Z-0123456789ab.toml"


SOUND = encode(placed(ONE)).decode()
BAD = {
    "an id that is a path": SOUND.replace("0123456789ab", "../../../etc"),
    "an id that is no id": SOUND.replace("0123456789ab", "x"),
    "another action": SOUND.replace('"activate"', '"retire"'),
    "a local time": SOUND.replace("2026-03-02T12:00:00Z", "2026-03-02T12:00:00"),
    "no digest": SOUND.replace("specification_digest", "digest"),
    "no actor": SOUND.partition("[actor]")[0],
    "half an actor": SOUND.partition("type =")[0],
    "a model that is a path": SOUND.replace('model = "m"', 'model = "../m"'),
    "no TOML": "<<<<<<< ours\n",
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_file_of_the_schedule_is_refused(name: str) -> None:
    assert BAD[name] != SOUND
    with pytest.raises(Invalid):
        decode(BAD[name].encode())


@pytest.mark.parametrize(
    ("at", "end", "found"),
    [
        (timedelta(seconds=1), None, timedelta(days=1, seconds=1)),
        (DAY, DAY, DAY),
        (DAY, 2 * DAY, 2 * DAY),
        (timedelta(0), None, None),
        (-DAY, DAY, None),
        (DAY, DAY - timedelta(microseconds=1), None),
    ],
)
def test_a_window_begins_in_the_future_and_ends_no_earlier(
    at: timedelta, end: timedelta | None, found: timedelta | None
) -> None:
    until = None if end is None else AT + end
    if found is None:
        with pytest.raises(Usage):
            window(AT + at, until, AT)
    else:
        assert window(AT + at, until, AT) == (AT + at, AT + found)


def test_a_window_at_the_end_of_the_calendar_is_refused() -> None:
    with pytest.raises(Usage):
        window(datetime.max.replace(tzinfo=UTC), None, AT)


@pytest.mark.parametrize(("status", "kind"), [*product(Status, ("schedule", "fire"))])
def test_each_status_is_scheduled_and_fired_as_the_lifecycle_has_it(status: Status, kind: str) -> None:
    record = made(status=status) if status is not Status.ACTIVE else served("1.0.0", "active")
    request = fired(record) if kind == "fire" else wish(ask.Schedule(record.ref, ONE))
    if status is not Status.ACTIVE and not can_move(status, Status.ACTIVE):
        with pytest.raises(IllegalTransition):
            plan(request, snapshot(record))
        return
    found = plan(request, snapshot(record))
    own = found.effects[0].action
    expected = "deployment.expired" if status is Status.ACTIVE else "version.activated"
    assert own == (expected if kind == "fire" else "deployment.scheduled")
    assert found.action == ("activate" if own == "version.activated" else None)
    assert [raw is None for raw in found.files.values()] == [kind == "fire"]
    assert bool(found.records) == (own == "version.activated")


def test_what_is_scheduled_is_bound_to_the_registry_and_the_specification() -> None:
    record = made()
    (raw,) = plan(wish(ask.Schedule(record.ref, ONE)), snapshot(record)).files.values()
    assert raw is not None
    assert decode(raw) == placed(ONE)
    changed = made(extra='description = "other"\n')
    with pytest.raises(Unexpected):
        plan(fired(record), snapshot(changed))
