"""The registry on disk: versions, settings, policies and snapshots; reads never write."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core import record
from helixctl.core.lifecycle import IN_SERVICE
from helixctl.core.names import Ref, parse_model
from helixctl.core.record import Record
from helixctl.errors import BadSettings, Damaged, HelixError, Invalid, NotFound, StorageRefused, Usage
from helixctl.storage import lock, tree

if TYPE_CHECKING:
    from helixctl.core.audit import Filter
    from helixctl.core.policy import Policy
    from helixctl.core.settings import Settings
    from helixctl.core.snapshot import Snapshot
    from helixctl.storage.ledger import Ledger


def utc_now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


def _untold(done: int, total: int) -> None:
    """Say nothing of how far the work is."""


class Store(NamedTuple):
    """A registry's folder.

    `random` gives bytes for ids and names, `clock` the time, `key` the path of the key to sign with; `tell` is told how
    far long work is.
    """

    root: str
    random: Callable[[int], bytes] = os.urandom
    clock: Callable[[], datetime] = utc_now
    key: Callable[[], str | None] = lambda: None
    overlay: Mapping[str, str] = MappingProxyType({})
    tell: Callable[[int, int], None] = _untold

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """Hold writers off, and see through to what a crash left pending; nothing is created."""
        with lock.shared(self.root):
            yield self._replace(overlay=_overlay(self.root))

    def read(self, path: str) -> bytes:
        """Return the bytes of a file of the registry, see `tree.read`."""
        return tree.read(self.root, path, self.overlay)

    def signed(self, data: bytes, namespace: str, why: str) -> bytes:
        """Return the signature of the bytes by the key of whoever acts.

        Args:
            why: a signature is wanted.

        Raises:
            StorageRefused: there is no key, or it does not sign.
        """
        from helixctl.storage import ssh

        key = self.key()
        if key is None:
            hint = "set HELIX_SIGNING_KEY, or git's user.signingkey with gpg.format = ssh"
            raise StorageRefused(f"{why}, and there is no key to sign with", hint=hint)
        return ssh.sign(data, key, namespace)

    def settings(self) -> Settings:
        """Return helix.toml.

        Raises:
            BadSettings: it does not load.
        """
        from helixctl.core import settings

        try:
            return settings.decode(self.read(tree.MARKER))
        except Invalid as error:
            raise error.become(BadSettings, tree.MARKER) from None

    def policies(self) -> tuple[Policy, ...]:
        """Return all policies, by file name.

        Raises:
            BadSettings: one does not load.
        """
        from helixctl.core import policy_file

        loaded = []
        for path in tree.policy_paths(self.root):
            try:
                loaded.append(policy_file.decode(self.read(path), path))
            except Invalid as error:
                raise error.become(BadSettings, path) from None
        return tuple(loaded)

    def models(self) -> list[str]:
        """Return the ids of all models, sorted."""
        return list(tree.models(self.root, self.overlay))

    def record(self, ref: Ref) -> Record:
        """Return one version.

        Raises:
            NotFound: it is not registered.
            Damaged: its file does not decode, or says another name.
        """
        try:
            raw = self.read(tree.path_of(ref))
        except NotFound:
            raise self.missing(ref) from None
        return self.decoded(ref, raw)

    def missing(self, ref: Ref, fact: str = "{} is not registered") -> NotFound:
        """Return the refusal of a model or version that is not there, with the nearest one that is."""
        from helixctl.core.schema import did_you_mean

        versions = tree.versions(self.root, ref.model, self.overlay) if ref.version else []
        near = did_you_mean(str(ref.version), versions) if versions else did_you_mean(ref.model, self.models())
        return NotFound(fact.format(ref) + near, hint="helixctl list shows what there is")

    def unlogged(self, ref: Ref) -> NotFound:
        """Return the refusal of a model or version of which the log has no entry."""
        return self.missing(ref, "the log knows nothing of {}")

    def refuse_unlogged(self, wanted: Filter) -> None:
        """Refuse to look for what is neither registered nor in the log.

        Raises:
            NotFound: the model or version of a filter is not.
        """
        from helixctl.core.audit import Filter

        if wanted.model:
            ref = Ref(parse_model(wanted.model), wanted.version)
            versions = tree.versions(self.root, ref.model, self.overlay)
            is_there = ref.version in versions if ref.version else bool(versions)
            if not is_there and next(self.entries(Filter(*ref)), None) is None:
                raise self.unlogged(ref)

    @contextmanager
    def naming(self, ref: Ref) -> Iterator[None]:
        """Let a refusal that finds nothing of a model name the nearest one."""
        try:
            yield
        except NotFound:
            if tree.versions(self.root, ref.model, self.overlay):
                raise
            raise self.missing(ref) from None

    def resolved(self, named: Ref) -> Record:
        """Return the version that a reference means now, as no writer is at work.

        Raises:
            NotFound: it is not registered. Damaged: a file does not decode. Usage: it names no version.
        """
        with self.reading() as still:
            if named.version is not None and not named.is_alias:
                return still.record(named)
            rules = still.settings(), ()  # policies decide nothing here, and cost start-up
            if named.version == "previous":
                now = still.compared_snapshot(named.model, self.clock(), rules)
            else:
                now = still.snapshot(named.model, self.clock(), rules=rules)
            if now.damaged:
                raise now.damaged[0]
            if not now.records:
                raise self.missing(Ref(named.model))
            if named.version is None:
                raise Usage(f"{named} names no version", hint=f"write {named.model}@active or {named.model}@VERSION")
            return now.record(now.resolve(named))

    def decoded(self, ref: Ref, raw: bytes) -> Record:
        """Return the record that the bytes of a version's file hold.

        Raises:
            Damaged: they do not decode, or say another name.
        """
        path = tree.path_of(ref)
        try:
            found = record.decode(raw)
        except HelixError as error:
            raise error.become(Damaged, path) from None
        if found.ref != ref:
            if self._is_same_file(path, tree.path_of(found.ref)):  # on a disk that does not tell upper from lower case
                raise NotFound(f"{ref} is not registered", hint=f"did you mean {found.ref}?")
            raise Damaged(f"the file says it is {found.ref}", path=path, hint="restore the file from git")
        return found

    def _is_same_file(self, path: str, other: str) -> bool:
        full, near = (os.path.join(self.root, one) for one in (path, other))
        return path.lower() == other.lower() and os.path.exists(near) and os.path.samefile(full, near)

    def records(self, model: str) -> Iterator[Record | HelixError]:
        """Yield each version of a model, or why it cannot be read; by file name."""
        from helixctl.storage import records

        return (one.record for one in records.found(self, model))

    def snapshot(
        self,
        model: str,
        at: datetime,
        book: Ledger | None = None,
        rules: tuple[Settings, tuple[Policy, ...]] | None = None,
    ) -> Snapshot:
        """Return a model as it lies on disk; with the ledger, what differs from the log is found too.

        Args:
            rules: the settings and policies, where they were read before.

        Raises:
            BadSettings: the settings or a policy does not load.
        """
        from helixctl.core.snapshot import Snapshot
        from helixctl.storage import records

        sound, digests, damaged = {}, {}, []
        for name, digest, found in records.found(self, model) if model else ():
            if digest is not None:
                digests[name] = digest
            if isinstance(found, HelixError):
                damaged.append(found)
            else:
                sound[name] = found
        near = None if digests or not model else tree.near_name(self.root, model)
        settings, policies = rules or (self.settings(), self.policies())
        now = Snapshot(model, at, settings, policies, sound, digests=digests, near=near, damaged=tuple(damaged))
        return now if book is None else self._compared(now, book)

    def compared_snapshot(
        self, model: str, at: datetime, rules: tuple[Settings, tuple[Policy, ...]] | None = None
    ) -> Snapshot:
        """Return a model as it lies on disk, compared with the log; nothing is written."""
        from helixctl.storage import ledger

        with closing(ledger.load(self.root, model)) as book:
            return self.snapshot(model, at, book, rules)

    def _compared(self, now: Snapshot, book: Ledger) -> Snapshot:
        folder = f"models/{now.model}"
        logged = {path[len(folder) + 1 : -5]: row for path, row in book.logged_in(folder).items()}
        drifted = {name: "deleted" for name, row in logged.items() if row.after and name not in now.digests}
        for name, found in now.records.items():
            row = logged.get(name)
            if row is None or row.after is None:
                drifted[name] = "the log does not know it"
            elif row.after != now.digests[name]:
                drifted[name] = "specification" if row.state == found.state_digest else "lifecycle or metrics"
        statuses, serving = self._logged(now.model) if drifted else ({}, {})
        kept = {name: str(now.records[name].status) for name, what in drifted.items() if what == "specification"}
        told, displaced = kept | statuses, {}
        for status in IN_SERVICE if drifted else ():
            holder = now.holder(status)
            untold = "" if holder and holder.version not in drifted else status
            displaced[status] = tuple(name for name in drifted if name in logged and told.get(name, untold) == status)
        heads = tuple(sorted(book.heads))
        return now._replace(drifted=drifted, logged_serving=serving, displaced=displaced, heads=heads)

    def _logged(self, model: str) -> tuple[dict[str, str], dict[str, str]]:
        """Return the status, and the serving digest, that the log last gave to each version of a model."""
        from helixctl.core.audit import Filter

        statuses: dict[str, str] = {}
        serving: dict[str, str] = {}
        for entry in self.entries(Filter(model=model)):
            moves = (one for one in entry["effects"] if one["model"] == model and one["to"])
            statuses |= {one["version"]: one["to"] for one in moves}
            if entry["model"] == model and "digests" in entry["data"] and entry["outcome"] == "success":
                serving[entry["version"]] = entry["data"]["digests"]["serving"]
        return statuses, serving

    def entries(self, wanted: Filter) -> Iterator[dict[str, Any]]:
        """Yield the entries that a filter wants, ascending by (seq, hash).

        Raises:
            BrokenLog: a line is no entry.
        """
        from helixctl.storage import log

        return (entry for _, entry in log.query(self.root, wanted))


def _overlay(root: str) -> dict[str, str]:
    try:
        is_clean = not os.listdir(os.path.join(root, ".helix", "pending"))
    except OSError:
        is_clean = True
    if is_clean:
        return {}
    from helixctl.storage import commit

    return commit.overlay(root)
