"""What a command line is held to from outside: the shape of a refusal, and what lies on the disk."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Ran

COMMAND = (sys.executable, "-m", "helixctl")
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


def nobody_can_run() -> bool:
    """Tell whether somebody without rights can be had here, and may use this interpreter and this package."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        return False
    return subprocess.run([*NOBODY, sys.executable, "-c", "import helixctl"], capture_output=True).returncode == 0


as_nobody = pytest.mark.skipif(not nobody_can_run(), reason="nobody without rights can run the command here")


def everything(root: Path) -> dict[str, bytes]:
    """Return every file and folder below a root, those under `.helix/` too, but for the derived index."""
    return {
        str(path.relative_to(root)): b"" if path.is_dir() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if not path.is_symlink() and path.name != "index.db"
    }


def is_refusal(ran: Ran, code: int) -> bool:
    """Assert that a command was refused as promised: the exit code, one error line, one hint, nothing else."""
    assert ran.code == code, ran
    assert ran.out == ""
    error, hint = ran.err.removesuffix("\n").split("\n")
    assert re.fullmatch(rf"error\[HX{code}\d\d\]: .*[^.]", error), error
    assert re.fullmatch(r"hint: .+", hint), hint
    assert (error + hint).isprintable()
    return True


def payload(ran: Ran) -> dict[str, Any]:
    """Return the JSON object on standard output."""
    found: dict[str, Any] = json.loads(ran.out)
    return found


def process(
    words: tuple[str, ...],
    cwd: Path,
    before: tuple[str, ...] = (),
    *,
    stdout: int = subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
) -> Ran:
    """Run the command in a process, behind other commands such as `setpriv`, with a variable of its own or two."""
    known: Mapping[str, str] = {**os.environ, "HELIX_ACTOR": "alice@example.com", **(environment or {})}
    done = subprocess.run(
        [*before, *COMMAND, *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE, cwd=cwd, env=known
    )
    return Ran(done.returncode, (done.stdout or b"").decode(errors="replace"), done.stderr.decode(errors="replace"))


def reachable(path: Path) -> None:
    """Let others pass through the folders that lead to a test's own."""
    for folder in (path, *path.parents):
        if folder.stat().st_uid == os.getuid() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
