"""What operating systems do differently: locks of files, and how a file is opened and synced."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

IS_WINDOWS = os.name == "nt"
PLAIN = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
"""How a file is opened to be written: its bytes as they are (Windows makes CRLF of line feeds), and itself, no link."""

_LOCKED_BYTE = 2**40


def lock(handle: int, *, shared: bool = False) -> bool:
    """Take the lock of an open file, which ends when it is closed; False where somebody else holds it.

    The C library of Windows has no shared locks: readers hold each other off there while they read. Others cannot read
    what is locked there, so the byte locked lies beyond any content.

    Raises:
        OSError: the disk has no locks.
    """
    try:
        if IS_WINDOWS:
            windows = _module("msvcrt")
            os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
            windows.locking(handle, windows.LK_NBLCK, 1)
        else:
            posix = _module("fcntl")
            posix.flock(handle, (posix.LOCK_SH if shared else posix.LOCK_EX) | posix.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def unlock(handle: int) -> None:
    """Free the lock of an open file. Closing alone does so only where no process was forked meanwhile.

    Raises:
        OSError: it was not locked, where that matters.
    """
    if IS_WINDOWS:
        windows = _module("msvcrt")
        os.lseek(handle, _LOCKED_BYTE, os.SEEK_SET)
        windows.locking(handle, windows.LK_UNLCK, 1)
    else:
        posix = _module("fcntl")
        posix.flock(handle, posix.LOCK_UN)


def full_sync() -> int | None:
    """Return the command that syncs past the cache of a drive, where fsync stops before it: on macOS."""
    return None if IS_WINDOWS else getattr(_module("fcntl"), "F_FULLFSYNC", None)


def _module(name: str) -> Any:
    return import_module(name)
