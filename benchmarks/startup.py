"""Start-up of commands as ratios to `python -c pass`: CPU time of whole processes, medians, in one run.

`python -m benchmarks.startup [RUNS]` prints each beside the limit it has to keep.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import helixctl
from helixctl.api import Registry

LIMITS: tuple[tuple[str, float], ...] = (
    ("--version", 2),
    ("__complete m@", 2),
    ("--help", 8),
    ("show m@1.0.0", 8),
    ("list", 8),
    ("check m@2.0.0 --for activate", 8),
    ("activate m@2.0.0", 10),
)
SPECIFICATION = (
    'schema = 1\nmodel = "m"\nversion = "{}"\nprovider = "p"\n[cost]\ninput_per_mtok = 1.0\noutput_per_mtok = 1.0\n'
)


def cpu(words: list[str], folder: str, environment: dict[str, str]) -> float:
    """Return the CPU seconds, user and system, of one process and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=folder, env=environment, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prepare(folder: str) -> None:
    """Make a registry with one version in service and one that may replace it."""
    registry, _ = Registry.create(folder, name="bench")
    terms = {"overrides": ("tested-first", "evaluation"), "reason": "already serves in production"}
    for version in ("1.0.0", "2.0.0"):
        registry.register(SPECIFICATION.format(version).encode())
    registry.activate("m@1.0.0", **terms)  # type: ignore[arg-type]
    registry.promote("m@2.0.0", "testing")
    lines = ({"success": True, "latency_ms": 100, "confidence": 0.9} for _ in range(100))
    registry.record("m@2.0.0", lines)
    registry.evaluate("m@2.0.0")


def environment() -> dict[str, str]:
    """Return the environment of commands that are measured, with byte code compiled as an installation leaves it."""
    compileall.compile_dir(str(Path(helixctl.__file__).parent), quiet=2)
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "HELIX_ACTOR": "bench"}


def asked(words: str | None, **defaults: Any) -> list[Any]:
    """Return the values on the command line, or their defaults; `--help` prints a script's own words."""
    parser = argparse.ArgumentParser(description=words, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in defaults.items():
        parser.add_argument(name, type=type(default), nargs="?", default=default)
    return list(vars(parser.parse_args()).values())


def main() -> int:
    """Print the table; return 1 where a limit is missed."""
    (runs,) = asked(__doc__, runs=15)
    known = environment()
    program = Path(sys.executable).parent / "helixctl"
    missed = 0
    print(f"{'command':32} {'x python -c pass':>17} {'limit':>6}")
    for line, limit in LIMITS:
        ratios = []
        for _ in range(runs):
            with tempfile.TemporaryDirectory() as folder:
                prepare(folder)
                cpu([sys.executable, "-c", "pass"], folder, known)  # warms up what preparing left cold
                command = cpu([sys.executable, str(program), *line.split()], folder, known)
                ratios.append(command / cpu([sys.executable, "-c", "pass"], folder, known))
        ratio = statistics.median(ratios)
        missed += ratio > limit
        print(f"{line:32} {ratio:17.2f} {limit:6.0f}{'  missed' if ratio > limit else ''}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
