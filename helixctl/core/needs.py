"""What a decision takes besides the version: told without loading what counts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helixctl.core.case import Case
    from helixctl.core.plan import Plan
    from helixctl.core.policy import Policy, Rule
    from helixctl.core.request import Request


def asked(check: str, case: Case, policies: tuple[Policy, ...]) -> tuple[tuple[Policy, Rule], ...]:
    """Return each rule of a check that is to be run in a case, with its policy."""
    rules = ((policy, rule) for policy in policies for rule in policy.rules)
    return tuple((policy, rule) for policy, rule in rules if rule.check == check and rule.match.fits(case))


def takes_approvals(plan: Plan, case: Case, policies: tuple[Policy, ...], request: Request | None = None) -> bool:
    """Tell whether a decision about a plan takes the approvals of its version, or the people who may override."""
    if plan.statement is not None:
        return True
    set_aside = request.overrides if request else ()
    if plan.action is None or not policies:
        return False
    grouped = (rule for policy in policies for rule in policy.rules if rule.id in set_aside)
    is_asked = asked("approvals", case._replace(action=plan.action), policies)
    return bool(is_asked) or any("groups" in rule.override for rule in grouped)
