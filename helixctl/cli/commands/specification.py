"""A specification from the options of `register`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from helixctl.core.edit import edited, parse_assignment
from helixctl.core.names import parse_exact
from helixctl.core.record import text_of
from helixctl.core.toml import MAX_BYTES
from helixctl.errors import Invalid, Usage
from helixctl.storage import disk


def specification(
    stdin: BinaryIO, ref: str | None, file: str | None, named: Mapping[str, Any], assignments: list[str]
) -> bytes:
    """Return the text of a file, or one with the values that options give.

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
    assigned = dict(map(parse_assignment, assignments))
    if not {"provider"} & {*given, *assigned}:
        raise Usage("no provider given", hint="add --provider NAME")
    head = text_of({"model": exact.model, "version": exact.version, **given})
    return edited(head, assigned)[0]


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
