"""Policy files as text: their keys, the policy that `init` writes, and decoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.checks import CHECKS
from helixctl.core.digest import sha256
from helixctl.core.lifecycle import Action
from helixctl.core.policy import BUILT_IN, Match, Policy, Rule
from helixctl.errors import Invalid

OWN_ID = "give each rule an id of its own"


def rule_id(value: Any) -> str:
    """An id of its own, not empty and not that of a built-in rule."""
    found = s.name(value)
    if found in {rule.id for rule in BUILT_IN}:
        raise ValueError(f"{found!a} is the id of a built-in rule")
    return found


_MATCH: s.Schema = {"actions": s.some_of(s.one_of(*Action))} | {
    name: s.some_of(s.name) for name in ("models", "tags", "providers", "regions")
}
_LEVEL = s.one_of("advisory", "overridable", "mandatory")
_OVERRIDE = s.table({"ticket": s.name, "groups": s.some_of(s.name)})
RULE: s.Schema = {
    "id": rule_id,
    "enforcement": _LEVEL,
    "description": s.text,
    "override": _OVERRIDE,
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

    base: s.Schema = {"name": rule_id, "enforcement": _LEVEL, "description": s.text, "override": _OVERRIDE, **_MATCH}
    return {**base, "when": RULE["when"], "allow": s.list_of(s.one_of(*Action)), **TABLE}


SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "name": s.name,
    "description": s.text,
    "match": _MATCH,
    "override": _OVERRIDE,
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
                raise Invalid(f"rule id {rule.id!a} stands twice", key=rule.key, hint=OWN_ID)
    except Invalid as error:
        raise toml.placed(error, raw) from None
    return Policy(data["name"], sha256(raw), rules, path, raw)


def rules_of(data: Mapping[str, Any]) -> Iterator[Rule]:
    """Yield the rules, and the freezes as rules, of a file whose keys were checked.

    Raises:
        Invalid: as `decode`, the key at fault without its line.
    """
    match = {**data.get("match", {}), "override": data.get("override", {})}
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
    return _rule(table, table["name"], ("freeze", frozen), key, {"actions": freezes.FROZEN, **match})


def _rule(table: Mapping[str, Any], name: str, check: tuple[str, Any], key: str, match: Mapping[str, Any]) -> Rule:
    needs = next((word for word in ("when", "expr") if word in table), None)
    if needs and not _is_installed():
        fact = f"rule {name!a} is an expression of CEL, which is not installed"
        raise Invalid(fact, key=f"{key}.{needs}", hint="pip install 'helixctl[cel]'")
    if "override" in table and table["enforcement"] != "overridable":
        fact = f"rule {name!a} is {table['enforcement']}: nothing overrides it"
        raise Invalid(fact, key=f"{key}.override", hint="remove the key, or make the rule overridable")
    about = Match(**{kind: table.get(kind, match.get(kind)) for kind in Match._fields})
    takes = {**match.get("override", {}), **table.get("override", {})}
    return Rule(name, table["enforcement"], *check, about, table.get("when"), key, takes)


def _is_installed() -> bool:
    from helixctl.core.expressions import is_installed

    return is_installed()
