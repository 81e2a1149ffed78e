"""Statements about the log: checkpoints, and the tombstones of segments that were archived."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import NamedTuple

from helixctl.core import audit, notes, times
from helixctl.core import request as ask
from helixctl.core.facts import Fact, Latest
from helixctl.core.integrity import CODES
from helixctl.core.notes import Note, Sealed
from helixctl.errors import BrokenLog, Damaged, NotFound, StorageRefused, Usage
from helixctl.storage import anchor, disk, lock, tree
from helixctl.storage.examination import Examined, examine
from helixctl.storage.ledger import Ledger
from helixctl.storage.log import segment_lines
from helixctl.storage.registry import Store

_SCRATCH = ".helix/incoming"


class Due(NamedTuple):
    """The segments that are older than the retention time, and the log that they are a part of."""

    segments: tuple[str, ...]
    days: int
    examined: Examined | None = None


class Archived(NamedTuple):
    """Archived segments found in a folder, and the log's heads."""

    files: Mapping[str, bytes]
    heads: tuple[str, ...]


def _whole(store: Store, doing: str) -> Examined:
    """Return the log examined.

    Raises:
        BrokenLog: it is not whole.
    """
    examined = examine(store)
    wrong = [
        one for one in examined.verification.findings if one.code != "unsigned-segment" and CODES[one.code] != "ok"
    ]
    if wrong:
        outcome = examined.verification.outcome
        raise BrokenLog(f"the log is {outcome}: {doing}", path="audit", hint="helixctl audit verify shows why")
    return examined


def _name(store: Store, folder: str) -> str:
    at = store.clock()
    return f"{folder}/{at:%Y%m%dT%H%M%S}{at.microsecond // 1000:03d}Z-{store.random(6).hex()}.note"


def _sealed(store: Store, examined: Examined, path: str) -> Sealed:
    with disk.refusing(f"read {path}"), open(os.path.join(store.root, path), "rb") as handle:
        raw = handle.read()
    raw = raw[: raw.rfind(b"\n") + 1]
    first, last = examined.chain.spans[path]
    return Sealed(path, hashlib.sha256(raw).hexdigest(), len(raw), raw.count(b"\n"), first, last)


def _newest(store: Store, path: str) -> str:
    return max((audit.scan(raw).at.decode() for _, _, raw in segment_lines(store.root, path)), default="")


def checkpoint(store: Store, *, signed: bool | None) -> ask.Attest:
    """Return the act that adds a checkpoint of the log as it is now.

    Raises:
        BrokenLog: the log is not whole. StorageRefused: it is to be signed, and there is no key.
    """
    from helixctl.storage import ssh

    with store.reading() as still:
        settings = still.settings()
        examined = _whole(still, "no checkpoint is made of it")
        paths = sorted(examined.chain.spans)
        segments = tuple(_sealed(still, examined, path) for path in paths)
        newest = max(_newest(still, path) for path in paths)
    heads, entries = examined.chain.heads, examined.verification.entries
    note = Note("checkpoint", settings.id, store.clock(), entries, newest, heads, segments)
    path, raw = _name(store, anchor.CHECKPOINTS), notes.encode(note)
    files, key = {path: raw}, store.key() if signed is not False else None
    if key is not None:
        files[path + ".sig"] = ssh.sign(raw, key)
    elif signed or (signed is None and settings.sign):
        raise StorageRefused("there is no key to sign the checkpoint with", hint="set HELIX_SIGNING_KEY")
    data = {"checkpoint": path, "entries": entries, "signed": key is not None}
    return ask.Attest("audit.checkpointed", files, tuple(sorted(heads)), data)


def due(store: Store) -> Due:
    """Return the oldest segments whose entries are all older than the retention time; the newest segment stays.

    Raises:
        BrokenLog: the log is not whole.
    """
    with store.reading() as still:
        days = still.settings().retention_days
        if not days:
            return Due((), days)
        examined = _whole(still, "nothing of it is archived")
        before = times.stamp(store.clock() - timedelta(days=days))
        spans = sorted((span, path) for path, span in examined.chain.spans.items())
        found: list[str] = []
        for place, ((_, _), path) in enumerate(spans[:-1]):
            if _newest(still, path) >= before:
                break
            if max(last for (_, last), _ in spans[: place + 1]) < spans[place + 1][0][0]:
                found = [name for _, name in spans[: place + 1]]
    return Due(tuple(found), days, examined)


def archive(store: Store, due: Due) -> ask.Attest:
    """Return the act that leaves a tombstone for the segments that are due."""
    assert due.examined is not None
    chain = due.examined.chain
    with store.reading() as still:
        settings = still.settings()
        segments = tuple(_sealed(still, due.examined, path) for path in due.segments)
        files, told = _added_up(still, due.segments)
        newest = max(_newest(still, path) for path in due.segments)
    last, entries = max(one.last for one in segments), sum(one.lines for one in segments)
    heads = {digest.decode(): seq for digest, seq in chain.seqs.items() if seq <= last}
    note = Note("tombstone", settings.id, store.clock(), entries, newest, heads, segments, files, told)
    path = _name(store, anchor.ARCHIVED)
    data = {"tombstone": path, "segments": len(segments), "entries": entries}
    return ask.Attest("audit.archived", {path: notes.encode(note)}, tuple(sorted(chain.heads)), data)


def _added_up(store: Store, paths: tuple[str, ...]) -> tuple[dict[str, Latest], frozenset[Fact]]:
    """Return the last change of each path, and the facts, among the entries of some segments."""
    book = Ledger(store.root)
    for path in paths:
        for _, number, raw in segment_lines(store.root, path):
            book.add(path, number, raw)
    return book.fresh, frozenset(book.facts)


def _with_signatures(store: Store, paths: tuple[str, ...]) -> list[str]:
    signed = [f"{path}.sig" for path in paths if os.path.exists(os.path.join(store.root, f"{path}.sig"))]
    return [*paths, *signed]


def copy_out(store: Store, due: Due, folder: str) -> None:
    """Copy the segments that are due to a folder, synced.

    Raises:
        Usage: the folder lies in the log, or holds another file of that name.
    """
    full = os.path.abspath(folder)
    for own, what in ((os.path.join(full, "audit"), "be the log itself"), (full, "lie in the log's own folder")):
        if (os.path.realpath(own) + os.sep).startswith(os.path.realpath(os.path.join(store.root, "audit")) + os.sep):
            raise Usage(f"the archive would {what}", hint="name a folder outside of the registry")
    for path in _with_signatures(store, due.segments):
        raw, target = _bytes(os.path.join(store.root, path), path), os.path.join(full, path)
        if os.path.exists(target) and _bytes(target, target) == raw:
            continue
        if os.path.exists(target):
            raise Usage(f"{target} is there already, and differs", hint="name another folder")
        with disk.refusing(f"write {target}"):
            disk.put(target, raw, f"{target}.part")


def _bytes(full: str, name: str) -> bytes:
    with disk.refusing(f"read {name}"), open(full, "rb") as handle:
        return handle.read()


def remove(store: Store, due: Due) -> None:
    """Remove segments for which a tombstone stands."""
    with lock.exclusive(store.root), disk.refusing("remove archived segments"):
        for path in _with_signatures(store, due.segments):
            disk.remove(os.path.join(store.root, path))


def archived_in(store: Store, folder: str) -> Archived:
    """Return the archived segments that are not there, from a folder.

    Raises:
        NotFound: the folder lacks one. Damaged: one is not what its tombstone says.
    """
    with store.reading() as still:
        examined = _whole(still, "nothing is restored into it")
        rows = [one for note in examined.tombstones for one in note.segments]
    files: dict[str, bytes] = {}
    for one in rows:
        if os.path.exists(os.path.join(store.root, one.path)):
            continue
        source = os.path.join(folder, one.path)
        if not os.path.exists(source):
            raise NotFound(f"{folder} lacks {one.path}", hint="name the folder that it was archived to")
        files[one.path] = _bytes(source, source)
        if hashlib.sha256(files[one.path]).hexdigest() != one.sha256:
            raise Damaged("not the segment that was archived", path=source, hint="take it from another copy")
        if os.path.exists(f"{source}.sig"):
            files[f"{one.path}.sig"] = _bytes(f"{source}.sig", source)
    return Archived(files, tuple(sorted(examined.chain.heads)))


def restore(found: Archived) -> ask.Attest:
    """Return the act that records the return of archived segments."""
    segments = [path for path in found.files if path.endswith(".jsonl")]
    return ask.Attest("audit.archived", {}, found.heads, {"restored": len(segments)})


def copy_in(store: Store, found: Archived) -> None:
    """Put archived segments back in their places, each whole."""
    with lock.exclusive(store.root), disk.refusing("put archived segments back"):
        for path, raw in found.files.items():
            tree.refuse_links(store.root, path)
            disk.put(os.path.join(store.root, path), raw, os.path.join(store.root, _SCRATCH))
