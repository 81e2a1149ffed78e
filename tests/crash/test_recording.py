from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import FOREGROUND, Place

GOOD = '{{"ts":"2026-03-01T10:00:00Z","success":true,"latency_ms":{}}}\n'


def started(place: Place, *options: str) -> subprocess.Popen[bytes]:
    words = [*FOREGROUND, sys.executable, "-m", "helixctl", "record", "m@1.0.0", "-C", str(place.root), *options]
    known = {**os.environ, "HELIX_ACTOR": "alice@example.com"}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, env=known)


def kept(place: Place) -> list[int]:
    """Return the latencies of all lines, each of which must be whole, but for a tail that the next writer cuts off."""
    found = []
    for path in sorted((place.root / ".helix" / "inferences").rglob("*.jsonl")):
        for raw in path.read_bytes().splitlines(keepends=True):
            if raw.endswith(b"\n"):
                found.append(json.loads(raw)["latency_ms"])
    return found


def test_many_writers_never_mix_their_lines_and_lose_none(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    writers, each = 4, 5000
    running = [started(place) for _ in range(writers)]
    for number, process in enumerate(running):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("".join(GOOD.format(number * each + line) for line in range(each)))
        assert process.stdin is not None
    feeding = [subprocess.Popen(["cat", str(tmp_path / f"{n}.jsonl")], stdout=p.stdin) for n, p in enumerate(running)]
    for cat, process in zip(feeding, running, strict=True):
        assert cat.wait() == 0
        out, err = process.communicate()
        assert (process.returncode, err) == (0, b"")
        assert out.startswith(b"recorded 5000 inferences of m@1.0.0")
    found = kept(place)
    assert sorted(found) == list(range(writers * each))
    for number in range(writers):
        own = [latency for latency in found if number * each <= latency < (number + 1) * each]
        assert own == sorted(own), "the lines of one writer keep their order"
    assert place.registry.record("m@1.0.0", []).malformed_count == 0
    rolling = place.registry.rolling(place.registry.show("m@1.0.0"))
    assert rolling is not None
    assert rolling["samples"] == writers * each


@pytest.mark.slow
def test_writers_killed_at_any_time_leave_whole_lines_only(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    order, path = random.Random(5), tmp_path / "many.jsonl"
    path.write_text("".join(GOOD.format(line) for line in range(200_000)))
    for _ in range(12):
        running = [started(place) for _ in range(2)]
        feeding = [subprocess.Popen(["cat", str(path)], stdout=process.stdin) for process in running]
        time.sleep(order.uniform(0.3, 1.2))
        for process in (*running, *feeding):
            process.kill()
            process.communicate()
    before = len(kept(place))
    assert before > 0
    report = place.registry.evaluate("m@1.0.0", dry_run=True)
    assert (report.evaluation.samples, report.reduction.malformed_count) == (before, 0)
    assert place.registry.record("m@1.0.0", [{"success": True, "latency_ms": 1}]).recorded == 1
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == before + 1


def test_what_came_slowly_is_kept_when_the_writer_is_killed(place: Place) -> None:
    place.register("m@1.0.0")
    process = started(place, "--sync")
    assert process.stdin is not None
    for count in range(1, 4):
        process.stdin.write(GOOD.format(count).encode())
        process.stdin.flush()
        deadline = time.monotonic() + 60
        while len(kept(place)) < count and time.monotonic() < deadline:
            time.sleep(0.01)
    process.kill()
    process.communicate()
    assert kept(place) == [1, 2, 3]


def test_an_interrupted_stream_says_how_many_are_kept(place: Place) -> None:
    place.register("m@1.0.0")
    process = started(place)
    assert process.stdin is not None
    process.stdin.write(GOOD.format(1).encode() * 10 + b'{"success":tr')
    process.stdin.flush()
    deadline = time.monotonic() + 60
    while len(kept(place)) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    said = b"interrupted: inferences of m@1.0.0 recorded: 10, out of lines read: 10\n"
    assert (process.returncode, out, err) == (130, b"", said)
    assert len(kept(place)) == 10


def test_of_an_interrupted_fast_stream_as_many_are_kept_as_it_says(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    process = started(place)
    path = tmp_path / "many.jsonl"
    path.write_text("".join(GOOD.format(line) for line in range(150_000)))
    feeding = subprocess.Popen(["cat", str(path)], stdout=process.stdin)
    deadline = time.monotonic() + 60
    while not kept(place) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate()
    feeding.wait()
    if process.returncode == 130:  # else it was faster
        assert err.startswith(f"interrupted: inferences of m@1.0.0 recorded: {len(kept(place))},".encode())


@pytest.mark.parametrize("closed", ["0<&-", "0</dev/null"])
def test_nothing_on_standard_input_records_nothing(place: Place, closed: str) -> None:
    place.register("m@1.0.0")
    words = [*FOREGROUND, sys.executable, "-m", "helixctl", "record", "m@1.0.0", "-C", str(place.root)]
    done = subprocess.run(["bash", "-c", f'"$@" {closed}', "-", *words], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"recorded 0 inferences of m@1.0.0\n", b"")
