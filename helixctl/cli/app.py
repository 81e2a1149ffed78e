"""The command tree, built so that a run imports one command only."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

import typer
from typer import core, main
from typer.models import CommandInfo

from helixctl.cli import errors
from helixctl.cli.menu import COMMANDS, CONDITIONS, GROUPS, PANELS, READING, Entry
from helixctl.cli.session import Session, World
from helixctl.cli.streams import Done, printing

COLOURED = ("auto", "always", "never")
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _shared(entry: Entry) -> list[core.TyperOption]:
    """Return the options that every command takes, and those that every change takes."""

    def option(*names: str, **rest: Any) -> core.TyperOption:
        return core.TyperOption(param_decls=list(names), **rest)

    text = {"type": str}
    formats = "|".join(entry.formats)
    options = [
        option(
            "-C",
            "--registry",
            metavar="DIR",
            help="The registry. Default: HELIX_REGISTRY, or the nearest folder above.",
            **text,
        ),
        option("-o", "--output", metavar="FORMAT", default=entry.formats[0], help=f"One of {formats}.", **text),
        option("--fields", metavar="A,B", help="Only these fields.", **text),
        option("-q", "--quiet", is_flag=True, default=False, help="No warnings."),
        option("-v", "--verbose", is_flag=True, default=False, help="More detail."),
        option("--color", metavar="WHEN", default="auto", help="auto, always or never.", **text),
        option("--no-input", is_flag=True, default=False, help="Never ask."),
    ]
    if "markdown" in entry.formats and "github" in entry.formats:
        told = 'Append what -o markdown says to this too, such as "$GITHUB_STEP_SUMMARY".'
        options.append(option("--summary", metavar="FILE", help=told, **text))
    conditions = (
        option("--reason", metavar="TEXT", help="Why; kept in the log.", **text),
        option("--actor", metavar="NAME", help="Who. Default: HELIX_ACTOR, CI, git, the system.", **text),
        option(
            "--expect",
            metavar="STATUS|VERSION",
            help="Refuse unless the version has this status, or this version is active.",
            **text,
        ),
        option("--dry-run", is_flag=True, default=False, help="Say what would happen; write nothing."),
        option(
            "--override", metavar="RULE", multiple=True, help="Set an overridable rule aside; needs --reason.", **text
        ),
    )
    wanted = (*conditions, *_reading(option)) if "format" in entry.terms else conditions
    return options + [one for one in wanted if one.name in entry.terms]


def _reading(option: Callable[..., core.TyperOption]) -> tuple[core.TyperOption, ...]:
    text = {"type": str}
    return (
        option("--format", metavar="FORMAT", help="The records' format. Default: told by their content.", **text),
        option(
            "--map",
            metavar="FIELD=COLUMN",
            multiple=True,
            help="Make a field of a column: 'latency_ms=seconds * 1000'; repeatable.",
            **text,
        ),
        option(
            "--since", metavar="TIME", help="Only records from then on: a time, a date, or 7d for so long ago.", **text
        ),
        option("--until", metavar="TIME", help="Only records before this time.", **text),
        option("--where", metavar="FIELD=VALUE", multiple=True, help="Only such records; repeatable.", **text),
        option("--engine", metavar="NAME", help="What reduces them. Default: by size and format.", **text),
        option("--connect", metavar="URL", help="Where a cluster or server has them.", **text),
        option("--table", metavar="NAME", help="In which table.", **text),
    )


class Command(core.TyperCommand):
    """A command with the shared options; their values become the session that the command is given."""

    entry: Entry

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option that prints the help."""
        return _printing(super().get_help_option(ctx))

    def invoke(self, ctx: Any) -> Any:
        """Run the command with a session in `ctx.obj`."""
        from helixctl.core.names import one_of

        names = {option.name for option in _shared(self.entry)}
        shared = {name: ctx.params.pop(name) for name in list(ctx.params) if name in names}
        terms = {name: shared.pop(name, None) for name in (*CONDITIONS, *READING)}
        one_of("--output", shared["output"], self.entry.formats)
        one_of("--color", shared["color"], COLOURED)
        if shared.get("summary") == "":
            ctx.fail("--summary names no file; is GITHUB_STEP_SUMMARY set?")
        ctx.obj = session = Session(ctx.find_object(World), **shared, terms=terms).watched(str(ctx.info_name))
        try:
            if session.summary is not None:
                from helixctl.storage import disk

                with disk.refusing("write the summary"):
                    disk.refuse_unwritable(session.summary)
            return super().invoke(ctx)
        finally:
            session.told()


class LazyGroup(core.TyperGroup):
    """A group whose commands are imported when they are run; help and suggestions need the table only."""

    table: dict[str, Entry] = COMMANDS

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the table's order."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command, imported now, or None."""
        entry = self.table.get(cmd_name)
        if entry is None:
            return None
        return group(cmd_name, GROUPS[cmd_name]) if cmd_name in GROUPS else command(cmd_name, entry)

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option that prints the help."""
        return _printing(super().get_help_option(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, with a suggestion where it is misspelt."""
        self.commands = cast(Any, dict.fromkeys(self.table))
        return super().resolve_command(ctx, args)

    def format_help_text(self, ctx: Any, formatter: Any) -> None:
        """Write the purpose; of a group also an example of each command, which are imported for that."""
        if self.table is not COMMANDS:
            helps = (str(command(name, entry).help) for name, entry in self.table.items())
            shown = "\n".join(line for text in helps for line in re.findall("Examples:\n(.*)", text))
            codes = "Exit codes: as each command says; helixctl help 6 explains one."
            self.help = f"{self.help}\n\n\b\nExamples:\n{shown}\n\n{codes}"
        super().format_help_text(ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by panel."""
        for panel in PANELS:
            rows = [(name, entry.summary) for name, entry in self.table.items() if entry.panel == panel]
            if rows:
                with formatter.section(panel.capitalize()):
                    formatter.write_dl(rows)


def command(name: str, entry: Entry) -> Command:
    """Import a command and return it with its shared options."""
    module = import_module(f"helixctl.cli.commands.{entry.module}")
    info = CommandInfo(name=name, cls=Command, callback=module.run, short_help=entry.summary, context_settings=SETTINGS)
    built = main.get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)
    assert isinstance(built, Command)
    built.entry = entry
    built.params += _shared(entry)
    return built


def group(name: str, table: dict[str, Entry]) -> LazyGroup:
    """Return a group over a table of commands."""
    built = LazyGroup(name=name, help=COMMANDS[name].summary, context_settings=SETTINGS, rich_markup_mode=None)
    built.table = table
    return built


def tree() -> LazyGroup:
    """Return the whole command tree."""
    from helixctl import __doc__ as purpose

    help_ = f"{purpose}\n\n\b\nExamples:\n{EXAMPLES}"
    version = core.TyperOption(
        param_decls=["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_version,
        help="Print the version and exit.",
    )
    return LazyGroup(
        name="helixctl", params=[version], help=help_, epilog=EPILOG, context_settings=SETTINGS, rich_markup_mode=None
    )


def _version(ctx: Any, _: Any, asked: bool) -> None:
    from helixctl import __version__

    if asked:
        _say(ctx, f"helixctl {__version__}")


def _printing(option: Any) -> Any:
    """Return the help option so that what cannot be printed is told as with any command."""

    def told(ctx: Any, _: Any, asked: bool) -> None:
        if asked and not ctx.resilient_parsing:
            _say(ctx, ctx.get_help())

    option.callback = told
    return option


def _say(ctx: Any, text: str) -> None:
    out = ctx.find_object(World).stdout
    with printing(out):
        print(text, file=out, flush=True)
    ctx.exit()


EXAMPLES = """\
  helixctl demo                                  see the whole lifecycle run
  helixctl init --with-defaults                  start a registry here
  helixctl check my-model@2.0.0 --for activate   gate a deployment in CI
  helixctl rollback my-model                     return to the version before"""
EPILOG = """\
\b
On a terminal, long text goes through HELIX_PAGER, PAGER or less; empty means
none. With CI=true nobody is asked, and nothing is paged.
Exit codes: 0 done or already so, 1 bug, 2 asked wrongly, 3 denied or failed,
  4 not found, 5 conflict, 6 integrity, 7 inconclusive, 8 storage refused,
  9 not confirmed, 130, 141, 143."""


def invoked(arguments: list[str], here: World) -> int:
    """Run the tree without its own `main`, which would answer a closed pipe with 1; return the exit code."""
    root = tree()
    try:
        with root.make_context("helixctl", list(arguments), obj=here) as ctx:
            root.invoke(ctx)
    except typer.Exit as done:
        return done.exit_code
    except Done as done:
        return done.code
    except typer.TyperException as error:
        return errors.misused(here, arguments, error)
    return 0
