"""Alerts on rolling metrics, with hysteresis: a threshold crossed to and fro is one cause, and makes one entry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from helixctl.core.judge import Evaluation, Verdict

QUALITY = "quality"
CLEAN = 5
"""After so many clean refreshes in a row an alert is over, though its threshold is not proven."""


class Alerts(NamedTuple):
    """The alerts that are open, each with how many refreshes in a row were clean; and those that this one opened."""

    open: Mapping[str, int]
    opened: tuple[str, ...] = ()


def after(known: Mapping[str, int], found: Evaluation, least: int, *, is_serving: bool) -> Alerts:
    """Return the alerts after a refresh.

    One opens when its threshold is violated (`quality`: when the verdict is failed while the version serves). It is over
    once the threshold (for `quality` the verdict) is proven, or was not violated in CLEAN refreshes in a row.

    Args:
        least: with fewer samples nothing opens or closes.
    """
    if found.samples < max(1, least):
        return Alerts(known)
    says = [(one.name, one.outcome == "violated", one.proven) for one in found.thresholds]
    says.append((QUALITY, found.verdict is Verdict.FAILED and is_serving, found.proven))
    is_open: dict[str, int] = {}
    for name, is_bad, is_proven in says:
        if is_bad:
            is_open[name] = 0
        elif name in known and not is_proven and known[name] + 1 < CLEAN:
            is_open[name] = known[name] + 1
    return Alerts(is_open, tuple(name for name in is_open if name not in known))
