"""Make the sample registry's history anew: the same commands a team would type, with a pinned clock and seeded ids.

The specifications are the text above `[lifecycle]` in `models/`; facts and dates in them are real and name their
source. What the team does with them, and the model support-triage, are made up. Run it after a change of the format:
`python sample_registry/make.py`; the same input gives the same bytes.
"""

from __future__ import annotations

import io
import os
import random
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from helixctl.cli.edge import run
from helixctl.cli.session import World
from helixctl.core.record import split_head

HERE = Path(__file__).resolve().parent
ADOPTED = "--override tested-first --override evaluation --reason 'in production before this registry'"
LATE = (
    "--override tested-first --override evaluation --override end-of-life --reason 'in production before this registry'"
)
ADA, BEN, CI = "ada@example.com", "ben@example.com", "release-bot"

HISTORY = (
    ("2026-03-02", ADA, "init --name sample"),
    *(
        ("2026-03-02", ADA, f"register -f {ref}")
        for ref in (
            *(
                "gpt-3.5-turbo@2023.3.1",
                "gpt-3.5-turbo@2023.6.13",
                "gpt-3.5-turbo@2023.11.6",
                "gpt-3.5-turbo@2024.1.25",
            ),
            *("gpt-4@2023.3.14", "gpt-4@2023.6.13", "gpt-4-turbo@2024.4.9"),
            *("gpt-4o@2024.5.13", "gpt-4o@2024.8.6", "gpt-4o@2024.11.20", "gpt-4.1@2025.4.14", "gpt-5@2025.8.7"),
            *("claude-3-5-sonnet@2024.6.20", "claude-3-5-sonnet@2024.10.22", "claude-sonnet-4@2025.5.14"),
            *("claude-sonnet-4-5@2025.9.29", "claude-haiku-4-5@2025.10.1", "support-triage@1.0.0"),
        )
    ),
    ("2026-03-03", ADA, f"activate gpt-4@2023.3.14 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate gpt-3.5-turbo@2023.11.6 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate gpt-4-turbo@2024.4.9 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate gpt-4o@2024.5.13 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate gpt-5@2025.8.7 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate claude-sonnet-4@2025.5.14 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate claude-sonnet-4-5@2025.9.29 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate claude-haiku-4-5@2025.10.1 {ADOPTED}"),
    ("2026-03-03", ADA, f"activate support-triage@1.0.0 {ADOPTED}"),
    ("2026-03-04", CI, "sweep"),
    ("2026-03-16", BEN, f"activate gpt-4@2023.6.13 {ADOPTED}"),
    ("2026-03-27", CI, "sweep"),
    ("2026-04-08", BEN, f"activate gpt-4o@2024.8.6 {ADOPTED}"),
    ("2026-05-20", BEN, f"activate gpt-3.5-turbo@2024.1.25 {ADOPTED}"),
    ("2026-05-22", ADA, "deprecate claude-sonnet-4@active --eol 2026-06-15 --replacement claude-sonnet-4-5@2025.9.29"),
    ("2026-06-16", CI, "sweep"),
    ("2026-07-14", ADA, "register -f gpt-5.6-sol@2026.7.9"),
    ("2026-07-14", ADA, "register -f gpt-5.6-terra@2026.7.9"),
    ("2026-07-14", ADA, "register -f claude-opus-4-8@2026.5.29"),
    ("2026-09-24", CI, "sweep"),
    ("2026-10-01", BEN, "register -f support-triage@1.1.0"),
    ("2026-10-02", BEN, "promote support-triage@1.1.0 --to testing"),
    ("2026-10-07", CI, "evaluate support-triage@1.1.0 --from support-triage-1.1.0.jsonl"),
    ("2026-10-08", BEN, "activate support-triage@1.1.0 --reason 'better routing of refunds'"),
    ("2026-10-12", ADA, "register -f claude-sonnet-5-5@2026.10.1"),
    ("2026-10-12", ADA, "promote claude-sonnet-5-5@2026.10.1 --to testing"),
    ("2026-10-12", ADA, "deprecate gpt-4-turbo@active --eol 2026-10-31 --replacement gpt-5.6-sol@2026.7.9"),
    ("2026-10-18", CI, "sweep"),
    ("2026-11-05", ADA, "promote gpt-5.6-sol@2026.7.9 --to testing"),
    ("2026-11-09", BEN, "promote gpt-4o@2024.11.20 --to testing"),
    ("2026-11-13", CI, "evaluate gpt-4o@2024.11.20 --from gpt-4o-2024.11.20.jsonl"),
    ("2026-11-14", BEN, "activate gpt-4o@2024.11.20 --reason 'same price, better tools'"),
    (
        "2026-11-16",
        ADA,
        "promote gpt-5.6-sol@2026.7.9 --to canary --override evaluation --reason 'measured by the vendor first'",
    ),
)
"""Day, actor and command; a reference behind `-f` stands for its specification."""


def main() -> int:
    """Make the history in a folder of its own, then put it in place of the old one."""
    with tempfile.TemporaryDirectory() as name:
        folder, registry = Path(name), Path(name) / "sample"
        registry.mkdir()
        for path in (HERE / "models").rglob("*.toml"):
            ref = f"{path.parent.relative_to(HERE / 'models')}@{path.stem}"
            (folder / ref).write_bytes(split_head(path.read_bytes()))
        for path in (HERE / "inferences").glob("*.jsonl"):
            shutil.copy(path, folder / path.name)
        os.chdir(folder)
        ids = random.Random(2026)
        for number, (day, actor, line) in enumerate(HISTORY):
            at = datetime.fromisoformat(day).replace(hour=8, tzinfo=UTC) + timedelta(minutes=number)
            code = _run(f"{line} -C sample", at, actor, ids.randbytes)
            if code != 0:
                print(f"exit {code}: {line}", file=sys.stderr)
                return 1
        for part in ("models", "audit", "policies", "evaluations"):
            shutil.rmtree(HERE / part, ignore_errors=True)
            shutil.copytree(registry / part, HERE / part)
        for part in ("helix.toml", ".gitattributes", ".gitignore"):
            shutil.copyfile(registry / part, HERE / part)
        os.chdir(HERE)
    return 0


def _run(line: str, at: datetime, actor: str, randbytes: Callable[[int], bytes]) -> int:
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    world = World({"HELIX_ACTOR": actor}, io.BytesIO(), printed, sys.stderr, lambda: at, randbytes)
    return run(shlex.split(line), world)


if __name__ == "__main__":
    sys.exit(main())
