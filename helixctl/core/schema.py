"""What a table may hold: kinds of values, and the check that names the key at fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from helixctl.core import names, times
from helixctl.errors import HelixError, Invalid

did_you_mean = names.did_you_mean
Kind = Callable[[Any], Any]
Schema = Mapping[str, "Kind | Schema"]
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
_WORD = r"[\w.-]{1,6}|[A-Za-z_-]{1,24}|\d{1,6} ?(?:sec|min|hour|day|week|month|year)[a-z]{0,4}"
MAX_TEXT = 16_384


def text(value: Any) -> str:
    """A string of at most 16,384 characters."""
    if not isinstance(value, str):
        raise ValueError(f"expected a string, found {_kind_of(value)}")
    if len(value) > MAX_TEXT:
        raise ValueError(f"longer than {MAX_TEXT} characters")
    return value


def name(value: Any) -> str:
    """A string that is not empty."""
    if not text(value).strip():
        raise ValueError("is empty")
    return str(value)


def boolean(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"expected true or false, found {_kind_of(value)}")
    return value


def count(value: Any) -> int:
    """A whole number from 0 to 10^15."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"expected a whole number, found {_kind_of(value)}")
    if not 0 <= value <= 10**15:
        raise ValueError(f"{value} is not between 0 and 10^15")
    return value


def positive(value: Any) -> int:
    """A whole number of at least 1."""
    if count(value) < 1:
        raise ValueError("must be at least 1")
    return int(value)


def days(value: Any) -> int:
    """A whole number of days, at most a century (36,500)."""
    if count(value) > 36_500:
        raise ValueError(f"{value} is not between 0 and 36500")
    return int(value)


def days_ahead(value: Any) -> int:
    """A whole number of days from 1 to 36,500."""
    return days(positive(value))


def number(value: Any) -> Decimal:
    """A finite number of at most 15 significant digits, which JSON carries without loss."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise ValueError(f"expected a number, found {_kind_of(value)}")
    if isinstance(value, int) and abs(value) >= 10**19:
        raise ValueError("is not a number of at most 15 digits")
    exact = Decimal(value)
    if not exact.is_finite() or abs(exact.adjusted()) > 18 or _significant(exact) > 15:
        raise ValueError(f"{value} is not a finite number of at most 15 digits")
    return exact


def _significant(value: Decimal) -> int:
    return len("".join(map(str, value.as_tuple().digits)).rstrip("0"))


def amount(value: Any) -> Decimal:
    """A number that is not negative, such as a price."""
    if number(value) < 0:
        raise ValueError(f"{value} is negative")
    return number(value)


def rate(value: Any) -> Decimal:
    """A number from 0 to 1."""
    if not 0 <= number(value) <= 1:
        raise ValueError(f"{value} is not between 0 and 1")
    return number(value)


def day(value: Any) -> date | datetime:
    """A date (00:00 UTC), or a time with a zone."""
    if not isinstance(value, date):
        raise ValueError(f"expected a date such as 2026-10-23, found {_kind_of(value)}")
    return times.instant(value) if isinstance(value, datetime) else value


def moment(value: Any) -> datetime:
    """A time with a zone."""
    if not isinstance(value, datetime):
        raise ValueError(f"expected a time such as 2026-11-22T10:15:00Z, found {_kind_of(value)}")
    return times.instant(value)


def duration(value: Any) -> str:
    """A duration such as `14d`."""
    try:
        times.parse_duration(text(value))
    except ValueError as error:
        raise ValueError(str(error).replace(ascii(value), _quoted(value))) from None
    return str(value)


def age(value: Any) -> str:
    """A duration such as `14d`, longer than none."""
    if not times.parse_duration(duration(value)):
        raise ValueError(f"{value} is no time at all")
    return str(value)


def digest(value: Any) -> str:
    """A SHA-256 digest: 64 lower-case hexadecimal digits."""
    if not _DIGEST.fullmatch(text(value)):
        raise ValueError("expected 64 lower-case hexadecimal digits")
    return str(value)


def model_id(value: Any) -> str:
    """A model id."""
    return _by(names.parse_model, value)


def version(value: Any) -> str:
    """A version."""
    return _by(names.parse_version, value)


def reference(value: Any) -> str:
    """MODEL or MODEL@VERSION."""
    _by(names.parse_ref, value)
    return str(value)


def list_of(kind: Kind) -> Kind:
    """An array whose elements are all of one kind."""

    def check(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected an array, found {_kind_of(value)}")
        return tuple(_element(element, kind, place) for place, element in enumerate(value))

    check.__doc__ = f"An array. Each element: {(kind.__doc__ or '').strip()}"
    return check


def some_of(kind: Kind) -> Kind:
    """An array that is not empty, whose elements are all of one kind."""
    listed = list_of(kind)

    def check(value: Any) -> tuple[Any, ...]:
        found: tuple[Any, ...] = listed(value)
        if not found:
            raise ValueError("is empty: leave the key out where it is not wanted")
        return found

    check.__doc__ = listed.__doc__
    return check


def one_or_some(kind: Kind, value: Any) -> tuple[Mapping[str, Any], ...]:
    """Return one table, or an array of them that is not empty, as the rows that it has."""
    return tuple(some_of(kind)(value if isinstance(value, list | tuple) else [value]))


def _element(value: Any, kind: Kind, place: int) -> Any:
    try:
        return kind(value)
    except Invalid as error:
        raise inside(str(place), error) from None


_AT_TOP = " at the top of the file"


def inside(path: str, error: Invalid) -> Invalid:
    """Return what is wrong with a value as what is wrong within a table or an array."""
    return Invalid(error.message, key=f"{path}.{error.key}", hint=(error.hint or "").replace(_AT_TOP, " there"))


def map_of(kind: Kind) -> Kind:
    """A table with free keys whose values are all of one kind."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a table, found {_kind_of(value)}")
        return {key: kind(element) for key, element in value.items()}

    check.__doc__ = f"A table with free keys. Each value: {(kind.__doc__ or '').strip()}"
    return check


def table(schema: Schema, *required: str) -> Kind:
    """A table with known keys, some of which must be there."""

    def check(value: Any) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ValueError(f"expected a table with {', '.join(schema)}")
        return checked(value, schema, required=required)

    check.__doc__ = f"A table with {', '.join(schema)}."
    return check


def one_of(*choices: str) -> Kind:
    """One of a closed set of words."""

    def check(value: Any) -> str:
        if value not in choices:
            near = did_you_mean(str(value), choices)
            raise ValueError(f"{_quoted(value)} is none of {', '.join(choices)}{near}")
        return str(value)

    check.__doc__ = f"One of {', '.join(choices)}."
    return check


def exactly(number_: int) -> Kind:
    """One fixed whole number, such as the schema of a file."""

    def check(value: Any) -> int:
        if value != number_ or type(value) is not int:
            raise ValueError(f"{_quoted(value)} is not supported, expected {number_}")
        return number_

    check.__doc__ = f"{number_}."
    return check


def free(value: Any) -> Any:
    """Anything that TOML can say, nested at most 20 deep."""
    return _free(value, 20)


def _free(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError("nested more than 20 deep")
    match value:
        case Mapping():
            return {key: _free(element, depth - 1) for key, element in value.items()}
        case list() | tuple():
            return tuple(_free(element, depth - 1) for element in value)
        case str():
            return text(value)
        case datetime():
            return times.instant(value)
        case bool() | date():
            return value
        case int():
            number(value)
            return value
        case Decimal():
            return number(value)
    raise ValueError(f"expected a value without a local time, found {_kind_of(value)}")


def checked(data: Mapping[str, Any], schema: Schema, *, required: Iterable[str] = ()) -> dict[str, Any]:
    """Return the table with every value checked, its keys in the schema's order.

    Args:
        required: top-level keys that must be there.

    Raises:
        Invalid: an unknown key, a wrong value, or a key that is missing; `key` is its dotted path.
        ValueError: `data` is no table.
    """
    if not isinstance(data, Mapping):
        raise ValueError(f"expected a table, found {_kind_of(data)}")
    for key in required:
        if key not in data:
            raise _missing(key)
    return _checked(data, schema, "")


def faults(data: Mapping[str, Any], schema: Schema, required: Iterable[str] = ()) -> Iterator[Invalid]:
    """Yield what is wrong with each key, where `checked` stops at the first."""
    yield from (_missing(key) for key in required if key not in data)
    for key, value in data.items():
        try:
            _checked({key: value}, schema, "")
        except Invalid as error:
            yield error


def _missing(key: str) -> Invalid:
    return Invalid(f"key {key!r} is missing", key=key, hint=f"add {key} = ...{_AT_TOP}")


def _checked(data: Mapping[str, Any], schema: Schema, prefix: str) -> dict[str, Any]:
    for key in data:
        if key not in schema:
            near = did_you_mean(key, schema)
            raise Invalid(
                f"unknown key {prefix + key!a}{near}",
                key=prefix + key,
                hint=f"rename or remove it; known here: {', '.join(schema)}",
            )
    return {key: _value(data[key], kind, prefix + key) for key, kind in schema.items() if key in data}


def _value(value: Any, kind: Kind | Schema, path: str) -> Any:
    if not callable(kind):
        if not isinstance(value, Mapping):
            raise Invalid(f"{path}: expected a table, found {_kind_of(value)}", key=path, hint=f"write [{path}]")
        return _checked(value, kind, path + ".")
    try:
        return kind(value)
    except Invalid as error:
        raise inside(path, error) from None
    except ValueError as error:
        hint = f"expected here: {(kind.__doc__ or 'as docs/files.md says').strip().splitlines()[0].rstrip('.')}"
        raise Invalid(f"{path}: {error}", key=path, hint=hint) from None


def _by(parse: Callable[[str], Any], value: Any) -> str:
    try:
        parse(text(value))
    except HelixError as error:
        raise ValueError(error.message) from None
    return str(value)


def _quoted(value: Any) -> str:
    """Return a value as an error names it: a plain word or a number; anything else may be a secret in the wrong place."""
    is_word = isinstance(value, str) and re.fullmatch(_WORD, value, re.ASCII)
    return ascii(value) if is_word or isinstance(value, int | Decimal) else _kind_of(value)


def _kind_of(value: Any) -> str:
    kinds = {bool: "a boolean", int: "a whole number", Decimal: "a number", str: "a string", list: "an array"}
    kinds |= {dict: "a table", date: "a date", datetime: "a time"}
    return kinds.get(type(value), f"a {type(value).__name__}")
