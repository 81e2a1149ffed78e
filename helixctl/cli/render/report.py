"""A report as text, Markdown or one page of HTML: the same sections, three ways to write a table."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from helixctl.cli.render.cells import cell
from helixctl.cli.render.paint import columns, safe

Payload = Mapping[str, Any]
_NO_CLAIM = "This is evidence, arranged by a framework's records; it is no claim of compliance."


class Section(NamedTuple):
    """A heading, a sentence on what stands there, and a table."""

    title: str
    note: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def sections(payload: Payload) -> list[Section]:
    """Return the report's sections; an empty one says so in its note."""
    integrity = payload["integrity"]
    state = f"{integrity['outcome'].replace('_', ' ')}: {integrity['anchor']}"
    found = [
        Section(
            "Integrity", state, ("entries", "segments", "findings"), (_cells(integrity, "entries segments findings"),)
        ),
        *(_counted(name, payload["counts"][name]) for name in ("action", "severity", "model", "actor")),
        _table(payload, "in_service", "Versions in service", "ref from to"),
        _table(payload, "activations", "Activations", "ref at by approvers four_eyes rolled_back"),
        _table(payload, "approvals", "Approvals", "ref at by action"),
        _table(payload, "overrides", "Overrides", "ref at by rules reason reviewed_by"),
        _table(payload, "denied", "Denied attempts", "ref at by action rules"),
        _table(payload, "evaluations", "Evaluations", "ref at verdict samples proven violated"),
        _figures(payload),
    ]
    framework = payload["framework"]
    if framework:
        rows = tuple(
            (one["id"], one["asks"], f"see {one['section']}" if one["section"] else "cannot serve", one["how"])
            for one in framework["records"]
        )
        found.append(Section(framework["title"], _NO_CLAIM, ("record", "asks for", "this log", "how"), rows))
    return found


def _cells(row: Payload, names: str) -> tuple[str, ...]:
    return tuple(_said(row.get(name)) for name in names.split())


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return cell(value) or "-"


def _counted(name: str, counts: Mapping[str, int]) -> Section:
    rows = tuple((key, str(count)) for key, count in counts.items())
    return Section(f"Entries by {name}", "" if rows else "None in this period.", (name, "count"), rows)


def _table(payload: Payload, key: str, title: str, names: str) -> Section:
    rows = tuple(_cells(row, names) for row in payload[key])
    header = tuple(name.replace("_", " ") for name in names.split())
    return Section(title, "" if rows else "None in this period.", header, rows)


def _figures(payload: Payload) -> Section:
    rows = []
    for name, one in payload["figures"].items():
        value = "not measured" if one["value"] is None else f"{cell(one['value'])} {one['unit']}"
        rows.append((name.replace("_", " "), value, str(one["n"])))
    rows += [(f"cost per inference of {ref}", cell(cost), "-") for ref, cost in payload["cost_per_inference"].items()]
    return Section(
        "Figures", "Costs are those of each version's last evaluation.", ("figure", "value", "n"), tuple(rows)
    )


def _title(payload: Payload) -> str:
    about = f" of {payload['model']}" if payload["model"] else ""
    return f"Audit report{about}, {payload['since'][:10]} to {payload['until'][:10]}"


def text(payload: Payload, *, on: bool) -> str:
    """Return the report for a terminal."""
    parts = [safe(_title(payload)) + "\n"]
    for one in sections(payload):
        parts.append(f"\n{safe(one.title)}\n" + (f"{safe(one.note)}\n" if one.note else ""))
        if one.rows:
            rows: list[list[tuple[str, str | None]]] = [[(value, None) for value in row] for row in one.rows]
            parts.append(columns([name.upper() for name in one.header], rows, on=on))
    return "".join(parts)


def _markdown(payload: Payload) -> str:
    parts = [f"# {_mark(_title(payload))}\n"]
    for one in sections(payload):
        parts.append(f"\n## {_mark(one.title)}\n\n" + (f"{_mark(one.note)}\n\n" if one.note else ""))
        if one.rows:
            table = [one.header, tuple("---" for _ in one.header), *(tuple(map(_mark, row)) for row in one.rows)]
            parts += [f"| {' | '.join(row)} |\n" for row in table]
    return "".join(parts)


def _mark(value: str) -> str:
    """Return text as Markdown shows it, whatever stands in it."""
    return re.sub(r"([\\`*_{}\[\]()#+!|<>&~@:])", lambda found: f"&#{ord(found[1])};", safe(value).replace("\n", " "))


_STYLE = (
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8886;"
    "overflow-wrap:anywhere;vertical-align:top}h2{margin-top:2rem;break-after:avoid}tr{break-inside:avoid}"
)


def _html(payload: Payload) -> str:
    head = (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
    )
    parts = [
        head,
        f"<title>{_escaped(_title(payload))}</title>\n<style>{_STYLE}</style>\n<h1>{_escaped(_title(payload))}</h1>\n",
    ]
    for one in sections(payload):
        parts.append(f"<h2>{_escaped(one.title)}</h2>\n" + (f"<p>{_escaped(one.note)}</p>\n" if one.note else ""))
        if one.rows:
            header = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in one.header)
            rows = ("<tr>" + "".join(f"<td>{_escaped(value)}</td>" for value in row) + "</tr>\n" for row in one.rows)
            parts.append(f"<table>\n<thead><tr>{header}</tr></thead>\n<tbody>\n{''.join(rows)}</tbody>\n</table>\n")
    return "".join(parts) + "</html>\n"


def _escaped(value: str) -> str:
    return html.escape(safe(value))


FORMATS: dict[str, Callable[[Payload], str]] = {"markdown": _markdown, "html": _html}


def rendered(payload: Payload, output: str, _place: Callable[[], str]) -> str:
    """Return the report as a page."""
    return FORMATS[output](payload)
