"""Sources that are compressed, told by their first bytes and read as a stream."""

from __future__ import annotations

import io
import re
from importlib.util import find_spec
from typing import Any, BinaryIO, cast

from helixctl.errors import Usage

FIRST = 65_536
"""How many plain bytes a reader holds, and so how many tell the format of a source."""

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_RECORD = re.compile(rb"\}[ \t\r]*\n")
_PIECE = 1024
"""So much of zstd is fed at once: it holds at most about 40 MiB."""


def decompressed(stream: BinaryIO) -> io.BufferedReader:
    """Return a reader of the plain bytes of a stream, which may be compressed by gzip or zstd.

    Raises:
        Usage: by zstd, which nothing here reads.
    """
    raw = io.BufferedReader(cast(Any, _Open(stream)), FIRST)
    head = raw.peek(4)[:4]
    if head[:2] == GZIP:
        import gzip
        import zlib

        packed = cast(BinaryIO, gzip.GzipFile(fileobj=raw))
        return io.BufferedReader(cast(Any, _Open(packed, (gzip.BadGzipFile, zlib.error))), FIRST)
    if head == ZSTD:
        if find_spec("zstandard") is None:
            raise Usage("a source is compressed by zstd", hint="pip install 'helixctl[zstd]', or decompress it")
        return io.BufferedReader(cast(Any, _Open(cast(BinaryIO, _Zstd(raw)))), FIRST)
    return raw


class _Open(io.RawIOBase):
    """A stream that stays open when its reader goes, and whose first read gives enough to tell a format by."""

    def __init__(self, stream: BinaryIO, broken: tuple[type[Exception], ...] = ()) -> None:
        self._some = cast(Any, stream).read1 if broken or isinstance(stream, io.BufferedReader) else stream.read
        self._broken = broken
        self._is_begun = False
        self._fault: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        if self._fault:
            raise self._fault
        data = self._read(len(into)) if self._is_begun else self._first(min(len(into), FIRST))
        into[: len(data)] = data
        return len(data)

    def _read(self, most: int) -> bytes:
        try:
            return bytes(self._some(most))
        except self._broken:
            raise EOFError("broken") from None

    def _first(self, most: int) -> bytes:
        """Read until there is a line that ends like a record, as a slow pipe may begin with less."""
        self._is_begun, found = True, b""
        while len(found) < most and not _RECORD.search(found):
            try:
                piece = self._read(most - len(found))
            except (EOFError, OSError) as error:
                self._fault = error
                break
            if not piece:
                break
            found += piece
        if self._fault and not found:
            raise self._fault
        return found


class _Zstd(io.RawIOBase):
    """The plain bytes of a stream of zstd frames; an end in the midst of one is an error."""

    def __init__(self, stream: io.BufferedReader) -> None:
        import zstandard

        self._stream, self._error = stream, zstandard.ZstdError
        self._new = zstandard.ZstdDecompressor(max_window_size=2**27).decompressobj
        self._frame, self._fed, self._ready = self._new(), b"", memoryview(b"")
        self._is_open = False

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        while not self._ready:
            piece = self._fed or self._stream.read(_PIECE)
            if not piece and self._is_open:
                raise EOFError("cut short")
            if not piece:
                return 0
            self._fed = b""
            try:
                self._ready = memoryview(self._frame.decompress(piece))
            except self._error:
                raise EOFError("broken") from None
            self._is_open = not self._frame.eof
            if not self._is_open:
                self._fed, self._frame = self._frame.unused_data, self._new()
        count = min(len(into), len(self._ready))
        into[:count], self._ready = self._ready[:count], self._ready[count:]
        return count
