"""A report as a page: Markdown, or one file of HTML without script, for screen and paper, light and dark."""

from __future__ import annotations

import html
from collections.abc import Callable

from helixctl.cli.render.cells import quoted
from helixctl.cli.render.paint import safe
from helixctl.cli.render.report import Payload, Section, sections, title

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """\
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d9d9e0; --page: #fff; --band: #f6f6f8; --bad: #b3261e }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8ec; --soft: #a0a3ab; --line: #3a3d44; --page: #16181c; --band: #1f2227; --bad: #ff8a80 }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 72rem; margin: 0 auto; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.5rem; line-height: 1.25 } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; break-after: avoid }
p { margin: .3rem 0; max-width: 50rem } .soft { color: var(--soft) } .bad { color: var(--bad); font-weight: 600 }
.table { overflow-x: auto } table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { text-align: left; vertical-align: top; padding: .3rem 1.2rem .3rem 0; border-bottom: 1px solid var(--line); max-width: 32rem; overflow-wrap: break-word }
td { min-width: 3.5rem } th { color: var(--soft); font-weight: 600; white-space: nowrap } tr { break-inside: avoid }
.wide td:first-child { white-space: nowrap } .wide td:last-child { min-width: 13rem } td:last-child { overflow-wrap: anywhere } .table:not(.wide) td:not(:last-child) { white-space: nowrap }
@media screen and (max-width: 40rem) {
  .wide :is(table, tbody, tr, td) { display: block } .wide thead { display: none } .wide td { border: 0; padding: .1rem 0 }
  .wide tr { padding: .5rem 0; border-bottom: 1px solid var(--line) } .wide td:first-child { font-weight: 600 } .wide td:nth-child(3) { color: var(--soft) }
}
@media print { :root { --ink: #000; --soft: #444; --line: #bbb; --page: #fff } body { font-size: 10px; max-width: none; padding: 0 } .table { overflow: visible } .table td { white-space: normal !important; overflow-wrap: anywhere } }
"""


def rendered(payload: Payload, output: str, _place: Callable[[], str]) -> str:
    """Return the report in one of the formats."""
    return FORMATS[output](payload)


def markdown(payload: Payload) -> str:
    """Return the report as Markdown with tables, as GitHub and GitLab read it."""
    parts = [f"# {_marked(title(payload))}\n"]
    for one in sections(payload):
        parts.append(f"\n## {_marked(one.title)}\n\n")
        parts += [f"{_marked(note)}\n\n" for note in one.notes]
        if one.rows:
            table = [one.header, tuple("---" for _ in one.header), *(tuple(map(_marked, row)) for row in one.rows)]
            parts += [f"| {' | '.join(row)} |\n" for row in table]
    return "".join(parts)


def _marked(value: str) -> str:
    """Return text in which no Markdown is read: as it is where it holds plain words and numbers only, else as code."""
    shown = safe(value)
    is_plain = all(sign.isalnum() or sign in " .,;:()%/-" for sign in shown) and "www." not in shown.lower()
    return shown if is_plain and "://" not in shown else quoted(shown)


def markup(payload: Payload) -> str:
    """Return the report as HTML."""
    heading, is_ok = _escaped(title(payload)), payload["integrity"]["outcome"] == "ok"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{heading}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<h1>{heading}</h1>\n"
        + "".join(_section(number, one, is_ok=is_ok) for number, one in enumerate(sections(payload)))
        + "</body>\n</html>\n"
    )


def _section(number: int, one: Section, *, is_ok: bool) -> str:
    warns = one.key == "integrity" and not is_ok
    notes = "".join(f'<p class="{"bad" if warns else "soft"}">{_escaped(note)}</p>\n' for note in one.notes)
    heading = f'<h2 id="s{number}">{_escaped(one.title)}</h2>\n{notes}'
    return f"<section>\n{heading}{_table(number, one) if one.rows else ''}</section>\n"


def _table(number: int, one: Section) -> str:
    named = "".join(f'<th scope="col">{_escaped(name)}</th>' for name in one.header)
    head = f"<thead><tr>{named}</tr></thead>\n" if any(one.header) else ""
    rows = "".join("<tr>" + "".join(f"<td>{_escaped(value)}</td>" for value in row) + "</tr>\n" for row in one.rows)
    wide = " wide" if one.is_wide else ""
    return (
        f'<div class="table{wide}" role="region" aria-labelledby="s{number}" tabindex="0">\n'
        f"<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n</div>\n"
    )


def _escaped(value: str) -> str:
    return html.escape(safe(value))


FORMATS: dict[str, Callable[[Payload], str]] = {"markdown": markdown, "html": markup}
