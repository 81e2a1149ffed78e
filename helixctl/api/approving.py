"""What people state about versions: approvals, rejections, withdrawals, and the reviews of overrides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

from helixctl.api.terms import sane_reason
from helixctl.core import approvals, needs, statement, times
from helixctl.core.approvals import Found, Ruling
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
    from helixctl.core.case import Answer, Case
    from helixctl.core.snapshot import Snapshot
    from helixctl.gate import Result
    from helixctl.storage.ledger import Ledger
    from helixctl.storage.registry import Store

EXPIRES = "14d"


class Statements(NamedTuple):
    """All that was stated about a version, and what it is worth for an action.

    Args:
        answers: what each rule that asks for approvals says. broken: the files that are no statement, and why.
    """

    ref: Ref
    action: str
    rulings: tuple[Ruling, ...]
    answers: tuple[Answer, ...]
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
        return self._state("approval", ref, terms, signed, at=at, action=word, expires=ends)

    def reject(self, ref: str, action: str | None = None, *, signed: bool = False, **terms: Unpack[Terms]) -> Result:
        """Veto an action on a version, or all actions, until this is withdrawn."""
        word = Action(one_of("action", action, Action)) if action is not None else None
        return self._state("rejection", ref, terms, signed, action=word)

    def withdraw(self, ref: str, given: str | None = None, *, signed: bool = False, **terms: Unpack[Terms]) -> Result:
        """Take back an approval or rejection, by its id, or the one of one's own that there is.

        Raises:
            Usage: there is none of one's own, or there are several.
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
            raise NotFound(f"{len(found)} overrides begin with {entry!a}", hint="helixctl override list")
        return self._state("review", found[0].ref, terms, signed, entry=found[0].entry)

    def overrides(self) -> Overrides:
        """Return the overrides that nobody but who used them has reviewed."""
        from helixctl.storage import ledger

        with self.registry.store.reading() as still, closing(ledger.load(still.root)) as book:
            return Overrides(tuple(map(_used, book.unreviewed())))

    def of(self, ref: str, action: str = "activate") -> Statements:
        """Return what was stated about a version, and what of it counts now for an action."""
        from helixctl.core.checks import CHECKS

        word = one_of("action", action, Action)
        record = self.registry.show(ref)
        case, rules = _case(self.registry.store, record, word)
        known = case.approvals
        assert known is not None
        judged = [approvals.rulings(wanted, case) for wanted in rules or ({},)]
        worst = tuple(max(row, key=lambda one: one.why is not None) for row in zip(*judged, strict=True))
        answers = tuple(CHECKS["approvals"].answer(wanted, case) for wanted in rules)
        broken = tuple(one for one in known.found if one.statement is None)
        return Statements(record.ref, word, worst, answers, broken, known.lost)

    def _own(self, record: Record, by: str) -> str:
        case, _ = _case(self.registry.store, record, "")
        people = case.approvals.people if case.approvals else None
        mine = [one.id for one in approvals.standing(case) if people and people.are_same(one.by, by)]
        if len(mine) != 1:
            fact = f"{len(mine)} approvals and rejections of {record.ref} by {by!a} stand"
            hint = f"name one: {', '.join(mine)}" if mine else f"helixctl approvals {record.ref} lists them"
            raise Usage(fact, hint=hint)
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
    from helixctl.core.checks import CHECKS
    from helixctl.storage import statements

    for record in now.records.values():
        if record.status not in ON_ITS_WAY:
            continue
        case = now.case(record)._replace(action=Action.ACTIVATE)
        rules = needs.asked("approvals", case, now.policies)
        if rules:
            known = statements.informed(store, now, Plan(Action.ACTIVATE, record), book).approvals[record.version]
            answers = [CHECKS["approvals"].answer(wanted, case._replace(approvals=known)) for wanted in rules]
            yield from (Awaited(record.version, one.message) for one in answers if one.outcome != "pass")


def _used(told: Mapping[str, Any]) -> Used:
    ref = f"{told['model']}@{told['version']}"
    return Used(told["id"], ref, told["ts"], told["by"], told["action"], tuple(told["rules"]), told["reason"])


def _case(store: Store, record: Record, action: str) -> tuple[Case, tuple[approvals.Rule, ...]]:
    """Return the case of an action on a version with its approvals, and the parameters of the rules that ask for them."""
    from helixctl.storage import ledger, statements

    with store.reading() as still, closing(ledger.load(still.root)) as book:
        now = still.snapshot(record.ref.model, still.clock(), book)
        plan = Plan(Action(action) if action else None, record)
        now = statements.informed(still, now, plan, book)
    case = now.case(record)._replace(action=action)
    return case, needs.asked("approvals", case, now.policies)
