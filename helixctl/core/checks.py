"""The checks that rules are made of: pure functions of a case, one line each in the table at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import times
from helixctl.core.lifecycle import IN_SERVICE, Status
from helixctl.core.record import Record

if TYPE_CHECKING:
    from helixctl.core.settings import Settings

CLOCK_TOLERANCE = timedelta(minutes=5)


class Case(NamedTuple):
    """All that a check may look at: the version, the one now active, the time, the settings, what is asked and by whom."""

    subject: Record
    current: Record | None
    at: datetime
    settings: Settings
    action: str = ""
    requester: str = ""
    region: str | None = None


class Answer(NamedTuple):
    """What a check found: pass, fail, inconclusive, error or not_applicable; why; and what to type."""

    outcome: str
    message: str
    fix: str | None = None


class Check(NamedTuple):
    """The kind of a check's parameters, and its function."""

    parameters: s.Kind
    answer: Callable[[Any, Case], Answer]


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
    stale = _stale(metrics, wanted.get("max_age"), case)
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


def _stale(metrics: Mapping[str, Any], max_age: str | None, case: Case) -> str | None:
    at, newest = metrics.get("evaluated_at"), metrics.get("newest_at")
    if at is None or metrics.get("serving_digest") != case.subject.serving_digest:
        return "the last evaluation was of another provider, model id, artifact or configuration"
    blocked = case.subject.lifecycle.get("last_blocked_at")
    if blocked and at <= blocked:
        return f"the last evaluation ({times.short(at)}) is older than the block of {times.short(blocked)}"
    if at > case.at + CLOCK_TOLERANCE:
        return f"the last evaluation ({times.short(at)}) lies in the future: the clock was set back"
    if max_age is None:
        return None
    if newest is None:
        return f"the inferences carry no time, so they cannot be younger than {max_age}"
    if newest > case.at + CLOCK_TOLERANCE or case.at - newest > times.parse_duration(max_age):
        return f"the newest inference is of {times.short(newest)}, not within {max_age}"
    return None


def cost(limit: Mapping[str, Any], case: Case) -> Answer:
    """Pass where a request of the given tokens costs at most the limit, by the version's own prices."""
    prices = case.subject.spec.get("cost", {})
    tokens = (limit["input_tokens"], limit["output_tokens"])
    shape = f"a request of {tokens[0]}+{tokens[1]} tokens"
    missing = [key for key in ("input_per_mtok", "output_per_mtok") if key not in prices]
    if missing:
        fix = f"helixctl update {case.subject.ref} --set cost.{missing[0]}=PRICE"
        return Answer("error", f"could not be evaluated: cost.{missing[0]} is not stated", fix)
    price = (tokens[0] * prices["input_per_mtok"] + tokens[1] * prices["output_per_mtok"]) / Decimal(1_000_000)
    most = limit["max_per_request"]
    text = f"{shape} costs {price.normalize():f} USD, limit {most.normalize():f}"
    if price > most:
        return Answer("fail", f"{text} (over by {(price - most).normalize():f})")
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


def _replacement(record: Record) -> str | None:
    ref = record.deprecation.get("replacement") or record.spec.get("availability", {}).get("replacement")
    return f"helixctl check {ref} --for activate" if ref and "@" in ref else None


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


def check(wanted: tuple[Mapping[str, Any], ...], case: Case) -> Answer:
    """Pass where each field of the version file keeps to its bounds; a field that is not there is an error."""
    told = []
    for one in wanted:
        name, value = one["field"], _field(case.subject, one["field"])
        if value is None:
            return Answer("error", f"could not be evaluated: {name} is not in the version file", _source(name, case))
        for word, holds in _BOUNDS.items():
            if word not in one:
                continue
            try:
                kept = holds(value, one[word])
            except TypeError:
                return Answer("error", f"could not be evaluated: {name} has no order with {word} {one[word]}")
            if not kept:
                return Answer("fail", f"{name} is {_said(value)}, not {word} {_said(one[word])}")
            told.append(f"{name} is {_said(value)}, {word} {_said(one[word])}")
    return Answer("pass", "; ".join(told))


def _contains(value: Any, wanted: tuple[str, ...]) -> bool:
    if isinstance(value, Mapping):
        return all(value.get(name) is True for name in wanted)
    if not isinstance(value, tuple | list):
        raise TypeError("no list")
    return set(wanted) <= set(value)


_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "min": lambda value, least: bool(value >= least),
    "max": lambda value, most: bool(value <= most),
    "equals": lambda value, wanted: bool(value == wanted),
    "contains": _contains,
}


def _field(record: Record, name: str) -> Any:
    tables = {"metrics": record.metrics or {}, "lifecycle": record.lifecycle}
    found: Any = {**record.spec, **tables}
    for part in name.split(".", 2):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _source(name: str, case: Case) -> str | None:
    return f"helixctl evaluate {case.subject.ref} --from FILE" if name.startswith("metrics.") else None


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list | Mapping) else str(value)


def _bounded(value: Any) -> tuple[Mapping[str, Any], ...]:
    """One table, or an array of tables, with `field` and at least one of min, max, equals, contains."""
    kind = s.table(
        {"field": s.text, "min": s.number, "max": s.number, "equals": s.free, "contains": s.list_of(s.text)}, "field"
    )
    rows: tuple[Mapping[str, Any], ...] = s.list_of(kind)(value if isinstance(value, list | tuple) else [value])
    if not rows or not all(_BOUNDS.keys() & set(row) for row in rows):
        raise ValueError("expected at least one of min, max, equals, contains beside each field")
    return rows


CHECKS: dict[str, Check] = {
    "through": Check(s.list_of(s.one_of("testing")), through),
    "evaluation": Check(
        s.table(
            {
                "verdict": s.list_of(s.one_of("passed", "warning", "failed")),
                "max_age": s.duration,
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
    "check": Check(_bounded, check),
    "eol_headroom": Check(s.duration, eol_headroom),
    "not_deprecated": Check(_true, not_deprecated),
    "not_blocked": Check(_true, not_blocked),
    "not_in_service": Check(_true, not_in_service),
}
"""Every check by the key that names it in a rule."""
