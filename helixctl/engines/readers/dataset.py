"""Data sets of one's own: what was expected, and what a version put out; JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from helixctl.core import scoring
from helixctl.core.stats import score
from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, documents, lines
from helixctl.engines.readers.native import inference


def matches(head: bytes) -> bool:
    """Tell it by what was expected and what came."""
    return documents.has(head, "expected", "output")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield the score of each line, and the inference where the line has the fields of one."""
    for place, row in documents.each(stream):
        try:
            if isinstance(row, LineError):
                raise row
            if skipped := lines.left_out(row, query):
                yield place, skipped
                continue
            if "expected" not in row:
                raise LineError("expected is missing")
            stated = row.get("scorer", query.scorer or "exact")
            if not isinstance(stated, str):
                raise LineError("scorer is no text")
            scorer = scoring.parse(stated)
            value = scoring.scored(scorer, row["expected"], row.get("output"))
            name = query.name or "dataset"
            found = inference(row, subject, documents.chosen_by(query)) if "success" in row else None
        except OverflowError:
            yield place, LineError("a number beyond all bounds")
            continue
        except ValueError as error:
            yield place, error if isinstance(error, LineError) else LineError(str(error))
            continue
        yield place, score(name if scorer.kind == "exact" else f"{name}.{scorer.kind}", value)
        if found is not None:
            yield place, found
