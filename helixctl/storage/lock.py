"""The registry's lock: one writer, or many readers. It ends with the process that holds it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from helixctl.errors import Locked
from helixctl.storage import disk, system, tree

PATH = ".helix/lock"
SWEEP, REFRESH = ".helix/sweep.lock", ".helix/refresh.lock"
PATIENCE_S = 30.0


@contextmanager
def exclusive(root: str, patience_s: float = PATIENCE_S, path: str = PATH) -> Iterator[None]:
    """Hold the registry (or with another path one of its duties) alone, creating the lock where it is not there.

    Raises:
        Locked: somebody else held it for longer than `patience_s`.
        StorageRefused: the lock cannot be opened.
        Damaged: a link stands in its place, or in that of its folder.
    """
    tree.refuse_links(root, path)
    full = os.path.join(root, path)
    while True:
        with disk.refusing(f"lock the registry in {root}"):
            disk.make_folders(os.path.dirname(full))  # a fresh clone has none
            handle = os.open(full, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if not _wait(handle, shared=False, patience_s=patience_s):
                raise Locked(
                    f"another writer has held the registry for {patience_s:.0f} s",
                    hint=f"run it again; if nothing is running, look for a stopped process that holds {path}",
                )
            if _is_same(handle, full):
                yield
                return
        finally:
            _free(handle)


def _is_same(handle: int, path: str) -> bool:
    """Tell whether the file is still the one that was locked: a clean-up of untracked files may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


@contextmanager
def shared(root: str, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold writers off while several files are read; without a lock to open, or in vain, read all the same."""
    try:
        handle = os.open(os.path.join(root, PATH), os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        _wait(handle, shared=True, patience_s=patience_s)
        yield
    finally:
        _free(handle)


def _free(handle: int) -> None:
    with suppress(OSError):
        system.unlock(handle)
    os.close(handle)


def _wait(handle: int, *, shared: bool, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    pause = 0.001
    try:
        while not system.lock(handle, shared=shared):
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)
            pause = min(pause * 2, 0.05)
    except OSError:
        return shared
    return True
