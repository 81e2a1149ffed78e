"""Formats of records: a module each, that tells its own by content and reads a source of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, Protocol, cast

from helixctl.core.stats import Inference, Score
from helixctl.engines import Query, Subject
from helixctl.errors import Usage

READERS: Mapping[str, str] = MappingProxyType({"native": "helixctl.engines.readers.native"})
"""Format -> module, imported when asked for; each is a Reader. They are tried in this order."""

FIRST = 65_536
"""How many bytes of a source, decompressed, tell its format."""


class LineError(ValueError):
    """A record that is no inference; the text says why, without anything of its content."""


class MismatchError(LineError):
    """A record that names another model or version."""


class Skipped(NamedTuple):
    """A record that a filter leaves out."""


Found = Inference | Score | Skipped | LineError
"""What a reader makes of one record; errors are given, not raised, so that reading goes on."""


class Reader(Protocol):
    """A format: a module with these two functions."""

    def matches(self, head: bytes) -> bool:
        """Tell whether a source that begins with these (at most FIRST) bytes is of this format."""

    def read(self, stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
        """Yield each record with its line, or its place in the document, counted from 1."""


def reader(name: str) -> Reader:
    """Return the reader of that format.

    Raises:
        Usage: there is none.
    """
    if name not in READERS:
        raise Usage(f"no record format {name!a}", hint=f"choose one of: {', '.join(READERS)}")
    return cast(Reader, import_module(READERS[name]))
