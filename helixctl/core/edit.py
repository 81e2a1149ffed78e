"""Edit single values of a specification's text, keeping comments and layout."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.record import LIFECYCLE, SPECIFICATION, decode_specification, split_head
from helixctl.errors import Invalid, Usage

FIXED = ("schema", "model", "version")


def parse_assignment(text: str) -> tuple[str, Any]:
    """Return the dotted key and the value of `key=value`, the value as TOML, or as text where the key holds text.

    Raises:
        Usage: no `=`, an unknown key, or a key that never changes.
        Invalid: a value of the wrong kind.
    """
    key, equals, literal = text.partition("=")
    key = key.strip()
    if not equals or not key:
        raise Usage(f"expected KEY=VALUE, found {text!a}", hint="write --set cost.input_per_mtok=2.50")
    kind = kind_of(key)
    value: Any = literal
    try:
        (value,) = toml.parse(f"value = {literal}".encode()).values()
        if kind is not None:
            value = kind(value)
    except (Invalid, ValueError):
        value = literal.strip()
    try:
        return key, kind(value) if kind is not None else s.free(value)
    except ValueError as error:
        told = ((kind or s.free).__doc__ or "").strip().rstrip(".")
        raise Invalid(f"{key}: {error}", key=key, hint=f"expected here: {told}") from None


def kind_of(key: str) -> s.Kind | None:
    """Return the kind of a value that may be changed, by its dotted key; None for what is free-form.

    Raises:
        Usage: an unknown key, or one that never changes.
    """
    table, dot, leaf = key.partition(".")
    known = [
        path
        for name, kind in SPECIFICATION.items()
        for path in ([f"{name}.{inner}" for inner in kind] if isinstance(kind, Mapping) else [name])
    ]
    if table in FIXED or table in LIFECYCLE or table in ("lifecycle", "metrics"):
        hint = "register a new version" if table in FIXED else "the lifecycle commands change it"
        raise Usage(f"{key!a} cannot be set", hint=hint)
    if table == "configuration" and dot and leaf:
        _path(key)
        return None
    if key not in known or key == "configuration":
        near = s.did_you_mean(key, known)
        raise Usage(f"unknown key {key!a}{near}", hint="keys of a version file: docs/files.md")
    kind = SPECIFICATION[table]
    return kind[leaf] if isinstance(kind, Mapping) else kind  # type: ignore[return-value]


def _path(key: str) -> list[str]:
    """Return the names in a dotted key, which may be quoted as in TOML."""
    path, inner = [], toml.parse(f"{key} = 0".encode())
    while isinstance(inner, Mapping):
        if len(inner) != 1 or "\n" in key:
            raise Usage(f"{key!a} is no key", hint="write a dotted key, such as configuration.temperature")
        ((name, inner),) = inner.items()
        path.append(name)
    return path


def edited(source: bytes, values: Mapping[str, Any]) -> tuple[bytes, Mapping[str, Any]]:
    """Return the text and the values of a specification with some values set, or removed where None.

    Raises:
        Invalid: the result is no valid specification.
    """
    head = split_head(source)
    for key, value in values.items():
        path = _path(key)
        head = _rewritten(head, path, value, _with(toml.parse(head), path, value))
    return head, decode_specification(head)


def _with(data: dict[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    copy = dict(data)
    if len(path) == 1:
        if value is None:
            copy.pop(path[0], None)
        else:
            copy[path[0]] = value
    else:
        held = copy.get(path[0], {})
        if not isinstance(held, Mapping):
            raise Invalid(
                f"{path[0]!a} holds a value and no table", hint="choose another key, or --unset that one first"
            )
        inner = _with(dict(held), path[1:], value)
        copy[path[0]] = inner
        if not inner:
            del copy[path[0]]
    return copy


def _rewritten(head: bytes, path: list[str], value: Any, wanted: dict[str, Any]) -> bytes:
    """Return the text with one value changed in place; the whole is written anew only where that cannot be done."""
    wanted = toml.parse(toml.dump(wanted).encode())
    text, table = head.decode(), ".".join(path[:-1])
    lines = [line + "\n" for line in text.removesuffix("\n").split("\n")]
    new = [] if value is None else [toml.dump({path[-1]: value})]
    at, header = toml.line_of(text, ".".join(path)), toml.line_of(text, table)
    if at is not None and at != header:
        starts = (at,) if new or header is None else (at, header)  # the last value of a table takes its header along
        for start, end in product(starts, range(at, len(lines) + 1)):
            attempt = "".join(lines[: start - 1] + new + lines[end:]).encode()
            if _says(attempt, wanted):
                return attempt
    for attempt in _insertions(lines, table, new):
        if _says(attempt, wanted):
            return attempt
    return (toml.dump(wanted) + "\n").encode()


def _insertions(lines: list[str], table: str, new: list[str]) -> list[bytes]:
    text = "".join(lines)
    at = toml.line_of(text, table) if table else 0
    if at is None:
        return [(text.rstrip("\n") + f"\n\n[{table}]\n" + "".join(new) + "\n").encode()]
    end = at
    while end < len(lines) and lines[end].strip() and not lines[end].lstrip().startswith("["):
        end += 1
    if not table:
        while end > 0 and not lines[end - 1].strip():
            end -= 1
    return ["".join(lines[:end] + new + lines[end:]).encode()]


def _says(head: bytes, wanted: dict[str, Any]) -> bool:
    try:
        return toml.parse(head) == wanted
    except Invalid:
        return False
