"""Which statements about a version count, for what, and why the others do not: pure functions of what storage found.

What lets a change pass must be proven: an approval, and the withdrawal of a rejection. What holds one back need not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import needs, times
from helixctl.core.case import LEFT_OUT, Answer, Case
from helixctl.core.lifecycle import Action
from helixctl.core.people import APPROVERS, People
from helixctl.core.statement import Statement
from helixctl.errors import BrokenLog, Drift, NotFound, Usage

if TYPE_CHECKING:
    from helixctl.core.policy import Policy

Rule = Mapping[str, Any]
"""The parameters of a rule of the kind `approvals`."""


MAKING = (Action.REGISTER, Action.IMPORT, Action.UPDATE, Action.ADOPT)
"""Actions that make the specification which an approval would have to be of."""
UNSIGNED = "is not signed"
GAP = "the log lacks entries that others follow, and one may be a rejection"


class Found(NamedTuple):
    """A file of a statement.

    Args:
        statement: None where the file is none. fault: why it counts for nothing, whatever it says.
        signer: the principal whose signature vouches for its bytes. flaw: why none does.
    """

    path: str
    statement: Statement | None
    fault: str | None = None
    signer: str | None = None
    flaw: str | None = UNSIGNED


class Known(NamedTuple):
    """All that there is about the approvals of one version.

    Args:
        authors: who registered it, and who changed its specification since; empty where the log does not tell.
        spent: ids of approvals that let an earlier change pass. lost: why what was stated cannot all be read.
        new: the statement that is about to be made. overrides: who used which, by entry, of the model, unreviewed.
    """

    people: People
    found: tuple[Found, ...] = ()
    authors: frozenset[str] = frozenset()
    spent: frozenset[str] = frozenset()
    lost: str | None = None
    new: Found | None = None
    overrides: Mapping[str, str] = MappingProxyType({})


class Ruling(NamedTuple):
    """What one statement is worth under a rule: whose it is, and why it does not count, None where it does."""

    statement: Statement
    person: str
    why: str | None = None


def answer(wanted: Rule, case: Case) -> Answer:
    """Count the approvals of a version for an action, by people."""
    known, ref = case.approvals, case.subject.ref
    trouble = _trouble(wanted, case)
    if trouble:
        return Answer("error", f"could not be evaluated: {trouble[0]}", trouble[1])
    assert known is not None
    judged = rulings(wanted, case)
    sign = " --sign" if wanted.get("signed") else ""
    veto = next((one for one in judged if one.statement.kind == "rejection" and one.why is None), None)
    if veto:
        said = f": {veto.statement.reason[:200]}" if veto.statement.reason else ""
        return Answer("fail", f"rejected by {veto.person}{said}", f"helixctl withdraw {ref} {veto.statement.id}{sign}")
    approvals = [one for one in judged if one.statement.kind == "approval"]
    counting = [one for one in approvals if one.why is None]
    people = dict.fromkeys(one.person for one in counting)
    is_enough, told = _counted(wanted, people, known)
    used = tuple(one.statement.id for one in counting)
    if is_enough:
        return Answer("pass", told, used=used)
    idle = {one.person: one.why for one in approvals if one.why and one.person not in people}
    told = "; ".join([told, *(f"that of {person} {why}" for person, why in list(idle.items())[-3:])])
    return Answer("fail", told, f"helixctl approve {ref} --for {case.action}{sign}", used)


def _counted(wanted: Rule, people: Mapping[str, Any], known: Known) -> tuple[bool, str]:
    """Tell whether people are as many as a rule wants, and how many there are."""
    counts = [(len(people), wanted["required"], "approvals")] if "required" in wanted else []
    for group, least in wanted.get("groups", {}).items():
        counts.append((len(people.keys() & known.people.groups[group]), least, f"from group {group}"))
    told = [f"{count} of {least} {what}" for count, least, what in counts]
    told[0] += f" ({', '.join(people)})" if people else ""
    return all(count >= least for count, least, _ in counts), "; ".join(told)


def terms(wanted: Rule) -> str:
    """Return what a rule asks for, in words."""
    told = [f"{wanted['required']} in all"] if "required" in wanted else []
    told += [f"{least} of group {group}" for group, least in wanted.get("groups", {}).items()]
    told += ["signed"] if wanted.get("signed") else []
    told += [f"not older than {wanted['max_age']}"] if "max_age" in wanted else []
    told += ["also of who made it or asks"] if wanted.get("self_approval") else []
    return ", ".join(told)


def _trouble(wanted: Rule, case: Case) -> tuple[str, str] | None:
    """Return why nothing can be said about the approvals of a version, and what to do about it, or None."""
    known, action = case.approvals, case.action
    if action in MAKING:
        return f"what {action} makes cannot be approved before it is made", LEFT_OUT.format(action)
    if known is None:
        return "the approvals were not read", "helixctl verify"
    if known.lost:
        return known.lost, "helixctl verify"
    strange = [group for group in wanted.get("groups", {}) if group not in known.people.groups]
    if strange:
        return f"group {strange[0]} is not in {APPROVERS}", f"add the group {strange[0]} to {APPROVERS}"
    if not known.authors and not wanted.get("self_approval"):
        return "the log does not tell who registered it", "helixctl audit restore-archive DIR"
    return None


def rulings(wanted: Rule, case: Case) -> tuple[Ruling, ...]:
    """Return what each statement is worth under a rule, oldest first; those that cannot be read are left out."""
    known = case.approvals
    if known is None:
        return ()
    found = sorted((one for one in known.found if one.statement), key=lambda one: str(one.path))
    withdrawn = set(_withdrawn(found, wanted, known))
    return tuple(_ruling(one, wanted, case, known, withdrawn) for one in found)


def _ruling(found: Found, wanted: Rule, case: Case, known: Known, withdrawn: set[str]) -> Ruling:
    one = found.statement
    assert one is not None
    person, why = known.people.of(one.by), None
    if found.fault or (one.registry, one.ref) != (case.settings.id, case.subject.ref):
        why = found.fault or _elsewhere(one, case)
    elif one.id in withdrawn:
        why = "was withdrawn"
    elif person is None and one.kind != "rejection":
        why = f"is by {one.by}, who is not in {APPROVERS}"
    elif one.kind == "approval":
        why = next(_objections(found, one, wanted, case), None)
    elif one.kind == "rejection" and one.action not in (None, case.action):
        why = f"is of {one.action}, not of {case.action}"
    elif one.kind == "withdrawal" and one.withdraws not in withdrawn:
        why = "takes nothing back: that is by somebody else, or this needs a signature"
    return Ruling(one, person or one.by, why)


def _elsewhere(one: Statement, case: Case) -> str:
    return "is of another registry" if one.registry != case.settings.id else f"is of {one.ref}"


def _objections(found: Found, one: Statement, wanted: Rule, case: Case) -> Iterator[str]:
    """Yield why an approval by somebody known does not count."""
    known, blocked = case.approvals, case.subject.lifecycle.get("last_blocked_at")
    assert known is not None
    if one.action in MAKING:
        yield f"is for {one.action}: what that makes cannot be approved before it is made"
    if one.action != case.action:
        yield f"is for {one.action}, not for {case.action}"
    groups = tuple(wanted.get("groups", ()))
    if groups and "required" not in wanted and not known.people.is_in(one.by, groups):
        yield f"is by somebody in none of the groups that count: {', '.join(groups)}"
    if one.specification != case.subject.specification_digest:
        yield "is of another specification: a value was changed since"
    if one.at > case.at + times.CLOCK_TOLERANCE:
        yield f"is dated in the future ({times.short(one.at)})"
    if one.expires is None or one.expires <= case.at:
        yield f"expired {times.short(one.expires or one.at)}"
    if "max_age" in wanted and case.at - one.at > times.parse_duration(wanted["max_age"]):
        yield f"is older than {wanted['max_age']} ({times.short(one.at)})"
    if blocked and one.at <= blocked:
        yield f"is older than the block of {times.short(blocked)}"
    if one.id in known.spent:
        yield "was used already"
    if not wanted.get("self_approval"):
        yield from _own(one, case.requester, known)
    if wanted.get("signed") and (flaw := _unproven(found, one, known)):
        yield flaw


def _own(one: Statement, requester: str, known: Known) -> Iterator[str]:
    if any(known.people.are_same(one.by, author) for author in known.authors):
        yield "is by one who registered or edited the version"
    if known.people.are_same(one.by, requester):
        yield "is by who asks for the change"


def _unproven(found: Found, one: Statement, known: Known) -> str | None:
    """Return why no signature of its author vouches for a statement, or None where one does."""
    if found.signer is None:
        return found.flaw
    if known.people.are_same(found.signer, one.by):
        return None
    return f"is signed by the key of {found.signer}, not of {one.by}"


def _withdrawn(found: Iterable[Found], wanted: Rule, known: Known) -> Iterator[str]:
    """Yield the ids of the statements that their authors took back."""
    stated = {one.statement.id: one.statement for one in found if one.statement and not one.fault}
    for one in found:
        word = one.statement
        target = stated.get(word.withdraws or "") if word and not one.fault else None
        if word is None or target is None or not known.people.are_same(word.by, target.by):
            continue
        if not (wanted.get("signed") and target.kind == "rejection" and _unproven(one, word, known)):
            yield target.id


def standing(case: Case) -> tuple[Statement, ...]:
    """Return the approvals and rejections of the log that nobody took back, oldest first, whether or not they count."""
    if case.approvals is None:
        return ()
    sound = tuple(one for one in case.approvals.found if not one.fault)
    stated = rulings({}, case._replace(approvals=case.approvals._replace(found=sound)))
    judged = [one for one in stated if one.statement.kind in ("approval", "rejection")]
    return tuple(one.statement for one in judged if one.why != "was withdrawn")


def refuse_idle(case: Case, policies: tuple[Policy, ...]) -> None:
    """Refuse the new statement of a case where it would be worth nothing.

    Raises:
        Usage, NotFound: it would be, with the reason. BrokenLog, Drift: it lets pass, and a rejection may be lost.
    """
    known = case.approvals
    if known is None or known.new is None or known.new.statement is None:
        return
    new, people = known.new, known.people
    one = known.new.statement
    cases = [case._replace(action=word) for word in ((one.action,) if one.action else Action)]
    asked = tuple(rule.parameters for each in cases for _, rule in needs.asked("approvals", each, policies))
    if people.of(one.by) is None:
        raise Usage(f"{one.by!a} is not in {APPROVERS}", hint="ask who keeps that file, or give --actor")
    flaw = _unproven(new, one, known)
    if flaw and flaw != UNSIGNED:
        raise Usage(f"the {one.kind} {flaw}", hint="sign with a key of your own that trust/allowed_signers names")
    match one.kind:
        case "approval":
            _refuse_approval(new, one, cases[0], asked)
        case "withdrawal":
            _refuse_withdrawal(new, one, cases[0], asked)
        case "review" if people.are_same(known.overrides.get(one.entry or "", ""), one.by):
            raise Usage(f"{one.by!a} used that override", hint="somebody else has to review it")


def _refuse_lost(known: Known) -> None:
    if known.lost:
        kind = BrokenLog if known.lost == GAP else Drift
        raise kind(known.lost, hint="helixctl verify shows all; restore the files from git")


def _refuse_approval(new: Found, one: Statement, case: Case, asked: tuple[Rule, ...]) -> None:
    known = case.approvals
    assert known is not None
    if asked:
        _refuse_lost(known)
    for other in standing(case):
        if other.kind == "rejection" and known.people.are_same(other.by, one.by):
            raise Usage("you rejected it, and that stands", hint=f"helixctl withdraw {one.ref} {other.id}")
    whys = [next(_objections(new, one, wanted, case), None) for wanted in asked]
    if whys and all(whys):
        hint = "add --sign" if whys[0] == UNSIGNED else f"helixctl approvals {one.ref} tells what counts"
        raise Usage(f"the approval would not count: it {whys[0]}", hint=hint)


def _refuse_withdrawal(new: Found, one: Statement, case: Case, asked: tuple[Rule, ...]) -> None:
    known = case.approvals
    assert known is not None
    target = next((other for other in standing(case) if other.id == one.withdraws), None)
    hint = f"helixctl approvals {one.ref} lists them"
    if target is None:
        raise NotFound(f"no approval or rejection {one.withdraws} of {one.ref} stands", hint=hint)
    if not known.people.are_same(target.by, one.by):
        raise Usage(f"{one.withdraws} is by {target.by!a}: only its author can withdraw it", hint=hint)
    if target.kind != "rejection":
        return
    _refuse_lost(known)
    if any(wanted.get("signed") for wanted in asked) and _unproven(new, one, known):
        raise Usage("withdrawing a rejection needs a signature here", hint="add --sign")
