from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helixctl import errors
from helixctl.cli import menu
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
MAN = Path(__file__).parent.parent.parent / "docs/man"


@pytest.mark.parametrize("kind", errors.leaves(), ids=lambda kind: str(kind.code))
def test_an_error_is_explained_with_one_thing_to_do(cli: Cli, kind: type[errors.HelixError]) -> None:
    ran = cli("help", kind.code.lower())
    head, fact, *advice = ran.out.splitlines()
    assert (ran.code, ran.err) == (0, "")
    assert head == f"{kind.code}  (exit code {kind.exit_code})"
    assert fact.startswith("  ")
    assert advice
    assert kind.exit_code in errors.EXIT_CODES


@pytest.mark.parametrize("code", errors.EXIT_CODES)
def test_an_exit_code_is_explained_with_the_errors_that_end_so(cli: Cli, code: int) -> None:
    ran = cli("help", str(code))
    assert (ran.code, ran.out.splitlines()[0]) == (0, f"exit code {code}")
    named = re.findall(r"HX\d{3}", ran.out)
    assert named == [kind.code for kind in errors.leaves() if kind.exit_code == code]


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in errors.leaves()]
    assert len(codes) == len(set(codes)) >= 17


@pytest.mark.parametrize("words", [["activate"], ["audit", "log"], ["audit"], []])
def test_help_of_a_command_is_what_the_command_prints(
    cli: Cli, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    told = cli("help", *words).out
    printed = cli(*words, "--help").out + capsys.readouterr().out
    assert told.split() == printed.split()


@pytest.mark.parametrize("name", menu.GROUPS)
def test_help_of_a_group_has_an_example_of_each_of_its_commands_and_the_exit_codes(cli: Cli, name: str) -> None:
    purpose, examples, *rest = cli("help", name).out.split("\n\n")[1:]
    assert purpose.strip() == menu.COMMANDS[name].summary
    head, *lines = examples.splitlines()
    assert head.strip() == "Examples:"
    assert [line.split()[:3] for line in lines] == [["helixctl", name, sub] for sub in menu.GROUPS[name]]
    assert rest[0].strip().startswith("Exit codes: ")


@pytest.mark.parametrize("topic", ["5", "HX401", "activate", "audit"])
@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_what_is_explained_is_as_wide_as_the_screen_at_most(cli: Cli, topic: str, columns: int) -> None:
    told = cli("help", *topic.split(), COLUMNS=str(columns)).out
    assert told.split() == cli("help", *topic.split()).out.split()
    purpose = told if topic in ("5", "HX401") else told.split("\n\n")[1]
    assert max(map(len, purpose.splitlines())) <= (columns if purpose is told else max(columns, 50))


@pytest.mark.parametrize("topic", [["42"], ["HX000"], ["frobnicate"], ["activate", "m"], ["audit", "nope"]])
def test_what_cannot_be_explained_is_refused(cli: Cli, topic: list[str]) -> None:
    ran = cli("help", *topic)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error[HX201]: ")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["show", "opnai/gpt@1.0.0"], "openai/gpt"),
        (["show", "opnai/gpt@active"], "openai/gpt"),
        (["show", "openai/gpt@1.0.1"], "1.0.0"),
        (["activate", "opnai/gpt@1.0.0"], "openai/gpt"),
        (["activate", "openai/gpt@1.0.1"], "1.0.0"),
        (["check", "openai/gtp@1.0.0", "--for", "activate"], "openai/gpt"),
        (["rollback", "openai/gtp"], "openai/gpt"),
        (["list", "openai/gp"], "openai/gpt"),
        (["status", "openai/gp"], "openai/gpt"),
        (["diff", "openai/gpt@latest", "openai/gp@latest"], "openai/gpt"),
    ],
)
def test_a_misspelt_model_or_version_is_answered_with_the_nearest(
    place: Place, cli: Cli, words: list[str], near: str
) -> None:
    place.register("openai/gpt@1.0.0")
    ran = cli(*words)
    assert (ran.code, ran.out) == (4, "")
    assert f"(did you mean '{near}'?)" in ran.err


def test_there_is_a_manual_page_of_every_command() -> None:
    names = {f"helixctl-{name}.1" for name in menu.COMMANDS if name not in menu.GROUPS}
    names |= {f"helixctl-{group}-{name}.1" for group, table in menu.GROUPS.items() for name in table}
    assert {path.name for path in MAN.glob("*.1")} == {"helixctl.1", *names}


@pytest.mark.skipif(not shutil.which("man") and not shutil.which("mandoc"), reason="needs man-db or mandoc")
@pytest.mark.parametrize("name", ["helixctl", "helixctl-evaluate", "helixctl-audit-log"])
def test_a_manual_page_renders_with_its_parts(name: str) -> None:
    program = ["man", "-l"] if shutil.which("man") else ["mandoc"]
    done = subprocess.run(
        [*program, MAN / f"{name}.1"],
        capture_output=True,
        text=True,
        env={"MANWIDTH": "100", "LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    text = re.sub(".\b", "", done.stdout)
    headings = re.findall(r"^[A-Z][A-Z ]+$", text, re.MULTILINE)
    assert headings[:2] == ["NAME", "SYNOPSIS"]
    assert {"EXAMPLES", "EXIT STATUS"} <= set(headings)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("lst", "list"),
        ("audit lgo", "log"),
        ("list --feilds model", "--fields"),
        ("show wierd@1.0.0", "weird"),
        ("status wierd", "weird"),
        ("history wierd", "weird"),
        ("show weird@1.0.1", "1.0.0"),
        ("show weird@activ", "active"),
        ("list --fields statsu", "status"),
        ("list --fields cost.input_per_mtk", "cost.input_per_mtok"),
        ("check weird@1.0.0 --for activat", "activate"),
        (f"activate weird@1.0.0 --override evalution --reason {'x' * 20}", "evaluation"),
        ("update weird@1.0.0 --set cost.teir=premium", "cost.tier"),
        ("audit log --action version.activatd", "version.activated"),
        ("evaluate weird@1.0.0 --from - --engine pyhton", "python"),
        ("evaluate weird@1.0.0 --from - --format nativ", "native"),
        ("help actvate", "activate"),
        ("help HX4011", "HX401"),
        ("help 99", "9"),
        ("check weird@1.0.0 --for update --fields decision.alowed", "decision.allowed"),
        ("audit log --fields actor.idd", "actor.id"),
        ("promote weird@1.0.0 --to canry", "canary"),
        ("list -o jsn", "json"),
        ("list -o JSON", "json"),
        ("show WEIRD@1.0.0", "weird"),
        ("list --color nevr", "never"),
        ("completion bsh", "bash"),
        ("list --fields cost.inptu", "cost.input_per_mtok"),
        ("list --fields limits.contxt", "limits.context_window"),
        ("audit log --model wierd", "weird"),
        ("audit log --model weird --version 1.0.1", "1.0.0"),
        ("audit export --model wierd", "weird"),
        ("audit report --model wierd", "weird"),
        ("history weird@1.0.1", "1.0.0"),
        ("reconcile wierd", "weird"),
    ],
)
def test_a_slip_is_answered_with_what_was_meant(place: Place, cli: Cli, line: str, meant: str) -> None:
    place.register("weird@1.0.0")
    ran = cli(*line.split())
    assert (ran.code in (2, 4), ran.out) == (True, "")
    assert re.search(rf"(did you mean|Did you mean|Possible options:) '?{re.escape(meant)}'?\)?", ran.err)


def test_an_option_without_its_value_is_answered_with_the_command_to_ask(cli: Cli) -> None:
    assert cli("show", "-o").err.endswith("hint: helixctl show --help\n")
    assert cli("-o").err.endswith("hint: options go after the command: helixctl list -C DIR\n")


def test_a_choice_that_is_missing_or_mistyped_is_told_without_what_was_typed(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    told = "error[HX201]: {}\nhint: helixctl promote --help\n"
    missing = "missing option '--to'. Choose from: testing, canary, active"
    assert cli("promote", "m@1.0.0").err == told.format(missing)
    wrong = "invalid value for '--to': it is not one of 'testing', 'canary', 'active'"
    assert cli("promote", "m@1.0.0", "--to", "hush'hush").err == told.format(wrong)


def test_without_docstrings_a_wrong_value_is_refused_all_the_same(tmp_path: Path) -> None:
    wrong = b'schema = 1\nmodel = "m"\nversion = "1.0.0"\nprovider = "p"\n[limits]\ncontext_window = "x"\n'
    for words, code in (("init", 0), ("register -f -", 2), ("audit -h", 0)):
        program = [sys.executable, "-OO", "-m", "helixctl", *words.split()]
        done = subprocess.run(program, input=wrong, cwd=tmp_path, capture_output=True, timeout=60)
        assert (done.returncode, b"Traceback" in done.stderr) == (code, False)
        assert code == 0 or done.stderr.endswith(b"hint: expected here: as docs/files.md says\n")


def test_where_there_is_no_row_no_field_of_one_is_refused(place: Place, cli: Cli) -> None:
    assert cli("list", "--fields", "ref,status", "-o", "csv").code == 0


def test_the_log_is_asked_about_a_model_that_it_alone_knows(place: Place, cli: Cli) -> None:
    place.register("gone@1.0.0")
    shutil.rmtree(place.root / "models")
    for words in ("log --model gone", "log --model gone --version 1.0.0", "export --model gone"):
        ran = cli("audit", *words.split())
        assert ran.code == 0
        assert "version.registered" in ran.out
    assert cli("audit", "log", "--model", "gone", "--version", "2.0.0").code == 4
    assert cli("audit", "log", "--model", "../gone").code == 2
