from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from helixctl.cli.session import Session
from tests.conftest import BECAUSE, OVERRIDE, START, Place, Ran

Cli = Callable[..., Ran]
LATER = f"{START + timedelta(days=400):%Y-%m-%d}"
ENDS = f"\n[availability]\nend_of_life = {START + timedelta(days=300):%Y-%m-%d}\n"
KEEP = """\
schema = 1
name = "keep"
[[rule]]
id = "keep"
enforcement = "mandatory"
through = ["testing"]
actions = ["retire"]
"""


def test_a_sweep_of_a_day_to_come_asks_on_a_terminal_and_warns_a_script(
    place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.register("m@1.0.0", extra=ENDS)
    before = place.files()
    with monkeypatch.context() as there:
        there.setattr(Session, "is_terminal", lambda _: True)
        refused = cli("sweep", "--as-of", LATER, stdin=b"n\n")
    assert (refused.code, refused.out) == (9, "")
    assert "(a time to come)? [y/N]" in refused.err
    assert cli("sweep", "--as-of", LATER, "--dry-run").out.startswith("would retire m@1.0.0")
    assert cli("sweep", "--as-of", "2026-01-01").out == "nothing is due as of 2026-01-01T00:00:00Z\n"
    assert place.files() == before
    done = cli("sweep", "--as-of", LATER)
    assert (done.code, done.err) == (0, f"warning: retiring now what ends by {LATER} (a time to come) as asked\n")
    assert place.status("m@1.0.0") == "retired"


def test_a_warning_given_ahead_of_its_time_is_not_given_again_as_of_that_time(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0", extra=ENDS)
    words = ("sweep", "--as-of", f"{START + timedelta(days=290):%Y-%m-%d}", "--yes", "-o", "json")
    assert [len(json.loads(cli(*words).out)["warned"]) for _ in range(3)] == [1, 0, 0]


def test_exit_code_tells_whether_there_is_something_to_do(place: Place, cli: Cli) -> None:
    ask = ("sweep", "--dry-run", "--exit-code")
    place.register("m@1.0.0", extra=ENDS)
    assert cli(*ask).code == 0
    assert cli(*ask, "--as-of", LATER).code == 10
    assert cli("sweep", "--dry-run", "--as-of", LATER).code == 0
    assert (cli("sweep", "--exit-code").code, cli("sweep", "--exit-code").out) == (2, "")
    place.register("broken@1.0.0")
    place.path("broken@1.0.0").write_text("schema = ")
    assert cli(*ask, "--as-of", LATER).code == 6
    (place.root / "policies/keep.toml").write_text(KEEP)
    assert cli(*ask, "--as-of", LATER).code == 3


def test_a_schedule_is_made_listed_cancelled_and_fired_from_the_command_line(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    rest = ("--override", OVERRIDE[0], "--override", OVERRIDE[1], "--reason", BECAUSE, "-o", "json")
    told = json.loads(cli("activate", "m@1.0.0", "--at", "2026-04-01T08:00:00+02:00", *rest).out)
    assert (told["action"], told["changed"], told["decision"]) == ("schedule", True, None)
    assert (told["scheduled"]["at"], told["forecast"]["allowed"]) == ("2026-04-01T06:00:00Z", True)
    listed = json.loads(cli("schedule", "list", "-o", "json").out)
    assert listed["scheduled"] == [told["scheduled"]]
    assert cli("schedule", "list", "-o", "csv").out.startswith("id,ref,at,not_after,actor,")
    assert cli("schedule", "list", "--fields", "ref").out == "REF\nm@1.0.0\n"
    name = told["scheduled"]["id"]
    assert told["undo"] == f"helixctl schedule cancel {name}"
    assert cli("schedule", "cancel", name).out.startswith("take off the schedule m@1.0.0\n")
    assert cli("schedule", "cancel", name).code == 4
    assert cli("schedule", "list").out == "no activation waits; helixctl activate REF --at TIME schedules one\n"
    cli("activate", "m@1.0.0", "--at", "2026-04-01", "--not-after", "2026-04-02", *rest)
    place.clock.now = START + timedelta(days=90)
    missed = cli("sweep")
    assert missed.code == 0
    assert "m@1.0.0 is not activated as scheduled for 2026-04-01T00:00:00Z: no sweep ran until" in missed.err


@pytest.mark.parametrize("tamper", [b"\n# edited\n", b"\xff", b"<<<<<<< ours\n"])
def test_an_edited_file_of_the_schedule_is_named_and_exits_6(place: Place, cli: Cli, tamper: bytes) -> None:
    place.serve("m@1.0.0")
    cli("activate", "m@1.0.0", "--at", "2026-04-01")
    (path,) = (place.root / "schedule").iterdir()
    path.write_bytes(path.read_bytes() + tamper)
    for words in (("schedule", "list"), ("sweep",), ("sweep", "--dry-run")):
        ran = cli(*words)
        assert ran.code == 6
        assert f"schedule/{path.name}: changed outside helixctl, so it never fires" in ran.err
