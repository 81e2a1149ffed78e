"""Overrides: what it takes to set an overridable rule aside, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from helixctl.core.schema import did_you_mean
from helixctl.errors import Usage

if TYPE_CHECKING:
    from helixctl.core.case import Case
    from helixctl.core.policy import Rule
    from helixctl.core.request import Request

MIN_REASON = 20


def refuse(request: Request, matching: Iterable[Rule]) -> None:
    """Refuse overrides that are asked for wrongly.

    Args:
        matching: the rules that apply.

    Raises:
        Usage: one names no rule, or a mandatory one; the reason is too short, or names no ticket.
    """
    rules: dict[str, list[Rule]] = {}
    for rule in matching:
        rules.setdefault(rule.id, []).append(rule)
    for name in request.overrides:
        _refuse_name(name, rules)
    reason = " ".join((request.reason or "").split())
    if request.overrides and len(reason) < MIN_REASON:
        raise Usage(f"an override needs a reason of at least {MIN_REASON} characters", hint="add --reason '...'")
    for name in request.overrides:
        _refuse_reason(reason, name, rules[name])


def _refuse_name(name: str, rules: Mapping[str, list[Rule]]) -> None:
    if name not in rules:
        near = did_you_mean(name, rules)
        hint = f"rules that apply here: {', '.join(rules) or 'none'}"
        raise Usage(f"override names no rule that applies: {name!a}{near}", hint=hint)
    levels = {rule.enforcement for rule in rules[name]}
    if "mandatory" in levels and "overridable" not in levels:
        hint = "meet the rule, or change the policy"
        raise Usage(f"rule {name!a} is mandatory: it cannot be overridden", hint=hint)


def _refuse_reason(reason: str, name: str, rules: list[Rule]) -> None:
    words = [word.strip(".,;:()[]") for word in reason.split()]
    for ticket in (rule.override["ticket"] for rule in rules if "ticket" in rule.override):
        if not any(fnmatchcase(word, ticket) for word in words):
            hint = f"name a ticket such as {ticket} in --reason"
            raise Usage(f"the reason for overriding {name!a} names no ticket", hint=hint)


def barred(rule: Rule, case: Case) -> str | None:
    """Return why who asks may not override a rule, or None where they may."""
    groups: tuple[str, ...] | None = rule.override.get("groups")
    if groups is None or (case.approvals and case.approvals.people.is_in(case.requester, groups)):
        return None
    return f"not overridden: {case.requester} is in none of the groups that may: {', '.join(groups)}"
