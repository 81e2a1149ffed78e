"""Compare a candidate with a baseline, on the inferences of both; a question, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from helixctl.api.evaluation import reduced
from helixctl.api.sources import EVERYTHING, Asked
from helixctl.core import comparison
from helixctl.core.comparison import Comparison, Margins
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.engines import Query, Reduction
from helixctl.storage.registry import Store


class Compared(NamedTuple):
    """A comparison, the versions it is of, and what was read of both."""

    ref: Ref
    baseline: Ref
    comparison: Comparison
    reductions: tuple[Reduction, Reduction]


class Side(NamedTuple):
    """A version, and which of its inferences are wanted."""

    record: Record
    asked: Asked = EVERYTHING


def asked(
    sources: Sequence[str], baseline_sources: Sequence[str], query: Query | None, stdin: BinaryIO | None
) -> tuple[Asked, Asked]:
    """Return what is wanted of either side; standard input feeds one of them."""
    old = Asked.of(baseline_sources, query, None if "-" in sources else stdin)
    return Asked.of(sources, query, stdin), old


def compare(store: Store, candidate: Side, baseline: Side) -> Compared:
    """Reduce the inferences of both, and compare the tables.

    Raises:
        Invalid: more malformed lines on one side than `max_malformed`.
        NotFound, StorageRefused: a source cannot be read.
        Usage: both sides are to be read from standard input.
    """
    new, old = (reduced(store, side.record, side.asked) for side in (candidate, baseline))
    return Compared(
        candidate.record.ref,
        baseline.record.ref,
        comparison.compare(new.stats, old.stats, Margins()),
        (new, old),
    )
