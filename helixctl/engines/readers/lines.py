"""Sources of one JSON object a line: bounded, strict, and filtered."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, BinaryIO, NoReturn, cast

from helixctl.core.columns import plain
from helixctl.engines import Query
from helixctl.engines.readers import Found, LineError, Skipped

MAX_LINE = 1_048_576
_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"


def read(
    stream: BinaryIO, query: Query, convert: Callable[[dict[str, object]], Found], fields: Collection[str] | None = None
) -> Iterator[tuple[int, Found]]:
    """Convert each line of a stream; blank ones are passed over.

    Args:
        convert: makes something of one parsed line, or raises LineError.
        fields: those that matter, see `parse_line`.
    """
    for number, line in enumerate(bounded_lines(stream), start=1):
        try:
            record = parse_line(line if number > 1 else line.removeprefix(_BOM), fields)
            if record is None:
                continue
            yield number, (query.where and left_out(record, query)) or convert(record)
        except LineError as error:
            yield number, error


def parsed(
    stream: BinaryIO, fields: Collection[str] | None = (), most: int = MAX_LINE
) -> Iterator[tuple[int, dict[str, object] | LineError]]:
    """Yield each line that is not blank, parsed, or what is wrong with it; `most` bytes are the longest that is read."""
    for number, line in enumerate(bounded_lines(stream, most), start=1):
        try:
            record = parse_line(line if number > 1 else line.removeprefix(_BOM), fields, most)
        except LineError as error:
            yield number, error
            continue
        if record is not None:
            yield number, record


def left_out(record: Mapping[str, object], query: Query) -> Skipped | None:
    """Return None where every field that the query names has the value it names, as text; else the fields that are there."""
    if all(_has(at(record, name), value, name) for name, value in query.where):
        return None
    names = {*record, *(name for name, _ in query.where)}
    return Skipped(frozenset(name for name in names if at(record, name) is not None))


def _has(found: object, text: str, name: str) -> bool:
    """Tell whether a value is a text, or a list, as of tags, that has it; a model, version or region is no list."""
    if isinstance(found, list) and name not in ("model", "version", "region"):
        return any(plain(one) == text for one in found)
    return plain(found) == text


def at(record: Mapping[str, object], name: str) -> object:
    """Return the value of a field, which may be a dotted path; None where it is not there."""
    if name in record:
        return record[name]
    found: object = record
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def bounded_lines(stream: BinaryIO, most: int = MAX_LINE) -> Iterator[bytes]:
    """Give the lines of a stream; of a longer one only the first `most` + 1 bytes, the rest is passed over."""
    for line in iter(lambda: stream.readline(most + 1), b""):
        yield line
        if len(line) > most:
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)  # noqa: PLW2901 # the rest of it


def parse_line(line: bytes, fields: Collection[str] | None = None, most: int = MAX_LINE) -> dict[str, object] | None:
    """Parse one line strictly; None for a blank one.

    Args:
        fields: those that may not appear twice; the rest is ignored. None means all, at any depth.
        most: how many bytes it may have.

    Raises:
        LineError: too long, not UTF-8, not one JSON object (RFC 8259), or a key appears twice in it.
    """
    if len(line) > most and len(line.rstrip(b"\r\n")) > most:
        raise LineError(f"longer than {most // 2**20} MiB")
    stripped = line.strip(_SPACE)
    if not stripped:
        return None
    try:
        text = stripped.decode()
        record, end = (STRICT if fields is None else _DECODER).raw_decode(text)
    except LineError:
        raise
    except UnicodeDecodeError:
        raise LineError("not UTF-8") from None
    except (ValueError, RecursionError):
        raise LineError("not JSON") from None
    if type(record) is not dict or end != len(text):
        raise LineError("not one JSON object")
    if fields is not None and not record.pop(_TWICE, _NONE).isdisjoint(fields):
        raise LineError("a key appears twice")
    return record


def plain_line(text: str) -> dict[str, object] | None:
    """Parse a line that is one JSON object and nothing else; None for any other, which takes a closer look."""
    try:
        record, end = _SCAN(text, 0)
    except (StopIteration, ValueError, RecursionError):
        return None
    return record if end == len(text) and type(record) is dict and _TWICE not in record else None


_TWICE: Any = object()
_NONE: frozenset[str] = frozenset()


def _table(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        names = [name for name, _ in pairs]
        keys[_TWICE] = {name for name in keys if names.count(name) > 1}
    return keys


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        raise LineError("a key appears twice")
    return keys


def _refuse_constant(_: str) -> NoReturn:
    raise LineError("NaN or Infinity")


STRICT = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
"""Raises LineError for a key that appears twice, NaN and Infinity."""
_DECODER = json.JSONDecoder(object_pairs_hook=_table, parse_constant=_refuse_constant)
_SCAN = cast(Any, _DECODER).scan_once
LAX = json.JSONDecoder()
"""Finds the end of a value that is not to be used."""
