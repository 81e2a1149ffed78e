from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Place

Git = Callable[..., str]
Expect = Callable[[str], None]


@pytest.fixture
def git(place: Place) -> Git:
    """Make the registry a git repository, everything in it committed; give real git in it."""

    def call(*words: str, fails: bool = False) -> str:
        known = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
        done = subprocess.run(["git", *known, *words], cwd=place.root, capture_output=True, text=True)
        assert bool(done.returncode) == fails, done.stderr
        return done.stdout

    call("init", "-q")
    call("add", "-A")
    call("commit", "-qm", "start")
    return call


@pytest.fixture
def on_branch(place: Place, git: Git) -> Callable[[str, Callable[[], object]], None]:
    """Do something on a new branch from main, commit it there, and return to main."""

    def do(name: str, work: Callable[[], object]) -> None:
        git("checkout", "-qb", name, "main")
        work()
        git("add", "-A")
        git("commit", "-qm", name)
        git("checkout", "-q", "main")

    return do


def segments(place: Place) -> list[Path]:
    """Return the files of the log, by name."""
    return sorted(place.root.glob("audit/*/*/*.jsonl"))
