from __future__ import annotations

import io
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from helixctl.engines import Query, Source, Subject
from helixctl.engines.python import read_records, reduce
from helixctl.engines.recording import FUTURE, Recording, blocks
from helixctl.errors import StorageRefused

SUBJECT = Subject("m", "1.0.0")
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = '{"ts":"2026-03-01T10:00:00Z","success":true,"latency_ms":5}'


class Dribble(io.RawIOBase):
    """A stream that gives what somebody sends, a few bytes at a time."""

    def __init__(self, data: bytes, most: int) -> None:
        self._data, self._most = data, most

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        some = min(len(into), self._most, len(self._data))
        into[:some], self._data = self._data[:some], self._data[some:]
        return some


def taken(raw: bytes, piece: int = 1 << 20) -> tuple[bytes, Recording]:
    recording = Recording("-", SUBJECT)
    source = Source("-", io.BufferedReader(Dribble(raw, piece)))
    return b"".join(recording.take(block, NOW) for block in blocks(source)), recording


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (GOOD, GOOD),
        (GOOD + "\r", '{"ts":"2026-03-01T10:00:00Z","success":true,"latency_ms":5}'),
        (GOOD.replace(":5}", ':5.0,"error":null}'), GOOD.replace(":5}", ':5.0,"error":null}')),
        (f" {GOOD}", GOOD),
        (GOOD.replace("}", ',"prompt":"secret"}'), GOOD),
        (GOOD.replace("}", ',"error":"secret"}'), GOOD),
        (GOOD.replace("5}", f"5.2{' ' * 2000}}}"), GOOD.replace(":5}", ":6}")),
        ('{"success":true,"latency_ms":5}', GOOD.replace("T10", "T12")),
        (
            '{"ts":"2026-03-01T10:00:00Z","success":false,"error":"429 secret"}',
            '{"ts":"2026-03-01T10:00:00Z","success":false,"latency_ms":null,"error":"rate_limit"}',
        ),
    ],
)
def test_only_known_fields_and_classes_of_errors_are_kept(line: str, kept: str) -> None:
    data, recording = taken(f"{line}\n".encode())
    assert (data.decode(), recording.count, recording.malformed) == (f"{kept}\n", 1, [])


BAD = {
    "nonsense": "not JSON",
    '{"success":true,"latency_ms":NaN}': "NaN or Infinity",
    '{"success":true,"latency_ms":-Infinity}': "NaN or Infinity",
    '{"success":true,"latency_ms":-1}': "latency_ms is not a number from 0 to 1000000000000",
    '{"success":true,"latency_ms":"5"}': "latency_ms is not a number from 0 to 1000000000000",
    '{"success":true,"latency_ms":1e400}': "latency_ms is not a number from 0 to 1000000000000",
    '{"success":true,"latency_ms":5,"input_tokens":1.7}': "input_tokens is not a whole number from 0 to 1000000000000",
    f'{{"success":true,"latency_ms":5,"output_tokens":1{"0" * 400}}}': "output_tokens is not a whole number from 0 to 1000000000000",
    '{"success":true,"latency_ms":5,"latency_ms":6}': "a key appears twice",
    '{"success":true,"latency_ms":5,"version":"2.0.0"}': "it names another version",
    '{"success":true,"latency_ms":5,"ts":"2026-03-01T12:05:01Z"}': FUTURE,
    '{"success":true,"latency_ms":5,"ts":"yesterday"}': "ts is not an RFC 3339 time with a zone, from 2000 to 2199",
    '{"success":true,"latency_ms":5}{}': "not one JSON object",
    "[1]": "not one JSON object",
    "[" * 100_000: "not JSON",
    f'{{"a":"{"x" * 1_100_000}"}}': "longer than 1 MiB",
}


@pytest.mark.parametrize("piece", [7, 65_536, 1 << 20])
@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:40])
def test_malformed_lines_are_named_by_number_and_those_around_are_kept(line: str, piece: int) -> None:
    piece = 65_536 if len(line) > 10_000 else piece
    data, recording = taken(f"{GOOD}\n\n{line}\n{GOOD}".encode(), piece)
    assert data.decode() == f"{GOOD}\n" * 2
    assert [(bad.line, bad.why) for bad in recording.malformed] == [(3, BAD[line])]
    assert (recording.line, recording.count, recording.malformed_count) == (4, 2, 1)


def test_bytes_that_are_no_text_spoil_their_own_line_only() -> None:
    data, recording = taken(
        f"{GOOD}\n".encode() + b'{"success":true,"latency_ms":5,"x":"\xff"}\n' + f"{GOOD}\n".encode()
    )
    assert data.decode() == f"{GOOD}\n" * 2
    assert [(bad.line, bad.why) for bad in recording.malformed] == [(2, "not UTF-8")]


def test_a_line_of_many_megabytes_takes_no_memory() -> None:
    import tracemalloc

    class Long(io.RawIOBase):
        left = 64

        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            self.left -= 1
            piece = (b"x" * len(into)) if self.left > 0 else b""
            into[: len(piece)] = piece
            return len(piece)

    recording = Recording("-", SUBJECT)
    tracemalloc.start()
    for block in blocks(Source("-", io.BufferedReader(Long(), 1 << 20))):
        recording.take(block, NOW)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(bad.line, bad.why) for bad in recording.malformed] == [(1, "longer than 1 MiB")]
    assert peak < 24 << 20


@pytest.mark.parametrize(
    ("raw", "lines"), [(b"", 0), (b"\n", 1), (b"\n\n \n", 3), (b"\xef\xbb\xbf" + GOOD.encode(), 1)]
)
def test_nothing_blank_lines_and_a_mark_at_the_start_are_no_malformed_lines(raw: bytes, lines: int) -> None:
    _, recording = taken(raw)
    assert (recording.line, recording.malformed_count) == (lines, 0)


def test_a_compressed_stream_is_read_and_one_cut_short_is_refused() -> None:
    import gzip

    packed = gzip.compress(f"{GOOD}\n".encode() * 100)
    assert taken(packed)[1].count == 100
    with pytest.raises(StorageRefused, match="cut short"):
        taken(packed[:-20])


def test_the_table_is_that_of_the_engine_and_what_is_kept_reads_back_as_the_same() -> None:
    order = random.Random(3)
    rows: list[str] = []
    for number in range(2000):
        row: dict[str, Any] = {"success": order.random() < 0.9, "latency_ms": order.choice([order.uniform(0, 900), 7])}
        row["ts"] = (
            f"2026-02-{1 + number % 28:02}T10:00:00{order.choice(['', '.5', '.123456'])}{order.choice(['Z', '+02:00'])}"
        )
        for name, value in {
            "cost": order.random(),
            "confidence": order.random(),
            "input_tokens": 9,
            "region": "eu",
        }.items():
            if order.random() < 0.7:
                row[name] = value
        row |= {"other": "ä"} if order.random() < 0.3 else {}
        row |= {} if row["success"] else {"error": order.choice(["timeout", "503", None])}
        rows.append(order.choice([json.dumps(row), json.dumps(row, ensure_ascii=False), f" {json.dumps(row)}"]))
    raw = "".join(f"{row}\n" for row in rows).encode()
    data, recording = taken(raw, 3000)
    priced = Subject("m", "1.0.0")
    read = [list(read_records(Source("x", io.BytesIO(one)), priced, Query("native"))) for one in (raw, data)]
    assert read[0] == read[1]
    assert recording.table.build() == reduce([Source("x", io.BytesIO(raw))], SUBJECT, Query("native")).stats
