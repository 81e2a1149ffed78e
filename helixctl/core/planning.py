"""What a request would change: one pure case for each kind of request.

A plan holds all the records of one transaction and the effects that the log will name, its own action first. A plan
without effects changes nothing: what was asked for is so already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from types import MappingProxyType
from typing import Any, NamedTuple, assert_never

from helixctl.core import request as ask
from helixctl.core import times
from helixctl.core.audit import Effect
from helixctl.core.edit import edited
from helixctl.core.lifecycle import REACHED_BY, Action, Status, can_move
from helixctl.core.names import Ref, same_version
from helixctl.core.record import Record
from helixctl.core.request import Request
from helixctl.core.snapshot import Snapshot
from helixctl.errors import (
    Changed,
    Drift,
    Duplicate,
    HelixError,
    IllegalTransition,
    NothingToRestore,
    Unexpected,
    Usage,
)


class Plan(NamedTuple):
    """What would change.

    Args:
        action: the word that policy knows; None for what policy does not judge (evaluations, warnings).
        subject: the version that policy looks at, as it would be asked about.
        records: the new records, to be written in one transaction.
        outcome: failed only for an evaluation whose verdict is failed.
        undo: the command that takes the change back, where there is one.
    """

    action: Action | None
    subject: Record
    records: tuple[Record, ...] = ()
    effects: tuple[Effect, ...] = ()
    data: Mapping[str, Any] = MappingProxyType({})
    outcome: str = "success"
    undo: str | None = None
    note: str | None = None


def plan(request: Request, now: Snapshot) -> Plan:
    """Return what the request would change.

    Raises:
        HelixError: a refusal: not found, no such transition, duplicate, drift, `--expect` not met, nothing to restore.
    """
    act = request.act._replace(ref=now.resolve(request.ref)) if request.ref.version else request.act
    request = request._replace(act=act)
    _expected(request, now)
    planned = _plan(request, now)
    for record in planned.records:
        drift = now.drifted.get(record.version)
        if drift and not isinstance(request.act, ask.Adopt):
            raise Drift(
                f"{record.ref} was changed outside helixctl: {drift}",
                path=f"models/{now.model}/{record.version}.toml",
                hint=f"helixctl adopt {record.ref} --reason '...', or restore the file from git",
            )
    return planned


def _plan(request: Request, now: Snapshot) -> Plan:
    match request.act:
        case ask.Register():
            return _register(request.act, request, now)
        case ask.Update():
            return _update(request.act, now)
        case ask.Adopt():
            return _adopt(request.act, now)
        case ask.Move():
            return _move(request.act, request, now)
        case ask.Rollback():
            return _rollback(request.act, request, now)
        case ask.Deprecate():
            return _deprecate(request.act, request, now)
        case ask.Retire():
            return _retire(request.act, now)
        case ask.Block():
            return _block(request.act, request, now)
        case ask.Warn():
            return _warn(request.act, now)
        case ask.Evaluate():
            return _evaluate(request.act, now)
        case ask.Observe():
            return _observe(request.act, now)
        case never:
            assert_never(never)


def _expected(request: Request, now: Snapshot) -> None:
    if request.expect is None:
        return
    if request.expect in set(Status):
        target = now.active if isinstance(request.act, ask.Rollback) else now.records.get(request.ref.version or "")
        found = str(target.status) if target else "not registered"
    else:
        found = now.active.version if now.active else "none"
    if found != request.expect:
        fact = f"expected {request.expect}, found {found}"
        raise Unexpected(f"{request.ref}: {fact}", hint=f"helixctl show {request.ref} tells what it is now")


def _effect(action: str, before: Record, after: Record | None = None) -> Effect:
    target = (after or before).status
    return Effect(action, before.ref.model, before.version, before.status, target)


def _digests(record: Record) -> dict[str, Any]:
    return {"digests": {"specification": record.specification_digest, "serving": record.serving_digest}}


def _register(act: ask.Register, request: Request, now: Snapshot) -> Plan:
    for version in now.records:
        if same_version(version, act.ref.version or ""):
            fact = f"{now.model}@{version} is registered already"
            detail = (
                "" if version == act.ref.version else f", and {act.ref.version} equals it in precedence or but for case"
            )
            raise Duplicate(fact + detail, hint=f"helixctl update {now.model}@{version}, or choose a higher version")
    lifecycle = {"status": Status.INACTIVE, "registered_at": request.at}
    record = Record(act.source, act.spec, lifecycle)
    effect = Effect("version.registered", now.model, act.ref.version, None, Status.INACTIVE)
    data = {"provider": act.spec["provider"], **_digests(record)}
    return Plan(Action.REGISTER, record, (record,), (effect,), data)


def _respecified(before: Record, after: Record, logged_serving: str | None) -> Record:
    """Return the record after a change of its specification, back to inactive where it was being tested."""
    if logged_serving == after.serving_digest:
        return after
    match before.status:
        case Status.INACTIVE | Status.TESTING:
            return after.with_lifecycle(status=Status.INACTIVE, testing_since=None)
        case status:
            raise IllegalTransition(
                f"{before.ref} is {status}: what it serves cannot change under its name",
                hint="register a new version with these values",
            )


def _update(act: ask.Update, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    _not_retired(before, "changed")
    source, spec = edited(before.source, before.spec, act.values)
    if spec == before.spec:
        return Plan(Action.UPDATE, before)
    after = _respecified(before, replace(before, source=source, spec=spec), before.serving_digest)
    effects = [_effect("version.updated", before, after)]
    if any(key.startswith("thresholds") for key in act.values):
        effects.append(_effect("thresholds.updated", before, after))
    return Plan(Action.UPDATE, after, (after,), tuple(effects), {"keys": sorted(act.values), **_digests(after)})


def _adopt(act: ask.Adopt, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    drift = now.drifted.get(before.version)
    if drift is None:
        return Plan(Action.ADOPT, before)
    if drift != "specification":
        raise Drift(
            f"{before.ref} cannot be adopted: {drift}",
            path=f"models/{now.model}/{before.version}.toml",
            hint="adopt takes in values above [lifecycle] only; restore the file from git",
        )
    _not_retired(before, "changed")
    after = _respecified(before, before, now.logged_serving.get(before.version))
    return Plan(Action.ADOPT, after, (after,), (_effect("version.adopted", before, after),), _digests(after))


def _not_retired(record: Record, verb: str) -> None:
    if record.status is Status.RETIRED:
        raise IllegalTransition(
            f"{record.ref} is retired: it cannot be {verb}", hint="retired is final; register a new version"
        )


def _illegal(record: Record, target: Status) -> HelixError:
    steps = {Status.DEPRECATED: "deprecate", Status.RETIRED: "retire", Status.INACTIVE: "deactivate"}
    word = steps.get(target, f"become {target}")
    hint = "retired is final; register a new version" if record.status is Status.RETIRED else None
    if target is Status.DEPRECATED:
        hint = f"only an active version is deprecated; helixctl retire {record.ref} ends this one"
    elif hint is None:
        hint = f"helixctl show {record.ref} tells where it stands"
    return IllegalTransition(f"{record.ref} is {record.status}: it cannot {word}", hint=hint)


def _move(act: ask.Move, request: Request, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    action = REACHED_BY[act.to]
    if before.status is act.to:
        return Plan(action, before)
    if not can_move(before.status, act.to):
        raise _illegal(before, act.to)
    match act.to:
        case Status.ACTIVE:
            return _activate(before, request, now)
        case Status.CANARY:
            return _canary(act, before, now)
        case Status.TESTING:
            since = before.lifecycle.get("testing_since", request.at)
            after = before.with_lifecycle(status=Status.TESTING, testing_since=since, canary_weight=None)
            name = "canary.ended" if before.status is Status.CANARY else "version.promoted"
            return Plan(action, before, (after,), (_effect(name, before, after),))
        case _:
            if before.status is Status.DEPRECATED:
                fix = f"helixctl deprecate {before.ref} --cancel"
                raise IllegalTransition(f"{before.ref} is deprecated: it cannot be deactivated", hint=fix)
            after = before.with_lifecycle(status=Status.INACTIVE, canary_weight=None)
            name = "canary.ended" if before.status is Status.CANARY else "version.deactivated"
            return Plan(action, before, (after,), (_effect(name, before, after),))


def _canary(act: ask.Move, before: Record, now: Snapshot) -> Plan:
    holder = now.holder(Status.CANARY)
    if holder is not None:
        raise IllegalTransition(
            f"{now.model} has a canary already: {holder.ref}", hint=f"helixctl deactivate {holder.ref} ends it"
        )
    weight = act.canary_weight if act.canary_weight is not None else now.settings.canary_weight
    after = before.with_lifecycle(status=Status.CANARY, canary_weight=weight)
    undo = f"helixctl promote {before.ref} --to testing"
    effects = (_effect("canary.started", before, after),)
    return Plan(Action.CANARY, before, (after,), effects, {"weight": str(weight)}, undo=undo)


def _activate(before: Record, request: Request, now: Snapshot) -> Plan:
    previous = now.last_served
    after = before.with_lifecycle(
        status=Status.ACTIVE,
        activated_at=request.at,
        served_digest=before.serving_digest,
        previous=previous.version
        if previous and previous.version != before.version
        else before.lifecycle.get("previous"),
        canary_weight=None,
        deprecation=None,
    )
    records, effects = [after], [_effect("version.activated", before, after)]
    if before.status is Status.CANARY:
        effects.append(_effect("canary.ended", before, after))
    if now.active is not None:
        left = _succeeded(now.active, after.ref, request, now)
        records.append(left)
        name = "version.deprecated" if left.status is Status.DEPRECATED else "version.deactivated"
        effects.append(_effect(name, now.active, left))
    undo = f"helixctl rollback {now.model}" if now.active else f"helixctl deactivate {before.ref}"
    data = {"previous": after.lifecycle.get("previous")}
    return Plan(Action.ACTIVATE, before, tuple(records), tuple(effects), data, undo=undo)


def _succeeded(record: Record, successor: Ref, request: Request, now: Snapshot) -> Record:
    if not now.settings.deprecate_predecessor:
        return record.with_lifecycle(status=Status.INACTIVE)
    grace = now.settings.grace_days
    deprecation = {
        "announced_at": request.at,
        "end_of_life": request.at + timedelta(days=grace),
        "replacement": str(successor),
        "reason": f"succeeded by {successor}",
        "grace_period_days": grace,
        "allow_new_deployments": False,
        "source": "activation",
    }
    return record.with_lifecycle(status=Status.DEPRECATED, deprecation=deprecation)


def _rollback(act: ask.Rollback, request: Request, now: Snapshot) -> Plan:
    left = now.active
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
    blocked = {"at": request.at, "reason": request.reason or f"rolled back to {chosen.version}"}
    behind = left.with_lifecycle(status=Status.INACTIVE, blocked=blocked, last_blocked_at=request.at)
    restored = chosen.with_lifecycle(
        status=Status.ACTIVE, activated_at=request.at, canary_weight=None, deprecation=None
    )
    effects = [_effect("version.rolled_back", chosen, restored), _effect("version.blocked", left, behind)]
    if chosen.status is Status.CANARY:
        effects.append(_effect("canary.ended", chosen, restored))
    note = f"skipped: {'; '.join(skipped)}" if skipped and not act.to else None
    undo = f"helixctl unblock {left.ref} && helixctl activate {left.ref}"
    data = {"left": left.version, "skipped": skipped if not act.to else []}
    return Plan(Action.ROLLBACK, chosen, (restored, behind), tuple(effects), data, undo=undo, note=note)


def _deprecate(act: ask.Deprecate, request: Request, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    if act.cancel:
        return _cancel(before)
    if before.status is not Status.DEPRECATED and not can_move(before.status, Status.DEPRECATED):
        raise _illegal(before, Status.DEPRECATED)
    deprecation = _announcement(act, request, before, now)
    asked = act.end_of_life, act.grace_days, act.replacement, act.migration_guide, act.allow_new_deployments
    if before.status is Status.DEPRECATED and all(value is None for value in asked):
        return Plan(Action.DEPRECATE, before)
    after = before.with_lifecycle(status=Status.DEPRECATED, deprecation=deprecation)
    if after.lifecycle == before.lifecycle:
        return Plan(Action.DEPRECATE, before)
    ends = times.instant(after.deprecation["end_of_life"])
    if ends < request.at:
        fact = f"the end of life {ends:%Y-%m-%d} is before the announcement {request.at:%Y-%m-%d}"
        raise Usage(fact, hint="choose a later --eol")
    data = {
        "end_of_life": times.short(ends),
        "grace_period_days": deprecation.get("grace_period_days"),
        "replacement": deprecation.get("replacement"),
    }
    undo = f"helixctl deprecate {before.ref} --cancel"
    return Plan(Action.DEPRECATE, before, (after,), (_effect("version.deprecated", before, after),), data, undo=undo)


def _announcement(act: ask.Deprecate, request: Request, before: Record, now: Snapshot) -> dict[str, Any]:
    held = {"source": "operator", **before.deprecation}
    days = act.grace_days if act.grace_days is not None else now.settings.grace_days
    try:
        grace_end = request.at + timedelta(days=days)
    except OverflowError:
        raise Usage(f"{days} days of grace reach past the calendar", hint="choose fewer --grace-days") from None
    if act.end_of_life is not None:
        held |= {"end_of_life": act.end_of_life}
        held.pop("grace_period_days", None)
    elif act.grace_days is not None or "end_of_life" not in held:
        held |= {"end_of_life": grace_end, "grace_period_days": days}
    is_dated = act.end_of_life is not None or act.grace_days is not None
    values = {
        "announced_at": held.get("announced_at", request.at),
        "replacement": act.replacement,
        "reason": request.reason,
        "migration_guide": act.migration_guide,
        "allow_new_deployments": act.allow_new_deployments,
        "source": "operator" if is_dated else None,
    }
    held |= {key: value for key, value in values.items() if value is not None}
    held.setdefault("allow_new_deployments", False)
    return {key: held[key] for key in _DEPRECATION_ORDER if key in held}


_DEPRECATION_ORDER = (
    "announced_at",
    "end_of_life",
    "replacement",
    "reason",
    "migration_guide",
    "grace_period_days",
    "allow_new_deployments",
    "source",
)


def _cancel(before: Record) -> Plan:
    if before.status is Status.INACTIVE:
        return Plan(Action.DEPRECATE, before)
    if before.status is not Status.DEPRECATED:
        raise IllegalTransition(
            f"{before.ref} is {before.status}: there is no deprecation to cancel",
            hint=f"helixctl show {before.ref} tells where it stands",
        )
    after = before.with_lifecycle(status=Status.INACTIVE, deprecation=None)
    effect = _effect("version.deprecated", before, after)
    return Plan(Action.DEPRECATE, before, (after,), (effect,), {"cancelled": True})


def _retire(act: ask.Retire, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    ends = before.end_of_life
    if before.status is Status.RETIRED or (act.swept and act.swept != ends):
        return Plan(Action.RETIRE, before)
    after = before.with_lifecycle(status=Status.RETIRED, canary_weight=None)
    effects = [_effect("version.retired", before, after)]
    if before.status is Status.CANARY:
        effects.append(_effect("canary.ended", before, after))
    data = {"end_of_life": times.short(ends) if ends else None, "swept": act.swept is not None}
    return Plan(Action.RETIRE, before, (after,), tuple(effects), data)


def _block(act: ask.Block, request: Request, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    action = Action.BLOCK if act.blocked else Action.UNBLOCK
    if (before.blocked is not None) == act.blocked:
        return Plan(action, before)
    _not_retired(before, f"{action}ed")
    if not act.blocked:
        after = before.with_lifecycle(blocked=None)
        return Plan(action, before, (after,), (_effect("version.unblocked", before, after),))
    blocked = {"at": request.at, "reason": request.reason or "blocked by an operator"}
    after = before.with_lifecycle(blocked=blocked, last_blocked_at=request.at)
    effects = (_effect("version.blocked", before, after),)
    return Plan(action, before, (after,), effects, undo=f"helixctl unblock {before.ref}")


def _warn(act: ask.Warn, now: Snapshot) -> Plan:
    record = now.record(act.ref)
    past = {"past": str(record.status)} if act.days == 0 else {}
    data = {"end_of_life": times.short(act.end_of_life), "days": act.days, **past}
    return Plan(None, record, (), (_effect("eol.warned", record),), data)


def _evaluate(act: ask.Evaluate, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    if before.serving_digest != act.serving_digest:
        raise Changed(f"{before.ref} changed during the evaluation", hint="run the evaluation again")
    _not_retired(before, "evaluated")
    verdict = act.metrics["verdict"]
    scores = (before.metrics or {}).get("scores")
    metrics = {**act.metrics, "serving_digest": before.serving_digest, **({"scores": scores} if scores else {})}
    after = replace(before, metrics=metrics)
    failed = verdict == "failed"
    effects = [_effect("evaluation.failed" if failed else "evaluation.completed", before)]
    if act.violated:
        effects.append(_effect("threshold.violated", before))
    data = {
        "verdict": verdict,
        "proven": act.metrics["proven"],
        "samples": act.metrics["samples"],
        "violated": list(act.violated),
        "stats": act.stats_digest,
    }
    return Plan(None, before, (after,), tuple(effects), data, "failed" if failed else "success")


def _observe(act: ask.Observe, now: Snapshot) -> Plan:
    record = now.record(act.ref)
    effects = [_effect("metrics.updated", record)]
    if act.violated:
        effects.append(_effect("threshold.violated", record))
    if act.degraded:
        effects.append(_effect("quality.degraded", record))
    data = {
        "verdict": act.verdict,
        "samples": act.samples,
        "violated": list(act.violated),
        "stats": act.stats_digest,
    }
    return Plan(None, record, (), tuple(effects), data)
