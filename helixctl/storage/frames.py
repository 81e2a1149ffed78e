"""The lines of a stream, read in pieces: flat in memory whatever the stream holds."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from helixctl.core.audit import MAX_LINE

_PIECE = 262_144


class Frames:
    """The finished lines of a stream without their newlines; `tail` is what follows the last newline.

    It stops at a line of more than 1 MiB: then `is_too_long`, and the tail is the part of it that was read.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.tail, self.is_too_long = stream, b"", False

    def __iter__(self) -> Iterator[bytes]:
        return chain.from_iterable(self._batches())

    def _batches(self) -> Iterator[list[bytes]]:
        while piece := self.stream.read(_PIECE):
            lines = (self.tail + piece).split(b"\n")
            self.is_too_long = len(lines[0]) > MAX_LINE
            if self.is_too_long:
                self.tail = lines[0]
                return
            self.tail = lines.pop()
            yield lines
