from __future__ import annotations

import os
import pickle
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from helixctl.api import Registry
from helixctl.storage import disk
from helixctl.storage.registry import Store
from helixctl.storage.transaction import begin
from tests.crash.faults import Files, Scenario, copy, goes_on, helix, readers_see_one_state, tracked

Made = Callable[[str], Scenario]
Note = Callable[[str, object], None]
pytestmark = pytest.mark.usefixtures("kept")


@dataclass
class Op:
    """One change of the disk: of a file's bytes (`file`, an identity) or of a name in a folder."""

    kind: str  # create, mkdir, write, truncate, rename, remove; sync-file and sync-folder make earlier ones durable
    path: str
    file: int = 0
    data: bytes = b""
    size: int = 0
    target: str = ""


@dataclass
class Recorder:
    """Stands for `os` in storage/disk.py, and writes down what it does to the disk."""

    root: str
    ops: list[Op] = field(default_factory=list)
    open_files: dict[int, str] = field(default_factory=dict)
    born: dict[str, int] = field(default_factory=dict)  # inodes are used again, so what is new gets a number of its own

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _at(self, path: str) -> str:
        return os.path.relpath(path, self.root)

    def _file(self, path: str) -> int:
        return self.born.get(path) or os.stat(path).st_ino

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        is_new = not os.path.lexists(path)
        handle = os.open(path, flags, mode)
        self.open_files[handle] = path
        if is_new:
            self.born[path] = -len(self.ops) - 1
            self.ops.append(Op("create", self._at(path), self._file(path)))
        return handle

    def write(self, handle: int, data: bytes) -> int:
        size = os.fstat(handle).st_size
        path = self.open_files[handle]
        self.ops.append(Op("write", self._at(path), self._file(path), bytes(data), size))
        return os.write(handle, data)

    def ftruncate(self, handle: int, size: int) -> None:
        path = self.open_files[handle]
        self.ops.append(Op("truncate", self._at(path), self._file(path), size=size))
        os.ftruncate(handle, size)

    def fsync(self, handle: int) -> None:
        path = self.open_files[handle]
        kind = "sync-folder" if os.path.isdir(path) else "sync-file"
        self.ops.append(Op(kind, self._at(path), self._file(path)))

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        os.mkdir(path, mode)
        self.ops.append(Op("mkdir", self._at(path)))

    def replace(self, source: str, target: str) -> None:
        self.ops.append(Op("rename", self._at(source), self._file(source), target=self._at(target)))
        self.born[target] = self._file(source)
        os.replace(source, target)

    def unlink(self, path: str) -> None:
        os.unlink(path)
        self.ops.append(Op("remove", self._at(path)))

    def rmdir(self, path: str) -> None:
        os.rmdir(path)
        self.ops.append(Op("remove", self._at(path)))


def recorded(root: Path, work: Callable[[], object], recorder: Recorder | None = None) -> list[Op]:
    """Return what some work does to the disk, after what a recorder has already."""
    recorder, held = recorder or Recorder(str(root)), vars(disk)["os"]
    vars(disk)["os"] = recorder
    try:
        work()
    finally:
        vars(disk)["os"] = held
    return recorder.ops


Tree = dict[str, bytes | None]  # None is a folder


@dataclass
class Disk:
    """Names that lead to files, and the bytes of files."""

    names: dict[str, int | None]
    files: dict[int, bytes]

    def tree(self) -> Tree:
        """Return what can be reached: a name whose folder is not there is gone."""
        reached: Tree = {}
        for path in sorted(self.names):
            folder = os.path.dirname(path)
            if folder and folder not in reached:
                continue
            file = self.names[path]
            reached[path] = None if file is None else self.files.get(file, b"")
        return reached

    def apply(self, op: Op, survived: str) -> None:
        """Apply an operation as far as it survived: whole, half of its bytes, or zeros in their place."""
        match op.kind:
            case "create":
                self.names[op.path] = op.file
                self.files.setdefault(op.file, b"")
            case "mkdir":
                self.names[op.path] = None
            case "write":
                held = self.files.get(op.file, b"").ljust(op.size, b"\0")[: op.size]
                kept = {"whole": op.data, "half": op.data[: len(op.data) // 2], "zeros": bytes(len(op.data))}[survived]
                self.files[op.file] = held + kept
            case "truncate":
                self.files[op.file] = self.files.get(op.file, b"")[: op.size]
            case "rename":
                self.names.pop(op.path, None)
                self.names[op.target] = op.file
            case "remove":
                if not any(path.startswith(op.path + "/") for path in self.names):
                    self.names.pop(op.path, None)


@dataclass
class Dying(Recorder):
    """A recorder whose process dies instead of making its n-th change or sync, and tells what it did until then."""

    left: int = 0
    will: int = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("open", "write", "ftruncate", "fsync", "mkdir", "replace", "unlink", "rmdir"):
            if self.left == 0:
                self.die()
            self.left -= 1
        return super().__getattribute__(name)

    def die(self) -> None:
        os.write(self.will, pickle.dumps((self.ops, self.born)))
        os._exit(0 if self.left else 9)


def died(root: Path, after: int, words: tuple[str, ...]) -> tuple[Recorder, bool]:
    """Run a command that dies after so many changes and syncs; return the recorder to go on with, and whether it died."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside the threads of a test runner
        child = os.fork()
    if child == 0:
        dying = Dying(str(root), left=after, will=writing)
        vars(disk)["os"] = dying
        try:
            helix(root, *words)
        finally:
            dying.die()
    os.close(writing)
    with open(reading, "rb") as will:
        ops, born = pickle.load(will)
    return Recorder(str(root), ops, born=born), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def start(root: Path) -> Disk:
    """Return the disk as it is before the recorded work: all of it durable."""
    names: dict[str, int | None] = {}
    files: dict[int, bytes] = {}
    for path in sorted(root.rglob("*")):
        is_folder = path.is_dir()
        names[str(path.relative_to(root))] = None if is_folder else path.stat().st_ino
        if not is_folder:
            files[path.stat().st_ino] = path.read_bytes()
    return Disk(names, files)


def _synced_by(ops: list[Op], number: int) -> bool:
    """Tell whether a later sync made an operation durable."""
    op = ops[number]
    if op.kind in ("write", "truncate"):
        return any(later.kind == "sync-file" and later.file == op.file for later in ops[number:])
    folder = os.path.dirname(op.target or op.path) or "."
    return any(later.kind == "sync-folder" and later.path == folder for later in ops[number:])


def survivors(before: Disk, ops: list[Op], ends: Iterable[int]) -> Iterator[Tree]:
    """Yield each different tree that a loss of power may leave: every subset of what was unsynced.

    Args:
        ends: after how many operations the power is lost.
    """
    seen = set()
    for end in ends:
        done = ops[:end]
        changes = [number for number, op in enumerate(done) if not op.kind.startswith("sync")]
        loose = [number for number in changes if not _synced_by(done, number)]
        fates = [("", "whole", "half", "zeros") if done[number].kind == "write" else ("", "whole") for number in loose]
        for fate in product(*fates):
            survived = dict.fromkeys(changes, "whole") | dict(zip(loose, fate, strict=True))
            tried = Disk(dict(before.names), dict(before.files))
            for number in changes:
                if survived[number]:
                    tried.apply(done[number], survived[number])
            tree = tried.tree()
            if (key := tuple(tree.items())) not in seen:
                seen.add(key)
                yield tree


def lay(tree: Tree, root: Path) -> None:
    """Put a tree on the real disk."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for path, data in tree.items():
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


def prepared(which: Scenario, root: Path, *, is_warm: bool) -> Path:
    """Return a copy of a registry: its index is that of another folder, until a write makes one."""
    copy(which, root)
    if is_warm and which.before:
        with begin(Store(str(root))):
            pass
    return root


def violation(which: Scenario, root: Path, *, acknowledged: bool) -> str | None:
    """Return what does not hold after the power came back, or None."""
    try:
        readers_see_one_state(which, root)
        with begin(Store(str(root))):
            pass
        found = tracked(root)
        assert found == which.after or (found == which.before and not acknowledged)
        assert not list((root / ".helix").glob("pending/*"))
        goes_on(root)
    except Exception as error:  # noqa: BLE001 - whatever breaks here is what is looked for
        return f"{type(error).__name__}: {error}"
    return None


def lost_power(
    which: Scenario, tmp_path: Path, missing: Callable[[Op], bool] = lambda _op: False, *, is_warm: bool = True
) -> tuple[int, list[str]]:
    """Return how many trees a loss of power can leave behind a command, and what is wrong with them.

    Args:
        missing: syncs to leave out, as a program would that has forgotten them.
        is_warm: whether the index has what the log has; otherwise all of it is synced first.
    """
    root = prepared(which, tmp_path / "recorded", is_warm=is_warm)
    before = start(root)
    ops = [op for op in recorded(root, lambda: helix(root, *which.words)) if not missing(op)]
    trees = [(tree, False) for tree in survivors(before, ops, range(len(ops)))]
    trees += [(tree, True) for tree in survivors(before, ops, [len(ops)])]
    wrong = []
    for tree, acknowledged in trees:
        lay(tree, tmp_path / "tried")
        found = violation(which, tmp_path / "tried", acknowledged=acknowledged)
        wrong += [found] if found else []
    return len(trees), wrong


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("activate", 20),
        ("rotate", 20),
        ("register", 12),
        ("rollback", 20),
        ("denied", 4),
        ("signed", 20),
        ("checkpoint", 8),
        ("schedule", 12),
        ("fire", 20),
        ("unschedule", 4),
    ],
)
def test_whatever_a_disk_forgets_of_what_was_not_synced_the_registry_is_old_or_new(
    name: str, least: int, made: Made, tmp_path: Path, record_property: Note
) -> None:
    states, wrong = lost_power(made(name), tmp_path)
    record_property("states", states)
    assert wrong == []
    assert states >= least


@pytest.mark.parametrize("name", ["activate", "rotate", "unschedule"])
def test_the_same_holds_where_there_is_no_index_of_the_log(name: str, made: Made, tmp_path: Path) -> None:
    _, wrong = lost_power(made(name), tmp_path, is_warm=False)
    assert wrong == []


@pytest.mark.parametrize(
    ("name", "kind", "below"),
    [
        ("activate", "sync-file", ".helix/pending/"),
        ("activate", "sync-file", "audit/"),
        ("activate", "sync-folder", ".helix/pending"),
        ("rotate", "sync-folder", "audit"),
        ("unschedule", "sync-folder", ".helix/pending"),
    ],
    ids=["pending-files", "log", "folder-of-pending", "folder-of-log", "folder-of-a-removal"],
)
def test_a_protocol_that_leaves_out_a_sync_is_found_out(
    name: str, kind: str, below: str, made: Made, tmp_path: Path
) -> None:
    _, wrong = lost_power(made(name), tmp_path, lambda op: op.kind == kind and op.path.startswith(below))
    assert wrong


NEXT = ("register", "fresh/model@9.0.0", "--provider", "in-house")
REFUSED = ("block", "no@1.0.0")


@pytest.mark.slow
@pytest.mark.parametrize("is_warm", [True, False], ids=["warm", "cold"])
@pytest.mark.parametrize(
    ("name", "words"), [("rotate", NEXT), ("register", NEXT), ("init", NEXT), ("unschedule", REFUSED)]
)
def test_what_comes_after_a_kill_is_not_lost_with_the_power(
    name: str, words: tuple[str, ...], made: Made, tmp_path: Path, *, is_warm: bool
) -> None:
    which, wrong, after, is_dead = made(name), [], 0, True
    while is_dead:
        root = prepared(which, tmp_path / "recorded", is_warm=is_warm)
        before = start(root)
        recorder, is_dead = died(root, after, which.words)
        codes: list[int] = []
        helixes = (("init", str(root)), words) if name == "init" else (words,)
        ops = recorded(root, lambda: codes.extend(helix(root, *one) for one in helixes), recorder)  # noqa: B023
        assert codes[-1] == (0 if words[0] == "register" else 4)
        expected = tracked(root)
        for tree in survivors(before, ops, [len(ops)]):
            lay(tree, tmp_path / "tried")
            found = lost(tmp_path / "tried", expected, acknowledged=words[0] == "register")
            wrong += [(after, found)] if found else []
        after += 1
    assert wrong == []
    assert after > 5


def lost(root: Path, expected: Files, *, acknowledged: bool) -> str | None:
    """Return what is not as it was when the last command ended, or None."""
    try:
        with begin(Store(str(root))):
            pass
        assert tracked(root) == expected or not acknowledged
        assert Registry.open(root).verify().outcome == "ok"
    except Exception as error:  # noqa: BLE001 - whatever breaks here is what is looked for
        return f"{type(error).__name__}: {error}"
    return None
