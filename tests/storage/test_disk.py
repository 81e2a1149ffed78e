from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from helixctl.errors import NotFound, StorageRefused, TornAppend
from helixctl.storage import disk


class Failing:
    """Stands for `os` in storage/disk.py, with some functions that fail."""

    def __init__(self, *names: str, code: int = errno.EIO, after: int = 0) -> None:
        self.names, self.code, self.left = names, code, after

    def __getattr__(self, name: str) -> Any:
        if name not in self.names:
            return getattr(os, name)

        def fail(*given: Any) -> Any:
            self.left -= 1
            if self.left >= 0:
                return getattr(os, name)(*given)
            raise OSError(self.code, os.strerror(self.code))

        return fail


def test_a_new_file_is_never_written_over_another(tmp_path: Path) -> None:
    path = tmp_path / "new"
    disk.write_new(str(path), b"one")
    with pytest.raises(FileExistsError):
        disk.write_new(str(path), b"two")
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize(
    "write", [disk.write_new, lambda path, data: disk.append_line(path, data, os.path.dirname(path))]
)
def test_nothing_is_written_through_a_link(tmp_path: Path, write: Any) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"theirs")
    link = tmp_path / "link"
    link.symlink_to(outside)
    with pytest.raises(OSError):
        write(str(link), b"mine")
    assert outside.read_bytes() == b"theirs"


def test_lines_are_appended_and_folders_made(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "log"
    disk.append_line(str(path), b"one\n", str(tmp_path))
    disk.append_line(str(path), b"two\n", str(tmp_path))
    assert path.read_bytes() == b"one\ntwo\n"


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Short(Failing):
        def write(self, handle: int, data: memoryview) -> int:
            return os.write(handle, data[:3])

    monkeypatch.setattr(disk, "os", Short())
    path = tmp_path / "log"
    disk.append_line(str(path), b"0123456789\n", str(tmp_path))
    assert path.read_bytes() == b"0123456789\n"


@pytest.mark.parametrize("name", ["write", "fsync"])
def test_an_append_that_fails_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")

    class Once(Failing):
        def __getattr__(self, called: str) -> Any:
            if called == name and self.left == 0:
                self.left = -1
                return self.fail
            return getattr(os, called)

        def fail(self, handle: int, *given: bytes) -> int:
            if given:
                os.write(handle, given[0][:2])
            raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(disk, "os", Once())
    with pytest.raises(OSError):
        disk.append_line(str(path), b"two\n", str(tmp_path))
    assert path.read_bytes() == b"one\n"


def test_a_new_file_whose_first_append_fails_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "os", Failing("write", code=errno.ENOSPC))
    with pytest.raises(OSError):
        disk.append_line(str(tmp_path / "log"), b"one\n", str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_an_append_that_cannot_be_taken_back_says_that_its_fate_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "os", Failing("fsync", "ftruncate"))
    with pytest.raises(TornAppend) as refused:
        disk.append_line(str(tmp_path / "log"), b"one\n", str(tmp_path))
    assert refused.value.exit_code == 8


def test_a_close_that_fails_takes_no_synced_append_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\n")
    monkeypatch.setattr(disk, "os", Failing("close"))
    disk.append_line(str(path), b"two\n", str(tmp_path))
    assert path.read_bytes() == b"one\ntwo\n"


def test_an_empty_file_that_a_crash_left_gets_its_folder_synced_with_its_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    path.touch()
    synced: list[str] = []
    monkeypatch.setattr(disk, "sync_folder", synced.append)
    disk.append_line(str(path), b"one\n", str(tmp_path))
    disk.append_line(str(path), b"two\n", str(tmp_path))
    assert synced == [str(tmp_path)]


def test_a_shared_append_that_fails_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    disk.append_shared(str(path), b"one\n", 100)
    monkeypatch.setattr(disk, "os", Failing("write", code=errno.ENOSPC))
    with pytest.raises(OSError):
        disk.append_shared(str(path), b"two\n", 100)
    assert path.read_bytes() == b"one\n"


def test_a_replacement_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "derived"
    disk.replace(str(path), b"old")
    monkeypatch.setattr(disk, "os", Failing("write", code=errno.ENOSPC))
    with pytest.raises(OSError):
        disk.replace(str(path), b"new")
    monkeypatch.undo()
    assert [(one.name, one.read_bytes()) for one in tmp_path.iterdir()] == [("derived", b"old")]


def test_empty_folders_are_removed_up_to_the_top_and_no_further(tmp_path: Path) -> None:
    (tmp_path / "top" / "a" / "b").mkdir(parents=True)
    disk.remove_empty_folders(str(tmp_path / "top" / "a" / "b"), str(tmp_path / "top"))
    assert (tmp_path / "top").is_dir()
    assert not (tmp_path / "top" / "a").exists()


def test_what_is_gone_already_is_removed_without_complaint(tmp_path: Path) -> None:
    disk.remove(str(tmp_path / "none"))
    disk.remove_folder(str(tmp_path / "none"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "free some space"),
        (errno.EDQUOT, "free some space"),
        (errno.EACCES, "get permission"),
        (errno.EROFS, "a checkout you may write to"),
        (errno.ELOOP, "symbolic links"),
        (errno.EISDIR, "move the folder away"),
        (errno.EIO, "check the disk"),
    ],
)
def test_an_error_of_the_disk_is_refused_with_what_helps(code: int, hint: str) -> None:
    with pytest.raises(StorageRefused, match="cannot write the file") as refused, disk.refusing("write the file"):
        raise OSError(code, os.strerror(code))
    assert refused.value.exit_code == 8
    assert hint in str(refused.value.hint)


def test_a_file_that_is_not_there_is_not_found() -> None:
    with pytest.raises(NotFound), disk.refusing("read it"):
        raise FileNotFoundError(errno.ENOENT, "no such file")
