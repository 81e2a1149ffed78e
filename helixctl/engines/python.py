"""The streaming engine of the standard library: record by record, in memory that does not grow with the input."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from io import BufferedReader

from helixctl.core.stats import Inference, Score, Stats, StatsBuilder
from helixctl.engines import MAX_REPORTED, PLAIN, Malformed, Query, Reduction, Source, Subject
from helixctl.engines.readers import (
    FIRST,
    Found,
    LineError,
    MismatchError,
    RestError,
    Skipped,
    detected,
    reader,
    refuse_judged,
)

MANY_FIELDS = 1000
"""So many names are enough to find one that is like a name which no record has."""

TIMELESS = "it has no time, and a time range is asked for"


def reduce(sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction:
    """Reduce the records in some sources to one table.

    Raises:
        Usage: no such format of records, or a source is a folder.
        NotFound, StorageRefused: a source cannot be read.
    """
    builder, price = StatsBuilder(subject.model, subject.version), pricing(subject)
    malformed: list[Malformed] = []
    malformed_count = mismatched_count = skipped = 0
    fields, named = set[str](), frozenset(name for name, _ in query.where)
    counted = Reduction(Stats())
    for source in sources:
        for found in read_records(source, subject, query):
            match found:
                case Inference():
                    builder.add(
                        found, price(found.input_tokens, found.output_tokens) if found.cost is None else found.cost
                    )
                case Score():
                    builder.score(found)
                case Skipped():
                    skipped += 1
                    told = found.fields or named
                    fields |= told if len(fields) < MANY_FIELDS else told & named
                case Reduction():
                    counted = counted.merge(found)
                case Malformed():
                    malformed_count += 1
                    mismatched_count += found.mismatched
                    if malformed_count <= MAX_REPORTED or found.is_rest:
                        malformed.append(found)
    found = Reduction(builder.build(), tuple(malformed), malformed_count, mismatched_count, skipped)
    return counted.merge(found.among(fields))


def read_records(
    source: Source, subject: Subject, query: Query = PLAIN
) -> Iterator[Inference | Score | Skipped | Reduction | Malformed]:
    """Read a source record by record, as it stands: no price is filled in.

    Raises:
        Usage: no such format of records, or the source is a folder.
        NotFound, StorageRefused: the source cannot be read.
    """
    has_window = query.since is not None or query.until is not None
    with source.opened() as stream:
        for number, found in _records(stream, subject, query):
            if isinstance(found, LineError):
                yield Malformed(
                    source.name,
                    number,
                    str(found),
                    isinstance(found, MismatchError),
                    is_rest=isinstance(found, RestError),
                )
            elif has_window and isinstance(found, Inference):
                kept = _within(found, query)
                yield kept if kept is not None else Malformed(source.name, number, TIMELESS)
            else:
                yield found


def _records(stream: BufferedReader, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    number = 0
    try:
        name = query.format or detected(stream.peek(FIRST)[:FIRST], query)
        refuse_judged(name, query)
        for number, found in reader(name).read(stream, subject, query):
            yield number, found
    except EOFError:
        yield number + 1, RestError("the compressed data is broken, or cut short, here")


def _within(found: Inference, query: Query) -> Inference | Skipped | None:
    if found.at is None:
        return None
    is_in = (query.since is None or query.since <= found.at) and (query.until is None or found.at < query.until)
    return found if is_in else Skipped()


def pricing(subject: Subject) -> Callable[[int | None, int | None], int | None]:
    # nano-USD of a record's tokens; None where a count or a price is missing that the other side would need
    sides = (subject.input_per_mtok, subject.output_per_mtok)
    (input_rate, input_unit), (output_rate, output_unit) = ((side or Decimal(0)).as_integer_ratio() for side in sides)
    unit = input_unit * output_unit

    def price(input_tokens: int | None, output_tokens: int | None) -> int | None:
        pairs = ((input_tokens, sides[0]), (output_tokens, sides[1]))
        known = any(tokens is not None and side is not None for tokens, side in pairs)
        if not known or any((tokens and side is None) or (tokens is None and side) for tokens, side in pairs):
            return None
        total = (input_tokens or 0) * input_rate * output_unit + (output_tokens or 0) * output_rate * input_unit
        return (2000 * total + unit) // (2 * unit)

    return price
