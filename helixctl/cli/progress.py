"""What a command that takes longer than a second shows meanwhile on a terminal: how far it is."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

from helixctl.cli.streams import columns

if TYPE_CHECKING:
    from threading import Event, Thread

PATIENCE_S, PAUSE_S = 1.0, 0.2
_CELLS = 20
_ERASED = "\r\x1b[K"


def is_seen(environment: Mapping[str, str]) -> bool:
    """Tell whether a line that is drawn over itself is seen as one: not in the log of a CI job, nor on a dumb terminal."""
    return environment.get("CI") != "true" and environment.get("TERM") != "dumb"


class Progress:
    """One line on stderr, drawn by a thread of its own so that it goes on while another program's code runs."""

    def __init__(self, stream: TextIO, name: str) -> None:
        self._stream, self._name = stream, name
        self._at, self._is_over = (0, 0), False
        self._drawing: tuple[Thread, Event] | None = None

    def tell(self, done: int, total: int) -> None:
        """Say how much of the work is done, in whichever unit; a total of 0 is one that nobody knows."""
        self._at = done, total
        if not self._is_over and self._drawing is None:
            from threading import Event, Thread

            stopped = Event()
            self._drawing = Thread(target=self._draw, args=(stopped,), daemon=True), stopped
            self._drawing[0].start()

    def stop(self) -> None:
        """Erase the line; nothing is drawn from here on."""
        self._is_over = True
        if self._drawing is not None:
            thread, stopped = self._drawing
            self._drawing = None
            stopped.set()
            thread.join()

    def _draw(self, stopped: Event) -> None:
        seconds, is_drawn = PATIENCE_S, False
        with suppress(OSError, ValueError):  # the terminal is gone
            while not stopped.wait(PAUSE_S if is_drawn else PATIENCE_S):
                told = line(self._name, *self._at, int(seconds))
                self._stream.write(f"{_ERASED}{told[: (columns(self._stream) or 80) - 1]}")
                self._stream.flush()
                seconds, is_drawn = seconds + PAUSE_S, True
            if is_drawn:
                self._stream.write(_ERASED)
                self._stream.flush()


def line(name: str, done: int, total: int, seconds: int) -> str:
    """Return the line, short enough for a terminal of 60 columns."""
    if total <= 0:
        return f"{name}  {seconds} s"
    share = min(done / total, 1.0)
    bar = "#" * round(share * _CELLS)
    return f"{name}  [{bar:{_CELLS}}] {share:4.0%}  {seconds} s"
