from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.crash.faults")

from helixctl.storage import records  # noqa: E402
from tests.crash.faults import Scenario, beneath, no_fault, scenario  # noqa: E402


@pytest.fixture(autouse=True)
def unsynced() -> Iterator[None]:
    """Spare the disk: what is tested here dies with a process, not with the power."""
    with beneath(no_fault):
        yield


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is decoded of every model, so that each crash meets rows, and writes of rows."""
    monkeypatch.setattr(records, "FEWEST", 1)
    monkeypatch.setattr(records, "SETTLED_NS", -(10**18))


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str], Scenario]:
    """Make the registry of a scenario by its name."""
    return lambda name: scenario(name, tmp_path)
