"""Recording as ratios: a stream of many records beside `cat` and `wc -l` of the same file, and one call of a Recorder.

`python -m benchmarks.record [RECORDS] [RUNS]` writes the records to a temporary folder; CPU time of whole processes, medians.
The stream ends with a refresh of the rolling metrics, which is in the figures.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.audit import row
from benchmarks.evaluate import SPECIFICATION, spent
from benchmarks.startup import asked
from helixctl import Recorder
from helixctl.api import Registry

LEAST = 100_000
"""Records a second."""
CALLS = 20_000


def call_us(root: Path) -> float:
    """Return the microseconds that a call of a Recorder takes, the work of its thread in between included."""
    with Recorder.open(root, "acme/m@1.0.0", interval_s=0.05, most=CALLS) as recorder:
        taken = []
        for _ in range(9):
            begun = time.perf_counter()
            for _ in range(CALLS // 20):
                recorder.record(latency_ms=412.5, input_tokens=310, output_tokens=42, confidence=0.93)
            taken.append((time.perf_counter() - begun) / (CALLS // 20) * 1e6)
            recorder.flush()
    return statistics.median(taken)


def main() -> int:
    """Print the figures; return 1 where a limit is missed."""
    count, runs = asked(__doc__, records=1_000_000, runs=3)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        registry, _ = Registry.create(place / "registry", name="bench")
        registry.register(SPECIFICATION.encode())
        lines, few = place / "many.jsonl", place / "none.jsonl"
        few.touch()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.evaluate", "--write", str(lines), str(count)],
            check=True,
        )
        program = f"'{sys.executable}' -m helixctl record acme/m@1.0.0 -C '{place}/registry'"
        work = {
            "cat": f"cat '{lines}'",
            "wc -l": f"wc -l '{lines}'",
            "record nothing": f"{program} < '{few}'",
            "record": f"{program} < '{lines}'",
            "record, through a pipe": f"cat '{lines}' | {program}",
            "record --sync": f"{program} --sync < '{lines}'",
        }
        found: dict[str, list[tuple[float, float, int]]] = {name: [] for name in work}
        for _ in range(runs):
            for name, line in work.items():
                shutil.rmtree(place / "registry" / ".helix" / "inferences", ignore_errors=True)
                begun = time.perf_counter()
                cpu, held = spent(["/bin/sh", "-c", line])
                found[name].append((cpu, time.perf_counter() - begun, held))
        call = call_us(place / "registry")
    cpu_s = {name: statistics.median(one[0] for one in rows) for name, rows in found.items()}
    print(f"{count} records, {runs} runs; CPU seconds, seconds, MiB at most")
    for name, rows in found.items():
        held = max(one[2] for one in rows)
        print(f"  {name:24} {cpu_s[name]:7.2f} s {statistics.median(one[1] for one in rows):7.2f} s {held:5} MiB")
    for other in ("cat", "wc -l"):
        row(f"record / {other}", cpu_s["record"] / max(cpu_s[other], 0.001), None)
    print(f"{'records a second of CPU':58} {count / (cpu_s['record'] - cpu_s['record nothing']):.0f}")
    kept = row(f"seconds of CPU for {LEAST} records, start-up included", cpu_s["record"] * LEAST / count, 1)
    row("one call of Recorder.record, microseconds", call, None)
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())
