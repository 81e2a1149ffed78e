"""The demo: a script of commands, run in a copy of the sample registry with a pinned clock and seeded ids."""

from __future__ import annotations

import io
import os
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from helixctl.cli.commands.defaults import sample_folder
from helixctl.cli.edge import run
from helixctl.cli.render.paint import paint
from helixctl.cli.session import Session, World
from helixctl.cli.streams import printing
from helixctl.errors import Duplicate
from helixctl.storage import disk

START = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
ACTOR = "ada@example.com"
COPIED = (
    "helix.toml",
    ".gitattributes",
    ".gitignore",
    "models",
    "policies",
    "audit",
    "evaluations",
    "incoming",
    "inferences",
)


@dataclass(frozen=True, slots=True)
class Step:
    """One command: what it shows, its words, files on its ends, and the exit code it must have."""

    note: str
    line: str
    stdin: str | None = None
    stdout: str | None = None
    exit_code: int = 0


BAD, GOOD = "support-triage@2.0.0", "support-triage@2.1.0"
STEPS = (
    Step("What serves today, and what ends soon.", "status"),
    Step("A new version arrives as a file.", "register -f incoming/support-triage-2.0.0.toml"),
    Step("It goes to testing.", f"promote {BAD} --to testing --reason 'release candidate'"),
    Step("400 inferences of the test run are recorded.", f"record {BAD}", "inferences/support-triage-2.0.0.jsonl"),
    Step("They are judged: the version fails.", f"evaluate {BAD}", exit_code=3),
    Step("So policy denies its activation, and says why.", f"activate {BAD}", exit_code=3),
    Step("The fixed version takes the same way.", "register -f incoming/support-triage-2.1.0.toml"),
    Step("", f"promote {GOOD} --to testing"),
    Step("Before it is evaluated, the gate for CI is inconclusive.", f"check {GOOD} --for activate", exit_code=7),
    Step("", f"record {GOOD}", "inferences/support-triage-2.1.0.jsonl"),
    Step("This one passes.", f"evaluate {GOOD}"),
    Step("A tenth of the traffic first.", f"promote {GOOD} --to canary --weight 0.1"),
    Step("Then all of it; the predecessor is deprecated in the same transaction.", f"activate {GOOD} --expect canary"),
    Step("An incident: back to the version before, in one command.", "rollback support-triage --reason 'wrong queue'"),
    Step("A repeated job cannot bring the bad one back.", f"activate {GOOD}", exit_code=3),
    Step("The daily sweep: warnings before ends of life, retirements after.", "sweep"),
    Step("Where things stand now.", "status"),
    Step("Who did what.", "audit log --since 1h --severity warning -n 3"),
    Step("The log is whole, and every file is what it says.", "verify"),
    Step("The log leaves as JSON lines, each with its hash.", "audit export", stdout="audit.ndjson"),
    Step("Or as a table.", "audit export --outcome denied -o csv", stdout="denied.csv"),
)


def play(session: Session, folder: str) -> int:
    """Copy the sample registry into a new folder and run the script there; return 0 where all went as it should.

    Raises:
        Duplicate: the folder is there and not empty. StorageRefused: it cannot be written.
    """
    root = os.path.abspath(folder)
    if os.path.lexists(root) and (not os.path.isdir(root) or os.listdir(root)):
        raise Duplicate(f"{folder} is there already, and not empty", hint="helixctl demo OTHER-DIR")
    with disk.refusing(f"create {folder}"):
        _copy(sample_folder(), root)
    out, on = session.world.stdout, session.painted()
    out.write(f"The sample registry, copied to {folder}. The clock stands at {START:%Y-%m-%d %H:%M} UTC.\n\n")
    out.write(paint(f"$ cd {folder} && export HELIX_ACTOR={ACTOR}\n", "bold", on=on))
    ids = random.Random(2026)
    unexpected = []
    with _inside(root), printing(out):
        for number, step in enumerate(STEPS):
            world = session.world._replace(random=ids.randbytes, clock=_clock(number))
            code, text = _run(step, world, on=on)
            if code == 130:
                raise KeyboardInterrupt
            out.write(_typed(step, code, text, on=on))
            out.flush()
            unexpected += [step.line] if code != step.exit_code else []
    out.write(f"\nThe registry is in {folder}: look around with helixctl status, list, history, verify.\n")
    for line in unexpected:
        session.warn(f"did not end as it should: helixctl {line}")
    return 1 if unexpected else 0


def _clock(number: int):  # type: ignore[no-untyped-def]
    return lambda: START + timedelta(minutes=number)


def _copy(sample: str, root: str) -> None:
    os.makedirs(root, exist_ok=True)
    for name in COPIED:
        source, target = os.path.join(sample, name), os.path.join(root, name)
        if os.path.isdir(source):
            shutil.copytree(source, target)
        elif os.path.exists(source):
            shutil.copyfile(source, target)
    os.makedirs(os.path.join(root, ".helix"))


@contextmanager
def _inside(folder: str) -> Iterator[None]:
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _run(step: Step, world: World, *, on: bool) -> tuple[int, str]:
    """Run one step as the command itself would run, and return its exit code and all it printed."""
    import shlex

    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    environment = {key: value for key, value in world.environment.items() if not key.startswith("HELIX_")}
    environment |= {"HELIX_ACTOR": ACTOR, "FORCE_COLOR": "1" if on else "0", "NO_COLOR": "" if on else "1"}
    stdin = io.BytesIO(_read(step.stdin) if step.stdin else b"")
    told = world._replace(environment=environment, stdin=stdin, stdout=printed, stderr=printed)
    code = run(shlex.split(step.line), told)
    raw = printed.buffer.getvalue()
    if step.stdout:
        disk.replace(os.path.abspath(step.stdout), raw)
        return code, ""
    return code, raw.decode()


def _read(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def _typed(step: Step, code: int, text: str, *, on: bool) -> str:
    ends = (f" < {step.stdin}" if step.stdin else "") + (f" > {step.stdout}" if step.stdout else "")
    note = f"\n# {step.note}\n" if step.note else "\n"
    failed = paint(f"(exit {code})\n", "grey", on=on) if code else ""
    return paint(note, "grey", on=on) + paint(f"$ helixctl {step.line}{ends}\n", "bold", on=on) + text + failed
