"""Faults under the program: a layer between storage/disk.py and the operating system, and what must hold after it."""

from __future__ import annotations

import errno
import io
import os
import random
import shutil
import signal
import subprocess
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from helixctl.api import Registry
from helixctl.cli.edge import run
from helixctl.cli.session import World
from helixctl.storage import disk
from helixctl.storage.registry import Store
from helixctl.storage.transaction import begin
from tests.conftest import ALICE, BECAUSE, OVERRIDE, START, Clock, Place

CALLS = ("open", "write", "fsync", "close", "fstat", "ftruncate", "mkdir", "rmdir", "unlink", "replace", "listdir")
TOUCH = "write"
Fault = Callable[[int, str, tuple[Any, ...]], None]
Files = dict[str, bytes]


class Layer:
    """Stands for `os` in storage/disk.py: tells each call before it is made; syncs nothing, which no death needs."""

    def __init__(self, before: Fault) -> None:
        self.before, self.count = before, 0

    def __getattr__(self, name: str) -> Any:
        real = (lambda _handle: None) if name == "fsync" else getattr(os, name)
        if name not in CALLS:
            return real

        def call(*given: Any) -> Any:
            self.count += 1
            self.before(self.count, name, given)
            return real(*given)

        return call


@contextmanager
def beneath(before: Fault) -> Iterator[Layer]:
    """Put a layer under storage/disk.py."""
    layer, held = Layer(before), vars(disk)["os"]
    vars(disk)["os"] = layer
    try:
        yield layer
    finally:
        vars(disk)["os"] = held


def no_fault(_number: int, _name: str, _given: tuple[Any, ...]) -> None:
    """Let every call pass."""


def killed_at(which: int, *, half: bool = False) -> Fault:
    """Die before the n-th call; with `half`, after half of its bytes where it writes."""

    def before(number: int, name: str, given: tuple[Any, ...]) -> None:
        if number == which:
            if half and name == TOUCH:
                os.write(given[0], given[1][: len(given[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    return before


def failing_at(which: int, code: int, *, for_ever: bool = False) -> Fault:
    """Fail the n-th call, and with `for_ever` every one after it. A close that fails has closed, as on Linux."""

    def before(number: int, name: str, given: tuple[Any, ...]) -> None:
        if number == which or (for_ever and number > which):
            if name == "close":
                os.close(given[0])
            raise OSError(code, os.strerror(code))

    return before


def short_at(which: int) -> Fault:
    """Let the n-th call, where it writes, write half and then fail for want of space."""

    def before(number: int, name: str, given: tuple[Any, ...]) -> None:
        if number == which and name == TOUCH:
            os.write(given[0], given[1][: len(given[1]) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return before


@dataclass(frozen=True)
class Scenario:
    """A command on a registry made for it: the exit code it ends with, and the tracked files before and after."""

    name: str
    template: Path
    words: tuple[str, ...]
    code: int
    before: Files
    after: Files
    calls: tuple[str, ...]


DUE = START + timedelta(hours=12)
"""When a scheduled activation of a scenario is due: before its command runs."""
SERVE = ("--override", OVERRIDE[0], "--override", OVERRIDE[1], "--reason", BECAUSE)
COMMANDS: dict[str, tuple[tuple[str, ...], int]] = {
    "register": (("register", "fresh/model@1.0.0", "--provider", "in-house"), 0),
    "activate": (("activate", "m@2.0.0", *SERVE), 0),
    "rotate": (("activate", "m@2.0.0", *SERVE), 0),
    "rollback": (("rollback", "m"), 0),
    "denied": (("activate", "m@2.0.0"), 3),
    "evaluate": (("evaluate", "m@2.0.0", "--from", "{inferences}"), 0),
    "expire": (("evaluate", "m@2.0.0", "--from", "{inferences}"), 0),
    "signed": (("activate", "m@2.0.0", *SERVE), 0),
    "checkpoint": (("audit", "checkpoint"), 0),
    "schedule": (("activate", "m@2.0.0", "--at", f"{DUE + timedelta(days=2):%Y-%m-%d}", *SERVE), 0),
    "fire": (("sweep",), 0),
    "miss": (("sweep",), 0),
    "unschedule": (("schedule", "cancel", "{id}"), 0),
    "init": (("init", "{root}", "--name", "test"), 0),
}
"""What is put under faults; `rotate` is an activation whose entry opens a new segment, `signed` one that signs it.

`expire` is an evaluation that removes the evidence of an older one. `fire`, `miss` and `unschedule` remove the file of
a scheduled activation, the last two nothing but that.
"""
KEY = "signing-key"
"""The name of the key beside a registry."""


def scenario(name: str, folder: Path) -> Scenario:
    """Make the registry of a scenario, and learn what its command does to a copy when nothing fails."""
    template = folder / "template"
    words, code = COMMANDS[name]
    inferences = _build(name, template)
    (waits,) = [path.stem.rpartition("-")[2] for path in template.glob("schedule/*")] or ("",)
    words = tuple(word.replace("{inferences}", str(inferences)).replace("{id}", waits) for word in words)
    found = Scenario(name, template, words, code, tracked(template), {}, ())
    root = copy(found, folder / "sound")
    calls: list[str] = []
    with beneath(lambda _number, called, _given: calls.append(called)):
        assert helix(root, *words) == code
    return Scenario(name, template, words, code, found.before, tracked(root), tuple(calls))


def _build(name: str, template: Path) -> Path | None:
    if name == "init":
        template.mkdir()
        return None
    clock = Clock(START - timedelta(days=9))
    registry, _ = Registry.create(template, name="test", actor=ALICE, clock=clock, random=random.Random(1).randbytes)
    if name == "signed":
        registry = _signing(registry, template)
    place = Place(registry)
    place.serve("m@1.0.0", "m@1.1.0")
    place.register("m@2.0.0")
    if name == "rotate":
        with (template / "helix.toml").open("a") as settings:
            settings.write("\n[audit]\nmax_entries = 1\n")
    if name == "expire":
        with (template / "helix.toml").open("a") as settings:
            settings.write("\n[evaluation]\nevidence_days = 7\n")
        for count in (60, 70):
            place.registry.evaluate("m@2.0.0", [str(place.inferences(count))])
    place.register("other@1.0.0")
    if name in ("fire", "miss", "unschedule"):
        registry.schedule.add("m@2.0.0", DUE, DUE if name == "miss" else None, overrides=OVERRIDE, reason=BECAUSE)
    return place.inferences()


def _signing(registry: Registry, template: Path) -> Registry:
    """Let each write of a registry be signed by a key beside it."""
    key = template.with_name(KEY)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    (template / "trust").mkdir()
    public = key.with_suffix(".pub").read_text()
    (template / "trust/allowed_signers").write_text(f"{ALICE.id} {public}")
    with (template / "helix.toml").open("a") as settings:
        settings.write("\n[audit]\nsign = true\n")
    return Registry.open(template, actor=ALICE, clock=registry.store.clock, random=registry.store.random, key=key_of)


def key_of(root: str) -> str | None:
    """Return the key beside a registry, where there is one."""
    key = Path(root).with_name(KEY)
    return str(key) if key.exists() else None


def copy(which: Scenario, root: Path) -> Path:
    """Return a fresh copy of the scenario's registry."""
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(which.template, root)
    return root


def helix(root: Path, *words: str) -> int:
    """Run a command line in this process, with a clock and ids that are the same each time."""
    out, err = (io.TextIOWrapper(io.BytesIO(), write_through=True) for _ in range(2))
    known = {"HELIX_ACTOR": "alice@example.com", "HELIX_REGISTRY": str(root)}
    known |= {"HELIX_SIGNING_KEY": key} if (key := key_of(str(root))) else {}
    world = World(known, io.BytesIO(), out, err, Clock(START + timedelta(days=1)), random.Random(7).randbytes)
    return run([word.replace("{root}", str(root)) for word in words], world)


def in_child(work: Callable[[], int], fault: Fault) -> int | None:
    """Run work in a process of its own over a fault; return its exit code, or None where it was killed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside the threads of a test runner
        child = os.fork()
    if child == 0:
        code = 70
        try:
            with beneath(fault):
                code = work()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return None if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def attempt(which: Scenario, root: Path, fault: Fault) -> int | None:
    """Run the scenario's command over a fault, in a process of its own."""
    return in_child(lambda: helix(root, *which.words), fault)


def recover(which: Scenario, root: Path) -> int:
    """Do what the next command does first: recover. Nothing but `init` finds a registry that was never made."""
    if which.name == "init" and (code := helix(root, *which.words)):
        return code
    with begin(Store(str(root))):
        return 0


def tracked(root: Path) -> Files:
    """Return every file that git would see with its bytes, but for segments without an entry."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".helix" not in path.parts and (path.suffix != ".jsonl" or path.stat().st_size)
    }


def statuses(root: Path) -> dict[str, str]:
    """Return each version with its status, as a reader sees it; nothing where there is no registry."""
    if not (root / "helix.toml").exists():
        return {}
    listing = Registry.open(root).list()
    assert not listing.broken
    return {str(one.ref): str(one.status) for one in listing.records}


def expect_sound(which: Scenario, root: Path, code: int | None) -> str:
    """Assert what must hold after a fault, and return which of the two states it left.

    Args:
        code: what the command acknowledged, None where it died.
    """
    assert code in (which.code, 8, None)
    readers_see_one_state(which, root)
    recover(which, root)
    assert not list((root / ".helix").glob("pending/*"))
    found = tracked(root)
    left = "after" if found == which.after else "before"
    if which.name != "init":  # which recovery has just run again
        assert found in (which.before, which.after), sorted(set(found.items()) ^ set(which.after.items()))
        assert left == "after" or code != which.code
    assert found == which.after or which.name != "init"
    goes_on(root)
    return left


def readers_see_one_state(which: Scenario, root: Path) -> None:
    """Assert that a reader, before any recovery, sees the versions as they were or as they became."""

    def at(files: Files) -> dict[str, str]:
        lines = {path: raw.decode(errors="replace").rpartition("[lifecycle]")[2] for path, raw in files.items()}
        return {
            f"{path[7:-5].rpartition('/')[0]}@{path[7:-5].rpartition('/')[2]}": text.split('status = "')[1].split('"')[
                0
            ]
            for path, text in lines.items()
            if path.startswith("models/")
        }

    assert statuses(root) in (at(which.before), at(which.after))
    if (root / "helix.toml").exists():
        assert Registry.open(root).verify().outcome == "ok"


def goes_on(root: Path) -> None:
    """Assert that the next change is one more entry in a log that verifies."""
    registry = Registry.open(root, actor=ALICE, clock=Clock(START + timedelta(days=2)), key=key_of)
    entries = registry.verify().entries
    Place(registry).register("later@1.0.0")
    verified = registry.verify()
    assert (verified.outcome, verified.entries, verified.findings) == ("ok", entries + 1, ())
