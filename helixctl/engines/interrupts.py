"""Signals: kept from work that has to be whole, known where a library renames them, leaving no litter; and limits of time."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let SIGINT and SIGTERM wait until the block is done; on Windows, which has no such mask, they do not."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def spill_folder() -> Iterator[str]:
    """Make a folder of which neither the block's end nor SIGTERM leaves anything, where that signal is nobody else's."""
    from tempfile import TemporaryDirectory

    def leave(*_: object) -> None:
        folder.cleanup()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTERM)

    is_main = threading.current_thread() is threading.main_thread()
    is_free = is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with uninterrupted():
        folder = TemporaryDirectory(prefix="helixctl-", ignore_cleanup_errors=True)
        if is_free:
            signal.signal(signal.SIGTERM, leave)
    try:
        with folder as path:
            yield path
    finally:
        if is_free:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def interrupted_as(words: str) -> Iterator[None]:
    """Raise an interrupt as what it is, where a library makes a RuntimeError with these words of it."""
    try:
        yield
    except RuntimeError as error:
        if words not in str(error):
            raise
        raise KeyboardInterrupt from None


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TimeoutError where the block takes longer; beside the main thread, and on Windows, nothing can stop it."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
