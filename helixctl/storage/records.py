"""The versions of a model, decoded; what was decoded is kept in `.helix/records/`, a file for each model with many.

It is derived, and `verify` never looks at it. A row counts while size, times and inode of its file are those it was made
of, as git's index does it: a checkout, a touch or an edit makes that file be read anew. A file that was changed just now
could be changed again without a trace in its times, so it is not kept yet. The file of rows is replaced whole, and a row that
a crash or somebody else left unreadable is none; that it cannot be written is no failure.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from stat import S_ISREG
from typing import TYPE_CHECKING, NamedTuple

from helixctl import __version__
from helixctl.core import packed
from helixctl.core.digest import sha256
from helixctl.core.names import Ref
from helixctl.errors import Damaged, HelixError
from helixctl.storage import disk, tree

if TYPE_CHECKING:
    from helixctl.core.record import Record
    from helixctl.core.snapshot import Snapshot
    from helixctl.storage.registry import Store

FOLDER = ".helix/records"
FEWEST = 16
"""A model with fewer versions is decoded before its rows would be read."""
SETTLED_NS = 2_000_000_000
_HEAD = f"helixctl {__version__} records 1\n"


class Found(NamedTuple):
    """A version file: its name without ending, the digest of its bytes where they could be read, its record or why not."""

    name: str
    digest: str | None
    record: Record | HelixError


def found(store: Store, model: str) -> Iterator[Found]:
    """Yield the version files of a model, by name; or one without a name, where its folder cannot be read."""
    try:
        tree.valid_model(model, f"models/{model}")
        names = tree.versions(store.root, model, store.overlay)
    except HelixError as error:
        yield Found("", None, error)
        return
    if len(names) < FEWEST:
        yield from (_decoded(store, Ref(model, name)) for name in names)
        return
    path, now = _path(model), time.time_ns()
    known, kept, is_new = _rows(os.path.join(store.root, path)), [], False
    for name in names:
        key = _key(store, Ref(model, name), now - SETTLED_NS)
        one = _unpacked(name, known.get(key or ""))
        if one is None:
            one = _decoded(store, Ref(model, name))
            if key and not isinstance(one.record, HelixError):
                known[key], is_new = f"{one.digest}\t{packed.pack(one.record)}", True
        if key and key in known:
            kept.append(f"{key}\t{known[key]}\n")
        yield one
    if is_new:
        _save(store.root, path, "".join((_HEAD, *kept)))


def _path(model: str) -> str:
    return f"{FOLDER}/{model.replace('/', '@')}"


def confirm(store: Store, now: Snapshot, versions: Iterable[str]) -> None:
    """Refuse to rely on rows of some versions of a model that are not what the files hold.

    Raises:
        Damaged: one is not.
    """
    if len(now.digests) < FEWEST:
        return  # no row was read
    for name in sorted({*versions} & {*now.records}):
        if _decoded(store, Ref(now.model, name)) != Found(name, now.digests[name], now.records[name]):
            fact = f"the row of {now.model}@{name} is not what its file holds"
            raise Damaged(fact, path=_path(now.model), hint=f"remove {FOLDER}; it is made anew")


def _decoded(store: Store, ref: Ref) -> Found:
    name = str(ref.version)
    try:
        raw = store.read(tree.path_of(ref))
    except HelixError as error:
        return Found(name, None, error)
    digest = sha256(raw)
    try:
        return Found(name, digest, store.decoded(ref, raw))
    except Damaged as error:
        return Found(name, digest, error)


def _key(store: Store, ref: Ref, settled_ns: int) -> str | None:
    """Return what a version's row is known by; None where its file is pending, no file, or changed after a time."""
    path = tree.path_of(ref)
    with suppress(OSError):
        stat = os.lstat(os.path.join(store.root, path))
        is_settled = max(stat.st_mtime_ns, stat.st_ctime_ns) < settled_ns
        if is_settled and S_ISREG(stat.st_mode) and path not in store.overlay:
            return f"{ref.version}\t{stat.st_size}\t{stat.st_mtime_ns}\t{stat.st_ctime_ns}\t{stat.st_ino}"
    return None


def _rows(path: str) -> dict[str, str]:
    """Return the rows of a model, still packed, by version and what its file was like."""
    try:
        with open(path, encoding="ascii") as handle:
            head, *lines = handle.read().split("\n")
    except (OSError, ValueError):
        return {}
    parts = (line.rsplit("\t", 2) for line in lines) if f"{head}\n" == _HEAD else ()
    return {one[0]: f"{one[1]}\t{one[2]}" for one in parts if len(one) == 3}


def _unpacked(name: str, row: str | None) -> Found | None:
    if row is None:
        return None
    digest, _, line = row.partition("\t")
    try:
        return Found(name, digest, packed.unpack(line))
    except (ValueError, TypeError, ArithmeticError, AttributeError):
        return None


def _save(root: str, path: str, text: str) -> None:
    """Keep the rows where the registry has a place for what is derived; a checkout that nobody may write to has none."""
    if os.path.isdir(os.path.join(root, os.path.dirname(FOLDER))):
        with suppress(OSError, HelixError):
            tree.refuse_links(root, path)
            disk.replace(os.path.join(root, path), text.encode())
