"""A report: the log folded over a period, what vouches for it, and the costs that the version files hold."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from helixctl.core.audit import Filter
from helixctl.core.frameworks import FRAMEWORKS, Framework
from helixctl.core.integrity import Verification
from helixctl.core.report import Report, Reporter
from helixctl.errors import HelixError, Usage
from helixctl.storage import verification
from helixctl.storage.registry import Store


class Reported(NamedTuple):
    """A report, the integrity of the log it is of, and the framework it is arranged for, if any.

    Args:
        costs: cost of a request by version in service, as its last evaluation has it.
    """

    report: Report
    integrity: Verification
    costs: dict[str, float]
    framework: Framework | None


def reported(
    store: Store, since: datetime | None, until: datetime | None, model: str | None, framework: str | None
) -> Reported:
    """Return the report of a period.

    Raises:
        Usage: the period ends before it begins. BrokenLog: a line is no entry.
    """
    until = until or store.clock()
    if since and since >= until:
        raise Usage("the period ends before it begins", hint="exchange --since and --until")
    with store.reading() as still:
        integrity = verification.verify(still)
        reporter = Reporter(since, until, model)
        for entry in still.entries(Filter()):
            reporter.add(entry)
        report = reporter.report()
        costs = {}
        for ref in dict.fromkeys(row["ref"] for row in report.in_service):
            cost = _cost(still, ref)
            if cost is not None:
                costs[ref] = cost
    return Reported(report, integrity, costs, FRAMEWORKS[framework] if framework else None)


def _cost(store: Store, ref: str) -> float | None:
    from helixctl.core.names import parse_ref

    try:
        found = (store.record(parse_ref(ref)).metrics or {}).get("cost_per_request")
    except HelixError:
        return None
    return None if found is None else float(found)
