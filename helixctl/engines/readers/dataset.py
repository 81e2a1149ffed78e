"""Data sets of one's own: what was expected, and what a version put out; JSON lines."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import nullcontext, suppress
from typing import BinaryIO

from helixctl.core import scoring
from helixctl.core.names import parse_version
from helixctl.core.stats import score
from helixctl.engines import Query, Subject
from helixctl.engines.interrupts import within
from helixctl.engines.readers import Found, LineError, MismatchError, RestError, documents, lines
from helixctl.engines.readers.native import inference
from helixctl.errors import Usage

LONGEST_S = 2
"""How long a pattern may look at one output: some would never end."""


def matches(head: bytes) -> bool:
    """Tell it by what was expected and what came."""
    return documents.has(head, "expected", "output")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield the score of each line, and the inference where the line has the fields of one.

    Raises:
        Usage: there is none, or the query leaves all of them out.
    """
    chosen, name, is_empty = documents.chosen_by(query), query.name or "dataset", True
    lacking: set[str] | None = None
    for place, row in documents.each(stream):
        try:
            if not isinstance(row, LineError) and (skipped := lines.left_out(row, query)):
                lacking = (chosen if lacking is None else lacking) - skipped.fields
                yield place, skipped
                continue
            is_empty = False
            if isinstance(row, LineError):
                raise row
            _refuse_other(row, subject, chosen)
            if "expected" not in row:
                raise LineError("expected is missing")
            stated = row.get("scorer", query.scorer or "exact")
            if not isinstance(stated, str):
                raise LineError("scorer is no text")
            scorer = scoring.parse(stated)
            with within(LONGEST_S) if scorer.kind == "regex" else nullcontext():
                value = scoring.scored(scorer, row["expected"], row.get("output"))
            found = inference({**row, "model": None}, subject, chosen) if "success" in row else None
        except TimeoutError:
            yield place, RestError(f"its pattern takes more than {LONGEST_S} s; nothing from here on is read")
            return
        except OverflowError:
            yield place, LineError("a number beyond all bounds")
            continue
        except ValueError as error:
            yield place, error if isinstance(error, LineError) else LineError(str(error))
            continue
        yield place, score(name if scorer.kind == "exact" else f"{name}.{scorer.kind}", value)
        if found is not None:
            yield place, found
    if is_empty and lacking:
        hint = "correct --where, or score the data set in a command of its own, without it"
        raise Usage(f"no line of the data set {name!a} has a field {min(lacking)!a}", hint=hint)
    if is_empty:
        raise Usage(f"no line of the data set {name!a} is left to score", hint="check the file, and --where")


def _refuse_other(row: Mapping[str, object], subject: Subject, chosen: Collection[str]) -> None:
    """Refuse a line that names another model, or another version; what is no version may be one of the data's own."""
    documents.refuse_other_model(row.get("model"), subject, chosen, "model")
    told = row.get("version")
    if isinstance(told, str) and told != subject.version and "version" not in chosen:
        with suppress(Usage):
            parse_version(told)
            raise MismatchError("it names another version")
