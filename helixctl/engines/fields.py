"""Fields of an inference as DuckDB's SQL: of a text that JSON had, or made of the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from helixctl.core.columns import Expression

INSTANT = r"\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,20})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL")
_TEXTS = ("model", "version", "region", "error")


class Field(NamedTuple):
    """The SQL of a field's value, and of whether it is NULL or of the right kind.

    `ts` is in microseconds since 1970, and whether it is of the right kind is NULL where it is.
    """

    value: str
    sound: str = "true"


def of_instant(name: str) -> str:
    """Return the SQL of whether a text that the cast took has the form of an instant; two forms at a fraction of the cost."""
    usual = " OR ".join(f"{name} LIKE '{form}'" for form in ("____-__-__T__:__:__Z", "____-__-__T__:__:__.___Z"))
    other = f"regexp_full_match({name}, '{INSTANT}')"
    odd = f"{name} LIKE '___________24%' OR contains({name}, ' ') OR {name} LIKE '__________________.%'"
    return f"CASE WHEN {usual} THEN NOT ({odd}) ELSE {other} END"


def of_table(expression: Expression, field: str, types: Mapping[str, str]) -> Field:
    """Return the SQL of a field that is made of a table's columns, whose types are known."""
    name, kind = quoted(expression.column), _kind_of(types[expression.column])
    match expression.form:
        case "empty" | "filled":
            is_empty = f"({name} IS NULL OR CAST({name} AS VARCHAR) = '')"
            return Field(is_empty if expression.form == "empty" else f"(NOT {is_empty})")
        case "equals" | "differs":
            text = expression.text.replace("'", "''")
            same = f"coalesce(CAST({name} AS VARCHAR) = '{text}', false)"
            return Field(same if expression.form == "equals" else f"(NOT {same})")
        case "not":
            return Field(f"(NOT {name})") if kind == "bool" else Field("NULL", f"{name} IS NULL")
        case "times" | "by" if kind == "number":
            sign = "*" if expression.form == "times" else "/"
            return Field(f"(CAST({name} AS DOUBLE) {sign} CAST({expression.factor!r} AS DOUBLE))")
        case "minus":
            return _difference(name, quoted(expression.other), kind, _kind_of(types[expression.other]))
        case "utc" if kind == "naive":
            return Field(f"epoch_us({name})")
        case "column":
            return _plain(name, kind, field)
    return Field("NULL", f"{name} IS NULL")


def _plain(name: str, kind: str, field: str) -> Field:
    match field, kind:
        case "ts", "time":
            return Field(f"epoch_us({name})")
        case "ts", "text":
            value = f"epoch_us(TRY_CAST({name} AS TIMESTAMPTZ))"
            return Field(value, of_instant(name))
        case "success", "bool":
            return Field(name)
        case "error", "number":
            return Field(f"CAST({name} AS VARCHAR)")
    if kind == ("text" if field in _TEXTS else "number") and field not in ("ts", "success"):
        return Field(name if field in _TEXTS else f"CAST({name} AS DOUBLE)")
    return Field("NULL", f"{name} IS NULL" if field != "error" else "true")


def _difference(name: str, other: str, kind: str, other_kind: str) -> Field:
    if kind == other_kind == "number":
        return Field(f"(CAST({name} AS DOUBLE) - CAST({other} AS DOUBLE))")
    if kind == other_kind and kind in ("time", "naive"):
        return Field(f"((epoch_us({name}) - epoch_us({other})) / CAST(1000 AS DOUBLE))")
    return Field("NULL", f"({name} IS NULL OR {other} IS NULL)")


def _kind_of(stated: str) -> str:
    if stated.removeprefix("U").startswith(_NUMBERS):
        return "number"
    kinds = {"BOOLEAN": "bool", "VARCHAR": "text", "TIMESTAMP WITH TIME ZONE": "time"}
    return kinds.get(stated, "naive" if stated.startswith("TIMESTAMP") else "other")


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'
