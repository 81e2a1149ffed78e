"""The same work in helixctl, GTO and MLflow: CPU time of whole processes as ratios to `python -c pass`, medians, in one run.

`python -m benchmarks.peers [FOLDER] [RUNS]` installs GTO and MLflow from the package index into environments of their own
below the folder (by default a temporary one), and prints a table for 10, 100 and 1,000 versions of one model. Versions that
are there already are made in bulk, as each tool would have left them: entries and files, git tags, rows of MLflow's store.
MLflow has no command for its registry, so its work is a line of Python; it keeps no history, so none is measured.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks.audit import cpu
from benchmarks.scale import TARGET, Log, model_history, specification
from benchmarks.startup import asked
from helixctl.api import Registry
from helixctl.core.record import text_of

SIZES = (10, 100, 1000)
WORK = ("version added", "set in production", "looked up", "listed", "history")


class Tool(NamedTuple):
    """One tool: what makes so many versions in a folder, and the command line of each piece of work there."""

    name: str
    fill: Callable[[Path, int], object]
    work: Callable[[Path, int], dict[str, list[str]]]


def environment(folder: Path, package: str) -> Path:
    """Return the programs of an environment that has a package, made now where it is not there."""
    programs = folder / package / "bin"
    if not (programs / package).exists():
        subprocess.run([sys.executable, "-m", "venv", programs.parent], check=True)
        subprocess.run([programs / "pip", "install", "-q", package], check=True)
    return programs


def helixctl() -> Tool:
    """Return this program, by its own environment."""

    def fill(root: Path, count: int) -> None:
        Registry.create(root, name="bench")
        Log.of(root).write(model_history(root, TARGET, count, random.Random(1)))
        for number in range(20):
            spec = specification(TARGET, f"2.{number}.0", random.Random(number))
            (root.parent / f"{number}.toml").write_bytes(text_of(spec))

    def work(root: Path, run: int) -> dict[str, list[str]]:
        base = [sys.executable, "-m", "helixctl"]
        where = ["-C", str(root)]
        serve = ["--override", "tested-first", "--override", "evaluation", "--reason", "it-is-only-a-benchmark"]
        return {
            "version added": [*base, "register", "-f", str(root.parent / f"{run}.toml"), *where],
            "set in production": [*base, "activate", f"{TARGET}@2.{run}.0", *serve, *where],
            "looked up": [*base, "show", f"{TARGET}@active", *where],
            "listed": [*base, "list", TARGET, *where],
            "history": [*base, "history", TARGET, *where],
        }

    return Tool("helixctl", fill, work)


def gto(programs: Path) -> Tool:
    """Return GTO in a git repository, where each version is a tag on a commit of its own."""

    def fill(root: Path, count: int) -> None:
        who = "bench <bench@example.com>"
        lines = []
        for number in range(count + 20):
            at = f"{1_700_000_000 + number} +0000"
            lines.append(f"commit refs/heads/main\nmark :{number + 1}\ncommitter {who} {at}\ndata 1\nx\n")
            if number < count:
                lines.append(f"tag m@v1.{number}.0\nfrom :{number + 1}\ntagger {who} {at}\ndata 1\nx\n")
        lines.append(f"tag m#prod#1\nfrom :{count}\ntagger {who} 1700009999 +0000\ndata 1\nx\n")
        subprocess.run(["git", "init", "-q", "-b", "main", root], check=True)
        subprocess.run(["git", "fast-import", "--quiet"], input="".join(lines), text=True, cwd=root, check=True)
        for key, value in (("user.name", "bench"), ("user.email", "bench@example.com")):
            subprocess.run(["git", "config", key, value], cwd=root, check=True)

    def work(root: Path, run: int) -> dict[str, list[str]]:
        base, where = [str(programs / "gto")], ["--repo", str(root)]
        commit = f"HEAD~{run}"
        return {
            "version added": [*base, "register", "m", commit, "--version", f"v2.{run}.0", *where],
            "set in production": [*base, "assign", "m", "--version", f"v2.{run}.0", "--stage", "prod", *where],
            "looked up": [*base, "show", "m#prod", *where],
            "listed": [*base, "show", "m", *where],
            "history": [*base, "history", "m", *where],
        }

    return Tool("GTO", fill, work)


def mlflow(programs: Path) -> Tool:
    """Return MLflow with its store in SQLite, used by a line of Python each."""
    python = str(programs / "python")

    def script(root: Path, line: str) -> list[str]:
        uri = f"sqlite:///{root}/store.db"
        return [python, "-c", f"from mlflow import MlflowClient; c = MlflowClient({uri!r}); {line}"]

    def fill(root: Path, count: int) -> None:
        root.mkdir()
        made = f"c.create_registered_model('m'); [c.create_model_version('m', 's3://b/m') for _ in range({count})]"
        alias = f"c.set_registered_model_alias('m', 'production', '{count}')"
        subprocess.run(script(root, f"{made}; {alias}"), check=True, stdout=-3, stderr=-3)

    def work(root: Path, run: int) -> dict[str, list[str]]:
        return {
            "version added": script(root, "c.create_model_version('m', 's3://b/m')"),
            "set in production": script(root, f"c.set_registered_model_alias('m', 'production', '{run + 1}')"),
            "looked up": script(root, "print(c.get_model_version_by_alias('m', 'production').version)"),
            "listed": script(root, "print(*(v.version for v in c.search_model_versions(\"name='m'\")))"),
        }

    return Tool("MLflow", fill, work)


def measured(tool: Tool, count: int, runs: int) -> dict[str, float]:
    """Return the median CPU seconds of each piece of work, with so many versions there before."""
    spent: dict[str, list[float]] = {name: [] for name in WORK}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "registry")
        tool.fill(root, count)
        for run in range(runs + 1):  # the first warms up what each keeps
            for name, words in tool.work(root, run).items():
                spent[name].append(cpu(words))
    return {name: statistics.median(found[1:]) for name, found in spent.items() if found}


def main() -> int:
    """Print the table."""
    chosen, runs = asked(__doc__, folder="", runs=5)
    os.environ |= {"HELIX_ACTOR": "bench", "GIT_PYTHON_REFRESH": "quiet", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with tempfile.TemporaryDirectory() as made:
        folder = Path(chosen or made).absolute()
        tools = (helixctl(), mlflow(environment(folder, "mlflow")), gto(environment(folder, "gto")))
        start = statistics.median(cpu([sys.executable, "-c", "pass"]) for _ in range(4 * runs + 1))
        print("| versions, x `python -c pass` | " + " | ".join(WORK) + " |\n" + "|---" * (1 + len(WORK)) + "|")
        for count in SIZES:
            for tool in tools:
                found = measured(tool, count, runs)
                cells = (f"{found[name] / start:.1f}" if name in found else "none" for name in WORK)
                print(f"| {tool.name}, {count} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
