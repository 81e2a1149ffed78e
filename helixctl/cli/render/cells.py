"""Values as cells, and rows as CSV."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from helixctl.cli.render.paint import safe

_RISKY = ("=", "+", "-", "@", "\t", "\r", "\0")


def at(row: Mapping[str, Any], path: str) -> Any:
    """Return the value at a dotted path, or None."""
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def cell(value: Any) -> str:
    """Return a value as one cell: text as it is, nothing for None, numbers without exponent, else JSON."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format(Decimal(repr(value)), "f")
    if isinstance(value, str):
        return value
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)  # no control or direction sign of it reaches a terminal


def flattened(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a row whose tables are spread over dotted names."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def csv_text(rows: Iterable[Mapping[str, Any]], wanted: list[str] | None = None) -> str:
    """Return RFC 4180 text; a cell that a spreadsheet would run as a formula gets a leading apostrophe.

    Source: RFC 4180, section 2.
    """
    flat = [row if wanted else flattened(row) for row in rows]
    header = wanted or list(dict.fromkeys(name for row in flat for name in row))
    lines = [map(_defused, header), *([_defused(row.get(name)) for name in header] for row in flat)]
    return "".join(csv_line(line) for line in lines)


def csv_line(cells: Iterable[str]) -> str:
    """Return one line of CSV; in some countries a spreadsheet takes a semicolon for the comma."""
    return (
        ",".join('"' + one.replace('"', '""') + '"' if set(one) & set(',;\t"\r\n') else one for one in cells) + "\r\n"
    )


def _defused(value: Any) -> str:
    text = shown = cell(value)
    if not text.isprintable():  # a line's end, a tab and a joiner are fine in a cell, what a terminal obeys is not
        shown = re.sub(r"(?:[^\t\r\n\u200c\u200d]|\r(?!\n))+", lambda found: safe(found[0]), text)
    return f"'{shown}" if isinstance(value, str) and text.startswith(_RISKY) else shown


def escaped(value: str) -> str:
    """Return text of Markdown in which neither Markdown nor mentions, references or links are read."""
    spelt = re.sub(r"[!-+:<>-@\[-`{-~]", lambda sign: f"&#{ord(sign[0])};", value)
    return spelt.replace("www.", "www&#46;")


def quoted(value: str) -> str:
    """Return text as code of Markdown, in which nothing is read either."""
    return f"<code>{escaped(value)}</code>"
