"""Windows and macOS, simulated: their calls stand in for those of this system, on real files and real processes' locks."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from helixctl.cli.actor import actor_of
from helixctl.errors import Locked, NotFound
from helixctl.storage import disk, lock, system
from tests.conftest import Place


def locking(handle: int, mode: int, count: int) -> None:
    """Lock and unlock as the C library of Windows does: the bytes from the place in the file on, never shared, EACCES in vain."""
    assert (mode, count) in ((1, 1), (0, 1))
    assert os.lseek(handle, 0, os.SEEK_CUR) > 2**30
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB if mode else fcntl.LOCK_UN)
    except BlockingIOError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(system, "IS_WINDOWS", True)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=1, LK_UNLCK=0))


@pytest.mark.usefixtures("windows")
def test_on_windows_one_holds_the_registry_and_readers_wait_for_each_other(place: Place) -> None:
    root = str(place.root)
    with lock.exclusive(root), pytest.raises(Locked), lock.exclusive(root, 0.01):
        pass
    with lock.shared(root), pytest.raises(Locked), lock.exclusive(root, 0.01):
        pass
    with lock.shared(root), lock.shared(root, 0.01):  # in vain, and reads all the same
        pass


@pytest.mark.usefixtures("windows")
def test_on_windows_a_registry_is_written_read_and_verified_without_opening_a_folder(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def refuse_folders(path: str, flags: int, mode: int = 0o777) -> int:
        if os.path.isdir(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, mode)

    monkeypatch.setattr(os, "open", refuse_folders)
    place.register("m@1.0.0")
    assert place.registry.verify().outcome == "ok"


@pytest.mark.usefixtures("windows")
def test_on_windows_a_rename_waits_until_the_reader_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "new").write_bytes(b"new")
    (tmp_path / "old").write_bytes(b"old")
    real, refusals, pauses = os.replace, [PermissionError(), PermissionError()], list[float]()

    def busy(source: str, target: str) -> None:
        if refusals:
            raise refusals.pop()
        real(source, target)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(disk, "time", SimpleNamespace(sleep=pauses.append))
    disk.move(str(tmp_path / "new"), str(tmp_path / "old"))
    assert (tmp_path / "old").read_bytes() == b"new"
    assert len(pauses) == 2
    refusals += [PermissionError()] * 1000
    with pytest.raises(PermissionError):
        disk.move(str(tmp_path / "old"), str(tmp_path / "new"))


def test_elsewhere_a_rename_that_is_refused_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "time", None)

    def refuse(source: str, target: str) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        disk.move(str(tmp_path / "a"), str(tmp_path / "b"))


@pytest.mark.usefixtures("windows")
def test_on_windows_the_user_is_the_one_who_logged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")  # no git
    monkeypatch.setattr(os, "getlogin", lambda: "alice")
    monkeypatch.delattr(os, "getuid")
    assert actor_of(None, {}).id == "alice"


def test_on_macos_a_sync_goes_past_the_cache_of_the_drive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[int]()
    monkeypatch.setattr(fcntl, "F_FULLFSYNC", 51, raising=False)
    monkeypatch.setattr(fcntl, "fcntl", lambda _handle, command: asked.append(command))
    disk.write_new(str(tmp_path / "file"), b"data")
    assert asked == [51]


def test_bytes_are_written_as_they_are_where_a_system_would_make_crlf_of_line_feeds() -> None:
    assert system.PLAIN & getattr(os, "O_BINARY", 0) == getattr(os, "O_BINARY", 0)
    assert all("PLAIN" in line for line in _openings() if "O_RDONLY" not in line)


def _openings() -> list[str]:
    source = Path(disk.__file__).read_text()
    return [line for line in source.splitlines() if "os.O_" in line]


def test_where_case_is_not_told_apart_another_spelling_is_not_registered(place: Place) -> None:
    place.register("Model@1.0.0")
    models = place.root / "models"
    (models / "model").mkdir()
    os.link(models / "Model/1.0.0.toml", models / "model/1.0.0.toml")  # such a disk gives one file by both names
    with pytest.raises(NotFound) as found:
        place.registry.show("model@1.0.0")
    assert found.value.hint == "did you mean Model@1.0.0?"
