"""Fields of an inference as SQL: of a text that JSON had, or made of the columns of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from helixctl.core.columns import Expression

INSTANT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,20})?"
    r"(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"
)
"""The form of a time in the records, as a pattern that every dialect takes alike."""
_TEXTS = ("model", "version", "region", "error")


class Dialect(NamedTuple):
    """What cannot be put from DuckDB's SQL into that of another system by its grammar alone.

    Args:
        wide: a type whose products are exact, so that squares are.
        micros: the microseconds since 1970 of a time. instant: of a text that states one, NULL where it does not.
        quotient: what a whole number holds of another, rounded down.
        first_500: the first 500 characters of a text.
    """

    wide: str = "HUGEINT"
    micros: str = "epoch_us({})"
    instant: str = "epoch_us(TRY_CAST({} AS TIMESTAMPTZ))"
    quotient: str = "({} // {})"
    first_500: str = "left({}, 500)"


DUCKDB = Dialect()


class Field(NamedTuple):
    """The SQL of a field's value, and of whether it is NULL or of the right kind.

    `ts` is in microseconds since 1970, and whether it is of the right kind is NULL where it is.
    """

    value: str
    sound: str = "true"


def of_table(expression: Expression, field: str, kinds: Mapping[str, str], dialect: Dialect = DUCKDB) -> Field:
    """Return the SQL of a field that is made of a table's columns.

    Args:
        kinds: by column: number, bool, text, time (with its zone), naive (without), texts (a list) or other.
    """
    name, kind = quoted(expression.column), kinds[expression.column]
    match expression.form:
        case "empty" | "filled":
            is_empty = f"({name} IS NULL OR {text_of(name)} = '')"
            return Field(is_empty if expression.form == "empty" else f"(NOT {is_empty})")
        case "equals" | "differs":
            text = (expression.text.lower() if kind == "bool" else expression.text).replace("'", "''")
            same = f"coalesce({text_of(name)} = '{text}', false)"
            if kind == "number" and not math.isnan(expression.factor):
                same = f"coalesce(CAST({name} AS DOUBLE) = CAST({expression.factor!r} AS DOUBLE), false)"
            return Field(same if expression.form == "equals" else f"(NOT {same})")
        case "not":
            return Field(f"(NOT {name})") if kind == "bool" else Field("NULL", f"{name} IS NULL")
        case "times" | "by" if kind == "number":
            sign = "*" if expression.form == "times" else "/"
            return Field(f"(CAST({name} AS DOUBLE) {sign} CAST({expression.factor!r} AS DOUBLE))")
        case "minus":
            return _difference(name, quoted(expression.other), (kind, kinds[expression.other]), dialect)
        case "utc" if kind == "naive":
            return _timed(name, dialect)
        case "column":
            return _plain(name, kind, field, dialect)
    return Field("NULL", f"{name} IS NULL")


def _plain(name: str, kind: str, field: str, dialect: Dialect) -> Field:
    match field, kind:
        case "ts", "time":
            return _timed(name, dialect)
        case "ts", "text":
            return Field(dialect.instant.format(name), f"regexp_matches({name}, '^{INSTANT}\\z')")
        case "success", "bool":
            return Field(name)
        case "error", "number":
            return Field(text_of(name))
    if kind == ("text" if field in _TEXTS else "number") and field not in ("ts", "success"):
        return Field(name if field in _TEXTS else f"CAST({name} AS DOUBLE)")
    return Field("NULL", f"{name} IS NULL" if field != "error" else "true")


def _timed(name: str, dialect: Dialect) -> Field:
    """Return the microseconds of a time; one without any, such as `infinity`, is unsound."""
    value = dialect.micros.format(name)
    return Field(value, f"CASE WHEN {name} IS NOT NULL THEN {value} IS NOT NULL END")


def _difference(name: str, other: str, kinds: tuple[str, str], dialect: Dialect) -> Field:
    if kinds == ("number", "number"):
        return Field(f"(CAST({name} AS DOUBLE) - CAST({other} AS DOUBLE))")
    if kinds in (("time", "time"), ("naive", "naive")):
        start, end = dialect.micros.format(other), dialect.micros.format(name)
        return Field(f"(({end} - {start}) / CAST(1000 AS DOUBLE))")
    return Field("NULL", f"({name} IS NULL OR {other} IS NULL)")


def text_of(value: str) -> str:
    """Return the SQL of a value as text."""
    return f"CAST({value} AS VARCHAR)"


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
