"""DuckDB: native JSON lines and Parquet, as fast as the machine reads them, in bounded memory.

A column of JSON is read as the text of its value, so that a number in quotes, a fraction of a token or NaN is seen for
what it is. A file in which every record is plainly sound is reduced here; one in which any is not goes to the python
engine, which counts and names it: both say the same. Of malformed JSON some things pass here, with the values that
they plainly have: a comma before a closing bracket, a vertical tab or form feed after a record, and in a field that
nobody reads NaN, or lists in lists beyond what Python reads. Parquet has no other reader:
its rows are counted and named here.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

from helixctl.core.stats import Stats
from helixctl.engines import MAX_REPORTED, PLAIN, Malformed, Query, Reduction, Source, Subject, jsonlines, python
from helixctl.engines.fields import DUCKDB, Field
from helixctl.engines.interrupts import interrupted_as, spill_folder, uninterrupted
from helixctl.engines.readers import FIRST, detected
from helixctl.engines.readers.lines import MAX_LINE
from helixctl.engines.sql import (
    DAY_US,
    FAULTS,
    MISMATCHED,
    REGION,
    class_of,
    grouped,
    micros,
    priced,
    reading,
    reduction,
    state,
)
from helixctl.errors import Usage

MEMORY = "320MiB"
"""DuckDB's own limit; the process takes about 150 MiB besides."""

_PIECE = MAX_LINE // 2
_USUAL_LINE = 4096
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
_ALONE = "$path, hive_partitioning = false"
_SQUARES = ("{0} * {0}", "CAST({0} AS HUGEINT) * {0}")
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL")


def reduce(sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction:
    """Reduce files by DuckDB, and what it is not for by the python engine.

    Raises:
        Usage: DuckDB is not installed, a table lacks a column, or is none.
        NotFound, StorageRefused: a source cannot be read.
    """
    try:
        with uninterrupted():  # half imported, its modules end the process
            import duckdb
    except ImportError:
        raise Usage("the duckdb engine is not installed", hint="pip install 'helixctl[duckdb]'") from None
    total = Reduction(Stats())
    with (
        interrupted_as("Query interrupted"),
        spill_folder() as spill,
        duckdb.connect() as connection,
    ):
        settings = {
            "memory_limit": MEMORY,
            "temp_directory": spill,
            "preserve_insertion_order": "false",
            "enable_progress_bar": "false",
        }
        for name, value in (settings | {"TimeZone": "UTC"}).items():
            connection.execute(f"SET {name} = '{value}'")
        for source in sources:
            total = total.merge(_reduced(connection, source, subject, query))
    return total


def _reduced(connection: Any, source: Source, subject: Subject, query: Query) -> Reduction:
    import duckdb

    kind = _kind(source, subject, query)
    try:
        if kind == "parquet":
            return _parquet(connection, source, subject, query)
        found = _native(connection, source, subject, query) if kind == "native" else None
    except (duckdb.Error, UnicodeDecodeError) as error:  # a message that it cut within a character
        if kind == "parquet":
            raise Usage(f"{source.name!a} is no Parquet that can be read", hint="check the file") from error
        found = None
    return found or python.reduce([source], subject, query)


def _kind(source: Source, subject: Subject, query: Query) -> str | None:
    if source.stream is not None or not os.path.isfile(source.name):  # what is no file is read once
        return None
    with source.opened() as stream:
        try:
            kind = query.format or detected(stream.peek(FIRST)[:FIRST], query)
        except EOFError:  # the python engine says where
            return None
    if kind == "native" and any(name not in jsonlines.CHOOSING or text[:1] in "[{" for name, text in query.where):
        return None  # DuckDB would compare with the text of a list too
    return kind if kind != "native" or (_is_told(subject) and _is_plain(source)) else None


def _path(source: Source) -> str:
    """Return the path of a source for DuckDB, to which `*`, `?`, `[` and a leading `~` mean more than themselves."""
    return re.sub(r"([*?[])", r"[\1]", os.path.abspath(source.name))


def _is_told(subject: Subject) -> bool:
    """Tell whether no JSON but a text says the names; a model may be called 4, which a record may give as a number."""
    try:
        json.loads(subject.model)
    except ValueError:
        return True
    return False


def _is_plain(source: Source) -> bool:
    """Tell whether no line is so long that the python engine would refuse it, and what is compressed is whole.

    DuckDB looks for neither. A line of more than MAX_LINE covers one of the pieces, without its end.
    """
    with open(source.name, "rb") as file:
        if file.read(2) not in _PACKED:
            starts = range(0, os.path.getsize(source.name), _PIECE)
            return all(b"\n" in _read(file, at, _USUAL_LINE) or b"\n" in _read(file, at, _PIECE) for at in starts[:-1])
    with source.opened() as stream:
        try:
            while len(piece := stream.read(_PIECE)) == _PIECE:
                if b"\n" not in piece:
                    return False
        except EOFError:
            return False
    return True


def _read(file: BinaryIO, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _native(connection: Any, source: Source, subject: Subject, query: Query) -> Reduction | None:
    with open(source.name, "rb") as file:
        packed = _PACKED.get(file.read(2), "none")
    since, until = (None if at is None else micros(at) for at in (query.since, query.until))
    others = class_of({"error": Field("text"), "success": Field("false")}), priced(subject)
    narrow, wide = (jsonlines.grouped(query, (since, until), (square, *others)) for square in _SQUARES)
    stated = {"model": subject.model, "version": subject.version}
    stated |= {f"where{at}": value for at, (_, value) in enumerate(query.where)}
    used = {name: value for name, value in stated.items() if f"${name}" in narrow}
    found = _rows(connection, (narrow, wide), {"path": _path(source), "packed": packed} | used)
    rows = [
        (kept, _region(region), None if day is None else day * DAY_US, error, count, None, *rest)
        for kept, region, day, error, count, *rest in found
    ]
    if any(row[1] is None for row in rows):
        return None
    told = reduction(rows, subject)
    if not query.where or not told.is_empty:
        return told
    counted = connection.execute(jsonlines.counted(query), {"path": _path(source), "packed": packed}).fetchone()
    there = {name for (name, _), count in zip(query.where, counted, strict=True) if count}
    return told.among({"success", *there})


def _region(text: str | None) -> str | None:
    """Return the region that a text of JSON states, None where that is none."""
    if text is None:
        return ""
    return text[1:-1] if re.fullmatch(f'"{REGION}"', text, re.ASCII) else None


def _parquet(connection: Any, source: Source, subject: Subject, query: Query) -> Reduction:
    asked = {"path": _path(source)}
    described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({_ALONE})", asked).fetchall()
    kinds = {row[0]: _kind_of(row[1]) for row in described}
    table = f"(SELECT * FROM read_parquet({_ALONE}, file_row_number = true)) AS t0"
    of = reading(f"{source.name!a}", table, kinds, (subject, query, DUCKDB))
    rows = _rows(connection, (grouped(of, is_local=True, is_wide=False), grouped(of, is_local=True)), asked)
    found = reduction(rows, subject).among({*kinds, *query.columns})
    bad = sum(row[4] for row in rows if row[0] > 0)
    if not bad:
        return found
    judged = f"(SELECT file_row_number + 1 AS number, {state(of, names_faults=True)} AS state FROM {table})"
    named = f"SELECT number, state FROM {judged} WHERE state > 0 ORDER BY 1 LIMIT {MAX_REPORTED}"
    malformed = tuple(
        Malformed(source.name, number, FAULTS[fault - 1], fault in MISMATCHED)
        for number, fault in connection.execute(named, asked).fetchall()
    )
    counted = f"SELECT count(*) FROM {judged} WHERE state IN {MISMATCHED}"
    mismatched = connection.execute(counted, asked).fetchone()[0]
    return found._replace(malformed=malformed, malformed_count=bad, mismatched_count=mismatched)


def _kind_of(stated: str) -> str:
    if stated.endswith("]"):
        return "texts" if stated == "VARCHAR[]" else "other"
    if stated.removeprefix("U").startswith(_NUMBERS):
        return "number"
    kinds = {"BOOLEAN": "bool", "VARCHAR": "text", "TIMESTAMP WITH TIME ZONE": "time"}
    return kinds.get(stated, "naive" if stated.startswith("TIMESTAMP") else "other")


def _rows(connection: Any, narrow_and_wide: tuple[str, str], given: Mapping[str, str]) -> list[Any]:
    """Return the table of statistics; squares are of 64 bits, and of 128 where some number is too large for that."""
    from duckdb import OutOfRangeException

    narrow, wide = narrow_and_wide
    try:
        return list(connection.execute(narrow, given).fetchall())
    except OutOfRangeException:
        return list(connection.execute(wide, given).fetchall())
