"""Interrupts by SIGINT, kept from work that has to be whole, and recognised where a library gives them another name."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Let an interrupt wait until the block is done; on Windows, which has no such mask, it does not."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def interrupted_as(words: str) -> Iterator[None]:
    """Raise an interrupt as what it is, where a library makes a RuntimeError with these words of it."""
    try:
        yield
    except RuntimeError as error:
        if words not in str(error):
            raise
        raise KeyboardInterrupt from None
