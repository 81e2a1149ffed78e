from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from helixctl.errors import Locked, StorageRefused
from helixctl.storage import lock
from tests.conftest import Place


def test_one_writer_at_a_time(place: Place) -> None:
    root = str(place.root)
    with lock.exclusive(root), pytest.raises(Locked, match="another writer"), lock.exclusive(root, 0.01):
        pass
    with lock.exclusive(root, 0.01):
        pass


def test_readers_share_and_keep_a_writer_out(place: Place) -> None:
    root = str(place.root)
    with lock.shared(root), lock.shared(root), pytest.raises(Locked), lock.exclusive(root, 0.01):
        pass
    with lock.exclusive(root, 0.01):
        pass


def test_the_lock_is_let_go_when_the_work_fails(place: Place) -> None:
    with pytest.raises(ZeroDivisionError), lock.exclusive(str(place.root)):
        raise ZeroDivisionError
    with lock.exclusive(str(place.root), 0.01):
        pass


def test_a_reader_reads_without_a_lock_to_open_and_makes_none(tmp_path: Path) -> None:
    with lock.shared(str(tmp_path)):
        assert os.listdir(tmp_path) == []


def test_a_fresh_clone_without_its_private_folder_is_written_to(place: Place) -> None:
    place.register("m@1.0.0")
    shutil.rmtree(place.root / ".helix")
    place.register("m@2.0.0")
    assert place.registry.verify().outcome == "ok"


def test_a_lock_that_cannot_be_opened_refuses(tmp_path: Path) -> None:
    (tmp_path / ".helix").write_text("in the way")
    with pytest.raises(StorageRefused), lock.exclusive(str(tmp_path)):
        pass
