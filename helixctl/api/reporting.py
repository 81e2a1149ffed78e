"""A report: the log folded over a period, what vouches for it, and the costs that the version files hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from helixctl.core import times
from helixctl.core.audit import Filter
from helixctl.core.frameworks import FRAMEWORKS, Framework
from helixctl.core.integrity import Verification
from helixctl.core.names import Ref, one_of, parse_ref
from helixctl.core.period import report
from helixctl.core.report import Report
from helixctl.errors import BrokenLog, HelixError, Usage
from helixctl.storage import verification
from helixctl.storage.registry import Store


class Cost(NamedTuple):
    """What a request costs, as the last evaluation of a version has it now; None where it was not measured."""

    ref: str
    value: float | None
    currency: str
    n: int
    evaluated_at: datetime | None


class Reported(NamedTuple):
    """A report, the integrity of the log it is of, and the framework it is arranged for, if any.

    Args:
        begins: the time of the first entry that is there. is_whole: whether that is the log's first of all.
        unread: where the log cannot be read any further; the report ends there.
        costs: of each version in service.
    """

    report: Report
    integrity: Verification
    begins: str | None
    is_whole: bool
    unread: str | None
    costs: tuple[Cost, ...]
    framework: Framework | None


class _Source:
    """The log as far as it can be read."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.unread: str | None = None

    def entries(self, wanted: Filter) -> Iterator[dict[str, Any]]:
        try:
            yield from self.store.entries(wanted)
        except BrokenLog as error:
            self.unread = str(error)

    def first(self, model: str | None = None) -> Mapping[str, Any] | None:
        return next(self.entries(Filter(model)), None)


def reported(
    store: Store,
    period: tuple[datetime | None, datetime | None],
    model: str | None,
    framework: str | None,
    against: Sequence[str] = (),
) -> Reported:
    """Return the report of a period; what lies before the log's first entry or has not come yet is no part of it.

    Raises:
        Usage: the period ends before it begins, or no such framework. NotFound: the log knows nothing of the model.
    """
    store.tell(0, 0)
    arranged = FRAMEWORKS[one_of("framework", framework, FRAMEWORKS)] if framework else None
    now = store.clock()
    since, until = period[0], min(period[1] or now, now)
    if since and since >= until:
        raise Usage("the period ends before it begins", hint="give a --since before --until, and before now")
    with store.reading() as still:
        integrity, source = verification.verify(still, against), _Source(still)
        first = source.first()
        if model and first and source.first(model) is None and source.unread is None:
            raise still.unlogged(Ref(model))
        begins = times.parse_instant(first["ts"]) if first else until
        start = min(max(since or begins, begins), until)
        found = report(source.entries(Filter(model, until=until)), start, until, model)
        costs = tuple(_costs(still, dict.fromkeys(row.ref for row in found.in_service)))
    is_whole = first is not None and not first["parents"]
    since_when = first["ts"] if first else None
    return Reported(found, integrity, since_when, is_whole, source.unread, costs, arranged)


def _costs(store: Store, refs: Iterable[str]) -> Iterator[Cost]:
    for ref in refs:
        try:
            record = store.record(parse_ref(ref))
        except HelixError:  # the log names a version whose file is not there, or is none
            continue
        metrics, currency = record.metrics or {}, record.spec.get("cost", {}).get("currency", "USD")
        cost = metrics.get("cost_per_request")
        if cost is None:
            yield Cost(ref, None, currency, 0, None)
        else:
            yield Cost(ref, float(cost), currency, metrics.get("samples", 0), metrics.get("evaluated_at"))
