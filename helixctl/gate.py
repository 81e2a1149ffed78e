"""The one door: every change of the registry passes `submit`."""

from typing import TYPE_CHECKING, NamedTuple

from helixctl.core import needs, planning, policy
from helixctl.core.audit import Effect, Entry
from helixctl.core.case import Case
from helixctl.core.lifecycle import Action
from helixctl.core.names import Ref
from helixctl.core.plan import Plan
from helixctl.core.policy import Decision, Policy
from helixctl.core.request import Request
from helixctl.core.snapshot import Snapshot

if TYPE_CHECKING:
    from helixctl.core.record import Record
    from helixctl.storage.ledger import Ledger
    from helixctl.storage.registry import Store
    from helixctl.storage.transaction import Logged


class Result(NamedTuple):
    """What happened, or with `dry_run` would happen.

    Args:
        ref: the version in question; None where it concerns no version.
        changes: each version that moves or changes, with the status before and after.
        decision: what policy said; None where policy does not judge such a request.
        audit: the entry; None where nothing was logged.
        warnings: what the user should know besides.
    """

    action: str
    ref: Ref | None
    changed: bool
    dry_run: bool
    changes: tuple[Effect, ...]
    decision: Decision | None
    audit: "Logged | None" = None
    undo: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def allowed(self) -> bool:
        """True unless policy denied it."""
        return self.decision is None or self.decision.allowed


def submit(store: "Store", request: Request) -> Result:
    """Plan, decide, and commit one request; a denial is logged and returned, never raised.

    Raises:
        HelixError: a refusal; nothing was written.
    """
    if request.dry_run:
        with store.reading() as still:
            now = still.compared_snapshot(request.ref.model, store.clock())
            plan = _planned(still, request, now)
            return _result(request, plan, judge(request, plan, _informed(still, request, plan, now)))
    from helixctl.storage.transaction import begin

    with begin(store) as transaction:
        now = transaction.snapshot(request.ref.model, transaction.at())  # inside the lock: its order is that of times
        plan = _planned(store, request, now)
        now = _informed(store, request, plan, now, transaction.book)
        result = _result(request, plan, judge(request, plan, now))
        if not plan.effects:
            return result
        entry = _entry(request, plan, result.decision, now)
        logged = transaction.commit(entry, plan if result.allowed else None, now)
        return result._replace(audit=logged, warnings=(*result.warnings, *logged.warnings))


def _planned(store: "Store", request: Request, now: Snapshot) -> Plan:
    plan = planning.plan(request, now)
    _confirm(store, now, plan.subject, *plan.records)
    return plan


def _confirm(store: "Store", now: Snapshot, *relied_on: "Record | None") -> None:
    """Refuse what is kept in `.helix/` of the versions that a decision rests on, where their files say otherwise."""
    from helixctl.storage import records

    records.confirm(store, now, {one.version for one in (*relied_on, now.active) if one})


def _informed(store: "Store", request: Request, plan: Plan, now: Snapshot, book: "Ledger | None" = None) -> Snapshot:
    """Return the snapshot with the approvals of the plan's version, where the decision takes them."""
    if plan.subject is None or not needs.takes_approvals(plan, now.case(plan.subject), now.policies, request):
        return now
    from helixctl.storage import statements

    return statements.informed(store, now, plan, book)


def judge(request: Request, plan: Plan, now: Snapshot) -> Decision | None:
    """Return what policy says to a plan; None where there is nothing for it to judge.

    Raises:
        Usage: an override is asked for wrongly, or a statement would be worth nothing.
    """
    if plan.statement is not None and plan.subject is not None:
        from helixctl.core import approvals

        approvals.refuse_idle(now.case(plan.subject), now.policies)
    if plan.action is None or plan.subject is None or not plan.effects:
        return None
    return policy.decide(plan.action, now.case(plan.subject), now.policies, request)


class Foreseen(NamedTuple):
    """What policy would be asked: the action, the case, the request; `is_change` is False where it is so already."""

    action: Action
    case: Case
    policies: tuple[Policy, ...]
    request: Request
    is_change: bool = True


def foresee(store: "Store", action: Action, request: Request, ref: Ref) -> Foreseen:
    """Return what policy would be asked now about a change; a step that the lifecycle lacks is refused as the write would be.

    Raises:
        HelixError: as the write itself.
    """
    with store.reading() as still:
        now = still.compared_snapshot(ref.model, store.clock())
        plan = _planned(still, request, now)
        subject = plan.subject or now.record(now.resolve(ref))
        now = _informed(still, request, plan, now)
        is_change = bool(plan.effects) or action is Action.UPDATE  # of what, is not known
        return Foreseen(plan.action or action, now.case(subject), now.policies, request, is_change)


def check(asked: Foreseen) -> Decision:
    """Return what policy would say; what is so already is allowed, as the write would be unchanged, and no rule is asked."""
    if not asked.is_change:
        return Decision(asked.action, asked.case.subject.ref, (), policy.unchanged(asked.action, asked.case.subject))
    return policy.decide(asked.action, asked.case, asked.policies, asked.request)


def _result(request: Request, plan: Plan, decision: Decision | None) -> Result:
    moved: dict[tuple[str | None, str | None], Effect] = {}
    for effect in plan.effects if plan.subject else ():
        moved.setdefault((effect.model, effect.version), effect)
    changes = tuple(moved.values())
    allowed = decision is None or decision.allowed
    action = plan.action or (_verb(request, plan) if plan.subject else plan.effects[0].action)
    return Result(
        str(action),
        plan.subject.ref if plan.subject else None,
        changed=bool(plan.effects) and allowed,
        dry_run=request.dry_run,
        changes=changes if allowed else (),
        decision=decision,
        undo=plan.undo if plan.effects and allowed else None,
        warnings=(plan.note,) if plan.note and allowed else (),
    )


def _verb(request: Request, plan: Plan) -> str:
    if plan.statement is None:
        return type(request.act).__name__.lower()
    from helixctl.core.statement import KINDS

    return KINDS[plan.statement.kind].verb


def _entry(request: Request, plan: Plan, decision: Decision | None, now: Snapshot) -> Entry:
    allowed = decision is None or decision.allowed
    own, data = plan.effects[0], dict(plan.data) if allowed or plan.data.get("swept") else {}
    if decision is not None:
        data["decision"] = decision.as_data()
    denied = "deployment.denied" if plan.action in policy.GATED else own.action
    overrides = decision.overridden if decision and allowed else ()
    used = (Effect("override.used", own.model, own.version),) if overrides else ()
    return Entry(
        at=now.at,
        action=own.action if allowed else denied,
        outcome=plan.outcome if allowed else "denied",
        actor=request.actor,
        model=plan.subject.ref.model if plan.subject else None,
        version=plan.subject.version if plan.subject else None,
        reason=request.reason,
        effects=(*plan.effects, *used) if allowed else (),
        data=data,
    )
