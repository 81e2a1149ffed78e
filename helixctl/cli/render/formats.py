"""A JSON object in the format that was asked for: text, json, ndjson or csv, whole or only some fields; or a page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from helixctl.cli.render import text
from helixctl.cli.render.cells import at, cell, csv_text
from helixctl.cli.render.paint import PLAIN, Screen, columns, safe, uncoloured, wrapped
from helixctl.core import record
from helixctl.errors import Usage

_SPARSE = ("list", "version")
"""Kinds whose rows lack the keys that a version file leaves out; to ask for one is no mistake."""
_CLOSED = ("actor", "audit", "decision", "integrity")
"""Tables that have the same keys always."""
ROWS = {"list": ("versions", "version"), "entries": ("entries", "entry"), "status": ("models", "model")}
ROWS |= {
    "schedule": ("scheduled", "activation"),
    "recheck": ("evaluations", "rechecked"),
    "diff": ("changes", "change"),
    "approvals": ("approvals", "approval"),
    "overrides": ("overrides", "override"),
}
"""The key that holds the rows, and the kind of a row, by kind: what `--fields`, ndjson and csv work on."""
PLAIN_FIELDS = {
    "list": ["model", "version", "status", "provider", "effective_end_of_life", "metrics.verdict"],
    "entries": ["ts", "seq", "severity", "action", "outcome", "model", "version", "actor.id"],
    "status": ["model", "active", "canary", "previous"],
    "schedule": ["id", "ref", "at", "not_after", "actor"],
    "diff": ["key", "from", "to"],
    "approvals": ["id", "kind", "action", "by", "at", "counts"],
    "overrides": ["entry", "ref", "by", "at", "rules"],
}
"""What plain output has of a row where `--fields` does not say; and the header of csv where there is no row."""
_DRAWN = ("diff", "entries", "evaluation", "comparison", "recheck", "report")
"""Kinds whose lines a terminal is not to wrap between words: they are drawn to fit, or read as git's do."""
_CI = ("verification", "check", "evaluation", "comparison", "recheck", "lint", "policy-tests")
PAGES = {**dict.fromkeys(_CI, "ci"), "report": "report_pages"}
"""The module of this folder that has the formats of a kind besides text, json, ndjson and csv."""
TABLES = ("evaluation", "comparison")
"""Kinds whose csv has a row for each metric."""


class Look(NamedTuple):
    """How to print: with more detail, on what; what tells where the registry lies below the root of its work tree.

    `wraps` tells that somebody reads it there: text that goes elsewhere keeps its lines.
    """

    verbose: bool = False
    screen: Screen = PLAIN
    place: Callable[[], str] = str
    wraps: bool = False


def rendered(payload: dict[str, Any], output: str, fields: str | None, look: Look) -> str:
    """Return the text to print.

    Args:
        fields: the fields to keep, joined by commas; None keeps all.

    Raises:
        Usage: `--fields` names a field that is not there, or the format has none.
    """
    if output not in ("text", "json", "ndjson", "csv", "plain"):
        return _page(payload, output, fields, look)
    wanted = [name.strip() for name in fields.split(",")] if fields is not None else None
    if output == "csv" and payload["kind"] in TABLES:
        return _metrics(payload, wanted)
    key, kind = ROWS.get(payload["kind"], (None, payload["kind"]))
    if wanted is not None:
        payload = _only(payload, key, wanted)
    rows = payload[key] if key else [payload]
    match output:
        case "json":
            return json.dumps(payload, indent=2) + "\n"
        case "ndjson":
            head = {"schema_version": payload["schema_version"], "kind": kind}
            return "".join(json.dumps({**head, **row}, separators=(",", ":")) + "\n" for row in rows)
        case "csv":
            return csv_text(rows, wanted or (None if rows else PLAIN_FIELDS.get(payload["kind"])))
        case "plain":
            names = wanted or PLAIN_FIELDS[payload["kind"]]
            return "".join("\t".join(safe(cell(row.get(name, at(row, name)))) for name in names) + "\n" for row in rows)
    if wanted is not None:
        return _fitted(fields_text(rows, wanted, look.screen), look)
    told = text.rendered(payload, verbose=look.verbose, screen=look.screen)
    return told if payload["kind"] in _DRAWN else _fitted(told, look)


def _fitted(told: str, look: Look) -> str:
    return wrapped(told, look.screen.width) if look.wraps and look.screen.width else told


def _metrics(payload: dict[str, Any], wanted: list[str] | None) -> str:
    from helixctl.cli.render.evaluation_pages import COLUMNS, rows

    asked = wanted or list(COLUMNS)
    _refuse_missing(asked, dict.fromkeys(COLUMNS))
    return csv_text((_picked(row, asked) for row in rows(payload)), asked)


def _page(payload: dict[str, Any], output: str, fields: str | None, look: Look) -> str:
    if fields:
        raise Usage(f"-o {output} takes no --fields", hint="choose fields with -o json")
    page: str = import_module(f"helixctl.cli.render.{PAGES[payload['kind']]}").rendered(payload, output, look.place)
    return page


def _only(payload: dict[str, Any], key: str | None, wanted: list[str]) -> dict[str, Any]:
    stated = dict.fromkeys(record.FILE) if payload["kind"] in _SPARSE else {}
    for name in wanted:
        if "." in name and name.partition(".")[0] in stated:
            _refuse_unknown(name)
    if key is None:
        payload = _with_ref(payload)
        _refuse_missing(wanted, {**payload, **stated})
        return {
            "schema_version": payload["schema_version"],
            "kind": payload["kind"],
            **_picked(payload, wanted),
        }
    rows = [_with_ref(row) for row in payload[key]]
    known = {name: value for row in reversed(rows) for name, value in row.items()}
    _refuse_missing(wanted, known and {**known, **stated})
    return {**payload, key: [_picked(row, wanted) for row in rows]}


def _with_ref(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with `ref`, which is its model and version as they are typed."""
    model, version = row.get("model"), row.get("version")
    return {"ref": f"{model}@{version}", **row} if model and version else dict(row)


def _refuse_unknown(name: str) -> None:
    from helixctl.core.fields import refuse_unknown

    try:
        refuse_unknown(name)
    except ValueError as error:
        raise Usage(str(error), hint="keys of a version file: docs/files.md") from None


def _refuse_missing(wanted: list[str], known: Mapping[str, Any]) -> None:
    for name in wanted if known else ():
        head, _, inner = name.partition(".")
        table = known.get(head) if inner and head in _CLOSED else None
        is_table = isinstance(table, Mapping)
        fields = [f"{head}.{one}" for one in table or ()] if is_table else list(known)
        if (name if is_table else head) not in fields:
            from helixctl.core.schema import did_you_mean

            raise Usage(f"no field {name!a}{did_you_mean(name, fields)}", hint=f"fields: {', '.join(fields)}")


def _picked(row: Mapping[str, Any], wanted: list[str]) -> dict[str, Any]:
    return {name: at(row, name) for name in wanted}


def fields_text(rows: Iterable[Mapping[str, Any]], wanted: list[str], screen: Screen) -> str:
    """Return a table of chosen fields."""
    table = [uncoloured(*(cell(row.get(name)) for name in wanted)) for row in rows]
    return columns([name.upper() for name in wanted], table, screen)
