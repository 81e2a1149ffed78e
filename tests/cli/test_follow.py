from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TextIO

import pytest

from helixctl.cli.edge import run
from helixctl.cli.session import PAUSE_S, World
from tests.conftest import Place, Ran


@dataclass
class Onlooker:
    """Follows the log in this process; each wait does the next of its works, and then interrupts."""

    place: Place
    works: list[Callable[[], object]] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    printed: io.BytesIO = field(default_factory=io.BytesIO)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        if not self.works:
            raise KeyboardInterrupt
        self.works.pop(0)()

    def run(self, *words: str, stdout: TextIO | None = None) -> Ran:
        out, told = stdout or io.TextIOWrapper(self.printed, encoding="utf-8"), io.BytesIO()
        err = io.TextIOWrapper(told, encoding="utf-8", write_through=True)
        known = {"HELIX_ACTOR": "alice@example.com", "HELIX_REGISTRY": str(self.place.root)}
        world = World(known, io.BytesIO(), out, err, self.place.clock, wait=self.wait)
        code = run(["audit", "log", *words], world)
        return Ran(code, self.printed.getvalue().decode(), told.getvalue().decode())


@pytest.fixture
def onlooker(place: Place) -> Onlooker:
    return Onlooker(place)


def test_the_last_entries_come_oldest_first_and_then_each_new_one_until_interrupted(onlooker: Onlooker) -> None:
    onlooker.place.serve("m@1.0.0", "m@2.0.0")
    onlooker.works = [lambda: onlooker.place.register("n@1.0.0"), lambda: None]
    ran = onlooker.run("--follow", "-n", "2")
    assert (ran.code, ran.err) == (130, "")
    heads = [line.split()[2:4] for line in ran.out.splitlines() if line.startswith("entry ")]
    assert heads == [
        ["version.registered", "m@2.0.0"],
        ["version.activated", "m@2.0.0"],
        ["version.registered", "n@1.0.0"],
    ]
    assert onlooker.waits == [PAUSE_S] * 3


def test_each_entry_is_printed_before_the_next_is_waited_for(onlooker: Onlooker) -> None:
    seen: list[bytes] = []
    onlooker.works = [lambda: seen.append(onlooker.printed.getvalue())]
    assert onlooker.run("--follow", "-o", "ndjson").code == 130
    assert [json.loads(line)["seq"] for line in seen[0].splitlines()] == [1]


def test_ndjson_is_a_line_an_entry_as_without_follow(onlooker: Onlooker, cli: Callable[..., Ran]) -> None:
    onlooker.place.serve("m@1.0.0")
    onlooker.works = [lambda: onlooker.place.serve("m@2.0.0")]
    followed = onlooker.run("--follow", "-o", "ndjson").out.splitlines()
    assert followed == cli("audit", "log", "-o", "ndjson").out.splitlines()[::-1]


def test_ten_entries_come_first_where_no_number_is_asked_for(onlooker: Onlooker) -> None:
    onlooker.place.register(*(f"m@{n}.0.0" for n in range(1, 13)))
    assert len(onlooker.run("--follow", "-o", "ndjson").out.splitlines()) == 10


def test_filters_hold_for_what_comes(onlooker: Onlooker) -> None:
    onlooker.works = [lambda: onlooker.place.serve("m@1.0.0"), lambda: onlooker.place.serve("n@1.0.0")]
    ran = onlooker.run("-f", "--model", "n", "--severity", "warning", "-o", "ndjson")
    assert [json.loads(line)["action"] for line in ran.out.splitlines()] == ["version.activated"]


def test_it_ends_with_141_once_nobody_reads_though_nothing_new_comes(onlooker: Onlooker) -> None:
    reading, writing = os.pipe()
    onlooker.works = [lambda: os.close(reading), lambda: None]
    with open(writing, "w", encoding="utf-8") as out:
        ran = onlooker.run("--follow", stdout=out)
        assert (ran.code, ran.err, len(onlooker.waits)) == (141, "", 1)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("-o json", "--follow takes no -o json"),
        ("-o csv", "--follow takes no -o csv"),
        ("-o ndjson --fields seq", "--follow takes no --fields"),
        ("--at 2026-03-01", "it takes no --until or --at"),
        ("--until 2026-03-01", "it takes no --until or --at"),
    ],
)
def test_what_follow_cannot_serve_is_refused_before_anything_is_printed(
    onlooker: Onlooker, words: str, says: str
) -> None:
    ran = onlooker.run("--follow", *words.split())
    assert (ran.code, ran.out, onlooker.waits) == (2, "", [])
    assert says in ran.err


def test_a_line_that_is_no_entry_ends_it_with_6(onlooker: Onlooker) -> None:
    (segment,) = (onlooker.place.root / "audit").rglob("*.jsonl")

    def damage() -> None:
        with segment.open("ab") as handle:
            handle.write(b"=======\n")

    onlooker.works = [damage]
    ran = onlooker.run("--follow")
    assert (ran.code, ran.out.count("entry ")) == (6, 1)
    assert f"{segment.relative_to(onlooker.place.root)}:2: a conflict marker of git" in ran.err
