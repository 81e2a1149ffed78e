"""What people state about versions: approvals, rejections, withdrawals, and the reviews of overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from helixctl.api.terms import sane_reason
from helixctl.core import approvals, needs, statement, times
from helixctl.core.approvals import Found
from helixctl.core.lifecycle import ON_ITS_WAY, Action
from helixctl.core.names import Ref, one_of, parse_ref
from helixctl.core.plan import Plan
from helixctl.core.record import Record
from helixctl.core.request import State
from helixctl.core.statement import Statement
from helixctl.errors import NotFound, Usage

if TYPE_CHECKING:
    from helixctl.api import Registry
    from helixctl.api.terms import Terms
    from helixctl.core.case import Case
    from helixctl.core.policy import Finding, Policy, Rule
    from helixctl.core.snapshot import Snapshot
    from helixctl.gate import Result
    from helixctl.storage.ledger import Ledger
    from helixctl.storage.registry import Store

    _Case = tuple[Case, tuple[tuple[Policy, Rule], ...]]

EXPIRES = "14d"


class Asked(NamedTuple):
    """A rule that asks for approvals: its file, how binding it is, what it asks for, and what it says now."""

    path: str
    asks: str
    finding: Finding


class Weighed(NamedTuple):
    """A statement, whose it is, the rules that it counts for, and why it does not for another, None where it does."""

    statement: Statement
    person: str
    counts_for: tuple[str, ...]
    why: str | None


class Statements(NamedTuple):
    """All that was stated about a version, and what it is worth for an action.

    Args:
        asked: the rules that ask for approvals. broken: the files that are no statement, and why.
    """

    ref: Ref
    action: str
    rulings: tuple[Weighed, ...]
    asked: tuple[Asked, ...]
    broken: tuple[Found, ...]
    lost: str | None

    @property
    def is_sound(self) -> bool:
        """True where the log and the files agree."""
        return not self.broken and self.lost is None


class Used(NamedTuple):
    """An override that waits for a review: the entry, the version, when, by whom, of which rules, and why."""

    entry: str
    ref: str
    at: str
    by: str
    action: str
    rules: tuple[str, ...]
    reason: str | None


class Overrides(NamedTuple):
    """The overrides that wait for somebody else to review them, oldest first."""

    waiting: tuple[Used, ...]


class Awaited(NamedTuple):
    """A version whose activation waits for approvals, and what is missing."""

    version: str
    message: str


class Approvals(NamedTuple):
    """The approvals of a registry."""

    registry: Registry

    def approve(
        self,
        ref: str,
        action: str = "activate",
        *,
        expires: str = EXPIRES,
        signed: bool = False,
        **terms: Unpack[Terms],
    ) -> Result:
        """Approve an action on a version as it is now, once.

        Args:
            expires: how long it holds at the most. signed: by the key that the registry was opened with.

        Raises:
            Usage: it would not count, with the reason. StorageRefused: it cannot be signed.
        """
        word, at = Action(one_of("action", action, Action)), self.registry.store.clock()
        try:
            ends = at + times.parse_duration(expires)
        except (ValueError, OverflowError):
            raise Usage(f"{expires!a} is no duration that ends within the calendar", hint="write 14d or 12h") from None
        if ends <= at:
            raise Usage(f"--expires {expires} is over at once: it would never count", hint="write 14d or 12h")
        return self._state("approval", ref, terms, signed, at=at, action=word, expires=ends)

    def reject(self, ref: str, action: str | None = None, *, signed: bool = False, **terms: Unpack[Terms]) -> Result:
        """Veto an action on a version, or all actions, until this is withdrawn."""
        word = Action(one_of("action", action, Action)) if action is not None else None
        return self._state("rejection", ref, terms, signed, action=word)

    def withdraw(self, ref: str, given: str | None = None, *, signed: bool = False, **terms: Unpack[Terms]) -> Result:
        """Take back an approval or rejection, by its id, or the one of one's own that there is.

        Raises:
            NotFound: none of one's own, or of that id, stands. Usage: several do, or it is somebody else's.
        """
        record = self.registry.show(ref)
        terms["actor"] = terms.get("actor") or self.registry.who()
        withdrawn = given or self._own(record, terms["actor"].id)
        return self._state("withdrawal", str(record.ref), terms, signed, withdraws=withdrawn)

    def review(self, entry: str, *, signed: bool = False, **terms: Unpack[Terms]) -> Result:
        """Review an override that somebody else used, by the entry that used it or how its id begins.

        Raises:
            NotFound: none such waits for a review. Usage: it was one's own.
        """
        found = [one for one in self.overrides().waiting if one.entry.startswith(entry)] if entry else []
        if len(found) != 1:
            fact = self._reviewed(entry) if entry and not found else None
            known = "several overrides that wait" if found else "no override that waits"
            hint = "helixctl override list shows those that wait"
            raise NotFound(fact or f"{known} for a review {'begin' if found else 'begins'} with {entry!a}", hint=hint)
        return self._state("review", found[0].ref, terms, signed, entry=found[0].entry)

    def _reviewed(self, entry: str) -> str | None:
        """Return by whom and when an override was reviewed, or None where none was that begins so."""
        from helixctl.core.audit import Filter

        for one in self.registry.store.entries(Filter(actions=("override.reviewed",), outcome="success")):
            if str(one["data"].get("entry")).startswith(entry):
                return f"override {one['data']['entry']} was reviewed by {one['actor']['id']} on {one['ts'][:19]}Z"
        return None

    def overrides(self) -> Overrides:
        """Return the overrides that nobody but who used them has reviewed."""
        from helixctl.storage import ledger

        with self.registry.store.reading() as still, closing(ledger.load(still.root)) as book:
            return Overrides(tuple(map(_used, book.unreviewed())))

    def of(self, ref: str, action: str = "activate") -> Statements:
        """Return what was stated about a version, and what of it counts now for which rule about an action."""
        from helixctl.core.policy import finding

        word = Action(one_of("action", action, Action))
        record = self.registry.show(ref)
        case, rules = self._read(record, word)
        known = case.approvals
        assert known is not None
        asked = [Asked(one.path, approvals.terms(rule.parameters), finding(one, rule, case)) for one, rule in rules]
        judged = [(rule.id, approvals.rulings(rule.parameters, case)) for _, rule in rules]
        weighed = []
        for place, (one, person, why) in enumerate(approvals.rulings({}, case)):
            whys = [(name, row[place].why) for name, row in judged]
            counts_for = tuple(name for name, each in whys if each is None and one.kind == "approval")
            told = (next(filter(None, (each for _, each in whys)), None) if whys else why) or (
                known.lost and f"cannot be told: {known.lost}"
            )
            weighed.append(Weighed(one, person, () if known.lost else counts_for, told))
        broken = tuple(one for one in known.found if one.statement is None)
        return Statements(record.ref, word, tuple(weighed), tuple(asked), broken, known.lost)

    def _read(self, record: Record, action: Action | None) -> _Case:
        from helixctl.storage import ledger

        with self.registry.store.reading() as still, closing(ledger.load(still.root)) as book:
            return _case(still, still.snapshot(record.ref.model, still.clock(), book), book, Plan(action, record))

    def _own(self, record: Record, by: str) -> str:
        case, _ = self._read(record, None)
        people = case.approvals.people if case.approvals else None
        mine = [one.id for one in approvals.standing(case) if people and people.are_same(one.by, by)]
        if not mine:
            hint = f"helixctl approvals {record.ref} lists what was stated; --actor names you otherwise"
            raise NotFound(f"no approval or rejection of {record.ref} by {by!a} stands", hint=hint)
        if len(mine) > 1:
            fact = f"{len(mine)} approvals and rejections of {record.ref} by {by!a} stand"
            raise Usage(fact, hint=f"name one: {', '.join(mine)}")
        return mine[0]

    def _state(self, kind: str, ref: str, terms: Terms, signed: bool, **about: Any) -> Result:
        from helixctl.storage.ssh import APPROVAL

        store, record = self.registry.store, self.registry.store.resolved(parse_ref(ref))
        actor, at = terms.get("actor") or self.registry.who(), about.pop("at", None) or store.clock()
        place = statement.id_of(at, store.random(6)), store.settings().id, record.ref, record.specification_digest
        made = Statement(kind, *place, actor.id, at, reason=sane_reason(terms.get("reason")), **about)
        files = {made.path: statement.encode(made)}
        if signed:
            files[f"{made.path}.sig"] = store.signed(files[made.path], APPROVAL, "--sign")
        return self.registry.submit(State(record.ref, made, files), {**terms, "actor": actor})


def awaited(store: Store, now: Snapshot, book: Ledger) -> Iterator[Awaited]:
    """Yield each version on its way whose activation lacks approvals that a policy asks for; the store is being read."""
    from helixctl.core.policy import finding

    for record in now.records.values():
        about = now.case(record)._replace(action=Action.ACTIVATE)
        if record.status in ON_ITS_WAY and needs.asked("approvals", about, now.policies):
            case, rules = _case(store, now, book, Plan(Action.ACTIVATE, record))
            found = [finding(one, rule, case) for one, rule in rules]
            yield from (Awaited(record.version, one.message) for one in found if one.blocks)


def _used(told: Mapping[str, Any]) -> Used:
    ref = f"{told['model']}@{told['version']}"
    return Used(told["id"], ref, told["ts"], told["by"], told["action"], tuple(told["rules"]), told["reason"])


def _case(store: Store, now: Snapshot, book: Ledger, plan: Plan) -> _Case:
    """Return the case of a plan's action on its version with its approvals, and the rules that ask for them."""
    from helixctl.storage import statements

    assert plan.subject is not None
    now = statements.informed(store, now, plan, book)
    case = now.case(plan.subject)._replace(action=plan.action or "", kept={})
    return case, needs.asked("approvals", case, now.policies)
