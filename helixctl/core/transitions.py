"""What the steps of the lifecycle would change: one pure case for each."""

from __future__ import annotations

from datetime import timedelta
from itertools import takewhile
from typing import Any

from helixctl.core import request as ask
from helixctl.core import times
from helixctl.core.lifecycle import IN_SERVICE, REACHED_BY, Action, Status, can_move
from helixctl.core.names import Ref
from helixctl.core.plan import Plan, effect_of, refuse_drift, refuse_retired
from helixctl.core.record import Record
from helixctl.core.request import Request
from helixctl.core.snapshot import Snapshot
from helixctl.errors import HelixError, IllegalTransition, NothingToRestore, Usage


def _illegal(record: Record, target: Status) -> HelixError:
    steps = {Status.DEPRECATED: "be deprecated", Status.RETIRED: "be retired", Status.INACTIVE: "be deactivated"}
    word = steps.get(target, f"become {target}")
    hint = "retired is final; register a new version" if record.status is Status.RETIRED else None
    if target is Status.DEPRECATED:
        hint = f"only an active version is deprecated; helixctl retire {record.ref} ends this one"
    elif hint is None:
        hint = f"helixctl show {record.ref} tells where it stands"
    return IllegalTransition(f"{record.ref} is {record.status}: it cannot {word}", hint=hint)


def move(act: ask.Move, request: Request, now: Snapshot) -> Plan:
    """Bring a version to testing, canary, active or inactive."""
    before = now.record(act.ref)
    action = REACHED_BY[act.to]
    if before.status is act.to:
        return _reweighted(act, before) if act.canary_weight is not None else Plan(action, before)
    if not can_move(before.status, act.to):
        raise _illegal(before, act.to)
    for status in (Status.ACTIVE, act.to) if act.to in IN_SERVICE else ():
        refuse_drift(now.displaced.get(status, ()), now)
    match act.to:
        case Status.ACTIVE:
            return _activate(before, now)
        case Status.CANARY:
            return _canary(act, before, now)
        case Status.TESTING:
            since = before.lifecycle.get("testing_since", now.at)
            after = before.with_lifecycle(status=Status.TESTING, testing_since=since, canary_weight=None)
            name = "canary.ended" if before.status is Status.CANARY else "version.promoted"
            return Plan(action, before, (after,), (effect_of(name, before, after),))
        case _:
            if before.status is Status.DEPRECATED:
                fix = f"helixctl deprecate {before.ref} --cancel"
                raise IllegalTransition(f"{before.ref} is deprecated: it cannot be deactivated", hint=fix)
            after = before.with_lifecycle(status=Status.INACTIVE, canary_weight=None)
            name = "canary.ended" if before.status is Status.CANARY else "version.deactivated"
            return Plan(action, before, (after,), (effect_of(name, before, after),))


def _reweighted(act: ask.Move, before: Record) -> Plan:
    after = before.with_lifecycle(canary_weight=act.canary_weight)
    if after == before:
        return Plan(Action.CANARY, before)
    data = {"weight": str(act.canary_weight)}
    return Plan(Action.CANARY, before, (after,), (effect_of("canary.started", before, after),), data)


def _canary(act: ask.Move, before: Record, now: Snapshot) -> Plan:
    holder = now.holder(Status.CANARY)
    if holder is not None:
        raise IllegalTransition(
            f"{now.model} has a canary already: {holder.ref}", hint=f"helixctl deactivate {holder.ref} ends it"
        )
    weight = act.canary_weight if act.canary_weight is not None else now.settings.canary_weight
    after = before.with_lifecycle(status=Status.CANARY, canary_weight=weight)
    undo = f"helixctl promote {before.ref} --to testing"
    effects = (effect_of("canary.started", before, after),)
    return Plan(Action.CANARY, before, (after,), effects, {"weight": str(weight)}, undo=undo)


def _activate(before: Record, now: Snapshot) -> Plan:
    previous = now.last_served
    after = before.with_lifecycle(
        status=Status.ACTIVE,
        activated_at=now.at,
        served_digest=before.serving_digest,
        previous=previous.version
        if previous and previous.version != before.version
        else before.lifecycle.get("previous"),
        canary_weight=None,
        deprecation=None,
    )
    records, effects = {after.version: after}, [effect_of("version.activated", before, after)]
    if before.status is Status.CANARY:
        effects.append(effect_of("canary.ended", before, after))
    leading = _leading_past(before, now)
    if leading is not None:
        records[leading.version] = leading
    if now.active is not None:
        left = succeeded(records.get(now.active.version, now.active), after.ref, now)
        records[left.version] = left
        name = "version.deprecated" if left.status is Status.DEPRECATED else "version.deactivated"
        effects.append(effect_of(name, now.active, left))
    if leading is not None and leading.status is not Status.ACTIVE:
        effects.append(effect_of("version.updated", leading))
    undo = f"helixctl rollback {now.model}" if now.active else f"helixctl deactivate {before.ref}"
    data = {"previous": after.lifecycle.get("previous")}
    return Plan(Action.ACTIVATE, before, tuple(records.values()), tuple(effects), data, undo=undo)


def _leading_past(before: Record, now: Snapshot) -> Record | None:
    """Return the record whose `previous` is a version that serves again, leading past it: none stands twice in the chain."""
    last = now.last_served
    for record in (last, *(now.records.get(version) for version in now.predecessors(last))):
        if record is not None and record.lifecycle.get("previous") == before.version:
            return record.with_lifecycle(previous=before.lifecycle.get("previous"))
    return None


def succeeded(record: Record, successor: Ref, now: Snapshot) -> Record:
    """Return the version that another takes over from: deprecated with its grace, or inactive, as configured."""
    if not now.settings.deprecate_predecessor:
        return record.with_lifecycle(status=Status.INACTIVE)
    grace = now.settings.grace_days
    deprecation = {
        "announced_at": now.at,
        "end_of_life": now.at + timedelta(days=grace),
        "replacement": str(successor),
        "reason": f"succeeded by {successor}",
        "grace_period_days": grace,
        "allow_new_deployments": False,
        "source": "activation",
    }
    return record.with_lifecycle(status=Status.DEPRECATED, deprecation=deprecation)


def rollback(act: ask.Rollback, request: Request, now: Snapshot) -> Plan:
    """Return a model to the version that served before, or to a chosen one; block the one left behind."""
    left = now.active
    if left is None:
        refuse_drift(now.displaced.get(Status.ACTIVE, ()), now)
    chosen = now.record(Ref(now.model, act.to)) if act.to else now.restorable()
    if left is None:
        raise NothingToRestore(
            f"{now.model} has no active version to roll back from", hint=f"helixctl activate {chosen.ref}"
        )
    why = now.not_restorable(chosen.version)
    if why:
        raise NothingToRestore(
            f"{chosen.ref} {why}: a rollback cannot restore it", hint=f"helixctl history {now.model}"
        )
    passed = takewhile(lambda version: version != chosen.version, now.predecessors())
    skipped = [f"{version} {now.not_restorable(version)}" for version in passed]
    blocked = {"at": now.at, "reason": request.reason or f"rolled back to {chosen.version}"}
    behind = left.with_lifecycle(status=Status.INACTIVE, blocked=blocked, last_blocked_at=now.at)
    restored = chosen.with_lifecycle(status=Status.ACTIVE, activated_at=now.at, canary_weight=None, deprecation=None)
    effects = [effect_of("version.rolled_back", chosen, restored), effect_of("version.blocked", left, behind)]
    if chosen.status is Status.CANARY:
        effects.append(effect_of("canary.ended", chosen, restored))
    note = f"skipped: {'; '.join(skipped)}" if skipped and not act.to else None
    undo = " && ".join(f"helixctl {verb} {left.ref}" for verb in ("unblock", "evaluate", "activate"))
    data = {"left": left.version, "skipped": skipped if not act.to else []}
    return Plan(Action.ROLLBACK, chosen, (restored, behind), tuple(effects), data, undo=undo, note=note)


def deprecate(act: ask.Deprecate, request: Request, now: Snapshot) -> Plan:
    """Announce the end of a version in service, or cancel that."""
    before = now.record(act.ref)
    if act.cancel:
        return _cancel(before)
    if before.status is not Status.DEPRECATED and not can_move(before.status, Status.DEPRECATED):
        raise _illegal(before, Status.DEPRECATED)
    deprecation = _announcement(act, request, before, now)
    asked = act[1:-1]  # all that it can say but the version and cancel
    if before.status is Status.DEPRECATED and all(value is None for value in asked):
        return Plan(Action.DEPRECATE, before)
    after = before.with_lifecycle(status=Status.DEPRECATED, deprecation=deprecation)
    if after.lifecycle == before.lifecycle:
        return Plan(Action.DEPRECATE, before)
    ends = times.instant(after.deprecation["end_of_life"])
    if ends < now.at:
        fact = f"the end of life {ends:%Y-%m-%d} is before the announcement {now.at:%Y-%m-%d}"
        raise Usage(fact, hint="choose a later --eol")
    data = {
        "end_of_life": times.short(ends),
        "grace_period_days": deprecation.get("grace_period_days"),
        "replacement": deprecation.get("replacement"),
    }
    serves = before.status is Status.ACTIVE
    undo = None if serves else f"helixctl deprecate {before.ref} --cancel"
    note = f"{now.model} has no active version now" if serves else None
    effects = (effect_of("version.deprecated", before, after),)
    return Plan(Action.DEPRECATE, before, (after,), effects, data, undo=undo, note=note)


def _announcement(act: ask.Deprecate, request: Request, before: Record, now: Snapshot) -> dict[str, Any]:
    held = {"source": "operator", **before.deprecation}
    days = act.grace_days if act.grace_days is not None else now.settings.grace_days
    try:
        grace_end = now.at + timedelta(days=days)
    except OverflowError:
        raise Usage(f"{days} days of grace reach past the calendar", hint="choose fewer --grace-days") from None
    if act.end_of_life is not None:
        held |= {"end_of_life": act.end_of_life}
        held.pop("grace_period_days", None)
    elif act.grace_days is not None or "end_of_life" not in held:
        held |= {"end_of_life": grace_end, "grace_period_days": days}
    is_dated = act.end_of_life is not None or act.grace_days is not None
    values = {
        "announced_at": held.get("announced_at", now.at),
        "replacement": act.replacement,
        "reason": request.reason,
        "migration_guide": act.migration_guide,
        "allow_new_deployments": act.allow_new_deployments,
        "source": "operator" if is_dated else None,
    }
    held |= {key: value for key, value in values.items() if value is not None}
    return {"allow_new_deployments": False} | held


def _cancel(before: Record) -> Plan:
    if before.status is Status.INACTIVE:
        return Plan(Action.DEPRECATE, before)
    if before.status is not Status.DEPRECATED:
        raise IllegalTransition(
            f"{before.ref} is {before.status}: there is no deprecation to cancel",
            hint=f"helixctl show {before.ref} tells where it stands",
        )
    after = before.with_lifecycle(status=Status.INACTIVE, deprecation=None)
    effect = effect_of("version.deprecated", before, after)
    return Plan(Action.DEPRECATE, before, (after,), (effect,), {"cancelled": True})


def retire(act: ask.Retire, now: Snapshot) -> Plan:
    """End a version for good."""
    before = now.record(act.ref)
    ends = before.end_of_life
    if before.status is Status.RETIRED or (act.swept and act.swept != ends):
        return Plan(Action.RETIRE, before)
    if act.swept and before.binding_end_of_life != ends:  # kept as long as it is what a rollback restores
        refuse_drift((*now.displaced.get(Status.ACTIVE, ()), *now.predecessors()), now)
    after = before.with_lifecycle(status=Status.RETIRED, canary_weight=None)
    effects = [effect_of("version.retired", before, after)]
    if before.status is Status.CANARY:
        effects.append(effect_of("canary.ended", before, after))
    data = {"end_of_life": times.short(ends) if ends else None, "swept": act.swept is not None}
    return Plan(Action.RETIRE, before, (after,), tuple(effects), data)


def block(act: ask.Block, request: Request, now: Snapshot) -> Plan:
    """Bar a version from testing, canary and activation, or lift that."""
    before = now.record(act.ref)
    action = Action.BLOCK if act.blocked else Action.UNBLOCK
    if (before.blocked is not None) == act.blocked:
        return Plan(action, before)
    refuse_retired(before, f"{action}ed")
    if not act.blocked:
        after = before.with_lifecycle(blocked=None)
        return Plan(action, before, (after,), (effect_of("version.unblocked", before, after),))
    blocked = {"at": now.at, "reason": request.reason or "blocked by an operator"}
    after = before.with_lifecycle(blocked=blocked, last_blocked_at=now.at)
    effects = (effect_of("version.blocked", before, after),)
    return Plan(action, before, (after,), effects, undo=f"helixctl unblock {before.ref}")
