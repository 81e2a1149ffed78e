"""What a report says of a period of the log, as values: what happened, what served, who agreed, and figures."""

from __future__ import annotations

from typing import NamedTuple

from helixctl.core.figures import Figure


class Service(NamedTuple):
    """A time in which a version was active.

    Args:
        since: None where it began before the first entry that is there. until: None where it still served at the end.
        began_before: whether it began before the period.
    """

    ref: str
    since: str | None
    until: str | None
    began_before: bool


class Activation(NamedTuple):
    """A version put into service.

    Args:
        replaced: the versions that served. is_downgrade: one of them was higher by precedence.
        approvers: whose approval stood. four_eyes: one of them is not who activated; None where nobody had approved.
        rolled_back: within the period.
    """

    ref: str
    at: str
    by: str
    replaced: tuple[str, ...]
    is_downgrade: bool
    approvers: tuple[str, ...]
    four_eyes: bool | None
    rolled_back: bool = False


class Rollback(NamedTuple):
    """A return to an earlier version; `hours` are those from the activation of the version left until then."""

    ref: str
    at: str
    by: str
    left: str | None
    hours: float | None
    reason: str | None


class Approval(NamedTuple):
    """An approval, a rejection or a withdrawal."""

    ref: str
    at: str
    by: str
    action: str
    reason: str | None


class Override(NamedTuple):
    """Rules set aside once, and who looked at that later."""

    ref: str
    at: str
    by: str
    rules: tuple[str, ...]
    reason: str | None
    entry: str
    reviewed_by: str | None = None
    reviewed_at: str | None = None


class Denied(NamedTuple):
    """An attempt that policy denied, by the rules that denied it."""

    ref: str | None
    at: str
    by: str
    action: str
    rules: tuple[str, ...]
    reason: str | None


class Evaluation(NamedTuple):
    """A judgement over samples, and the thresholds that it found violated."""

    ref: str
    at: str
    by: str
    violated: tuple[str, ...]
    verdict: str | None = None
    samples: int | None = None
    proven: bool | None = None


class Report(NamedTuple):
    """All that a report says of the log. Counts are of effects by action, and of entries by severity, model and actor."""

    since: str
    until: str
    model: str | None
    entries: int
    counts: dict[str, dict[str, int]]
    in_service: tuple[Service, ...]
    activations: tuple[Activation, ...]
    rollbacks: tuple[Rollback, ...]
    approvals: tuple[Approval, ...]
    overrides: tuple[Override, ...]
    denied: tuple[Denied, ...]
    evaluations: tuple[Evaluation, ...]
    figures: dict[str, Figure]
