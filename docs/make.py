"""Write what is generated: `completions/`, docs/commands.md, docs/man/, and the marked tables in the other pages.

`python docs/make.py` writes; with `--check` it writes nothing and exits 1 where something is out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docs import man
from helixctl import errors
from helixctl.cli import completion, explain, menu
from helixctl.cli.commands import completion as shells
from helixctl.core import audit, checks, comparison, frameworks, integrity, policy_file, record, settings
from helixctl.core.schema import Schema

ROOT = Path(__file__).resolve().parent.parent
MARK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def targets() -> dict[Path, str]:
    """Return every generated file with the text it should have."""
    found = {ROOT / "completions" / completion.FILES[shell]: completion.script(shell) for shell in shells.Shell}
    found[ROOT / "docs" / "commands.md"] = commands()
    found |= {ROOT / "docs" / "man" / name: text for name, text in man.pages()}
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text()
        if MARK.search(text) and page not in found:
            found[page] = MARK.sub(lambda match: match[1] + TABLES[match[2]]() + match[3], text)
    return found


def commands() -> str:
    """Return the reference of all commands: what each prints as its help."""
    parts = ["# Commands\n\nWhat each command prints with `-h`; made by `python docs/make.py`.\n"]
    for name in menu.COMMANDS:
        group = menu.GROUPS.get(name)
        inner = [f"{name} {sub}" for sub in group] if group else [name]
        parts += [f"\n## helixctl {full}\n\n```text\n{explain.command_help(full.split())}```\n" for full in inner]
    return "".join(parts)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _keys(schema: Schema, prefix: str = "") -> Iterator[tuple[str, ...]]:
    for name, kind in schema.items():
        if isinstance(kind, Mapping):
            yield from _keys(kind, f"{prefix}{name}.")
        else:
            yield f"`{prefix}{name}`", _first_line(kind)


def _first_line(thing: Any) -> str:
    return str(thing.__doc__ or "").strip().splitlines()[0]


def _keys_of(schema: Schema) -> Callable[[], str]:
    return lambda: _table(("key", "value"), list(_keys(schema)))


def _settings() -> str:
    defaults = settings.Settings("", "")
    rows = []
    for key, kind in _keys(settings.SCHEMA):
        name = key.strip("`").rpartition(".")[2]
        value = getattr(comparison.Margins() if ".margins." in key else defaults, name, None)
        shown = "" if value in ("", None) else f"`{list(value) if isinstance(value, tuple) else value}`".lower()
        rows.append((key, kind, shown))
    return _table(("key", "value", "default"), rows)


def _checks() -> str:
    rows = [(f"`{name}`", _first_line(one.parameters), _first_line(one.answer)) for name, one in checks.CHECKS.items()]
    return _table(("check", "parameter", "what it does"), rows)


def _actions() -> str:
    rows = []
    for action, severity in audit.ACTIONS.items():
        fields = ", ".join(f"`{name}`" for name in sorted(audit.DATA_FIELDS.get(action, ())))
        rows.append((f"`{action}`", severity, fields))
    return _table(("action", "severity", "fields of `data`"), rows)


def _codes() -> str:
    return _table(("code", "outcome"), [(f"`{code}`", outcome) for code, outcome in integrity.CODES.items()])


def _frameworks() -> str:
    parts = []
    for name, one in frameworks.FRAMEWORKS.items():
        rows = [
            (row.id, row.asks, ", ".join(f"`{key}`" for key in row.sections) or "cannot", row.how)
            for row in one.records
        ]
        table = _table(("record", "asks for", "served by", "how"), rows)
        parts.append(f"### {one.title}: `{name}`\n\nSource: {one.source}.\n\n{table}")
    return "\n".join(parts)


def _errors() -> str:
    rows = [(f"`{one.code}`", str(one.exit_code), " ".join(str(one.__doc__).split())) for one in errors.leaves()]
    return _table(("code", "exit", "meaning"), rows)


def _exits() -> str:
    return _table(("exit", "meaning"), [(str(code), meaning) for code, meaning in errors.EXIT_CODES.items()])


TABLES: dict[str, Callable[[], str]] = {
    "specification": _keys_of(record.SPECIFICATION),
    "lifecycle": _keys_of({"lifecycle": record.LIFECYCLE, "metrics": record.METRICS}),
    "settings": _settings,
    "checks": _checks,
    "default_policy": lambda: f"```toml\n{policy_file.DEFAULT.decode()}```\n",
    "actions": _actions,
    "codes": _codes,
    "frameworks": _frameworks,
    "errors": _errors,
    "exits": _exits,
}


def main() -> int:
    """Write what is out of date, or with `--check` name it."""
    stale = [path for path, text in targets().items() if not path.exists() or path.read_text() != text]
    for path in stale:
        print(f"out of date: {path.relative_to(ROOT)}")
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(targets()[path])
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
