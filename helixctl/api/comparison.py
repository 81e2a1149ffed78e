"""Compare a candidate with a baseline, on the inferences of both; a question, nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import BinaryIO, NamedTuple

from helixctl.api.evaluation import reduced
from helixctl.core import comparison
from helixctl.core.comparison import Comparison, Margins
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.engines import Malformed
from helixctl.storage.registry import Store


class Compared(NamedTuple):
    """A comparison, the versions it is of, and the malformed lines of both."""

    ref: Ref
    baseline: Ref
    comparison: Comparison
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0


class Side(NamedTuple):
    """A version, and where its inferences are: files, globs, `-`; none means what was recorded."""

    record: Record
    patterns: Sequence[str] = ()


def compare(store: Store, candidate: Side, baseline: Side, stdin: BinaryIO | None) -> Compared:
    """Reduce the inferences of both, and compare the tables.

    Raises:
        Invalid: more malformed lines on one side than `max_malformed`.
        NotFound, StorageRefused: a source cannot be read.
        Usage: both sides are to be read from standard input.
    """
    new = reduced(store, candidate.record, candidate.patterns, stdin)
    old = reduced(store, baseline.record, baseline.patterns, None if "-" in candidate.patterns else stdin)
    return Compared(
        candidate.record.ref,
        baseline.record.ref,
        comparison.compare(new.stats, old.stats, Margins()),
        new.malformed + old.malformed,
        new.malformed_count + old.malformed_count,
    )
