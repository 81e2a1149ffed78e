"""What a request would change: one pure case for each kind of request.

A plan holds all the records of one transaction and the effects that the log will name, its own action first. A plan
without effects changes nothing: what was asked for is so already.
"""

from __future__ import annotations

from typing import Any, assert_never

from helixctl.core import request as ask
from helixctl.core import times, transitions
from helixctl.core.audit import Effect
from helixctl.core.edit import edited
from helixctl.core.lifecycle import IN_SERVICE, Action, Status
from helixctl.core.names import parse_version, same_version
from helixctl.core.plan import Plan, effect_of, refuse_drift, refuse_retired
from helixctl.core.reconciling import reconcile
from helixctl.core.record import Record
from helixctl.core.request import Request
from helixctl.core.snapshot import Snapshot
from helixctl.errors import Changed, Drift, Duplicate, IllegalTransition, NotFound, Unexpected


def plan(request: Request, now: Snapshot) -> Plan:
    """Return what the request would change.

    Raises:
        HelixError: a refusal: not found, no such transition, duplicate, drift, `--expect` not met, nothing to restore.
    """
    if isinstance(request.act, ask.Attest | ask.Reconcile):
        _unchanged(request.act.heads, now)
        planned = _plan(request, now)
        settled = request.act.chosen if isinstance(request.act, ask.Reconcile) else ()
        relied = (*planned.records, planned.subject) if planned.records else ()
        refuse_drift((one.version for one in relied if one and one.version not in settled), now)  # no merge did that
        return planned
    _sound(request.act, now)
    act = request.act._replace(ref=now.resolve(request.ref)) if request.ref.version else request.act
    request = request._replace(act=act)
    _expected(request, now)
    planned = _plan(request, now)
    if not isinstance(request.act, ask.Adopt):
        is_so = () if planned.effects or not planned.subject else (planned.subject,)  # so says the file, not the log
        refuse_drift((one.version for one in (*planned.records, *is_so)), now)
    return planned


def _sound(act: ask.Act, now: Snapshot) -> None:
    """Refuse a model that is not there or damaged, or in which a merge left two versions in one place."""
    if now.damaged:
        raise now.damaged[0]
    if not now.records and not now.drifted and not isinstance(act, ask.Register):
        raise NotFound(f"{now.model} is not registered", hint="helixctl list shows what there is")
    mends = isinstance(act, ask.Move) and act.to is Status.INACTIVE
    for status in () if mends else IN_SERVICE:
        held = sorted(str(record.ref) for record in now.records.values() if record.status is status)
        if len(held) > 1:
            fact = f"{now.model} has {len(held)} {status} versions: {', '.join(held)}"
            raise Drift(fact, path=f"models/{now.model}", hint=f"helixctl reconcile {now.model} --keep {held[0]}")


def _unchanged(heads: tuple[str, ...], now: Snapshot) -> None:
    if heads != now.heads:
        raise Changed("the log grew while the command ran", hint="run it again")


def _plan(request: Request, now: Snapshot) -> Plan:
    match request.act:
        case ask.Register():
            return _register(request.act, now)
        case ask.Update():
            return _update(request.act, now)
        case ask.Adopt():
            return _adopt(request.act, now)
        case ask.Move():
            return transitions.move(request.act, request, now)
        case ask.Rollback():
            return transitions.rollback(request.act, request, now)
        case ask.Deprecate():
            return transitions.deprecate(request.act, request, now)
        case ask.Retire():
            return transitions.retire(request.act, now)
        case ask.Block():
            return transitions.block(request.act, request, now)
        case ask.Warn():
            return _warn(request.act, now)
        case ask.Reconcile():
            return reconcile(request.act, now)
        case ask.Schedule() | ask.Fire() | ask.Unschedule():
            return _scheduled(request.act, request, now)
        case act:
            return _noted(act, now)


def _scheduled(act: ask.Schedule | ask.Fire | ask.Unschedule, request: Request, now: Snapshot) -> Plan:
    from helixctl.core import schedule

    match act:
        case ask.Schedule():
            return schedule.schedule(act, request, now)
        case ask.Fire():
            return schedule.fire(act, request, now)
        case ask.Unschedule():
            return schedule.unschedule(act, now)
        case never:
            assert_never(never)


def _noted(act: ask.Evaluate | ask.Observe | ask.Attest | ask.State, now: Snapshot) -> Plan:
    match act:
        case ask.State():
            return _state(act, now)
        case ask.Evaluate():
            return _evaluate(act, now)
        case ask.Observe():
            return _observe(act, now)
        case ask.Attest():
            return _attest(act, now)
        case never:
            assert_never(never)


def _expected(request: Request, now: Snapshot) -> None:
    if request.expect is None:
        return
    if request.expect in set(Status):
        target = now.active if isinstance(request.act, ask.Rollback) else now.records.get(request.ref.version or "")
        found = str(target.status) if target else "not registered"
    else:
        parse_version(request.expect)
        found = now.active.version if now.active else "none"
    if found != request.expect:
        fact = f"expected {request.expect}, found {found}"
        raise Unexpected(f"{request.ref}: {fact}", hint=f"helixctl show {request.ref} tells what it is now")


def _digests(record: Record) -> dict[str, Any]:
    return {"digests": {"specification": record.specification_digest, "serving": record.serving_digest}}


def _register(act: ask.Register, now: Snapshot) -> Plan:
    if now.near:
        fact = f"model id {now.model!a} differs from {now.near!a} only by case"
        raise Duplicate(fact, hint="use the id that is there already")
    for version in (*now.records, *now.drifted):
        if same_version(version, act.ref.version or ""):
            refuse_drift({version} - now.records.keys(), now)  # its file was deleted
            fact = f"{now.model}@{version} is registered already"
            detail = (
                "" if version == act.ref.version else f", and {act.ref.version} equals it in precedence or but for case"
            )
            raise Duplicate(fact + detail, hint=f"helixctl update {now.model}@{version}, or choose a higher version")
    if not act.spec:  # it is only asked whether policy would allow it
        hint = "helixctl register with --dry-run asks about a version that is to come"
        raise NotFound(f"{act.ref} is not registered, and policy judges the values of a version", hint=hint)
    lifecycle = {"status": Status.INACTIVE, "registered_at": now.at}
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
    refuse_drift((before.version,), now)
    refuse_retired(before, "changed")
    source, spec = edited(before.source, act.values)
    if spec == before.spec:
        return Plan(Action.UPDATE, before)
    after = _respecified(before, before._replace(source=source, spec=spec), before.serving_digest)
    effects = [effect_of("version.updated", before, after)]
    if any(key.startswith("thresholds") for key in act.values):
        effects.append(effect_of("thresholds.updated", before, after))
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
    refuse_retired(before, "changed")
    after = _respecified(before, before, now.logged_serving.get(before.version))
    return Plan(Action.ADOPT, after, (after,), (effect_of("version.adopted", before, after),), _digests(after))


def _warn(act: ask.Warn, now: Snapshot) -> Plan:
    record = now.record(act.ref)
    past = {"past": str(record.status)} if act.days == 0 else {}
    data = {"end_of_life": times.short(act.end_of_life), "days": act.days, **past}
    return Plan(None, record, (), (effect_of("eol.warned", record),), data)


def _evaluate(act: ask.Evaluate, now: Snapshot) -> Plan:
    before = now.record(act.ref)
    if before.serving_digest != act.serving_digest:
        raise Changed(f"{before.ref} changed during the evaluation", hint="run the evaluation again")
    refuse_retired(before, "evaluated")
    from helixctl.core.case import outdated

    verdict = act.metrics["verdict"]
    earlier = {} if outdated(before) else before.metrics or {}
    scores = {**earlier.get("scores", {}), **act.metrics.get("scores", {})}
    metrics = {
        "evaluated_at": now.at,
        **act.metrics,
        "serving_digest": before.serving_digest,
        **({"scores": scores} if scores else {}),
    }
    after = before._replace(metrics=metrics)
    failed = verdict == "failed"
    effects = [effect_of("evaluation.failed" if failed else "evaluation.completed", before)]
    if act.violated:
        effects.append(effect_of("threshold.violated", before))
    data = {
        "verdict": verdict,
        "proven": act.metrics["proven"],
        "samples": act.metrics["samples"],
        "violated": list(act.violated),
        "stats": act.stats_digest,
        **act.compared,
    }
    from helixctl.core.evidence import path_of

    files = {path_of(before.ref, now.at, act.stats_digest): act.evidence or None, **dict.fromkeys(act.expired)}
    return Plan(None, before, (after,), tuple(effects), data, "failed" if failed else "success", files=files)


def _observe(act: ask.Observe, now: Snapshot) -> Plan:
    record = now.record(act.ref)
    effects = [effect_of("metrics.updated", record)]
    if act.violated:
        effects.append(effect_of("threshold.violated", record))
    if act.degraded:
        effects.append(effect_of("quality.degraded", record))
    data = {
        "verdict": act.verdict,
        "samples": act.samples,
        "violated": list(act.violated),
        "open": list(act.open),
        "stats": act.stats_digest,
        "serving": act.serving_digest,
    }
    return Plan(None, record, (), tuple(effects), data)


def _attest(act: ask.Attest, now: Snapshot) -> Plan:
    return Plan(None, None, (), (Effect(act.action, None, None),), act.data, files=act.files)


def _state(act: ask.State, now: Snapshot) -> Plan:
    from helixctl.core.statement import KINDS

    record, stated = now.record(act.ref), act.statement
    refuse_drift((record.version,), now)
    if stated.specification != record.specification_digest or abs(now.at - stated.at) > times.CLOCK_TOLERANCE:
        raise Changed(f"{record.ref} changed while the command ran", hint="look at it, and run the command again")
    if stated.kind == "approval":
        refuse_retired(record, "approved")
    known = {"statement": stated.id, "for": stated.action, "withdraws": stated.withdraws, "entry": stated.entry}
    data = {key: value for key, value in known.items() if value is not None}
    effects = (effect_of(KINDS[stated.kind].action, record),)
    undo = f"helixctl withdraw {record.ref} {stated.id}" if stated.kind in ("approval", "rejection") else None
    return Plan(None, record, (), effects, data, undo=undo, files=act.files, statement=stated)
