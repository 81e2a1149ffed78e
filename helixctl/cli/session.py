"""One run of a command: the world it runs in, the options every command takes, and where its output goes.

The only place that reads the environment, the user, the clock and the working folder.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, NoReturn, TextIO

from helixctl.cli.streams import Done, columns, in_place_of, is_hung_up, printing, say, silence, whole
from helixctl.errors import HelixError, StorageRefused, Unconfirmed, Usage

if TYPE_CHECKING:
    from helixctl.api import Registry
    from helixctl.api.sources import Asked
    from helixctl.api.terms import Terms
    from helixctl.cli.render.paint import Screen
    from helixctl.core.audit import Actor
    from helixctl.core.record import Record
    from helixctl.engines import Query

PAUSE_S = 0.5


class World(NamedTuple):
    """What a command may know of the outside; the demo runs in one of its own."""

    environment: Mapping[str, str]
    stdin: BinaryIO
    stdout: TextIO
    stderr: TextIO
    clock: Callable[[], datetime] | None = None
    random: Callable[[int], bytes] = os.urandom
    wait: Callable[[float], None] = time.sleep

    @classmethod
    def real(cls) -> World:
        """Return the process's own world; from an input that was closed before it began nothing comes."""
        stdin = sys.stdin.buffer if sys.stdin else io.BytesIO()
        return cls(os.environ, stdin, whole(sys.stdout or in_place_of(1)), sys.stderr or in_place_of(2))


def _untold(done: int, total: int) -> None:
    """Say nothing of how far the work is."""


class Session(NamedTuple):
    """A command's options and its world; `tell` shows how far its work is, until it is `told`."""

    world: World
    registry: str | None = None
    output: str = "text"
    fields: str | None = None
    quiet: bool = False
    verbose: bool = False
    color: str = "auto"
    no_input: bool = False
    summary: str | None = None
    terms: Mapping[str, Any] = MappingProxyType({})
    tell: Callable[[int, int], None] = _untold
    told: Callable[[], None] = lambda: None

    def watched(self, name: str) -> Session:
        """Return the session that shows how far its work is, where somebody may watch."""
        if self.quiet or not self.world.stderr.isatty():
            return self
        from helixctl.cli.progress import Progress, is_seen

        progress = Progress(self.world.stderr, name)
        return self._replace(tell=progress.tell, told=progress.stop) if is_seen(self.world.environment) else self

    def open(self) -> Registry:
        """Open the registry that `-C`, HELIX_REGISTRY or the working folder names.

        Raises:
            NotFound: there is none.
        """
        from helixctl.api import Registry
        from helixctl.storage.registry import utc_now

        path = self.registry if self.registry is not None else self.world.environment.get("HELIX_REGISTRY") or None
        world = self.world
        clock = world.clock or utc_now
        found = Registry.open(path, actor=self.actor, clock=clock, random=world.random, key=self._signing_key)
        return found._replace(store=found.store._replace(tell=self.tell))

    def _signing_key(self, root: str) -> str | None:
        from helixctl.storage.ssh import signing_key

        return signing_key(root, self.world.environment)

    def actor(self) -> Actor:
        """Who runs the command, from `--actor`, HELIX_ACTOR, CI, git or the system, in that order."""
        from helixctl.cli.actor import actor_of

        return actor_of(self.terms.get("actor"), self.world.environment)

    def conditions(self) -> Terms:
        """Return the conditions of a change as the API takes them."""
        return {
            "reason": self.terms.get("reason"),
            "expect": self.terms.get("expect"),
            "overrides": tuple(self.terms.get("override") or ()),
            "dry_run": bool(self.terms.get("dry_run")),
        }

    def query(self) -> Query:
        """Return how inferences are to be read, by the options of that.

        Raises:
            Usage: an option that names no time, or has no `=`.
        """
        from helixctl.cli.commands.parse import moment, pairs
        from helixctl.engines import Query
        from helixctl.storage.registry import utc_now

        now, terms = (self.world.clock or utc_now)(), self.terms
        return Query(
            terms.get("format"),
            dict(pairs(terms.get("map"), "--map")),
            moment(terms.get("since"), "--since", now),
            moment(terms.get("until"), "--until", now),
            pairs(terms.get("where"), "--where"),
            *(terms.get(name) for name in ("engine", "connect", "table")),
        )

    def asked(
        self, sources: list[str] | None, datasets: list[str] | None, scorer: str | None, window: str | None
    ) -> Asked:
        """Return which inferences an evaluation wants.

        Raises:
            Usage: no such scorer, no duration, or a window beside sources.
        """
        from helixctl.api.sources import Asked
        from helixctl.cli.commands.parse import duration

        if scorer is not None:
            from helixctl.core.scoring import refuse

            refuse(scorer)
        query = self.query()._replace(scorer=scorer)
        if window is not None and (sources or datasets or any(query)):
            fact = "--window adds up what is stored: it takes neither sources nor ways to read them"
            raise Usage(fact, hint="leave one of them out")
        return Asked(sources or (), query, self.world.stdin, datasets or (), duration(window, "--window"))

    def is_terminal(self) -> bool:
        """Tell whether somebody is there to be asked; some CI systems give a job a terminal, at which nobody sits."""
        is_attended = not self.no_input and self.world.environment.get("CI") != "true"
        return is_attended and self.world.stdin.isatty() and self.world.stderr.isatty()

    def emit(self, value: object) -> NoReturn:
        """Print a result in the format asked for, and end with its exit code."""
        from helixctl.cli.render import data

        code, payload = data.exit_code(value), data.payload(value)
        committed = data.is_committed(payload)
        for warning in payload.get("warnings", ()):
            self.warn(str(warning))
        text = self._rendered(payload, committed=committed)
        if self.summary is not None:
            self._summarise(payload, committed=committed)
        if payload["kind"] != "result" and self._is_paged(text) and self._paged(text):
            raise Done(code)
        self.finish(code, text, stands=committed or code != 0)

    def _summarise(self, payload: dict[str, Any], *, committed: bool) -> None:
        """Append the page of Markdown to a file; that it cannot be written does not undo what was committed."""
        from helixctl.cli.render import formats
        from helixctl.storage import disk

        page = formats.rendered(payload, "markdown", None, formats.Look(place=self.place))
        try:
            with disk.refusing("write the summary"):
                disk.append(self.summary or "", f"{page}\n".encode(errors="backslashreplace"))
        except HelixError as error:
            if not committed:
                raise
            self.warn(str(error))

    def stream(self, chunks: Iterable[bytes], code: int = 0) -> NoReturn:
        """Print bytes as they come, and end with an exit code."""
        if self.fields:
            raise Usage("--fields does not apply to an export", hint="choose fields with jq, or from the csv")
        self.told()
        self.world.stdout.flush()
        out = self.world.stdout.buffer
        with printing(self.world.stdout):
            for chunk in chunks:
                out.write(chunk)
            out.flush()
        raise Done(code)

    def follow(self, entries: Iterable[Mapping[str, Any]]) -> NoReturn:
        """Print entries of the log as they come, each at once, until somebody interrupts or nobody reads.

        Raises:
            Usage: the format is one object, or a table.
        """
        from helixctl.cli.render import data

        if self.output not in ("text", "ndjson") or self.fields:
            asked = "--fields" if self.fields else f"-o {self.output}"
            raise Usage(f"--follow takes no {asked}: it never ends", hint="use -o text, or -o ndjson and jq")
        for entry in entries:
            text = self._rendered(data.payload(data.Entries((entry,))), committed=False)
            with printing(self.world.stdout):
                self.world.stdout.write(text)
                self.world.stdout.flush()
        raise Done(0)

    def pause(self) -> None:
        """Wait a moment for what comes next.

        Raises:
            BrokenPipeError: nobody reads what was printed.
        """
        self.world.wait(PAUSE_S)
        if is_hung_up(self.world.stdout):
            raise BrokenPipeError

    def finish(self, code: int, text: str, *, stands: bool = False) -> NoReturn:
        """Print text, and end with an exit code that was decided before.

        Args:
            stands: a change was made or a verdict given; that it cannot be printed does not alter the exit code.
        """
        self.told()
        try:
            with printing(self.world.stdout):
                self.world.stdout.write(text)
                self.world.stdout.flush()
        except (BrokenPipeError, StorageRefused) as error:
            if not stands:
                raise
            silence(self.world.stdout)
            if isinstance(error, StorageRefused):
                self.warn(str(error))
        raise Done(code)

    def _is_paged(self, text: str) -> bool:
        """Tell whether text is longer than the terminal that somebody reads it on."""
        if self.output != "text" or not self.world.stdout.isatty() or not self.is_terminal():
            return False
        if self.world.environment.get("TERM") == "dumb":  # less would ask there whether to go on
            return False
        from helixctl.cli.pager import is_taller

        return is_taller(text, os.get_terminal_size(self.world.stdout.fileno()))

    def _paged(self, text: str) -> bool:
        from helixctl.cli import pager

        self.told()
        chosen = pager.command(self.world.environment)
        return bool(chosen) and pager.shown(text, chosen, self.world.environment)

    def _rendered(self, payload: dict[str, Any], *, committed: bool) -> str:
        from helixctl.cli.render import formats

        look = formats.Look(self.verbose, self.screen(), self.place, self.world.stdout.isatty())
        try:
            return formats.rendered(payload, self.output, self.fields, look)
        except Usage as error:  # an unknown field is found too late to refuse a change that was made
            if not committed:
                raise
            self.warn(f"{error}; {error.hint}")
            return formats.rendered(payload, self.output, None, look)

    def place(self) -> str:
        """Return where the registry lies below the root of its git work tree; nothing where it is in none."""
        from helixctl.storage import git

        root = self.open().store.root
        top = git.work_tree(root)
        return os.path.relpath(root, top) if top else ""

    def warn(self, text: str) -> None:
        """Print a warning on stderr, unless quiet."""
        from helixctl.cli.render.paint import safe

        self.told()
        if not self.quiet:
            say(self.world.stderr, f"warning: {safe(text)}\n")

    def painted(self, stream: TextIO | None = None) -> bool:
        """Tell whether to colour a stream: --color, NO_COLOR, FORCE_COLOR, CLICOLOR, TERM, terminal, in that order."""
        env = self.world.environment
        if self.color != "auto":
            return self.color == "always"
        if env.get("NO_COLOR"):
            return False
        if env.get("FORCE_COLOR", "0") != "0" or env.get("CLICOLOR_FORCE", "0") != "0":
            return True
        if env.get("CLICOLOR") == "0" or env.get("TERM") == "dumb":
            return False
        return (stream or self.world.stdout).isatty()

    def width(self) -> int | None:
        """Return how wide standard output is, as COLUMNS or else a terminal itself tells."""
        stated = self.world.environment.get("COLUMNS", "")
        return (int(stated) if stated.isdecimal() and len(stated) < 5 else 0) or columns(self.world.stdout)

    def screen(self) -> Screen:
        """Return what standard output is."""
        from helixctl.cli.render.paint import Screen
        from helixctl.storage.registry import utc_now

        found = Screen(self.painted(), self.width(), now=(self.world.clock or utc_now)())
        try:
            "█├●".encode(self.world.stdout.encoding or "ascii")
        except UnicodeEncodeError:
            return found._replace(blocks=False)
        return found

    def confirm_retirement(self, record: Record, *, yes: bool, confirm: str | None) -> None:
        """Ask before a version ends for good; by its name where it serves.

        Raises:
            Unconfirmed: it was not confirmed.
        """
        from helixctl.core.lifecycle import Status

        if self.terms.get("dry_run") or record.status is Status.RETIRED:
            return
        if record.status is Status.ACTIVE:
            self.confirm_by_name(f"retiring {record.ref}, which is active", str(record.ref), confirm)
        else:
            if confirm not in (None, str(record.ref)):
                raise Unconfirmed("the name does not match", hint=f"add --confirm={record.ref}")
            self.confirm(f"retiring {record.ref} for good", yes=yes or confirm is not None)

    def confirm(self, question: str, *, yes: bool) -> None:
        """Ask before what cannot be taken back.

        Raises:
            Unconfirmed: nobody said yes.
        """
        if yes:
            return
        if not self.is_terminal():
            raise Unconfirmed(f"{question} needs a confirmation", hint="add --yes")
        if self._answer(f"{question}? [y/N] ").lower() not in ("y", "yes"):
            raise Unconfirmed("not confirmed", hint="answer y, or add --yes")

    def confirm_or_warn(self, question: str, *, yes: bool) -> None:
        """Ask before what may be a slip, where somebody is there; elsewhere say it, since a script means what it says.

        Raises:
            Unconfirmed: nobody said yes.
        """
        if self.is_terminal():
            self.confirm(question, yes=yes)
        else:
            self.warn(f"{question} as asked")

    def choose(self, question: str, choices: tuple[tuple[str, str], ...]) -> str:
        """Ask which of several named things is meant; return its name.

        Raises:
            Unconfirmed: nobody is there to say, or no number was given.
        """
        if not self.is_terminal():
            raise Unconfirmed(f"{question} needs an answer", hint=f"add --keep {choices[0][0]}")
        from helixctl.cli.render.paint import safe

        lines = [f"  {number}: {safe(name)}  {safe(what)}\n" for number, (name, what) in enumerate(choices, 1)]
        answer = self._answer(f"{safe(question)}?\n{''.join(lines)}number: ")
        if not answer.isdecimal() or not 1 <= int(answer) <= len(choices):
            raise Unconfirmed("not answered", hint=f"give a number, or --keep {choices[0][0]}")
        return choices[int(answer) - 1][0]

    def confirm_by_name(self, question: str, name: str, given: str | None) -> None:
        """Ask to type a name before what would hurt most.

        Raises:
            Unconfirmed: the name was not given.
        """
        if given == name:
            return
        if given is not None or not self.is_terminal():
            raise Unconfirmed(f"{question} needs the name of the version", hint=f"add --confirm={name}")
        if self._answer(f"{question}: type {name} to confirm: ") != name:
            raise Unconfirmed("the name does not match", hint=f"type {name}, or add --confirm={name}")

    def _answer(self, question: str) -> str:
        self.told()
        self.world.stderr.write(question)
        self.world.stderr.flush()
        return self.world.stdin.readline().strip().decode(errors="replace")
