"""Long text on a terminal, through the user's pager."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress

_OWN = {"LESS": "FRX", "LV": "-c"}
"""What a pager does where the user has said nothing: end with a short text, pass colours, leave the text on the screen."""


def command(environment: Mapping[str, str]) -> str:
    """Return the pager: HELIX_PAGER, PAGER, or less; empty and `cat` mean none."""
    asked = next((environment[name] for name in ("HELIX_PAGER", "PAGER") if name in environment), None)
    if asked is None:
        return "less" if shutil.which("less", path=environment.get("PATH")) else ""
    return "" if asked.strip() == "cat" else asked.strip()


def is_taller(text: str, size: os.terminal_size) -> bool:
    """Tell whether text takes more lines than a terminal has, as it wraps them; never where its size is not known."""
    from helixctl.cli.render.paint import width

    lines = (max(1, -(-width(line) // max(size.columns, 1))) for line in text.splitlines())
    return 0 < size.lines <= sum(lines)


def shown(text: str, pager: str, environment: Mapping[str, str]) -> bool:
    """Show text through a pager until the user leaves it; False where the pager cannot be run."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, lambda *_: None)  # the pager has it too, and decides
    try:
        child = subprocess.Popen(shlex.split(pager), stdin=subprocess.PIPE, env={**_OWN, **environment})
        signal.signal(signal.SIGTERM, lambda *_: _end_with(child.pid))
        with suppress(BrokenPipeError):  # the user has left it
            child.communicate(text.encode(errors="backslashreplace"))
        child.wait()
    except (OSError, ValueError, IndexError):
        return False
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    return True


def _end_with(child: int) -> None:
    """Let SIGTERM end the pager, which sets the terminal right, and then this process."""
    os.kill(child, signal.SIGTERM)
    with suppress(OSError):
        os.waitpid(child, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
