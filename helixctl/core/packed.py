"""A record as one line of JSON that keeps every type, so that it need not be decoded and checked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from helixctl.core.record import Record

_TAGS: dict[str, Callable[[Any], Any]] = {
    "decimal": Decimal,
    "time": datetime.fromisoformat,
    "date": date.fromisoformat,
    "array": tuple,
    "table": dict,
}
"""What JSON lacks is a table of one key, which says how to make it; a user's table with such a key alone is `table`."""


def pack(record: Record) -> str:
    """Return the line of a record, without its newline."""
    return json.dumps([record.source.decode(), *(_packed(table) for table in record[1:])])


def _packed(value: Any) -> Any:
    match value:
        case str() | int() | None:
            return value
        case tuple():
            return {"array": [_packed(element) for element in value]}
        case Decimal():
            return {"decimal": str(value)}
        case datetime():
            return {"time": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Mapping():
            table = {key: _packed(element) for key, element in value.items()}
            return {"table": list(table.items())} if len(table) == 1 and not _TAGS.keys().isdisjoint(table) else table
    raise TypeError(f"a record holds no {type(value).__name__}")


def _tagged(table: dict[str, Any]) -> Any:
    if len(table) == 1:
        for key, value in table.items():
            return _TAGS[key](value) if key in _TAGS else table
    return table


_decode = json.JSONDecoder(object_hook=_tagged).decode


def unpack(line: str) -> Record:
    """Return the record of a line.

    Raises:
        ValueError, TypeError, ArithmeticError, AttributeError: it is none.
    """
    source, spec, lifecycle, metrics = _decode(line)
    return Record(source.encode(), spec, lifecycle, metrics)
