"""The one module that writes bytes: synced files, appends, renames, folders. Nothing else in the package writes."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from threading import get_ident
from typing import BinaryIO

from helixctl.errors import NotFound, StorageRefused, TornAppend
from helixctl.storage import system
from helixctl.storage.system import PLAIN

_LONGEST = 1_048_576
_RENAMES, _PAUSE_S = 40, 0.025


@contextmanager
def refusing(doing: str) -> Iterator[None]:
    """Turn an error of the operating system into a refusal that says what was being done.

    Raises:
        NotFound: the file is not there.
        StorageRefused: any other error.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(f"cannot {doing}: no such file", hint="check the path") from error
    except OSError as error:
        raise StorageRefused(f"cannot {doing}: {_words(error)}", hint=_advice(error)) from error


def _words(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def _advice(error: OSError) -> str:
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return "free some space and run it again"
        case errno.EACCES | errno.EPERM | errno.EROFS:
            return "get permission for the folder, or use a checkout you may write to"
        case errno.ELOOP:
            return "the registry holds no symbolic links; replace it by a file"
        case errno.EISDIR:
            return "a file belongs there; move the folder away"
        case errno.ENOTDIR:
            return "a folder belongs there; move the file away"
    return "check the disk and run it again"


def write_new(path: str, data: bytes) -> None:
    """Create a file with these bytes and sync it; its folder is the caller's to sync."""
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | PLAIN) as handle:
        _write_all(handle, data)
        _sync(handle)


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    """Open what is synced before it is closed, so that a close that fails takes nothing back."""
    handle = os.open(path, flags, 0o644)
    try:
        yield handle
    finally:
        with suppress(OSError):
            os.close(handle)


def append_line(path: str, line: bytes, top: str) -> None:
    """Append whole bytes to a file and sync it, creating it where it is not there, below `top`; a failure is taken back.

    Raises:
        OSError: nothing was appended.
        TornAppend: it failed, and so did taking it back.
    """
    make_folders(os.path.dirname(path))
    with _opened(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | PLAIN) as handle:
        size = os.fstat(handle).st_size
        is_new = size == 0  # or left empty by a crash, and then its name may not be synced either
        with ExitStack() as failing:
            failing.callback(_take_back, path, handle, size, is_new)
            _write_all(handle, line)
            _sync(handle)
            if is_new:
                sync_above(path, top)
            failing.pop_all()


def _take_back(path: str, handle: int, size: int, is_new: bool) -> None:
    try:
        os.ftruncate(handle, size)
        _sync(handle)
        if is_new:
            os.unlink(path)
            sync_folder(os.path.dirname(path))
    except OSError as error:
        raise TornAppend(
            "the disk failed while the log was written, and again while that was taken back",
            hint="repair the disk; the next command tells whether the change happened",
        ) from error


def append_shared(path: str, data: bytes, most: int, top: str | None = None) -> int | None:
    """Append whole lines to a file that many write, under a lock of its own; a line that a crash left is cut off first.

    Args:
        most: see below. top: they are synced, and the folders above up to this one, where it is given.

    Returns:
        Where they begin, or None where the file has `most` bytes already and takes no more.

    Raises:
        OSError: nothing was appended.
    """
    make_folders(os.path.dirname(path))
    with _opened(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | PLAIN) as handle:
        while not system.lock(handle):
            time.sleep(0.0005)
        try:
            size = _end_of_lines(handle)
            if size >= most:
                return None
            _append(handle, data, size, sync=top is not None)
            if top is not None:
                sync_above(path, top)
        finally:
            system.unlock(handle)
    return size


def _append(handle: int, data: bytes, size: int, *, sync: bool) -> None:
    try:
        _write_all(handle, data)
        if sync:
            _sync(handle)
    except OSError:
        os.ftruncate(handle, size)
        raise


def _end_of_lines(handle: int) -> int:
    """Cut off a last line that has no end, and return what is left."""
    size = end = os.fstat(handle).st_size
    span = 1
    while end:
        begin = max(end - span, 0)
        os.lseek(handle, begin, os.SEEK_SET)
        found = os.read(handle, end - begin).rfind(b"\n") + 1
        end, span = begin + found, _LONGEST
        if found:
            break
    if end < size:
        os.ftruncate(handle, end)
    return end


def append(path: str, data: bytes) -> None:
    """Append to a file that is not the registry's own."""
    with open(path, "ab") as file:
        file.write(data)


def refuse_unwritable(path: str) -> None:
    """Raise the OSError that `append` would, and leave nothing; what is no file, such as a pipe, is not tried.

    Raises:
        OSError: nothing can be appended.
    """
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        return
    is_new = not os.path.lexists(path)
    append(path, b"")
    if is_new:
        os.unlink(path)


def replace(path: str, data: bytes) -> None:
    """Put derived data in place whole: a reader sees the old or the new file; not synced."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.{os.getpid()}.{get_ident()}"
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | PLAIN, 0o644)
        try:
            _write_all(handle, data)
        finally:
            os.close(handle)
        move(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise


@contextmanager
def private_files(files: Mapping[str, bytes]) -> Iterator[str]:
    """Give a temporary folder, of nobody else, that holds these files by name."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        for name, data in files.items():
            with open(os.path.join(folder, name), "xb") as handle:
                handle.write(data)
        yield folder


@contextmanager
def rewindable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give a stream that can be read again from its start: itself where it can, else a temporary copy."""
    import shutil
    import tempfile

    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy, 1_048_576)
        copy.seek(0)
        yield copy


def put(path: str, data: bytes, scratch: str) -> None:
    """Put a file in place whole and synced, by way of a scratch file on the same disk."""
    make_folders(os.path.dirname(path))
    remove(scratch)
    write_new(scratch, data)
    move(scratch, path)
    sync_folder(os.path.dirname(path))


def move(source: str, target: str) -> None:
    """Rename a file over another; the folders are the caller's to sync.

    Windows refuses while somebody has the other one open: a second of patience then.
    """
    for left in range(_RENAMES if system.IS_WINDOWS else 1, 0, -1):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if left == 1:
                raise
            time.sleep(_PAUSE_S)


def cut(path: str, size: int) -> None:
    """Cut a file back to a size and sync it."""
    with _opened(path, os.O_WRONLY | PLAIN) as handle:
        os.ftruncate(handle, size)
        _sync(handle)


def remove(path: str) -> None:
    """Remove a file where it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def remove_folder(path: str) -> None:
    """Remove a folder and the files in it, where it is there."""
    with suppress(FileNotFoundError):
        for name in os.listdir(path):
            os.unlink(os.path.join(path, name))
        os.rmdir(path)


def remove_empty_folders(path: str, top: str) -> None:
    """Remove a folder and its parents below `top`, as long as they are empty."""
    with suppress(OSError):
        while len(path) > len(top):
            os.rmdir(path)
            path = os.path.dirname(path)


def make_folders(path: str) -> None:
    """Create a folder and its parents, and sync the parent of each one made."""
    if os.path.isdir(path):
        return
    parent = os.path.dirname(path)
    make_folders(parent)
    try:
        os.mkdir(path, 0o755)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    sync_folder(parent)


def sync_above(path: str, top: str) -> None:
    """Sync the folders that a path lies in, up to `top`: a crash may have left any of them made and not synced."""
    for folder in folders_above(path, top):
        sync_folder(folder)


def folders_above(path: str, top: str) -> Iterator[str]:
    """Yield the folders that a path lies in, up to `top`."""
    while len(path) > len(top):
        path = os.path.dirname(path)
        yield path


def sync_file(path: str) -> None:
    """Sync a file that a crash may have left written and not synced; one that only others may write, they did."""
    with suppress(PermissionError), _opened(path, os.O_WRONLY | os.O_APPEND | PLAIN) as handle:
        _sync(handle)


def sync_folder(path: str) -> None:
    """Sync a folder, so that the names in it survive a crash; Windows opens none, and journals names itself."""
    if system.IS_WINDOWS:
        return
    with _opened(path, os.O_RDONLY) as handle:
        os.fsync(handle)


def _sync(handle: int) -> None:
    command = system.full_sync()
    if command is None:
        os.fsync(handle)
    else:
        import fcntl

        fcntl.fcntl(handle, command)


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]
