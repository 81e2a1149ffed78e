from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.faults import (
    COMMANDS,
    TOUCH,
    Fault,
    Scenario,
    attempt,
    copy,
    expect_sound,
    failing_at,
    short_at,
)

Made = Callable[[str], Scenario]
Note = Callable[[str, object], None]
CODES = (errno.ENOSPC, errno.EIO, errno.EACCES)


def _tried(which: Scenario, root: Path, fault: Fault) -> int | None:
    copy(which, root)
    code = attempt(which, root, fault)
    expect_sound(which, root, code)
    return code


@pytest.mark.parametrize("name", ["activate", "denied"])
def test_a_disk_that_fails_once_or_for_ever_is_answered_with_8_or_the_change(
    name: str, made: Made, tmp_path: Path, record_property: Note
) -> None:
    which = made(name)
    codes = [
        _tried(which, tmp_path / "tried", failing_at(number, errno.EIO, for_ever=for_ever))
        for for_ever in (False, True)
        for number in range(1, len(which.calls) + 1)
    ]
    record_property("states", len(codes))
    assert len(codes) >= 2 * len(which.calls)
    assert codes[0] == 8


@pytest.mark.slow
@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("for_ever", [False, True], ids=["once", "for-ever"])
@pytest.mark.parametrize("code", CODES, ids=lambda code: errno.errorcode[code])
@pytest.mark.parametrize("name", COMMANDS)
def test_any_error_of_the_disk_at_any_call_is_answered_with_8_or_the_change(
    name: str, code: int, *, for_ever: bool, made: Made, tmp_path: Path, record_property: Note
) -> None:
    which = made(name)
    numbers = range(1, len(which.calls) + 1)
    codes = [_tried(which, tmp_path / "tried", failing_at(number, code, for_ever=for_ever)) for number in numbers]
    record_property("states", len(codes))
    assert len(codes) == len(which.calls) >= 6
    assert 8 in codes


@pytest.mark.parametrize("name", COMMANDS)
def test_a_write_that_stops_half_way_leaves_nothing(name: str, made: Made, tmp_path: Path) -> None:
    which = made(name)
    writes = [number for number, called in enumerate(which.calls, 1) if called == TOUCH]
    assert writes
    assert [_tried(which, tmp_path / "tried", short_at(number)) for number in writes] == [8] * len(writes)
