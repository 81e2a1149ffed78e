"""The exclusive hold of a registry: place an entry in the log's graph, and commit it with its files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import NamedTuple

from helixctl import __version__
from helixctl.core import audit, policy_file, record, settings
from helixctl.core.audit import Actor, Change, Effect, Entry
from helixctl.core.plan import Plan
from helixctl.core.record import Record
from helixctl.core.settings import Settings
from helixctl.core.snapshot import Snapshot
from helixctl.core.times import CLOCK_TOLERANCE, stamp
from helixctl.errors import BrokenLog, Changed, Duplicate, HelixError, NotFound, StorageRefused
from helixctl.storage import commit, disk, ledger, lock, tree
from helixctl.storage.registry import Store

GIT_ATTRIBUTES = b"""\
# Digests cover bytes: line endings are never converted, and the log is never text-merged.
* -text
audit/** -text -merge
"""
GIT_IGNORE = b".helix/\n"


class Logged(NamedTuple):
    """The entry that a transaction left in the log, and what the user should know besides."""

    id: str
    seq: int
    hash: str
    warnings: tuple[str, ...] = ()


class Transaction(NamedTuple):
    """The exclusive hold of a registry: what the log knows, and the one way to add to it."""

    store: Store
    book: ledger.Ledger

    def at(self) -> datetime:
        """Return the time; after that of the newest entry, which another's clock told, as far as two clocks may differ."""
        now = self.store.clock()
        newest = max((datetime.fromisoformat(at) for _, at in self.book.heads.values()), default=now)
        return newest + timedelta.resolution if now < newest <= now + CLOCK_TOLERANCE else now

    def snapshot(self, model: str, at: datetime) -> Snapshot:
        """Return a model as it lies on disk, compared with the log."""
        return self.store.snapshot(model, at, self.book)

    def commit(self, entry: Entry, plan: Plan | None, now: Snapshot) -> Logged:
        """Append the entry at its place in the log's graph, and put the plan's files in place.

        Settings, policies and trust that were edited since the last write are recorded in the same entry.
        """
        records = plan.records if plan else ()
        files = {tree.path_of(one.ref): record.encode(one) for one in records}
        changes = [_change(now, one, files[tree.path_of(one.ref)]) for one in records]
        if plan:
            files |= {path: raw for path, raw in plan.files.items() if raw is not None}
            changes += self._others(plan)
        if entry.outcome != "denied":
            self._unchanged(now)
            edits, effects = unrecorded(self.store, self.book, now.settings)
            entry = entry._replace(changes=(*changes, *edits), effects=(*entry.effects, *effects))
        return self.append(entry, files, now.settings)

    def _unchanged(self, now: Snapshot) -> None:
        """Refuse to go on where what decided is no longer what lies on the disk.

        Raises:
            Changed: settings, a policy or trust were edited since they were read.
        """
        paths = tree.policy_paths(self.store.root)
        found = {commit.digest_of(os.path.join(self.store.root, path)) for path in paths}
        if found != {one.digest for one in now.policies} or self.store.settings() != now.settings:
            raise Changed("settings or a policy changed while the command ran", path="policies", hint="run it again")
        if now.trust is None:
            return
        from helixctl.storage import vouching

        if vouching.trusted(self.store, vouching.commit_of(self.store, now.settings)) != now.trust:
            raise Changed("whom to trust changed while the command ran", path="trust", hint="run it again")

    def _others(self, plan: Plan) -> Iterator[Change]:
        """Yield how the files of a plan that are no records change."""
        for path, raw in plan.files.items():
            before = commit.digest_of(os.path.join(self.store.root, path))
            if before != plan.replaces.get(path, before):
                raise Changed(f"{path} changed while the command ran", path=path, hint="run it again")
            if raw is not None or before is not None or path in plan.replaces:
                yield Change(path, before, None if raw is None else hashlib.sha256(raw).hexdigest())

    def append(self, entry: Entry, files: Mapping[str, bytes], now: Settings) -> Logged:
        """Append an entry and put the files of its changes in place."""
        heads = self.book.heads
        if not heads and entry.action != "registry.initialized":
            raise BrokenLog("the audit log is gone", path="audit", hint="restore the folder audit/ from git")
        placed = entry._replace(
            seq=1 + max((seq for seq, _ in heads.values()), default=0),
            id=audit.entry_id(entry.at, self.store.random(10)),
            registry=now.id,
            tool=__version__,
            parents=tuple(sorted(heads)),
        )
        newest = max((at for _, at in heads.values()), default="")
        segment = commit.open_segment(self.store.root, self.book, placed, now, self.store.random(6))
        receipt = commit.commit(self.store.root, placed, files, segment, self._sign if now.sign else None)
        with suppress(HelixError):  # it is done: the next command reads what this one could not
            ledger.read_on(self.book, segment)
        warnings: tuple[str, ...] = (receipt.unfinished,) if receipt.unfinished else ()
        if newest > stamp(entry.at + CLOCK_TOLERANCE):
            warnings += (f"the clock stands before the newest entry ({newest}); the log keeps its order all the same",)
        return Logged(placed.id, placed.seq, receipt.hash, warnings)

    def _sign(self, data: bytes) -> bytes:
        from helixctl.storage.ssh import AUDIT

        return self.store.signed(data, AUDIT, "[audit] sign = true")


@contextmanager
def begin(store: Store) -> Iterator[Transaction]:
    """Hold the registry alone, recover what a crash left, and give a transaction.

    Raises:
        Locked, BrokenLog, Drift, StorageRefused: as `lock.exclusive` and `commit.recover`.
    """
    with lock.exclusive(store.root):
        with disk.refusing("open the registry for writing"):
            _keep_untracked(store.root)
        book = commit.recover(store.root)
        try:
            yield Transaction(store, book)
        finally:
            ledger.save(book)
            book.close()


def _keep_untracked(root: str) -> None:
    """Let `.helix/` ignore itself: that of a fresh clone is new."""
    mine = os.path.join(root, ".helix", ".gitignore")
    if not os.path.lexists(mine):
        disk.write_new(mine, b"*\n")


def _change(now: Snapshot, after: Record, raw: bytes) -> Change:
    digest = hashlib.sha256(raw).hexdigest()
    return Change(tree.path_of(after.ref), now.digests.get(after.version), digest, after.state_digest)


def unrecorded(store: Store, book: ledger.Ledger, now: Settings) -> tuple[tuple[Change, ...], tuple[Effect, ...]]:
    """Return how settings, policies and trust differ from the log, as changes and as what to call them."""
    changes, actions = [], []
    for path, known, after in commit.edited(store.root, book):
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
        Duplicate: the folder lies in a registry. BrokenLog: it holds a log, and no helix.toml.
        StorageRefused: the folder cannot be written.
    """
    if os.path.lexists(os.path.join(root, tree.MARKER)):
        return False
    with suppress(NotFound):
        raise Duplicate(
            f"inside the registry {tree.find_root(None, os.path.dirname(root))}", hint="name a folder outside of it"
        )
    store = Store(root, random)
    with begin(store) as transaction:
        if os.path.lexists(os.path.join(root, tree.MARKER)):
            return False
        if transaction.book.heads:
            fact = f"there is an audit log, and no {tree.MARKER}"
            raise BrokenLog(fact, path="audit", hint=f"restore {tree.MARKER} from git")
        wanted = {
            tree.MARKER: settings.encode_new(audit.entry_id(at, random(10)), name),
            "policies/default.toml": policy_file.DEFAULT,
            ".gitattributes": GIT_ATTRIBUTES,
            ".gitignore": GIT_IGNORE,
        }
        files = {path: raw for path, raw in wanted.items() if not os.path.lexists(os.path.join(root, path))}
        now = settings.decode(files[tree.MARKER])
        states = {tree.MARKER: now.evaluation_digest}
        changes = tuple(
            Change(path, None, hashlib.sha256(raw).hexdigest(), states.get(path)) for path, raw in files.items()
        )
        effects = (Effect("registry.initialized", None, None),)
        entry = Entry(at, "registry.initialized", actor, changes=changes, effects=effects)
        logged = transaction.append(entry, files, now)
    if logged.warnings:
        raise StorageRefused("the registry is logged, but its files are not in place", hint="helixctl init, once more")
    return True
