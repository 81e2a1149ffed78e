"""An activation that waits for its time: its file under schedule/, and what scheduling, firing and ending it change.

A file counts only while the log knows its bytes. Policy is asked when it fires, not when it is scheduled: approvals,
evaluations and freezes may change until then, the specification may not.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from helixctl.core import request as ask
from helixctl.core import schema as s
from helixctl.core import times, toml, transitions
from helixctl.core.audit import Actor
from helixctl.core.lifecycle import Status
from helixctl.core.names import Ref
from helixctl.core.plan import Plan, effect_of, refuse_drift
from helixctl.core.request import Request
from helixctl.core.snapshot import Snapshot
from helixctl.errors import Invalid, Unexpected, Usage

FOLDER = "schedule"
CANCELLED = "cancelled"
"""Why an activation ended that somebody took back."""
GRACE = timedelta(hours=24)
"""How long after its time an activation may still fire, where nothing else is asked for."""
SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "id": s.name,
    "action": s.one_of("activate"),
    "registry": s.name,
    "model": s.model_id,
    "version": s.version,
    "specification_digest": s.digest,
    "at": s.moment,
    "not_after": s.moment,
    "actor": s.table(dict.fromkeys(Actor._fields, s.name), *Actor._fields),
    "expect": s.name,
    "reason": s.text,
    "overrides": s.list_of(s.name),
}
_OPTIONAL = ("expect", "reason", "overrides")
_ID = re.compile(r"[0-9a-f]{12}", re.ASCII)


class Scheduled(NamedTuple):
    """An activation asked for by `actor`, to be made once at or after `at`, and not after `not_after`."""

    id: str
    ref: Ref
    at: datetime
    not_after: datetime
    actor: Actor
    expect: str | None = None
    reason: str | None = None
    overrides: tuple[str, ...] = ()
    registry: str = ""
    specification_digest: str = ""

    @property
    def path(self) -> str:
        """Where its file lies, from the registry's root."""
        return f"{FOLDER}/{self.at.astimezone(UTC):%Y%m%dT%H%M%SZ}-{self.id}.toml"


def id_of(path: str) -> str:
    """Return the id that stands in the name of a file of the schedule."""
    return path.rpartition("-")[2].removesuffix(".toml")


def window(at: datetime, not_after: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    """Return from when until when an activation may fire.

    Raises:
        Usage: the time has passed, or the end is before it.
    """
    if at <= now:
        fact = f"--at {times.short(at)} has passed: it is {times.short(now.replace(microsecond=0))}"
        raise Usage(fact, hint="choose a later time, or leave --at out to activate now")
    try:
        end = not_after or at + GRACE
    except OverflowError:
        raise Usage(f"--at {times.short(at)} is at the end of the calendar", hint="choose an earlier time") from None
    if end < at:
        raise Usage(
            f"--not-after {times.short(end)} is before --at {times.short(at)}", hint="choose a later --not-after"
        )
    return at, end


def encode(one: Scheduled) -> bytes:
    """Return the file's bytes."""
    head = {
        "schema": 1,
        "id": one.id,
        "action": "activate",
        "registry": one.registry,
        "model": one.ref.model,
        "version": one.ref.version,
        "specification_digest": one.specification_digest,
        "at": one.at,
        "not_after": one.not_after,
    }
    more = {"expect": one.expect, "reason": one.reason, "overrides": list(one.overrides)}
    table = head | {key: value for key, value in more.items() if value} | {"actor": one.actor._asdict()}
    return toml.dump(table).encode()


def decode(raw: bytes) -> Scheduled:
    """Return what a file of the schedule asks for.

    Raises:
        Invalid: it is not what `encode` writes.
    """
    data = toml.load(raw, SCHEMA, required=[key for key in SCHEMA if key not in _OPTIONAL])
    if not _ID.fullmatch(data["id"]):
        raise toml.placed(Invalid("id is not 12 hexadecimal digits", key="id", hint="restore the file from git"), raw)
    rest = {key: data[key] for key in _OPTIONAL if key in data}
    rest |= {key: data[key] for key in ("id", "at", "not_after", "registry", "specification_digest")}
    return Scheduled(ref=Ref(data["model"], data["version"]), actor=Actor(**data["actor"]), **rest)


def schedule(act: ask.Schedule, request: Request, now: Snapshot) -> Plan:
    """Let an activation wait for its time; refuse one that the lifecycle has no step for."""
    record = now.record(act.ref)
    if act.is_known:
        return Plan(None, record)
    step = transitions.move(ask.Move(act.ref, Status.ACTIVE), request, now)
    refuse_drift((one.version for one in (record, *step.records)), now)
    digest = record.specification_digest
    one = act.scheduled._replace(ref=act.ref, registry=now.settings.id, specification_digest=digest)
    data = {
        "schedule": one.id,
        "at": times.short(one.at),
        "not_after": times.short(one.not_after),
        "specification": one.specification_digest,
        "asked": list(one.overrides),
    }
    undo = f"helixctl schedule cancel {one.id}"
    effects = (effect_of("deployment.scheduled", record),)
    return Plan(None, record, (), effects, data, undo=undo, files={one.path: encode(one)})


def fire(act: ask.Fire, request: Request, now: Snapshot) -> Plan:
    """Make an activation whose time has come, and take it off the schedule in the same transaction.

    Raises:
        Unexpected: the specification is no longer the one that was scheduled.
    """
    one = act.scheduled
    record = now.record(act.ref)
    refuse_drift((record.version,), now)
    if record.status is Status.ACTIVE:
        return unschedule(ask.Unschedule(act.ref, one, act.digest, "it is active already"), now)
    if record.specification_digest != one.specification_digest:
        fact = f"the specification of {act.ref} changed since it was scheduled"
        raise Unexpected(fact, hint=f"helixctl activate {act.ref} --at TIME")
    step = transitions.move(ask.Move(act.ref, Status.ACTIVE), request, now)
    data = {**step.data, "schedule": one.id, "scheduled_by": one.actor.id}
    return step._replace(data=data, files={one.path: None}, replaces={one.path: act.digest})


def unschedule(act: ask.Unschedule, now: Snapshot) -> Plan:
    """Take an activation off the schedule, and but for a cancellation say how to schedule it again."""
    one, record = act.scheduled, now.record(act.ref)
    data = {"schedule": one.id, "at": times.short(one.at), "why": act.why}
    fact = f"{act.ref} is not activated as scheduled for {data['at']}: {act.why}"
    note = f"{fact}; helixctl activate {act.ref} --at TIME schedules it again" if act.why != CANCELLED else None
    ended = Plan(None, record, (), (effect_of("deployment.expired", record),), data, note=note)
    return ended._replace(files={one.path: None}, replaces={one.path: act.digest})
