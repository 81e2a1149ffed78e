"""Cases beside the policies, in TOML: what is given, what is asked, and what policy should say to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from helixctl.core import policy, toml
from helixctl.core import schema as s
from helixctl.core.approvals import UNSIGNED, Found, Known
from helixctl.core.audit import Actor
from helixctl.core.case import Case
from helixctl.core.lifecycle import Action, Status
from helixctl.core.people import People
from helixctl.core.policy import Policy
from helixctl.core.record import FILE, Record
from helixctl.core.request import Request, Retire
from helixctl.core.settings import Settings
from helixctl.core.statement import Statement
from helixctl.errors import Invalid

OUTCOMES = ("pass", "fail", "error", "inconclusive", "not_applicable", "unmatched")
AUTHOR = "policy-test-author"
"""Who registered the version of a case that names nobody."""
_DAY = timedelta(days=1)
EXPECTED = ("allowed", "denied", "inconclusive")
_APPROVAL = s.table(
    {"by": s.name, "at": s.moment, "action": s.one_of(*Action), "signed": s.boolean, "rejects": s.boolean}, "by"
)
_CASE: s.Schema = {
    "name": s.name,
    "action": s.one_of(*Action),
    "expect": s.one_of(*EXPECTED),
    "at": s.moment,
    "actor": s.name,
    "region": s.name,
    "authors": s.list_of(s.name),
    "approvals": s.list_of(_APPROVAL),
    "given": FILE,
    "active": FILE,
    "findings": s.map_of(s.one_of(*OUTCOMES)),
}
SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "at": s.moment,
    "case": s.list_of(lambda one: s.checked(one, _CASE, required=("name", "action", "expect"))),
}


class Rehearsed(NamedTuple):
    """What came of one case: its place, what was expected and found, and each difference."""

    path: str
    line: int | None
    name: str
    expected: str
    found: str
    differences: tuple[str, ...]


class Given(NamedTuple):
    """What cases are judged by: the policies, the settings, and who is who."""

    policies: tuple[Policy, ...]
    settings: Settings
    people: People


def rehearse(raw: bytes, path: str, by: Given) -> Iterator[Rehearsed]:
    """Yield what comes of each case of a file.

    Raises:
        Invalid: the file is malformed, or a case has no time.
    """
    data = toml.load(raw, SCHEMA, required=("schema", "case"))
    for place, one in enumerate(data["case"]):
        at = one.get("at", data.get("at"))
        key = f"case.{place}"
        if at is None:
            hint = "add at = 2026-11-26T12:00:00Z to the case, or at the top of the file"
            raise toml.placed(Invalid(f"case {one['name']!a} has no time", key=key, hint=hint), raw)
        found, differences = _played(one, at, by)
        line = toml.line_of(raw.decode(), key)
        yield Rehearsed(path, line, one["name"], one["expect"], found, tuple(differences))


def _played(one: Mapping[str, Any], at: datetime, by: Given) -> tuple[str, list[str]]:
    subject = _record(one.get("given", {}), "1.1.0", Status.INACTIVE, at)
    active = one.get("active")
    current = None if active is None else _record({"model": subject.ref.model, **active}, "1.0.0", Status.ACTIVE, at)
    case = Case(subject, current, at, by.settings, region=one.get("region"))
    case = case._replace(approvals=_known(one, case, by))
    asking = Request(Retire(subject.ref), Actor(one.get("actor", "policy-test"), "api", "test"))
    decision = policy.decide(Action(one["action"]), case, by.policies, asking)
    found = "allowed" if decision.allowed else "inconclusive" if decision.is_inconclusive else "denied"
    said = {row.rule: row for row in decision.findings}
    differences = []
    if found != one["expect"]:
        why = "; ".join(f"{row.rule}: {row.message}" for row in decision.findings if row.blocks)
        differences.append(f"expected {one['expect']}, found {found}{f' ({why})' if why else ''}")
    for rule, wanted in one.get("findings", {}).items():
        row = said.get(rule)
        outcome = row.outcome if row else "unmatched"
        if outcome != wanted:
            near = s.did_you_mean(rule, said) if row is None else f" ({row.message})"
            differences.append(f"{rule}: expected {wanted}, found {outcome}{near}")
    return found, differences


def _known(one: Mapping[str, Any], case: Case, by: Given) -> Known:
    """Return the approvals that a case gives: of this version and action, signed where it says so."""
    found = []
    for number, each in enumerate(one.get("approvals", ())):
        kind, stated = ("rejection" if each.get("rejects") else "approval"), each.get("at", case.at)
        values = {"action": each.get("action", one["action"]), "expires": case.at + _DAY}
        about = by.settings.id, case.subject.ref, case.subject.specification_digest
        statement = Statement(kind, str(number), *about, each["by"], stated, **values)
        flaw = None if each.get("signed") else UNSIGNED
        found.append(Found(f"{number:09}", statement, signer=None if flaw else each["by"], flaw=flaw))
    return Known(by.people, tuple(found), frozenset(one.get("authors", (AUTHOR,))))


def _record(given: Mapping[str, Any], version: str, status: Status, at: datetime) -> Record:
    """Return a version of what is given; what only keeps the books of an evaluation is filled in."""
    named = {"schema": 1, "model": "model", "version": version, "provider": "provider", **given}
    lifecycle = {"status": status, "registered_at": at, **named.pop("lifecycle", {})}
    metrics = named.pop("metrics", None)
    record = Record(b"", named, lifecycle)
    if metrics is None:
        return record
    filled = {"evaluated_at": at, "newest_at": at, "serving_digest": record.serving_digest}
    return record._replace(metrics={**filled, **metrics})
