"""What `helixctl help` says of a command, an exit code or an error, from the tables that also make the documentation."""

from __future__ import annotations

import re
import textwrap
from typing import Any

from helixctl import errors
from helixctl.cli import app, menu
from helixctl.core.names import one_of
from helixctl.errors import Usage

LEAST, WIDTH = 20, 100


def text(topic: list[str], width: int | None = None) -> str:
    """Return what there is to say of a topic, for a screen of a width; without a topic, of the program.

    Raises:
        Usage: there is no such topic; the nearest is named.
    """
    word, fits = " ".join(topic), min(max(width or WIDTH, LEAST), WIDTH)
    if word.isdecimal():
        return _page(*_exit_code(word), fits)
    if word.upper().startswith("HX"):
        return _page(*_error(word.upper()), fits)
    return command_help(topic, fits)


def _exit_code(word: str) -> tuple[str, list[str]]:
    code = int(one_of("exit code", word, map(str, errors.EXIT_CODES)))
    same = [f"{one.code}  {_lines(one)[0]}" for one in errors.leaves() if one.exit_code == code]
    return f"exit code {code}", [errors.EXIT_CODES[code], *same]


def _error(word: str) -> tuple[str, list[str]]:
    kinds = {one.code: one for one in errors.leaves()}
    if word not in kinds and re.fullmatch(r"HX[37]\d\d", word):  # a denial is no error, and has no code of its own
        return _exit_code(word[2])
    found = kinds[one_of("error code", word, kinds)]
    return f"{found.code}  (exit code {found.exit_code})", _lines(found)


def _lines(kind: type[errors.HelixError]) -> list[str]:
    return [" ".join(part.split()) for part in str(kind.__doc__).split("\n\n")]


def _page(head: str, paragraphs: list[str], width: int) -> str:
    body = (textwrap.fill(one, width, initial_indent="  ", subsequent_indent="  ") for one in paragraphs)
    return "\n".join((head, *body)) + "\n"


def command_help(words: list[str], width: int = WIDTH) -> str:
    """Return the help of the program, of a group or of a command, as `-h` prints it.

    Raises:
        Usage: there is no such command; the nearest is named.
    """
    found: Any = app.tree()
    table, path = menu.COMMANDS, "helixctl"
    for word in words:
        if not table:
            raise Usage(f"{path} has no commands of its own", hint=f"{path} --help")
        entry = table[one_of("command or code", word, table)]
        path, inner = f"{path} {word}", menu.GROUPS.get(word, {}) if table is menu.COMMANDS else {}
        found = app.group(word, inner) if inner else app.command(word, entry)
        table = inner
    context = found.make_context(
        path, [], resilient_parsing=True, terminal_width=max(width, 50)
    )  # as -h: narrower, words are cut
    return str(found.get_help(context)) + "\n"
