from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helixctl.cli import menu
from tests.conftest import FOREGROUND, Place, Ran
from tests.endtoend.outside import COMMAND, is_refusal, payload

Cli = Callable[..., Ran]
Helix = Callable[..., Ran]
FORMATS = menu.AUDIT["export"].formats


def seqs(ran: Ran) -> list[int]:
    assert ran.code == 0, ran
    return [one["seq"] for one in payload(ran)["entries"]]


def test_a_process_that_follows_sees_what_another_writes(full: Place, helix: Helix) -> None:
    following = subprocess.Popen(
        [*FOREGROUND, *COMMAND, "audit", "log", "--follow", "-n", "1", "-o", "ndjson"],
        cwd=full.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert following.stdout is not None
    with following:
        assert json.loads(following.stdout.readline())["seq"] == 8
        for verb, action in (("block", "version.blocked"), ("unblock", "version.unblocked")):
            assert helix(verb, "m@2.0.0", cwd=full.root).code == 0
            assert json.loads(following.stdout.readline())["action"] == action
        following.send_signal(signal.SIGINT)
        out, err = following.communicate()
    assert (following.returncode, out, err) == (130, b"", b"")


def test_a_process_that_follows_ends_when_its_reader_does(full: Place) -> None:
    words = " ".join((*COMMAND, "audit", "log", "--follow"))
    done = subprocess.run(
        ["bash", "-c", f"{words} | head -n 1; echo ${{PIPESTATUS[0]}}"], cwd=full.root, capture_output=True
    )
    assert done.stdout.splitlines()[-1] == b"141"
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("at", "active", "force"),
    [
        ("2026-03-01T12:00:01.5Z", None, []),
        ("2026-03-01T12:00:02.5Z", None, [2]),
        ("2026-03-01T12:00:03.5Z", "1.0.0", [3]),
        ("2026-03-01T13:00:04.5+01:00", "1.0.0", [3, 4]),
        ("2026-03-01T12:00:06Z", "1.1.0", [5, 6]),
        ("2026-03-02", "1.1.0", [5, 8]),
        ("1d", "1.1.0", [5, 8]),
    ],
)
def test_what_served_then_is_answered_with_its_evidence(
    full: Place, cli: Cli, at: str, active: str | None, force: list[int]
) -> None:
    full.clock.pass_by(days=2)
    words = ("--at", at, "--model", "m", "-o", "json")
    assert seqs(cli("audit", "log", *words)) == force[::-1]
    serving = payload(cli("audit", "log", *words, "--action", "version.activated"))["entries"]
    assert [one["version"] for one in serving] == ([active] if active else [])
    lines = cli("audit", "export", *words[:-1], "ndjson").out.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == force
    ran = cli("status", "m", "--at", at, "-o", "json")
    if not force:
        assert is_refusal(cli("status", "m", "--at", at), 4)
        assert is_refusal(cli("history", "m", "--at", at), 4)
        return
    assert payload(ran)["models"][0]["active"] == active
    assert seqs(cli("history", "m", "--at", at, "-o", "json")) == force[::-1]
    assert cli("history", "m@active", "--at", at).code == (0 if active else 4)


def test_the_status_of_a_time_has_the_shape_of_the_status_of_now(full: Place, cli: Cli) -> None:
    full.registry.block("m@2.0.0")
    full.clock.pass_by(days=1)
    now, then = (payload(cli("status", *words, "-o", "json")) for words in ((), ("--at", "2026-03-02")))
    assert then.pop("at") == "2026-03-02T00:00:00Z"
    for one in now["models"]:
        one.update(previous=None, ending=[], rolling=None, overrides=[])
    now["integrity"]["outcome"] = None
    assert then == now
    assert then["models"][0]["blocked"] == ["2.0.0"]
    text = cli("status", "--at", "2026-03-02").out
    assert text.startswith("as of 2026-03-02T00:00:00Z\nMODEL ")
    assert cli("status", "--at", "2026-02-01").out == "as of 2026-02-01T00:00:00Z\nno models then\n"


@pytest.mark.parametrize("command", ["audit log", "audit export", "history m", "status"])
@pytest.mark.parametrize("at", ["2027-01-01", "2026-03-01T12:59:59Z", "then", "", "9" * 9 + "d"])
def test_a_time_that_has_not_come_or_is_none_is_refused(full: Place, cli: Cli, command: str, at: str) -> None:
    assert is_refusal(cli(*command.split(), "--at", at), 2)


@pytest.mark.parametrize("command", ["audit log", "audit export"])
@pytest.mark.parametrize("words", ["--since 7d", "--until 2026-03-02", "--since 7d --until 1d"])
def test_one_time_and_a_range_are_refused_together(full: Place, cli: Cli, command: str, words: str) -> None:
    full.clock.pass_by(days=2)
    assert is_refusal(cli(*command.split(), "--at", "2026-03-01", *words.split()), 2)


@pytest.mark.parametrize("alias", ["latest", "previous"])
def test_an_alias_that_only_now_has_a_meaning_is_refused_of_the_past(full: Place, cli: Cli, alias: str) -> None:
    assert is_refusal(cli("history", f"m@{alias}", "--at", "2026-03-01"), 2)
    assert is_refusal(cli("history", "m@canary", "--at", "2026-03-01"), 4)


@pytest.mark.parametrize("at", ["start", "middle", "end"])
@pytest.mark.parametrize("output", FORMATS)
def test_a_broken_log_is_refused_before_any_of_it_is_exported(full: Place, cli: Cli, output: str, at: str) -> None:
    (segment,) = (full.root / "audit").rglob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    number = {"start": 0, "middle": 4, "end": len(lines)}[at]
    lines[number:number] = [b"<<<<<<< HEAD\n"]
    segment.write_bytes(b"".join(lines))
    for words in ((), ("--model", "m"), ("--since", "2026-03-01"), ("--at", "2026-03-01T12:00:08Z")):
        ran = cli("audit", "export", "-o", output, *words)
        assert (ran.code, ran.out) == (6, "")
        name = str(segment.relative_to(full.root))
        if output in ("json", "ndjson"):
            told = json.loads(ran.err)
            assert (told["path"], told["line"]) == (name, number + 1)
        else:
            assert is_refusal(ran, 6)
            assert f"{name}:{number + 1}: a conflict marker of git" in ran.err
    assert is_refusal(cli("status", "--at", "2026-03-01T12:00:08Z"), 6)


def test_a_line_that_only_its_reading_shows_broken_is_refused_before_any_is_exported(full: Place, cli: Cli) -> None:
    (segment,) = (full.root / "audit").rglob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b'"reason":', b'"reason";')
    segment.write_bytes(b"".join(lines))
    for output in FORMATS[1:]:
        ran = cli("audit", "export", "-o", output)
        assert (ran.code, ran.out) == (6, "")


@pytest.mark.parametrize("output", FORMATS)
def test_every_format_exports_the_same_entries_and_nothing_where_there_are_none(
    full: Place, cli: Cli, output: str
) -> None:
    ids = [entry["id"] for entry in full.registry.audit()]
    text = cli("audit", "export", "-o", output).out
    assert [text.index(one) for one in ids] == sorted(text.index(one) for one in ids)
    empty = {"json": 2, "csv": 1}
    assert len(cli("audit", "export", "-o", output, "--action", "version.retired").out.splitlines()) == empty.get(
        output, 0
    )


def test_a_region_that_no_entry_names_finds_none(full: Place, cli: Cli) -> None:
    assert cli("audit", "export", "--region", "eu-west-1").out == ""
    assert cli("audit", "log", "--region", 'a"b').out == "no entries\n"


def test_an_export_to_a_file_is_byte_for_byte_the_log(full: Place, tmp_path: Path) -> None:
    target = tmp_path / "audit.ndjson"
    with target.open("wb") as out:
        assert subprocess.run([*COMMAND, "audit", "export"], cwd=full.root, stdout=out).returncode == 0
    assert target.read_bytes() == b"".join(path.read_bytes() for path in (full.root / "audit").rglob("*.jsonl"))
