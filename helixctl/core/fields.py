"""The check of fields of a version file: their bounds, and what a field may be called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from helixctl.core import schema as s
from helixctl.core import times
from helixctl.core.case import Answer, Case
from helixctl.core.record import FILE, SPECIFICATION, Record
from helixctl.errors import Invalid

MAX_PATTERN, MAX_SHOWN = 200, 100
_PLAIN, _ORDERED, _TABLES, _ARRAYS = (str, int, Decimal), (int, Decimal, date), (dict, Mapping), (tuple, list)
"""Kinds of values, as tuples: a union made at each call, and an abstract class, cost more than all else of a check."""


def check(wanted: tuple[Mapping[str, Any], ...], case: Case) -> Answer:
    """Pass where each field of the version file keeps to its bounds; one that is not there is an error, unless `required` says else."""
    told: dict[str, list[str]] = {"error": [], "fail": [], "pass": []}
    fixes = []
    for one in wanted:
        for outcome, message in _judged(one, case):
            told[outcome].append(message)
            if outcome != "pass":
                fixes.append(fix(one, case.subject.ref, field(case.subject, one["field"])))
    worst = next((outcome for outcome, messages in told.items() if messages), "not_applicable")
    unknown = [f"could not be evaluated: {'; '.join(told['error'])}"] if told["error"] else []
    messages = [*unknown, *told["fail"]] if fixes else told["pass"]
    fixed = next(filter(None, fixes), f"helixctl show {case.subject.ref}") if fixes else None
    return Answer(worst, "; ".join(messages) or "no such field is stated", fixed)


def _judged(wanted: Mapping[str, Any], case: Case) -> Iterator[tuple[str, str]]:
    (record, why), name = case.judged(case.subject), wanted["field"]
    value, why = field(record or case.subject, name), why if name.startswith("metrics.") else ""
    if value in (None, ""):
        if "required" not in wanted:
            near = "" if is_fixed(name) else s.did_you_mean(name, names(case.subject))
            yield "error", f"{name} is not in the version file{why or near}"
        elif wanted["required"]:
            yield "fail", f"{name} is required and not in the version file{why}"
        return
    if wanted.get("required"):
        is_empty = isinstance(value, (*_TABLES, *_ARRAYS)) and not value
        yield ("fail", f"{name} is required and empty") if is_empty else ("pass", f"{name} is stated")
    for word in (one for one in BOUNDS if one in wanted):
        limit = f"{word} {said(name, wanted[word])}"
        try:
            kept = BOUNDS[word](_dated(value), _dated(wanted[word]))
        except TypeError:
            yield "error", f"{name} ({_kind(value)}) cannot be held to {limit}"
            continue
        told = f"{name} is {said(name, value)}, {'' if kept or word in ('min', 'max') else 'not '}{limit}"
        yield ("pass", told) if kept else ("fail", f"{told}{_beyond(name, word, value, wanted[word])}")


def _beyond(name: str, word: str, value: Any, limit: Any) -> str:
    if word not in ("min", "max") or isinstance(value, date) or _is_hidden(name):
        return ""
    return f" ({'under' if word == 'min' else 'over'} by {abs(value - limit).normalize():f})"


def _dated(value: Any) -> Any:
    return times.instant(value) if isinstance(value, date) else value


def _kind(value: Any) -> str:
    if isinstance(value, _ARRAYS) and not value:
        return "an empty array"
    kinds = {bool: "true or false", str: "a text", tuple: "an array", dict: "a table"}
    return kinds.get(type(value), "a date" if isinstance(value, date) else "a number")


def _ordered(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, _ORDERED):
        raise TypeError("has no order with a number")
    return value


def _same(value: Any, wanted: Any) -> bool:
    return isinstance(value, bool) is isinstance(wanted, bool) and bool(value == wanted)


def _each(value: Any) -> tuple[Any, ...]:
    """Return the elements of an array, or the one value; an empty array states nothing that could hold."""
    if isinstance(value, Mapping):
        raise TypeError("is a table")
    if isinstance(value, _ARRAYS) and not value:
        raise TypeError("is empty")
    return tuple(value) if isinstance(value, _ARRAYS) else (value,)


def _contains(value: Any, wanted: tuple[str, ...]) -> bool:
    if isinstance(value, Mapping):
        return all(value.get(name) is True for name in wanted)
    if not isinstance(value, _ARRAYS):
        raise TypeError("no array")
    return set(wanted) <= set(value)


def _matches(value: Any, pattern: str) -> bool:
    if not all(isinstance(one, str) for one in _each(value)):
        raise TypeError("no text")
    return all(fnmatchcase(one, pattern) for one in _each(value))


BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "min": lambda value, least: bool(_ordered(value) >= least),
    "max": lambda value, most: bool(_ordered(value) <= most),
    "equals": _same,
    "in": lambda value, wanted: all(any(_same(one, other) for other in wanted) for one in _each(value)),
    "contains": _contains,
    "matches": _matches,
}
"""What a field can be held to, by the key that says so; of an array, `in` and `matches` ask for each element."""


def field(record: Record, name: str) -> Any:
    """Return the value of a dotted field of a version file, or None; what follows a free table is one key of it."""
    first, *rest = name.split(".", 2)
    found: Any = record.spec.get(first) if first not in ("lifecycle", "metrics") else getattr(record, first) or None
    for part in rest:
        found = found.get(part) if isinstance(found, _TABLES) else None
    return found


def tables(record: Record | None) -> dict[str, Any]:
    """Return the tables of a version file, as an expression sees them too; none where there is no version."""
    if record is None:
        return {}
    return {**record.spec, "lifecycle": record.lifecycle, **({"metrics": record.metrics} if record.metrics else {})}


def names(record: Record) -> list[str]:
    """Return the dotted names of all fields that a version file states."""
    return [*_names(tables(record), "")]


def _names(table: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in table.items():
        yield prefix + key
        if isinstance(value, Mapping):
            yield from _names(value, f"{prefix}{key}.")


def is_fixed(name: str) -> bool:
    """Tell whether a dotted name is one that the schema of version files spells out."""
    kind: Any = FILE
    for part in name.split("."):
        kind = kind.get(part) if isinstance(kind, Mapping) else None
    return kind is not None


def refuse_unknown(name: str) -> str:
    """Return the name of a field that a version file can have.

    Raises:
        ValueError: it can have none so called.
    """
    kind: Any = FILE
    for part in name.split("."):
        if not isinstance(kind, Mapping):
            return name
        kind = kind.get(part)
        if kind is None:
            raise ValueError(f"no field {name!a}{s.did_you_mean(name, _names(FILE, ''))}")
    return name


def _is_hidden(name: str) -> bool:
    return name.partition(".")[0] == "configuration"


def said(name: str, value: Any) -> str:
    """Return a value as a message shows it; never one of `[configuration]`, which may be anything."""
    if _is_hidden(name):
        return "as stated"
    if isinstance(value, _PLAIN):  # mostly, and told faster than that it is no Mapping
        text = str(value)
    else:
        value = [key for key, one in value.items() if one is not False] if isinstance(value, Mapping) else value
        text = ", ".join(map(str, value)) if isinstance(value, _ARRAYS) else str(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def fix(wanted: Mapping[str, Any], ref: object, found: Any = None) -> str | None:
    """Return what to type where a version lacks a field or its bounds do not hold, or None.

    Args:
        found: what the field has.
    """
    name = wanted["field"]
    table = name.partition(".")[0]
    if table == "metrics":
        return f"helixctl evaluate {ref} --from FILE"
    if table not in SPECIFICATION or name in ("schema", "model", "version"):
        return None
    if table == name == "capabilities" and "contains" in wanted:
        has = found if isinstance(found, Mapping) else {}
        lacking = next((one for one in wanted["contains"] if has.get(one) is not True), wanted["contains"][0])
        return f"helixctl update {ref} --set capabilities.{lacking}=true"
    return f"helixctl update {ref} --set {name}=VALUE"


def _name(value: Any) -> str:
    """The dotted name of a field that a version file can have."""
    return refuse_unknown(s.name(value))


def _limit(value: Any) -> Any:
    """A number, or a date."""
    return s.day(value) if isinstance(value, date) else s.number(value)


def _pattern(value: Any) -> str:
    """A pattern of at most 200 characters, in which * stands for any text, ? for one character, [ab] for a choice."""
    if len(s.name(value)) > MAX_PATTERN:
        raise ValueError(f"longer than {MAX_PATTERN} characters")
    return str(value)


_ROW = s.table(
    {
        "field": _name,
        "min": _limit,
        "max": _limit,
        "equals": s.free,
        "in": s.some_of(s.free),
        "contains": s.some_of(s.text),
        "matches": _pattern,
        "required": s.boolean,
    },
    "field",
)


def bounded(value: Any) -> tuple[Mapping[str, Any], ...]:
    """One table, or an array of tables, with `field` and at least one of min, max, equals, in, contains, matches, required."""
    rows, asked = s.one_or_some(_ROW, value), (*BOUNDS, "required")
    if not all(set(asked) & set(row) for row in rows):
        raise ValueError(f"expected at least one of {', '.join(asked)} beside each field")
    for place, row in enumerate(rows):
        _refuse_vain(row, str(place))
    return rows


def _refuse_vain(row: Mapping[str, Any], place: str) -> None:
    """Refuse bounds in no order, and what a field can never hold, such as a word that its closed set lacks."""
    name, kind = row["field"], _kind_at(row["field"])
    for word in (one for one in BOUNDS if one in row and one != "matches"):
        wanted = row[word] if isinstance(row[word], _ARRAYS) else (row[word],)
        if not all(_takes(kind, one) for one in wanted):
            fact = f"{name} can have no value that keeps to {word} {said(name, row[word])}"
            raise Invalid(fact, key=f"{place}.{word}", hint="docs/files.md lists what each field holds")
    if {"min", "max"} <= row.keys() and not _in_order(row["min"], row["max"]):
        fact = f"{name} can have no value that keeps to both min {row['min']} and max {row['max']}"
        raise Invalid(fact, key=f"{place}.min", hint="exchange the two")


def _in_order(least: Any, most: Any) -> bool:
    return isinstance(least, date) is isinstance(most, date) and bool(_dated(least) <= _dated(most))


def _kind_at(name: str) -> Any:
    """Return the kind of values that a field of a version file has; below a table of its own kind, any."""
    kind: Any = FILE
    for part in name.split("."):
        kind = kind[part] if isinstance(kind, Mapping) else s.free
    return (lambda value: s.checked(value, kind)) if isinstance(kind, Mapping) else kind


def _takes(kind: Any, value: Any) -> bool:
    """Tell whether a field may hold such a value, alone or among others; of numbers and times any will do."""
    if isinstance(value, date):
        value = times.instant(date(2000, 1, 1))
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        value = 1
    for form in (value, (value,), {str(value): True}):
        with suppress(ValueError, Invalid):
            kind(form)
            return True
    return False
