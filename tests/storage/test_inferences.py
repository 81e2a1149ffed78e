from __future__ import annotations

import os

import pytest

from helixctl.core.names import Ref
from helixctl.errors import StorageRefused
from helixctl.storage import inferences
from tests.conftest import Place

REF = Ref("org/m", "1.0.0")


def folder(place: Place) -> str:
    return os.path.join(place.root, ".helix/inferences/org/m/1.0.0")


def test_lines_go_to_the_file_of_their_day_and_are_read_by_day(place: Place) -> None:
    root = str(place.root)
    inferences.append(root, REF, {"2026-03-02": b"b\n", "2026-03-01": b"a\n"})
    inferences.append(root, REF, {"2026-03-02": b"c\n"})
    found = inferences.files(root, REF)
    assert [os.path.basename(path) for path in found] == ["2026-03-01.jsonl", "2026-03-02.jsonl"]
    assert inferences.tails(root, REF, {}) == {"2026-03-01.jsonl": b"a\n", "2026-03-02.jsonl": b"b\nc\n"}


def test_where_nothing_was_recorded_there_is_nothing(place: Place) -> None:
    assert inferences.files(str(place.root), REF) == []
    assert inferences.tails(str(place.root), REF, {}) == {}
    assert inferences.rolling(str(place.root), REF) is None


def test_a_version_keeps_its_inferences_apart_from_those_of_others(place: Place) -> None:
    inferences.append(str(place.root), REF, {"2026-03-01": b"a\n"})
    assert inferences.files(str(place.root), Ref("org/m", "2.0.0")) == []
    assert inferences.files(str(place.root), Ref("org", "1.0.0")) == []


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0, b"one\ntwo\n"), (4, b"two\n"), (8, None), (999, None)],
)
def test_tails_are_the_whole_lines_behind_an_offset(place: Place, offset: int, expected: bytes | None) -> None:
    inferences.append(str(place.root), REF, {"2026-03-01": b"one\ntwo\n"})
    with open(os.path.join(folder(place), "2026-03-01.jsonl"), "ab") as handle:
        handle.write(b'{"unfinis')
    found = inferences.tails(str(place.root), REF, {"2026-03-01.jsonl": offset})
    assert found.get("2026-03-01.jsonl") == expected


def test_rolling_metrics_are_replaced_whole(place: Place) -> None:
    for samples in (100, 200):
        inferences.keep_rolling(str(place.root), REF, {"summary": {"samples": samples}, "stats": "{}"})
    assert inferences.rolling(str(place.root), REF) == {"summary": {"samples": 200}, "stats": "{}"}
    assert os.listdir(folder(place)) == ["rolling.json"]


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'"text"', b'{"summary":{}}'])
def test_rolling_metrics_that_cannot_be_read_are_none(place: Place, raw: bytes) -> None:
    inferences.keep_rolling(str(place.root), REF, {"summary": {}, "stats": "{}"})
    with open(os.path.join(folder(place), "rolling.json"), "wb") as handle:
        handle.write(raw)
    assert inferences.rolling(str(place.root), REF) is None


def test_what_cannot_be_recorded_is_refused(place: Place) -> None:
    (place.root / ".helix/inferences").write_text("in the way")
    with pytest.raises(StorageRefused, match=r"record inferences of org/m@1\.0\.0"):
        inferences.append(str(place.root), REF, {"2026-03-01": b"a\n"})
    with pytest.raises(StorageRefused):
        inferences.keep_rolling(str(place.root), REF, {"summary": {}, "stats": "{}"})
