from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from helixctl.api import Registry
from helixctl.cli.tour import STEPS
from tests.conftest import Ran

Helix = Callable[..., Ran]


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Ran]:
    """A folder in which the demo was run, and what it printed."""
    import os
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("tour")
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HELIX")}
    done = subprocess.run(
        [sys.executable, "-m", "helixctl", "demo", "helix-demo"], cwd=folder, capture_output=True, text=True, env=clean
    )
    return folder / "helix-demo", Ran(done.returncode, done.stdout, done.stderr)


def test_the_demo_ends_well_and_says_nothing_on_stderr(toured: tuple[Path, Ran]) -> None:
    _, ran = toured
    assert (ran.code, ran.err) == (0, "")
    assert "Traceback" not in ran.out
    assert "\x1b" not in ran.out


def test_an_interrupt_of_a_step_ends_the_demo(cli: Helix, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Registry, *_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Registry, "register", interrupted)
    ran = cli("demo", str(tmp_path / "tour"))
    assert (ran.code, ran.err) == (130, "")
    assert "$ helixctl status\n" in ran.out
    assert "promote" not in ran.out


def test_every_step_is_printed_as_typed_and_ends_as_it_should(toured: tuple[Path, Ran]) -> None:
    _, ran = toured
    parts = re.split(r"^\$ helixctl (.*)$", ran.out, flags=re.MULTILINE)[1:]
    lines, outputs = parts[::2], parts[1::2]
    assert [line.split(" < ")[0].split(" > ")[0] for line in lines] == [step.line for step in STEPS]
    for step, output in zip(STEPS, outputs, strict=True):
        found = re.search(r"^\(exit (\d+)\)$", output, re.MULTILINE)
        assert (step.line, int(found[1]) if found else 0) == (step.line, step.exit_code)
        assert shlex.split(step.line)[0] in ran.out


def test_the_demo_shows_the_whole_lifecycle(toured: tuple[Path, Ran]) -> None:
    shown = " ".join(step.line for step in STEPS)
    for word in (
        "register",
        "--to testing",
        "record",
        "evaluate",
        "activate",
        "--to canary",
        "rollback",
        "sweep",
        "verify",
    ):
        assert word in shown
    assert "DENIED  activate" in toured[1].out
    assert "audit export" in shown


def test_the_folder_is_left_to_explore_and_verifies(toured: tuple[Path, Ran], helix: Helix) -> None:
    root, _ = toured
    assert helix("verify", cwd=root).code == 0
    exported = (root / "audit.ndjson").read_text().splitlines()
    entries = [json.dumps(entry["hash"]) for entry in Registry.open(root).audit()]
    assert [json.dumps(json.loads(line)["hash"]) for line in exported] == entries
    actions = {json.loads(line)["action"] for line in exported}
    assert {"version.activated", "version.rolled_back", "canary.started", "eol.warned", "deployment.denied"} <= actions


@pytest.mark.slow
def test_the_demo_reads_the_same_on_every_run(toured: tuple[Path, Ran], helix: Helix, tmp_path: Path) -> None:
    again = helix("demo", "helix-demo", cwd=tmp_path, HELIX_ACTOR="somebody@else", TZ="Asia/Tokyo", CI="true")
    assert again.out == toured[1].out
    mine, yours = (
        {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*.*"))
            if path.is_file() and path.name != "index.db"
        }
        for root in (toured[0], tmp_path / "helix-demo")
    )
    assert mine == yours


def test_a_folder_that_holds_something_is_left_alone(helix: Helix, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("x")
    ran = helix("demo", "mine", cwd=tmp_path)
    assert (ran.code, ran.out) == (5, "")
    assert ran.err.startswith("error[HX502]: ")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["precious"]
