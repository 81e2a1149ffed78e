from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module

import pytest

from helixctl.cli import app, menu
from helixctl.errors import EXIT_CODES
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
COMMANDS: dict[str, menu.Entry] = {
    **{name: entry for name, entry in menu.COMMANDS.items() if name not in menu.GROUPS},
    **{f"{group} {name}": entry for group, table in menu.GROUPS.items() for name, entry in table.items()},
}
PROMISED = {
    *("init", "demo", "completion", "register", "update", "promote", "activate", "deactivate", "rollback", "deprecate"),
    *(
        "retire",
        "block",
        "unblock",
        "adopt",
        "sweep",
        "check",
        "record",
        "evaluate",
        "list",
        "show",
        "status",
        "history",
    ),
    *("audit log", "audit export", "audit verify", "verify"),
}
SHARED = (
    "-C",
    "--registry",
    "-o",
    "--output",
    "--fields",
    "-q",
    "--quiet",
    "-v",
    "--verbose",
    "--color",
    "--no-input",
    "-h",
)
TERMS = ("--reason", "--actor", "--expect", "--dry-run", "--override")


def test_every_command_of_the_issue_is_there() -> None:
    assert set(COMMANDS) >= PROMISED


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_imports_and_runs_a_function_of_its_own(name: str) -> None:
    module = import_module(f"helixctl.cli.commands.{COMMANDS[name].module}")
    assert callable(module.run)
    assert module.__doc__ == f"helixctl {name}."


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_listed_under_a_panel_with_one_sentence(name: str) -> None:
    entry = COMMANDS[name]
    assert entry.panel in menu.PANELS
    assert re.fullmatch(r"[A-Z].*\.", entry.summary)
    assert set(entry.formats) <= {*menu.LISTS, "ecs", "ocsf", "cloudevents", "html", *menu.CI}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_has_examples_and_exit_codes(
    cli: Cli, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(cli(*name.split(), "--help"), capsys)
    assert printed(cli(*name.split(), "-h"), capsys) == text
    assert re.search(rf"Examples:\n(?s:.*)helixctl {name}\b", text)
    assert re.search(r"Exit codes: 0 [a-z]", text)
    purpose, examples, *rest = (part.strip() for part in text.split("\n\n")[1:])
    assert re.fullmatch(r"[A-Z].*\.", purpose, re.DOTALL)
    assert examples.startswith("Examples:\n")
    codes = re.findall(r"(?:^|[,;(]) *(\d+)\b", next(part for part in rest if part.startswith("Exit codes: "))[12:])
    assert codes[0] == "0"
    assert {int(code) for code in codes} <= set(EXIT_CODES)
    assert text.startswith(f"Usage: helixctl {name} ")


def printed(ran: Ran, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a command printed: help goes to the process's own standard output."""
    assert (ran.code, ran.err) == (0, "")
    return ran.out + capsys.readouterr().out


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_takes_every_option_that_it_shares(name: str) -> None:
    entry = COMMANDS[name]
    built = app.command(name.rsplit(maxsplit=1)[-1], entry)
    options = [option for param in built.params for option in (*param.opts, *param.secondary_opts)]
    assert set(SHARED) - {"-h"} <= set(options)
    assert [name for name in TERMS if name in options and name != "--actor"] == [
        name for name in TERMS if name[2:].replace("-", "_") in entry.terms and name != "--actor"
    ]
    assert len(options) == len(set(options)), "an option stands twice"
    assert all(getattr(param, "help", None) for param in built.params)


def test_the_help_of_the_whole_lists_every_command_by_panel(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(cli("--help"), capsys)
    headings = [line for line in text.splitlines() if line and line[0] != " "][1:]
    assert headings == ["Options:", *(f"{panel.capitalize()}:" for panel in menu.PANELS)]
    for name, entry in menu.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(entry.summary[:30])}", text, re.MULTILINE)
    assert "Exit codes: 0 done or already so, 1 bug, 2 asked wrongly" in text


def test_the_version_is_printed_by_the_tree_too(cli: Cli) -> None:
    from helixctl import __version__

    assert cli("--version") == Ran(0, f"helixctl {__version__}\n", "")


def orders(words: list[str], option: list[str]) -> Iterator[list[str]]:
    for at in range(1, len(words) + 1):
        yield [*words[:at], *option, *words[at:]]


@pytest.mark.parametrize("option", [["-o", "json"], ["--output=json"], ["-ojson"]])
def test_shared_options_are_taken_in_any_place_after_the_command(place: Place, cli: Cli, option: list[str]) -> None:
    place.register("m@1.0.0")
    told = {
        cli(*words).out
        for words in orders(["show", "m@1.0.0", "--color", "never"], option)
        if words[-1] != "never" or words[-2] == "--color"
    }
    assert len(told) == 1
    assert told.pop().startswith('{\n  "schema_version": 1')


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["activat", "m@1.0.0"], "activate"),
        (["shw"], "show"),
        (["audit", "exprt"], "export"),
        (["activate", "m@1.0.0", "--rason", "x"], "--reason"),
        (["list", "--outptu", "json"], "--output"),
        (["check", "m@1.0.0", "--for", "actvate"], "activate"),
        (["update", "m@1.0.0", "--set", "cost.teir=premium"], "cost.tier"),
        (["list", "--fields", "modle"], "model"),
        (["help", "actvate"], "activate"),
        (["help", "hx510"], "HX501"),
        (["activate", "m@1.0.0", "--override", "evaluaton", "--reason", "served there for years"], "evaluation"),
    ],
)
def test_what_is_misspelt_is_answered_with_what_was_meant(
    place: Place, cli: Cli, words: list[str], suggestion: str
) -> None:
    place.register("m@1.0.0")
    ran = cli(*words)
    assert (ran.code, ran.out) == (2, "")
    assert suggestion in ran.err
    assert ran.err.count("\n") == 2


@pytest.mark.parametrize(
    ("words", "help_"),
    [
        ([], "helixctl --help"),
        (["audit"], "helixctl audit --help"),
        (["frobnicate"], "helixctl --help"),
        (["show"], "helixctl show --help"),
        (["show", "a@1.0.0", "b"], "helixctl show --help"),
        (["list", "--nope"], "helixctl list --help"),
        (["list", "-o", "pdf"], "one of text, json, ndjson, csv, plain"),
        (["list", "--color", "blue"], "one of auto, always, never"),
        (["audit", "log", "-n", "many"], "helixctl audit log --help"),
        (["promote", "m@1.0.0", "--to", "moon"], "helixctl promote --help"),
        (["-o", "text", "list"], "options go after the command: helixctl list -C DIR"),
    ],
)
def test_a_usage_error_names_the_help_that_answers_it(cli: Cli, words: list[str], help_: str) -> None:
    ran = cli(*words)
    assert (ran.code, ran.out) == (2, "")
    assert re.fullmatch(r"error\[HX201\]: [a-z-].*[^.]\nhint: .+\n", ran.err)
    assert ran.err.endswith(f"hint: {help_}\n")


def test_an_unexpected_failure_is_one_line_and_shows_its_traceback_only_when_asked(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("helixctl.api.inspection.listing", broken)
    ran = cli("list")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == (
        "error[HX101]: unexpected failure: RuntimeError\nhint: run it again with HELIXCTL_DEBUG=1, and report it\n"
    )
    assert "secret detail" in cli("list", HELIXCTL_DEBUG="1").err


def test_enumerations_are_taken_in_any_case(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    assert cli("promote", "m@1.0.0", "--to", "TESTING").code == 0
    assert cli("completion", "BASH").code == 0
