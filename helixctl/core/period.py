"""Folding the log into the report of a period, entry by entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from helixctl.core import figures, times
from helixctl.core.figures import Figure
from helixctl.core.names import ordered
from helixctl.core.report import Activation, Approval, Denied, Evaluation, Override, Report, Rollback, Service

Entry = Mapping[str, Any]
Held = tuple[str, str]
VERDICTS = ("passed", "warning", "failed", "inconclusive")
_JUDGED = ("verdict", "samples", "proven")
_BLOCKING = ("fail", "inconclusive", "error")


def report(entries: Iterable[Entry], since: datetime, until: datetime, model: str | None = None) -> Report:
    """Return the report of a period: at `since` or later, and before `until`.

    Args:
        entries: ascending by (seq, hash), from the log's first on: what served at `since` began before it.
        model: only what touches this model.
    """
    fold = _Fold(times.stamp(since), times.stamp(until), model)
    for entry in entries:
        fold.add(entry)
    return fold.report()


@dataclass(slots=True)
class _Fold:
    """What was added so far: as large as there are versions, and rows to list."""

    since: str
    until: str
    model: str | None
    entries: int = 0
    failures: int = 0
    counts: dict[str, Counter[str]] = field(
        default_factory=lambda: {name: Counter() for name in ("action", "severity", "model", "actor")}
    )
    known: set[Held] = field(default_factory=set)
    serving: dict[str, dict[str, str | None]] = field(default_factory=dict)
    deprecated: dict[Held, str] = field(default_factory=dict)
    approved: dict[Held, dict[str, None]] = field(default_factory=dict)
    last: dict[Held, int] = field(default_factory=dict)
    in_service: list[Service] = field(default_factory=list)
    activations: list[Activation] = field(default_factory=list)
    rollbacks: list[Rollback] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    overrides: dict[str, Override] = field(default_factory=dict)
    denied: list[Denied] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    retirements: list[float] = field(default_factory=list)

    def add(self, entry: Entry) -> None:
        """Add one entry; a denied or failed attempt has no effects."""
        effects = [one for one in entry["effects"] if self.model in (None, one["model"])]
        if entry["ts"] >= self.until or not (effects or self.model in (None, entry["model"])):
            return
        is_reported = entry["ts"] >= self.since
        if is_reported:
            self._count(entry, effects or [entry])
            self._list(entry, effects)
        for effect in effects:
            self._approve(entry, effect)
            self._move(entry, effect, is_reported=is_reported)

    def _count(self, entry: Entry, deeds: Sequence[Entry]) -> None:
        self.entries += 1
        self.counts["action"].update([one["action"] for one in deeds])
        self.counts["severity"][entry["severity"]] += 1
        self.counts["actor"][entry["actor"]["id"]] += 1
        self.counts["model"].update({one["model"] for one in deeds if one["model"]})
        self.failures += any(one["action"] == "deployment.failed" for one in deeds)

    def _list(self, entry: Entry, effects: Sequence[Entry]) -> None:
        data, decision = entry["data"], _mapping(entry["data"].get("decision"))
        if entry["outcome"] == "denied":
            self.denied.append(
                Denied(*_head(entry, entry), entry["action"], tuple(_blocking(decision)), entry["reason"])
            )
        for effect in effects:
            head, action = _head(entry, effect), effect["action"]
            if action in ("evaluation.completed", "evaluation.failed"):
                violated, judged = _texts(data.get("violated")), [data.get(key) for key in _JUDGED]
                self.evaluations.append(Evaluation(*head, violated, *judged))
            elif action.startswith("approval."):
                self.approvals.append(Approval(*head, action, entry["reason"]))
            elif action == "override.used":
                rules = _texts(decision.get("overrides"))
                self.overrides[entry["id"]] = Override(*head, rules, entry["reason"], entry["id"])
            elif action == "override.reviewed":
                self._review(entry)
            elif action == "version.activated":
                self._activate(effect, head)
            elif action == "version.rolled_back":
                self._roll_back(entry, effect, head)

    def _review(self, entry: Entry) -> None:
        for value in entry["data"].values():
            for name in _texts(value if isinstance(value, list) else [value]):
                if name in self.overrides:
                    by = {"reviewed_by": entry["actor"]["id"], "reviewed_at": entry["ts"]}
                    self.overrides[name] = self.overrides[name]._replace(**by)

    def _activate(self, effect: Entry, head: tuple[str, str, str]) -> None:
        model, version = effect["model"], effect["version"]
        replaced = tuple(one for one in self.serving.get(model, ()) if one != version)
        approvers = tuple(self.approved.get((model, version), ()))
        four_eyes = any(one != head[2] for one in approvers) if approvers else None
        is_downgrade = any(_is_lower(version, one) for one in replaced)
        self.last[model, version] = len(self.activations)
        self.activations.append(Activation(*head, replaced, is_downgrade, approvers, four_eyes))

    def _roll_back(self, entry: Entry, effect: Entry, head: tuple[str, str, str]) -> None:
        model, left = effect["model"], next(iter(_texts([entry["data"].get("left")])), None)
        began = self.serving.get(model, {}).get(left) if left else None
        self.rollbacks.append(Rollback(*head, left, figures.hours(began, entry["ts"]), entry["reason"]))
        if left and (model, left) in self.last:
            place = self.last[model, left]
            self.activations[place] = self.activations[place]._replace(rolled_back=True)

    def _approve(self, entry: Entry, effect: Entry) -> None:
        held, who = (effect["model"], effect["version"]), entry["actor"]["id"]
        match effect["action"]:
            case "approval.granted":
                self.approved.setdefault(held, {})[who] = None
            case "approval.rejected" | "approval.withdrawn":
                self.approved.get(held, {}).pop(who, None)
            case "version.updated" | "version.adopted" if effect["action"] == entry["action"]:
                self.approved.pop(held, None)  # an approval is of one specification

    def _move(self, entry: Entry, effect: Entry, *, is_reported: bool) -> None:
        held, at = (effect["model"], effect["version"]), entry["ts"]
        origin, target = effect["from"], effect["to"]
        if None in held:
            return
        serving, is_known = self.serving.setdefault(held[0], {}), held in self.known
        if origin == "active" != target and (held[1] in serving or not is_known):
            self._served(held, serving.pop(held[1], None), at)
        elif target == "active":
            serving.setdefault(held[1], None if origin == "active" and not is_known else at)
        if origin != "deprecated" == target:
            self.deprecated[held] = at
        elif origin == "deprecated" != target:
            lasted = figures.hours(self.deprecated.pop(held, None), at)
            if target == "retired" and is_reported and lasted is not None:
                self.retirements.append(lasted / 24)
        self.known.add(held)

    def _served(self, held: Held, began: str | None, ended: str | None) -> None:
        if ended is None or ended > self.since:
            began_before = began is None or began < self.since
            self.in_service.append(Service("@".join(held), began, ended, began_before))

    def report(self) -> Report:
        """Return the report of what was added."""
        for model, versions in self.serving.items():
            for version, began in versions.items():
                self._served((model, version), began, None)
        return Report(
            self.since,
            self.until,
            self.model,
            self.entries,
            {name: dict(sorted(counter.items())) for name, counter in self.counts.items()},
            tuple(sorted(self.in_service, key=lambda row: (row.ref, row.since or ""))),
            tuple(self.activations),
            tuple(self.rollbacks),
            tuple(self.approvals),
            tuple(self.overrides.values()),
            tuple(self.denied),
            tuple(self.evaluations),
            self._figures(),
        )

    def _figures(self) -> dict[str, Figure]:
        hours, tried = figures.hours(self.since, self.until) or 0, len(self.activations)
        moves = tried + len(self.rollbacks)
        restores = [row.hours for row in self.rollbacks if row.hours is not None]
        failed = [*(row.rolled_back for row in self.activations), *([True] * self.failures)]
        conclusive = [row for row in self.evaluations if row.verdict != "inconclusive"]
        return {
            "deployments": figures.rate(tried, hours, moves),
            "rollbacks": figures.rate(len(self.rollbacks), hours, moves),
            "time_to_restore": figures.middle(restores, "hours"),
            "failed_deployments": figures.share(failed),
            "deprecation_to_retirement": figures.middle(self.retirements, "days"),
            "unplanned_downgrades": figures.count(sum(row.is_downgrade for row in self.activations), tried),
            "four_eyes": figures.share(row.four_eyes is True for row in self.activations),
            "overrides_reviewed": figures.share(row.reviewed_by is not None for row in self.overrides.values()),
            **{f"verdict_{one}": figures.share(row.verdict == one for row in self.evaluations) for one in VERDICTS},
            "threshold_compliance": figures.share(not row.violated for row in conclusive),
        }


def _head(entry: Entry, about: Entry) -> tuple[str, str, str]:
    ref = f"{about['model']}@{about['version']}" if about["version"] else about["model"]
    asked = _texts([entry["data"].get("scheduled_by")])  # whoever swept only made it
    return ref, entry["ts"], asked[0] if asked else entry["actor"]["id"]


def _is_lower(version: str, other: str) -> bool:
    try:
        return bool(ordered(version) < ordered(other))
    except ValueError:  # a log can hold any text
        return False


def _blocking(decision: Entry) -> Iterator[str]:
    findings = decision.get("findings")
    for one in findings if isinstance(findings, list) else ():
        if _mapping(one).get("outcome") in _BLOCKING and one.get("enforcement") != "advisory":
            yield str(one.get("rule"))


def _mapping(value: Any) -> Entry:
    return value if isinstance(value, dict) else {}


def _texts(value: Any) -> tuple[str, ...]:
    """Return the texts of a list: `data` holds what another version of the program wrote."""
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()
