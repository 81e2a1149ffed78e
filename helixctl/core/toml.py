"""TOML text to checked tables and back, with the line of whatever is wrong."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from helixctl.core.schema import Schema, checked
from helixctl.core.times import short
from helixctl.errors import HelixError, Invalid

MAX_BYTES = 1_048_576
_HEADER = r"\s*\[+\s*([^\]#]+?)\s*\]+"
_KEY = r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
_DEEP_KEY = rb"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){64}"""


class _Zulu(datetime):
    """A time that the TOML writer prints as RFC 3339 with `Z`."""

    def __str__(self) -> str:
        return short(self)


def parse(raw: bytes) -> dict[str, Any]:
    """Return the tables of TOML text; decimal fractions stay Decimal.

    Raises:
        Invalid: too large, not UTF-8, or not TOML; `line` is where.
    """
    if len(raw) > MAX_BYTES:
        raise Invalid(f"{len(raw)} bytes, more than {MAX_BYTES}", hint="this is no version file")
    if raw.startswith(b"\xef\xbb\xbf"):
        raise Invalid("begins with a byte order mark", line=1, hint="save the file as UTF-8 without it")
    try:
        if len(raw) > 8192 and re.search(_DEEP_KEY, raw):  # tomllib takes quadratic time for these
            raise RecursionError
        return tomllib.loads(raw.decode(), parse_float=_decimal)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise Invalid("not UTF-8", line=line, hint="save the file as UTF-8") from None
    except RecursionError:
        raise Invalid("nested too deep", hint="flatten the value") from None
    except ValueError as error:
        fact, line = _syntax(str(error), raw)
        raise Invalid(f"not TOML: {fact}", line=line, hint="correct the syntax there") from None


def load(raw: bytes, schema: Schema, *, required: Iterable[str] = ()) -> dict[str, Any]:
    """Return checked tables.

    Raises:
        Invalid: as `parse` and `schema.checked`, with the line of the key at fault.
    """
    data = parse(raw)
    try:
        return checked(data, schema, required=required)
    except Invalid as error:
        raise placed(error, raw) from None


def placed(error: HelixError, raw: bytes) -> HelixError:
    """Return the refusal with the line on which its key stands, where it can be found."""
    if error.line is None and error.key:
        error.line = line_of(raw.decode(errors="replace"), error.key)
    return error


def dump(data: Mapping[str, Any]) -> str:
    """Return TOML text, keys in the given order, times in UTC with `Z`, one trailing newline."""
    import tomli_w

    return tomli_w.dumps(_plain(data))


def line_of(text: str, key: str) -> int | None:
    """Return the line of a dotted key or of its table, or None; `rule.1.id` is in the second `[[rule]]`.

    Multi-line strings may mislead it.
    """
    table, header = "", None
    places: Counter[str] = Counter()
    for number, line in enumerate(text.split("\n"), 1):
        if match := re.match(_HEADER, line):
            table = name = _bare(match[1])
            if line.lstrip().startswith("[["):
                table = f"{name}.{places[name]}"
                places[name] += 1
            elif (array := name.split(".")[0]) in places:
                table = f"{array}.{places[array] - 1}{name[len(array) :]}"
            if key in (name, table):
                return number
            if key.startswith(table + "."):
                header = number
        elif match := re.match(_KEY, line):
            path = f"{table}.{_bare(match[1])}" if table else _bare(match[1])
            if path == key or key.startswith(path + "."):
                return number
    return header


def _bare(dotted: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in dotted.split("."))


def _decimal(literal: str) -> Decimal:
    try:
        return Decimal(literal.replace("_", ""))
    except ArithmeticError:
        return Decimal("Infinity")


def _syntax(message: str, raw: bytes) -> tuple[str, int]:
    fact, _, where = message.rpartition(" (at ")
    match = re.match(r"line (\d+)", where)
    line = int(match[1]) if match else raw.count(b"\n") + 1
    return (fact or message).rstrip(".").lower(), line


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _plain(element) for key, element in value.items()}
        case tuple() | list():
            return [_plain(element) for element in value]
        case datetime():
            at = value.astimezone(UTC)
            return _Zulu(at.year, at.month, at.day, at.hour, at.minute, at.second, at.microsecond, UTC)
    return value
