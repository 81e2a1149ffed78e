"""Record formats: a function each, from one parsed line to an inference."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from helixctl.core.stats import Inference
from helixctl.engines import Subject
from helixctl.errors import Usage

READERS: Mapping[str, str] = MappingProxyType({"native": "helixctl.engines.readers.native"})
"""Format -> module, imported when asked for; each has a function `read` that is a Reader."""


class LineError(ValueError):
    """A line that is no inference; the text says why, without anything of the line's content."""


class MismatchError(LineError):
    """A line that names another model or version."""


class Reader(Protocol):
    """Turns one parsed line into an inference; raises LineError or MismatchError."""

    def __call__(self, line: Mapping[str, object], subject: Subject) -> Inference: ...


def reader(name: str) -> Reader:
    """Return the reader of that format.

    Raises:
        Usage: there is none.
    """
    if name not in READERS:
        raise Usage(f"no record format {name!a}", hint=f"choose one of: {', '.join(READERS)}")
    return cast(Reader, import_module(READERS[name]).read)
