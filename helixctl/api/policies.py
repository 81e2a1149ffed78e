"""What is asked about the policies themselves: which there are, whether they load, why they apply, and their tests."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from helixctl.core.toml import MAX_BYTES
from helixctl.errors import BadSettings, HelixError, Invalid, NotFound
from helixctl.storage import disk, tree

if TYPE_CHECKING:
    from helixctl.api import Registry
    from helixctl.core.explaining import Told
    from helixctl.core.people import People
    from helixctl.core.policy import Decision, Policy
    from helixctl.core.rehearsal import Rehearsed


class Listed(NamedTuple):
    """Every policy, and whether the log knows it as it is."""

    policies: tuple[Policy, ...]
    recorded: tuple[bool, ...]


class Linted(NamedTuple):
    """The files that were looked at, and all that is wrong with them."""

    paths: tuple[str, ...]
    faults: tuple[HelixError, ...]

    @property
    def is_sound(self) -> bool:
        """True where every file loads."""
        return not self.faults


class Explained(NamedTuple):
    """The decision, and what every rule made of the change."""

    decision: Decision
    rules: tuple[Told, ...]


class Rehearsals(NamedTuple):
    """What came of every case."""

    cases: tuple[Rehearsed, ...]

    @property
    def is_sound(self) -> bool:
        """True where every case came out as expected."""
        return not any(one.differences for one in self.cases)


class Policies(NamedTuple):
    """The policies of a registry."""

    registry: Registry

    def explain(self, ref: str, action: str, region: str | None = None) -> Explained:
        """Return why each rule applies to an action now or does not, and what it saw."""
        from helixctl import gate
        from helixctl.api.checking import foreseen
        from helixctl.core.explaining import explained
        from helixctl.core.policy import asked

        found = foreseen(self.registry.store, ref, action, region)
        case = asked(found.action, found.case, found.request)
        return Explained(gate.check(found), explained(case, found.policies))

    def listed(self) -> Listed:
        """Return every policy, and whether the log knows it as it is.

        Raises:
            BadSettings: one does not load.
        """
        from helixctl.storage import ledger

        with self.registry.store.reading() as still, closing(ledger.load(still.root)) as book:
            found = still.policies()
            known = [book.logged(one.path) for one in found]
        same = [row is not None and row.after == one.digest for one, row in zip(found, known, strict=True)]
        return Listed(found, tuple(same))

    def lint(self, paths: Sequence[str] = ()) -> Linted:
        """Return all that is wrong with some files, by default with every policy, and with who is who.

        Raises:
            NotFound, StorageRefused: a file cannot be read.
        """
        from helixctl.core.linting import faults, strange_groups

        found: list[HelixError] = []
        people = None
        try:
            people = self._people()
        except HelixError as error:
            found.append(error if error.path else error.become(BadSettings, tree.MARKER))
        named = self._named(paths, tree.policy_paths)
        for path, raw in named:
            wrong = faults(raw) or (strange_groups(raw, people) if people else ())
            found += [error.become(BadSettings, path) for error in wrong]
        for path in () if paths else tree.unread_policies(self.registry.store.root):
            hint = "move it to policies/ itself, or cases to policies/tests, with a name that ends in .toml"
            found.append(BadSettings("is not read: no rule in it holds", path=path, hint=hint))
        return Linted(tuple(path for path, _ in named), tuple(found))

    def _people(self) -> People:
        from helixctl.storage import statements, vouching

        store = self.registry.store
        return statements.people_of(vouching.trusted(store, vouching.commit_of(store, store.settings())))

    def test(self, paths: Sequence[str] = ()) -> Rehearsals:
        """Return what comes of the cases of some files, by default of `policies/tests/*.toml`.

        Raises:
            NotFound: there is no case, or no such file. StorageRefused: one cannot be read. Invalid: one is malformed.
            BadSettings: a policy does not load.
        """
        from helixctl.core.rehearsal import Given, rehearse

        store = self.registry.store
        given = Given(store.policies(), store.settings(), self._people())
        cases: list[Rehearsed] = []
        named = self._named(paths, tree.policy_test_paths)
        if not named:
            raise NotFound("there are no cases in policies/tests", hint="docs/policy.md shows how to write one")
        for path, raw in named:
            try:
                cases += rehearse(raw, path, given)
            except Invalid as error:
                raise error.at(path) from None
        return Rehearsals(tuple(cases))

    def _named(self, paths: Sequence[str], all_of: Callable[[str], list[str]]) -> list[tuple[str, bytes]]:
        """Return the files that were named, or those of the registry, with their bytes."""
        store = self.registry.store
        if not paths:
            return [(path, store.read(path)) for path in all_of(store.root)]
        found = []
        for path in paths:
            with disk.refusing(f"read {path}"), open(path, "rb") as handle:
                found.append((os.path.relpath(path, store.root), handle.read(MAX_BYTES + 1)))
        return found
