"""The checks that rules are made of: pure functions of a case, one line each in the table at the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from helixctl.core import against, fields, times
from helixctl.core import schema as s
from helixctl.core.case import Answer, Case, Check
from helixctl.core.lifecycle import IN_SERVICE, Status
from helixctl.core.record import Record


def _true(value: Any) -> bool:
    """Only `true`: leave the rule out where it is not wanted."""
    if value is not True:
        raise ValueError("expected true; leave the rule out where it is not wanted")
    return True


def through(statuses: tuple[str, ...], case: Case) -> Answer:
    """Pass where the version was in testing since its serving digest last changed."""
    since = case.subject.lifecycle.get("testing_since")
    if since:
        return Answer("pass", f"in testing since {times.short(since)}")
    return Answer("fail", "was never in testing", f"helixctl promote {case.subject.ref} --to testing")


def evaluation(wanted: Mapping[str, Any], case: Case) -> Answer:
    """Pass where the last evaluation is conclusive, fresh, of what would serve, and has a wanted verdict."""
    fix = f"helixctl evaluate {case.subject.ref}"
    metrics = case.subject.metrics
    if metrics is None:
        return Answer("inconclusive", "was never evaluated", fix)
    stale = case.stale(case.subject, wanted.get("max_age"))
    if stale:
        return Answer("inconclusive", stale, fix)
    verdict, samples = metrics.get("verdict"), metrics.get("samples", 0)
    least = wanted.get(
        "min_samples", case.subject.spec.get("thresholds", {}).get("min_samples", case.settings.min_samples)
    )
    if verdict == "inconclusive" or samples < least:
        return Answer("inconclusive", f"the last evaluation has {samples} of {least} samples needed ({verdict})", fix)
    if verdict not in wanted.get("verdict", ("passed", "warning")):
        return Answer("fail", f"the last evaluation {verdict} on {samples} samples", fix)
    if wanted.get("proven") and not metrics.get("proven"):
        return Answer("inconclusive", f"the verdict {verdict} is not proven by {samples} samples", fix)
    return Answer("pass", f"{verdict} on {samples} samples at {times.short(metrics['evaluated_at'])}")


def cost(limit: Mapping[str, Any], case: Case) -> Answer:
    """Pass where a request of the given tokens costs at most the limit, by the version's own prices."""
    prices = case.subject.spec.get("cost", {})
    tokens = (limit["input_tokens"], limit["output_tokens"])
    shape = f"a request of {tokens[0]}+{tokens[1]} tokens"
    missing = [key for key in ("input_per_mtok", "output_per_mtok") if key not in prices]
    fix = f"helixctl update {case.subject.ref} --set cost.{next(iter(missing), 'input_per_mtok')}=PRICE"
    if missing:
        return Answer("error", f"could not be evaluated: cost.{missing[0]} is not stated", fix)
    price = (tokens[0] * prices["input_per_mtok"] + tokens[1] * prices["output_per_mtok"]) / Decimal(1_000_000)
    most = limit["max_per_request"]
    text = f"{shape} costs {price.normalize():f} USD, limit {most.normalize():f}"
    if price > most:
        return Answer("fail", f"{text} (over by {(price - most).normalize():f})", fix)
    return Answer("pass", text)


def eol_headroom(least: str, case: Case) -> Answer:
    """Pass where the effective end of life is at least this far away; not applicable where none is stated."""
    ends = case.subject.end_of_life
    if ends is None:
        return Answer("not_applicable", "no end of life is stated")
    left = ends - case.at
    if left >= times.parse_duration(least):
        return Answer("pass", f"{times.days(left)} to the end of life on {ends:%Y-%m-%d}")
    tense = (
        f"end of life was {ends:%Y-%m-%d}" if left <= timedelta(0) else f"only {times.days(left)} to {ends:%Y-%m-%d}"
    )
    return Answer("fail", f"{tense}, at least {least} needed", _replacement(case.subject))


def _replacement(record: Record) -> str:
    ref = record.deprecation.get("replacement") or record.spec.get("availability", {}).get("replacement")
    if ref and "@" in ref:
        return f"helixctl check {ref} --for activate"
    if record.deprecation:
        return f"helixctl deprecate {record.ref} --cancel"
    return f"helixctl update {record.ref} --set availability.end_of_life=DATE"


def not_deprecated(_: bool, case: Case) -> Answer:
    """Pass unless the version is deprecated and takes no new deployments."""
    if case.subject.status is not Status.DEPRECATED or case.subject.deprecation.get("allow_new_deployments"):
        return Answer("pass", "takes new deployments")
    return Answer("fail", "is deprecated and takes no new deployments", _replacement(case.subject))


def not_blocked(_: bool, case: Case) -> Answer:
    """Pass unless the version is blocked."""
    blocked = case.subject.blocked
    if blocked is None:
        return Answer("pass", "not blocked")
    fix = f"helixctl unblock {case.subject.ref} --reason '...'"
    return Answer("fail", f"blocked since {times.short(blocked['at'])}: {blocked['reason']}", fix)


def not_in_service(_: bool, case: Case) -> Answer:
    """Pass unless the version is active or canary."""
    status = case.subject.status
    if status not in IN_SERVICE:
        return Answer("pass", f"is {status}")
    return Answer("fail", f"is {status} and serves traffic", f"helixctl deactivate {case.subject.ref}")


def _expression(value: Any) -> str:
    """An expression of CEL, of at most 4096 characters, that gives true or false."""
    from helixctl.core.expressions import expression

    return expression(value)


def _expr(text: str, case: Case) -> Answer:
    """Pass where the expression gives true; what it cannot tell denies."""
    from helixctl.core.expressions import expr

    return expr(text, case)


def approvals(wanted: Mapping[str, Any], case: Case) -> Answer:
    """Pass where enough people other than who made it or asks have approved this specification, and nobody rejects it."""
    from helixctl.core.approvals import answer

    return answer(wanted, case)


def _wanted_approvals(value: Any) -> Mapping[str, Any]:
    """A table with required, groups, max_age, self_approval, signed, and at least one of required and groups."""
    kinds: s.Schema = {
        "required": s.positive,
        "groups": s.map_of(s.positive),
        "max_age": s.age,
        "self_approval": s.boolean,
        "signed": s.boolean,
    }
    found: Mapping[str, Any] = s.table(kinds)(value)
    if not found.get("required") and not found.get("groups"):
        raise ValueError("expected at least one of required and groups")
    return found


CHECKS: dict[str, Check] = {
    "through": Check(s.some_of(s.one_of("testing")), through),
    "evaluation": Check(
        s.table(
            {
                "verdict": s.some_of(s.one_of("passed", "warning", "failed")),
                "max_age": s.age,
                "min_samples": s.positive,
                "proven": s.boolean,
            }
        ),
        evaluation,
    ),
    "cost": Check(
        s.table(
            {"max_per_request": s.amount, "input_tokens": s.count, "output_tokens": s.count},
            "max_per_request",
            "input_tokens",
            "output_tokens",
        ),
        cost,
    ),
    "check": Check(fields.bounded, fields.check),
    "eol_headroom": Check(s.duration, eol_headroom),
    "expr": Check(_expression, _expr),
    "bump": Check(_true, against.bump),
    "regression": Check(against.tolerances, against.regression),
    "approvals": Check(_wanted_approvals, approvals),
    "not_deprecated": Check(_true, not_deprecated),
    "not_blocked": Check(_true, not_blocked),
    "not_in_service": Check(_true, not_in_service),
}
"""Every check by the key that names it in a rule."""
