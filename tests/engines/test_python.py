from __future__ import annotations

import io
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from helixctl.core.stats import Inference
from helixctl.engines import ENGINES, MAX_REPORTED, Malformed, Query, Reduction, Source, Subject, engine, find_sources
from helixctl.engines.python import read_records, reduce
from helixctl.engines.readers import LineError
from helixctl.engines.readers.lines import MAX_LINE, bounded_lines, parse_line
from helixctl.errors import NotFound, StorageRefused, Usage

SUBJECT = Subject("acme/m", "1.0.0")
PRICED = Subject("acme/m", "1.0.0", Decimal("10.00"), Decimal("30.00"))
GOOD = b'{"success":true,"latency_ms":10}\n'


def reduced(raw: bytes, subject: Subject = SUBJECT) -> Reduction:
    return reduce([Source("in", io.BytesIO(raw))], subject, Query("native"))


def cost_of(fields: bytes, subject: Subject) -> tuple[int, int]:
    totals = reduced(b'{"success":true,"latency_ms":10,%s}' % fields, subject).stats.totals()
    return totals.measures["cost"].n, totals.measures["cost"].total


def test_good_lines_are_counted_and_bad_ones_named_by_source_and_line() -> None:
    reduction = reduced(GOOD + b"\n  \r\n" + b"oops\n" + GOOD + b'{"success":true,"latency_ms":-1}')
    assert reduction.stats.totals().requests == 2
    assert reduction.malformed_count == 2
    assert reduction.malformed == (
        Malformed("in", 4, "not JSON"),
        Malformed("in", 6, "latency_ms is not a number from 0 to 1000000000000"),
    )


def test_line_numbers_begin_anew_in_each_source() -> None:
    sources = [Source("a", io.BytesIO(GOOD + b"x\n")), Source("b", io.BytesIO(b"x\n" + GOOD))]
    reduction = reduce(sources, SUBJECT, Query("native"))
    assert [(bad.source, bad.line) for bad in reduction.malformed] == [("a", 2), ("b", 1)]
    assert reduction.stats.totals().requests == 2


def test_only_the_first_malformed_lines_are_kept_but_all_are_counted() -> None:
    reduction = reduced(b"x\n" * 50)
    assert (len(reduction.malformed), reduction.malformed_count) == (MAX_REPORTED, 50)


def test_lines_of_another_version_are_malformed_and_counted_apart() -> None:
    reduction = reduced(GOOD + b'{"model":"other","success":true,"latency_ms":1}\nx\n')
    assert (reduction.malformed_count, reduction.mismatched_count) == (2, 1)
    assert reduction.malformed[0].mismatched


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a":"\xc3"}', "not UTF-8"),
        (b'{"success":true', "not JSON"),
        (b"{'success':true}", "not JSON"),
        (b'{"success":true,}', "not JSON"),
        (b'{"a":"tab\there"}', "not JSON"),
        (b'{"latency_ms":01}', "not JSON"),
        (b'{"tokens":' + b"9" * 5000 + b"}", "not JSON"),
        (b"[" * 200_000, "not JSON"),
        (b"\x00", "not JSON"),
        (b"[1]", "not one JSON object"),
        (b"7", "not one JSON object"),
        (b"null", "not one JSON object"),
        (b"{} {}", "not one JSON object"),
        (b"{}]", "not one JSON object"),
        (b'{"latency_ms":NaN}', "NaN or Infinity"),
        (b'{"latency_ms":-Infinity}', "NaN or Infinity"),
        (b'{"success":true,"success":true}', "a key appears twice"),
        (b'{"success":true,"\\u0073uccess":true}', "a key appears twice"),
        (b'{"extra":{"a":1,"a":2}}', "a key appears twice"),
    ],
)
def test_a_line_that_is_not_one_strict_json_object_is_malformed(raw: bytes, why: str) -> None:
    with pytest.raises(LineError, match=f"^{why}$"):
        parse_line(raw)


def test_a_byte_order_mark_is_passed_over_at_the_start_only() -> None:
    reduction = reduced(b"\xef\xbb\xbf" + GOOD + b"\xef\xbb\xbf" + GOOD)
    assert (reduction.stats.totals().requests, reduction.malformed_count) == (1, 1)


def test_reasons_never_hold_anything_of_the_line() -> None:
    secret = b"sk-hunter2"
    lines = (
        b'{"%s"',
        b'{"%s":1,"%s":1}',
        b'{"success":"%s"}',
        b'{"success":true,"latency_ms":1,"ts":"%s"}',
        b'{"model":"%s"}',
        b'{"success":true,"latency_ms":1,"region":"%s!"}',
        b'{"a":"\\%s"}',
        b"\xff%s",
    )
    reduction = reduced(b"\n".join(text.replace(b"%s", secret) for text in lines))
    assert reduction.malformed_count == len(lines)
    assert not any("hunter2" in bad.why for bad in reduction.malformed)


def test_a_line_over_one_mebibyte_is_malformed_and_the_next_one_is_read() -> None:
    def padded(length: int) -> bytes:
        return GOOD[:-2] + b',"pad":"' + b"x" * (length - len(GOOD) - 8) + b'"}'

    assert len(padded(MAX_LINE)) == MAX_LINE
    reduction = reduced(padded(MAX_LINE) + b"\n" + padded(3 * MAX_LINE) + b"\n" + GOOD)
    assert reduction.malformed == (Malformed("in", 2, "longer than 1 MiB"),)
    assert reduction.stats.totals().requests == 2


def test_a_line_without_end_is_never_held_whole() -> None:
    class Endless(io.BytesIO):
        left = 64

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= MAX_LINE + 1
            self.left -= 1
            return b"x" * size if self.left >= 0 else b""

    assert [len(line) for line in bounded_lines(Endless())] == [MAX_LINE + 1]


def test_a_record_without_cost_is_priced_by_the_version() -> None:
    assert cost_of(b'"input_tokens":1000,"output_tokens":500', PRICED) == (1, 25_000_000)
    assert cost_of(b'"input_tokens":1000,"output_tokens":500,"cost":0', PRICED) == (1, 0)
    assert cost_of(b'"input_tokens":1000,"output_tokens":500,"cost":0.0025', PRICED) == (1, 2_500_000)


def test_a_price_finer_than_a_nano_dollar_is_rounded_once_at_the_end() -> None:
    fine = Subject("acme/m", "1.0.0", Decimal("0.0005"), Decimal("0.00025"))
    assert cost_of(b'"input_tokens":1,"output_tokens":1', fine) == (1, 1)
    assert cost_of(b'"input_tokens":3,"output_tokens":3', fine) == (1, 2)


@pytest.mark.parametrize(
    ("fields", "subject", "expected"),
    [
        (b'"input_tokens":10', PRICED, (0, 0)),
        (b'"output_tokens":10', PRICED, (0, 0)),
        (b'"error":null', PRICED, (0, 0)),
        (b'"input_tokens":10,"output_tokens":10', SUBJECT, (0, 0)),
        (b'"input_tokens":10,"output_tokens":10', Subject("acme/m", "1.0.0", Decimal(1)), (0, 0)),
        (b'"input_tokens":10,"output_tokens":0', Subject("acme/m", "1.0.0", Decimal(1)), (1, 10_000)),
        (b'"input_tokens":10', Subject("acme/m", "1.0.0", Decimal(1)), (1, 10_000)),
        (b'"input_tokens":10', Subject("acme/m", "1.0.0", Decimal(1), Decimal(0)), (1, 10_000)),
        (b'"input_tokens":10,"output_tokens":10', Subject("acme/m", "1.0.0", Decimal(0), Decimal(0)), (1, 0)),
    ],
)
def test_a_cost_is_not_measured_where_a_price_or_a_count_that_it_needs_is_unknown(
    fields: bytes, subject: Subject, expected: tuple[int, int]
) -> None:
    assert cost_of(fields, subject) == expected


def test_read_lines_gives_records_as_they_stand_and_malformed_lines_in_their_place() -> None:
    raw = b'{"success":true,"latency_ms":1,"input_tokens":5,"output_tokens":5}\nx\n'
    found = list(read_records(Source("in", io.BytesIO(raw)), PRICED))
    assert found == [Inference(None, "", True, 1, 5, 5, None, None), Malformed("in", 2, "not JSON")]


def test_a_stream_that_was_given_is_left_open() -> None:
    stream = io.BytesIO(GOOD)
    reduce([Source("-", stream)], SUBJECT)
    assert not stream.closed


def test_files_globs_and_standard_input_are_found_each_once(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a.jsonl", "c[1].jsonl"):
        (tmp_path / name).write_bytes(GOOD)
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "a.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    stdin = io.BytesIO(GOOD)
    patterns = [str(tmp_path / "c[1].jsonl"), "-", str(tmp_path / "*.jsonl"), str(tmp_path / "a.jsonl"), "-"]
    sources = find_sources(patterns, stdin)
    assert [Path(source.name).name for source in sources] == ["c[1].jsonl", "-", "a.jsonl", "b.jsonl"]
    assert reduce(sources, SUBJECT).stats.totals().requests == 4


@pytest.mark.parametrize("pattern", ["missing.jsonl", "missing-*.jsonl"])
def test_a_file_or_glob_that_matches_nothing_is_not_found(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(NotFound, match="no file"):
        find_sources([str(tmp_path / pattern)])


def test_an_address_is_no_file_and_told_without_its_secrets() -> None:
    with pytest.raises(NotFound, match=r"no file 'https://host/x.jsonl'"):
        find_sources(["https://me:pass@host/x.jsonl?token=secret"])


def test_standard_input_has_to_be_there() -> None:
    with pytest.raises(Usage, match="no standard input"):
        find_sources(["-"])


def test_a_folder_and_a_file_that_vanished_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="is a folder"):
        reduce(find_sources([str(tmp_path)]), SUBJECT)
    with pytest.raises(NotFound, match="no file"):
        reduce([Source(str(tmp_path / "gone"))], SUBJECT)


def test_a_source_that_cannot_be_read_is_refused_by_storage() -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError(5, os.strerror(5))

    with pytest.raises(StorageRefused, match="cannot read 'disk'"):
        reduce([Source("disk", Broken())], SUBJECT)


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_of_the_table_reduces_files_or_says_what_it_reads(name: str) -> None:
    source = Source("in", io.BytesIO(GOOD))
    if name in ("python", "duckdb"):
        assert engine(name)([source], SUBJECT, Query("native")).stats.totals().requests == 1
    else:
        with pytest.raises(Usage, match=r"reads one (table of a cluster|histogram of a server)"):
            engine(name)([source], SUBJECT, Query("native"))


@pytest.mark.parametrize(
    "ask", [lambda: engine("abacus"), lambda: reduce([Source("in", io.BytesIO())], SUBJECT, Query("x"))]
)
def test_an_unknown_engine_or_format_is_refused_as_usage(ask: Callable[[], object]) -> None:
    with pytest.raises(Usage, match=r"unknown (engine|record format)"):
        ask()
