"""Formats of others: what each says is read, what it hides is refused."""

from __future__ import annotations

import gzip
import io
import json
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest

from helixctl.core.stats import Score
from helixctl.engines import Query, Reduction, Source, Subject
from helixctl.engines.python import reduce
from helixctl.engines.readers import JUDGED, READERS, detected, reader
from helixctl.errors import Usage

SUBJECT = Subject("acme/m", "1.0.0", provider_model_id="gpt-x")
DATA = Path(__file__).parents[3] / "shared" / "data"


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def read(raw: bytes, subject: Subject = SUBJECT, **query: Any) -> Reduction:
    return reduce([Source("in", io.BytesIO(raw))], subject, Query(**query))


def span(**changes: Any) -> dict[str, Any]:
    attributes = {
        "gen_ai.provider.name": {"stringValue": "openai"},
        "gen_ai.response.model": {"stringValue": "gpt-x"},
        "gen_ai.usage.input_tokens": {"intValue": "100"},
        "gen_ai.usage.output_tokens": {"intValue": 7},
        **changes.pop("attributes", {}),
    }
    one = {"startTimeUnixNano": "1763800000000000000", "endTimeUnixNano": "1763800000812300000", **changes}
    listed = [{"key": key, "value": value} for key, value in attributes.items() if value]
    return {"resourceSpans": [{"scopeSpans": [{"spans": [{**one, "attributes": listed}, {"name": "GET /", **one}]}]}]}


LITELLM = {
    "model": "gpt-x",
    "startTime": 1763800000.0,
    "endTime": 1763800000.8123,
    "response_cost": 0.002,
    "status": "success",
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "response_time": 0.1,
}
SPEND = {
    "model": "gpt-x",
    "startTime": "2025-11-22 08:26:40",
    "endTime": "2025-11-22 08:26:40.812300",
    "spend": 0.002,
    "prompt_tokens": 100,
    "completion_tokens": 7,
}
LANGFUSE = {
    "type": "GENERATION",
    "level": "DEFAULT",
    "model": "gpt-x",
    "version": "1.0.0",
    "startTime": "2025-11-22T08:26:40.000Z",
    "latency": 0.8123,
    "usageDetails": {"input": 100, "output": 7},
    "totalCost": 0.002,
}
BATCH = {
    "custom_id": "a",
    "response": {
        "status_code": 200,
        "body": {"model": "gpt-x", "usage": {"prompt_tokens": 100, "completion_tokens": 7}},
    },
    "error": None,
}
GOOD = {
    "otlp": span(),
    "litellm": LITELLM,
    "langfuse": LANGFUSE,
    "openai-batch": BATCH,
}


@pytest.mark.parametrize("name", GOOD)
def test_a_request_is_read_with_its_tokens_and_its_format_is_told_by_content(name: str) -> None:
    raw = lines(GOOD[name], GOOD[name])
    assert detected(raw, Query()) == name
    found = read(raw)
    totals = found.stats.totals()
    assert (totals.requests, totals.failures, found.malformed_count) == (2, 0, 0)
    assert (totals.measures["input_tokens"].total, totals.measures["output_tokens"].total) == (200, 14)
    assert totals.latencies == (() if name == "openai-batch" else ((813, 2),))
    assert read(json.dumps([GOOD[name], GOOD[name]]).encode()).stats == found.stats
    assert read(gzip.compress(raw)).stats == found.stats


FAILED = {
    "otlp": span(attributes={"error.type": {"stringValue": "timeout"}}),
    "litellm": LITELLM | {"status": "failure", "error_information": {"error_class": "Timeout"}},
    "langfuse": LANGFUSE | {"level": "ERROR", "statusMessage": "Request timed out."},
    "openai-batch": BATCH | {"response": None, "error": {"code": "batch_timeout", "message": "s3cret"}},
}


@pytest.mark.parametrize("name", FAILED)
def test_a_failed_request_counts_by_its_class_and_without_a_latency(name: str) -> None:
    totals = read(lines(FAILED[name])).stats.totals()
    assert (totals.requests, totals.failures, totals.errors["timeout"], totals.latencies) == (1, 1, 1, ())


OTHER = {
    "otlp": span(attributes={"gen_ai.response.model": {"stringValue": "gpt-y"}}),
    "litellm": LITELLM | {"model": "gpt-y"},
    "langfuse": LANGFUSE | {"model": "gpt-y"},
    "openai-batch": BATCH | {"response": {"status_code": 200, "body": {"model": "gpt-y"}}},
}
FIELD = {"otlp": "gen_ai.response.model", "openai-batch": "response.body.model"}


@pytest.mark.parametrize("name", OTHER)
def test_a_record_of_another_model_is_malformed_unless_it_is_chosen(name: str) -> None:
    raw = lines(OTHER[name], GOOD[name])
    found = read(raw)
    assert (found.malformed_count, found.mismatched_count, found.stats.totals().requests) == (1, 1, 1)
    chosen = read(raw, where=((FIELD.get(name, "model"), "gpt-y"),))
    assert (chosen.malformed_count, chosen.skipped, chosen.stats.totals().requests) == (0, 1, 1)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("otlp", span(endTimeUnixNano="1")),
        ("otlp", span(endTimeUnixNano="9e18")),
        ("otlp", span(endTimeUnixNano=None)),
        ("otlp", span(attributes={"gen_ai.usage.input_tokens": {"intValue": "-1"}})),
        ("otlp", span(attributes={"gen_ai.usage.input_tokens": {"doubleValue": 1.7}})),
        ("otlp", {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": [7]}]}]}]}),
        ("litellm", LITELLM | {"endTime": "later"}),
        ("litellm", LITELLM | {"endTime": 1e300}),
        ("litellm", LITELLM | {"endTime": 1.0}),
        ("litellm", LITELLM | {"prompt_tokens": "100"}),
        ("litellm", LITELLM | {"response_cost": -1}),
        ("langfuse", LANGFUSE | {"latency": "0.8"}),
        ("langfuse", LANGFUSE | {"latency": None}),
        ("langfuse", LANGFUSE | {"level": "s3cret"}),
        ("langfuse", LANGFUSE | {"version": "2.0.0"}),
        ("openai-batch", {"custom_id": "a", "response": {}}),
        ("openai-batch", {"custom_id": "a", "response": {"status_code": True}}),
    ],
)
def test_what_is_wrong_is_malformed_and_nothing_of_it_is_told(name: str, row: dict[str, Any]) -> None:
    found = read(lines(GOOD[name], row), format=name)
    assert (found.malformed_count, found.stats.totals().requests) == (1, 1)
    assert "s3cret" not in str(found.malformed)


def test_spend_logs_without_a_zone_are_of_utc() -> None:
    found = read(lines(SPEND))
    assert found.stats.totals().latencies == ((813, 1),)
    assert str(found.stats.latest) == "2025-11-22 08:26:40.812300+00:00"


PROMPTFOO = {
    "evalId": "e",
    "results": {
        "version": 3,
        "results": [
            {"provider": {"id": "openai:gpt-x"}, "success": True, "failureReason": 0, "latencyMs": 812, "cost": 0.002}
            | {"response": {"tokenUsage": {"prompt": 100, "completion": 7}}, "namedScores": {"tone of voice": 0.5}},
            {"provider": {"id": "openai:gpt-x"}, "success": False, "failureReason": 1, "latencyMs": 90, "error": "no"},
            {"provider": {"id": "openai:gpt-x"}, "success": False, "failureReason": 2, "error": "HTTP 429"},
        ],
    },
}


def test_promptfoo_tells_a_failed_assertion_from_a_failed_request() -> None:
    raw = json.dumps(PROMPTFOO).encode()
    found = read(raw)
    totals = found.stats.totals()
    assert (totals.requests, totals.failures, totals.errors["rate_limit"]) == (3, 1, 1)
    assert totals.latencies == ((90, 1), (812, 1))
    assert found.stats.scores == (
        Score("promptfoo.pass", 2, 10**6, 10**12),
        Score("promptfoo.tone_of_voice", 1, 500_000, 25 * 10**10),
    )


def test_promptfoo_is_read_line_by_line_too() -> None:
    results: Any = PROMPTFOO["results"]
    rows = [row | {"promptIdx": 0, "testCase": {}} for row in results["results"]]
    assert read(lines(*rows)).stats == read(json.dumps(PROMPTFOO).encode()).stats


def inspected(**changes: Any) -> dict[str, Any]:
    sample = {"id": 1, "total_time": 0.8123, "model_usage": {"openai/gpt-x": {"input_tokens": 100, "output_tokens": 7}}}
    samples = [
        sample | {"scores": {"match": {"value": "C"}}},
        sample | {"total_time": None, "scores": {"match": {"value": "I"}, "parts": {"value": {"a": 0.25}}}},
        sample | {"error": {"message": "Request timed out"}, "scores": {}},
    ]
    log = {"version": 2, "status": "success", "eval": {"task": "qa", "model": "openai/gpt-x"}, "samples": samples}
    return log | changes


def archive(log: dict[str, Any]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as packed:
        packed.writestr("header.json", json.dumps({key: log[key] for key in log if key != "samples"}))
        for number, sample in enumerate(log["samples"]):
            packed.writestr(f"samples/{number}_epoch_1.json", json.dumps(sample))
    return into.getvalue()


def by_zstd(raw: bytes) -> bytes:
    """Return an archive whose members are compressed by zstd, which zipfile itself does not write."""
    zstandard = pytest.importorskip("zstandard")
    into, plains = io.BytesIO(), {}
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(into, "w") as new:
        for name in old.namelist():
            plains[name] = old.read(name)
            new.writestr(name, zstandard.ZstdCompressor().compress(plains[name]))
        offsets = {one.filename: one.header_offset for one in new.infolist()}
    found, at = bytearray(into.getvalue()), new.start_dir
    for name, plain in plains.items():
        for method, sums in ((offsets[name] + 8, offsets[name] + 14), (at + 10, at + 16)):
            struct.pack_into("<H", found, method, 93)
            struct.pack_into("<I", found, sums, zlib.crc32(plain))
            struct.pack_into("<I", found, sums + 8, len(plain))
        at += 46 + len(name)
    return bytes(found)


@pytest.mark.parametrize("form", ["json", "stored", "zstd"])
def test_inspect_gives_requests_and_graded_scores(form: str) -> None:
    raw = json.dumps(inspected()).encode() if form == "json" else archive(inspected())
    found = read(by_zstd(raw) if form == "zstd" else raw)
    totals = found.stats.totals()
    assert (totals.requests, totals.failures, totals.errors["timeout"], totals.latencies) == (3, 1, 1, ((813, 1),))
    assert found.stats.scores == (Score("qa.match", 2, 10**6, 10**12), Score("qa.parts.a", 1, 250_000, 625 * 10**8))


def test_a_member_compressed_by_zstd_that_is_broken_is_malformed_and_the_rest_is_read() -> None:
    raw = by_zstd(archive(inspected()))
    sums = raw.index(b"samples/1_epoch_1.json", raw.index(b"PK\x01\x02")) - 30
    found = read(raw[:sums] + b"\0\0\0\0" + raw[sums + 4 :])
    assert found.stats.totals().requests == 2
    assert [one.why for one in found.malformed] == ["a sample that cannot be unpacked"]


def test_a_sample_of_inspect_without_any_answer_has_failed() -> None:
    silent = {"id": 4, "total_time": 0.04, "model_usage": {}, "output": {"choices": []}, "scores": {}}
    answered = silent | {"output": {"choices": [{"message": {"content": "x"}}]}}
    totals = read(json.dumps(inspected(samples=[silent, answered])).encode()).stats.totals()
    assert (totals.requests, totals.failures, totals.latencies) == (2, 1, ((40, 1),))


@pytest.mark.parametrize("status", ["error", "cancelled", "started", None])
def test_a_log_of_inspect_that_is_not_whole_is_malformed(status: str | None) -> None:
    assert read(json.dumps(inspected(status=status)).encode()).malformed_count == 1


@pytest.mark.parametrize("raw", [b"PK\x03\x04", archive(inspected())[:-40], b"PK\x03\x04" + b"\0" * 99])
def test_a_broken_archive_is_malformed(raw: bytes) -> None:
    assert read(raw).malformed_count == 1


LM_EVAL = {
    "results": {
        "mmlu": {
            "alias": "mmlu",
            "acc,none": 0.25,
            "acc_stderr,none": 0.05,
            "em,strict": 0.5,
            "em_stderr,strict": "N/A",
        }
    },
    "n-samples": {"mmlu": {"original": 200, "effective": 100}},
}


def test_lm_eval_gives_scores_whose_spread_is_their_standard_error() -> None:
    found = read(json.dumps(LM_EVAL).encode())
    acc, strict = found.stats.scores
    assert (acc.name, acc.n, acc.total) == ("mmlu.acc", 100, 25 * 10**6)
    assert acc.squares is not None
    variance = (acc.n * acc.squares - acc.total**2) / (acc.n * (acc.n - 1)) / 10**12
    assert (variance / acc.n) ** 0.5 == pytest.approx(0.05)
    assert strict == Score("mmlu.em.strict", 100, 50 * 10**6, None)
    assert found.stats.groups == ()


def test_lm_eval_says_of_which_scores_lower_is_better_and_its_document_can_be_left_out() -> None:
    of = LM_EVAL | {"higher_is_better": {"mmlu": {"acc": True, "em": False}}, "model_name": "m"}
    assert read(json.dumps(of).encode()).lower == {"mmlu.em.strict"}
    assert read(json.dumps(of).encode(), where=(("model_name", "m"),)).lower == {"mmlu.em.strict"}
    left = read(json.dumps(of).encode(), where=(("model_name", "n"),))
    assert (left.skipped, left.is_empty, "model_name" in left.fields) == (1, True, True)


@pytest.mark.parametrize(
    "changed",
    [
        {"n-samples": {}},
        {"n-samples": {"mmlu": {"effective": 0}}},
        {"results": {"mmlu": 7}},
        {"results": 7},
        {"results": {"mmlu": {"acc,none": 0.5, "acc_stderr,none": -0.1}}},
    ],
)
def test_results_of_lm_eval_without_their_counts_or_of_a_negative_spread_are_malformed(changed: dict[str, Any]) -> None:
    assert read(json.dumps(LM_EVAL | changed).encode(), format="lm-eval").malformed_count == 1


def test_a_data_set_is_scored_and_its_contents_stay_where_they_are() -> None:
    rows = [
        {"input": "s3cret", "expected": "yes", "output": " yes "},
        {"input": "s3cret", "expected": "yes", "output": None},
        {"expected": "3.14", "output": "about 3.1", "scorer": "numeric:0.1"},
        {"expected": 3.14, "output": "3.1", "scorer": "numeric:0.1"},
        {"expected": "^y", "output": "yes", "scorer": "regex"},
        {"expected": "(", "output": "yes", "scorer": "regex"},
        {"expected": "x", "output": "yes", "scorer": "numeric"},
        {"expected": "x", "output": "yes", "scorer": "s3cret"},
        {"output": "yes"},
        {"expected": "x", "output": '{"a":"x"}', "scorer": "json:a", "success": True, "latency_ms": 5},
        {"expected": 1, "output": '{"a":true}', "scorer": "json:a"},
        {"expected": "x", "output": "x", "model": "other"},
        {"expected": "x", "output": "x", "version": "9", "success": True, "latency_ms": 5},
        {"expected": "x", "output": "x", "version": "9.0.0"},
    ]
    found = read(lines(*rows), name="mine")
    named = {one.name: (one.n, one.total) for one in found.stats.scores}
    assert named == {"mine": (2, 10**6), "mine.numeric": (2, 10**6), "mine.regex": (1, 10**6), "mine.json": (2, 10**6)}
    assert [bad.line for bad in found.malformed] == [6, 7, 8, 9, 12, 13, 14]
    assert found.stats.totals().latencies == ((5, 1),)


def test_a_pattern_that_would_never_end_ends_the_reading_of_its_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helixctl.engines.readers.dataset.LONGEST_S", 0.05)
    row = {"expected": "a+b", "output": "aab", "scorer": "regex"}
    found = read(lines(row, row | {"expected": "(a+)+$", "output": "a" * 99 + "b"}, row), name="mine")
    assert (found.stats.scores[0].n, found.malformed_count) == (1, 1)
    assert (found.malformed[0].line, found.malformed[0].is_rest) == (2, True)
    assert "its pattern takes more than 0.05 s" in found.malformed[0].why


@pytest.mark.parametrize(
    "own",
    [
        {"version": "1.1"},
        {"version": 2},
        {"version": None, "model": None},
        {"model": "gpt-4"},
        {"model": "m", "version": 2},
        {"model": "gpt-4", "success": True, "latency_ms": 5},
    ],
)
def test_a_data_set_may_have_a_version_of_its_own_and_call_the_model_as_others_do(own: dict[str, Any]) -> None:
    subject = Subject("acme/m", "1.0.0", provider_model_id="gpt-4")
    raw = lines({"expected": "x", "output": "x"} | own)
    found = reduce([Source("in", io.BytesIO(raw))], subject, Query("dataset", name="mine"))
    assert (found.stats.scores[0].n, found.malformed) == (1, ())
    assert found.stats.totals().requests == ("success" in own)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "no line of the data set 'mine' is left to score"),
        (b'{"expected":"x","output":"x","split":"b"}\n', "no line of the data set 'mine' is left to score"),
        (b'{"expected":"x","output":"x"}\n' * 2, "no line of the data set 'mine' has a field 'split'"),
    ],
)
def test_a_data_set_of_which_no_line_is_left_is_refused_as_an_earlier_score_would_stand(raw: bytes, why: str) -> None:
    with pytest.raises(Usage, match=why):
        read(raw, format="dataset", name="mine", where=(("split", "a"),))


@pytest.mark.parametrize(
    ("is_there", "hint"), [(True, "--engine duckdb --from FILE"), (False, "pip install 'helixctl[duckdb]'")]
)
def test_parquet_that_this_engine_cannot_read_says_what_to_type(
    is_there: bool, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helixctl.engines.readers.parquet.find_spec", lambda _: is_there or None)
    with pytest.raises(Usage, match="Parquet takes the duckdb engine and a file") as refused:
        read(b"PAR1")
    assert str(refused.value.hint).startswith(hint)


MAP = {"latency_ms": "seconds * 1000", "success": "status == ok", "input_tokens": "usage.in", "ts": "at utc"}


def test_a_table_is_read_by_its_column_map_as_json_and_as_csv() -> None:
    rows = [
        {"at": "2026-11-22 10:00:00", "seconds": 0.8123, "status": "ok", "usage": {"in": 7}},
        {"at": "2026-11-22 10:00:01", "seconds": None, "status": "down", "usage": {"in": 7}},
    ]
    table = b"at,seconds,status,usage.in\n" + b"2026-11-22 10:00:00,0.8123,ok,7\n2026-11-22 10:00:01,,down,7\n"
    found = [read(raw, columns=MAP) for raw in (lines(*rows), json.dumps(rows).encode(), table)]
    totals = found[0].stats.totals()
    assert (totals.requests, totals.failures, totals.latencies) == (2, 1, ((813, 1),))
    assert [one.malformed_count for one in found] == [0, 0, 0]
    assert len({one.stats.digest() for one in found}) == 1


@pytest.mark.parametrize(
    "cell", ["nan", "inf", "1_000", "0x10", "1,5", '"a"', "-1", "1e400", "true", "ok", "٣", " 1", "1.", ".5"]
)
def test_a_cell_that_is_no_number_is_malformed(cell: str) -> None:
    found = read(
        f'seconds,status\n1,ok\n"{cell}",ok\n'.encode(), columns={"latency_ms": "seconds", "success": "status == ok"}
    )
    assert (found.malformed_count, found.malformed[0].line, found.stats.totals().requests) == (1, 3, 1)


@pytest.mark.parametrize("raw", [b"a,b\n1\n", b'a,b\n"1,2\n', b"a,b\n1,\xff\n", b"a,b\n1,2,3\n"])
def test_rows_that_are_no_csv_are_malformed(raw: bytes) -> None:
    assert read(raw, columns={"latency_ms": "a", "success": "b is not empty"}).malformed_count == 1


@pytest.mark.parametrize(
    "query",
    [
        {"format": "csv"},
        {"columns": {"latency": "a"}},
        {"columns": {"latency_ms": "a"}},
        {"columns": {"latency_ms": "a +* b", "success": "b"}},
        *(
            {"columns": {"latency_ms": f"a {by}", "success": "b"}}
            for by in ("/ 0", "/ 0.0", "* 0", "* 1e999", "/ 1e-999")
        ),
        {"columns": {"latency_ms": "nowhere", "success": "neither"}},
    ],
)
def test_a_map_that_maps_nothing_is_refused_with_what_to_write(query: dict[str, Any]) -> None:
    with pytest.raises(Usage) as refused:
        read(b"a,b\n1,true\n", **query)
    assert refused.value.hint


@pytest.mark.parametrize("raw", [b"hello\n", b'{"a":1}\n', b"a,b\n1,2\n", b"\x00\x01"])
def test_content_of_no_known_format_asks_for_it(raw: bytes) -> None:
    with pytest.raises(Usage, match="no known format") as refused:
        read(raw)
    assert "--format" in str(refused.value.hint)


@pytest.mark.parametrize("name", READERS)
def test_every_reader_takes_an_empty_source_and_garbage_without_a_traceback(name: str) -> None:
    columns = {"latency_ms": "a", "success": "b"} if name in ("csv", "json") else {}
    for raw in (b"", b"\n", b"\xff\xfe", b"{", b"[", b"[7]", b"7", b"null", b'{"a":1}', b"NaN", b"[" * 99_999):
        try:
            found = reduce([Source("in", io.BytesIO(raw))], SUBJECT, Query(name, columns))
        except Usage:
            continue
        assert found.stats.totals().requests == 0
        assert found.malformed_count or not raw.strip() or name in ("otlp", "langfuse", "csv")
    assert callable(reader(name).matches)


PLAIN_LINE = b'{"success":true,"latency_ms":5}\n'


@pytest.mark.parametrize("pack", ["gzip", "zstd"])
def test_compressed_input_is_read_and_a_cut_or_broken_one_is_malformed(pack: str) -> None:
    if pack == "zstd":
        zstandard = pytest.importorskip("zstandard")
        packed = zstandard.ZstdCompressor().compress(PLAIN_LINE * 5000)
    else:
        packed = gzip.compress(PLAIN_LINE * 5000)
    assert read(packed).stats.totals().requests == 5000
    assert read(packed * 2).stats.totals().requests == 10_000
    for cut in (len(packed) - 1, len(packed) - 9, len(packed) // 2):
        found = read(packed[:cut], format="native")
        assert found.malformed_count >= 1
        assert any("compressed" in bad.why for bad in found.malformed)
    broken = packed[: len(packed) // 2] + b"\xff\xff\xff\xff" + packed[len(packed) // 2 + 4 :]
    assert read(broken, format="native").malformed_count


def test_a_time_range_leaves_out_what_lies_outside_and_refuses_what_has_no_time() -> None:
    from datetime import UTC, datetime

    raw = b"".join(b'{"ts":"2026-11-%02dT00:00:00Z","success":true,"latency_ms":5}\n' % day for day in (20, 21, 22))
    found = read(raw + PLAIN_LINE, since=datetime(2026, 11, 21, tzinfo=UTC), until=datetime(2026, 11, 22, tzinfo=UTC))
    assert (found.stats.totals().requests, found.skipped, found.malformed_count) == (1, 2, 1)


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("pattern", "requests", "failures", "scores"),
    [
        ("results/lm-eval/results_*.json", 0, 0, 2),
        ("results/inspect_ai/eee_*.json", 2, 0, 1),
        ("results/inspect_ai/*.eval", 10, 0, 0),
    ],
)
def test_real_results_are_read_as_they_are(pattern: str, requests: int, failures: int, scores: int) -> None:
    for path in DATA.glob(pattern):
        is_lm_eval = "lm-eval" in pattern
        name = json.loads(path.read_text())["model_name"] if is_lm_eval else "gpt-4o-mini"
        subject = Subject("x/m", "1.0.0", provider_model_id=name)
        found = reduce([Source(str(path))], subject)
        totals = found.stats.totals()
        assert (totals.requests, totals.failures, len(found.stats.scores)) == (requests, failures, scores)
        assert found.malformed_count == 0
        if is_lm_eval:
            other = reduce([Source(str(path))], Subject("x/m", "1.0.0"))
            assert (other.mismatched_count, other.stats.scores) == (1, ())


@pytest.mark.parametrize(
    "column",
    [{"latency_ms": "nope"}, {"latency_ms": "seconds - nope"}, {"error": "nope"}, {"success": "nope is empty"}],
)
def test_a_column_that_a_header_lacks_is_refused_whatever_it_is_for(column: dict[str, str]) -> None:
    columns = {"latency_ms": "seconds", "success": "status == ok"} | column
    with pytest.raises(Usage, match="no column 'nope'"):
        read(b"seconds,status\n1,ok\n", columns=columns)


@pytest.mark.parametrize(
    ("raw", "query"), [(b"hello\n", {}), (b"a,b\n1,2\n", {"columns": {"success": "c"}}), (b"a,b\n", {"format": "csv"})]
)
def test_a_refusal_names_the_file_among_many(tmp_path: Path, raw: bytes, query: dict[str, Any]) -> None:
    paths = [tmp_path / name for name in ("good.csv", "odd.csv")]
    for path, content in zip(paths, (b"", raw), strict=True):
        path.write_bytes(content)
    with pytest.raises(Usage) as caught:
        reduce([Source(str(path)) for path in paths], SUBJECT, Query(**query))
    assert caught.value.path == str(paths[query.get("format") != "csv"])


def test_rows_of_csv_are_named_by_their_line(tmp_path: Path) -> None:
    raw = b'seconds,status\n1,ok\n"1\n",ok\n1\n\n-1,ok\n1,ok,2\n'
    found = read(raw, columns={"latency_ms": "seconds", "success": "status == ok"})
    assert [bad.line for bad in found.malformed] == [4, 5, 7, 8]
    assert found.malformed[1].why == "1 cell, and the header has 2"


def test_samples_of_lm_eval_are_refused_with_what_to_read() -> None:
    sample = {"doc_id": 0, "resps": [], "filtered_resps": [], "metrics": ["acc"], "acc": 1.0}
    with pytest.raises(Usage, match="name no task") as refused:
        read(lines(sample))
    assert "results_*.json" in str(refused.value.hint)


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not here")
def test_real_samples_of_lm_eval_are_told_as_such() -> None:
    (path,) = DATA.glob("results/lm-eval/samples_*.jsonl")
    with pytest.raises(Usage, match="name no task"):
        reduce([Source(str(path))], SUBJECT)


PERF = {"latency_ms": "end_to_end_latency_s * 1000", "error": "error_code"}
PERF |= {"input_tokens": "number_input_tokens", "output_tokens": "number_output_tokens"}
AZURE = {"ts": "TIMESTAMP utc", "success": "TIMESTAMP is not empty"}
AZURE |= {"input_tokens": "ContextTokens", "output_tokens": "GeneratedTokens"}


@pytest.mark.skipif(not DATA.exists(), reason="the real data is not here")
@pytest.mark.parametrize(
    ("path", "columns", "requests", "failures", "timed"),
    [
        ("llmperf-leaderboard/anyscale_70b.json", PERF, 150, 0, 150),
        ("llmperf-leaderboard/anyscale_7b.json", PERF, 150, 0, 150),
        ("llmperf-leaderboard/bedrock_70b.json", PERF, 150, 49, 101),
        ("llmperf-leaderboard/fireworks_70b.json", PERF, 150, 0, 150),
        ("llmperf-leaderboard/fireworks_7b.json", PERF, 150, 0, 150),
        ("azure-llm-2023/AzureLLMInferenceTrace_code.csv", AZURE, 8819, 0, 0),
    ],
)
def test_real_traces_are_read_by_a_column_map(
    path: str, columns: dict[str, str], requests: int, failures: int, timed: int
) -> None:
    found = reduce([Source(str(DATA / "traces" / path))], SUBJECT, Query(columns=columns))
    totals = found.stats.totals()
    assert (found.malformed_count, totals.requests, totals.failures, totals.timed) == (0, requests, failures, timed)
    assert totals.measures["output_tokens"].n == requests


def test_scores_of_another_model_are_not_taken_for_those_of_the_version() -> None:
    raw = json.dumps(
        {
            "results": {"t": {"alias": "t", "acc,none": 0.5, "acc_stderr,none": 0.1}},
            "n-samples": {"t": {"effective": 9}},
        }
    )
    for name, scores in (("acme/m", 1), ("other", 0), (None, 1)):
        found = read((raw[:-1] + f', "model_name": {json.dumps(name)}}}').encode(), format="lm-eval")
        assert (len(found.stats.scores), found.mismatched_count) == (scores, 1 - scores)


def test_a_record_is_chosen_by_one_of_its_tags() -> None:
    raw = b'{"success":true,"latency_ms":5,"tags":["prod","eu"]}\n{"success":true,"latency_ms":5,"tags":["test"]}\n'
    found = read(raw, where=(("tags", "prod"),))
    assert (found.stats.totals().requests, found.skipped) == (1, 1)


@pytest.mark.parametrize(("build", "took"), [("1.1", (5,)), ("1.10", (6,)), ("007", (7,)), ("true", (8,))])
def test_a_row_of_csv_is_chosen_by_what_its_cell_says(build: str, took: tuple[int, ...]) -> None:
    raw = b"ok,ms,build\ntrue,5,1.1\ntrue,6,1.10\ntrue,7,007\ntrue,8,True\n"
    found = read(raw, columns={"success": "ok", "latency_ms": "ms"}, where=(("build", build),))
    assert tuple(one for one, _ in found.stats.totals().latencies) == took


@pytest.mark.parametrize("name", JUDGED)
def test_no_request_of_any_format_is_chosen_by_how_it_fared(name: str) -> None:
    for field in (*JUDGED[name], f"{JUDGED[name][0]}.inner"):
        with pytest.raises(Usage, match=f"--where '{field}' would choose requests by what they are judged by"):
            read(b"{}", format=name, where=((field, "ok"),))


def test_a_header_that_has_a_column_twice_is_refused() -> None:
    columns = {"latency_ms": "took", "success": "ok == yes"}
    with pytest.raises(Usage, match="twice"):
        read(b"ok,took,took\nyes,5,9\n", columns=columns, format="csv")
