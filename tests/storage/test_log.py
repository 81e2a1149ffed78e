from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from helixctl.core import audit
from helixctl.core.audit import Filter
from helixctl.errors import BrokenLog
from helixctl.storage import log
from tests.conftest import ALICE, START, Place
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


# what stood at a time


def seqs(place: Place, wanted: Filter) -> list[int]:
    return [entry["seq"] for _, entry in log.query(str(place.root), wanted)]


def test_at_a_time_only_the_entries_that_were_in_force_are_found(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("n@1.0.0")
    times = [datetime.fromisoformat(entry["ts"]) for _, entry in log.query(str(place.root), Filter())]
    assert [seqs(place, Filter(at=at)) for at in times] == [[], [2], [3], [3, 4], [5], [5, 6]]
    assert seqs(place, Filter(at=times[3] - timedelta(microseconds=1))) == [3]
    assert seqs(place, Filter(at=times[5], model="m")) == [5]
    assert seqs(place, Filter(at=times[5], version="1.0.0")) == [5, 6]
    assert seqs(place, Filter(at=times[5], version="1.0.0", actions=("version.activated",))) == []
    assert seqs(place, Filter(at=times[4], actions=("version.activated",))) == [5]
    assert seqs(place, Filter(at=times[4], severity="error")) == []


def test_at_a_time_the_lines_of_branches_come_in_the_order_of_the_log(merged: Place) -> None:
    found = [(entry["seq"], entry["hash"]) for _, entry in log.query(str(merged.root), Filter(at=merged.clock.now))]
    assert found == sorted(found)
    assert len(found) == 3  # the succession in m, and a version each of n and o


# time ranges


def aged(place: Place, spans: list[list[int]]) -> list[str]:
    """Write a log of segments of entries at minutes after the start, in that order; return their paths."""
    (first,) = segments(place)
    parent = json.loads(first.read_bytes())
    seq, paths, heads = 1, [], (parent["hash"],)
    for number, minutes in enumerate(spans):
        path = first.with_name(f"2020010{number}T000000000Z-{'b' * 12}.jsonl")
        for minute in minutes:
            seq += 1
            made = audit.Entry(START + timedelta(minutes=minute), "backup.created", ALICE, seq=seq, parents=heads)
            line, digest = audit.encode(made._replace(registry=parent["registry"], id=f"id-{seq}", tool="0"))
            heads = (digest,)
            with path.open("ab") as handle:
                handle.write(line)
        paths.append(str(path.relative_to(place.root)))
    return paths


@pytest.mark.parametrize(
    ("since", "until", "found"),
    [
        (10, 12, [2, 3]),
        (29, 30, [6]),
        (5, 6, [5]),
        (0, 100, [1, 2, 3, 4, 5, 6, 7, 8]),
        (13, 20, []),
        (30, 31, [7]),
        (31, None, [8]),
        (None, 6, [1, 5]),
    ],
)
def test_a_time_range_finds_all_of_it_though_the_clock_was_set_back(
    place: Place, since: int | None, until: int | None, found: list[int]
) -> None:
    """The second segment begins and ends outside of what it holds in between."""
    aged(place, [[10, 11, 12], [5, 29], [30, 40]])
    start, end = (None if one is None else START + timedelta(minutes=one) for one in (since, until))
    assert seqs(place, Filter(since=start, until=end)) == found


def test_a_time_range_does_not_read_the_lines_of_segments_outside_of_it(place: Place) -> None:
    paths = aged(place, [[10, 11], [20, 21], [30, 31]])
    for path in (paths[0], paths[2]):  # so that any look at the line itself would end the query
        broken = (place.root / path).read_bytes().replace(b'"}\n', b'"]\n')
        (place.root / path).write_bytes(broken)
    range_ = Filter(since=START + timedelta(minutes=20), until=START + timedelta(minutes=22))
    assert seqs(place, range_) == [4, 5]
    with pytest.raises(BrokenLog):
        seqs(place, range_._replace(until=START + timedelta(minutes=31)))


def test_a_segment_that_is_no_file_or_has_no_times_is_looked_into(place: Place) -> None:
    (path,) = aged(place, [[10, 11]])
    other = place.root.parent / "elsewhere"
    (place.root / path).rename(other)
    (place.root / path).symlink_to(other)
    with pytest.raises(BrokenLog, match="a link"):
        seqs(place, Filter(since=START + timedelta(days=9)))
    (place.root / path).unlink()
    (place.root / path).write_bytes(b"=======\n")
    with pytest.raises(BrokenLog):
        seqs(place, Filter(since=START + timedelta(days=9)))


# what is no entry


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda line: b"<<<<<<< HEAD", "a conflict marker of git"),
        (lambda line: line + b"\r", "CRLF"),
        (lambda line: line.replace(b'{"v":1,', b'{"v":2,'), "entry version 2 is newer"),
        (lambda line: line[:-1], "does not end in parents and hash"),
        (lambda line: b"", "an empty line"),
        (lambda line: resealed(line, b'"actor":{', b'"actor":[{'), "not an entry"),
        (lambda line: resealed(line, b'"via":"test"', b'"via":null'), "not an entry"),
        (lambda line: resealed(line, b'"reason":null', b'"reason":5'), "not an entry"),
        (lambda line: resealed(line, b'"action":"version.registered","model"', b'"model"'), "not an entry"),
        (lambda line: resealed(line, b'"ts":"2026-', b'"ts":"2026-99'), "not an entry"),
        (lambda line: resealed(line, b'"ts":"2026-03-01', b'"ts":"2026-02-31'), "not an entry"),
    ],
)
def test_what_is_no_entry_stops_every_query_that_passes_it(
    place: Place, change: Callable[[bytes], bytes], says: str
) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    (segment,) = segments(place)
    lines = segment.read_bytes().splitlines()
    lines[1] = change(lines[1])
    segment.write_bytes(b"\n".join(lines) + b"\n")
    queries = (Filter(), Filter(model="m"), Filter(at=place.clock.now))
    for wanted in queries if b"m" in lines[1] else (Filter(),):
        with pytest.raises(BrokenLog, match=says) as refused:
            seqs(place, wanted)
        assert refused.value.line == 2


def resealed(line: bytes, old: bytes, new: bytes) -> bytes:
    """A line that was changed, and hashed again."""
    body = line[: line.rindex(b',"hash":')].replace(old, new)
    assert old in line
    return body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


def test_a_line_that_could_not_match_is_still_to_be_framed_as_an_entry(place: Place) -> None:
    place.register("m@1.0.0")
    with segments(place)[0].open("ab") as handle:
        handle.write(b"<<<<<<< HEAD\n")
    with pytest.raises(BrokenLog, match="a conflict marker"):
        seqs(place, Filter(model="nothing of this name"))


def test_keys_and_words_that_are_not_known_are_let_pass(place: Place) -> None:
    place.register("m@1.0.0")
    (segment,) = segments(place)
    first, second = segment.read_bytes().splitlines()
    second = resealed(
        second, b'"action":"version.registered","severity":"info"', b'"action":"x.y","severity":"info","z":{}'
    )
    segment.write_bytes(first + b"\n" + second + b"\n")
    assert [entry["action"] for _, entry in log.query(str(place.root), Filter())] == ["registry.initialized", "x.y"]
    assert seqs(place, Filter(region="eu")) == []


# following


class Stop(Exception):
    """Raised where a test has seen enough."""


def followed(place: Place, wanted: Filter, *works: Callable[[], object], last: int = 10) -> list[int]:
    """The seqs that come while one work after another is done each time nothing is new."""
    rest = iter(works)

    def wait() -> None:
        work = next(rest, None)
        if work is None:
            raise Stop
        work()

    found: list[int] = []
    with suppress(Stop):
        found += (entry["seq"] for _, entry in log.follow(str(place.root), wanted, wait, last))
    return found


def test_following_gives_the_last_entries_and_then_each_new_one_once(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    works = (lambda: None, lambda: place.register("n@1.0.0"), lambda: None, lambda: place.serve("n@2.0.0"))
    assert followed(place, Filter(), *works, last=2) == [4, 5, 6, 7, 8]
    assert followed(place, Filter(), last=100) == list(range(1, 9))


def test_following_filters_the_last_and_the_new(place: Place) -> None:
    place.serve("m@1.0.0")
    works = (lambda: place.register("n@1.0.0"), lambda: place.serve("m@2.0.0"))
    assert followed(place, Filter(model="m"), *works, last=1) == [3, 5, 6]
    assert followed(place, Filter(actions=("version.deprecated",)), last=5) == [6]


def test_following_finds_segments_that_a_merge_brings_ascending(place: Place, git: Git, on_branch: Branch) -> None:
    on_branch("one", lambda: place.serve("m@1.0.0", "m@2.0.0"))
    on_branch("two", lambda: place.serve("n@1.0.0"))
    works = (lambda: git("merge", "-q", "one", "two"), lambda: place.register("o@1.0.0"))
    assert followed(place, Filter(), *works) == [1, 2, 2, 3, 3, 4, 5, 6]


def test_following_waits_for_the_end_of_a_line(place: Place) -> None:
    (segment,) = segments(place)
    line, _ = audit.encode(audit.Entry(START, "backup.created", ALICE, seq=2, registry="r", id="i", tool="0"))

    def add(part: bytes) -> Callable[[], object]:
        def write() -> None:
            with segment.open("ab") as handle:
                handle.write(part)

        return write

    assert followed(place, Filter(), add(line[:50]), add(line[50:-1]), add(line[-1:])) == [1, 2]
    assert followed(place, Filter(), add(line + line[:9]), add(line[9:])) == [1, 2, 2, 2]


def test_following_is_not_disturbed_by_a_segment_that_goes(place: Place) -> None:
    paths = aged(place, [[1], [2]])
    works = (
        lambda: (place.root / paths[1]).rename(place.root / "kept"),
        lambda: (place.root / "kept").rename(place.root / paths[1]),
        lambda: None,
    )
    assert followed(place, Filter(), *works) == [1, 2, 3]


def test_following_ends_where_a_line_is_no_entry(place: Place) -> None:
    def damage() -> None:
        with segments(place)[0].open("ab") as handle:
            handle.write(b"=======\n")

    with pytest.raises(BrokenLog) as refused:
        list(log.follow(str(place.root), Filter(), damage))
    assert refused.value.line == 2
