"""Reads that are answered before Typer is imported: the same output, errors and exit codes as by Typer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helixctl.cli import menu, quick
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
LINES = (
    *("show m@1.0.0", "show m@active", "show m@latest -o json", "show n@1.0.0", "show m@9.0.0", "show m", "show M@@"),
    *("show m@active --fields status,cost", "show m@active --fields nonsense", "show m@active -o csv", "show"),
    *("show m@1.0.0 m@2.0.0", "show --fields status m@1.0.0", "show m@1.0.0 -v -q --no-input --color always"),
    *("show m@1.0.0 -o", "show m@1.0.0 -ojson", "show m@1.0.0 --output=json", "show m@1.0.0 -o json -o text"),
    *(
        "show m@1.0.0 --color blue",
        "show m@1.0.0 --nonsense",
        "show -h",
        "show m@1.0.0 -C /nonsense",
        "show -C m@1.0.0",
    ),
    *("list", "list m", "list nonsense", "list -o ndjson", "list -o csv", "list -o plain m", "list --fields version"),
    *("list m n", "list -", "list -- m", "list -q -q", "list --color never", "list --no-input"),
    *("status", "status m", "status -v -o json", "status nonsense", "status --at 2026-03-01", "status -o csv"),
    *("check m@2.0.0", "check m@2.0.0 --for canary", "check m --for rollback", "check m@2.0.0 --for nonsense"),
    *("check m@2.0.0 --for activate --region eu -o json", "check m@2.0.0 -o github", "check m@2.0.0 -o markdown -v"),
    *("check m@2.0.0 --for", "check --for activate m@2.0.0", "check", "check m@2.0.0 --summary x"),
)


@pytest.mark.parametrize("line", LINES)
def test_both_ways_say_the_same(place: Place, cli: Cli, line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0", "n@1.0.0-rc.1")
    monkeypatch.chdir(place.root)
    at = place.clock.now
    one = cli(*line.split())
    place.clock.now = at
    monkeypatch.setattr(quick, "READS", {})
    assert cli(*line.split()) == one


def test_plain_words_take_the_quick_way(place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("m@1.0.0")
    monkeypatch.setattr("helixctl.cli.app.invoked", lambda *_: 99)
    for line in ("show m@1.0.0 -o json", "list", "status m", "check m@1.0.0 --for testing"):
        assert cli(*line.split()).code == 0
    assert cli("list", "-h").code == 99


def test_the_options_of_the_quick_way_are_those_of_the_commands() -> None:
    from helixctl.cli import app

    for name, read in quick.READS.items():
        params = app.command(name, menu.COMMANDS[name]).params
        known = {option: param.name for param in params for option in (*param.opts, *param.secondary_opts)}
        for option, called in {**quick.VALUED, **quick.FLAGS, **read.options}.items():
            assert known[option] == called, (name, option)
