"""The registry on disk: snapshots for the gate, transactions, and reads that never write."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from helixctl import __version__
from helixctl.core import audit, policy, record, settings
from helixctl.core.audit import Actor, Change, Effect, Entry
from helixctl.core.checks import CLOCK_TOLERANCE
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.core.settings import Settings
from helixctl.core.snapshot import Snapshot
from helixctl.core.times import stamp
from helixctl.errors import BadSettings, Damaged, HelixError, Invalid, NotFound
from helixctl.storage import commit, disk, ledger, lock, tree

GIT_ATTRIBUTES = b"""\
# Digests cover bytes: line endings are never converted, and the log is never text-merged.
* -text
audit/** -text -merge
"""
GIT_IGNORE = b".helix/\n"


@dataclass(frozen=True, slots=True)
class Logged:
    """The entry that a transaction left in the log, and what the user should know besides."""

    id: str
    seq: int
    hash: str
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Store:
    """A registry's folder. `random` gives bytes for ids and names."""

    root: str
    random: Callable[[int], bytes] = os.urandom
    overlay: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def reading(self) -> Iterator[Store]:
        """Hold writers off, and see through to what a crash left pending; nothing is created."""
        with lock.shared(self.root):
            yield replace(self, overlay=commit.overlay(self.root))

    @contextmanager
    def writing(self) -> Iterator[Transaction]:
        """Hold the registry alone, recover, and give a transaction.

        Raises:
            Locked, BrokenLog, Drift, StorageRefused: as `lock.exclusive` and `commit.recover`.
        """
        with lock.exclusive(self.root):
            book = commit.recover(self.root)
            try:
                yield Transaction(self, book)
            finally:
                ledger.save(book)
                book.close()

    def read(self, path: str) -> bytes:
        """Return the bytes of a file of the registry, see `tree.read`."""
        return tree.read(self.root, path, self.overlay)

    def settings(self) -> Settings:
        """Return helix.toml.

        Raises:
            BadSettings: it does not load.
        """
        try:
            return settings.decode(self.read(tree.MARKER))
        except Invalid as error:
            raise _bad(error, tree.MARKER) from None

    def policies(self) -> tuple[policy.Policy, ...]:
        """Return all policies, by file name.

        Raises:
            BadSettings: one does not load.
        """
        loaded = []
        for path in tree.policy_paths(self.root):
            try:
                loaded.append(policy.decode(self.read(path)))
            except Invalid as error:
                raise _bad(error, path) from None
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
        return self._record(ref)[0]

    def _record(self, ref: Ref) -> tuple[Record, str]:
        path = tree.path_of(ref)
        try:
            raw = self.read(path)
        except NotFound:
            raise NotFound(f"{ref} is not registered", hint="helixctl list shows what there is") from None
        try:
            found = record.decode(raw)
        except HelixError as error:
            raise tree.damaged(error, path) from None
        if found.ref != ref:
            raise Damaged(f"the file says it is {found.ref}", path=path, hint="restore the file from git")
        return found, hashlib.sha256(raw).hexdigest()

    def records(self, model: str) -> Iterator[Record | HelixError]:
        """Yield each version of a model, or why it cannot be read; by file name."""
        try:
            tree.valid_model(model, f"models/{model}")
            names = tree.versions(self.root, model, self.overlay)
        except HelixError as error:
            yield error
            return
        for version in names:
            try:
                yield self.record(Ref(model, version))
            except HelixError as error:
                yield error

    def snapshot(self, model: str, at: datetime, book: ledger.Ledger | None = None) -> Snapshot:
        """Return a model as it lies on disk; with the ledger, what differs from the log is found too.

        Raises:
            BadSettings, Damaged, StorageRefused: a file of this model, the settings or a policy does not load.
        """
        loaded = {name: self._record(Ref(model, name)) for name in tree.versions(self.root, model, self.overlay)}
        records = {name: found for name, (found, _) in loaded.items()}
        digests = {name: digest for name, (_, digest) in loaded.items()}
        now = Snapshot(model, at, self.settings(), self.policies(), records, digests=digests)
        return now if book is None else self._compared(now, book)

    def compared_snapshot(self, model: str, at: datetime) -> Snapshot:
        """Return a model as it lies on disk, compared with the log; nothing is written."""
        with closing(ledger.load(self.root)) as book:
            return self.snapshot(model, at, book)

    def _compared(self, now: Snapshot, book: ledger.Ledger) -> Snapshot:
        prefix = f"models/{now.model}/"
        logged = {
            path[len(prefix) : -5]: row
            for path, row in book.logged_below(prefix).items()
            if "/" not in path[len(prefix) :]
        }
        drifted = {name: "deleted" for name, row in logged.items() if row.after and name not in now.records}
        for name, found in now.records.items():
            row = logged.get(name)
            if row is None or row.after is None:
                drifted[name] = "the log does not know it"
            elif row.after != now.digests[name]:
                drifted[name] = "specification" if row.state == found.state_digest else "lifecycle or metrics"
        serving = {
            name: self._logged_serving(Ref(now.model, name))
            for name, what in drifted.items()
            if what == "specification"
        }
        return replace(now, drifted=drifted, logged_serving=serving)

    def _logged_serving(self, ref: Ref) -> str | None:
        found = None
        for entry in self.entries(audit.Filter(model=ref.model, version=ref.version)):
            if entry["version"] == ref.version and "digests" in entry["data"] and entry["outcome"] == "success":
                found = entry["data"]["digests"]["serving"]
        return found

    def lines(self) -> Iterator[tuple[str, int, bytes]]:
        """Yield each line of the log with its segment's path and its number, ascending by (seq, hash) throughout.

        An empty or unfinished end of a segment is left out.
        """
        from helixctl.storage import log

        return log.lines(self.root)

    def entries(self, wanted: audit.Filter) -> Iterator[dict[str, Any]]:
        """Yield the entries that a filter wants, ascending by (seq, hash).

        Raises:
            BrokenLog: a line is no entry.
        """
        from helixctl.storage import log

        return (entry for _, entry in log.query(self.root, wanted))


@dataclass(slots=True)
class Transaction:
    """The exclusive hold of a registry: what the log knows, and the one way to add to it."""

    store: Store
    book: ledger.Ledger

    def snapshot(self, model: str, at: datetime) -> Snapshot:
        """Return a model as it lies on disk, compared with the log."""
        return self.store.snapshot(model, at, self.book)

    def commit(self, entry: Entry, records: Iterable[Record], now: Snapshot) -> Logged:
        """Append the entry at its place in the log's graph, and put the records' files in place.

        Settings, policies and trust that were edited since the last write are recorded in the same entry.
        """
        files = {tree.path_of(one.ref): record.encode(one) for one in records}
        changes = tuple(_change(now, one, files[tree.path_of(one.ref)]) for one in records)
        if entry.outcome != "denied":
            edits, effects = unrecorded(self.store, self.book, now.settings)
            entry = replace(entry, changes=(*changes, *edits), effects=(*entry.effects, *effects))
        return self.append(entry, files, now.settings)

    def append(self, entry: Entry, files: Mapping[str, bytes], now: Settings) -> Logged:
        """Append an entry and put the files of its changes in place."""
        heads = self.book.heads
        placed = replace(
            entry,
            seq=1 + max((seq for seq, _ in heads.values()), default=0),
            id=audit.entry_id(entry.at, self.store.random(10)),
            registry=now.id,
            tool=__version__,
            parents=tuple(sorted(heads)),
        )
        newest = max((at for _, at in heads.values()), default="")
        segment = commit.open_segment(self.store.root, self.book, placed, now.max_entries, self.store.random(6))
        receipt = commit.commit(self.store.root, placed, files, segment)
        warnings: tuple[str, ...] = (receipt.unfinished,) if receipt.unfinished else ()
        if newest > stamp(entry.at + CLOCK_TOLERANCE):
            warnings += (f"the clock stands before the newest entry ({newest}); the log keeps its order all the same",)
        return Logged(placed.id, placed.seq, receipt.hash, warnings)


def _change(now: Snapshot, after: Record, raw: bytes) -> Change:
    digest = hashlib.sha256(raw).hexdigest()
    return Change(tree.path_of(after.ref), now.digests.get(after.version), digest, after.state_digest)


def unrecorded(store: Store, book: ledger.Ledger, now: Settings) -> tuple[tuple[Change, ...], tuple[Effect, ...]]:
    """Return how settings, policies and trust differ from the log, as changes and as what to call them."""
    present = tree.config_paths(store.root)
    gone = [
        path
        for prefix in ("policies/", "trust/")
        for path, row in book.logged_below(prefix).items()
        if row.after and path not in present
    ]
    changes, actions = [], []
    for path in (*present, *gone):
        after = commit.digest_of(os.path.join(store.root, path))
        known = book.logged(path)
        if known is not None and known.after == after:
            continue
        is_settings = path == tree.MARKER
        state = now.evaluation_digest if is_settings else None
        changes.append(Change(path, known.after if known else None, after, state))
        actions.append("policy.updated" if path.startswith("policies/") else "config.updated")
        if is_settings and known is not None and known.state != state:
            actions.append("thresholds.updated")
    return tuple(changes), tuple(Effect(action, None, None) for action in dict.fromkeys(actions))


def create(root: str, name: str, actor: Actor, at: datetime, random: Callable[[int], bytes] = os.urandom) -> bool:
    """Make a folder a registry, with the default policy, and log it; False where it is one already.

    Raises:
        StorageRefused: the folder cannot be written.
    """
    if os.path.lexists(os.path.join(root, tree.MARKER)):
        return False
    with disk.refusing("create the registry"):
        disk.make_folders(os.path.join(root, ".helix"))
        for path, text in (
            (".helix/.gitignore", b"*\n"),
            (".gitattributes", GIT_ATTRIBUTES),
            (".gitignore", GIT_IGNORE),
        ):
            if not os.path.lexists(os.path.join(root, path)):
                disk.write_new(os.path.join(root, path), text)
        disk.sync_folder(root)
    store = Store(root, random)
    with store.writing() as transaction:
        if os.path.lexists(os.path.join(root, tree.MARKER)):
            return False
        files = {
            tree.MARKER: settings.encode_new(audit.entry_id(at, random(10)), name),
            "policies/default.toml": policy.DEFAULT,
        }
        now = settings.decode(files[tree.MARKER])
        states = {tree.MARKER: now.evaluation_digest}
        changes = tuple(
            Change(path, None, hashlib.sha256(raw).hexdigest(), states.get(path)) for path, raw in files.items()
        )
        effects = (Effect("registry.initialized", None, None),)
        entry = Entry(at, "registry.initialized", actor, changes=changes, effects=effects)
        transaction.append(entry, files, now)
    return True


def _bad(error: HelixError, path: str) -> HelixError:
    return BadSettings(error.message, hint=error.hint, path=path, line=error.line, key=error.key)
