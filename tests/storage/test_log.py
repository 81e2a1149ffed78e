from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from helixctl.core import audit
from helixctl.core.audit import Filter
from helixctl.errors import BrokenLog
from helixctl.storage import log
from tests.conftest import START, Place
from tests.storage.conftest import Git, segments

Branch = Callable[[str, Callable[[], object]], None]


def orders(place: Place) -> list[tuple[int, str]]:
    entries = [json.loads(raw) for _, _, raw in log.lines(str(place.root))]
    return [(entry["seq"], entry["hash"]) for entry in entries]


@pytest.fixture
def merged(place: Place, git: Git, on_branch: Branch) -> Place:
    """A log whose two later segments overlap, and a last one after them."""
    on_branch("one", lambda: place.serve("m@1.0.0", "m@2.0.0"))
    on_branch("two", lambda: place.serve("n@1.0.0"))
    git("merge", "-q", "one")
    git("merge", "-q", "two")
    place.register("o@1.0.0")
    return place


def test_lines_come_ascending_by_seq_and_hash_over_overlapping_segments(merged: Place) -> None:
    found = orders(merged)
    assert len(segments(merged)) == 4
    assert len(found) == 1 + 4 + 2 + 1
    assert found == sorted(found)
    assert len({seq for seq, _ in found}) < len(found)  # they do overlap


def test_the_order_does_not_follow_the_names_of_segments(merged: Place) -> None:
    before = orders(merged)
    for number, segment in enumerate(reversed(segments(merged))):
        segment.rename(segment.with_name(f"2026030{number + 1}T000000000Z-{'a' * 12}.jsonl"))
    assert orders(merged) == before


def test_an_unfinished_line_and_an_empty_segment_are_left_out(place: Place) -> None:
    place.register("m@1.0.0")
    before = orders(place)
    segment = segments(place)[0]
    with segment.open("ab") as handle:
        handle.write(b'{"v":1,"seq":3,')
    segment.with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl").touch()
    assert orders(place) == before


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (Filter(), ["init", "register m1", "activate m1", "register m2", "activate m2", "denied m3"]),
        (Filter(model="m", version="1.0.0"), ["register m1", "activate m1", "activate m2"]),
        (Filter(model="m", version="3.0.0"), ["denied m3"]),
        (Filter(model="other"), []),
        (Filter(actions=("version.deprecated",)), ["activate m2"]),
        (Filter(actions=("version.registered",)), ["register m1", "register m2", "denied m3"]),
        (Filter(severity="warning"), ["activate m1", "activate m2", "denied m3"]),
        (Filter(outcome="denied"), ["denied m3"]),
        (Filter(actor="nobody"), []),
        (Filter(since=START + timedelta(seconds=4)), ["register m2", "activate m2", "denied m3"]),
        (Filter(until=START + timedelta(seconds=3)), ["init", "register m1"]),
        (Filter(since=START + timedelta(seconds=2), until=START + timedelta(seconds=3)), ["register m1"]),
    ],
    ids=str,
)
def test_queries_match_effects_as_well_as_the_entry_itself(place: Place, wanted: Filter, expected: list[str]) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    (place.root / "policies/deny.toml").write_text(
        'schema = 1\nname = "deny"\n[match]\nactions = ["register"]\nmodels = ["m"]\n'
        '[[rule]]\nid = "dear"\nenforcement = "mandatory"\n'
        "cost = { max_per_request = 0.0001, input_tokens = 1000, output_tokens = 500 }\n"
    )
    text = b'schema = 1\nmodel = "m"\nversion = "3.0.0"\nprovider = "x"\n'
    assert not place.registry.register(text).allowed
    names = ["init", "register m1", "activate m1", "register m2", "activate m2", "denied m3"]
    ids = {json.loads(raw)["id"]: name for (_, _, raw), name in zip(log.lines(str(place.root)), names, strict=True)}
    assert [ids[entry["id"]] for _, entry in log.query(str(place.root), wanted)] == expected


def test_a_line_that_is_no_entry_stops_a_query_and_is_named(place: Place) -> None:
    segment = segments(place)[0]
    with segment.open("ab") as handle:
        handle.write(b"=======\n")
    with pytest.raises(BrokenLog) as refused:
        list(log.query(str(place.root), Filter()))
    assert (refused.value.path, refused.value.line) == (str(segment.relative_to(place.root)), 2)


def test_a_line_without_end_is_refused_and_not_read_into_memory(tmp_path: Path) -> None:
    (tmp_path / "audit/2026/03").mkdir(parents=True)
    (tmp_path / "audit/2026/03/long.jsonl").write_bytes(b"x" * (audit.MAX_LINE + 10))
    with pytest.raises(BrokenLog, match="more than 1 MiB"):
        list(log.segment_lines(str(tmp_path), "audit/2026/03/long.jsonl"))
