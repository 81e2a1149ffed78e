"""Policies as values: rules with a level, findings, and the decision over all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.case import Answer, Case
from helixctl.core.checks import CHECKS
from helixctl.core.lifecycle import Action
from helixctl.core.names import Ref
from helixctl.core.record import canonical_digest
from helixctl.errors import BadSettings, HelixError, Invalid, Usage

if TYPE_CHECKING:
    from helixctl.core.request import Request

MIN_OVERRIDE_REASON = 20
GATED = frozenset({Action.CANARY, Action.ACTIVATE})
"""Actions that are denied where no policy matches."""

_MATCH: s.Schema = {"actions": s.list_of(s.one_of(*Action))} | {
    name: s.list_of(s.name) for name in ("models", "tags", "providers", "regions")
}
_LEVEL = s.one_of("advisory", "overridable", "mandatory")
RULE: s.Schema = {
    "id": s.name,
    "enforcement": _LEVEL,
    "description": s.text,
    **_MATCH,
    "when": CHECKS["expr"].parameters,
    **{name: check.parameters for name, check in CHECKS.items()},
}
RULE_NEEDS = ("id", "enforcement")
FREEZE_NEEDS = ("name", "enforcement", "timezone")


def _freeze(table: Any) -> Mapping[str, Any]:
    """A table with name, enforcement, timezone, and from and until, or weekly."""
    return s.checked(table, freeze_schema(), required=FREEZE_NEEDS)


def freeze_schema() -> s.Schema:
    """Return the keys of a `[[freeze]]`; zones are loaded where there is one only."""
    from helixctl.core.freezes import TABLE

    base: s.Schema = {"name": s.name, "enforcement": _LEVEL, "description": s.text, **_MATCH}
    return {**base, "when": RULE["when"], "allow": s.list_of(s.one_of(*Action)), **TABLE}


SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "name": s.name,
    "description": s.text,
    "match": _MATCH,
    "rule": s.list_of(lambda rule: s.checked(rule, RULE, required=RULE_NEEDS)),
    "freeze": s.list_of(_freeze),
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
        return next(self.misfits(case), None) is None

    def misfits(self, case: Case) -> Iterator[str]:
        """Yield each kind in which nothing fits, with what was found and what is wanted."""
        spec, regions = case.subject.spec, self.regions if case.region is not None else None
        found = ((case.action,), (spec["model"],), spec.get("tags", ()), (spec["provider"],), (case.region,))
        for kind, values, patterns in zip(self._fields, found, (*self[:4], regions), strict=True):
            if not _fits(patterns, values):
                yield f"{kind}: {', '.join(map(str, values)) or 'none'} fits none of {', '.join(patterns or ()) or 'none'}"


def _fits(patterns: tuple[str, ...] | None, found: tuple[Any, ...]) -> bool:
    return patterns is None or any(fnmatchcase(one, pattern) for one in found for pattern in patterns)


class Rule(NamedTuple):
    """One rule: its level, the name of its check, the check's parameters, what it is about, and where it stands.

    Args:
        when: the expression under which it applies; None where it always does. key: such as `rule.1`.
    """

    id: str
    enforcement: str
    check: str
    parameters: Any
    match: Match
    when: str | None = None
    key: str = ""


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


def decode(raw: bytes, path: str = "") -> Policy:
    """Return the policy that a file holds.

    Raises:
        Invalid: not TOML, an unknown key or check, no enforcement, no or several checks in a rule, an id twice, a freeze
            without a time, or an expression where CEL is not installed.
    """
    data = toml.load(raw, SCHEMA, required=("schema", "name"))
    if "rule" not in data and "freeze" not in data:
        raise Invalid("key 'rule' is missing", key="rule", hint="add a [[rule]] or a [[freeze]]")
    try:
        rules = tuple(rules_of(data))
        for at, rule in enumerate(rules):
            if rule.id in [one.id for one in rules[:at]]:
                raise Invalid(f"rule id {rule.id!a} stands twice", key=rule.key, hint="give each rule an id of its own")
    except Invalid as error:
        raise toml.placed(error, raw) from None
    return Policy(data["name"], hashlib.sha256(raw).hexdigest(), rules, path, raw)


def rules_of(data: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield the rules, and the freezes as rules, of a file whose keys were checked.

    Raises:
        Invalid: as `decode`, the key at fault without its line.
    """
    match = data.get("match", {})
    for place, rule in enumerate(data.get("rule", ())):
        yield rule_of(rule, f"rule.{place}", match)
    for place, table in enumerate(data.get("freeze", ())):
        yield freeze_of(table, f"freeze.{place}", match)


def rule_of(rule: Mapping[str, Any], key: str, match: Mapping[str, Any]) -> Rule:
    """Return one rule.

    Raises:
        Invalid: it has no check or several, or needs CEL, which is not installed.
    """
    checks = [name for name in CHECKS if name in rule]
    if len(checks) != 1:
        fact = f"rule {rule['id']!a} has {len(checks)} checks, expected one"
        raise Invalid(fact, key=key, hint=f"write one of {', '.join(CHECKS)} in each [[rule]]")
    return _rule(rule, rule["id"], (checks[0], rule[checks[0]]), key, match)


def freeze_of(table: Mapping[str, Any], key: str, match: Mapping[str, Any]) -> Rule:
    """Return a freeze as a rule.

    Raises:
        Invalid: no or unclear times, or it needs CEL, which is not installed.
    """
    from helixctl.core import freezes

    try:
        frozen = freezes.freeze_of(table)
    except Invalid as error:
        fact = f"freeze {table['name']!a}: {error.message}"
        raise Invalid(fact, key=f"{key}.{error.key}", hint=error.hint) from None
    return _rule(table, table["name"], ("freeze", frozen), key, match)


def _rule(table: Mapping[str, Any], name: str, check: tuple[str, Any], key: str, match: Mapping[str, Any]) -> Rule:
    needs = next((word for word in ("when", "expr") if word in table), None)
    if needs and not _is_installed():
        fact = f"rule {name!a} is an expression of CEL, which is not installed"
        raise Invalid(fact, key=f"{key}.{needs}", hint="pip install 'helixctl[cel]'")
    about = Match(**{kind: table.get(kind, match.get(kind)) for kind in Match._fields})
    return Rule(name, table["enforcement"], *check, about, table.get("when"), key)


def _is_installed() -> bool:
    from helixctl.core.expressions import is_installed

    return is_installed()


def built_in_digest() -> str:
    """Return the digest that stands for the rules of this program."""
    return canonical_digest([(*rule[:4], rule.match.actions, rule.match.models) for rule in BUILT_IN])


def everything(policies: tuple[Policy, ...]) -> tuple[Policy, ...]:
    """Return the policies with the rules that hold everywhere before them."""
    return (Policy("built-in", built_in_digest(), BUILT_IN, BUILT_IN_PATH), *policies)


def asked(action: Action, case: Case, request: Request | None) -> Case:
    """Return the case of one question: the action, by whom, and in which region."""
    case = case._replace(action=action, kept={})
    return case._replace(requester=request.actor.id, region=request.region or case.region) if request else case


def decide(action: Action, case: Case, policies: tuple[Policy, ...], request: Request | None = None) -> Decision:
    """Return the decision: every matching rule of every policy is run, none stops another.

    Raises:
        Usage: an override names no matching rule, or has no reason of 20 characters.
        BadSettings: an expression that matches does not compile, or gives something else than true or false.
    """
    ref = case.subject.ref
    case = asked(action, case, request)
    matching = [(policy, rule) for policy in everything(policies) for rule in policy.rules if rule.match.fits(case)]
    overrides = request.overrides if request else ()
    _check_overrides(overrides, request, [rule.id for _, rule in matching])
    findings = [finding(policy, rule, case, overridden=rule.id in overrides) for policy, rule in matching]
    if action in GATED and not any(
        policy.path != BUILT_IN_PATH and rule.check != "freeze" for policy, rule in matching
    ):
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


def finding(policy: Policy, rule: Rule, case: Case, *, overridden: bool = False) -> Finding:
    """Return what one rule says.

    Raises:
        BadSettings: as `decide`.
    """
    try:
        answer = _answer(rule, case)
    except Invalid as error:
        raise policy.at_fault(rule, error) from None
    outcome = answer.outcome
    if overridden and rule.enforcement == "overridable" and outcome in ("fail", "inconclusive", "error"):
        outcome = "overridden"
    return Finding(rule.id, rule.enforcement, outcome, answer.message, answer.fix)


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
