"""DuckDB: native JSON lines and Parquet, as fast as the machine reads them, in bounded memory.

A column of JSON is read as the text of its value, so that a number in quotes, a fraction of a token or NaN is seen for
what it is. A file in which every record is plainly sound is reduced here; one in which any is not goes to the python
engine, which counts and names it: both say the same. Of malformed JSON two things pass here, with the values that
they plainly have: a comma before a closing bracket, and NaN in a field that nobody reads. Parquet has no other reader:
its rows are counted and named here.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from operator import add
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

from helixctl.core.columns import FIELDS, Expression, compiled
from helixctl.core.stats import ERROR_CLASSES, ERROR_PATTERNS, Row, Stats, table_of
from helixctl.engines import MAX_REPORTED, PLAIN, Malformed, Query, Reduction, Source, Subject, jsonlines, python
from helixctl.engines.fields import Field, of_table, quoted
from helixctl.engines.readers import FIRST, detected
from helixctl.engines.readers.lines import MAX_LINE
from helixctl.engines.readers.native import MAX_COST_USD, MAX_WHOLE, YEARS
from helixctl.errors import Usage

MEMORY = "320MiB"
"""DuckDB's own limit; the process takes about 150 MiB besides."""

_PIECE = MAX_LINE // 2
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5": "zstd"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_US = 86_400_000_000
_LIMITS_US = tuple((date(year, 1, 1) - _EPOCH.date()).days * _DAY_US for year in (YEARS[0], YEARS[-1] + 1))
_REGION = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_MEASURES = ("input_tokens", "output_tokens", "cost", "confidence")
_FAULTS = (
    *("it names another model", "it names another version", "success is not true or false"),
    *(f"latency_ms is not a number from 0 to {MAX_WHOLE}", "latency_ms is missing though success is true"),
    f"ts is not an RFC 3339 time with a zone, from {YEARS[0]} to {YEARS[-1]}",
    "region is not a name of letters, digits, '.', '_' and '-'",
    *(f"{name} is not a whole number from 0 to {MAX_WHOLE}" for name in _MEASURES[:2]),
    f"cost is not a number from 0 to {MAX_COST_USD}",
    "confidence is not a number from 0 to 1",
    python.TIMELESS,
)
"""Why a row is malformed, by its code - 1, in the order in which the native reader looks."""


def reduce(sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction:
    """Reduce files by DuckDB, and what it is not for by the python engine.

    Raises:
        Usage: DuckDB is not installed, a table lacks a column, or is none.
        NotFound, StorageRefused: a source cannot be read.
    """
    try:
        import duckdb
    except ImportError:
        raise Usage("the duckdb engine is not installed", hint="pip install 'helixctl[duckdb]'") from None
    total = Reduction(Stats())
    with TemporaryDirectory(prefix="helixctl-") as spill, duckdb.connect() as connection:
        settings = {
            "memory_limit": MEMORY,
            "temp_directory": spill,
            "preserve_insertion_order": "false",
            "enable_progress_bar": "false",
        }
        for name, value in (settings | {"TimeZone": "UTC"}).items():
            connection.execute(f"SET {name} = '{value}'")
        for source in sources:
            total = total.merge(_reduced(connection, source, subject, query, duckdb.Error))
    return total


def _reduced(connection: Any, source: Source, subject: Subject, query: Query, failure: type[Exception]) -> Reduction:
    kind = _kind(source, query)
    try:
        if kind == "parquet":
            return _parquet(connection, source, subject, query)
        found = _native(connection, source, subject, query) if kind == "native" else None
    except failure as error:
        if kind == "parquet":
            raise Usage(f"{source.name!a} is no Parquet that can be read", hint="check the file") from error
        found = None
    return found or python.reduce([source], subject, query)


def _kind(source: Source, query: Query) -> str | None:
    if source.stream is not None or any(sign in source.name for sign in "*?["):
        return None
    with source.opened() as stream:
        kind = query.format or detected(stream.peek(FIRST)[:FIRST], query)
    if kind == "native" and any(name not in jsonlines.CHOOSING for name, _ in query.where):
        return None
    return kind if kind != "native" or _is_plain(source) else None


def _is_plain(source: Source) -> bool:
    """Tell whether no line is so long that the python engine would refuse it, and what is compressed is whole.

    DuckDB looks for neither. A line of more than MAX_LINE covers one of the pieces, without its end.
    """
    with open(source.name, "rb") as file:
        if file.read(2) not in _PACKED:
            starts = range(0, os.path.getsize(source.name), _PIECE)
            return all(b"\n" in _read(file, at, FIRST) or b"\n" in _read(file, at, _PIECE) for at in starts[:-1])
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
    class_ = _class_of({"error": Field("text"), "success": Field("false")})

    def sql(square: str) -> str:
        return jsonlines.grouped(query, (since, until), (square, class_, _priced(subject)))

    as_json = subject._replace(model=json.dumps(subject.model), version=json.dumps(subject.version))
    given = {"path": source.name, "packed": packed} | _parameters(as_json, query, sql("{0}"))
    rows = [(row[0], _region(row[1]), *row[2:]) for row in _rows(connection, sql, given)]
    return None if any(row[1] is None for row in rows) else _reduction(rows, subject)


def _region(text: str | None) -> str | None:
    """Return the region that a text of JSON states, None where that is none."""
    if text is None:
        return ""
    return text[1:-1] if re.fullmatch(f'"{_REGION}"', text, re.ASCII) else None


def _parquet(connection: Any, source: Source, subject: Subject, query: Query) -> Reduction:
    asked = {"path": source.name}
    described = connection.execute("DESCRIBE SELECT * FROM read_parquet($path)", asked).fetchall()
    types = {row[0]: row[1] for row in described}
    columns = compiled(query.columns) if query.columns else {name: Expression("column", name) for name in FIELDS}
    used = [one for expression in columns.values() for one in (expression.column, expression.other) if one]
    lacking = sorted(set(used if query.columns else ("success", "latency_ms")) - types.keys())
    if lacking:
        fact = f"{source.name!a} has no column {', '.join(ascii(name) for name in lacking)}"
        raise Usage(fact, hint=f"map its columns with --map; it has {', '.join(ascii(name) for name in types)}"[:500])
    stated = {name: of_table(one, name, types) for name, one in columns.items() if one.column in types}
    fields = {name: stated.get(name, Field("NULL")) for name in FIELDS}
    table = "(SELECT * FROM read_parquet($path, file_row_number = true))"

    def sql(square: str) -> str:
        return _grouped(table, fields, (subject, query), product=square)

    rows = _rows(connection, sql, asked | _parameters(subject, query, sql("{0}")))
    found, bad = _reduction(rows, subject), sum(row[4] for row in rows if row[0] > 0)
    if not bad:
        return found
    judged = (
        f"(SELECT file_row_number + 1 AS number, {_state(fields, subject, query, faults=True)} AS state FROM {table})"
    )
    given = asked | _parameters(subject, query, judged)
    named = f"SELECT number, state FROM {judged} WHERE state > 0 ORDER BY 1 LIMIT {MAX_REPORTED}"
    malformed = tuple(
        Malformed(source.name, number, _FAULTS[state - 1], state <= 2)
        for number, state in connection.execute(named, given).fetchall()
    )
    counted = f"SELECT count(*) FROM {judged} WHERE state IN (1, 2)"
    mismatched = connection.execute(counted, given).fetchone()[0]
    return found._replace(malformed=malformed, malformed_count=bad, mismatched_count=mismatched)


def _state(fields: Mapping[str, Field], subject: Subject, query: Query, *, faults: bool = False) -> str:
    """Return the SQL of what becomes of a row: 0 for one that counts, -1 for one left out, more for one that is malformed.

    Args:
        faults: say which of _FAULTS it is, from 1 on; costs more.
    """
    ts, chosen = fields["ts"].value, {name for name, _ in query.where}
    whens = [
        f"WHEN {fields[name].value} IS NULL OR CAST({fields[name].value} AS VARCHAR) <> $where{at} THEN -1"
        for at, (name, _) in enumerate(query.where)
    ]
    claims = [_claim(fields, name, claim) for name, claim in _claims(chosen)]
    if faults:
        whens += [f"WHEN NOT ({claim}) THEN {code}" for code, claim in enumerate(claims, 1) if claim]
    else:
        whens.append(f"WHEN NOT ({' AND '.join(filter(None, claims))}) THEN 1")
    if query.since or query.until:
        whens.append(f"WHEN {ts} IS NULL THEN {len(_FAULTS)}")
    whens += [f"WHEN {ts} < {micros(query.since)} THEN -1"] if query.since else []
    whens += [f"WHEN {ts} >= {micros(query.until)} THEN -1"] if query.until else []
    return f"CASE {' '.join(whens)} ELSE 0 END"


def _claim(fields: Mapping[str, Field], name: str, claim: str) -> str:
    value, sound = fields[name]
    if name == "success":
        return f"{sound} AND {value} IS NOT NULL"
    if claim == "missing":
        if value == "NULL" and sound == "true":  # no column is mapped to it
            return ""
        return f"({value} IS NOT NULL OR NOT {fields['success'].value})"
    if value == "NULL":
        return "" if sound == "true" else sound
    if name == "ts" and sound != "true":
        return f"coalesce({sound} AND {claim.format(value)}, {sound} IS NULL)"
    return f"({sound} AND coalesce({claim.format(value)}, {value} IS NULL))"


def _claims(chosen: set[str]) -> Iterator[tuple[str, str]]:
    yield "model", "true" if "model" in chosen else "{} = $model"
    yield "version", "true" if "version" in chosen else "{} = $version"
    yield "success", "true"
    yield "latency_ms", f"{{}} BETWEEN 0 AND {MAX_WHOLE}"
    yield "latency_ms", "missing"
    yield "ts", f"{{0}} >= {_LIMITS_US[0]} AND {{0}} < {_LIMITS_US[1]}"
    yield "region", f"regexp_full_match({{}}, '{_REGION.replace('{', '{{').replace('}', '}}')}')"
    yield "input_tokens", f"{{0}} BETWEEN 0 AND {MAX_WHOLE} AND {{0}} = floor({{0}})"
    yield "output_tokens", f"{{0}} BETWEEN 0 AND {MAX_WHOLE} AND {{0}} = floor({{0}})"
    yield "cost", f"{{}} BETWEEN 0 AND {MAX_COST_USD}"
    yield "confidence", "{} BETWEEN 0 AND 1"


def micros(at: datetime) -> int:
    """Return the microseconds from 1970 to a time."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def _parameters(subject: Subject, query: Query, sql: str) -> dict[str, str]:
    stated = {"model": subject.model, "version": subject.version}
    stated |= {f"where{at}": value for at, (_, value) in enumerate(query.where)}
    return {name: value for name, value in stated.items() if f"${name}" in sql}


def _layered(table: str, fields: Mapping[str, Field]) -> tuple[str, dict[str, Field]]:
    """Return a table that has each value, and whether it is sound, as a column; computed once, used often."""
    values = [f"{one.value} AS v_{name}" for name, one in fields.items() if one.value != "NULL"]
    sound = [f"{one.sound} AS s_{name}" for name, one in fields.items() if one.sound != "true"]
    known = {
        name: Field(
            one.value if one.value == "NULL" else f"v_{name}", one.sound if one.sound == "true" else f"s_{name}"
        )
        for name, one in fields.items()
    }
    return f"(SELECT {', '.join(values + sound)} FROM {table})", known


def _rows(connection: Any, sql: Callable[[str], str], given: Mapping[str, str]) -> list[Any]:
    """Return the table of statistics; squares are of 64 bits, and of 128 where some number is too large for that."""
    from duckdb import OutOfRangeException

    try:
        return list(connection.execute(sql("{0} * {0}"), given).fetchall())
    except OutOfRangeException:
        return list(connection.execute(sql("CAST({0} AS HUGEINT) * {0}"), given).fetchall())


def _grouped(table: str, fields: Mapping[str, Field], asked: tuple[Subject, Query], *, product: str) -> str:
    (subject, query), (table, fields) = asked, _layered(table, fields)
    scaled = "TRY_CAST(floor({} * CAST({} AS DOUBLE) + CAST(0.5 AS DOUBLE)) AS BIGINT)"
    values = {
        "state": _state(fields, subject, query),
        "us": fields["ts"].value,
        "region": f"coalesce({fields['region'].value}, '')",
        "failed": f"NOT {fields['success'].value}",
        "latency": f"TRY_CAST(ceil({fields['latency_ms'].value}) AS BIGINT)",
        "class": _class_of(fields),
        "input_tokens": f"TRY_CAST({fields['input_tokens'].value} AS BIGINT)",
        "output_tokens": f"TRY_CAST({fields['output_tokens'].value} AS BIGINT)",
        "cost": scaled.format(fields["cost"].value, 10**9),
        "confidence": scaled.format(fields["confidence"].value, 10**6),
    }
    inner = f"SELECT {', '.join(f'{sql} AS {quoted(name)}' for name, sql in values.items())} FROM {table}"
    priced = _priced(subject)
    if priced:
        inner = f"SELECT * REPLACE (CASE WHEN cost IS NULL THEN {priced} ELSE cost END AS cost) FROM ({inner})"
    sums = ", ".join(f"count({name}), sum({name}), sum({product.format(name)})" for name in _MEASURES)
    keys = {
        "region": "state = 0",
        f"us // {_DAY_US}": "state = 0",
        f'coalesce("class", {ERROR_CLASSES.index("other")})': "state = 0 AND failed",
    }
    key = ", ".join(f"CASE WHEN {known} THEN {sql} END" for sql, known in keys.items())
    timed = "CASE WHEN state = 0 AND NOT failed THEN latency END"
    return f"SELECT state, {key}, count(*), max(us), histogram({timed}), {sums} FROM ({inner}) GROUP BY ALL"


def _class_of(fields: Mapping[str, Field]) -> str:
    error = f"lower(left({fields['error'].value}, 500))"
    whens = [
        f"WHEN regexp_matches({error}, '{pattern}') THEN {ERROR_CLASSES.index(name)}"
        for name, pattern in ERROR_PATTERNS
    ]
    is_told = f"NOT {fields['success'].value} AND {fields['error'].value} IS NOT NULL"
    return f"CASE WHEN {is_told} THEN CASE {' '.join(whens)} END END"


def _priced(subject: Subject) -> str | None:
    """Return the SQL of a record's cost in nano-USD by the version's prices; None where there are none."""
    sides = dict(zip(_MEASURES[:2], (subject.input_per_mtok, subject.output_per_mtok), strict=True))
    known = {name: side.as_integer_ratio() for name, side in sides.items() if side is not None}
    if not known:
        return None
    unit = math.prod(bottom for _, bottom in known.values())
    total = " + ".join(
        f"coalesce({name}, 0) * CAST({top * unit // bottom} AS HUGEINT)" for name, (top, bottom) in known.items()
    )
    stated = [f"{name} IS NOT NULL" if name in known else f"coalesce({name}, 0) = 0" for name in sides]
    return f"CASE WHEN {' AND '.join(stated)} THEN TRY_CAST((2000 * ({total}) + {unit}) // {2 * unit} AS BIGINT) END"


def _reduction(rows: Sequence[Any], subject: Subject) -> Reduction:
    heads: dict[tuple[str, str], tuple[int, ...]] = {}
    counts: dict[tuple[str, str, int], int] = {}
    for state, region, day, error, count, _, latencies, *sums in rows:
        if state:
            continue
        key = region, "" if day is None else (_EPOCH + timedelta(days=day)).date().isoformat()
        timed = latencies or {}
        untimed = count - sum(timed.values())
        failures = _failures(error, untimed)
        head = (untimed, *failures, *(value or 0 for value in sums))
        heads[key] = tuple(map(add, heads[key], head)) if key in heads else head
        for latency, many in timed.items():
            counts[*key, latency] = counts.get((*key, latency), 0) + many
    table = [Row(subject.model, subject.version, *key, None, cells) for key, cells in heads.items()]
    table += [Row(subject.model, subject.version, *key, (many,)) for key, many in counts.items()]
    newest = max((row[5] for row in rows if row[0] == 0 and row[5] is not None), default=None)
    latest = None if newest is None else _EPOCH + timedelta(microseconds=newest)
    return Reduction(table_of(table, latest), skipped=sum(row[4] for row in rows if row[0] < 0))


def _failures(error: int | None, count: int) -> tuple[int, ...]:
    """Return how many failed, and of which class; a row without a class is of successes, be they timed or not."""
    if error is None:
        return (0,) * (1 + len(ERROR_CLASSES))
    return (count, *(count if place == error else 0 for place in range(len(ERROR_CLASSES))))
