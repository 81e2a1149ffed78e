"""Tables that somebody else laid out, CSV or JSON, by a map of their columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from typing import BinaryIO

from helixctl.core.columns import Expression, compiled, plain, valued
from helixctl.core.stats import Inference
from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, RestError, documents, lines
from helixctl.engines.readers.native import inference
from helixctl.errors import Usage

_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)
_TEXTS = ("ts", "model", "version", "region", "error")
_WORDS = {"": None} | {cell: cell[0] in "tT" for cell in ("true", "True", "TRUE", "false", "False", "FALSE")}


def matches(head: bytes) -> bool:
    """Never: only a column map tells what a table means."""
    return False


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield the inference of each row.

    Raises:
        Usage: there is no column map, or it names a column that no row has.
    """
    if not query.columns:
        raise Usage("a table needs a column map", hint="--map latency_ms='seconds * 1000' --map success='status == ok'")
    columns, chosen, is_first = compiled(query.columns), documents.chosen_by(query), True
    is_json = query.format == "json" or (query.format is None and _is_json(stream))
    for place, row in documents.each(stream) if is_json else _cells(stream, {name for name, _ in query.where}):
        if isinstance(row, LineError):
            yield place, row
            continue
        if is_first:
            _refuse_unknown(columns, row, is_json=is_json)
            is_first = False
        try:
            yield place, lines.left_out(row, query) or _inference(row, columns, subject, chosen)
        except LineError as error:
            yield place, error


def _refuse_unknown(columns: Mapping[str, Expression], row: Mapping[str, object], *, is_json: bool) -> None:
    """Refuse columns that a table lacks, by its first row; one of JSON may leave out what has no value."""
    needed = (one for one in columns.values() if not (is_json and one.form in ("empty", "filled")))
    named = {name for one in needed for name in (one.column, one.other) if name}
    lacking = sorted(name for name in named if not _has(row, name))
    if lacking and not (is_json and _has(row, columns["success"].column)):
        has = ", ".join(ascii(name) for name in row)[:300]
        raise Usage(f"no column {', '.join(ascii(name) for name in lacking)}", hint=f"the first row has {has}")


def _has(row: Mapping[str, object], name: str) -> bool:
    return name in row or lines.at(row, name) is not None


def _is_json(stream: BinaryIO) -> bool:
    head: bytes = stream.peek(64)  # type: ignore[attr-defined]  # sources are buffered readers
    return head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")


def _inference(
    row: Mapping[str, object], columns: Mapping[str, Expression], subject: Subject, chosen: set[str]
) -> Inference:
    fields: dict[str, object] = {}
    for field, expression in columns.items():
        if field == "latency_ms" and fields["success"] is False:
            continue
        try:
            value = valued(expression, lambda name: lines.at(row, name))
        except OverflowError:
            raise LineError(f"{field}: its column is beyond all bounds") from None
        except ValueError as error:
            raise LineError(f"{field}: its column is {error}") from None
        fields[field] = plain(value) if field in _TEXTS and expression.form != "utc" else value
    named = {name for name in columns if columns[name].column in chosen}
    return inference(documents.stated(**fields), subject, named, is_timed="latency_ms" in columns)


def _cells(stream: BinaryIO, chosen: set[str]) -> Iterator[tuple[int, Mapping[str, object] | LineError]]:
    """Yield each row of CSV with the line it ends on, by its header; cells that are numbers, true, false or empty are read as that.

    Args:
        chosen: columns by which rows are chosen: 1.10 is not 1.1 there.
    """
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    csv.field_size_limit(lines.MAX_LINE)
    rows = csv.reader(_bounded(text), strict=True)
    header: list[str] | None = None
    try:
        for row in rows:
            if header is None:
                header = row
                if twice := sorted({name for name in header if header.count(name) > 1}):
                    raise Usage(f"the header has {twice[0]!a} twice", hint="give each column a name of its own")
            elif row and len(row) != len(header):
                yield (
                    rows.line_num,
                    LineError(f"{len(row)} cell{'s' * (len(row) > 1)}, and the header has {len(header)}"),
                )
            elif row:
                cells = zip(header, row, strict=True)
                yield rows.line_num, {name: _value(cell, is_chosen=name in chosen) for name, cell in cells}
    except UnicodeDecodeError:
        yield rows.line_num + 1, RestError("not UTF-8 from here on")
    except csv.Error:
        yield rows.line_num, RestError(f"not CSV from here on, or a line of more than {lines.MAX_LINE} characters")
    finally:
        text.detach()


def _bounded(text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(lines.MAX_LINE + 1):
        if len(line) > lines.MAX_LINE:
            raise csv.Error
        yield line


def _value(cell: str, *, is_chosen: bool) -> object:
    if _NUMBER.fullmatch(cell) and not is_chosen:
        return float(cell) if any(sign in cell for sign in ".eE") else int(cell) if len(cell) < 20 else float(cell)
    return _WORDS.get(cell, cell)
