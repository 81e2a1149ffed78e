from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helixctl.core.judge import Thresholds, Verdict, judge
from helixctl.core.stats import Inference
from helixctl.engines import Source, Subject
from helixctl.engines.python import reduce
from helixctl.engines.readers import READERS, LineError, MismatchError, reader
from helixctl.engines.readers.lines import parse_line
from helixctl.engines.readers.native import inference as read
from helixctl.engines.readers.native import write
from helixctl.errors import Usage

SUBJECT = Subject("acme/m", "1.0.0")
TRACES = Path(__file__).parents[3] / "shared" / "data" / "traces" / "llmperf-leaderboard"
PLAIN: dict[str, Any] = {"success": True, "latency_ms": 10}


def line(**fields: Any) -> bytes:
    return json.dumps(PLAIN | fields).encode()


def parsed(raw: bytes) -> Inference:
    record = parse_line(raw)
    assert record is not None
    return read(record, SUBJECT)


def test_the_record_of_the_documentation_is_read_exactly() -> None:
    raw = (
        b'{"ts":"2026-11-22T10:15:00Z","model":"acme/m","version":"1.0.0","success":true,"latency_ms":1234.5,'
        b'"confidence":0.95,"input_tokens":100,"output_tokens":50,"cost":0.0025,"error":null}'
    )
    at = datetime(2026, 11, 22, 10, 15, tzinfo=UTC)
    assert parsed(raw) == Inference(at, "", True, 1235, 100, 50, 2_500_000, 950_000, "other")


def test_success_and_latency_alone_make_a_record() -> None:
    assert parsed(line()) == Inference(None, "", True, 10, None, None, None, None)


def test_null_and_unknown_fields_count_for_nothing() -> None:
    optional = ("ts", "model", "version", "region", "confidence", "input_tokens", "output_tokens", "cost", "error")
    assert parsed(line(**dict.fromkeys(optional), prompt="hello", extra={"a": [1, {}]})) == parsed(line())


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("10", 10),
        ("10.0", 10),
        ("10.000000000000002", 11),
        ("10.00000000000000001", 10),
        ("1e3", 1000),
        ("1e-300", 1),
        ("1e-900", 0),
    ],
)
def test_latency_rounds_up_to_whole_milliseconds_exactly(text: str, milliseconds: int) -> None:
    assert parsed(b'{"success":true,"latency_ms":%s}' % text.encode()).latency_ms == milliseconds


@pytest.mark.parametrize(
    ("text", "nano"),
    [("0.0025", 2_500_000), ("0.1", 100_000_000), ("2", 2 * 10**9), ("5e-10", 1), ("4.999e-10", 0), ("1e-999", 0)],
)
def test_cost_is_kept_in_nano_dollars_rounded_half_away_from_zero(text: str, nano: int) -> None:
    assert parsed(line()[:-1] + b',"cost":%s}' % text.encode()).cost == nano


@pytest.mark.parametrize(
    ("text", "millionths"), [("0", 0), ("1", 10**6), ("0.9", 900_000), ("0.0000005", 1), ("0.00000049999", 0)]
)
def test_confidence_is_kept_in_millionths_rounded_half_away_from_zero(text: str, millionths: int) -> None:
    assert parsed(line()[:-1] + b',"confidence":%s}' % text.encode()).confidence == millionths


def test_a_failed_record_needs_no_latency() -> None:
    failed = parsed(line(success=False, latency_ms=None, error="HTTP 429"))
    assert (failed.success, failed.latency_ms, failed.error_class) == (False, None, "rate_limit")
    assert parsed(line(success=False, latency_ms=0)).latency_ms is None
    assert parsed(b'{"success":false}').latency_ms is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:15:00Z", datetime(2026, 11, 22, 10, 15, tzinfo=UTC)),
        ("2026-11-22t10:15:00z", datetime(2026, 11, 22, 10, 15, tzinfo=UTC)),
        ("2026-11-22 10:15:00.1234567+00:00", datetime(2026, 11, 22, 10, 15, 0, 123456, tzinfo=UTC)),
        ("2026-11-22T00:15:00+02:00", datetime(2026, 11, 21, 22, 15, tzinfo=UTC)),
        ("2026-11-22T23:15:00-05:30", datetime(2026, 11, 23, 4, 45, tzinfo=UTC)),
    ],
)
def test_a_time_is_read_in_utc(text: str, expected: datetime) -> None:
    at = parsed(line(ts=text)).at
    assert at == expected
    assert at
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "ts",
    [
        "2026-11-22T10:15:00",
        "2026-11-22",
        "20261122T101500Z",
        "2026-W47-7T10:15:00Z",
        "2026-02-30T10:15:00Z",
        "2026-11-22T25:15:00Z",
        "2026-11-22T10:15:00+99:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "1970-01-01T00:00:00Z",
        "2026-11-22T10:15:00Z ",
        "\u0662026-11-22T10:15:00Z",
        "",
        1_795_342_500,
        True,
        ["2026-11-22T10:15:00Z"],
    ],
)
def test_a_time_without_zone_in_another_form_or_of_an_absurd_year_is_malformed(ts: object) -> None:
    with pytest.raises(LineError, match="ts is not an RFC 3339 time"):
        parsed(line(ts=ts))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"success": 1}, "success"),
        ({"success": "true"}, "success"),
        ({"success": None}, "success"),
        ({"latency_ms": None}, "latency_ms is missing"),
        ({"latency_ms": -1}, "latency_ms"),
        ({"latency_ms": -0.5, "success": False}, "latency_ms"),
        ({"latency_ms": True}, "latency_ms"),
        ({"latency_ms": "10"}, "latency_ms"),
        ({"latency_ms": 10**12 + 1}, "latency_ms"),
        ({"latency_ms": 1e300}, "latency_ms"),
        ({"input_tokens": 1.7}, "input_tokens"),
        ({"input_tokens": True}, "input_tokens"),
        ({"input_tokens": -1}, "input_tokens"),
        ({"output_tokens": 10**12 + 1}, "output_tokens"),
        ({"output_tokens": "5"}, "output_tokens"),
        ({"cost": -0.01}, "cost"),
        ({"cost": 10**6 + 1}, "cost"),
        ({"cost": False}, "cost"),
        ({"confidence": 1.000001}, "confidence"),
        ({"confidence": 2}, "confidence"),
        ({"confidence": -0.1}, "confidence"),
        ({"confidence": True}, "confidence"),
        ({"region": ""}, "region"),
        ({"region": "a b"}, "region"),
        ({"region": 7}, "region"),
        ({"region": "x" * 65}, "region"),
    ],
)
def test_a_field_of_a_wrong_type_or_out_of_range_is_malformed(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(LineError, match=f"^{why} ") as caught:
        parsed(line(**fields))
    assert not isinstance(caught.value, MismatchError)


@pytest.mark.parametrize(
    "fields", [{"model": "other"}, {"model": "ACME/m"}, {"version": "1.0"}, {"version": 1}, {"model": []}]
)
def test_a_record_of_another_version_is_a_mismatch(fields: dict[str, Any]) -> None:
    with pytest.raises(MismatchError, match="names another"):
        parsed(line(**fields))


@pytest.mark.parametrize(
    "inference",
    [
        Inference(None, "", True, 0, None, None, None, None),
        Inference(datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC), "eu-west-1", True, 12, 1, 0, 1, 1),
        Inference(datetime(2026, 11, 22, 1, 2, 3, 40, tzinfo=UTC), "", True, 12, 0, 5, 10**15, 10**6),
        Inference(None, "", False, None, 7, None, 2_500_000, 950_000, "timeout"),
        Inference(None, "", False, None, None, None, None, None, "other"),
    ],
)
def test_what_was_written_reads_back_equal(inference: Inference) -> None:
    written = write(inference)
    assert written.endswith(b"}\n")
    assert parsed(written) == inference


def test_the_text_of_an_error_is_not_written() -> None:
    assert write(parsed(line(success=False, error="secret prompt: timed out"))) == (
        b'{"success":false,"latency_ms":null,"error":"timeout"}\n'
    )


def test_every_reader_of_the_table_loads_and_others_are_refused() -> None:
    assert all(callable(reader(name).read) and callable(reader(name).matches) for name in READERS)
    with pytest.raises(Usage, match="unknown record format 'abacus'"):
        reader("abacus")


def converted(name: str) -> bytes:
    rows = json.loads((TRACES / name).read_bytes(), parse_float=Decimal)
    lines = [
        {
            "success": row["error_code"] is None,
            "latency_ms": float(row["end_to_end_latency_s"] * 1000) if row["error_code"] is None else None,
            "input_tokens": row["number_input_tokens"],
            "output_tokens": row["number_output_tokens"],
            "error": row["error_msg"],
        }
        for row in rows
    ]
    return "\n".join(map(json.dumps, lines)).encode()


@pytest.mark.skipif(not TRACES.exists(), reason="the recorded traces are not here")
@pytest.mark.parametrize(
    ("name", "failures", "verdict"),
    [("anyscale_7b.json", 0, Verdict.PASSED), ("bedrock_70b.json", 49, Verdict.FAILED)],
)
def test_recorded_traces_of_real_providers_are_judged(
    tmp_path: Path, name: str, failures: int, verdict: Verdict
) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(converted(name))
    reduction = reduce([Source(str(path))], SUBJECT)
    totals = reduction.stats.totals()
    assert (reduction.malformed_count, totals.requests, totals.failures) == (0, 150, failures)
    assert sum(count for _, count in totals.latencies) == 150 - failures
    assert totals.latencies[0][0] > 0
    assert judge(reduction.stats, Thresholds(max_latency_ms=10_000)).verdict is verdict
