"""Why each rule applies to a change or does not, and what it saw."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from helixctl.core import toml
from helixctl.core.case import Case
from helixctl.core.fields import field, said
from helixctl.core.policy import Finding, Policy, Rule, everything, finding


class Told(NamedTuple):
    """What one rule makes of a change.

    Args:
        misfits: the kinds in which it matches nothing, with what was found and wanted; none where it is run.
        finding: its answer; None where it is not run. saw: the values that it looked at, by name.
    """

    policy: str
    path: str
    line: int | None
    rule: str
    enforcement: str
    check: str
    misfits: tuple[str, ...]
    finding: Finding | None = None
    saw: Mapping[str, str] = MappingProxyType({})


def explained(case: Case, policies: tuple[Policy, ...]) -> tuple[Told, ...]:
    """Return what every rule of every policy makes of a case, those that do not match too.

    Raises:
        BadSettings: as `policy.decide`.
    """
    return tuple(_told(policy, rule, case) for policy in everything(policies) for rule in policy.rules)


def line_of(policy: Policy, rule: Rule) -> int | None:
    """Return the line on which a rule begins, None for a built-in one."""
    return toml.line_of(policy.source.decode(), rule.key) if rule.key else None


def _told(policy: Policy, rule: Rule, case: Case) -> Told:
    misfits = tuple(rule.match.misfits(case))
    told = Told(policy.name, policy.path, line_of(policy, rule), rule.id, rule.enforcement, rule.check, misfits)
    if misfits:
        return told
    return told._replace(finding=finding(policy, rule, case), saw=dict(_seen(rule, case)))


def _seen(rule: Rule, case: Case) -> Iterator[tuple[str, str]]:
    texts = [text for text in (rule.when, rule.parameters if rule.check == "expr" else None) if text]
    if texts:
        from helixctl.core.expressions import seen

        for text in texts:
            yield from seen(text, case).items()
    looked: tuple[Any, ...] = rule.parameters if rule.check in ("check", "regression") else ()
    for row in looked:
        name = row.get("field") or f"metrics.{row['metric']}"
        for variable, record in (("model", case.subject), ("current", case.current)):
            value = field(record, name) if record and (variable == "model" or "metric" in row) else None
            if value is not None:
                yield f"{variable}.{name}", said(name, value)
