"""Records of a JSON array or of lines, one at a time, strictly; and compressed and slow sources of them."""

from __future__ import annotations

import gzip
import io
import json
import random
import resource
from collections.abc import Iterator
from typing import Any

import pytest

from helixctl.engines import Query, Source, Subject
from helixctl.engines.python import reduce
from helixctl.engines.readers import FIRST, LineError, detected, documents

LINE = b'{"success":true,"latency_ms":5}\n'


class Slow(io.RawIOBase):
    """A pipe that gives what it has, a piece at a time."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        self._rest = self._rest or next(self._pieces, b"")
        count = min(len(into), len(self._rest))
        into[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def each(raw: bytes) -> list[tuple[int, Any]]:
    found = documents.each(io.BufferedReader(io.BytesIO(raw)))
    return [(place, str(one) if isinstance(one, LineError) else one) for place, one in found]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_array_is_the_same_as_its_lines_whatever_its_size(indent: int | None) -> None:
    chance = random.Random(7)
    rows = [{"n": n, "text": "é😀}],{[" * chance.randrange(4000)} for n in range(200)]
    raw = json.dumps(rows, indent=indent, ensure_ascii=False).encode()
    assert len(raw) > 2**21
    assert each(raw) == list(enumerate(rows, 1))
    assert each(b"\n".join(json.dumps(row).encode() for row in rows)) == list(enumerate(rows, 1))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"", []),
        (b"[]", []),
        (b"\xef\xbb\xbf [ ]\n", []),
        (b'[{"a":1}]', [(1, {"a": 1})]),
        (b'[{"a":1},7,{"b":2}]', [(1, {"a": 1}), (2, "not an object"), (3, {"b": 2})]),
        (b'[{"a":NaN},{"b":2}]', [(1, "NaN or Infinity"), (2, {"b": 2})]),
        (b'[{"a":1,"a":1},{"b":2}]', [(1, "a key appears twice"), (2, {"b": 2})]),
        (b'[{"a":1},]', [(1, {"a": 1}), (2, "not JSON from here on")]),
        (b'[{"a":1}', [(1, {"a": 1}), (2, "not JSON from here on")]),
        (b'[{"a":1} {"b":2}]', [(1, {"a": 1}), (2, "not JSON from here on")]),
        (b'[{"a":1}] x', [(1, {"a": 1}), (2, "not JSON from here on")]),
        (b'[{"a":1},{"b":', [(1, {"a": 1}), (2, "not JSON from here on")]),
        (b'[{"a":1},{"b":"\xff"}]', [(1, "not UTF-8 from here on")]),
        (b"[" * 100_000, [(1, "not JSON from here on")]),
        (b'{"a":1}\n{"a":1,"a":2}\n[1]\n', [(1, {"a": 1}), (2, "a key appears twice"), (3, "not one JSON object")]),
    ],
)
def test_what_is_no_record_has_its_place_and_ends_nothing_that_can_be_read(raw: bytes, expected: list[Any]) -> None:
    assert each(raw) == expected


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"a":NaN}', "NaN or Infinity"),
        (b'{"a":{"b":1,"b":1}}', "a key appears twice"),
        (b"\xff", "not UTF-8"),
        (b"{} {}", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_a_document_is_parsed_strictly(raw: bytes, why: str) -> None:
    with pytest.raises(LineError, match=f"^{why}$"):
        documents.load(io.BytesIO(raw))


def test_a_document_is_read_with_a_mark_and_blanks_around_it() -> None:
    assert documents.load(io.BytesIO(b'\xef\xbb\xbf\n {"a":[1]} \n')) == {"a": [1]}


def test_a_document_or_a_record_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "MOST_BYTES", 10)
    monkeypatch.setattr(documents, "MOST_RECORD", 2**20)
    with pytest.raises(LineError, match="longer than"):
        documents.load(io.BytesIO(b'{"a":"12345"}'))
    long = json.dumps({"a": "x" * 2**21}).encode()
    ((_, line), after) = each(long + b'\n{"b":2}')
    assert (line, after) == ("longer than 1 MiB", (2, {"b": 2}))
    assert "longer than" in each(b"[" + long * 2)[0][1]


def test_memory_stays_flat_whatever_a_line_an_element_or_a_bomb_unpacks_to() -> None:
    def peak(pieces: Iterator[bytes], name: str) -> int:
        found = reduce([Source("in", io.BufferedReader(Slow(pieces)))], Subject("a/m", "1.0.0"), Query(name))
        assert found.malformed_count >= 1
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    filler = b"x" * 2**20
    packed = gzip.compress(b" " * 2**20) * 256 + gzip.compress(LINE)
    for name in ("native", "litellm"):
        for head in (b'{"a":"', b'[{"a":"'):
            assert peak(iter([head, *[filler] * 400, b"\n"]), name) < before + 300
    assert peak(iter([packed]), "native") < before + 300


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_format_is_told_though_a_pipe_begins_slowly(size: int) -> None:
    row = {"model": "a/m", "messages": "x" * 9000, "startTime": 1763800000, "endTime": 1763800001, "spend": 0}
    raws = [LINE * 3, json.dumps([row] * 3).encode(), (json.dumps(row) + "\n").encode() * 3]
    for raw in (*raws, gzip.compress(raws[2])):
        pieces = (raw[at : at + size] for at in range(0, len(raw), size))
        found = reduce([Source("-", io.BufferedReader(Slow(pieces)))], Subject("a/m", "1.0.0"))
        assert (found.stats.totals().requests, found.malformed_count) == (3, 0)


def test_a_stream_of_records_is_read_as_they_come() -> None:
    asked: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            asked.append(number)
            yield LINE

    from helixctl.engines.python import read_records

    records = read_records(Source("-", io.BufferedReader(Slow(pieces()))), Subject("a/m", "1.0.0"))
    next(records)
    assert asked == [0]
    assert len(list(records)) == 2


@pytest.mark.parametrize("raw", [b"oops\n" + LINE, b"\n\n" + LINE, b"\xef\xbb\xbf" + LINE, b'{"half\n' + LINE])
def test_native_lines_are_told_though_the_first_are_malformed(raw: bytes) -> None:
    assert detected(raw, Query()) == "native"


def test_a_native_line_longer_than_what_tells_a_format_is_told_by_its_keys() -> None:
    raw = LINE[:-2] + b',"pad":"' + b"x" * FIRST + b'"}\n'
    found = reduce([Source("in", io.BytesIO(raw))], Subject("a/m", "1.0.0"))
    assert found.stats.totals().requests == 1


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
@pytest.mark.parametrize("tail", ["cut", "garbage", "second", "sum"])
def test_what_was_read_before_compressed_data_breaks_counts_and_the_break_is_named(pack: str, tail: str) -> None:
    if pack == "zstd":
        zstandard = pytest.importorskip("zstandard")
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(LINE * 9000)
    else:
        packed = gzip.compress(LINE * 9000)
    raw = {
        "cut": packed[:-1],
        "garbage": packed + b"garbage",
        "second": packed + packed[: len(packed) // 2],
        "sum": packed[:-6] + b"\0\0" + packed[-4:],
    }[tail]
    found = reduce([Source("in", io.BytesIO(raw))], Subject("a/m", "1.0.0"), Query())
    (bad,) = found.malformed
    assert bad.why == "the compressed data is broken, or cut short, here"
    assert bad.line == found.stats.totals().requests + 1


def test_zstd_without_its_package_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from helixctl.engines import compression
    from helixctl.errors import Usage

    monkeypatch.setattr(compression, "find_spec", lambda name: None)
    with pytest.raises(Usage) as refused:
        reduce([Source("in", io.BytesIO(compression.ZSTD + b"\0" * 9))], Subject("a/m", "1.0.0"))
    assert "helixctl[zstd]" in str(refused.value.hint)
