"""What a check is given, and what it answers."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import times
from helixctl.core.record import Record
from helixctl.core.schema import Kind

if TYPE_CHECKING:
    from helixctl.core.approvals import Known
    from helixctl.core.settings import Settings


TOWARDS_SERVICE = ("testing", "canary", "activate")
"""Actions that no evaluation of what was served before lets pass; the ways out of service ask for none."""


class Case(NamedTuple):
    """All that a check may look at: the version, the one now active, the time, the settings, what is asked and by whom.

    `kept` holds what is made once for all rules of a decision, `approvals` what is known of them where a rule asks,
    `versions` what names the model's versions have.
    """

    subject: Record
    current: Record | None
    at: datetime
    settings: "Settings"
    action: str = ""
    requester: str = ""
    region: str | None = None
    kept: dict[Any, Any] = {}  # noqa: RUF012 - a decision puts one of its own here
    approvals: "Known | None" = None
    versions: Iterable[str] = ()

    def stale(self, record: Record, max_age: str | None = None) -> str | None:
        """Return why the last evaluation of a version does not count now, or None where it does."""
        if why := outdated(record):
            return why
        metrics = record.metrics or {}
        at, newest = metrics["evaluated_at"], metrics.get("newest_at")
        if at > self.at + times.CLOCK_TOLERANCE:
            return f"the last evaluation ({times.short(at)}) lies in the future: the clock was set back"
        if max_age is None:
            return None
        if newest is None:
            return f"the inferences carry no time, so they cannot be younger than {max_age}"
        if newest > self.at + times.CLOCK_TOLERANCE or self.at - newest > times.parse_duration(max_age):
            return f"the newest inference is of {times.short(newest)}, not within {max_age}"
        return None

    def judged(self, record: Record | None) -> tuple[Record | None, str]:
        """Return what a step towards service may be judged by: a record, without an evaluation that does not count, and why."""
        if record is None or record.metrics is None or self.action not in TOWARDS_SERVICE:
            return record, ""
        key = id(record), self.action, self.at
        if key not in self.kept:  # it takes a digest, and every rule may ask
            why = self.stale(record)
            told = (record._replace(metrics=None), f": {why}") if why else (record, "")
            self.kept[key] = record, told
        found: tuple[Record, str] = self.kept[key][1]
        return found


def outdated(record: Record) -> str | None:
    """Return why the last evaluation of a version says nothing of what it serves now, or None where it does."""
    metrics, blocked = record.metrics or {}, record.lifecycle.get("last_blocked_at")
    at = metrics.get("evaluated_at")
    if at is None or metrics.get("serving_digest") != record.serving_digest:
        return "the last evaluation was of another provider, model id, artifact or configuration"
    if blocked and at <= blocked:
        return f"the last evaluation ({times.short(at)}) is older than the block of {times.short(blocked)}"
    return None


LEFT_OUT = "leave {} out of the rule's actions"
"""What to do about a rule that asks what cannot be so before an action."""


class Answer(NamedTuple):
    """What a check found: pass, fail, inconclusive, error or not_applicable; why; what to type; which approvals counted."""

    outcome: str
    message: str
    fix: str | None = None
    used: tuple[str, ...] = ()


class Check(NamedTuple):
    """The kind of a check's parameters, and its function."""

    parameters: Kind
    answer: Callable[[Any, Case], Answer]
