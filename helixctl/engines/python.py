"""The streaming engine of the standard library: line by line, in memory that does not grow with the input."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import BinaryIO, NoReturn

from helixctl.core.stats import Inference, StatsBuilder
from helixctl.engines import MAX_REPORTED, Malformed, Reduction, Source, Subject
from helixctl.engines.readers import LineError, MismatchError, reader

MAX_LINE = 1_048_576
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def reduce(sources: Iterable[Source], subject: Subject, *, records: str = "native") -> Reduction:
    """Reduce the records in some sources to one table.

    Raises:
        Usage: no such format of records, or a source is a folder.
        NotFound, StorageRefused: a source cannot be read.
    """
    builder, price = StatsBuilder(subject.model, subject.version), _pricing(subject)
    malformed: list[Malformed] = []
    malformed_count = mismatched_count = 0
    for source in sources:
        for found in read_lines(source, subject, records=records):
            if isinstance(found, Inference):
                cost = price(found.input_tokens, found.output_tokens) if found.cost is None else found.cost
                builder.add(found, cost)
                continue
            malformed_count += 1
            mismatched_count += found.mismatched
            if malformed_count <= MAX_REPORTED:
                malformed.append(found)
    return Reduction(builder.build(), tuple(malformed), malformed_count, mismatched_count)


def read_lines(source: Source, subject: Subject, *, records: str = "native") -> Iterator[Inference | Malformed]:
    """Read a source line by line, as it stands: no price is filled in; blank lines are skipped.

    Raises:
        Usage: no such format of records, or the source is a folder.
        NotFound, StorageRefused: the source cannot be read.
    """
    read = reader(records)
    with source.opened() as stream:
        for number, line in enumerate(bounded_lines(stream), start=1):
            try:
                record = parse_line(line if number > 1 else line.removeprefix(_BOM))
                if record is not None:
                    yield read(record, subject)
            except LineError as error:
                yield Malformed(source.name, number, str(error), isinstance(error, MismatchError))


def bounded_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Give the lines of a stream; of one over 1 MiB only the first MAX_LINE + 1 bytes, the rest is passed over."""
    for line in iter(lambda: stream.readline(MAX_LINE + 1), b""):
        yield line
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE + 1)


def parse_line(line: bytes) -> dict[str, object] | None:
    """Parse one line strictly, fractions as Decimal; None for a blank one.

    Raises:
        LineError: too long, not UTF-8, not one JSON object (RFC 8259), or a key appears twice in it.
    """
    if len(line) > MAX_LINE and len(line.rstrip(b"\r\n")) > MAX_LINE:
        raise LineError("longer than 1 MiB")
    stripped = line.strip(_SPACE)
    if not stripped:
        return None
    try:
        text = stripped.decode()
        record, end = _DECODER.raw_decode(text)
    except LineError:
        raise
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except (ValueError, ArithmeticError, RecursionError):
        raise LineError("not JSON") from None
    if type(record) is not dict or end != len(text):
        raise LineError("not one JSON object")
    return record


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise LineError("a key appears twice")
    return keys


def _refuse_constant(_: str) -> NoReturn:
    raise LineError("NaN or Infinity")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=Decimal, parse_constant=_refuse_constant)


def _pricing(subject: Subject) -> Callable[[int | None, int | None], int | None]:
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
