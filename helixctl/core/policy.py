"""Policies as values: rules with a level, findings, and the decision over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.checks import CHECKS, Answer, Case
from helixctl.core.lifecycle import Action
from helixctl.core.names import Ref
from helixctl.core.record import canonical_digest
from helixctl.errors import Invalid, Usage

if TYPE_CHECKING:
    from helixctl.core.request import Request

MIN_OVERRIDE_REASON = 20
GATED = frozenset({Action.CANARY, Action.ACTIVATE})
"""Actions that are denied where no policy matches."""

_MATCH: s.Schema = {"actions": s.list_of(s.one_of(*Action))} | {
    name: s.list_of(s.name) for name in ("models", "tags", "providers", "regions")
}
_RULE: s.Schema = {
    "id": s.name,
    "enforcement": s.one_of("advisory", "overridable", "mandatory"),
    "description": s.text,
    **_MATCH,
    **{name: check.parameters for name, check in CHECKS.items()},
}
SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "name": s.name,
    "description": s.text,
    "match": _MATCH,
    "rule": s.list_of(lambda rule: s.checked(rule, _RULE, required=("id", "enforcement"))),
}
DEFAULT = b"""\
# Evaluated before every canary and activation. Rules: docs/policy.md
schema = 1
name = "default"

[match]
actions = ["canary", "activate"]
models = ["*"]

[[rule]]
id = "tested-first"
enforcement = "overridable"
through = ["testing"]

[[rule]]
id = "evaluation"
enforcement = "overridable"
evaluation = { verdict = ["passed", "warning"] }

[[rule]]
id = "cost-cap"
enforcement = "overridable"
cost = { max_per_request = 0.10, input_tokens = 1000, output_tokens = 500 }

[[rule]]
id = "end-of-life"
enforcement = "overridable"
eol_headroom = "7d"

[[rule]]
id = "not-deprecated"
enforcement = "overridable"
not_deprecated = true
"""


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
        spec = case.subject.spec
        found = ((case.action,), (spec["model"],), spec.get("tags", ()), (spec["provider"],))
        return all(map(_fits, self[:4], found)) and (case.region is None or _fits(self.regions, (case.region,)))


def _fits(patterns: tuple[str, ...] | None, found: tuple[str, ...]) -> bool:
    return patterns is None or any(fnmatchcase(one, pattern) for one in found for pattern in patterns)


class Rule(NamedTuple):
    """One rule: its level, the name of its check, the check's parameters, and what it is about."""

    id: str
    enforcement: str
    check: str
    parameters: Any
    match: Match


class Policy(NamedTuple):
    """A file of rules with the digest of its bytes."""

    name: str
    digest: str
    rules: tuple[Rule, ...]


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

    @property
    def blocks(self) -> bool:
        """True where it denies."""
        return self.enforcement != "advisory" and self.outcome in ("fail", "inconclusive", "error")


class Decision(NamedTuple):
    """Every finding about one action on one version, and the policies that gave them."""

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
        }


def decode(raw: bytes) -> Policy:
    """Return the policy that a file holds.

    Raises:
        Invalid: not TOML, an unknown key or check, no enforcement, no or several checks in a rule, or an id twice.
    """
    data = toml.load(raw, SCHEMA, required=("schema", "name", "rule"))
    match = data.get("match", {})
    rules = tuple(_rule(rule, f"rule.{place}", match, raw) for place, rule in enumerate(data["rule"]))
    ids = [rule.id for rule in rules]
    for place, name in enumerate(ids):
        if name in ids[:place]:
            hint = "give each rule an id of its own"
            raise toml.placed(Invalid(f"rule id {name!a} stands twice", key=f"rule.{place}", hint=hint), raw)
    return Policy(data["name"], hashlib.sha256(raw).hexdigest(), rules)


def _rule(rule: Mapping[str, Any], key: str, match: Mapping[str, Any], raw: bytes) -> Rule:
    checks = [name for name in CHECKS if name in rule]
    if len(checks) != 1:
        error = Invalid(
            f"rule {rule['id']!a} has {len(checks)} checks, expected one",
            key=key,
            hint=f"write one of {', '.join(CHECKS)} in each [[rule]]",
        )
        raise toml.placed(error, raw)
    about = {name: rule.get(name, match.get(name)) for name in Match._fields}
    return Rule(rule["id"], rule["enforcement"], checks[0], rule[checks[0]], Match(**about))


def built_in_digest() -> str:
    """Return the digest that stands for the rules of this program."""
    return canonical_digest([(*rule[:4], rule.match.actions, rule.match.models) for rule in BUILT_IN])


def decide(action: Action, case: Case, policies: tuple[Policy, ...], request: Request | None = None) -> Decision:
    """Return the decision: every matching rule of every policy is run, none stops another.

    Raises:
        Usage: an override names no matching rule, or has no reason of 20 characters.
    """
    ref = case.subject.ref
    case = case._replace(action=action, requester=request.actor.id if request else "")
    everything = (Policy("built-in", built_in_digest(), BUILT_IN), *policies)
    matching = [(policy, rule) for policy in everything for rule in policy.rules if rule.match.fits(case)]
    overrides = request.overrides if request else ()
    _check_overrides(overrides, request, [rule.id for _, rule in matching])
    findings = [_finding(rule, case, rule.id in overrides) for _, rule in matching]
    if action in GATED and not any(policy.rules is not BUILT_IN for policy, _ in matching):
        fix = f"write a policy that matches {action} and {ref.model}"
        findings.append(Finding("policy", "mandatory", "fail", f"no policy matches {action} of {ref.model}", fix))
    used = {policy.digest: policy for policy, _ in matching}
    return Decision(action, ref, tuple(used.values()), tuple(findings))


def _check_overrides(overrides: tuple[str, ...], request: Request | None, known: list[str]) -> None:
    for name in overrides:
        if name not in known:
            near = s.did_you_mean(name, known)
            hint = f"rules that apply here: {', '.join(known) or 'none'}"
            raise Usage(f"override names no rule that applies: {name!a}{near}", hint=hint)
    if overrides and len(((request and request.reason) or "").strip()) < MIN_OVERRIDE_REASON:
        raise Usage(
            f"an override needs a reason of at least {MIN_OVERRIDE_REASON} characters", hint="add --reason '...'"
        )


def _finding(rule: Rule, case: Case, overridden: bool) -> Finding:
    answer: Answer = CHECKS[rule.check].answer(rule.parameters, case)
    outcome = answer.outcome
    if overridden and rule.enforcement == "overridable" and outcome in ("fail", "inconclusive", "error"):
        outcome = "overridden"
    return Finding(rule.id, rule.enforcement, outcome, answer.message, answer.fix)
