"""How an error reads on stderr: `error[CODE]: fact` and `hint: one thing to do`, or one JSON object."""

from __future__ import annotations

import json
import re
from typing import Any

from helixctl.cli.menu import COMMANDS
from helixctl.cli.render.paint import safe
from helixctl.cli.session import World
from helixctl.cli.streams import say
from helixctl.errors import Bug, HelixError, StorageRefused, Usage


def refused(world: World, arguments: list[str], error: HelixError) -> int:
    """Print a refusal and return its exit code."""
    report(world, error, as_json=wants_json(arguments))
    return error.exit_code


def misused(world: World, arguments: list[str], error: Any) -> int:
    """Print a mistake in the options and return 2."""
    named = " ".join(["helixctl", *arguments[:1]]) if set(arguments[:1]) <= COMMANDS.keys() else "helixctl"
    command = getattr(getattr(error, "ctx", None), "command_path", named)
    message = error.format_message().rstrip(".")
    fact = _without_values(message[:1].lower() + message[1:]) if message else "no command given"
    is_early = command == "helixctl" and fact.startswith("no such option")
    hint = "options go after the command: helixctl list -C DIR" if is_early else f"{command} --help"
    report(world, Usage(fact, hint=hint), as_json=wants_json(arguments))
    return Usage.exit_code


def _without_values(fact: str) -> str:
    """Return a fact without the values that were typed, of which one may be a secret in the wrong place."""
    fact = re.sub(r"(?s)^(got unexpected extra arguments?(?:\(s\))?) \(.*\)$", r"\1", fact)
    if choice := re.search(r"(?s): ['\"](.*)['\"] is not one of (.*)$", fact):
        from helixctl.core.names import did_you_mean

        fact += did_you_mean(choice[1], re.findall(r"'(.*?)'", choice[2]))
    fact = re.sub(r"(?s)^(invalid value for .*?): ['\"].*['\"] is not ", r"\1: it is not ", fact).replace("\n\t", " ")
    for word, plain in (("float", "number"), ("int", "whole number")):
        fact = re.sub(rf" a valid {word}\w*( range)?$", f" a valid {plain}", fact)
    return fact


def interrupted(world: World, interrupt: KeyboardInterrupt) -> int:
    """Print what was done before an interrupt, where a command says so, and return 130."""
    if interrupt.args:
        say(world.stderr, f"{safe(str(interrupt))}\n")
    return 130


def failed(world: World, arguments: list[str], error: Exception) -> int:
    """Print an unexpected failure in one line, with its traceback only where HELIXCTL_DEBUG asks for it."""
    if world.environment.get("HELIXCTL_DEBUG"):
        import traceback

        traceback.print_exception(error, file=world.stderr)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        fact = where + (error.strerror or type(error).__name__).lower()
        told: HelixError = StorageRefused(fact, hint="check disk and permissions")
    else:
        told = Bug(
            f"unexpected failure: {type(error).__name__}", hint="run it again with HELIXCTL_DEBUG=1, and report it"
        )
    report(world, told, as_json=wants_json(arguments))
    return told.exit_code


def report(world: World, error: HelixError, *, as_json: bool) -> None:
    """Print an error on stderr; that it cannot be printed changes nothing."""
    lines = [f"error[{error.code}]: {safe(str(error))}\n"]
    if error.hint:
        lines.append(f"hint: {safe(error.hint)}\n")
    text = json.dumps(as_data(error)) + "\n" if as_json else "".join(lines)
    say(world.stderr, text)


def as_data(error: HelixError) -> dict[str, Any]:
    """Return the error object of JSON output."""
    where = {"path": error.path, "line": error.line, "key": error.key}
    return {
        "schema_version": 1,
        "kind": "error",
        "code": error.code,
        "exit_code": error.exit_code,
        "message": error.message,
        "hint": error.hint,
        **where,
    }


def wants_json(arguments: list[str]) -> bool:
    """Tell whether the command line asks for JSON, even where it could not be parsed."""
    asked = "".join(f"{word}\0" for word in ("", *arguments))
    return re.search("\0(--output[=\0]|-[qvy]*o\0?)(nd)?json\0", asked) is not None
