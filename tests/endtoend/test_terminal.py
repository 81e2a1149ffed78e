"""What somebody sees who sits at a terminal: long text by page, and nothing else than in a pipe."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Place
from tests.endtoend.outside import COMMAND, process
from tests.endtoend.terminal import Shown, on_terminal


def typed(full: Place, *words: str, pager: str = "", size: tuple[int, int] = (5, 80), keys: bytes = b"") -> Shown:
    known = {**os.environ, "TERM": "xterm", "HELIX_PAGER": pager, "HELIX_ACTOR": "alice"}
    return on_terminal([*COMMAND, *words], full.root, environment=known, size=size, typed=keys)


def test_text_that_is_taller_than_the_terminal_goes_through_the_pager(full: Place, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    shown = typed(full, "audit", "log", "--color", "never", pager=f"tee {kept}")
    assert shown.code == 0
    assert kept.read_text() == process(("audit", "log"), full.root).out
    assert shown.text.replace("\r\n", "\n") == kept.read_text()


def test_less_shows_a_screen_and_leaves_when_told_to(full: Place) -> None:
    shown = typed(full, "audit", "log", pager="less", keys=b"q")
    assert shown.code == 0
    assert len(shown.text.splitlines()) < len(process(("audit", "log"), full.root).out.splitlines())


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (("audit", "log"), 200),
        (("audit", "log", "-o", "json"), 5),
        (("audit", "log", "--no-input"), 5),
    ],
    ids=["short", "json", "nobody is there"],
)
def test_other_text_does_not(full: Place, tmp_path: Path, words: tuple[str, ...], lines: int) -> None:
    shown = typed(full, *words, pager=f"touch {tmp_path / 'run'}", size=(lines, 100))
    assert shown.code == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("unattended", ["CI=true", "TERM=dumb"])
def test_a_terminal_at_which_nobody_sits_or_that_can_do_little_has_no_pager(
    full: Place, tmp_path: Path, unattended: str
) -> None:
    pager = f"touch {tmp_path / 'run'}"
    shown = on_terminal(
        ["env", "TERM=xterm", f"HELIX_PAGER={pager}", unattended, *COMMAND, "audit", "log"],
        full.root,
        environment=os.environ,
        size=(5, 80),
    )
    assert (shown.code, (tmp_path / "run").exists()) == (0, False)


def test_in_ci_nobody_is_asked_even_at_a_terminal(full: Place) -> None:
    words = ["env", "CI=true", *COMMAND, "retire", "other@1.0.0"]
    shown = on_terminal(words, full.root, environment=os.environ, patience_s=10)
    assert (shown.code, "hint: add --yes" in shown.text) == (9, True)


def test_a_pipe_sees_no_pager(full: Place, tmp_path: Path) -> None:
    ran = process(("audit", "log"), full.root, environment={"HELIX_PAGER": f"touch {tmp_path / 'run'}"})
    assert (ran.code, (tmp_path / "run").exists()) == (0, False)


def test_sigterm_ends_the_pager_too(full: Place, tmp_path: Path) -> None:
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ntrap 'touch {tmp_path}/left; exit' TERM\necho up\nwhile :; do sleep 0.05; done\n")
    pager.chmod(0o755)
    kills = '"$@" <&0 & sleep 1; kill -TERM $!; wait $!; echo code $?'
    known = {**os.environ, "TERM": "xterm", "HELIX_PAGER": str(pager)}
    shown = on_terminal(
        ["bash", "-c", kills, "-", *COMMAND, "audit", "log"], full.root, environment=known, size=(5, 80)
    )
    assert "up" in shown.text
    assert "code 143" in shown.text
    assert (tmp_path / "left").exists()


@pytest.mark.parametrize("pager", ["no-such-pager", "'", "cat", "   "])
def test_without_a_pager_that_runs_the_text_is_printed(full: Place, pager: str) -> None:
    shown = typed(full, "audit", "log", "--color", "never", pager=pager)
    assert shown.text.replace("\r\n", "\n") == process(("audit", "log"), full.root).out


def test_a_pager_that_leaves_early_or_fails_changes_no_exit_code(full: Place) -> None:
    for pager in ("true", "false"):
        assert typed(full, "check", "other@1.0.0", pager=pager, size=(3, 80)).code == 3


def test_what_a_change_did_is_printed_at_once(full: Place, tmp_path: Path) -> None:
    shown = typed(full, "rollback", "m", pager=f"touch {tmp_path / 'run'}", size=(2, 80))
    assert (shown.code, (tmp_path / "run").exists()) == (0, False)
