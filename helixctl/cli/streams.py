"""How a command ends, and the streams that it prints to: closed, full, or no longer read."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from helixctl.errors import StorageRefused


class Done(Exception):
    """A command has printed its result and ends with an exit code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def is_hung_up(stream: TextIO) -> bool:
    """Tell whether the other end of a pipe was closed; Windows tells it at the next write."""
    import select

    try:
        descriptor = stream.fileno()
    except OSError:
        return False
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def columns(stream: TextIO) -> int | None:
    """Return how wide the terminal is that a stream goes to; None where it is none, or does not know."""
    with suppress(OSError, ValueError):
        return os.get_terminal_size(stream.fileno()).columns or None if stream.isatty() else None
    return None


def in_place_of(descriptor: int) -> TextIO:
    """Return what stands for a stream that was closed before the program began: no write to it succeeds.

    It takes the descriptor, so that no file which is opened later gets it, and is written to by what means the stream.
    """
    os.dup2(os.open(os.devnull, os.O_RDONLY), descriptor)
    return os.fdopen(descriptor, "w", encoding="utf-8")


def whole(stream: TextIO) -> TextIO:
    """Return a stream that writes all or fails; unbuffered, Python drops what a full disk or a closed pipe did not take."""
    if not isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        return stream
    return io.TextIOWrapper(io.BufferedWriter(stream.buffer), encoding=stream.encoding)


def silence(stream: TextIO) -> None:
    """Send what is left in the buffer of a stream nowhere, where it has a descriptor."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(stream: TextIO, text: str) -> None:
    """Write what is said beside the result; where nobody can be told, it goes nowhere, and the exit code stays."""
    try:
        stream.write(text)
        stream.flush()
    except OSError:
        silence(stream)


@contextmanager
def printing(stream: TextIO) -> Iterator[None]:
    """Turn an error of standard output into a refusal, but leave a closed pipe to the edge; what is left in it goes nowhere."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(stream)  # else Python tells at its end, beside the refusal, that it could not write the rest
        fact = f"cannot write to standard output: {(error.strerror or 'failed').lower()}"
        is_full = error.errno == errno.ENOSPC
        hint = "free some space there" if is_full else "send it to a file or a pipe that can be written to"
        raise StorageRefused(fact, hint=hint) from None
