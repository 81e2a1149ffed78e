"""A specification from the options of `register`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from helixctl.core.edit import parse_assignment
from helixctl.core.names import parse_exact
from helixctl.core.toml import MAX_BYTES
from helixctl.errors import Invalid, Usage
from helixctl.storage import disk


def specification(
    stdin: BinaryIO, ref: str | None, file: str | None, named: Mapping[str, Any], assignments: list[str]
) -> bytes | dict[str, Any]:
    """Return the text of a file, or the values that options give.

    Raises:
        Usage: neither or both, or no provider. Invalid: the file is too large. NotFound, StorageRefused: it cannot be read.
    """
    given = {key: value for key, value in named.items() if value}
    if file is not None:
        if given or assignments:
            raise Usage("a file and options both describe the version", hint="put all values into the file")
        return _text(stdin, file)
    if ref is None:
        raise Usage("no version named", hint="helixctl register MODEL@VERSION --provider NAME, or -f FILE")
    exact = parse_exact(ref)
    values: dict[str, Any] = {"model": exact.model, "version": exact.version, **given}
    for key, value in map(parse_assignment, assignments):
        table, dot, leaf = key.partition(".")
        if not dot:
            values[table] = value
        else:
            _put(values.setdefault(table, {}), leaf, value)
    if "provider" not in values:
        raise Usage("no provider given", hint="add --provider NAME")
    return values


def _put(table: dict[str, Any], path: str, value: Any) -> None:
    key, dot, rest = path.partition(".")
    if dot:
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise Usage(f"{key!a} cannot be a value and a table", hint="leave one --set out")
        _put(inner, rest, value)
    else:
        table[key] = value


def _text(stdin: BinaryIO, file: str) -> bytes:
    if file == "-":
        raw = stdin.read(MAX_BYTES + 1)
    elif os.path.isdir(file):
        raise Usage(f"{file} is a folder", hint="name a file in it")
    else:
        with disk.refusing(f"read {file}"), open(file, "rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise Invalid(f"more than {MAX_BYTES} bytes", path=file, hint="this is no version file")
    return raw
