"""Sources that are one JSON document, or a list of records that is an array or stands line by line."""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, BinaryIO, cast

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, MismatchError, RestError, lines

MOST_BYTES = 256 * 2**20
MOST_RECORD = 32 * 2**20
"""How long one record of others may be: they hold prompts, and OTLP thousands of spans on a line."""

_PIECE = 2**18
_SPACE = b"\xef\xbb\xbf \t\r\n"
_BLANK = re.compile(r"[ \t\r\n]*")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,20})?)?) ?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII)
Record = Mapping[str, object]


def load(stream: BinaryIO) -> object:
    """Return the value of a whole document.

    Raises:
        LineError: over 256 MiB, not UTF-8, not JSON (NaN and Infinity are none), or a key appears twice.
    """
    raw = stream.read(MOST_BYTES + 1)
    if len(raw) > MOST_BYTES:
        raise LineError("the document is longer than 256 MiB")
    return parse(raw)


def parse(raw: bytes) -> object:
    """Return the value of a document's bytes.

    Raises:
        LineError: not UTF-8, not JSON, or a key appears twice.
    """
    try:
        text = raw.decode("utf-8-sig").strip(" \t\r\n")
        value, end = lines.STRICT.raw_decode(text)
    except LineError:
        raise
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise LineError("not JSON") from None
    if end != len(text):
        raise LineError("not JSON")
    return value


def each(stream: BinaryIO) -> Iterator[tuple[int, Record | LineError]]:
    """Yield each record of a JSON array, or of JSON lines, with its place or its line; only one is held at a time."""
    head = cast(Any, stream).peek(64)
    if head.lstrip(_SPACE).startswith(b"["):
        return _elements(stream)
    return lines.parsed(stream, None, MOST_RECORD)


def _elements(stream: BinaryIO) -> Iterator[tuple[int, Record | LineError]]:
    window, place = _Window(stream), 0
    try:
        window.sign()
        window.skip()
        is_empty = window.sign() == "]"
        while not is_empty and (place == 0 or window.sign() == ","):
            if place:
                window.skip()
            place += 1
            window.sign()
            one = window.value()
            yield place, one if isinstance(one, dict | LineError) else LineError("not an object")
        place += 1
        if window.sign() != "]":
            raise ValueError("neither a comma nor the end")
        window.skip()
        if window.sign():
            raise ValueError("something after the end")
    except LineError as error:
        yield place, error
    except UnicodeDecodeError:
        yield place or 1, RestError("not UTF-8 from here on")
    except (ValueError, RecursionError):
        yield place, RestError("not JSON from here on")


class _Window:
    """The text of a stream, of which no more is held than one value takes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._decoder = stream, getincrementaldecoder("utf-8-sig")()
        self._text, self._at = "", 0

    def sign(self) -> str:
        """Move to the next character that is not blank and return it; '' at the end."""
        while True:
            self._at = cast(re.Match[str], _BLANK.match(self._text, self._at)).end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._has_more():
                return ""

    def skip(self) -> None:
        """Move behind a character."""
        self._at += 1

    def value(self) -> object:
        """Return the JSON value that begins here, or what is wrong with it, and move behind it.

        Raises:
            LineError: it is too long.
            ValueError, RecursionError: there is none.
        """
        fault: LineError | None = None
        while True:
            try:
                value, self._at = (lines.LAX if fault else lines.STRICT).raw_decode(self._text, self._at)
                return fault or value
            except LineError as error:
                fault = error
            except ValueError:
                if not self._has_more():
                    raise

    def _has_more(self) -> bool:
        left = self._text[self._at :]
        if len(left) > MOST_RECORD:
            raise RestError("longer than 32 MiB, or not JSON; nothing from here on is read")
        piece = self._stream.read(max(_PIECE, len(left)))
        self._text, self._at = left + self._decoder.decode(piece, not piece), 0
        return bool(piece)


def converted(stream: BinaryIO, query: Query, convert: Callable[[Record], Found]) -> Iterator[tuple[int, Found]]:
    """Convert each record that the query wants; a converter raises LineError."""
    for place, record in each(stream):
        try:
            if isinstance(record, LineError):
                yield place, record
            else:
                yield place, lines.left_out(record, query) or convert(record)
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
    if name is not None:
        require_model({field: name}, subject, chosen)


def require_model(named: Record, subject: Subject, chosen: Collection[str]) -> None:
    """Refuse a record in which no field names the subject's model, unless it was chosen by one of these fields.

    Raises:
        MismatchError: there is none.
    """
    names = [name for name in named.values() if name not in (None, "")]
    if not any(field in chosen for field in named) and not any(
        isinstance(name, str) and name in subject.names for name in names
    ):
        fact = "it names another model" if names else "it names no model"
        raise MismatchError(f"{fact}; provider_model_id or --where say which is meant")


def chosen_by(query: Query) -> set[str]:
    """Return the fields that a query chooses records by."""
    return {name for name, _ in query.where}


def moment(value: object, field: str) -> datetime:
    """Return a time in UTC, given as seconds since 1970, or as text; one without a zone is of UTC, as others keep it.

    Raises:
        LineError: it is neither.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        found = _TIME.fullmatch(value) if isinstance(value, str) else None
        if found:
            return datetime.fromisoformat(f"{found[1]}T{found[2]}{(found[3] or 'Z').upper()}").astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise LineError(f"{field} is not a time")


def scaled(value: object, factor: int) -> object:
    """Return a number times a factor, as it reads in decimal; anything else as it is, for a later check to refuse."""
    if isinstance(value, float):
        return float(Decimal(repr(value)) * factor)
    return value * factor if isinstance(value, int) and not isinstance(value, bool) else value


def stated(**fields: object) -> dict[str, object]:
    """Return a native record of the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


ODD = (ValueError, TypeError, AttributeError, KeyError, OverflowError)
"""What a record of another shape than its format's raises while it is taken apart."""


def fault(error: Exception) -> LineError:
    """Return why a record is malformed: what a reader says, or that it is no such record."""
    return error if isinstance(error, LineError) else LineError("not laid out as its format is")
