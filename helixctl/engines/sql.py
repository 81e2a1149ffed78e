"""The rules of an inference as SQL, written once: which row counts, and what is added up of it.

It is DuckDB's, of the plain kind that can be put into other dialects; a Dialect has the few things that cannot. Nothing is
computed of a row that does not count, so that no value of it breaks a query.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from helixctl.core.columns import FIELDS, Expression, compiled
from helixctl.core.stats import ERROR_CLASSES, ERROR_PATTERNS, MEASURES, StatsBuilder
from helixctl.engines import Query, Reduction, Subject, python
from helixctl.engines.fields import DUCKDB, Dialect, Field, of_table, quoted, text_of
from helixctl.engines.readers.native import MAX_COST_USD, MAX_WHOLE, YEARS
from helixctl.errors import Usage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_US = 86_400_000_000
LIMITS_US = tuple((date(year, 1, 1) - EPOCH.date()).days * DAY_US for year in (YEARS[0], YEARS[-1] + 1))
REGION = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
_EDGES = (r"(?:^|[^0-9a-z_])", r"(?:$|[^0-9a-z_])")
FAULTS = (
    *("it names another model", "it names another version", "success is not true or false"),
    *(f"latency_ms is not a number from 0 to {MAX_WHOLE}", "latency_ms is missing though success is true"),
    f"ts is not an RFC 3339 time with a zone, from {YEARS[0]} to {YEARS[-1]}",
    "region is not a name of letters, digits, '.', '_' and '-'",
    *(f"{name} is not a whole number from 0 to {MAX_WHOLE}" for name in MEASURES[:2]),
    f"cost is not a number from 0 to {MAX_COST_USD}",
    "confidence is not a number from 0 to 1",
    python.TIMELESS,
)
"""Why a row is malformed, by its code - 1, in the order in which the native reader looks."""

MISMATCHED = (1, 2)


class Reading(NamedTuple):
    """A table, and what is to be read of it.

    Args:
        fields: of each field of an inference; the text of each name in the query's `where` stands under `where NAME`.
        chosen: fields by which the caller chose the rows, so that they may differ from the version.
    """

    table: str
    fields: Mapping[str, Field]
    subject: Subject
    query: Query
    chosen: frozenset[str]
    dialect: Dialect = DUCKDB


def reading(name: str, table: str, kinds: Mapping[str, str], asked: tuple[Subject, Query, Dialect]) -> Reading:
    """Return how a table that has the native columns, or those of the query's map, is to be read.

    Args:
        name: as a refusal names it. kinds: by column, what `of_table` knows of it.

    Raises:
        Usage: it lacks a column, or the map is none.
    """
    subject, query, dialect = asked
    columns = compiled(query.columns) if query.columns else {one: Expression("column", one) for one in FIELDS}
    used = {one for expression in columns.values() for one in (expression.column, expression.other) if one}
    needed = used if query.columns else {"success", "latency_ms"}
    lacking = sorted((needed | {one for one, _ in query.where if one not in columns}) - kinds.keys())
    if lacking:
        fact = f"{name} has no column {', '.join(ascii(one) for one in lacking)}"
        raise Usage(fact, hint=f"map its columns with --map; it has {', '.join(ascii(one) for one in kinds)}"[:500])
    stated = {field: of_table(one, field, kinds, dialect) for field, one in columns.items() if one.column in kinds}
    fields = {field: stated.get(field, Field("NULL")) for field in FIELDS}
    if query.columns and "latency_ms" in stated:  # of a failure it is no matter, as in any table
        when, (value, sound) = f"CASE WHEN {fields['success'].value} THEN", stated["latency_ms"]
        fields["latency_ms"] = Field(f"{when} {value} END", f"{when} {sound} ELSE true END")
    chosen = {one for one, _ in query.where}
    for one, text in query.where:
        value = text_of(quoted(one) if one in kinds else fields[one].value)
        if kinds.get(one) == "texts":  # such as tags: any of them
            value = f"CASE WHEN list_contains({quoted(one)}, {literal(text)}) THEN {literal(text)} END"
        fields[f"where {one}"] = Field(value)
    by_column = {field for field, one in columns.items() if one.column in chosen}
    return Reading(table, fields, subject, query, frozenset(chosen | by_column), dialect)


def state(of: Reading, *, names_faults: bool = False) -> str:
    """Return the SQL of what becomes of a row: 0 for one that counts, -1 for one left out, more for one that is malformed.

    Args:
        names_faults: say which of FAULTS it is, from 1 on; costs more.
    """
    ts, query = of.fields["ts"].value, of.query
    texts = ((of.fields[f"where {name}"].value, literal(text)) for name, text in query.where)
    whens = [f"WHEN {value} IS NULL OR {value} <> {text} THEN -1" for value, text in texts]
    claims = [_claim(of.fields, name, claim) for name, claim in _claims(of)]
    if names_faults:
        whens += [f"WHEN NOT ({claim}) THEN {code}" for code, claim in enumerate(claims, 1) if claim]
    else:
        whens.append(f"WHEN NOT ({' AND '.join(filter(None, claims))}) THEN 1")
    if query.since or query.until:
        whens.append(f"WHEN {ts} IS NULL THEN {len(FAULTS)}")
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


def _claims(of: Reading) -> Iterator[tuple[str, str]]:
    for name, text in (("model", of.subject.model), ("version", of.subject.version)):
        yield name, "true" if name in of.chosen else f"{{}} = {literal(text)}"
    yield "success", "true"
    yield "latency_ms", f"{{}} BETWEEN 0 AND {MAX_WHOLE}"
    yield "latency_ms", "missing"
    yield "ts", _IN_TIME
    yield "region", f"regexp_matches({{}}, '^{REGION.replace('{', '{{').replace('}', '}}')}\\z')"
    yield "input_tokens", f"{{0}} BETWEEN 0 AND {MAX_WHOLE} AND {{0}} = floor({{0}})"
    yield "output_tokens", f"{{0}} BETWEEN 0 AND {MAX_WHOLE} AND {{0}} = floor({{0}})"
    yield "cost", f"{{}} BETWEEN 0 AND {MAX_COST_USD}"
    yield "confidence", "{} BETWEEN 0 AND 1"


_IN_TIME = f"{{0}} >= {LIMITS_US[0]} AND {{0}} < {LIMITS_US[1]}"


def literal(text: str) -> str:
    """Return a text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def micros(at: datetime) -> int:
    """Return the microseconds from 1970 to a time."""
    return (at - EPOCH) // timedelta(microseconds=1)


def instant(at: int) -> datetime:
    """Return the time that is so many microseconds after 1970."""
    return EPOCH + timedelta(microseconds=at)


def _layered(of: Reading) -> Reading:
    """Return the same of a table that has each value, and whether it is sound, as a column; computed once, used often."""
    columns, known = [], {}
    for number, (name, one) in enumerate(of.fields.items()):
        value, sound = one
        if value != "NULL":
            columns.append(f"{value} AS v{number}")
            value = f"v{number}"
        if sound != "true":
            columns.append(f"{sound} AS s{number}")
            sound = f"s{number}"
        known[name] = Field(value, sound)
    return of._replace(table=f"(SELECT {', '.join(columns)} FROM {of.table}) AS t1", fields=known)


def grouped(of: Reading, *, is_local: bool = False, is_wide: bool = True) -> str:
    """Return the SQL of the table of statistics.

    Its columns, c0 to c19: state, region, day, class of error, requests, first and newest time, latency, and count, sum and sum of
    squares of each measure.

    Args:
        is_local: latency is what `timed_by` gives; else a row is of one latency, and state names the fault.
        is_wide: sums and squares are of a type that holds them whatever the numbers.
    """
    of = _layered(of)
    at, is_instant = of.fields["ts"]
    scaled = "CAST(floor({} * CAST({} AS DOUBLE) + CAST(0.5 AS DOUBLE)) AS BIGINT)"
    values = {
        "place": f"coalesce({of.fields['region'].value}, '')",
        "failed": f"NOT {of.fields['success'].value}",
        "took": f"CAST(ceil({of.fields['latency_ms'].value}) AS BIGINT)",
        "fault": class_of(of.fields, of.dialect),
        **{name: f"CAST({of.fields[name].value} AS BIGINT)" for name in MEASURES[:2]},
        "stated": scaled.format(of.fields["cost"].value, 10**9),
        "confidence": scaled.format(of.fields["confidence"].value, 10**6),
    }
    masked = ", ".join(f"CASE WHEN state = 0 THEN {sql} END AS {name}" for name, sql in values.items())
    said = f"SELECT *, {state(of, names_faults=not is_local)} AS state FROM {of.table}"
    inner = f"SELECT state, CASE WHEN {is_instant} AND {_IN_TIME.format(at)} THEN {at} END AS us, {masked} FROM ({said}) AS t2"
    cost = priced(of.subject, of.dialect)
    keyed = {
        "midnight": f"CASE WHEN state = 0 THEN us - us % {DAY_US} END",
        "class": f"CASE WHEN failed THEN coalesce(fault, {ERROR_CLASSES.index('other')}) END",
        "latency": "CASE WHEN NOT failed THEN took END",
        "cost": f"CASE WHEN stated IS NULL THEN {cost} ELSE stated END" if cost else "stated",
    }
    made = ", ".join(f"{sql} AS {quoted(name)}" for name, sql in keyed.items())
    inner = f"SELECT state, place, us, {', '.join(MEASURES[:2])}, confidence, {made} FROM ({inner}) AS t3"
    numbers = {name: f"CAST({name} AS {of.dialect.wide})" if is_wide else name for name in MEASURES}
    sums = [sql for name, one in numbers.items() for sql in (f"count({name})", f"sum({one})", f"sum({one} * {one})")]
    latency, key = (timed_by("latency"), "1, 2, 3, 4") if is_local else ("latency", "1, 2, 3, 4, 8")
    told = ("state", "place", "midnight", '"class"', "count(*)", "min(us)", "max(us)", latency, *sums)
    cells = ", ".join(f"{sql} AS c{number}" for number, sql in enumerate(told))
    return f"SELECT {cells} FROM ({inner}) AS t4 GROUP BY {key}"


def timed_by(latency: str) -> str:
    """Return DuckDB's SQL of the latencies of a group and how many requests took each; as lists, a map is slow to be read."""
    return f"row(map_keys(histogram({latency})), map_values(histogram({latency})))"


def class_of(fields: Mapping[str, Field], dialect: Dialect = DUCKDB) -> str:
    """Return the SQL of the class of an error, by its place; NULL for a success, and for an error that is of no other class."""
    first = dialect.first_500.format(fields["error"].value)
    error = f"lower(replace({first}, '\u0130', 'i\u0307'))"  # as Unicode lowers it, and not each dialect
    whens = [
        f"WHEN regexp_matches({error}, '{_portable(pattern)}') THEN {ERROR_CLASSES.index(name)}"
        for name, pattern in ERROR_PATTERNS
    ]
    return f"CASE WHEN {fields['success'].value} THEN NULL {' '.join(whens)} END"


def _portable(pattern: str) -> str:
    """Return a pattern without the classes that some dialect takes for those of Unicode."""
    ends = re.sub(r"\\b(?=[\d(])", lambda _: _EDGES[0], pattern)
    return ends.replace(r"\b", _EDGES[1]).replace(r"\d", "[0-9]")


def priced(subject: Subject, dialect: Dialect = DUCKDB) -> str | None:
    """Return the SQL of a row's cost in nano-USD by the version's prices; None where there are none."""
    sides = dict(zip(MEASURES[:2], (subject.input_per_mtok, subject.output_per_mtok), strict=True))
    known = {name: (side * 1000).as_integer_ratio() for name, side in sides.items() if side is not None}
    if not known:
        return None
    unit = math.prod(bottom for _, bottom in known.values())
    wide = dialect.wide
    total = " + ".join(
        f"CAST(coalesce({name}, 0) AS {wide}) * CAST({top * unit // bottom} AS {wide})"
        for name, (top, bottom) in known.items()
    )
    if unit > 1:
        total = dialect.quotient.format(f"(2 * ({total}) + {unit})", 2 * unit)
    stated = [f"{name} IS NOT NULL" if name in known else f"coalesce({name}, 0) = 0" for name in sides]
    return f"CASE WHEN {' AND '.join(stated)} THEN TRY_CAST({total} AS BIGINT) END"


def reduction(rows: Sequence[Sequence[Any]], subject: Subject) -> Reduction:
    """Return what the rows of `grouped` say, latencies and their counts as a pair; malformed ones are left to the caller."""
    builder = StatsBuilder(subject.model, subject.version)
    for row_state, region, day, error, count, _, _, (latencies, counts), *sums in rows:
        if not row_state:
            timed = dict(zip(latencies or (), counts or (), strict=True))
            untimed = count - sum(timed.values())
            cells = (untimed, *_failures(error, untimed), *(value or 0 for value in sums))
            builder.put((region, None if day is None else instant(day).date()), cells, timed)
    newest = max((row[6] for row in rows if row[0] == 0 and row[6] is not None), default=None)
    stats = builder.build(None if newest is None else instant(newest))
    return Reduction(stats, skipped=sum(row[4] for row in rows if row[0] < 0))


def _failures(error: int | None, count: int) -> tuple[int, ...]:
    """Return how many failed, and of which class; a row without a class is of successes, be they timed or not."""
    if error is None:
        return (0,) * (1 + len(ERROR_CLASSES))
    return (count, *(count if place == error else 0 for place in range(len(ERROR_CLASSES))))
