"""A report as sections, each with a table; and as text."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from helixctl.cli.render.cells import cell
from helixctl.cli.render.paint import OUTCOME, Screen, columns, paint, safe

Payload = Mapping[str, Any]
Column = tuple[str, str | Callable[[Payload], str]]


class Section(NamedTuple):
    """A part of a report: its key in the JSON, a heading, sentences, and a table.

    Args:
        is_wide: the last column holds whole sentences.
    """

    key: str
    title: str
    notes: tuple[str, ...]
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    is_wide: bool = False


def reported(value: Any) -> dict[str, Any]:
    """Return the JSON object of a report."""
    from helixctl.core.frameworks import NO_CLAIM
    from helixctl.core.integrity import as_data

    told, integrity, framework = value.report._asdict(), as_data(value.integrity), value.framework
    asked = [one._asdict() for one in framework.records] if framework else []
    return {
        "kind": "report",
        **{key: [one._asdict() for one in rows] if isinstance(rows, tuple) else rows for key, rows in told.items()},
        "figures": {name: one._asdict() for name, one in told["figures"].items()},
        "costs": [one._asdict() for one in value.costs],
        "integrity": {
            **integrity,
            "findings": len(integrity["findings"]),
            "begins": value.begins,
            "is_whole": value.is_whole,
            "unread": value.unread,
        },
        "framework": {**framework._asdict(), "claim": NO_CLAIM, "records": asked} if framework else None,
    }


def title(payload: Payload) -> str:
    """Return the report's heading."""
    about = f" of {payload['model']}" if payload["model"] else ""
    return f"Audit report{about}, {_time(payload['since'])} to {_time(payload['until'])}"


def sections(payload: Payload) -> list[Section]:
    """Return the report's sections, the state of the log first and figures before lists; an empty one says so."""
    return [
        _integrity(payload),
        *([_framework(payload["framework"])] if payload["framework"] else []),
        _figures(payload["figures"]),
        *(_counted(name, counts) for name, counts in payload["counts"].items()),
        *(_section(key, heading, header, payload[key]) for key, (heading, header) in _TABLES.items()),
        _section("costs", *_COSTS, payload["costs"], "As the last evaluation of each version has it now."),
    ]


def _time(at: str) -> str:
    return f"{at[:10]} {at[11:19]} UTC"


def _integrity(payload: Payload) -> Section:
    found = payload["integrity"]
    is_ok, since = found["outcome"] == "ok", _time(found["begins"]) if found["begins"] else ""
    notes = [] if is_ok else ["The log or a file is not what it was: helixctl verify lists what was found."]
    if found["unread"]:
        notes.append(f"The log cannot be read any further than {found['unread']}; the report ends there.")
    if since and not found["is_whole"]:
        notes.append(f"Entries before {since} are archived or missing: what they say is not in this report.")
    signed = [f"{one['who']}: {one['path']}, {one['entries']} entries" for one in found["vouchers"]]
    rows = (
        ("outcome", found["outcome"].replace("_", " ")),
        ("anchor", found["anchor"]),
        ("findings", str(found["findings"])),
        ("entries", f"{found['entries']}, from {since or '-'}"),
        ("of these in the period", str(payload["entries"])),
        ("segments", str(found["segments"])),
        *(("head", head) for head in found["heads"]),
        *(("signed by", one) for one in signed),
    )
    return Section("integrity", "Integrity of the log", tuple(notes), ("", ""), rows)


def _framework(framework: Payload) -> Section:
    rows = tuple((one["id"], one["asks"], _where(one["sections"]), one["how"]) for one in framework["records"])
    notes = (framework["claim"], f"Source: {framework['source']}.")
    return Section(
        "framework", framework["title"], notes, ("record", "asks for", "this log", "how"), rows, is_wide=True
    )


def _where(names: Iterable[str]) -> str:
    return ", ".join(name.replace("_", " ") for name in names) or "cannot serve it"


def _counted(name: str, counts: Mapping[str, int]) -> Section:
    heading = f"{'Effects' if name == 'action' else 'Entries'} by {name}"
    rows = tuple((key, str(number)) for key, number in counts.items())
    return Section("counts", heading, () if rows else ("None in this period.",), (name, "count"), rows)


def _section(key: str, heading: str, header: Iterable[Column], rows: Iterable[Payload], note: str = "") -> Section:
    table = tuple(tuple(_said(how(row) if callable(how) else row[how]) for _, how in header) for row in rows)
    note = note if table else "None in this period."
    return Section(key, heading, (note,) if note else (), tuple(name for name, _ in header), table)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return cell(value) or "-"


def _figures(figures: Mapping[str, Payload]) -> Section:
    rows = tuple(
        (_LABELS.get(name, name.replace("_", " ")), _measured(one), str(one["n"])) for name, one in figures.items()
    )
    return Section("figures", "Figures", (), ("figure", "value", "n"), rows)


def _measured(figure: Payload) -> str:
    value, unit = figure["value"], figure["unit"]
    if value is None:
        return "not measured"
    return f"{value:.2%}" if unit == "share" else f"{value:g}" if unit == "count" else f"{value:g} {unit}"


def _approved(row: Payload) -> str:
    return "no approval" if row["four_eyes"] is None else _said(row["four_eyes"])


def _remarks(row: Payload) -> str:
    told = {"downgrade": row["is_downgrade"], "rolled back": row["rolled_back"]}
    return ", ".join(word for word, holds in told.items() if holds)


def _began(row: Payload) -> str:
    mark = " (before the period)" if row["began_before"] else ""
    return f"{_short(row['since'])}{mark}" if row["since"] else "before the log begins"


def _ended(row: Payload) -> str:
    return _short(row["until"]) if row["until"] else "still serves"


def _short(at: str) -> str:
    return at.replace(".000000Z", "Z")


_WHO: tuple[Column, ...] = (("version", "ref"), ("at", lambda row: _short(row["at"])), ("by", "by"))
_TABLES: dict[str, tuple[str, tuple[Column, ...]]] = {
    "in_service": (
        "Versions in service",
        (("version", "ref"), ("from", _began), ("to", _ended)),
    ),
    "activations": (
        "Activations",
        (
            *_WHO,
            ("replaced", "replaced"),
            ("approved by", "approvers"),
            ("four eyes", _approved),
            ("remarks", _remarks),
        ),
    ),
    "rollbacks": ("Rollbacks", (*_WHO, ("left behind", "left"), ("hours until then", "hours"), ("reason", "reason"))),
    "approvals": ("Approvals", (*_WHO, ("action", "action"), ("reason", "reason"))),
    "overrides": (
        "Overrides",
        (
            *_WHO,
            ("rules", "rules"),
            ("reviewed by", lambda row: row["reviewed_by"] or "nobody yet"),
            ("reason", "reason"),
        ),
    ),
    "denied": ("Denied attempts", (*_WHO, ("action", "action"), ("rules", "rules"), ("reason", "reason"))),
    "evaluations": (
        "Evaluations",
        (*_WHO, ("verdict", "verdict"), ("samples", "samples"), ("proven", "proven"), ("violated", "violated")),
    ),
}
_COSTS: tuple[str, tuple[Column, ...]] = (
    "Cost per inference",
    (
        ("version", "ref"),
        ("cost", lambda row: "not measured" if row["value"] is None else f"{cell(row['value'])} {row['currency']}"),
        ("n", "n"),
        ("evaluated", "evaluated_at"),
    ),
)
_LABELS = {
    "time_to_restore": "time to restore, median",
    "failed_deployments": "failed deployments",
    "deprecation_to_retirement": "deprecation to retirement, median",
    "four_eyes": "activations approved by somebody else",
}


def rendered(payload: Payload, verbose: bool, screen: Screen) -> str:
    """Return the report for a terminal."""
    on = screen.on
    parts = [paint(safe(title(payload)), "bold", on=on) + "\n"]
    for one in sections(payload):
        parts.append(f"\n{paint(safe(one.title), 'bold', on=on)}\n")
        parts += [f"  {safe(note)}\n" for note in one.notes]
        if one.is_wide:
            parts += [f"  {safe(f'{row[0]}  {row[1]}: {row[2]}')}\n      {safe(row[3])}\n" for row in one.rows]
        elif one.rows:
            rows = [[(value, OUTCOME.get(value)) for value in row] for row in one.rows]
            parts.append(columns([name.upper() for name in one.header], rows, screen, indent="  "))
    return "".join(parts)
