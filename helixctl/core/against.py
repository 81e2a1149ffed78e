"""The checks of a version against the one that is active: what it breaks, and what it does worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from helixctl.core import schema as s
from helixctl.core.case import Answer, Case
from helixctl.core.fields import field
from helixctl.core.names import ordered
from helixctl.core.record import Record

HIGHER = ("success_rate", "avg_confidence")
LOWER = (
    *("avg_latency_ms", "p50_latency_ms", "p95_latency_ms", "p99_latency_ms", "p999_latency_ms"),
    *("error_rate", "avg_input_tokens", "avg_output_tokens", "cost_per_request"),
)
"""The metrics of which more is better, and those of which less is."""
CALENDAR = 1900
"""A major version of this or more is a year, and says nothing of what breaks."""


def bump(_: bool, case: Case) -> Answer:
    """Pass where a version that takes capabilities or limits away from the active one has a higher major version."""
    current, ref = case.current, case.subject.ref
    if current is None:
        return Answer("not_applicable", "no version is active")
    broken = "; ".join(_broken(case.subject, current))
    if not broken:
        return Answer("pass", f"breaks nothing of {current.ref}")
    new, old = _series(case.subject.version), _series(current.version)
    if max(new[0], old[0]) >= CALENDAR:
        return Answer(
            "fail",
            f"{broken}: {ref.version} is a calendar version, which cannot say that it breaks {old[0]}",
            f"helixctl diff {current.ref} {ref}",
        )
    if new > old:
        return Answer("pass", f"{broken}: {ref.version} is a major version after {current.version}")
    taken = {version.partition("+")[0] for version in case.versions}
    free = next(name for major in count(old[0] + 1) if (name := f"{major}.0.0") not in taken)
    fix = f"helixctl register {ref.model}@{free} -f FILE"
    return Answer("fail", f"{broken}: {ref.version} is no major version after {current.version}", fix)


def _series(version: str) -> tuple[int, ...]:
    """Return what changes with a breaking change: the major version, before 1.0.0 the minor one too.

    Source: Semantic Versioning 2.0.0, items 4 and 8.
    """
    major, minor, *_ = ordered(version)
    return (major,) if major else (0, minor)


def _broken(new: Record, old: Record) -> Iterator[str]:
    for name, before in old.spec.get("capabilities", {}).items():
        after = field(new, f"capabilities.{name}")
        gone = set(before) - set(after or ()) if isinstance(before, tuple) else set()
        if gone:
            yield f"{name} without {', '.join(sorted(gone))}"
        elif before is True and after is not True:
            yield f"no {name}"
    for name, before in old.spec.get("limits", {}).items():
        after = field(new, f"limits.{name}")
        if after is None or after < before:
            yield f"{name} is {'not stated' if after is None else after}, was {before}"


def regression(wanted: tuple[Mapping[str, Any], ...], case: Case) -> Answer:
    """Pass where no metric is worse than that of the active version by more than its tolerance; both need a valid evaluation."""
    current, subject = case.current, case.subject
    if current is None or current.ref == subject.ref:
        return Answer("not_applicable", "no other version is active")
    for one in (subject, current):
        why = "was never evaluated" if one.metrics is None else case.stale(one)
        if why:
            return Answer("error", f"could not be evaluated: {one.ref}: {why}", f"helixctl evaluate {one.ref}")
    found = [_compared(one, subject, current, case) for one in wanted]
    worst = next((word for word in ("error", "fail") if any(one.outcome == word for one in found)), "pass")
    told = [one for one in found if one.outcome == worst]
    return Answer(worst, "; ".join(one.message for one in told), told[0].fix)


def _compared(wanted: Mapping[str, Any], subject: Record, current: Record, case: Case) -> Answer:
    name = wanted["metric"]
    values = [field(one, f"metrics.{name}") for one in (subject, current)]
    for one, value in zip((subject, current), values, strict=True):
        if value is None:
            fact = f"could not be evaluated: metrics.{name} is not in the version file of {one.ref}"
            return Answer("error", fact, f"helixctl evaluate {one.ref} --from FILE")
    new, old = (Decimal(value) for value in values)
    lower = name in LOWER or name.removeprefix("scores.") in case.settings.lower_is_better
    allowed = wanted["tolerance"] if "tolerance" in wanted else wanted["relative"] * abs(old)
    worse = new - old if lower else old - new
    told = f"{name} is {_exact(new)}, {current.ref} has {_exact(old)}, may be {_exact(allowed)} {'more' if lower else 'less'}"
    if worse <= allowed:
        return Answer("pass", told)
    fix = f"helixctl compare {subject.ref} {current.ref}"
    return Answer("fail", f"{told} ({'over' if lower else 'under'} by {_exact(worse - allowed)})", fix)


def _exact(value: Decimal) -> str:
    return f"{value.normalize():f}"


def _metric(value: Any) -> str:
    """A metric of an evaluation, or `scores.NAME`."""
    if s.name(value).startswith("scores.") and value != "scores.":
        return str(value)
    return str(s.one_of(*HIGHER, *LOWER, "scores.NAME")(value))


_ROW = s.table({"metric": _metric, "tolerance": s.amount, "relative": s.amount}, "metric")


def tolerances(value: Any) -> tuple[Mapping[str, Any], ...]:
    """One table, or an array of tables, with `metric` and one of tolerance (absolute), relative (a share of the active one's)."""
    rows = s.one_or_some(_ROW, value)
    if not all(("tolerance" in row) != ("relative" in row) for row in rows):
        raise ValueError("expected one of tolerance, relative beside each metric")
    return rows
