from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helixctl.errors import Locked
from helixctl.storage import lock
from tests.conftest import BECAUSE, OVERRIDE, Place

SERVE = ["--override", OVERRIDE[0], "--override", OVERRIDE[1], "--reason", BECAUSE]
HOLDER = """
import fcntl, sys
handle = open(sys.argv[1], "a")
fcntl.flock(handle, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.read()
"""


def at_once(place: Place, commands: list[list[str]]) -> list[tuple[int, str]]:
    """Run commands as processes of their own, all at once; return their exit codes and what they printed."""
    known = {**os.environ, "HELIX_ACTOR": "alice@example.com", "HELIX_REGISTRY": str(place.root)}
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "helixctl", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=known
        )
        for words in commands
    ]
    printed = [process.communicate()[0].decode() for process in running]
    return [(process.returncode, out) for process, out in zip(running, printed, strict=True)]


@contextmanager
def stopped_holder(root: Path) -> Iterator[None]:
    """Let a process take the registry's lock, and stop it there."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(root / lock.PATH)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.kill()


def test_of_six_versions_activated_at_once_exactly_one_is_active_and_every_answer_is_true(place: Place) -> None:
    versions = [f"{major}.0.0" for major in range(1, 7)]
    place.register(*(f"m@{version}" for version in versions))
    entries = place.registry.verify().entries
    done = at_once(place, [["activate", f"m@{version}", "-o", "json", *SERVE] for version in versions])
    assert [code for code, _ in done] == [0] * 6
    results = [json.loads(out) for _, out in done]
    assert all(result["changed"] for result in results)
    verified = place.registry.verify()
    assert (verified.outcome, verified.entries) == ("ok", entries + 6)
    assert sorted(result["audit"]["seq"] for result in results) == list(range(entries + 1, entries + 7))
    statuses = {str(one.version): str(one.status) for one in place.registry.list().records}
    last = max(results, key=lambda result: int(result["audit"]["seq"]))
    assert [f"m@{version}" for version, status in statuses.items() if status == "active"] == [last["ref"]]
    assert sorted(statuses.values()) == ["active", *["deprecated"] * 5]


def test_of_six_that_expect_the_same_active_version_one_wins(place: Place) -> None:
    place.serve("m@1.0.0")
    versions = [f"{major}.0.0" for major in range(2, 8)]
    place.register(*(f"m@{version}" for version in versions))
    entries = place.registry.verify().entries
    done = at_once(place, [["activate", f"m@{version}", "--expect", "1.0.0", *SERVE] for version in versions])
    assert sorted(code for code, _ in done) == [0, 5, 5, 5, 5, 5]
    won = versions[[code for code, _ in done].index(0)]
    assert str(place.registry.show("m@active").version) == won
    verified = place.registry.verify()
    assert (verified.outcome, verified.entries) == ("ok", entries + 1)


def test_of_sweeps_and_a_cancellation_at_once_a_scheduled_activation_fires_once_or_never(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    place.clock.now = datetime(2001, 1, 1, tzinfo=UTC)  # long ago, whatever clock the processes have
    at, end = datetime(2001, 1, 2, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    made = place.registry.schedule.add("m@2.0.0", at, end, overrides=OVERRIDE, reason=BECAUSE)
    cancel = ["schedule", "cancel", made.scheduled.id]
    done = at_once(place, [["sweep"], ["sweep"], cancel, ["sweep"], cancel])
    ends = [entry["action"] for entry in place.registry.audit() if "schedule" in entry["data"]][1:]
    assert ends in (["version.activated"], ["deployment.expired"])
    assert (place.status("m@2.0.0") == "active") == (ends == ["version.activated"])
    assert [code for code, _ in done[:2] + done[3:4]] == [0, 0, 0]
    cancelled = sorted(code for code, _ in (done[2], done[4]))
    assert set(cancelled) <= {0, 4, 5}
    assert cancelled.count(0) == ends.count("deployment.expired")
    assert place.registry.verify().findings == ()


@pytest.mark.slow
def test_eight_writers_of_different_versions_lose_nothing(place: Place) -> None:
    entries = place.registry.verify().entries
    refs = [f"m@{major}.0.0" for major in range(1, 5)] + [f"n@{major}.0.0" for major in range(1, 5)]
    done = at_once(place, [["register", ref, "--provider", "in-house"] for ref in refs])
    assert [code for code, _ in done] == [0] * 8
    assert [str(one.ref) for one in place.registry.list().records] == refs
    verified = place.registry.verify()
    assert (verified.outcome, verified.entries) == ("ok", entries + 8)


@pytest.mark.slow
def test_of_eight_writers_of_one_version_one_registers_it(place: Place) -> None:
    done = at_once(place, [["register", "m@1.0.0", "--provider", "in-house"]] * 8)
    assert sorted(code for code, _ in done) == [0, *[5] * 7]
    assert place.registry.verify().outcome == "ok"


def test_a_stopped_process_that_holds_the_lock_makes_a_writer_give_up_as_a_conflict(place: Place) -> None:
    with stopped_holder(place.root), pytest.raises(Locked) as refused, lock.exclusive(str(place.root), 0.02):
        pass
    assert refused.value.exit_code == 5
    with lock.exclusive(str(place.root), 0.02):
        pass


def test_a_stopped_process_that_holds_the_lock_keeps_no_reader_out(place: Place) -> None:
    place.register("m@1.0.0")
    read = []
    with stopped_holder(place.root), lock.shared(str(place.root), 0.02):
        read.append((place.root / "models/m/1.0.0.toml").read_bytes())
    assert read == [place.path("m@1.0.0").read_bytes()]


@pytest.mark.slow
def test_the_command_ends_with_5_when_the_lock_is_not_obtained_and_writes_nothing(place: Place) -> None:
    before = place.files()
    with stopped_holder(place.root):
        done = at_once(place, [["register", "m@1.0.0", "--provider", "in-house"]])
    assert done == [(5, "")]
    assert place.files() == before
