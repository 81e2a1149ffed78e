"""The command tree, built so that a run imports one command only; and the one place that prints errors and exits."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple, cast

import typer
from typer import core, main
from typer.models import CommandInfo

from helixctl.cli import errors
from helixctl.cli.session import Session, World
from helixctl.cli.streams import silence
from helixctl.errors import HelixError, Usage

PANELS = ("set up", "lifecycle", "gate", "evaluate", "inspect", "audit", "whole registry")


CONDITIONS = ("reason", "actor", "expect", "dry_run", "override")
"""The options of every change; commands that change no version take the part that means something there."""
STATING = ("reason", "actor", "expect", "dry_run")
"""The options of what people state about a version."""
READING = ("format", "map", "since", "until", "where", "engine", "connect", "table")
"""The options that say how inferences are read."""
LISTS = ("text", "json", "ndjson", "csv", "plain")
"""The formats of what has rows; plain is a line each, its fields between tabs."""
CI = ("github", "junit", "sarif", "gitlab", "markdown")
"""The formats of `render.ci`, which systems that run checks read."""


class Entry(NamedTuple):
    """A command: the module it lives in, the panel it is listed under, what it is for, its conditions and formats."""

    module: str
    panel: str
    summary: str
    terms: tuple[str, ...] = ()
    formats: tuple[str, ...] = ("text", "json")


COMMANDS: dict[str, Entry] = {
    "init": Entry("init", "set up", "Make a folder a registry.", ("actor", "dry_run")),
    "demo": Entry("demo", "set up", "Carry a sample registry through the whole lifecycle.", formats=("text",)),
    "completion": Entry("completion", "set up", "Print the completion script of a shell.", formats=("text",)),
    "help": Entry("help", "set up", "Explain a command, an exit code or an error.", formats=("text",)),
    "register": Entry("register", "lifecycle", "Add a version, inactive.", CONDITIONS),
    "update": Entry("update", "lifecycle", "Change values of a version's specification.", CONDITIONS),
    "promote": Entry("promote", "lifecycle", "Bring a version to testing, canary or active.", CONDITIONS),
    "activate": Entry("activate", "lifecycle", "Put a version in service.", CONDITIONS),
    "deactivate": Entry("deactivate", "lifecycle", "Take a version out of testing, canary or service.", CONDITIONS),
    "rollback": Entry("rollback", "lifecycle", "Return a model to the version that served before.", CONDITIONS),
    "deprecate": Entry("deprecate", "lifecycle", "Announce the end of a version, or cancel that.", CONDITIONS),
    "retire": Entry("retire", "lifecycle", "End a version for good.", CONDITIONS),
    "block": Entry("block", "lifecycle", "Bar a version from testing, canary and activation.", CONDITIONS),
    "unblock": Entry("unblock", "lifecycle", "Lift a block.", CONDITIONS),
    "adopt": Entry("adopt", "lifecycle", "Take in a version file that was edited by hand.", CONDITIONS),
    "sweep": Entry(
        "sweep", "lifecycle", "Do what is due: activations, warnings, retirements.", ("reason", "actor", "dry_run")
    ),
    "schedule": Entry("schedule", "lifecycle", "List and cancel activations that wait for their time."),
    "check": Entry("check", "gate", "Ask policy about a change, without making it.", formats=("text", "json", *CI)),
    "policy": Entry("policy", "gate", "List, lint, explain and test the policies."),
    "approve": Entry("approve", "gate", "Approve an action on a version, once.", STATING),
    "reject": Entry("reject", "gate", "Veto a version until that is withdrawn.", STATING),
    "withdraw": Entry("withdraw", "gate", "Take back an approval or a rejection.", STATING),
    "approvals": Entry("approvals", "gate", "List approvals, and whether they count.", formats=LISTS),
    "override": Entry("override", "gate", "List and review overrides."),
    "record": Entry("record", "evaluate", "Record inferences of a version.", ("reason", "actor", "dry_run")),
    "evaluate": Entry(
        "evaluate",
        "evaluate",
        "Judge a version by its inferences.",
        ("reason", "actor", "expect", "dry_run", *READING),
        ("text", "json", "csv", *CI),
    ),
    "compare": Entry(
        "compare",
        "evaluate",
        "Compare a version with another by their inferences.",
        READING,
        ("text", "json", "csv", *CI),
    ),
    "list": Entry("list", "inspect", "List versions.", formats=LISTS),
    "show": Entry("show", "inspect", "Show one version."),
    "status": Entry("status", "inspect", "Tell what serves, what comes and what ends, by model."),
    "diff": Entry("diff", "inspect", "Show how one version differs from another.", formats=LISTS),
    "history": Entry("history", "inspect", "Tell what happened to a model or a version.", formats=LISTS),
    "audit": Entry("audit", "audit", "Read, export and verify the audit log."),
    "verify": Entry(
        "verify", "whole registry", "Check the log, and every file against it.", formats=("text", "json", *CI)
    ),
    "reconcile": Entry(
        "reconcile",
        "whole registry",
        "Settle what a merge left behind.",
        ("reason", "actor", "dry_run", "override"),
    ),
}
AUDIT: dict[str, Entry] = {
    "log": Entry("audit_log", "audit", "Read the log, newest first.", formats=LISTS),
    "export": Entry(
        "audit_export",
        "audit",
        "Export the log, oldest first.",
        formats=("ndjson", "json", "csv", "ecs", "ocsf", "cloudevents"),
    ),
    "verify": Entry(
        "audit_verify", "audit", "Check hashes, links and order of the log.", formats=("text", "json", *CI)
    ),
    "report": Entry(
        "audit_report", "audit", "Report a period of the log.", formats=("text", "json", "markdown", "html")
    ),
    "checkpoint": Entry(
        "audit_checkpoint", "audit", "State what the log is now, signed.", ("reason", "actor", "dry_run")
    ),
    "archive": Entry("audit_archive", "audit", "Move old segments away.", ("reason", "actor", "dry_run")),
    "restore-archive": Entry("audit_restore", "audit", "Bring archived segments back.", ("reason", "actor", "dry_run")),
}
POLICY: dict[str, Entry] = {
    "list": Entry("policy_list", "gate", "List policies and their rules."),
    "lint": Entry("policy_lint", "gate", "Find all that is wrong with policies.", formats=("text", "json", *CI)),
    "explain": Entry("policy_explain", "gate", "Tell which rules apply to a change, and why."),
    "test": Entry("policy_test", "gate", "Try policies on cases.", formats=("text", "json", *CI)),
}
SCHEDULE: dict[str, Entry] = {
    "list": Entry("schedule_list", "lifecycle", "List what waits, the next one first.", formats=LISTS),
    "cancel": Entry("schedule_cancel", "lifecycle", "Take one off the schedule.", ("reason", "actor", "dry_run")),
}
OVERRIDE: dict[str, Entry] = {
    "list": Entry("override_list", "gate", "List overrides to be reviewed.", formats=LISTS),
    "review": Entry("override_review", "gate", "Review an override.", ("reason", "actor", "dry_run")),
}
GROUPS = {"audit": AUDIT, "policy": POLICY, "schedule": SCHEDULE, "override": OVERRIDE}
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
        option("--since", metavar="TIME", help="Only records from this time, date, or 7d ago on.", **text),
        option("--until", metavar="TIME", help="Only records before this time.", **text),
        option("--where", metavar="FIELD=VALUE", multiple=True, help="Only such records; repeatable.", **text),
        option("--engine", metavar="NAME", help="What reduces them. Default: by size and format.", **text),
        option("--connect", metavar="URL", help="Where a cluster or server has them.", **text),
        option("--table", metavar="NAME", help="In which table.", **text),
    )


class Command(core.TyperCommand):
    """A command with the shared options; their values become the session that the command is given."""

    entry: Entry

    def invoke(self, ctx: Any) -> Any:
        """Run the command with a session in `ctx.obj`."""
        names = {option.name for option in _shared(self.entry)}
        shared = {name: ctx.params.pop(name) for name in list(ctx.params) if name in names}
        terms = {name: shared.pop(name, None) for name in (*CONDITIONS, *READING)}
        _one_of(ctx, "output", shared["output"], self.entry.formats)
        _one_of(ctx, "color", shared["color"], ("auto", "always", "never"))
        if shared.get("summary") == "":
            ctx.fail("--summary names no file; is GITHUB_STEP_SUMMARY set?")
        world = ctx.find_object(World)
        ctx.obj = session = Session(world, **shared, terms=terms)
        if not session.quiet and world.stderr.isatty():
            from helixctl.cli.progress import Progress

            progress = Progress(world.stderr, str(ctx.info_name))
            ctx.obj = session = session._replace(tell=progress.tell, told=progress.stop)
        try:
            return super().invoke(ctx)
        finally:
            session.told()


def _one_of(ctx: Any, name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        ctx.fail(f"--{name} {value!a} is none of {', '.join(choices)}")


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

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command, with a suggestion where it is misspelt."""
        self.commands = cast(Any, dict.fromkeys(self.table))
        return super().resolve_command(ctx, args)

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
        ctx.find_object(World).stdout.write(f"helixctl {__version__}\n")
        ctx.exit()


EXAMPLES = """\
  helixctl demo                                  see the whole lifecycle run
  helixctl init --with-defaults                  start a registry here
  helixctl check my-model@2.0.0 --for activate   gate a deployment in CI
  helixctl rollback my-model                     return to the version before"""
EPILOG = """\
\b
On a terminal, long text goes through HELIX_PAGER, PAGER or less; an empty HELIX_PAGER means none.
Exit codes: 0 done or already so, 1 bug, 2 asked wrongly, 3 denied or failed, 4 not found,
  5 conflict, 6 integrity, 7 inconclusive, 8 storage refused, 9 not confirmed, 130, 141."""


def _invoke(arguments: list[str], here: World) -> int:
    """Run the tree without its own `main`, which would answer a closed pipe with 1."""
    root = tree()
    try:
        with root.make_context("helixctl", list(arguments), obj=here) as ctx:
            root.invoke(ctx)
    except typer.Exit as done:
        return done.exit_code
    return 0


def _refuse_bytes(arguments: list[str]) -> None:
    """Refuse what is no text: it could be neither stored nor shown.

    Raises:
        Usage: an argument is not UTF-8.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise Usage(f"an argument is not UTF-8: {argument!a}", hint="type it in a UTF-8 terminal") from None


def run(arguments: list[str], world: World | None = None) -> int:
    """Run a command line and return its exit code; nothing below prints an error or exits."""
    here = world or World.real()
    for stream in (here.stdout, here.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace", newline="\n")
    try:
        _refuse_bytes(arguments)
        code = _invoke(arguments, here)
        here.stdout.flush()
        return code
    except HelixError as error:
        return errors.refused(here, arguments, error)
    except typer.TyperException as error:
        return errors.misused(here, arguments, error)
    except KeyboardInterrupt as interrupt:
        return errors.interrupted(here, interrupt)
    except BrokenPipeError:
        silence(here.stdout)
        return 141
    except Exception as error:  # noqa: BLE001 - the edge: whatever is left is a bug
        return errors.failed(here, arguments, error)
