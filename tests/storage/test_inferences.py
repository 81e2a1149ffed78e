from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from helixctl.storage import disk, inferences
from helixctl.storage.inferences import Rolling
from tests.conftest import Place

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 2)
SAID = Rolling({"2026-03-01.0001.jsonl": 4}, {"samples": 100}, {"quality": 0}, b"{}\n")


def test_lines_go_to_the_segment_of_the_day_and_say_where(tmp_path: Path) -> None:
    place = str(tmp_path / "new" / "folder")
    placed = [
        inferences.append(place, day, data) for day, data in ((SECOND, b"b\n"), (FIRST, b"a\n"), (SECOND, b"c\n"))
    ]
    assert placed == [("2026-03-02.0001.jsonl", 0), ("2026-03-01.0001.jsonl", 0), ("2026-03-02.0001.jsonl", 2)]
    assert inferences.segments(place) == {"2026-03-01.0001.jsonl": 2, "2026-03-02.0001.jsonl": 4}


def test_a_full_segment_gets_no_more_and_the_next_has_the_next_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inferences, "MAX_SEGMENT", 4)
    names = [inferences.append(str(tmp_path), FIRST, b"12\n")[0] for _ in range(5)]
    assert names == [f"2026-03-01.000{number}.jsonl" for number in (1, 1, 2, 2, 3)]
    assert inferences.append(str(tmp_path), SECOND, b"a line longer than all\n") == ("2026-03-02.0001.jsonl", 0)


def test_after_nine_thousand_segments_the_numbers_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inferences, "MAX_SEGMENT", 1)
    (tmp_path / "2026-03-01.9999.jsonl").write_bytes(b"1\n")
    names = [inferences.append(str(tmp_path), FIRST, b"1\n")[0] for _ in range(2)]
    assert names == ["2026-03-01.10000.jsonl", "2026-03-01.10001.jsonl"]


def test_a_model_named_below_a_version_of_another_is_never_taken_for_its_segments(place: Place) -> None:
    place.register("m@1.0.0", "m/1.0.0/x@1.0.0-2026-03-01.jsonl")
    root = str(place.root)
    below, own = (place.registry.show(ref) for ref in ("m/1.0.0/x@1.0.0-2026-03-01.jsonl", "m@1.0.0"))
    inferences.append(inferences.folder(root, below), FIRST, b"line\n")
    assert not inferences.is_elsewhere(root, own)
    assert inferences.files(root, own) == []
    inferences.expire(root, own, SECOND)
    assert len(inferences.files(root, below)) == 1


@pytest.mark.parametrize("name", ["x.jsonl", "2026-13-01.0001.jsonl", "2026-03-01.1.jsonl", "20260301.0001.jsonl"])
def test_what_is_named_like_no_segment_is_none(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"line\n")
    assert inferences.segments(str(tmp_path)) == {}
    assert inferences.append(str(tmp_path), FIRST, b"a\n") == ("2026-03-01.0001.jsonl", 0)
    assert inferences.newest_days(inferences.segments(str(tmp_path)), 7) == ["2026-03-01.0001.jsonl"]


def test_where_nothing_was_recorded_there_is_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    record, root = place.registry.show("m@1.0.0"), str(place.root)
    assert inferences.files(root, record) == []
    assert inferences.summary(root, record) is None
    assert not inferences.is_elsewhere(root, record)
    assert inferences.rolling(inferences.folder(root, record)) is None


@pytest.mark.parametrize(("start", "expected"), [(0, b"one\ntwo\n"), (4, b"two\n"), (8, b""), (999, b"")])
def test_pieces_are_the_whole_lines_behind_an_offset(tmp_path: Path, start: int, expected: bytes) -> None:
    path = tmp_path / "2026-03-01.0001.jsonl"
    path.write_bytes(b'one\ntwo\n{"unfinis')
    assert b"".join(inferences.pieces(str(path), start)) == expected


def test_pieces_of_long_lines_and_many_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inferences, "_PIECE", 4)
    path = tmp_path / "segment"
    path.write_bytes(b"a\nlonger than a piece\nb\nc\n")
    found = list(inferences.pieces(str(path), 0))
    assert b"".join(found) == path.read_bytes()
    assert all(piece.endswith(b"\n") for piece in found)


def test_rolling_metrics_are_replaced_whole(tmp_path: Path) -> None:
    for samples in (100, 200):
        inferences.keep_rolling(str(tmp_path), SAID._replace(summary={"samples": samples}))
    assert inferences.rolling(str(tmp_path)) == SAID._replace(summary={"samples": 200})
    assert os.listdir(tmp_path) == ["rolling.stats"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]\n", b"{}\n", b"\xff\xfe", b'"text"\n', b'{"summary":{}}\n'])
def test_rolling_metrics_that_cannot_be_read_are_none(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "rolling.stats").write_bytes(raw)
    assert inferences.rolling(str(tmp_path)) is None


def test_old_segments_go_and_those_of_what_no_longer_serves_with_their_folder(place: Place) -> None:
    place.register("m@1.0.0")
    root, before = str(place.root), place.registry.show("m@1.0.0")
    inferences.append(inferences.folder(root, before), FIRST, b"old\n")
    inferences.keep_rolling(inferences.folder(root, before), SAID)
    place.registry.update("m@1.0.0", {"provider_model_id": "another"})
    now = place.registry.show("m@1.0.0")
    for day in (FIRST, SECOND):
        inferences.append(inferences.folder(root, now), day, b"new\n")
    assert inferences.is_elsewhere(root, now)
    inferences.expire(root, now, SECOND)
    assert [os.path.basename(path) for path in inferences.files(root, now)] == ["2026-03-02.0001.jsonl"]
    assert not os.path.exists(inferences.folder(root, before))


def test_the_segments_of_the_last_days_are_counted_from_the_newest() -> None:
    names = {f"2026-03-{day:02}.0001.jsonl": 1 for day in (1, 5, 8, 9)}
    assert inferences.newest_days(names, 2) == ["2026-03-08.0001.jsonl", "2026-03-09.0001.jsonl"]
    assert inferences.newest_days({}, 2) == []


def test_what_cannot_be_written_is_an_error_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "in the way").write_text("")
    with pytest.raises(OSError, match="in the way"):
        inferences.append(str(tmp_path / "in the way"), FIRST, b"a\n")


@pytest.mark.parametrize("torn", [b"", b"{", b'{"half', b"x" * 3_000_000])
@pytest.mark.parametrize("whole", [b"", b"1\n", b"1\n2\n"])
def test_a_line_that_a_crash_left_is_never_joined_to_the_next(tmp_path: Path, whole: bytes, torn: bytes) -> None:
    path = tmp_path / "2026-03-01.0001.jsonl"
    path.write_bytes(whole + torn)
    assert disk.append_shared(str(path), b"next\n", 10_000_000) == len(whole)
    assert path.read_bytes() == whole + b"next\n"
