"""Column maps: how a field of an inference is made from the columns of a table that somebody else laid out."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from helixctl.errors import Usage

FIELDS = (
    *("ts", "model", "version", "region", "success", "latency_ms"),
    *("input_tokens", "output_tokens", "cost", "confidence", "error"),
)
"""The fields of an inference."""

_COLUMN = r'(?:"([^"]{1,200})"|([A-Za-z_][\w.-]*))'
_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"


@cache
def _forms() -> dict[str, re.Pattern[str]]:
    """Return the form of each expression; compiled when the first one is read."""
    return {
        "utc": re.compile(rf"{_COLUMN} utc"),
        "empty": re.compile(rf"{_COLUMN} is empty"),
        "filled": re.compile(rf"{_COLUMN} is not empty"),
        "not": re.compile(rf"(?:!|not ) ?{_COLUMN}"),
        "equals": re.compile(rf"{_COLUMN} ?== ?(\S.*)"),
        "differs": re.compile(rf"{_COLUMN} ?!= ?(\S.*)"),
        "times": re.compile(rf"{_COLUMN} ?\* ?{_NUMBER}"),
        "by": re.compile(rf"{_COLUMN} ?/ ?{_NUMBER}"),
        "minus": re.compile(rf"{_COLUMN} - {_COLUMN}"),
        "column": re.compile(_COLUMN),
    }


class Expression(NamedTuple):
    """What a field is made of: one column, alone or with a factor, another column, or a text to compare with.

    Args:
        form: column, times, by, minus, not, empty, filled, equals, differs, or utc (a time that lacks its zone).
        factor: of `text`, the number that it states, or NaN.
    """

    form: str
    column: str
    other: str = ""
    factor: float = 1.0
    text: str = ""


def parse(text: str) -> Expression:
    """Return the expression that a text states.

    Raises:
        Usage: it states none.
    """
    stated = " ".join(text.split())
    for form, pattern in _forms().items():
        found = pattern.fullmatch(stated)
        if not found:
            continue
        column, rest = found[1] or found[2], found.groups()[2:]
        match form:
            case "times" | "by":
                factor = float(rest[0])
                if not 0 < factor < math.inf:
                    raise Usage(
                        f"a column map by {rest[0][:20]}, which leaves nothing of a column",
                        hint="as in 'seconds * 1000'",
                    )
                return Expression(form, column, factor=factor)
            case "minus":
                return Expression(form, column, other=rest[0] or rest[1])
            case "equals" | "differs":
                word = rest[0].strip("'\"")
                number = float(word) if re.fullmatch(f"-?{_NUMBER}", word, re.ASCII) else math.nan
                return Expression(form, column, factor=number if math.isfinite(number) else math.nan, text=word)
        return Expression(form, column)
    hint = "write COLUMN, COLUMN * 1000, END - START, !COLUMN, COLUMN == TEXT, COLUMN is empty or COLUMN utc"
    raise Usage("a column map that states no column", hint=hint)


def compiled(columns: Mapping[str, str]) -> dict[str, Expression]:
    """Return the expression of each field that is mapped, that of `success` first.

    Raises:
        Usage: a field that no inference has, an expression that is none, or no `success` and no `error` among them.
    """
    for name in columns:
        if name not in FIELDS:
            from helixctl.core.schema import did_you_mean

            raise Usage(f"no field {name!a}{did_you_mean(name, FIELDS)}", hint=f"fields: {', '.join(FIELDS)}")
    found = {name: parse(text) for name, text in columns.items()}
    if "success" not in found:
        if "error" not in found:
            raise Usage("nothing says which requests succeeded", hint="map success, as in success='status == ok'")
        found["success"] = Expression("empty", found["error"].column)
    return {"success": found["success"], **found}


def valued(expression: Expression, get: Callable[[str], object]) -> object:
    """Return the value of an expression; None where a column that it needs has none.

    Raises:
        ValueError: a column has a value of another kind than the expression needs; the text says which kind.
    """
    value = get(expression.column)
    match expression.form:
        case "empty" | "filled":
            return (value is None or value == "") is (expression.form == "empty")
        case "equals" | "differs":
            return _says(value, expression) is (expression.form == "equals")
    if value is None:
        return None
    match expression.form:
        case "not":
            return not _truth(value)
        case "times":
            return _number(value) * expression.factor
        case "by":
            return _number(value) / expression.factor
        case "minus":
            return _difference(value, get(expression.other))
        case "utc":
            return f"{value}Z" if isinstance(value, str) else value
    return value


def _says(value: object, expression: Expression) -> bool:
    """Tell whether a value is what a text states: a number by what it is worth, true and false in any case."""
    text = expression.text.lower() if isinstance(value, bool) else expression.text
    return plain(value) == text or (type(value) in (int, float) and value == expression.factor)


def plain(value: object) -> str | None:
    """Return a plain value as text, true and false as JSON has them; None for others."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None


def _truth(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError("not true or false")


def _number(value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise ValueError("not a number")


def _difference(value: object, other: object) -> float | None:
    if other is None:
        return None
    if isinstance(value, str) and isinstance(other, str):
        return (_time(value) - _time(other)).total_seconds() * 1000
    return _number(value) - _number(other)


def _time(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at if at.tzinfo else at.replace(tzinfo=UTC)
