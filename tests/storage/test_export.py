from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from helixctl.core import audit
from helixctl.errors import BrokenLog
from helixctl.storage import export, log
from tests.conftest import ALICE, START, Place
from tests.storage.conftest import Git, segments

Branch = Callable[[str, Callable[[], object]], None]


def whole(place: Place) -> bytes:
    return b"".join(export.whole(str(place.root)))


def line_by_line(place: Place) -> bytes:
    return b"".join(raw + b"\n" for _, _, raw in log.lines(str(place.root)))


@pytest.fixture(params=[7, 64, 500, 131_072])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Read in pieces of a size, so that lines end at, before and behind their ends."""
    monkeypatch.setattr(export, "_BLOCK", request.param)
    return int(request.param)


def test_the_whole_log_is_its_lines_in_order(place: Place, blocks: int) -> None:
    assert whole(place) == line_by_line(place) == segments(place)[0].read_bytes()
    place.serve("m@1.0.0", "m@2.0.0")
    assert whole(place) == line_by_line(place)
    assert whole(place).count(b"\n") == 5


def test_segments_that_overlap_are_merged(place: Place, git: Git, on_branch: Branch, blocks: int) -> None:
    on_branch("one", lambda: place.serve("m@1.0.0", "m@2.0.0"))
    on_branch("two", lambda: place.serve("n@1.0.0"))
    git("merge", "-q", "one", "two")
    place.register("o@1.0.0")
    assert len(segments(place)) == 4
    assert whole(place) == line_by_line(place)
    keys = [(entry["seq"], entry["hash"]) for entry in map(json.loads, whole(place).splitlines())]
    assert keys == sorted(keys)


@pytest.mark.parametrize("tail", [b"{", b'{"v":1,"seq":9,"ts":"', b"\0" * 40, b"x" * 70_000])
def test_an_unfinished_line_and_an_empty_segment_are_left_out(place: Place, blocks: int, tail: bytes) -> None:
    place.register("m@1.0.0")
    expected = whole(place)
    (segment,) = segments(place)
    with segment.open("ab") as handle:
        handle.write(tail)
    segment.with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl").touch()
    assert whole(place) == expected


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda line: b"<<<<<<< HEAD\n" + line, "a conflict marker of git"),
        (lambda line: line + b"\r", "CRLF"),
        (lambda line: b"\n" + line, "an empty line"),
        (lambda line: line[1:], "not an entry"),
        (lambda line: line[:-1], "does not end in parents and hash"),
        (lambda line: b"{}", "not an entry"),
        (lambda line: line[:40] + b"\n" + line[40:], "not an entry"),
        (lambda line: line.replace(b'{"v":1', b'{"v":2'), "entry version 2 is newer"),
        (lambda line: b"\xff\xfe" + line, "not an entry"),
    ],
)
def test_a_line_that_is_no_entry_is_named_before_anything_is_given(
    place: Place, blocks: int, at: int, change: Callable[[bytes], bytes], says: str
) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    (segment,) = segments(place)
    lines = segment.read_bytes().splitlines()
    lines[at] = change(lines[at])
    segment.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(BrokenLog, match=says) as refused:
        next(export.whole(str(place.root)))
    assert (refused.value.path, refused.value.line) == (str(segment.relative_to(place.root)), at + 1)


def test_a_later_segment_is_checked_before_an_earlier_one_is_given(place: Place, git: Git) -> None:
    place.register("m@1.0.0")
    git("add", "-A")
    git("commit", "-qm", "two")
    place.register("m@2.0.0")
    last = segments(place)[-1]
    with last.open("ab") as handle:
        handle.write(b"=======\n")
    with pytest.raises(BrokenLog) as refused:
        next(export.whole(str(place.root)))
    assert refused.value.path == str(last.relative_to(place.root))


@pytest.mark.parametrize("ends", [b"", b'"}\n'])
def test_a_line_of_more_than_a_mebibyte_is_refused(place: Place, blocks: int, ends: bytes) -> None:
    (segment,) = segments(place)
    with segment.open("ab") as handle:
        handle.write(b'{"v":1,"seq":2,"ts":"' + b"x" * audit.MAX_LINE + ends)
    with pytest.raises(BrokenLog, match="more than 1 MiB"):
        next(export.whole(str(place.root)))


def test_a_line_as_long_as_lines_may_be_is_given(place: Place, blocks: int) -> None:
    (segment,) = segments(place)
    made = audit.Entry(START, "backup.created", ALICE, seq=2, registry="r", id="i", tool="0")
    line, _ = audit.encode(made._replace(reason="x" * (audit.MAX_LINE - 500)))
    with segment.open("ab") as handle:
        handle.write(line * 2)
    assert whole(place) == segment.read_bytes()


def test_a_link_in_place_of_a_segment_is_refused(place: Place) -> None:
    (segment,) = segments(place)
    segment.rename(place.root / "elsewhere")
    segment.symlink_to(place.root / "elsewhere")
    with pytest.raises(BrokenLog, match="a link"):
        next(export.whole(str(place.root)))


def test_what_is_added_after_the_check_is_left_for_the_next_time(place: Place, blocks: int) -> None:
    before = whole(place)
    pieces = export.whole(str(place.root))
    first = next(pieces)
    place.register("m@1.0.0")
    assert first + b"".join(pieces) == before


def test_a_writer_is_not_held_off_while_the_log_is_read_out(place: Place) -> None:
    pieces = export.whole(str(place.root))
    next(pieces)
    assert place.registry.register({"model": "m", "version": "1.0.0", "provider": "x"}).changed
