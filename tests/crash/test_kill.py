from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.faults import (
    COMMANDS,
    TOUCH,
    Scenario,
    attempt,
    copy,
    expect_sound,
    in_child,
    killed_at,
    recover,
)

Made = Callable[[str], Scenario]
Note = Callable[[str, object], None]
pytestmark = pytest.mark.usefixtures("kept")


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_killed_at_any_call_leaves_the_old_or_the_new_registry(
    name: str, made: Made, tmp_path: Path, record_property: Note
) -> None:
    which = made(name)
    left = []
    for half in (False, True):
        for number, called in enumerate(which.calls, 1):
            if half and called != TOUCH:
                continue
            root = copy(which, tmp_path / "tried")
            code = attempt(which, root, killed_at(number, half=half))
            assert code is None
            left.append(expect_sound(which, root, code))
    record_property("states", len(left))
    assert len(left) >= len(which.calls) + which.calls.count(TOUCH)
    assert set(left) == ({"after"} if name == "init" else {"before", "after"})


def test_the_evaluation_that_expires_evidence_takes_the_oldest_and_keeps_the_newest(made: Made) -> None:
    which = made("expire")
    before, after = ({path for path in files if "/evaluations/" in f"/{path}"} for files in (which.before, which.after))
    assert (len(before), len(after), len(before & after)) == (2, 2, 1)
    assert max(before) in after


def test_a_command_that_is_killed_nowhere_does_what_it_says(made: Made, tmp_path: Path) -> None:
    which = made("activate")
    root = copy(which, tmp_path / "tried")
    code = attempt(which, root, killed_at(len(which.calls) + 1))
    assert code == 0
    assert expect_sound(which, root, code) == "after"


def _killed_twice(which: Scenario, tmp_path: Path, firsts: range) -> int:
    """Return how many different registries, all sound, are left by a death of the command and another of its recovery."""
    recovered, left = set(), set()
    for first in firsts:
        crashed = copy(which, tmp_path / "crashed")
        assert attempt(which, crashed, killed_at(first, half=True)) is None
        if (found := _tree(crashed)) in recovered:
            continue  # a look or a sync leaves no trace
        recovered.add(found)
        second, survived = 0, False
        while not survived:
            second += 1
            root = copy(Scenario(which.name, crashed, which.words, 0, {}, {}, ()), tmp_path / "tried")
            survived = in_child(lambda root=root: recover(which, root), killed_at(second, half=True)) == 0  # type: ignore[misc]
            if (found := _tree(root)) not in left:
                left.add(found)
                expect_sound(which, root, None)
    return len(left)


def _tree(root: Path) -> tuple[tuple[str, bytes | None], ...]:
    below = ((path, path.relative_to(root)) for path in sorted(root.rglob("*")))
    return tuple((str(name), path.read_bytes() if path.is_file() else None) for path, name in below)


def test_recovery_killed_at_any_call_is_finished_by_the_next(made: Made, tmp_path: Path, record_property: Note) -> None:
    which = made("activate")
    half_line = [number for number, called in enumerate(which.calls, 1) if called == TOUCH][-1]
    states = _killed_twice(which, tmp_path, range(half_line, half_line + 6))
    record_property("states", states)
    assert states >= 30


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_recovery_killed_at_any_call_after_a_death_at_any_call_is_finished_by_the_next(
    name: str, made: Made, tmp_path: Path, record_property: Note
) -> None:
    which = made(name)
    firsts = range(1, len(which.calls) + 1, 6 if name == "init" else 1)  # what recovers init is all of init again
    states = _killed_twice(which, tmp_path, firsts)
    record_property("states", states)
    assert states >= 20
