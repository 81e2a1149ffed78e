"""All that is wrong with a policy, not only what is met first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from helixctl.core import policy_file as file
from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.people import APPROVERS, People
from helixctl.core.policy import Rule
from helixctl.errors import HelixError, Invalid


def faults(raw: bytes) -> tuple[HelixError, ...]:
    """Return what keeps a file from loading, or from being judged by, in the order of its lines."""
    try:
        data = toml.parse(raw)
    except Invalid as error:
        return (error,)
    found = [toml.placed(error, raw) for error in _faults(data)]
    return tuple(sorted(found, key=lambda error: error.line or 0))


def strange_groups(raw: bytes, people: People) -> Iterator[HelixError]:
    """Yield each group that a file, which loads, asks for, and that is none of the people's."""
    data = toml.parse(raw)
    rows = ((f"{name}.{place}.", row) for name in ("rule", "freeze") for place, row in enumerate(data.get(name, ())))
    for prefix, table in (("", data), *rows):
        for word in ("approvals", "override"):
            for group in table.get(word, {}).get("groups", ()):
                if group not in people.groups:
                    fact = f"group {group!a} is not in {APPROVERS}{s.did_you_mean(group, people.groups)}"
                    hint = "add it to [groups] there, or correct the name; until then nobody counts as one of it"
                    yield toml.placed(Invalid(fact, key=f"{prefix}{word}.groups", hint=hint), raw)


class _Array(NamedTuple):
    """An array of tables that are rules: their keys, those that must be there, the one that names them, and the maker."""

    schema: s.Schema
    needs: tuple[str, ...]
    id: str
    make: Callable[[Mapping[str, Any], str, Mapping[str, Any]], Rule]


def _faults(data: Mapping[str, Any]) -> Iterator[Invalid]:
    arrays = {"rule": _Array(file.RULE, file.RULE_NEEDS, "id", file.rule_of)}
    if "freeze" in data:
        arrays["freeze"] = _Array(file.freeze_schema(), file.FREEZE_NEEDS, "name", file.freeze_of)
    head = {key: value for key, value in data.items() if key not in arrays}
    yield from s.faults(head, file.SCHEMA, ("schema", "name"))
    if not arrays.keys() & data.keys():
        yield Invalid("key 'rule' is missing", key="rule", hint="add a [[rule]] or a [[freeze]]")
    ids: set[str] = set()
    for name, array in arrays.items():
        rows = data.get(name, [])
        if not isinstance(rows, list):
            yield Invalid(f"{name}: expected an array of tables", key=name, hint=f"write [[{name}]]")
            continue
        for place, row in enumerate(rows):
            yield from _of_row(row, f"{name}.{place}", array)
            own = row.get(array.id) if isinstance(row, Mapping) else None
            if isinstance(own, str):
                if own in ids:
                    yield Invalid(f"rule id {own!a} stands twice", key=f"{name}.{place}", hint=file.OWN_ID)
                ids.add(own)


def _of_row(row: Any, key: str, array: _Array) -> Iterator[Invalid]:
    if not isinstance(row, Mapping):
        yield Invalid("expected a table", key=key, hint=f"write [[{key.partition('.')[0]}]]")
        return
    wrong = [s.inside(key, one) for one in s.faults(row, array.schema, array.needs)]
    yield from wrong or _broken(lambda: array.make(s.checked(row, array.schema), key, {}))


def _broken(make: Callable[[], Rule]) -> Iterator[Invalid]:
    """Yield what is wrong with a rule whose keys are right: its form, and expressions that do not compile."""
    try:
        rule = make()
    except Invalid as error:
        yield error
        return
    for one in uncompiled(rule):
        yield s.inside(rule.key, one)


def uncompiled(rule: Rule) -> Iterator[Invalid]:
    """Yield the expressions of a rule that do not compile."""
    for key, text in (("when", rule.when), ("expr", rule.parameters if rule.check == "expr" else None)):
        if text is not None:
            from helixctl.core.expressions import compiled

            try:
                compiled(text, key)
            except Invalid as error:
                yield error
