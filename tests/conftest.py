"""Fixtures: a registry in a folder of its own, a clock that only tests move, and the command line in two ways."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings

from helixctl.api import Registry
from helixctl.core.audit import Actor

settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ALICE = Actor("alice@example.com", "user", "test")
OVERRIDE = ("tested-first", "evaluation")
BECAUSE = "already serves in production"
SPECIFICATION = """\
# kept as it is
schema = 1
model = "{model}"
version = "{version}"
provider = "in-house"

[cost]
input_per_mtok = 1.00
output_per_mtok = 2.00
"""


FOREGROUND = (
    sys.executable,
    "-c",
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Stands before a command that a test interrupts: what runs in the background of a shell ignores that, and so do its children."""


@dataclass
class Clock:
    """A clock that moves a second at each look, and further when told."""

    now: datetime = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def pass_by(self, **span: float) -> None:
        self.now += timedelta(**span)


@dataclass
class Ran:
    """What a command left: its exit code and both streams."""

    code: int
    out: str
    err: str


@dataclass
class Place:
    """A registry under test, with short ways to bring versions where a test needs them."""

    registry: Registry
    clock: Clock = field(default_factory=Clock)

    @property
    def root(self) -> Path:
        return Path(self.registry.store.root)

    def register(self, *refs: str, extra: str = "") -> None:
        for ref in refs:
            model, version = ref.split("@")
            text = SPECIFICATION.format(model=model, version=version) + extra
            assert self.registry.register(text.encode()).changed

    def serve(self, *refs: str) -> None:
        """Register versions and bring each into service, one after the other."""
        for ref in refs:
            self.register(ref)
            assert self.registry.activate(ref, overrides=OVERRIDE, reason=BECAUSE).changed

    def path(self, ref: str) -> Path:
        model, version = ref.split("@")
        return self.root / "models" / model / f"{version}.toml"

    def status(self, ref: str) -> str:
        return str(self.registry.show(ref).status)

    def inferences(self, count: int = 60, failures: int = 0, latency_ms: int = 100) -> Path:
        """Write native inferences to a file beside the registry."""
        path = self.root.parent / f"inferences-{count}-{failures}-{latency_ms}.jsonl"
        good = f'{{"ts":"2026-03-01T10:00:00Z","success":true,"latency_ms":{latency_ms},"confidence":0.9}}\n'
        bad = '{"ts":"2026-03-01T10:00:00Z","success":false,"latency_ms":null,"error":"timeout"}\n'
        path.write_text(good * (count - failures) + bad * failures)
        return path

    def files(self) -> dict[str, bytes]:
        """Every tracked file of the registry with its bytes: what a refused command may not change."""
        return {
            str(path.relative_to(self.root)): path.read_bytes()
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and ".helix" not in path.parts
        }


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep a test away from the home folder, the caller's variables and other repositories."""
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)  # it hides what is left in a buffer at the end
    for name in list(os.environ):
        if name.startswith(("HELIX", "GITHUB_", "GITLAB_", "GIT_")) or name in ("CI", "NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "no-home"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    clock = Clock()
    registry, _ = Registry.create(
        tmp_path / "registry", name="test", actor=ALICE, clock=clock, random=random.Random(1).randbytes
    )
    return Place(registry, clock)


@pytest.fixture
def cli(place: Place) -> Callable[..., Ran]:
    """Run a command line in this process, on the test's registry and clock."""
    from helixctl.cli.edge import run
    from helixctl.cli.session import World

    ids = random.Random(2).randbytes

    def call(*words: str, stdin: bytes = b"", **environment: str) -> Ran:
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
        known = {"HELIX_ACTOR": "alice@example.com", "HELIX_REGISTRY": str(place.root), **environment}
        world = World(known, io.BytesIO(stdin), out, err, place.clock, ids)
        code = run(list(words), world)
        printed = [stream.buffer.getvalue().decode() for stream in (out, err)]
        return Ran(code, *printed)

    return call


@pytest.fixture
def helix(tmp_path: Path) -> Callable[..., Ran]:
    """Run the installed command as a process of its own."""

    def call(*words: str, stdin: bytes = b"", cwd: Path | None = None, **environment: str) -> Ran:
        known = {**os.environ, "HELIX_ACTOR": "alice@example.com", **environment}
        done = subprocess.run(
            [sys.executable, "-m", "helixctl", *words], input=stdin, capture_output=True, cwd=cwd or tmp_path, env=known
        )
        return Ran(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))

    return call
