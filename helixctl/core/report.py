"""The log of a period as a report: what happened, what served, who agreed, and the team's figures, each with its n."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any, NamedTuple

from helixctl.core import times
from helixctl.core.names import ordered

Entry = Mapping[str, Any]
Row = dict[str, Any]
_VERDICTS = ("passed", "warning", "failed", "inconclusive")


class Figure(NamedTuple):
    """A figure, None where it was not measured, and what it was taken over."""

    value: float | None
    unit: str
    n: int


class Report(NamedTuple):
    """All that a report says of the log; rows are as JSON output carries them."""

    since: str
    until: str
    model: str | None
    entries: int
    counts: dict[str, dict[str, int]]
    in_service: tuple[Row, ...]
    activations: tuple[Row, ...]
    approvals: tuple[Row, ...]
    overrides: tuple[Row, ...]
    denied: tuple[Row, ...]
    evaluations: tuple[Row, ...]
    figures: dict[str, Figure]


class Reporter:
    """Takes entries ascending from the log's first on, and reports those of a period: at `since` or later, before `until`.

    Args:
        model: only what touches this model.
    """

    def __init__(self, since: datetime | None, until: datetime, model: str | None = None) -> None:
        self.since, self.until, self.model = times.stamp(since) if since else "", times.stamp(until), model
        self.first, self.entries = "", 0
        self.counts = {name: Counter[str]() for name in ("action", "severity", "model", "actor")}
        self.serving: dict[tuple[str, str], str] = {}
        self.in_service: list[Row] = []
        self.activations: list[Row] = []
        self.approvals: list[Row] = []
        self.overrides: dict[str, Row] = {}
        self.denied: list[Row] = []
        self.evaluations: list[Row] = []
        self.deprecated: dict[tuple[str, str], str] = {}
        self.restores: list[float] = []
        self.retirements: list[float] = []
        self.rollbacks = self.failures = self.downgrades = 0

    def add(self, entry: Entry) -> None:
        """Take in one entry."""
        effects = [one for one in entry["effects"] if self.model in (None, one["model"])]
        if entry["ts"] >= self.until or (self.model and not effects and entry["model"] != self.model):
            return
        self.first = self.first or entry["ts"]
        is_reported = entry["ts"] >= self.since
        if is_reported:
            self._count(entry, effects)
            self._attempt(entry)
        for effect in effects:
            self._approve(entry, effect, is_reported=is_reported)
            self._move(entry, effect, is_reported=is_reported)

    def _count(self, entry: Entry, effects: Sequence[Entry]) -> None:
        self.entries += 1
        self.counts["action"].update([one["action"] for one in effects] or [entry["action"]])
        self.counts["severity"][entry["severity"]] += 1
        self.counts["actor"][entry["actor"]["id"]] += 1
        self.counts["model"].update({one["model"] for one in (*effects, entry) if one["model"]})

    def _attempt(self, entry: Entry) -> None:
        decision = entry["data"].get("decision") or {}
        if entry["outcome"] == "denied":
            blocking = ("fail", "inconclusive", "error")
            rules = [one["rule"] for one in decision.get("findings", ()) if one["outcome"] in blocking]
            self.denied.append({**_head(entry, entry), "action": entry["action"], "rules": rules})
        if entry["action"] == "deployment.failed":
            self.failures += 1
        if entry["action"] in ("evaluation.completed", "evaluation.failed"):
            data = {key: entry["data"].get(key) for key in ("verdict", "samples", "proven", "violated")}
            self.evaluations.append({**_head(entry, entry), **data})

    def _approve(self, entry: Entry, effect: Entry, *, is_reported: bool) -> None:
        action = effect["action"]
        if action.startswith("approval."):
            row = {**_head(entry, effect), "action": action, "is_reported": is_reported}
            self.approvals.append(row)
        elif action == "override.used" and is_reported:
            rules = (entry["data"].get("decision") or {}).get("overrides", [])
            row = {**_head(entry, effect), "rules": rules, "reason": entry["reason"], "entry": entry["id"]}
            self.overrides[entry["id"]] = {**row, "reviewed_by": None, "reviewed_at": None}
        elif action == "override.reviewed" and entry["data"].get("entry") in self.overrides:
            reviewed = {"reviewed_by": entry["actor"]["id"], "reviewed_at": entry["ts"]}
            self.overrides[entry["data"]["entry"]] |= reviewed

    def _move(self, entry: Entry, effect: Entry, *, is_reported: bool) -> None:
        version, action, at = (effect["model"], effect["version"]), effect["action"], entry["ts"]
        if None in version:
            return
        if action == "version.deprecated" and effect["to"] == "deprecated":
            self.deprecated[version] = at
        if action == "version.retired" and is_reported and version in self.deprecated:
            self.retirements.append(_hours(self.deprecated[version], at) / 24)
        if action == "version.rolled_back":
            self._roll_back(entry, effect, is_reported=is_reported)
        elif action == "version.activated" and is_reported:
            self._activate(entry, effect)
        if effect["from"] == "active" != effect["to"] and version in self.serving:
            self._served(version, self.serving.pop(version), at)
        if effect["to"] == "active" and version not in self.serving:
            self.serving[version] = at

    def _activate(self, entry: Entry, effect: Entry) -> None:
        model, version = effect["model"], effect["version"]
        replaced = [other for of, other in self.serving if of == model and other != version]
        self.downgrades += any(ordered(other) > ordered(version) for other in replaced)
        approvers = self._approvers(f"{model}@{version}")
        row = {**_head(entry, effect), "approvers": approvers, "rolled_back": False}
        row["four_eyes"] = any(one != entry["actor"]["id"] for one in approvers)
        self.activations.append(row)

    def _approvers(self, ref: str) -> list[str]:
        given = dict.fromkeys(
            row["by"] for row in self.approvals if row["ref"] == ref and row["action"].endswith("granted")
        )
        taken = {row["by"] for row in self.approvals if row["ref"] == ref and row["action"].endswith("withdrawn")}
        return [who for who in given if who not in taken]

    def _roll_back(self, entry: Entry, effect: Entry, *, is_reported: bool) -> None:
        left = entry["data"].get("left")
        ref = f"{effect['model']}@{left}"
        for row in reversed(self.activations):
            if row["ref"] == ref:
                row["rolled_back"] = True
                break
        if is_reported:
            self.rollbacks += 1
            began = self.serving.get((effect["model"], str(left)))
            self.restores += [_hours(began, entry["ts"])] if began else []

    def _served(self, version: tuple[str, str], began: str, ended: str | None) -> None:
        if ended is None or ended > self.since:
            row = {"ref": "@".join(version), "from": began, "to": ended, "began_before": began < self.since}
            self.in_service.append(row)

    def report(self) -> Report:
        """Return the report of what was added."""
        for version, began in sorted(self.serving.items()):
            self._served(version, began, None)
        approvals = tuple(
            {key: row[key] for key in ("ref", "at", "by", "action")} for row in self.approvals if row["is_reported"]
        )
        return Report(
            self.since or self.first or self.until,
            self.until,
            self.model,
            self.entries,
            {name: dict(sorted(counter.items())) for name, counter in self.counts.items()},
            tuple(sorted(self.in_service, key=lambda row: (row["ref"], row["from"]))),
            tuple(self.activations),
            approvals,
            tuple(self.overrides.values()),
            tuple(self.denied),
            tuple(self.evaluations),
            self._figures(),
        )

    def _figures(self) -> dict[str, Figure]:
        activated, judged = len(self.activations), len(self.evaluations)
        weeks = _hours(self.since or self.first or self.until, self.until) / 168
        failed = sum(row["rolled_back"] for row in self.activations) + self.failures
        kept = sum(not row["violated"] for row in self.evaluations)
        verdicts = Counter(row["verdict"] for row in self.evaluations)
        return {
            "deployments": _ratio(activated, weeks, "per week", activated),
            "rollbacks": _ratio(self.rollbacks, weeks, "per week", self.rollbacks),
            "time_to_restore": _median(self.restores, "hours"),
            "failed_deployments": _ratio(failed, activated + self.failures, "share"),
            "deprecation_to_retirement": _median(self.retirements, "days"),
            "unplanned_downgrades": Figure(self.downgrades, "count", activated),
            **{f"verdict_{one}": _ratio(verdicts[one], judged, "share") for one in _VERDICTS},
            "threshold_compliance": _ratio(kept, judged, "share"),
        }


def _head(entry: Entry, about: Entry) -> Row:
    ref = f"{about['model']}@{about['version']}" if about["version"] else about["model"]
    return {"ref": ref, "at": entry["ts"], "by": entry["actor"]["id"]}


def _hours(since: str, until: str) -> float:
    return (times.parse_instant(until) - times.parse_instant(since)) / timedelta(hours=1)


def _ratio(count: int, over: float, unit: str, n: int | None = None) -> Figure:
    return Figure(round(count / over, 4) if over else None, unit, int(over) if n is None else n)


def _median(values: Sequence[float], unit: str) -> Figure:
    return Figure(round(median(values), 2) if values else None, unit, len(values))
