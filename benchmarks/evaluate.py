"""Evaluation of many records as ratios: CPU time of whole processes, medians, and the memory they took at most.

`python -m benchmarks.evaluate [RECORDS] [RUNS]` writes the records to a temporary folder, as JSON lines and as Parquet,
and compares `helixctl evaluate` with DuckDB running the same aggregate by hand, typed and unchecked, and with `cat`. Each
round runs all of them, so that what else the machine does weighs on all alike.
"""

from __future__ import annotations

import compileall
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import helixctl
from benchmarks.startup import asked
from helixctl.api import Registry
from helixctl.core.judge import Thresholds, judge
from helixctl.core.stats import StatsBuilder

SPECIFICATION = 'schema = 1\nmodel = "acme/m"\nversion = "1.0.0"\nprovider = "acme"\n'
TYPES = (
    "ts: 'TIMESTAMP', model: 'VARCHAR', version: 'VARCHAR', region: 'VARCHAR', success: 'BOOLEAN', latency_ms: 'DOUBLE', "
    "confidence: 'DOUBLE', input_tokens: 'BIGINT', output_tokens: 'BIGINT', cost: 'DOUBLE', error: 'VARCHAR'"
)
MOMENTS = ", ".join(
    f"count({one}), sum({one}), sum({one} * {one})"
    for one in (
        "input_tokens::HUGEINT",
        "output_tokens::HUGEINT",
        "floor(cost * 1e9 + 0.5)::HUGEINT",
        "floor(confidence * 1e6 + 0.5)::HUGEINT",
    )
)
BY_HAND = (
    "SELECT model, version, region, ts::DATE, ceil(latency_ms)::BIGINT, CASE WHEN NOT success THEN error END, "
    f"count(*), max(ts), {MOMENTS} FROM {{}} GROUP BY ALL"
)
DAYS = [f"2026-10-{day:02}" for day in range(1, 21)]
COMPACT = (
    "SELECT model, version, region, ts::DATE, CASE WHEN NOT success THEN error END, count(*), max(ts), "
    f"histogram(ceil(latency_ms)::BIGINT), {MOMENTS.replace('HUGEINT', 'BIGINT')} FROM {{}} GROUP BY ALL"
)
"""The same as it is done best: a map of latencies, and numbers of 64 bits, which larger ones would break."""
ENVIRONMENT = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"} | {
    "HELIX_ACTOR": "bench"
}
SHORT = ("python -c pass", "show", "evaluate 1,000")
"""So short that it takes 15 rounds to measure."""
BARE = (
    "import duckdb, sys; c = duckdb.connect(); c.execute(\"SET memory_limit = '320MiB'\"); "
    "c.execute('SET preserve_insertion_order = false'); c.execute('SET enable_progress_bar = false'); c.execute(sys.argv[1]).fetchall()"
)


def write(path: Path, count: int) -> None:
    """Write records of one version: three weeks, 2% failures, all the fields that an application has."""
    order = random.Random(1)
    with path.open("w") as file:
        for number in range(count):
            day, hour = 1 + number * 20 // count, order.randrange(24)
            at = f"2026-10-{day:02}T{hour:02}:{order.randrange(60):02}:{order.randrange(60):02}.{order.randrange(1000):03}Z"
            said = f'{{"ts":"{at}","model":"acme/m","version":"1.0.0",'
            if order.random() < 0.02:
                said += '"success":false,"latency_ms":null,"error":"timeout after 30 s",'
            else:
                said += f'"success":true,"latency_ms":{order.lognormvariate(6.7, 0.5):.1f},'
                said += f'"confidence":{order.uniform(0.7, 1):.3f},"cost":{order.uniform(0.0001, 0.02):.6f},'
            said += f'"input_tokens":{order.randrange(50, 900)},"output_tokens":{order.randrange(5, 400)}}}\n'
            file.write(said)


def spent(words: list[str]) -> tuple[float, int]:
    """Return the CPU seconds of one process, and the MiB that it took at most; it may end with any code but 1 and 2."""
    child = os.posix_spawn(
        words[0], words, ENVIRONMENT, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    )
    _, status, usage = os.wait4(child, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3, 7):
        raise SystemExit(f"{words[:3]} ended with {os.waitstatus_to_exitcode(status)}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024


def table(rows: int, days: int) -> Callable[[], object]:
    """Return what judges a table of so many rows."""
    builder = StatsBuilder("m", "1.0.0")
    for at, day in enumerate(DAYS[:days]):
        cells = (9, 9, 9, 0, 0, 0, 0, *(9000, 450_000, 27_000_000) * 4)
        builder.put(("", date.fromisoformat(day)), cells, {n // days: 3 for n in range(at, rows, days)})
    stats = builder.build()
    return lambda: judge(stats, Thresholds())


def judging(rows: int, days: int = 20) -> float:
    """Return the median milliseconds of CPU that the judge takes for a table."""
    work, taken = table(rows, days), []
    for _ in range(9):
        begun = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - begun))
    return statistics.median(taken)


def main() -> int:
    """Print the figures; return 1 where a limit is missed."""
    if sys.argv[1:2] == ["--write"]:  # in a process of its own, so that this one stays small: children inherit its peak
        write(Path(sys.argv[2]), int(sys.argv[3]))
        return 0
    compileall.compile_dir(str(Path(helixctl.__file__).parent), quiet=2)
    count, runs = asked(__doc__, records=1_000_000, runs=3)
    program = str(Path(sys.executable).with_name("helixctl"))
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        registry, _ = Registry.create(place / "registry", name="bench")
        registry.register(SPECIFICATION.encode())
        lines, few, parquet = place / "many.jsonl", place / "few.jsonl", place / "many.parquet"
        subprocess.run([sys.executable, "-m", "benchmarks.evaluate", "--write", str(lines), str(count)], check=True)
        subprocess.run([sys.executable, "-m", "benchmarks.evaluate", "--write", str(few), "1000"], check=True)
        reading = f"read_json('{lines}', format = 'newline_delimited', columns = {{{TYPES}}})"
        packed = place / "many.jsonl.gz"
        with packed.open("wb") as file:
            subprocess.run(["gzip", "-1", "-c", str(lines)], stdout=file, check=True)
        copied = f"COPY (SELECT * REPLACE (ts::TIMESTAMPTZ AS ts) FROM {reading}) TO '{parquet}'"
        subprocess.run([sys.executable, "-c", BARE, copied], check=True)
        ours = [program, "evaluate", "acme/m@1.0.0", "-C", str(place / "registry"), "--dry-run", "--from"]
        by_hand = [sys.executable, "-c", BARE]
        work = {
            "cat": ["/bin/cat", str(lines)],
            "python -c pass": [sys.executable, "-c", "pass"],
            "show": [
                program,
                "show",
                "acme/m@1.0.0",
                "--output=text",
                "-C",
                str(place / "registry"),
            ],  # by way of Typer
            "evaluate 1,000": [*ours, str(few)],
            "lines by hand": [*by_hand, BY_HAND.format(reading)],
            "by hand, compact": [*by_hand, COMPACT.format(reading)],
            "evaluate lines": [*ours, str(lines), "--engine", "duckdb"],
            "evaluate gzip": [*ours, str(packed), "--engine", "duckdb"],
            "Parquet by hand": [*by_hand, BY_HAND.format(f"read_parquet('{parquet}')")],
            "evaluate Parquet": [*ours, str(parquet)],
        }
        rounds = [{name: spent(words) for name, words in work.items()} for _ in range(runs)]
        rounds += [{name: spent(work[name]) for name in SHORT} for _ in range(max(0, 15 - runs))]
    found = {name: [one[name] for one in rounds if name in one] for name in work}
    seconds = {name: statistics.median(taken for taken, _ in rows) for name, rows in found.items()}
    memory = {name: max(held for _, held in rows) for name, rows in found.items()}
    print(f"{count} records, {runs} runs; CPU seconds, MiB at most")
    for name in work:
        print(f"  {name:18} {seconds[name]:8.2f} s {memory[name]:6} MiB")
    rows = [
        ("evaluate lines / by hand", seconds["evaluate lines"] / seconds["lines by hand"], 1.3),
        ("the same / by hand, compact", seconds["evaluate lines"] / seconds["by hand, compact"], math.inf),
        ("evaluate gzip / lines", seconds["evaluate gzip"] / seconds["evaluate lines"], math.inf),
        ("evaluate lines / cat", seconds["evaluate lines"] / seconds["cat"], math.inf),
        ("evaluate Parquet / by hand", seconds["evaluate Parquet"] / seconds["Parquet by hand"], 1.3),
        ("memory of lines, MiB", memory["evaluate lines"], 512),
        ("memory of Parquet, MiB", memory["evaluate Parquet"], 512),
        ("(1,000 records - show) / pass", (seconds["evaluate 1,000"] - seconds["show"]) / seconds["python -c pass"], 4),
        ("judge of 60,000 rows, ms", judging(60_000), 20),
        ("the same, of one day", judging(60_000, days=1), math.inf),
    ]
    for name, value, limit in rows:
        print(
            f"  {name:30} {value:8.2f}  {f'limit {limit}' if limit < math.inf else ''}{'' if value <= limit else '  MISSED'}"
        )
    return int(any(value > limit for _, value, limit in rows))


if __name__ == "__main__":
    raise SystemExit(main())
