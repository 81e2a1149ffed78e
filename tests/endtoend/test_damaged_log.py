"""What a log may never hold: each damage is a finding with file and line, exit 6, and nothing is changed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from helixctl.core.audit import MAX_LINE
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]


def sealed(body: bytes) -> bytes:
    """Return a line with the right hash over whatever stands in it."""
    return body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


def body(raw: bytes) -> bytes:
    return raw[: raw.rindex(b',"hash":"')]


Damage = Callable[[bytes], bytes]
SEALED: dict[str, Damage] = {
    "invalid JSON": lambda raw: body(raw).replace(b'"data":{', b'"data":{{', 1),
    "invalid UTF-8": lambda raw: body(raw).replace(b"alice", b"al\xffce", 1),
    "a key twice": lambda raw: body(raw).replace(b'"reason":null', b'"reason":null,"reason":null', 1),
    "a float": lambda raw: body(raw).replace(b'"data":{', b'"data":{"x":1.5,', 1),
    "NaN": lambda raw: body(raw).replace(b'"data":{', b'"data":{"x":NaN,', 1),
    "an actor that is none": lambda raw: body(raw).replace(b'"actor":{', b'"actor":[],"other":{', 1),
    "effects that are none": lambda raw: body(raw).replace(b'"effects":[', b'"effects":{},"other":[', 1),
    "changes without a path": lambda raw: body(raw).replace(b'"path":', b'"place":', 1),
}
"""Damage under a right hash: `verify` parses, `audit verify` need not."""
RAW: dict[str, Damage] = {
    "an unknown version": lambda raw: sealed(body(raw).replace(b'{"v":1,', b'{"v":2,', 1)),
    "CRLF": lambda raw: raw + b"\r",
    "an empty line": lambda _: b"",
    "a byte of its body": lambda raw: raw.replace(b"alice", b"alicf", 1),
    "its hash": lambda raw: raw[:-66] + b"0" * 64 + b'"}',
    "no parents": lambda raw: raw.replace(b',"parents":[', b',"patents":[', 1),
    "a conflict marker": lambda _: b"<<<<<<< HEAD",
    "a seq of nought": lambda raw: sealed(body(raw).replace(b'"seq":3', b'"seq":0', 1)),
    "a time that is none": lambda raw: sealed(body(raw).replace(b'"ts":"2026', b'"ts":"202x', 1)),
    "a parent that is itself": lambda raw: sealed(
        body(raw).replace(json.loads(raw)["parents"][0].encode(), json.loads(raw)["hash"].encode())
    ),
}


@pytest.fixture
def small(place: Place) -> Place:
    place.register("m@1.0.0", "m@2.0.0", "m@3.0.0")
    return place


def harm(place: Place, damage: Damage) -> str:
    (segment,) = place.root.glob("audit/*/*/*.jsonl")
    lines = segment.read_bytes().split(b"\n")
    lines[2] = damage(lines[2])
    segment.write_bytes(b"\n".join(lines))
    return str(segment.relative_to(place.root))


@pytest.mark.parametrize(
    ("name", "command"),
    [*((name, ["verify"]) for name in (*RAW, *SEALED)), *((name, ["audit", "verify"]) for name in RAW)],
)
def test_each_damage_is_a_finding_with_file_and_line(small: Place, cli: Cli, name: str, command: list[str]) -> None:
    path = harm(small, RAW[name] if name in RAW else lambda raw: sealed(SEALED[name](raw)))
    before = small.files()
    ran = cli(*command, "-o", "json")
    assert ran.code == 6, ran.err
    found = json.loads(ran.out)
    assert found["outcome"] in ("tampered", "incomplete")
    assert (path, 3) in {(one["path"], one["line"]) for one in found["findings"]} or found["outcome"] == "incomplete"
    assert cli(*command).code == 6
    assert small.files() == before


@pytest.mark.parametrize("name", [*SEALED, "an unknown version", "a byte of its body"])
def test_a_damage_in_the_open_segment_stops_what_would_go_on_from_it(small: Place, cli: Cli, name: str) -> None:
    harm(small, RAW[name] if name in RAW else lambda raw: sealed(SEALED[name](raw)))
    (small.root / ".helix/index.db").unlink()
    before = small.files()
    assert cli("audit", "checkpoint").code == 6
    assert small.files() == before


@pytest.mark.parametrize("name", ["invalid JSON", "a key twice", "changes without a path"])
def test_a_damaged_entry_of_another_model_stops_every_write_and_no_question_about_this_one(
    place: Place, cli: Cli, name: str
) -> None:
    place.register("other@1.0.0", "other@2.0.0", "mine@1.0.0")
    harm(place, lambda raw: sealed(SEALED[name](raw)))
    (place.root / ".helix/index.db").unlink()
    before = place.files()
    codes = {"check mine@1.0.0 --for testing": 0, "promote mine@1.0.0 --to testing": 6, "verify": 6}
    codes["check other@1.0.0 --for testing"] = 6
    assert {words: cli(*words.split()).code for words in codes} == codes
    assert place.files() == before


def git(place: Place, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@x", *words], cwd=place.root, check=True, stdout=-3)


@pytest.mark.parametrize(("end", "code"), [("cut", "torn-tail"), ("empty", "empty-segment")])
def test_an_end_that_only_an_open_segment_may_have_is_found_where_git_tracks_it(
    small: Place, cli: Cli, end: str, code: str
) -> None:
    (segment,) = small.root.glob("audit/*/*/*.jsonl")
    raw = segment.read_bytes()
    broken = segment if end == "cut" else segment.with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl")
    broken.write_bytes(raw[:-1] if end == "cut" else b"")
    assert cli("verify").code == 0 or end == "cut"  # half a line that a crash left, in a segment that is still open
    git(small, "init", "-q")
    git(small, "add", "-A")
    found = json.loads(cli("verify", "-o", "json").out)
    assert code in {one["code"] for one in found["findings"]}
    assert found["outcome"] == "tampered"


def test_a_line_of_100_mb_is_found_in_flat_memory(small: Place) -> None:
    (segment,) = small.root.glob("audit/*/*/*.jsonl")
    with segment.open("ab") as handle:
        handle.write(b'{"v":1,' + b"x" * 100 * MAX_LINE + b"\n")
    code = "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)"
    code += "; print(done.stdout.decode()); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    words = [sys.executable, "-m", "helixctl", "audit", "verify", "-C", str(small.root)]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert f"{segment.relative_to(small.root)}:5: a line of more than 1 MiB" in done.stdout
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout.splitlines()[-1]) * unit < 80 * MAX_LINE
