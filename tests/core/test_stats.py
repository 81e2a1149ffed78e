from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helixctl.core.stats import COLUMNS, ERROR_CLASSES, Inference, Moments, Stats, StatsBuilder, decode, error_class

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
GOOD = Inference(NOON, "eu", True, 120, 100, 50, 2_500_000, 900_000)
BAD = Inference(NOON, "eu", False, None, None, None, None, None, "timeout")


def table(*inferences: Inference, version: str = "1.0.0") -> Stats:
    builder = StatsBuilder("acme/m", version)
    for inference in inferences:
        builder.add(inference, inference.cost)
    return builder.build()


def test_a_table_holds_a_group_for_each_region_and_window_and_in_it_how_many_took_how_long() -> None:
    stats = table(GOOD, GOOD, GOOD._replace(latency_ms=121), GOOD._replace(region="us"), BAD)
    assert [(*group[2:4], group.cells[0], *group[5:]) for group in stats.groups] == [
        ("eu", "2026-11-22", 1, (120, 121), (2, 1)),
        ("us", "2026-11-22", 0, (120,), (1,)),
    ]


def test_every_measure_has_its_count_sum_and_sum_of_squares() -> None:
    totals = table(GOOD, GOOD._replace(input_tokens=3, confidence=None), BAD).totals()
    assert (totals.requests, totals.failures, totals.latencies) == (3, 1, ((120, 2),))
    assert totals.measures["input_tokens"] == Moments(2, 103, 10_009)
    assert totals.measures["cost"] == Moments(2, 5_000_000, 2 * 2_500_000**2)
    assert totals.measures["confidence"] == Moments(1, 900_000, 900_000**2)
    assert totals.errors == {"timeout": 1, "rate_limit": 0, "server": 0, "client": 0, "other": 0}


def test_an_empty_table_has_totals_of_nought() -> None:
    totals = Stats().totals()
    assert (totals.requests, totals.failures, totals.latencies) == (0, 0, ())
    assert set(totals.measures.values()) == {Moments(0, 0, 0)}
    assert Stats().newest_at is None


def test_a_window_is_the_day_in_utc_and_empty_where_the_record_has_no_time() -> None:
    late = GOOD._replace(at=datetime(2026, 11, 22, 23, 59, 59, tzinfo=UTC))
    stats = table(late, late._replace(at=late.at and late.at + timedelta(seconds=1)), GOOD._replace(at=None))
    assert [group.window for group in stats.groups] == ["", "2026-11-22", "2026-11-23"]


def test_the_newest_time_is_unknown_as_soon_as_one_record_carries_none() -> None:
    dated, undated = table(GOOD, GOOD._replace(at=NOON - timedelta(days=3))), table(GOOD._replace(at=None))
    assert dated.newest_at == NOON
    assert undated.newest_at is None
    assert dated.merge(undated).newest_at is None
    assert undated.merge(dated).merge(dated).newest_at is None
    assert Stats().merge(dated).newest_at == NOON


def test_merging_adds_equal_keys_and_keeps_versions_apart() -> None:
    merged = table(GOOD, BAD).merge(table(GOOD)).merge(table(GOOD, version="2.0.0"))
    assert [(group.version, group.cells[0], *group[5:]) for group in merged.groups] == [
        ("1.0.0", 1, (120,), (2,)),
        ("2.0.0", 0, (120,), (1,)),
    ]


def test_adding_to_a_builder_does_not_change_what_it_built() -> None:
    builder = StatsBuilder("m", "1.0.0")
    builder.add(GOOD, None)
    before = builder.build()
    builder.add(GOOD, None)
    assert before.totals().requests == before.groups[0].counts[0] == 1
    assert builder.build().totals().requests == builder.build().groups[0].counts[0] == 2


def test_the_order_of_inferences_changes_neither_bytes_nor_digest() -> None:
    forwards, backwards = table(GOOD, BAD, GOOD._replace(region="")), table(GOOD._replace(region=""), BAD, GOOD)
    assert forwards == backwards
    assert forwards.encode() == backwards.encode()
    assert forwards.digest() == backwards.digest() != table(GOOD, BAD).digest()


def test_the_canonical_bytes_are_ascii_json_lines() -> None:
    lines = table(GOOD, BAD).encode().decode("ascii").splitlines()
    assert lines[0].startswith('{"schema":1,"kind":"stats","columns":["untimed","failures","timeout",')
    assert lines[1:] == [
        '["acme/m","1.0.0","eu","2026-11-22"]',
        "[null,1,1,1,0,0,0,0,1,100,10000,1,50,2500,1,2500000,6250000000000,1,900000,810000000000]",
        "[120,1]",
    ]


@pytest.mark.parametrize("stats", [Stats(), table(GOOD), table(GOOD, BAD, BAD._replace(at=None)), table(BAD)])
def test_what_was_encoded_reads_back_equal(stats: Stats) -> None:
    assert decode(stats.encode()) == stats


@pytest.mark.parametrize(
    ("found", "changed"),
    [
        (b"[120,1]", b"[120,0]"),
        (b"[120,1]", b"[120,-1]"),
        (b"[120,1]", b"[120,true]"),
        (b"[120,1]", b"[120, 1]"),
        (b"[120,1]", b"[120,1.0]"),
        (b"[120,1]", b"[120,1,1]"),
        (b"[120,1]", b"[-120,1]"),
        (b"[null,1,1,1,", b"[null,1,2,1,"),
        (b"[null,1,1,1,", b"[null,0,1,1,"),
        (b"[null,1,1,1,", b"[null,1,1,0,"),
        (b"0,1,100,10000,", b"0,3,100,10000,"),
        (b"0,1,100,10000,", b"0,1,100,"),
        (b"2026-11-22T", b"2026-11-21T"),
        (b'"2026-11-22"]', b'"20261122"]'),
        (b'"2026-11-22"]', b'"2026-13-22"]'),
        (b'["acme/m",', b"[7,"),
        (b'["acme/m","1.0.0","eu","2026-11-22"]', b'["acme/m"]'),
        (b'["acme/m","1.0.0","eu","2026-11-22"]\n', b""),
        (b'"schema":1', b'"schema":2'),
        (b"\n[120", b"\n\n[120"),
        (b"[120", b"[]\n[120"),
        (b"acme", "\u00e9".encode()),
    ],
)
def test_bytes_that_encode_would_not_write_are_refused(found: bytes, changed: bytes) -> None:
    raw = table(GOOD, BAD).encode()
    assert found in raw
    with pytest.raises(ValueError, match="not the canonical bytes"):
        decode(raw.replace(found, changed, 1))


def test_rows_out_of_order_or_twice_are_refused() -> None:
    header, key, bad, good = table(GOOD, BAD).encode().splitlines(keepends=True)
    for lines in (
        [header, key, good, bad],
        [header, key, bad, good, good],
        [header, key, bad, key, good],
        [header, key],
    ):
        with pytest.raises(ValueError, match="not the canonical bytes"):
            decode(b"".join(lines))


@pytest.mark.parametrize("raw", [b"", b"\n", b"{}\n", b"[]\n", b"null\n", b"[" * 100_000, b"\xff\n"])
def test_bytes_that_are_no_table_at_all_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not the canonical bytes"):
        decode(raw)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("Request timed out.", "timeout"),
        ("HTTP 504 Gateway Timeout", "timeout"),
        ("DEADLINE_EXCEEDED", "timeout"),
        ("RateLimitError: slow down", "rate_limit"),
        ("You exceeded your current quota", "rate_limit"),
        (429, "rate_limit"),
        (503, "server"),
        ("The server is overloaded", "server"),
        ("APIConnectionError", "server"),
        ("invalid_request_error", "client"),
        ("401 Unauthorized", "client"),
        ("Output too few tokens 102", "other"),
        ("", "other"),
        (None, "other"),
        ({"code": 429}, "other"),
    ],
)
def test_an_error_is_kept_only_as_its_class(error: object, expected: str) -> None:
    assert error_class(error) == expected


@pytest.mark.parametrize("name", ERROR_CLASSES)
def test_the_name_of_a_class_is_of_that_class(name: str) -> None:
    assert error_class(name) == name


def test_every_column_has_a_name_of_its_own() -> None:
    assert len(set(COLUMNS)) == len(COLUMNS) == len(table(GOOD).groups[0].cells)
