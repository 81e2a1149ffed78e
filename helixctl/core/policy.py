"""Policies as values: rules with a level, findings, and the decision over all of them."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import toml
from helixctl.core.case import LEFT_OUT, Answer, Case
from helixctl.core.checks import CHECKS
from helixctl.core.lifecycle import REACHED_BY, Action
from helixctl.core.names import Ref
from helixctl.core.record import canonical_digest
from helixctl.errors import BadSettings, HelixError, Invalid

if TYPE_CHECKING:
    from helixctl.core.record import Record
    from helixctl.core.request import Request

GATED = frozenset({Action.CANARY, Action.ACTIVATE})
"""Actions that are denied where no policy matches."""


class Match(NamedTuple):
    """What a rule is about: actions, and patterns of which one must fit in each kind; None where all do.

    A request that names no region reaches all of them, so rules of any region match it.
    """

    actions: tuple[str, ...] | None = None
    models: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    providers: tuple[str, ...] | None = None
    regions: tuple[str, ...] | None = None

    def fits(self, case: Case) -> bool:
        """Tell whether a rule that states this is to be run."""
        return next(self.misfits(case), None) is None

    def misfits(self, case: Case) -> Iterator[str]:
        """Yield each kind in which nothing fits, with what was found and what is wanted."""
        spec, regions = case.subject.spec, self.regions if case.region is not None else None
        found = ((case.action,), (spec["model"],), spec.get("tags", ()), (spec["provider"],), (case.region,))
        for kind, values, patterns in zip(self._fields, found, (*self[:4], regions), strict=True):
            if patterns is not None and not any(_fits(pattern, one) for one in values for pattern in patterns):
                yield f"{kind}: {', '.join(map(str, values)) or 'none'} fits none of {', '.join(patterns) or 'none'}"


def _fits(pattern: str, found: Any) -> bool:
    """Tell whether a text fits a pattern; most are plain words or end in their only `*`, which needs no regular expression."""
    if pattern == found:
        return True
    start = pattern.rstrip("*")
    if any(sign in start for sign in "*?["):
        return fnmatchcase(found, pattern)
    return start != pattern and found.startswith(start)


class Rule(NamedTuple):
    """One rule: its level, the name of its check, the check's parameters, what it is about, and where it stands.

    Args:
        when: the expression under which it applies; None where it always does. key: such as `rule.1`.
        override: what setting it aside takes: a `ticket` in the reason, and one of the `groups`.
    """

    id: str
    enforcement: str
    check: str
    parameters: Any
    match: Match
    when: str | None = None
    key: str = ""
    override: Mapping[str, Any] = MappingProxyType({})


class Policy(NamedTuple):
    """A file of rules with the digest of its bytes, its path, and its text."""

    name: str
    digest: str
    rules: tuple[Rule, ...]
    path: str = ""
    source: bytes = b""

    def at_fault(self, rule: Rule, error: Invalid) -> HelixError:
        """Return what is wrong with a rule as a refusal of its file."""
        placed = Invalid(f"rule {rule.id!a}: {error.message}", key=f"{rule.key}.{error.key}", hint=error.hint)
        return toml.placed(placed, self.source).become(BadSettings, self.path)


BUILT_IN_PATH = "built-in"
BUILT_IN = (
    Rule("blocked", "mandatory", "not_blocked", True, Match(("testing", "canary", "activate"), ("*",))),
    Rule("retire-in-service", "overridable", "not_in_service", True, Match(("retire",), ("*",))),
)
"""Rules that hold in every registry."""


class Finding(NamedTuple):
    """One rule's answer: pass, not_applicable, fail, inconclusive, error, or overridden."""

    rule: str
    enforcement: str
    outcome: str
    message: str
    fix: str | None = None
    used: tuple[str, ...] = ()

    @property
    def blocks(self) -> bool:
        """True where it denies."""
        return self.enforcement != "advisory" and self.outcome in ("fail", "inconclusive", "error")


class Decision(NamedTuple):
    """Every finding about one action on one version, and all policies in force, those that match nothing too."""

    action: str
    ref: Ref
    policies: tuple[Policy, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def allowed(self) -> bool:
        """True where no finding blocks."""
        return not any(finding.blocks for finding in self.findings)

    @property
    def is_inconclusive(self) -> bool:
        """True where all that blocks is the lack of a fresh, conclusive evaluation."""
        blocking = [finding for finding in self.findings if finding.blocks]
        return bool(blocking) and all(finding.outcome == "inconclusive" for finding in blocking)

    @property
    def overridden(self) -> tuple[str, ...]:
        """Ids of the rules that an override set aside."""
        return tuple(finding.rule for finding in self.findings if finding.outcome == "overridden")

    def as_data(self) -> dict[str, Any]:
        """Return the decision as the log and JSON output carry it."""
        return {
            "allowed": self.allowed,
            "policies": [{"name": one.name, "digest": one.digest} for one in self.policies],
            "findings": [
                {"rule": f.rule, "enforcement": f.enforcement, "outcome": f.outcome, "message": f.message, "fix": f.fix}
                for f in self.findings
            ],
            "overrides": list(self.overridden),
            "approvals": sorted({one for finding in self.findings for one in finding.used}),
        }


def built_in_digest() -> str:
    """Return the digest that stands for the rules of this program."""
    return canonical_digest([(*rule[:4], rule.match.actions, rule.match.models) for rule in BUILT_IN])


def everything(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """Return the policies with the rules that hold everywhere before them."""
    return (Policy("built-in", built_in_digest(), BUILT_IN, BUILT_IN_PATH), *policies)


def asked(action: Action, case: Case, request: "Request | None") -> Case:
    """Return the case of one question: the action, by whom, and in which region."""
    case = case._replace(action=action, kept={})
    return case._replace(requester=request.requester, region=request.region or case.region) if request else case


def unchanged(action: Action, subject: "Record") -> tuple[Finding, ...]:
    """Return what is said where nothing is to be changed: no rule judges it, also none that would deny now."""
    bar = ", and blocked" if subject.blocked else ""
    said = f"is {subject.status} already{bar}" if REACHED_BY[subject.status] is action else "is so already"
    return (Finding("unchanged", "advisory", "not_applicable", f"{said}: no rule was asked"),)


def decide(action: Action, case: Case, policies: tuple[Policy, ...], request: "Request | None" = None) -> Decision:
    """Return the decision: every matching rule of every policy is run, none stops another.

    Raises:
        Usage: an override is asked for wrongly.
        BadSettings: an expression that matches does not compile, or gives something else than true or false.
    """
    ref = case.subject.ref
    case = asked(action, case, request)
    policies = everything(policies)
    matching = [(policy, rule) for policy in policies for rule in policy.rules if rule.match.fits(case)]
    if request is not None and request.overrides:
        from helixctl.core.overrides import refuse

        refuse(request, [rule for _, rule in matching])
    set_aside = request.overrides if request else ()
    findings = [finding(policy, rule, case, overridden=rule.id in set_aside) for policy, rule in matching]
    if action in GATED and not any(
        policy.path != BUILT_IN_PATH and rule.check != "freeze" for policy, rule in matching
    ):
        fix = f"write a policy that matches {action} and {ref.model}"
        findings.append(Finding("policy", "mandatory", "fail", f"no policy matches {action} of {ref.model}", fix))
    return Decision(action, ref, policies, tuple(findings))


def finding(policy: Policy, rule: Rule, case: Case, *, overridden: bool = False) -> Finding:
    """Return what one rule says.

    Raises:
        BadSettings: as `decide`.
    """
    try:
        answer = _answer(rule, case)
    except Invalid as error:
        raise policy.at_fault(rule, error) from None
    outcome, message = answer.outcome, answer.message
    if overridden and rule.enforcement == "overridable" and outcome in ("fail", "inconclusive", "error"):
        from helixctl.core.overrides import barred

        why = barred(rule, case)
        outcome, message = (outcome, f"{message}; {why}") if why else ("overridden", message)
    return Finding(rule.id, rule.enforcement, outcome, message, _fix(answer.fix, case), answer.used)


def _fix(fix: str | None, case: Case) -> str | None:
    """Return what to type; of a version that is still to be registered nothing but its registration can be."""
    ref = str(case.subject.ref)
    if case.action != Action.REGISTER or not fix or ref not in fix:
        return fix
    change = f"helixctl update {ref}"
    return fix.replace(change, f"helixctl register {ref}") if change in fix else LEFT_OUT.format(case.action)


def _answer(rule: Rule, case: Case) -> Answer:
    if rule.when is not None:
        from helixctl.core.expressions import applies

        answer = applies(rule.when, case)
        if answer is not None:
            return answer
    if rule.check == "freeze":
        from helixctl.core.freezes import freeze

        return freeze(rule.parameters, case)
    return CHECKS[rule.check].answer(rule.parameters, case)
