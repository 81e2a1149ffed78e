"""What the log adds up to: its heads, and the last logged digest of each path.

It is derived from the segments, and kept in `.helix/index.db` so that a command reads only what was appended since.
`verify` never trusts it. One that came with a clone or a copy is none of this folder: it was made beside another lock, whose
inode and time of change nobody can foresee. A segment that shrank, vanished, was touched, or was changed at its end makes it
be built anew; a byte changed in the midst of one that has grown since is found by `verify` only.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, suppress
from typing import Any, NamedTuple

from helixctl.core import audit
from helixctl.core.digest import Hashing, hashing
from helixctl.core.facts import Fact, Latest, facts, is_telling, unreviewed
from helixctl.errors import BrokenLog, Damaged, Invalid
from helixctl.storage import disk, lock, tree

INDEX, ARCHIVED = ".helix/index.db", "audit/archived"
FORM = "5"
"""Of the index; one of another form is built anew."""
_SCHEMA = """
create table if not exists meta (key text primary key, value text) without rowid;
create table if not exists segment (path text primary key, size int, mtime_ns int, lines int, last text, low text, high text) without rowid;
create table if not exists logged (path text primary key, seq int, hash text, after text, state text) without rowid;
create table if not exists fact (kind text, key text, value text, primary key (kind, key, value)) without rowid;
"""


class Segment(NamedTuple):
    """A file of the log as far as it has been read; `torn` bytes at its end are an unfinished append.

    `low` and `high` are the smallest and largest `ts` of its entries: a clock may have been set back.
    """

    path: str
    size: int
    mtime_ns: int
    lines: int
    last: str
    low: str = ""
    high: str = ""
    torn: int = 0


class Ledger:
    """The log, added up. `fresh` and `touched` hold what the index on disk, `base`, does not know yet.

    One that was read for the sake of one model, `about`, may lack what the log says of others; it is never kept.
    """

    def __init__(self, root: str, base: sqlite3.Connection | None = None, about: str = "") -> None:
        self.root, self.base, self.about = root, base, about.encode()
        self.segments: dict[str, Segment] = {}
        self.heads: dict[str, tuple[int, str]] = {}
        self.missing: set[str] = set()
        self.fresh: dict[str, Latest] = {}
        self.facts: set[Fact] = set()
        self.touched: set[str] = set()

    def logged(self, path: str) -> Latest | None:
        """Return the last change of a path, or None where the log has none."""
        return self.fresh.get(path) or next((found for _, found in self._stored("path = ?", path)), None)

    def logged_below(self, prefix: str) -> dict[str, Latest]:
        """Return the last change of each path that begins with `prefix`."""
        stored = dict(self._stored("path >= ? and path < ?", prefix, prefix[:-1] + chr(ord(prefix[-1]) + 1)))
        return stored | {path: found for path, found in self.fresh.items() if path.startswith(prefix)}

    def logged_in(self, folder: str) -> dict[str, Latest]:
        """Return the last change of each path of a folder itself."""
        return {path: row for path, row in self.logged_below(f"{folder}/").items() if tree.is_in(folder, path)}

    def noted(self, kind: str, key: str | None = None) -> set[str]:
        """Return the values of the facts of a kind, about one key or about all; see `core.facts`."""
        where, values = ("kind = ?", (kind,)) if key is None else ("kind = ? and key = ?", (kind, key))
        stored = {row[0] for row in self._rows(f"select value from fact where {where}", values)}
        return stored | {value for one, about, value in self.facts if one == kind and key in (None, about)}

    def unreviewed(self, model: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the overrides, of one model or of all, that nobody but who used them has reviewed, oldest first."""
        return unreviewed(self.noted("override", model), lambda entry: self.noted("review", entry))

    def has_gaps(self) -> bool:
        """Tell whether entries lack that others follow, and that no tombstone accounts for."""
        notes = (path for path in self.segments if path.endswith(".note")) if self.missing else ()
        return bool(self.missing - _present(self.root, notes, self.missing, slice(-65, -1)))

    def _stored(self, where: str, *values: str) -> Iterator[tuple[str, Latest]]:
        rows = self._rows(f"select path, seq, hash, after, state from logged where {where}", values)
        yield from ((path, Latest(*rest)) for path, *rest in rows)

    def _rows(self, query: str, values: tuple[str, ...]) -> list[Any]:
        try:
            return self.base.execute(query, values).fetchall() if self.base else []
        except sqlite3.Error:
            raise Damaged(
                "the index of the log is damaged", path=INDEX, hint=f"remove {INDEX}; it is built anew"
            ) from None

    def close(self) -> None:
        """Let go of the index."""
        if self.base is not None:
            self.base.close()
        self.base = None

    def forget(self, path: str) -> None:
        """Take a segment out that was removed, since it was empty."""
        del self.segments[path]
        self.touched.discard(path)

    def add(self, path: str, number: int, raw: bytes, sha256: Hashing | None = None) -> str:
        """Add one line of a segment; return its hash.

        Raises:
            BrokenLog: the line is no entry.
        """
        try:
            line = audit.scan(raw, sha256)
            entry = audit.parse(raw) if is_telling(raw, self.about) else None
            rows = entry["changes"] if entry else ()
            logged = {row["path"]: Latest(line.seq, line.hash, row["after"], row["state"]) for row in rows}
        except (audit.BadLine, KeyError, TypeError) as error:
            fact = str(error) if isinstance(error, audit.BadLine) else "not an entry of the audit log"
            raise BrokenLog(fact, path=path, line=number, hint="helixctl verify shows all; restore the file") from None
        for parent in line.parents:
            if self.heads.pop(parent, None) is None:
                self.missing.add(parent)
        if line.hash in self.missing:
            self.missing.discard(line.hash)
        else:
            self.heads[line.hash] = (line.seq, line.at.decode())
        if entry:
            self.learn(logged, facts(entry))
        return line.hash

    def learn(self, rows: Mapping[str, Latest], told: Iterable[Fact]) -> None:
        """Take in changes of paths, each where it is later than what is known, and facts."""
        for name, row in rows.items():
            known = self.logged(name)
            if known is None or known[:2] < row[:2]:
                self.fresh[name] = row
        # tombstones of an earlier build name the digest beside the version of an author
        self.facts.update(
            (kind, key.partition(" ")[0] if kind == "author" else key, value) for kind, key, value in told
        )


def paths(root: str) -> list[str]:
    """Return the paths of all segments from the root, sorted by name; a link in place of a folder as if it were one."""
    return sorted(_segments_below(root, "audit"))


def _segments_below(root: str, path: str, depth: int = 2) -> Iterator[str]:
    full = os.path.join(root, path)
    if os.path.islink(full):
        yield path
        return
    names: list[str] = []
    with suppress(FileNotFoundError, NotADirectoryError):
        names = os.listdir(full)
    if not depth:
        yield from (f"{path}/{name}" for name in names if name.endswith(".jsonl"))
    for name in names if depth else ():
        if name.isdigit():
            yield from _segments_below(root, f"{path}/{name}", depth - 1)


def load(root: str, about: str = "") -> Ledger:
    """Return the ledger of the log as it is on disk; nothing is written.

    Args:
        about: the one model that is asked about; without an index that takes less than half the time. Of a line that only
            changes versions of others the hash is checked and no more: a write, and `verify`, refuse one that is malformed.

    Raises:
        BrokenLog: a line that is no entry, or a link in place of a segment.
    """
    found = {
        path: os.lstat(os.path.join(root, path)) for path in (*paths(root), *tree.files_in(root, ARCHIVED, ".note", {}))
    }
    ledger = _from_index(root, about) or Ledger(root, None, about)
    if not all(_still_there(root, segment, found) for segment in ledger.segments.values()):
        ledger.close()
        ledger = Ledger(root, None, about)
    with ExitStack() as failing:
        failing.callback(ledger.close)
        _catch_up(ledger, found)
        failing.pop_all()
    return ledger


def _catch_up(ledger: Ledger, found: dict[str, os.stat_result]) -> None:
    awaited = set(ledger.missing)
    changed = []
    for path, stat in found.items():
        known = ledger.segments.get(path)
        if known is None or (known.size, known.mtime_ns) != (stat.st_size, stat.st_mtime_ns):
            changed.append(path)
    for path in changed:
        (_read_tombstone if path.endswith(".note") else read_on)(ledger, path)
    segments = (path for path in found if not path.endswith(".note"))
    ledger.missing -= _present(ledger.root, segments, ledger.missing - awaited)


def _present(root: str, files: Iterable[str], hashes: set[str], at: slice = slice(-67, -3)) -> set[str]:
    """Return which of these hashes some line of the log has: a parent that an earlier child took off the heads."""
    if not hashes:
        return set()
    present = set()
    for path in files:
        with open(os.path.join(root, path), "rb") as handle:
            present |= hashes.intersection(raw[at].decode(errors="replace") for raw in handle)
    return present


def read_on(ledger: Ledger, path: str) -> None:
    """Take in what was appended to a segment, and is synced: nobody needs to look at it again, once the index has it.

    Raises:
        BrokenLog: a line is no entry.
    """
    known = ledger.segments.get(path)
    segment = known or Segment(path, 0, 0, 0, "")
    full = os.path.join(ledger.root, path)
    if os.path.islink(full):
        raise BrokenLog("a link stands in place of a segment", path=path, hint="restore the file from git")
    with disk.refusing(f"read {path}"), open(full, "rb") as handle:
        handle.seek(segment.size)
        rest = handle.read()
        stat = os.fstat(handle.fileno())
    *lines, tail = rest.split(b"\n")
    if not tail and lines and b"\0" in lines[-1]:
        tail = lines.pop() + b"\n"
    sha256 = hashing(len(rest))
    last, times = segment.last, [one for one in (segment.low, segment.high) if one]
    for number, raw in enumerate(lines, segment.lines + 1):
        last = ledger.add(path, number, raw, sha256)
        times.append(raw.partition(b'"ts":"')[2][:27].decode())
    low, high = min(times, default=""), max(times, default="")
    size, count = segment.size + len(rest) - len(tail), segment.lines + len(lines)
    ledger.segments[path] = Segment(path, size, stat.st_mtime_ns, count, last, low, high, len(tail))
    ledger.touched.add(path)


def _read_tombstone(ledger: Ledger, path: str) -> None:
    """Take in what archived entries add up to."""
    from helixctl.core import notes

    full = os.path.join(ledger.root, path)
    try:
        with disk.refusing(f"read {path}"), open(full, "rb") as handle:
            note = notes.decode(handle.read(), "tombstone")
    except Invalid as error:
        raise error.become(BrokenLog, path) from None
    ledger.learn(note.files, note.facts)
    stat = os.stat(full)
    ledger.segments[path] = Segment(path, stat.st_size, stat.st_mtime_ns, 1, "")
    ledger.touched.add(path)


def _still_there(root: str, known: Segment, found: dict[str, os.stat_result]) -> bool:
    """Tell whether a segment is as it was read, or has only grown since."""
    stat = found.get(known.path)
    if stat is None or stat.st_size < known.size:
        return False
    if stat.st_size == known.size:
        return stat.st_mtime_ns == known.mtime_ns
    with open(os.path.join(root, known.path), "rb") as handle:
        handle.seek(max(known.size - 67, 0))
        return handle.read(min(known.size, 67)) == f'{known.last}"}}\n'.encode()[-known.size :] or known.size == 0


def _from_index(root: str, about: str = "") -> Ledger | None:
    path = os.path.join(os.path.abspath(root), INDEX)
    if not os.path.exists(path):
        return None
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    try:
        base = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True)
    except sqlite3.Error:
        return None
    try:
        meta = dict(base.execute("select key, value from meta"))
        mine = _lock(root)
        if meta.get("form") != FORM or not mine or meta.get("lock") != mine:
            raise ValueError
        ledger = Ledger(root, base, about)
        ledger.segments = {row[0]: Segment(*row) for row in base.execute("select * from segment")}
        ledger.heads = {key: (value[0], value[1]) for key, value in json.loads(meta["heads"]).items()}
        ledger.missing = set(json.loads(meta["missing"]))
        return ledger
    except (sqlite3.Error, KeyError, ValueError, TypeError, AttributeError):
        base.close()
        return None


def _lock(root: str) -> str:
    """Return what tells the registry's lock from that of any other folder; nothing where there is none."""
    with suppress(FileNotFoundError):
        stat = os.stat(os.path.join(root, lock.PATH))
        return f"{stat.st_ino} {stat.st_ctime_ns}"
    return ""


def spans(root: str) -> dict[str, tuple[int, int, str, str]]:
    """Return size, mtime, smallest and largest `ts` of each segment that the index knows; empty where there is none."""
    book = _from_index(root)
    if book is None:
        return {}
    book.close()
    return {path: (one.size, one.mtime_ns, one.low, one.high) for path, one in book.segments.items()}


def save(ledger: Ledger) -> None:
    """Bring the index up to the ledger, under the exclusive lock. It is derived: that it cannot be kept is no failure."""
    assert not ledger.about
    if not ledger.touched:
        return
    path = os.path.join(ledger.root, INDEX)
    is_rebuilt = ledger.base is None
    ledger.close()
    with suppress(sqlite3.Error, OSError):
        if is_rebuilt:
            disk.remove(path)
            disk.remove(path + "-journal")
        with closing(sqlite3.connect(path)) as base, base:
            base.executescript(_SCHEMA)
            _write(base, ledger)


def _write(base: sqlite3.Connection, ledger: Ledger) -> None:
    read = [ledger.segments[name] for name in ledger.touched]
    base.executemany(
        "insert or replace into segment values (?, ?, ?, ?, ?, ?, ?)",
        [one[:-1] for one in read],
    )
    base.executemany(
        "insert or replace into logged values (?, ?, ?, ?, ?)",
        [(name, c.seq, c.hash, c.after, c.state) for name, c in ledger.fresh.items()],
    )
    base.executemany("insert or replace into fact values (?, ?, ?)", ledger.facts)
    meta = {
        "form": FORM,
        "lock": _lock(ledger.root),
        "heads": json.dumps(ledger.heads),
        "missing": json.dumps(sorted(ledger.missing)),
    }
    base.executemany("insert or replace into meta values (?, ?)", meta.items())
