"""A JSON object in the format that was asked for: text, json, ndjson or csv, whole or only some fields."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from helixctl.errors import Usage

if TYPE_CHECKING:
    from helixctl.cli.session import Session

ROWS = {"list": "versions", "entries": "entries", "status": "models"}
"""The key that holds the rows, by kind: what `--fields`, ndjson and csv work on."""
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\0")


def rendered(payload: dict[str, Any], session: Session) -> str:
    """Return the text to print.

    Raises:
        Usage: `--fields` names a field that is not there.
    """
    wanted = [name.strip() for name in session.fields.split(",")] if session.fields else None
    key = ROWS.get(payload["kind"])
    if wanted is not None:
        payload = _only(payload, key, wanted)
    rows = payload[key] if key else [payload]
    match session.output:
        case "json":
            return json.dumps(payload, indent=2) + "\n"
        case "ndjson":
            return "".join(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
        case "csv":
            return csv_text(rows, wanted)
    if wanted is not None:
        return fields_text(rows, wanted, on=session.painted())
    from helixctl.cli.render import text

    return text.rendered(payload, verbose=session.verbose, on=session.painted())


def _only(payload: dict[str, Any], key: str | None, wanted: list[str]) -> dict[str, Any]:
    if key is None:
        return {
            "schema_version": payload["schema_version"],
            "kind": payload["kind"],
            **_picked(payload, wanted, payload),
        }
    rows = payload[key]
    known = {name: value for row in reversed(rows) for name, value in row.items()}
    return {**payload, key: [_picked(row, wanted, known) for row in rows]}


def _picked(row: Mapping[str, Any], wanted: list[str], known: Mapping[str, Any]) -> dict[str, Any]:
    for name in wanted:
        if known and name.partition(".")[0] not in known:
            from helixctl.core.schema import did_you_mean

            near = did_you_mean(name, known)
            raise Usage(f"no field {name!a}{near}", hint=f"fields: {', '.join(known)}")
    return {name: at(row, name) for name in wanted}


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
    return value if isinstance(value, str) else json.dumps(value)


def fields_text(rows: Iterable[Mapping[str, Any]], wanted: list[str], *, on: bool) -> str:
    """Return a table of chosen fields."""
    from helixctl.cli.render.paint import columns

    table: list[list[tuple[str, str | None]]] = [[(cell(row.get(name)), None) for name in wanted] for row in rows]
    return columns([name.upper() for name in wanted], table, on=on)


def csv_text(rows: Iterable[Mapping[str, Any]], wanted: list[str] | None = None) -> str:
    """Return RFC 4180 text; a cell that a spreadsheet would run as a formula gets a leading apostrophe.

    Source: RFC 4180, section 2.
    """
    flat = [row if wanted else flattened(row) for row in rows]
    header = wanted or list(dict.fromkeys(name for row in flat for name in row))
    lines = [header, *([_defused(row.get(name)) for name in header] for row in flat)]
    return "".join(csv_line(line) for line in lines)


def csv_line(cells: Iterable[str]) -> str:
    """Return one line of CSV."""
    return ",".join('"' + one.replace('"', '""') + '"' if set(one) & set(',"\r\n') else one for one in cells) + "\r\n"


def _defused(value: Any) -> str:
    text = cell(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_RISKY) else text


def flattened(row: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a row whose tables are spread over dotted names."""
    flat: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            flat |= flattened(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat
