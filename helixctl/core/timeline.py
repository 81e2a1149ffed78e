"""What was so at a time, from the log alone: the status of each version, and the entry that gave it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helixctl.core.audit import Filter
from helixctl.core.names import ordered

Entry = Mapping[str, Any]


class Standing(NamedTuple):
    """A version at that time: its status, the entry that gave it, that entry's line and its effects on the version."""

    status: str
    raw: bytes
    entry: Entry
    effects: tuple[Entry, ...]


@dataclass(slots=True)
class Timeline:
    """The log as far as it was added, ascending by (seq, hash); as large as there are versions."""

    standings: dict[tuple[str, str], Standing] = field(default_factory=dict)
    blocked: set[tuple[str, str]] = field(default_factory=set)

    def add(self, raw: bytes, entry: Entry) -> None:
        """Add one entry and its line; a denied or failed attempt has no effects."""
        given: dict[tuple[str, str], list[Entry]] = {}
        for effect in entry["effects"]:
            version = effect["model"], effect["version"]
            if None in version:
                continue
            if effect["action"] == "version.blocked":
                self.blocked.add(version)
            elif effect["action"] == "version.unblocked":
                self.blocked.discard(version)
            if self._gives(effect, self.standings.get(version)):
                given.setdefault(version, []).append(effect)
        for version, effects in given.items():
            self.standings[version] = Standing(effects[-1]["to"], raw, entry, tuple(effects))

    def _gives(self, effect: Entry, known: Standing | None) -> bool:
        """Tell whether an effect gives a status; after a merge it may name one as kept that the log's order would not."""
        status = effect["to"]
        return status is not None and (known is None or known.status != status or effect["from"] != status)

    def entries(self, wanted: Filter) -> list[tuple[bytes, dict[str, Any]]]:
        """Return the wanted lines and entries that are in force, ascending; only the effects in force match."""
        found = {
            (standing.entry["seq"], standing.entry["hash"]): (standing.raw, dict(standing.entry))
            for standing in self.standings.values()
            if wanted.wants(standing.entry, standing.effects)
        }
        return [found[order] for order in sorted(found)]

    def models(self) -> list[str]:
        """Return the ids of all models that there were, sorted."""
        return sorted({model for model, _ in self.standings})

    def versions(self, model: str) -> Iterator[tuple[str, str, bool]]:
        """Yield each version of a model with its status and whether it was blocked, ascending by precedence."""
        for version in sorted((version for name, version in self.standings if name == model), key=_precedence):
            held = model, version
            yield version, self.standings[held].status, held in self.blocked

    def holder(self, model: str, status: str) -> str | None:
        """Return the version of a model that had a status, the first by precedence, or None."""
        return next((version for version, held, _ in self.versions(model) if held == status), None)


def _precedence(version: str) -> tuple[bool, Any, str]:
    try:
        return True, ordered(version), version
    except ValueError:  # a log can hold any text
        return False, (), version
