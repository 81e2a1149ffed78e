"""What the audit log costs as ratios: CPU time of whole processes, medians, in one run.

`python -m benchmarks.audit [ENTRIES] [RUNS]` makes a log of so many entries and prints each figure beside its limit.
"""

from __future__ import annotations

import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from glob import glob
from pathlib import Path

from benchmarks.startup import asked
from helixctl.api import Registry
from helixctl.core import audit, names
from helixctl.core.audit import Actor, Effect, Entry

SEGMENT = 10_000
START = datetime(2026, 1, 1, tzinfo=UTC)
STEP = timedelta(seconds=7)


def cpu(words: list[str]) -> float:
    """Return the CPU seconds, user and system, of one process and its children; its output goes to a file."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with tempfile.TemporaryFile() as output:
        subprocess.run(words, stdout=output, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median(words: list[str], runs: int) -> float:
    """Return the median CPU seconds of a process."""
    return statistics.median(cpu(words) for _ in range(runs))


def peak_kib(words: list[str]) -> int:
    """Return the largest resident size of a process, in KiB; of a fresh parent, since the largest child counts."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL)"
    code += "; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    return int(subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=True).stdout)


def grow(root: Path, entries: int) -> None:
    """Add entries to a new registry's log, in segments of 10,000, as `record` would over months."""
    rng = random.Random(1)
    registry = Registry.open(root)
    (first,) = glob(str(root / "audit/*/*/*.jsonl"))
    parent = audit.scan(Path(first).read_bytes()[:-1]).hash
    named = registry.store.settings().id
    effect, actor = Effect("metrics.updated", "m", "1.0.0", "active", "active"), Actor("ci@example.com", "ci", "ci")
    handle = None
    for number in range(2, entries + 1):
        at = START + number * STEP
        if handle is None or number % SEGMENT == 0:
            path = root / names.segment_path(at, rng.randbytes(6))
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("wb")
        entry = Entry(at, "metrics.updated", actor, model="m", version="1.0.0", effects=(effect,), registry=named)
        placed = entry._replace(seq=number, id=audit.entry_id(at, rng.randbytes(10)), parents=(parent,), tool="0.1.0")
        line, parent = audit.encode(placed)
        handle.write(line)


def row(name: str, value: float, limit: float | None) -> bool:
    """Print one ratio; return whether it keeps its limit."""
    kept = limit is None or value <= limit
    print(f"{name:58} {value:6.2f}" + (f"  limit {limit:g}{'' if kept else '  MISSED'}" if limit is not None else ""))
    return kept


def main() -> int:
    """Print the table; return 1 where a limit is missed."""
    entries, runs = asked(__doc__, entries=1_000_000, runs=5)
    program = [sys.executable, "-m", "helixctl"]
    with tempfile.TemporaryDirectory() as folder:
        small, large = Path(folder, "small"), Path(folder, "large")
        for root in (small, large):
            Registry.create(root, name="bench")
        grow(large, entries)
        segments = sorted(glob(str(large / "audit/*/*/*.jsonl")))
        print(f"{entries} entries, {sum(map(os.path.getsize, segments)) / 1e6:.0f} MB")
        digest, copied = median(["openssl", "sha256", *segments], runs), median(["cat", *segments], runs)
        verify = [*program, "audit", "verify", "-C", str(large)]
        kept = [row("audit verify / openssl sha256", median(verify, runs) / digest, 5)]
        peak, base = peak_kib(verify), peak_kib([*program, "audit", "verify", "-C", str(small)])
        kept.append(row("memory of audit verify, this log / one entry", peak / base, 1.3))
        subprocess.run([*program, "audit", "checkpoint", "--no-sign", "-q", "-C", str(large)], check=True, stdout=-3)
        (note,) = glob(str(large / "audit/checkpoints/*.note"))
        started = median([*program, "audit", "verify", "-C", str(small)], runs)
        spent = median([*verify, "--against", note], runs)
        kept.append(row("audit verify from a checkpoint, less start-up / openssl", (spent - started) / digest, 1.2))
        row("the same with start-up", spent / digest, None)
        kept.append(
            row("audit export / cat", median([*program, "audit", "export", "-C", str(large)], runs) / copied, 3)
        )
        day = START + entries * STEP / 2
        span = ["--since", f"{day:%Y-%m-%d}", "--until", f"{day + timedelta(days=1):%Y-%m-%d}"]
        ranged = [*program, "audit", "export", *span, "-C"]
        row(
            "audit export of a day / of nothing",
            median([*ranged, str(large)], runs) / median([*ranged, str(small)], runs),
            None,
        )
        appends = []
        for root in (small, large):
            add = [*program, "register", "--provider", "p", "-q", "-C", str(root)]
            cpu([*add, "m@0.0.1"])
            appends.append(statistics.median(cpu([*add, f"m@1.0.{number}"]) for number in range(runs * 2)))
        kept.append(row(f"an append to {entries} entries / to one", appends[1] / appends[0], 1.3))
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main())
