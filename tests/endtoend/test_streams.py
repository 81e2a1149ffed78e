from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import FOREGROUND, Place, Ran
from tests.endtoend.outside import COMMAND, process
from tests.endtoend.terminal import on_terminal

Cli = Callable[..., Ran]
Helix = Callable[..., Ran]
CODES = {"list": 0, "list -o json": 0, "audit export": 0, "--help": 0, "--version": 0}


@pytest.fixture
def closed_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def said_to(stdout: int, words: str, cwd: Path) -> Ran:
    try:
        return process(tuple(words.split()), cwd, stdout=stdout)
    finally:
        os.close(stdout)


@pytest.mark.parametrize("words", CODES)
def test_a_closed_pipe_ends_a_read_silently_with_141(full: Place, closed_pipe: int, words: str) -> None:
    ran = said_to(closed_pipe, words, full.root)
    assert (ran.code, ran.err) == (141, "")


@pytest.mark.parametrize("words", [*CODES, "demo tour"])
def test_a_full_disk_behind_stdout_ends_a_read_with_8_and_a_message(full: Place, words: str) -> None:
    ran = said_to(os.open("/dev/full", os.O_WRONLY), words, full.root)
    assert ran.code == 8
    if words.endswith("json"):
        assert json.loads(ran.err)["exit_code"] == 8
    else:
        assert ran.err.startswith("error[HX801]: ")
        assert "cannot write to standard output: no space left on device" in ran.err


@pytest.mark.parametrize(("words", "code"), [("check m@2.0.0", 7), ("verify", 6), ("list", 6)])
def test_what_becomes_of_the_output_never_changes_a_verdict(
    full: Place, closed_pipe: int, words: str, code: int
) -> None:
    if code == 6:
        full.path("other@1.0.0").write_text("damaged")
    ran = said_to(closed_pipe, words, full.root)
    assert ran.code == code
    assert "cannot write" not in ran.err
    ran = said_to(os.open("/dev/full", os.O_WRONLY), words, full.root)
    assert ran.code == code
    assert "cannot write to standard output" in ran.err


@pytest.mark.parametrize(("ends", "code"), [("| head -c 10 >/dev/null", 141), (">cut", 8)], ids=["pipe", "disk"])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_an_output_that_is_cut_short_is_told_also_where_python_does_not_buffer(
    tmp_path: Path, ends: str, code: int, unbuffered: str
) -> None:
    line = f"ulimit -f 100; {' '.join(COMMAND)} completion fish {ends}; echo ${{PIPESTATUS[0]}}"
    known = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", line], cwd=tmp_path, env=known, capture_output=True, text=True)
    assert done.stdout == f"{code}\n"
    assert ("cannot write to standard output: file too large" in done.stderr) is (code == 8)


def test_a_change_that_was_made_ends_with_0_though_it_cannot_be_printed(full: Place, closed_pipe: int) -> None:
    ran = said_to(os.open("/dev/full", os.O_WRONLY), "block m@2.0.0", full.root)
    assert (ran.code, ran.err) == (0, "warning: cannot write to standard output: no space left on device\n")
    ran = said_to(closed_pipe, "unblock m@2.0.0", full.root)
    assert (ran.code, ran.err) == (0, "")
    assert [entry["action"] for entry in full.registry.audit()][-2:] == ["version.blocked", "version.unblocked"]


@pytest.mark.parametrize("stream", ["2>/dev/full", ">/dev/full 2>&1"])
def test_a_warning_that_cannot_be_printed_changes_no_code(full: Place, stream: str) -> None:
    for words, code in (("block m@1.0.0", 0), ("check other@1.0.0", 3), ("evaluate m@1.0.0 --from /dev/null", 7)):
        assert closing(stream, words, full.root).code == code
    assert full.registry.verify().outcome == "ok"


def test_a_change_that_changes_nothing_may_fail_to_print(full: Place) -> None:
    ran = said_to(os.open("/dev/full", os.O_WRONLY), "unblock m@2.0.0", full.root)
    assert ran.code == 8


def closing(stream: str, words: str, cwd: Path) -> Ran:
    """Run a command by a shell that closes a stream of it first."""
    line = ["bash", "-c", f'"$@" {stream}', "-", *COMMAND, *words.split()]
    done = subprocess.run(line, cwd=cwd, capture_output=True, text=True)
    return Ran(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("closed", ["0<&-", "2>&-"])
def test_an_input_or_errors_that_were_closed_before_are_no_failure(full: Place, closed: str) -> None:
    ran = closing(closed, "list", full.root)
    assert (ran.code, ran.err, bool(ran.out)) == (0, "", True)


@pytest.mark.parametrize("words", [*CODES, "show m@1.0.0", "status", "audit log", "audit log -h", "help 7"])
def test_a_read_whose_output_was_closed_before_ends_with_8_and_a_message(full: Place, words: str) -> None:
    ran = closing("1>&-", words, full.root)
    assert (ran.code, "cannot write to standard output: bad file descriptor" in ran.err) == (8, True)
    assert closing("1>&- 2>&-", words, full.root).code == 8


def test_a_change_or_a_verdict_stands_where_the_output_was_closed_before(full: Place) -> None:
    for words, code in (("check other@1.0.0", 3), ("block m@2.0.0", 0), ("record m@1.0.0 --latency-ms 5", 0)):
        ran = closing("1>&-", words, full.root)
        assert (ran.code, ran.err) == (code, "warning: cannot write to standard output: bad file descriptor\n")
    assert full.registry.verify().outcome == "ok"


def test_completion_says_nothing_where_nobody_reads_it(full: Place, closed_pipe: int) -> None:
    for out in (closed_pipe, os.open("/dev/full", os.O_WRONLY)):
        assert said_to(out, "__complete m", full.root).err == ""
    assert closing("1>&-", "__complete m", full.root).err == ""


def test_an_error_that_cannot_be_printed_keeps_its_exit_code(full: Place) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$@" 2>/dev/full', "-", *COMMAND, "show", "m@9.0.0"], cwd=full.root, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (4, b"", b"")


def test_an_interrupt_ends_with_130_and_leaves_nothing(full: Place) -> None:
    pipe = full.root.parent / "specification.toml"
    os.mkfifo(pipe)
    before = full.files()
    words = [*FOREGROUND, *COMMAND, "register", "-f", str(pipe)]
    running = subprocess.Popen(words, cwd=full.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with pipe.open("wb"):  # opens once the command reads: from here on it waits
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out, err) == (130, b"", b"")
    assert full.files() == before


def test_sigterm_leaves_no_folder_where_the_engine_would_put_what_memory_does_not_hold(
    full: Place, tmp_path: Path
) -> None:
    pytest.importorskip("duckdb")
    spill = tmp_path / "spill"
    spill.mkdir()
    words = [*COMMAND, "evaluate", "m@2.0.0", "--engine", "duckdb", "--from", str(full.inferences(1_000_000))]
    running = subprocess.Popen(words, cwd=full.root, stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(spill)})
    while not list(spill.glob("helixctl-*")) and running.poll() is None:
        time.sleep(0.001)
    running.terminate()
    _, err = running.communicate()
    assert (running.returncode, err) == (-signal.SIGTERM, b"")
    assert not list(spill.iterdir())


IMPORTING = """\
import importlib._bootstrap, os, sys, time, weakref
class Slow:
    def find_spec(self, name, *_):
        if name == "helixctl.cli.session":
            os.write(2, b"ready\\n")
            %s
sys.meta_path.insert(0, Slow())
from helixctl.__main__ import main
sys.exit(main())
"""
WAITS = {
    "plainly": "time.sleep(60)",
    "in a callback, which swallows what is raised": "weakref.finalize(Slow(), time.sleep, 60)",
    "in what wraps it": "type('Named', (), {'x': type('', (), {'__set_name__': lambda *_: time.sleep(60)})()})",
}


@pytest.mark.parametrize("waits", WAITS)
def test_an_interrupt_within_an_import_ends_with_130_and_says_nothing(full: Place, waits: str) -> None:
    words = [*FOREGROUND, sys.executable, "-c", IMPORTING % WAITS[waits], "list"]
    with subprocess.Popen(words, cwd=full.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        assert running.stderr.readline() == b"ready\n"
        time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate()
    assert (running.returncode, out, err) == (130, b"", b"")


def test_an_interrupt_once_the_code_is_decided_changes_it_no_more(full: Place) -> None:
    ends = "import atexit, os, sys, time; from helixctl.__main__ import main; "
    ends += "atexit.register(lambda: (os.write(2, b'ready\\n'), time.sleep(0.3))); sys.exit(main())"
    words = [*FOREGROUND, sys.executable, "-c", ends, "show", "no@1.0.0"]
    with subprocess.Popen(words, cwd=full.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        while running.stderr.readline() != b"ready\n":
            pass
        running.send_signal(signal.SIGINT)
        _, err = running.communicate()
    assert (running.returncode, err) == (4, b"")


def test_an_interrupt_that_was_to_be_ignored_is(full: Place) -> None:
    words = ["bash", "-c", 'trap "" INT; exec "$@"', "-", *COMMAND, "record", "m@1.0.0"]
    with subprocess.Popen(words, cwd=full.root, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        time.sleep(0.5)
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(b'{"success": true, "latency_ms": 1}\n')
    assert running.returncode == 0
    assert out.startswith(b"recorded 1 inference")


STARTED = """\
import os, signal, sys
from helixctl.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    os.write(2, b"started\\n")
    sys.exit(main())
except KeyboardInterrupt as interrupt:
    if interrupt.__traceback__.tb_next:  # it was not this script's own line that was hit
        raise
    sys.exit(130)
"""
MOMENTS_S = (0.001, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "list",
        "verify",
        "audit export",
        "block m@2.0.0",
        "record m@1.0.0",
        "evaluate m@2.0.0 --engine duckdb --from FILE",
        "--help",
    ],
)
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_any_time_gives_its_code_and_tears_nothing(full: Place, words: str, sent: int) -> None:
    lines, many = full.inferences(500).read_bytes(), full.inferences(200_000)
    words = words.replace("FILE", str(many))
    for moment in MOMENTS_S:
        command = [sys.executable, "-c", STARTED, *words.split()]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, cwd=full.root, stdin=pipe, stdout=pipe, stderr=pipe) as running:
            assert running.stdin is not None
            assert running.stderr is not None
            assert running.stderr.readline() == b"started\n"
            running.stdin.write(lines)
            time.sleep(moment)
            running.send_signal(sent)
            _, err = running.communicate()
        assert running.returncode in (0, 130 if sent == signal.SIGINT else -sent)
        assert b"Traceback" not in err
        assert full.registry.verify().outcome == "ok"
        if words.startswith("block") and running.returncode == 0:
            assert "blocked" in full.registry.show("m@2.0.0").lifecycle
    assert all(
        json.loads(line)["success"]
        for path in full.root.rglob("*/inferences/**/*.jsonl")
        for line in path.read_text().splitlines()
    )


def named(place: Place) -> None:
    place.registry.register({"model": "n", "version": "1.0.0", "provider": "x", "display_name": "Zoë → \U0001f600"})


def test_an_ascii_terminal_gets_escapes_and_never_a_failure(full: Place, helix: Helix) -> None:
    named(full)
    ran = helix("show", "n@1.0.0", cwd=full.root, PYTHONIOENCODING="ascii")
    assert (ran.code, ran.err) == (0, "")
    assert "Zo\\xeb \\u2192 \\U0001f600" in ran.out
    ran = helix("block", "n@1.0.0", "--reason", "ß", cwd=full.root, PYTHONIOENCODING="ascii")
    assert ran.code == 0
    ran = helix("show", "ß@1.0.0", cwd=full.root, PYTHONIOENCODING="ascii")
    assert ran.code == 2
    assert ran.err.startswith("error[HX201]: ")


def test_text_reaches_a_utf_8_terminal_as_it_is(full: Place, helix: Helix) -> None:
    named(full)
    assert "Zoë → \U0001f600" in helix("show", "n@1.0.0", cwd=full.root, PYTHONIOENCODING="utf-8").out


def test_a_narrow_terminal_cuts_no_value(full: Place, helix: Helix) -> None:
    wide, narrow = (helix("list", cwd=full.root, COLUMNS=columns).out for columns in ("200", "20"))
    assert [line.split()[0] for line in narrow.splitlines() if not line.startswith(" ")] == ["m", "m", "m", "other"]
    values = {line.split(maxsplit=1)[1].split(" (")[0] for line in narrow.splitlines() if line.startswith(" ")}
    assert values >= {"1.0.0", "1.1.0", "2.0.0", "active", "testing", "deprecated", "in-house"}
    assert helix("list", cwd=full.root).out.splitlines()[0] == wide.splitlines()[0]
    ran = helix("activate", "--help", cwd=full.root, COLUMNS="20")
    assert ran.code == 0
    assert "--override" in ran.out


def on_a_terminal(words: str, cwd: Path, **environment: str) -> str:
    """Run a command with a terminal on its streams and return all it printed there."""
    known = {**os.environ, "TERM": "xterm", "HELIX_ACTOR": "alice@example.com", **environment}
    return on_terminal([*COMMAND, *words.split()], cwd, environment=known, size=(0, 0)).text.replace("\r\n", "\n")


@pytest.mark.parametrize("words", ["list -o json", "list --color never"])
def test_a_terminal_gets_the_same_as_a_pipe(full: Place, helix: Helix, words: str) -> None:
    assert on_a_terminal(words, full.root) == helix(*words.split(), cwd=full.root).out


@pytest.mark.slow
@pytest.mark.parametrize(
    ("option", "environment", "coloured"),
    [
        ("", {}, True),
        ("", {"NO_COLOR": "1"}, False),
        ("", {"NO_COLOR": ""}, True),
        ("", {"TERM": "dumb"}, False),
        ("", {"CLICOLOR": "0"}, False),
        ("--color never", {"FORCE_COLOR": "1"}, False),
    ],
)
def test_a_terminal_is_painted_unless_told_otherwise(
    full: Place, option: str, environment: dict[str, str], coloured: bool
) -> None:
    assert ("\x1b[" in on_a_terminal(f"list {option}", full.root, **environment)) == coloured


@pytest.mark.parametrize(
    ("words", "environment", "coloured"),
    [
        ("list", {}, False),
        ("list", {"FORCE_COLOR": "1"}, True),
        ("list", {"FORCE_COLOR": "0"}, False),
        ("list", {"CLICOLOR_FORCE": "1"}, True),
        ("list", {"FORCE_COLOR": "1", "TERM": "dumb", "CLICOLOR": "0"}, True),
        ("list", {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ("list --color always", {"NO_COLOR": "1"}, True),
        ("list --color never", {"FORCE_COLOR": "1"}, False),
        ("list -o json", {"FORCE_COLOR": "1"}, False),
        ("list -o csv --color always", {}, False),
        ("audit export --color always", {}, False),
    ],
)
def test_a_pipe_is_painted_only_where_that_is_forced(
    full: Place, cli: Cli, words: str, environment: dict[str, str], coloured: bool
) -> None:
    ran = cli(*words.split(), **environment)
    assert ran.code == 0
    assert ("\x1b[" in ran.out) == coloured


def test_an_error_is_one_json_object_on_stderr_where_json_was_asked_for(full: Place, helix: Helix) -> None:
    ran = helix("show", "m@9.0.0", "-o", "json", cwd=full.root)
    assert (ran.code, ran.out) == (4, "")
    assert json.loads(ran.err) == {
        "schema_version": 1,
        "kind": "error",
        "code": "HX401",
        "exit_code": 4,
        "message": "m@9.0.0 is not registered (did you mean '2.0.0'?)",
        "hint": "helixctl list shows what there is",
        "path": None,
        "line": None,
        "key": None,
    }


def test_quiet_silences_warnings_and_nothing_else(full: Place, cli: Cli) -> None:
    full.path("other@1.0.0").write_text("damaged")
    loud, quiet = cli("list"), cli("list", "-q")
    assert loud.err.startswith("warning: models/other/1.0.0.toml:1: ")
    assert quiet.err == ""
    assert (loud.code, loud.out) == (quiet.code, quiet.out)
    refused = cli("show", "m@9.0.0", "-q")
    assert refused.err.startswith("error[HX401]: ")


def test_results_go_to_stdout_and_warnings_to_stderr(full: Place, cli: Cli) -> None:
    full.path("other@1.0.0").write_text("damaged")
    ran = cli("list", "-o", "json")
    assert [one["model"] for one in json.loads(ran.out)["versions"]] == ["m", "m", "m"]
    assert "models/other" in ran.err
