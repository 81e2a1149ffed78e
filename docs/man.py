"""Manual pages in roff, made of the command tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from helixctl import __version__, errors
from helixctl.cli import app, menu


def pages() -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each page: of the program, and of every command."""
    yield "helixctl.1", _program()
    for name, entry in menu.COMMANDS.items():
        group = menu.GROUPS.get(name)
        for words, found in ((f"{name} {sub}", one) for sub, one in group.items()) if group else ((name, entry),):
            yield f"helixctl-{words.replace(' ', '-')}.1", _command(words, found)


def _program() -> str:
    rows = []
    for name, entry in menu.COMMANDS.items():
        inner = [f"{name}-{sub}" for sub in menu.GROUPS.get(name, {})] or [name]
        rows += [f".TP\n.BR helixctl-{_text(one)} (1)\n{_text(entry.summary)}\n" for one in inner]
    exits = [f".TP\n.B {code}\n{_text(meaning)}\n" for code, meaning in errors.EXIT_CODES.items()]
    return "".join(
        (
            _head("helixctl", "AI model versions from registration to retirement, safely, from a folder in git"),
            ".SH SYNOPSIS\n.B helixctl\n.I COMMAND\n[\\fIOPTIONS\\fR]\n",
            f".SH EXAMPLES\n.nf\n{_text(app.EXAMPLES)}\n.fi\n",
            f".SH COMMANDS\n{''.join(rows)}",
            f".SH EXIT STATUS\n{''.join(exits)}",
        )
    )


def _command(words: str, entry: menu.Entry) -> str:
    name = f"helixctl-{words.replace(' ', '-')}"
    command = app.command(words.rpartition(" ")[2], entry)
    context = command.make_context(f"helixctl {words}", [], resilient_parsing=True)
    purpose, *parts = str(command.help).split("\n\n")
    examples = [part.replace("\b\nExamples:\n", "") for part in parts if "Examples:\n" in part]
    exits = [part.removeprefix("Exit codes: ") for part in parts if part.startswith("Exit codes:")]
    rest = [part for part in parts if "Examples:\n" not in part and not part.startswith("Exit codes:")]
    usage = " ".join(command.collect_usage_pieces(context))
    return "".join(
        (
            _head(name, entry.summary.rstrip(".")),
            f".SH SYNOPSIS\n.B helixctl {_text(words)}\n{_text(usage)}\n",
            f".SH DESCRIPTION\n{_text(purpose)}\n",
            *(f".PP\n{_text(part)}\n" for part in rest),
            *(f".SH EXAMPLES\n.nf\n{_text(part)}\n.fi\n" for part in examples),
            ".SH OPTIONS\n",
            *(_option(param, context) for param in command.get_params(context)),
            *(f".SH EXIT STATUS\n{_text(part)}\n" for part in exits),
            ".SH SEE ALSO\n.BR helixctl (1)\n",
        )
    )


def _option(param: Any, context: Any) -> str:
    record = param.get_help_record(context)
    if record is None:
        return f".TP\n.I {_text(param.make_metavar(context))}\n{_text(param.help or '')}\n"
    return f".TP\n.B {_text(record[0])}\n{_text(record[1])}\n"


def _head(name: str, purpose: str) -> str:
    title = f'.TH "{name.upper()}" 1 "" "helixctl {__version__}" "helixctl"'
    return f"{title}\n.SH NAME\n{_text(name)} \\- {_text(purpose)}\n"


def _text(text: str) -> str:
    """Return text as roff prints it: hyphens as typed, nothing read as a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("\b", "")
    return re.sub(r"(?m)^(?=[.'])", r"\\&", escaped.strip("\n"))
