from __future__ import annotations

import io
import time

import pytest

from helixctl.cli import progress
from helixctl.cli.progress import Progress, is_seen, line


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (0, 0, "verify  7 s"),
        (0, 40, "verify  [                    ]   0%  7 s"),
        (10, 40, "verify  [#####               ]  25%  7 s"),
        (40, 40, "verify  [####################] 100%  7 s"),
        (50, 40, "verify  [####################] 100%  7 s"),
    ],
)
def test_the_line_tells_how_far_the_work_is_where_anybody_knows(done: int, total: int, text: str) -> None:
    assert line("verify", done, total, 7) == text


def drawn(monkeypatch: pytest.MonkeyPatch, patience_s: float = 0.0) -> str:
    monkeypatch.setattr(progress, "PATIENCE_S", patience_s)
    monkeypatch.setattr(progress, "PAUSE_S", 0.001)
    stream = io.StringIO()
    shown = Progress(stream, "verify")
    shown.tell(1, 2)
    ends = time.monotonic() + (0 if patience_s else 5)
    while "50%" not in stream.getvalue() and time.monotonic() < ends:
        time.sleep(0.001)
    shown.stop()
    shown.tell(2, 2)
    return stream.getvalue()


def test_the_line_is_drawn_over_itself_and_erased(monkeypatch: pytest.MonkeyPatch) -> None:
    text = drawn(monkeypatch)
    assert "\r\x1b[Kverify  [##########          ]  50%" in text
    assert text.endswith("\r\x1b[K")
    assert "100%" not in text


@pytest.mark.parametrize(
    ("known", "seen"),
    [({}, True), ({"CI": "true"}, False), ({"TERM": "dumb"}, False), ({"CI": "", "TERM": "xterm"}, True)],
)
def test_nothing_is_drawn_where_it_would_be_a_line_each_time(known: dict[str, str], seen: bool) -> None:
    assert is_seen(known) is seen


def test_nothing_is_drawn_of_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, patience_s=60) == ""


def test_a_terminal_that_went_away_stops_no_work() -> None:
    stream = io.StringIO()
    stream.close()
    shown = Progress(stream, "verify")
    shown.tell(0, 0)
    shown.stop()
