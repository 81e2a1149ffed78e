"""What is asked most, answered before Typer is imported: reads whose words are plain. All else is Typer's.

The commands call the same functions, and a test holds both ways to the same output and exit code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from helixctl.cli.menu import COMMANDS
from helixctl.cli.session import Session, World
from helixctl.cli.streams import Done

FLAGS = {"-q": "quiet", "--quiet": "quiet", "-v": "verbose", "--verbose": "verbose", "--no-input": "no_input"}
VALUED = {"-C": "registry", "--registry": "registry", "-o": "output", "--output": "output"}
VALUED |= {"--fields": "fields", "--color": "color"}


def show(session: Session, ref: str) -> NoReturn:
    """Answer `show REF`."""
    from helixctl.cli.render.data import Shown

    registry = session.open()
    record = registry.show(ref)
    session.emit(Shown(record, registry.rolling(record), registry.waiting(record.ref)))


def list_(session: Session, model: str | None = None) -> NoReturn:
    """Answer `list [MODEL]`."""
    session.emit(session.open().list(model))


def status(session: Session, model: str | None = None) -> NoReturn:
    """Answer `status [MODEL]`, of now."""
    session.emit(session.open().status(model))


def check(session: Session, ref: str, action: str = "activate", region: str | None = None) -> NoReturn:
    """Answer `check REF --for ACTION`."""
    session.emit(session.open().check(ref, action, region=region))


class Read(NamedTuple):
    """A read: how many arguments it takes, what answers it, and the options that are its own."""

    arguments: range
    answer: Callable[..., NoReturn]
    options: Mapping[str, str] = {}


READS = {
    "show": Read(range(1, 2), show),
    "list": Read(range(2), list_),
    "status": Read(range(2), status),
    "check": Read(range(1, 2), check, {"--for": "action", "--region": "region"}),
}


def answered(arguments: list[str], world: World) -> int | None:
    """Return the exit code of a read that was answered; None where the words are not plain.

    Raises:
        HelixError: a refusal, as the command itself.
    """
    read = READS.get(arguments[0]) if arguments else None
    found = _parsed(read, arguments[1:]) if read else None
    if read is None or found is None:
        return None
    given, stated = found
    if stated.get("output", "text") not in COMMANDS[arguments[0]].formats:
        return None
    if stated.get("color", "auto") not in ("auto", "always", "never"):
        return None
    own = {name: stated.pop(name) for name in read.options.values() if name in stated}
    session = Session(world, **stated).watched(arguments[0])
    try:
        read.answer(session, *given, **own)
    except Done as done:
        return done.code
    finally:
        session.told()


def _parsed(read: Read, words: list[str]) -> tuple[list[str], dict[str, Any]] | None:
    """Return arguments and options by name; None for any word that is not plainly one or the other."""
    valued, rest = {**VALUED, **read.options}, iter(words)
    given: list[str] = []
    stated: dict[str, Any] = {}
    for word in rest:
        if word in FLAGS:
            stated[FLAGS[word]] = True
        elif word in valued:
            value = next(rest, "")
            if not value or value.startswith("-") or valued[word] in stated:
                return None
            stated[valued[word]] = value
        elif not word or word.startswith("-"):
            return None
        else:
            given.append(word)
    return (given, stated) if len(given) in read.arguments else None
