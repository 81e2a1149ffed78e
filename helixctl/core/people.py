"""Who is who: the people and groups of trust/approvers.toml. Approvals count people, not names nor keys."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.errors import Invalid

APPROVERS = "trust/approvers.toml"


def identity(value: Any) -> str:
    """A name that an actor or a key goes by, without `*`, `?` or `!`; one with a comma is of no key."""
    if set(s.name(value)) & set("*?!"):
        raise ValueError("is a pattern: name each identity by itself")
    return str(value)


SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "people": s.map_of(s.list_of(identity)),
    "groups": s.map_of(s.list_of(s.name)),
}


class People(NamedTuple):
    """People by identity, and groups of people; without a file each identity is a person, and there are no groups."""

    known: Mapping[str, str] | None = None
    groups: Mapping[str, frozenset[str]] = MappingProxyType({})

    def of(self, name: str) -> str | None:
        """Return the person that goes by a name, in whatever case; None where the file knows nobody of it."""
        key = name.casefold()
        return key if self.known is None else self.known.get(key)

    def are_same(self, name: str, other: str) -> bool:
        """Tell whether two names are of one person; an unknown name is of nobody but itself."""
        return (self.of(name) or name.casefold()) == (self.of(other) or other.casefold())

    def is_in(self, name: str, groups: tuple[str, ...]) -> bool:
        """Tell whether a name is of a person in one of some groups."""
        return any(self.of(name) in self.groups.get(group, ()) for group in groups)


def decode(raw: bytes) -> People:
    """Return the people that trust/approvers.toml holds.

    Raises:
        Invalid: not TOML, an unknown key, an identity of two people, or a group of somebody who is not there.
    """
    data = toml.load(raw, SCHEMA, required=("schema", "people"))
    known: dict[str, str] = {}
    for person, names in data["people"].items():
        for name in names:
            other = known.setdefault(name.casefold(), person)
            if other != person:
                raise _at(f"people.{person}", f"{name!a} is {other!a} already", raw)
    for group, members in data.get("groups", {}).items():
        for member in sorted(set(members) - set(data["people"])):
            near = s.did_you_mean(member, data["people"])
            raise _at(f"groups.{group}", f"{member!a} stands not in [people]{near}", raw)
    return People(known, {group: frozenset(members) for group, members in data.get("groups", {}).items()})


def _at(key: str, fact: str, raw: bytes) -> Invalid:
    error = Invalid(f"{key}: {fact}", key=key, hint="correct it there")
    toml.placed(error, raw)
    return error
