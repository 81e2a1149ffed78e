"""What commands cost in registries of 10 to 100,000 versions, as ratios: CPU time of whole processes, medians, in one run.

`python -m benchmarks.scale [LARGEST] [RUNS]` makes registries by a seed, and prints each command as a ratio to `python -c pass`;
then, beside the limits, to the smallest registry, and to `cat` of the same files into /dev/null. `cold` is without what is
derived: the index of the log and the decoded versions; it is measured up to 10,000.
"""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import nan
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from benchmarks import startup
from benchmarks.audit import row
from helixctl.api import Registry
from helixctl.core import audit, record, toml
from helixctl.core.audit import Actor, Change, Effect, Entry
from helixctl.core.names import segment_path
from helixctl.core.record import Record
from helixctl.storage import tree
from helixctl.storage.records import SETTLED_NS

START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=7)
SEGMENT = 10_000
TARGET = "bench/target"
"""The model that commands on one model work on: 10 versions, the same in every registry."""
PROGRAM = (sys.executable, "-m", "helixctl")
SIZES = (10, 1000, 10_000, 100_000)
ONE = (f"show {TARGET}@1.9.0", f"show {TARGET}@active", f"check {TARGET}@1.5.0 --for retire", f"status {TARGET}")
WHOLE = ("list", "status", "sweep --dry-run", "verify")


class Log(NamedTuple):
    """A log that grows by many entries at once, as `gate.submit` would write them one by one."""

    root: Path
    registry: str
    rng: random.Random
    last: list[str]

    @classmethod
    def of(cls, root: Path) -> Log:
        """Return the log of a new registry."""
        (first,) = root.glob("audit/*/*/*.jsonl")
        return cls(root, Registry.open(root).store.settings().id, random.Random(1), ["1", audit_hash(first)])

    def write(self, entries: Iterator[Entry]) -> None:
        """Append entries, each the child of the one before, in segments of 10,000."""
        handle: BinaryIO | None = None
        seq, parent = int(self.last[0]), self.last[1]
        for entry in entries:
            seq += 1
            at = START + seq * STEP
            if handle is None or seq % SEGMENT == 0:
                path = self.root / segment_path(at, self.rng.randbytes(6))
                path.parent.mkdir(parents=True, exist_ok=True)
                handle = path.open("wb")
            placed = entry._replace(
                at=at,
                seq=seq,
                id=audit.entry_id(at, self.rng.randbytes(10)),
                parents=(parent,),
                registry=self.registry,
                tool="0.1.0",
            )
            line, parent = audit.encode(placed)
            handle.write(line)
        self.last[:] = str(seq), parent


def audit_hash(segment: Path) -> str:
    """Return the hash of the last line of a segment."""
    return audit.scan(segment.read_bytes()[:-1].rpartition(b"\n")[2]).hash


def specification(model: str, version: str, rng: random.Random) -> dict[str, Any]:
    """Return the values of one version, as a catalogue would give them."""
    price = rng.randint(10, 2000)
    return toml.parse(
        f"""schema = 1
model = "{model}"
version = "{version}"
provider = "bench"
provider_model_id = "{model.replace("/", "-")}-{version}"
display_name = "{model} {version}"
description = "A version made by the benchmark's generator."
release_date = 2026-01-{rng.randint(1, 28):02}
tags = ["llm", "{rng.choice(("economy", "premium"))}"]
[capabilities]
streaming = true
tool_calling = {rng.choice(("true", "false"))}
vision = {rng.choice(("true", "false"))}
languages = ["en", "de"]
[limits]
context_window = {rng.choice((32000, 128000, 200000))}
max_output_tokens = 4096
[cost]
currency = "USD"
input_per_mtok = {price / 100:.2f}
output_per_mtok = {price / 25:.2f}
tier = "standard"
""".encode()
    )


def model_history(root: Path, model: str, count: int, rng: random.Random) -> Iterator[Entry]:
    """Yield the entries of a model whose versions were registered and activated one after another; write its files.

    The last serves; those before are deprecated, each by its successor.
    """
    actor = Actor("ci@example.com", "ci", "ci")
    files: dict[str, bytes] = {}
    before: dict[str, Any] | None = None
    for number in range(count):
        version = f"1.{number}.0"
        spec = specification(model, version, rng)
        head = record.text_of(spec) + b"\n"
        at = START + timedelta(hours=number)
        serving = record.serving_digest(spec)
        fresh = {"status": "inactive", "registered_at": at}
        change = _written(files, head, Record(head, spec, fresh))
        effect = Effect("version.registered", model, version, None, "inactive")
        yield Entry(at, effect.action, actor, "success", model, version, None, (change,), (effect,))
        serves = fresh | {"status": "active", "activated_at": at, "served_digest": serving}
        effects = [Effect("version.activated", model, version, "inactive", "active")]
        if before is not None:
            serves["previous"] = before["spec"]["version"]
        changes = [_written(files, head, Record(head, spec, serves))]
        if before is not None:
            ended = _ended(before["lifecycle"], f"{model}@{version}", at)
            changes.append(_written(files, before["head"], Record(before["head"], before["spec"], ended)))
            effects.append(Effect("version.deprecated", model, before["spec"]["version"], "active", "deprecated"))
        yield Entry(at, "version.activated", actor, "success", model, version, None, tuple(changes), tuple(effects))
        before = {"head": head, "spec": spec, "lifecycle": serves}
    folder = root / "models" / model
    folder.mkdir(parents=True)
    for path, raw in files.items():
        (root / path).write_bytes(raw)


def _ended(lifecycle: dict[str, Any], replacement: str, at: datetime) -> dict[str, Any]:
    ending = {
        "announced_at": at,
        "end_of_life": at + timedelta(days=36500),
        "replacement": replacement,
        "grace_period_days": 36500,
        "source": "activation",
    }
    return {**lifecycle, "status": "deprecated", "deprecation": ending}


def _written(files: dict[str, bytes], head: bytes, now: Record) -> Change:
    """Note the bytes that a record's file has now, encoded as `record.encode` does once the head is known to be whole."""
    path = tree.path_of(now.ref)
    raw = head + toml.dump({"lifecycle": now.lifecycle}).encode()
    known, files[path] = files.get(path), raw
    digest = hashlib.sha256(known).hexdigest() if known else None
    return Change(path, digest, hashlib.sha256(raw).hexdigest(), now.state_digest)


def grow(root: Path, versions: int) -> None:
    """Make a registry: the target with 10 versions; above 10, one model with 1,000, and models with 20."""
    rng = random.Random(versions)
    Registry.create(root, name="bench")
    sizes = {TARGET: 10}
    if versions >= 10_000:
        sizes["bench/large"] = 1000
    while (left := versions - sum(sizes.values())) > 0:
        sizes[f"bench-{len(sizes) % 97}/model-{len(sizes)}"] = min(20, left)
    log = Log.of(root)
    log.write(entry for model, count in sizes.items() for entry in model_history(root, model, count, rng))


def cpu(words: list[str]) -> float:
    """Return the CPU seconds of one process whose output goes to /dev/null."""
    return startup.cpu(words, ".", dict(os.environ))


def spent(root: Path, words: str, runs: int = 1, *, is_cold: bool = False) -> float:
    """Return the median CPU seconds of a command in a registry; cold means that before each run what is derived goes away."""
    found = []
    for _ in range(runs):
        if is_cold:
            shutil.rmtree(root / ".helix/records", ignore_errors=True)
            (root / ".helix/index.db").unlink(missing_ok=True)
        found.append(cpu([*PROGRAM, *words.split(), "-C", str(root)]))
    return statistics.median(found)


def activated(root: Path, runs: int) -> float:
    """Return the median CPU seconds of putting one version after another of the target in service."""
    registry = Registry.open(root)
    for number in range(runs):
        registry.register(specification(TARGET, f"2.{number}.0", random.Random(number)))
    options = "--override tested-first --override evaluation --reason it-is-only-a-benchmark"
    return statistics.median(spent(root, f"activate {TARGET}@2.{number}.0 {options}") for number in range(runs))


def measured(root: Path, versions: int, runs: int) -> dict[str, float]:
    """Return the CPU seconds of each command in a new registry of so many versions, and of `cat` of what it holds."""
    grow(root, versions)
    found = {"activate": activated(root, runs)}
    time.sleep(SETTLED_NS / 1e9)  # until then, what was just changed is read anew each time
    few = runs if versions <= 10_000 else 1
    for words in WHOLE if versions <= 10_000 else ():
        found[f"{words}, cold"] = spent(root, words, few, is_cold=True)
    spent(root, f"block {TARGET}@1.0.0")  # a write builds the index of the log
    for words in (*ONE, *WHOLE):
        spent(root, words)
        found[words] = spent(root, words, runs if words in ONE else few)
    for folder in ("models", "audit"):
        files = [str(path) for path in (root / folder).rglob("*.*l") if path.is_file()]
        found[f"cat {folder}"] = statistics.median(
            sum(cpu(["cat", *part]) for part in batched(files)) for _ in range(few)
        )
    return found


def batched(files: list[str]) -> Iterator[list[str]]:
    """Yield the files in lists that a command line can hold."""
    return (files[start : start + 10_000] for start in range(0, len(files), 10_000))


def main() -> int:
    """Print the table, and return 1 where a limit is missed."""
    largest, runs = startup.asked(__doc__, largest=100_000, runs=5)
    sizes = [size for size in SIZES if size <= largest]
    start = statistics.median(cpu([sys.executable, "-c", "pass"]) for _ in range(2 * runs + 1))
    tables = {}
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            tables[size] = measured(Path(folder, "registry"), size, runs)
    print(f"{'x python -c pass':40}" + "".join(f"{size:>10}" for size in sizes))
    for words in tables[sizes[0]]:
        print(f"{words:40}" + "".join(f"{tables[size].get(words, nan) / start:10.1f}" for size in sizes))
    small, kept = tables[sizes[0]], []
    for size in sizes[1:]:
        now = tables[size]
        kept.append(row(f"activate, {size} versions / {sizes[0]}", now["activate"] / small["activate"], 1.3))
        kept += [row(f"{words}, {size} / {sizes[0]}", now[words] / small[words], 1.3) for words in ONE]
    for size in [size for size in sizes if size >= 10_000]:
        now = tables[size]
        own = now["list"] - small["list"]
        kept.append(row(f"list of {size}, less start-up / cat", own / now["cat models"], 6 if size == 10_000 else 20))
        for words in ("status", "sweep --dry-run"):
            row(f"{words}, {size}, less start-up / cat", (now[words] - small[words]) / now["cat models"], None)
        whole = now["cat models"] + now["cat audit"]
        row(f"verify, {size}, less start-up / cat, log too", (now["verify"] - small["verify"]) / whole, None)
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
