"""Activations that wait for their time: schedule one, list them, take one off, and make those that are due."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, Unpack

from helixctl.core import request as ask
from helixctl.core import schedule as core
from helixctl.core import times
from helixctl.core.lifecycle import Action, Status
from helixctl.core.names import Ref, versioned
from helixctl.core.schedule import Scheduled
from helixctl.errors import Changed, Damaged, Drift, HelixError, IllegalTransition, NotFound, Unexpected, Usage
from helixctl.gate import Result, check, foresee, submit
from helixctl.storage.agenda import Agenda, Waiting, waiting

if TYPE_CHECKING:
    from helixctl.api import Registry
    from helixctl.api.terms import Terms
    from helixctl.core.policy import Decision
    from helixctl.storage.registry import Store

ENDING = (IllegalTransition, Unexpected, Usage)
"""The refusals that end a scheduled activation: waiting mends none of them."""


class Scheduling(NamedTuple):
    """An activation put on the schedule, and what policy would say to it at its time as things stand now."""

    result: Result
    scheduled: Scheduled
    forecast: Decision


class Schedule(NamedTuple):
    """The schedule of a registry."""

    registry: Registry

    def add(self, ref: str, at: datetime, not_after: datetime | None = None, **terms: Unpack[Terms]) -> Scheduling:
        """Let an activation wait for its time: a sweep from then on makes it, if policy allows it then.

        Args:
            not_after: the last time at which it may still be made; by default 24 hours after `at`.

        Raises:
            Usage: the time has passed, or the end is before it.
        """
        request = self.registry.request(ask.Move(versioned(ref), Status.ACTIVE), terms)
        return schedule(self.registry.store, request, at, not_after)

    def waiting(self) -> Agenda:
        """Return the activations that wait, and the files of the schedule that do not count."""
        with self.registry.store.reading() as still:
            return waiting(still)

    def cancel(self, name: str, **terms: Unpack[Terms]) -> Result:
        """Take an activation off the schedule by its id.

        Raises:
            NotFound: none of that id waits.
        """
        return cancel(self.registry.store, self.registry.request(ask.Retire(Ref("schedule")), terms), name)


def schedule(store: Store, request: ask.Request, at: datetime, not_after: datetime | None) -> Scheduling:
    """Let an activation wait for its time; policy is asked for a forecast, which stops nothing.

    Args:
        request: the activation, with its conditions.

    Raises:
        HelixError: a refusal, as of the activation itself; or the times are none.
    """
    window = core.window(at, not_after, store.clock())
    then = store._replace(clock=lambda: window[0])
    found = foresee(then, Action.ACTIVATE, request, request.ref)
    forecast = check(found)
    wanted = Scheduled(
        store.random(6).hex(),
        forecast.ref,
        *window,
        request.actor,
        expect=request.expect,
        reason=request.reason,
        overrides=request.overrides,
        registry=found.case.settings.id,
        specification_digest=found.case.subject.specification_digest,
    )
    with store.reading() as still:
        planned = (one.scheduled for one in waiting(still).waiting)  # a job that is run twice schedules once
        known = next((one for one in planned if one._replace(id=wanted.id) == wanted), None)
    act = ask.Schedule(forecast.ref, known or wanted, is_known=known is not None)
    return Scheduling(submit(store, request._replace(act=act)), act.scheduled, forecast)


def cancel(store: Store, request: ask.Request, name: str) -> Result:
    """Take an activation off the schedule, also one whose file was changed or deleted outside helixctl.

    Raises:
        NotFound: none of that id waits.
    """
    with store.reading() as still:
        found = next((one for one in waiting(still).waiting if one.scheduled.id == name), None)
        found = found or _logged(still, name)
    if found is None:
        raise NotFound(f"no activation {name!a} waits", hint="helixctl schedule list shows what does")
    return submit(store, request._replace(act=ask.Unschedule(found.scheduled.ref, *found, core.CANCELLED)))


def _logged(store: Store, name: str) -> Waiting | None:
    """Return what the log says of an activation whose file was changed or deleted, while it still waits."""
    from helixctl.core.audit import Actor, Filter
    from helixctl.storage import commit, ledger

    for entry in store.entries(Filter(actions=("deployment.scheduled",))):
        data = entry["data"]
        if data.get("schedule") != name:
            continue
        span = times.parse_instant(data["at"]), times.parse_instant(data["not_after"])
        one = Scheduled(name, Ref(entry["model"], entry["version"]), *span, Actor(**entry["actor"]))
        with closing(ledger.load(store.root)) as book:
            row = book.logged(one.path)
        if row and row.after:
            return Waiting(one, commit.digest_of(os.path.join(store.root, one.path)))
    return None


def due(store: Store, request: ask.Request, now: datetime) -> Iterator[Result | HelixError]:
    """Make the activations whose time has come, and yield what became of each.

    One that is denied or refused, or was missed, is over: it is not tried again.
    """
    with store.reading() as still:
        found = waiting(still)
    yield from found.broken
    for one in found.waiting:
        if one.scheduled.at <= now:
            yield from _fired(store, request, one, now)


def _fired(store: Store, request: ask.Request, one: Waiting, now: datetime) -> Iterator[Result | HelixError]:
    planned = one.scheduled
    request = request._replace(reason=planned.reason)
    try:
        why = f"no sweep ran until {times.short(planned.not_after)}" if now > planned.not_after else None
        if why is None:
            result = _tried(store, request, one)
            if isinstance(result, str):
                why = result
            else:
                yield result
                why = None if result.allowed else "policy denied it"
        if why is not None:
            yield submit(store, request._replace(act=ask.Unschedule(planned.ref, *one, why)))
    except Changed:  # another sweep, or whoever cancelled it, was faster
        return
    except (Damaged, Drift) as error:  # trouble with one model does not stop the others; it waits on
        yield error


def _tried(store: Store, request: ask.Request, one: Waiting) -> Result | str:
    """Make an activation, or return why it can never be made."""
    planned = one.scheduled
    act = ask.Fire(planned.ref, *one)
    try:
        return submit(store, request._replace(act=act, expect=planned.expect, overrides=planned.overrides))
    except ENDING as error:
        return error.message
