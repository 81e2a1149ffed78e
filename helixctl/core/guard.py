"""What a branch adds to the log, judged: every step is one that the lifecycle has, and policy allowed it, and still does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from helixctl.core import policy
from helixctl.core import request as ask
from helixctl.core.audit import Actor
from helixctl.core.facts import Fact, facts
from helixctl.core.integrity import Finding
from helixctl.core.lifecycle import REACHED_BY, Action, Status, can_move
from helixctl.core.names import Ref
from helixctl.core.notes import Note
from helixctl.core.snapshot import Snapshot
from helixctl.errors import Usage

_UNJUDGED = (
    *("evaluation.", "metrics.", "threshold", "quality.", "eol.", "audit.", "config.", "policy.", "deployment."),
    *("approval.", "override.reviewed"),
)
_FINDING = ("rule", "enforcement", "outcome", "message", "fix")
_BORN = {Status.INACTIVE, Status.DEPRECATED, Status.RETIRED}
_STEPS = (Action.TESTING, Action.CANARY, Action.ACTIVATE, Action.ROLLBACK)
_REACHED = (Status.TESTING, Status.CANARY, Status.ACTIVE)


class Guard:
    """Takes entries ascending by (seq, hash), and finds what helixctl would not have written."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.statuses: dict[Ref, str] = {}
        self.policies = {policy.built_in_digest()}
        self.moved: dict[Ref, tuple[Action, Mapping[str, Any]]] = {}
        self.touched: set[Ref] = set()
        self.newest = ""
        self.late: dict[str, tuple[int, int]] = {}
        self.facts: dict[tuple[str, str], Counter[str]] = {}

    def add(self, path: str, number: int, entry: Mapping[str, Any], *, is_new: bool) -> None:
        """Take in one entry; only new ones are judged."""
        self._take(facts(entry))
        self.policies |= {row["after"] for row in entry["changes"] if row["path"].startswith("policies/")}
        for effect in entry["effects"]:
            if effect["version"] is not None and effect["to"] is not None:
                self.statuses[Ref(effect["model"], effect["version"])] = effect["to"]
        if not is_new:
            self.newest = max(self.newest, entry["ts"])
        else:
            self._judge(path, number, entry)

    def begin(self, note: Note) -> None:
        """Take in what a tombstone keeps of entries that are not there."""
        self._take(note.facts)
        self.policies |= {row.after for path, row in note.files.items() if path.startswith("policies/") and row.after}

    def _take(self, told: Iterable[Fact]) -> None:
        for kind, key, value in told:
            self.facts.setdefault((kind, key), Counter())[value] += 1

    def _judge(self, path: str, number: int, entry: Mapping[str, Any]) -> None:
        if entry["ts"] < self.newest:
            first, many = self.late.get(path, (number, 0))
            self.late[path] = first, many + 1
        effects = [effect for effect in entry["effects"] if effect["version"] is not None]
        for effect in effects:
            self.touched.add(Ref(effect["model"], effect["version"]))
            if not _is_legal(effect["from"], effect["to"]):
                fact = f"{effect['model']}@{effect['version']} cannot go from {effect['from']} to {effect['to']}"
                self.findings.append(Finding("illegal-transition", path, number, fact))
        why = _unsaid(entry, effects)
        if why:
            self.findings.append(Finding("unjudged-change", path, number, f"{entry['action']} {why}"))
            return
        own = effects[0] if effects else None
        if own is None or (own["action"].startswith(_UNJUDGED) and not any(_moves(effect) for effect in effects)):
            return
        try:
            why = self._unjudged(entry["data"].get("decision"))
        except (KeyError, TypeError):
            why = "carries a decision that cannot be read"
        if why:
            self.findings.append(Finding("unjudged-change", path, number, f"{own['action']} {why}"))
            return
        action = Action.ROLLBACK if own["action"] == "version.rolled_back" else REACHED_BY.get(own["to"])
        if action and own["from"] != own["to"]:
            self.moved[Ref(own["model"], own["version"])] = action, entry

    def _unjudged(self, decision: Mapping[str, Any] | None) -> str | None:
        if decision is None:
            return "carries no decision of policy"
        given = [policy.Finding(*(row[key] for key in _FINDING)) for row in decision["findings"]]
        if not all(isinstance(one, str) for one in decision.get("overrides", ())):
            raise TypeError("an override is no text")
        if not decision["allowed"] or any(one.blocks for one in given):
            return "was denied by policy"
        if any(one.outcome == "overridden" and one.enforcement != "overridable" for one in given):
            return "overrides a rule that cannot be overridden"
        unknown = [str(row["name"]) for row in decision["policies"] if row["digest"] not in self.policies]
        return f"was judged by a policy that the log does not know: {', '.join(unknown)}" if unknown else None

    def noted(self, kind: str, key: str) -> Counter[str]:
        """Return the values of the facts about a key, as the log's index has them, with how many entries tell each."""
        return self.facts.get((kind, key), Counter())

    def lates(self) -> Iterator[Finding]:
        """Yield where entries stand that were added since, and are dated before the newest that was there."""
        for path, (number, many) in self.late.items():
            fact = f"{many} entries were added since, and are dated before {self.newest}"
            yield Finding("late-entry", path, number, fact)

    def standing(self, now: Snapshot) -> Iterator[Finding]:
        """Yield what does not hold for a model as it lies on disk: a status that no entry gave, a policy that fails now."""
        for version, record in sorted(now.records.items()):
            ref = Ref(now.model, version)
            where = f"models/{now.model}/{version}.toml"
            said = self.statuses.get(ref)
            if ref in self.touched and version not in now.drifted and said != record.status:
                yield Finding("illegal-transition", where, None, f"its file says {record.status}, the log {said}")
            action, entry = self.moved.get(ref, (None, {}))
            if action in _STEPS and said == record.status and entry["effects"][0]["to"] == record.status:
                yield from _fails(self._before(now, ref, entry), ref, action, entry, where)

    def _before(self, now: Snapshot, ref: Ref, entry: Mapping[str, Any]) -> Snapshot:
        """Return the snapshot with the approvals that an entry used unspent, unless another used them too."""
        known = now.approvals.get(ref.version or "")
        if known is None:
            return now
        mine = {value for kind, _, value in facts(entry) if kind == "spent"}
        once = {one for one in mine if self.noted("spent", str(ref))[one] == 1}
        known = known._replace(spent=known.spent - once)
        return now._replace(approvals={**now.approvals, ref.version or "": known})


def _moves(effect: Mapping[str, Any]) -> bool:
    return bool(effect["from"] != effect["to"])


def _step(effect: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(effect[key] for key in ("model", "version", "from", "to"))


def _unsaid(entry: Mapping[str, Any], effects: list[Mapping[str, Any]]) -> str | None:
    """Return what an entry does beside what it says; the decision is about its first effect."""
    first = entry["effects"][0] if entry["effects"] else None
    if first is not None and first["action"] != entry["action"]:
        return f"has {first['action']!a} as its first effect"
    hidden = [one for one in effects if one["to"] in _REACHED and _moves(one) and _step(one) != _step(effects[0])]
    if hidden:
        return f"also brings {hidden[0]['model']}@{hidden[0]['version']} to {hidden[0]['to']}"
    said = {f"models/{effect['model']}/{effect['version']}.toml" for effect in effects}
    silent = [row["path"] for row in entry["changes"] if row["path"].startswith("models/") and row["path"] not in said]
    return f"changes {silent[0]}, and no effect says so" if silent else None


def _is_legal(origin: str | None, target: str | None) -> bool:
    if origin is None or target is None:
        return origin is None and (target is None or target in _BORN)
    known = set(Status)
    return origin in known and target in known and (origin == target or can_move(Status(origin), Status(target)))


def asked(entry: Mapping[str, Any]) -> ask.Request:
    """Return what an entry was asked for, as far as policy looks at it: by whom, why, with which overrides."""
    own, data = entry["effects"][0], entry["data"]
    actor = Actor(str(data.get("scheduled_by", entry["actor"]["id"])), "api", "verify")
    overrides = tuple(data["decision"].get("overrides", ()))
    return ask.Request(ask.Adopt(Ref(own["model"], own["version"])), actor, entry["reason"], overrides=overrides)


def _fails(now: Snapshot, ref: Ref, action: Action, entry: Mapping[str, Any], where: str) -> Iterator[Finding]:
    """Yield the rules that would stop a step now, with the policies as they are and the overrides that it used."""
    subject = now.records[ref.version or ""]
    before = now.records.get(subject.lifecycle.get("previous", "")) if subject is now.active else now.active
    request = asked(entry)
    try:
        decision = policy.decide(action, now.case(subject)._replace(current=before), now.policies, request)
    except Usage as error:
        yield Finding("policy-fails", where, None, f"{action}: {error.message}")
        return
    for one in decision.findings:
        if one.blocks:
            yield Finding("policy-fails", where, None, f"{action}: {one.rule}: {one.message}")
