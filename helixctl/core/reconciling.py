"""What a merge left of a model, settled: one version in service, and each file as one side had it."""

from __future__ import annotations

from helixctl.core import record as codec
from helixctl.core import request as ask
from helixctl.core.audit import Effect
from helixctl.core.lifecycle import Action, Status
from helixctl.core.plan import Plan, effect_of
from helixctl.core.record import Record
from helixctl.core.snapshot import Snapshot
from helixctl.core.transitions import succeeded
from helixctl.errors import NotFound, Unconfirmed, Usage


def reconcile(act: ask.Reconcile, now: Snapshot) -> Plan:
    """Take the chosen bytes, and leave one version active and one canary."""
    chosen = {version: codec.decode(raw) for version, raw in act.chosen.items()}
    records = {**now.records, **chosen}
    if not records:
        raise NotFound(f"{now.model} is not registered", hint="helixctl list shows what there is")
    mended = dict(chosen)
    effects = [*_served(act, now, records, mended), *_canaries(act, records, mended)]
    if not mended:
        return Plan(Action.RECONCILE, None)
    subject = records.get(act.ref.version or "") or next(iter(mended.values()))
    after = mended.get(subject.version, subject)
    own = Effect("registry.reconciled", now.model, subject.version, subject.status, after.status)
    others = [
        effect_of("version.updated", one)
        for version, one in chosen.items()
        if version != subject.version and all(effect.version != version for effect in effects)
    ]
    data = {"kept": act.ref.version, "accepted": sorted(act.accepted)}
    return Plan(Action.RECONCILE, subject, tuple(mended.values()), (own, *effects, *others), data)


def _held(records: dict[str, Record], status: Status) -> list[Record]:
    held = [one for one in records.values() if one.status is status]
    return held if len(held) > 1 else []


def _served(act: ask.Reconcile, now: Snapshot, records: dict[str, Record], mended: dict[str, Record]) -> list[Effect]:
    """Let the kept version be the one activated last, and the others its predecessors."""
    held = _held(records, Status.ACTIVE)
    if not held:
        return []
    names = ", ".join(sorted(one.version for one in held))
    if act.ref.version is None:
        raise Unconfirmed(f"{now.model} has {len(held)} active versions: {names}", hint=f"add --keep {held[0].ref}")
    kept = next((one for one in held if one.version == act.ref.version), None)
    if kept is None:
        raise Usage(f"{act.ref} is not active: the active versions are {names}", hint=f"--keep {held[0].ref}")
    losers = sorted((one for one in held if one is not kept), key=_activated, reverse=True)
    mended[kept.version] = kept.with_lifecycle(activated_at=now.at, previous=losers[0].version)
    effects = []
    for loser, following in zip(losers, [*losers[1:], None], strict=True):
        left = succeeded(loser, kept.ref, now)
        mended[loser.version] = left.with_lifecycle(previous=following.version) if following else left
        name = "version.deprecated" if left.status is Status.DEPRECATED else "version.deactivated"
        effects.append(effect_of(name, loser, left))
    return effects


def _activated(record: Record) -> str:
    return str(record.lifecycle.get("activated_at", ""))


def _canaries(act: ask.Reconcile, records: dict[str, Record], mended: dict[str, Record]) -> list[Effect]:
    held = _held(records, Status.CANARY)
    if not held:
        return []
    kept = next((one for one in held if one.version == act.ref.version), None)
    if kept is None:
        names = ", ".join(sorted(one.version for one in held))
        fact = f"{held[0].ref.model} has {len(held)} canary versions: {names}"
        raise Unconfirmed(fact, hint=f"add --keep {held[0].ref}")
    effects = []
    for loser in held:
        if loser is not kept:
            mended[loser.version] = loser.with_lifecycle(status=Status.INACTIVE, canary_weight=None)
            effects.append(effect_of("canary.ended", loser, mended[loser.version]))
    return effects
