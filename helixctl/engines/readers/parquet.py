"""Parquet, which only the DuckDB engine reads."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found
from helixctl.errors import Usage


def matches(head: bytes) -> bool:
    """Tell it by its magic bytes."""
    return head.startswith(b"PAR1")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Refuse: only whole files can be read, by another engine.

    Raises:
        Usage: always.
    """
    hint = "--engine duckdb --from FILE, neither compressed nor standard input"
    if find_spec("duckdb") is None:
        hint = "pip install 'helixctl[duckdb]'"
    raise Usage("Parquet takes the duckdb engine and a file", hint=hint)
