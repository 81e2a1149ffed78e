"""The commit protocol: the log's line is the redo log, and makes the change.

1. Under the lock, recover what a crash left, and sync what whoever died may not have. 2. Write the new files into
`.helix/pending/<id>/` and sync them and their folder. 3. Append the entry's line and sync it (and the folders,
where the segment is new): this is the commit point. 4. Rename the files into place and sync their folders. An error before 3
ends leaves nothing; one after it leaves a committed change that the next command finishes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from typing import Any, NamedTuple

from helixctl.core import audit
from helixctl.core.facts import Latest
from helixctl.core.names import segment_path
from helixctl.core.settings import Settings
from helixctl.errors import BrokenLog, Changed, HelixError, TornAppend
from helixctl.storage import disk, git, ledger, tree

PENDING, SIGNATURE = ".helix/pending", "signature"
PASSING = ("evaluations/", "schedule/")
"""Where files go for good once their time is over: nobody but helixctl writes there."""


Rows = Mapping[int, Mapping[str, Any]]
"""The changes of an entry, by the number that names the pending file of each."""


class Receipt(NamedTuple):
    """The entry as it was written, and what was left for the next command to finish, if anything."""

    seq: int
    hash: str
    unfinished: str | None = None


def digest_of(path: str) -> str | None:
    """Return SHA-256 of a file, or None where it is not there."""
    try:
        with open(path, "rb") as handle:
            return hashlib.sha256(handle.read()).hexdigest()
    except (FileNotFoundError, NotADirectoryError):
        return None


def commit(
    root: str,
    entry: audit.Entry,
    files: Mapping[str, bytes],
    segment: str,
    sign: Callable[[bytes], bytes] | None = None,
) -> Receipt:
    """Make the entry and its files durable. The exclusive lock is held, and recovery done.

    Args:
        files: new bytes by path, in the order of the entry's changes; paths that only need recording have none.
        sign: gives the signature of the segment as it will be, where segments are signed.

    Raises:
        Changed: a file differs from what was read.
        StorageRefused: nothing changed.
    """
    for change in entry.changes:
        if digest_of(os.path.join(root, change.path)) not in (change.before, _unrecorded(change, files)):
            raise Changed(f"{change.path} changed while the command ran", path=change.path, hint="run it again")
    removed = (change.path for change in entry.changes if _is_removal(change.path, change.after))
    for path in (segment, PENDING, *files, *removed):
        tree.refuse_links(root, path)
    line, digest = audit.encode(entry)
    folder = os.path.join(root, PENDING, entry.id)
    try:
        with disk.refusing(f"write to {PENDING}"):
            staged = {str(at): files[one.path] for at, one in enumerate(entry.changes) if one.path in files}
            if sign is not None:
                staged[SIGNATURE] = sign(_finished(root, segment) + line)
            if staged or any(_is_removal(change.path, change.after) for change in entry.changes):
                _stage(folder, staged)
        with disk.refusing("make the folders of the files"):
            for path in files:
                disk.make_folders(os.path.dirname(os.path.join(root, path)))
        with disk.refusing(f"append to {segment}"):
            disk.append_line(os.path.join(root, segment), line, root)
    except TornAppend:
        raise  # what the disk kept is unknown: recovery decides by the log
    except HelixError:
        with suppress(OSError):
            disk.remove_folder(folder)
            for path in (segment, *files):
                disk.remove_empty_folders(os.path.dirname(os.path.join(root, path)), root)
        raise
    try:
        _place(root, folder, dict(enumerate(audit.changes_as_rows(entry))), segment)
    except OSError:
        return Receipt(entry.seq, digest, "the files are put in place by the next command")
    return Receipt(entry.seq, digest)


def _actor(segment: bytes) -> str:
    newest = segment[:-1].rpartition(b"\n")[2]
    return str(audit.parse(newest)["actor"]["id"])


def _unrecorded(change: audit.Change, files: Mapping[str, bytes]) -> str | None:
    return None if change.path in files else change.after


def _stage(folder: str, staged: Mapping[str, bytes]) -> None:
    disk.make_folders(folder)  # of a removal alone it stays empty, and is what recovery finds it by
    for name, data in staged.items():
        disk.write_new(os.path.join(folder, name), data)
    disk.sync_folder(folder)


def _finished(root: str, segment: str) -> bytes:
    try:
        with open(os.path.join(root, segment), "rb") as handle:
            raw = handle.read()
    except FileNotFoundError:
        return b""
    return raw[: raw.rfind(b"\n") + 1]


def _place(root: str, folder: str, changes: Rows, segment: str) -> None:
    """Rename the pending files of a logged transaction over what the entry says was there before.

    A file that somebody edited meanwhile is left as it is: it has drifted, and no write touches it until it is restored.
    """
    folders: dict[str, None] = {}
    for number, change in changes.items():
        source, target = os.path.join(folder, str(number)), os.path.join(root, change["path"])
        if _stands_for(root, source, change):
            disk.make_folders(os.path.dirname(target))
            disk.move(source, target)
        elif _goes(root, change):
            disk.remove(target)
        if os.path.isdir(os.path.dirname(target)):  # done before a crash, perhaps, and not synced
            above = list(disk.folders_above(target, root))
            folders |= dict.fromkeys(above if change["before"] is None else above[:1])
    signature = os.path.join(folder, SIGNATURE)
    if os.path.exists(signature):
        disk.move(signature, os.path.join(root, f"{segment}.sig"))
    if os.path.exists(os.path.join(root, f"{segment}.sig")):
        folders[os.path.dirname(os.path.join(root, segment))] = None
    for name in folders:
        disk.sync_folder(name)
    if not any(os.path.exists(os.path.join(folder, str(number))) for number in changes):
        disk.remove_folder(folder)


def _stands_for(root: str, source: str, change: Mapping[str, Any]) -> bool:
    """Tell whether a pending file is what was logged, and nobody edited the file that it is to replace."""
    target = digest_of(os.path.join(root, change["path"]))
    return digest_of(source) == change["after"] is not None and target in (change["before"], change["after"])


def _goes(root: str, change: Mapping[str, Any]) -> bool:
    """Tell whether a logged transaction removes a file that is still there as it was."""
    is_gone = _is_removal(change["path"], change["after"])
    return is_gone and digest_of(os.path.join(root, change["path"])) == change["before"] is not None


def _is_removal(path: str, after: str | None) -> bool:
    return after is None and path.startswith(PASSING)


def recover(root: str) -> ledger.Ledger:
    """Finish or undo what a crash left, and return the ledger. The exclusive lock is held.

    Raises:
        BrokenLog: an unfinished line in a segment that git tracks.
        StorageRefused: the disk does not let it.
    """
    book = ledger.load(root)
    with ExitStack() as failing:
        failing.callback(book.close)
        _repair(root, book)
        failing.pop_all()
    return book


def _repair(root: str, book: ledger.Ledger) -> None:
    with disk.refusing("repair what a crash left"):
        touched = [os.path.join(root, path) for path in sorted(book.touched)]  # what the index has, is synced
        if book.base is None:
            disk.make_folders(os.path.join(root, PENDING))
            touched.append(os.path.join(root, PENDING, "any"))
        for segment in list(book.segments.values()):
            if segment.torn:
                _cut_tail(root, segment)
            if not segment.lines and not git.may_be_tracked(root, segment.path):
                disk.remove(os.path.join(root, segment.path))  # tracked one day, it would look like a tamper
                book.forget(segment.path)
        for path in touched:  # whoever wrote to it last may have died before it was synced
            if os.path.exists(path):
                disk.sync_file(path)
        for folder in dict.fromkeys(folder for path in touched for folder in disk.folders_above(path, root)):
            disk.sync_folder(folder)
        for name, logged in pending(root, book):
            tree.refuse_links(root, f"{PENDING}/{name}")
            folder = os.path.join(root, PENDING, name)
            if logged is None:
                disk.remove_folder(folder)
            else:
                _place(root, folder, logged.changes, logged.segment)


def _cut_tail(root: str, segment: ledger.Segment) -> None:
    if git.may_be_tracked(root, segment.path):
        raise BrokenLog(
            "the last line is not finished, in a segment that git tracks",
            path=segment.path,
            line=segment.lines + 1,
            hint=f"git checkout -- {segment.path}",
        )
    disk.cut(os.path.join(root, segment.path), segment.size)


class Found(NamedTuple):
    """What the log has of a pending transaction: its changes, and the segment that its entry stands in.

    Args:
        changes: by number; of a path that a later entry changed again there is none, and what waits for it is void.
    """

    changes: Rows
    segment: str


def pending(root: str, book: ledger.Ledger | None) -> Iterator[tuple[str, Found | None]]:
    """Yield each pending transaction with what the log has of it, or None where it has nothing."""
    try:
        names = sorted(os.listdir(os.path.join(root, PENDING)))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        if os.path.isdir(os.path.join(root, PENDING, name)):
            yield name, _logged(root, name, book)


def _logged(root: str, entry_id: str, book: ledger.Ledger | None) -> Found | None:
    needle = f'"id":"{entry_id}"'.encode()
    for path in reversed(ledger.paths(root)):
        with open(os.path.join(root, path), "rb") as handle:
            for raw in handle:
                if needle in raw[:200] and raw.endswith(b"\n"):
                    entry = json.loads(raw)
                    rows = enumerate(entry["changes"])
                    return Found({at: row for at, row in rows if _is_last(book, row["path"], entry["hash"])}, path)
    return None


def _is_last(book: ledger.Ledger | None, path: str, entry: str) -> bool:
    known = book.logged(path) if book else None
    return known is None or known.hash == entry


def overlay(root: str) -> dict[str, str]:
    """Return, for a reader, the path of the pending file that stands for each path of a logged transaction, or GONE."""
    found = {}
    with ExitStack() as loaded:
        book = None
        with suppress(HelixError):  # whoever needs the log says what is wrong with it
            book = loaded.enter_context(closing(ledger.load(root)))
        waiting = list(pending(root, book))
    for name, logged in waiting:
        folder = os.path.join(root, PENDING, name)
        for number, change in logged.changes.items() if logged else ():
            path = os.path.join(folder, str(number))
            if _stands_for(root, path, change):
                found[change["path"]] = path
            elif logged and _goes(root, change):
                found[change["path"]] = tree.GONE
        if logged and os.path.exists(os.path.join(folder, SIGNATURE)):
            found[f"{logged.segment}.sig"] = os.path.join(folder, SIGNATURE)
    return found


def edited(root: str, book: ledger.Ledger) -> Iterator[tuple[str, Latest | None, str | None]]:
    """Yield each of the files that people edit that differs from the log: its path, what the log knows, its digest."""
    present = tree.config_paths(root)
    below = (row for prefix in ("policies/", "trust/") for row in book.logged_below(prefix).items())
    for path in (*present, *(path for path, row in below if row.after and path not in present)):
        known, after = book.logged(path), digest_of(os.path.join(root, path))
        if known is None or known.after != after:
            yield path, known, after


def open_segment(root: str, book: ledger.Ledger, entry: audit.Entry, now: Settings, random: bytes) -> str:
    """Return the path of the segment to append to: that of the newest head, while it has room and git tracks it not.

    Where segments are signed, each is of one actor.
    """
    ends = [(book.heads[one.last][0], path) for path, one in book.segments.items() if one.last in book.heads]
    _, last = max(ends, default=(0, None))
    if last is None or book.segments[last].lines >= now.max_entries or git.may_be_tracked(root, last):
        return segment_path(entry.at, random)
    if not now.sign or _actor(_finished(root, last)) == entry.actor.id:
        return last
    return segment_path(entry.at, random)
