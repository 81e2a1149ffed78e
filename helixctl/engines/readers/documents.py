"""Sources that are one JSON document, or a list of records that is an array or stands line by line."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, BinaryIO, cast

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, MismatchError, Skipped, lines

MOST_BYTES = 256 * 2**20
_SPACE = b"\xef\xbb\xbf \t\r\n"
Record = Mapping[str, object]


def load(stream: BinaryIO) -> object:
    """Return the value of a whole document.

    Raises:
        LineError: over 256 MiB, not UTF-8, or not JSON (NaN and Infinity are none).
    """
    raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise LineError("the document is longer than 256 MiB")
    return parse(raw)


def parse(raw: bytes) -> object:
    """Return the value of a document's bytes.

    Raises:
        LineError: not UTF-8, or not JSON.
    """
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refused)
    except LineError:
        raise
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise LineError("not JSON") from None


def _refused(_: str) -> object:
    raise LineError("NaN or Infinity")


def each(stream: BinaryIO) -> Iterator[tuple[int, Record | LineError]]:
    """Yield each record of a JSON array, or of JSON lines, with its place or its line."""
    head = cast(Any, stream).peek(64)
    if not head.lstrip(_SPACE).startswith(b"["):
        yield from lines.parsed(stream)
        return
    try:
        found = load(stream)
    except LineError as error:
        yield 1, error
        return
    for place, one in enumerate(cast(list[object], found), 1):
        yield place, one if isinstance(one, dict) else LineError("not an object")


def converted(stream: BinaryIO, query: Query, convert: Callable[[Record], Found]) -> Iterator[tuple[int, Found]]:
    """Convert each record that the query wants; a converter raises LineError."""
    for place, record in each(stream):
        try:
            if isinstance(record, LineError):
                yield place, record
            else:
                yield place, convert(record) if lines.is_wanted(record, query) else Skipped()
        except LineError as error:
            yield place, error


def has(head: bytes, *keys: str) -> bool:
    """Tell whether the beginning of a source names all of some keys."""
    return all(f'"{key}"'.encode() in head for key in keys)


def first_of(record: Record, names: Iterable[str]) -> object:
    """Return the value of the first field that is there and not null; fields may be dotted."""
    return next((value for name in names if (value := lines.at(record, name)) is not None), None)


def refuse_other_model(name: object, subject: Subject, chosen: Collection[str], field: str) -> None:
    """Refuse a record that names a model which is not the subject's, unless it was chosen by that field.

    Raises:
        MismatchError: it does.
    """
    if name is not None and field not in chosen and name not in subject.names:
        raise MismatchError("it names another model; provider_model_id or --where say which is meant")


def chosen_by(query: Query) -> set[str]:
    """Return the fields that a query chooses records by."""
    return {name for name, _ in query.where}


def scaled(value: object, factor: float) -> object:
    """Return a number times a factor; anything else as it is, for a later check to refuse."""
    return value * factor if isinstance(value, int | float) and not isinstance(value, bool) else value


def stated(**fields: object) -> dict[str, object]:
    """Return a native record of the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}
