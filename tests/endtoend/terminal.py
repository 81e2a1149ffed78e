"""A terminal of some size, on which the installed command runs."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Shown(NamedTuple):
    """What a terminal showed, and the exit code."""

    text: str
    code: int


def on_terminal(
    words: list[str],
    folder: Path,
    *,
    environment: Mapping[str, str],
    size: tuple[int, int] = (24, 80),
    typed: bytes = b"",
    patience_s: float = 20.0,
) -> Shown:
    """Run a command on a terminal of so many lines and columns; type once it has shown something."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
    child = subprocess.Popen(
        words, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    shown, ends = bytearray(), time.monotonic() + patience_s
    while time.monotonic() < ends:
        if not select.select([ours], [], [], 0.1)[0]:
            if child.poll() is not None:
                break
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        shown += piece
        if typed:
            os.write(ours, typed)
            typed = b""
    if child.poll() is None and time.monotonic() >= ends:
        child.kill()
    os.close(ours)
    return Shown(shown.decode(errors="replace"), child.wait())
