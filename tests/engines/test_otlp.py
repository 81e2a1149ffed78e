"""OpenTelemetry: which spans are calls of a model, which name counts, and what is malformed."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from helixctl.core.stats import Inference
from helixctl.engines import Malformed, Query, Source, Subject
from helixctl.engines.python import read_records
from helixctl.engines.readers import Skipped, detected

SUBJECT = Subject("acme/m", "1.0.0", provider_model_id="gpt-4o")
START = 1_763_800_000_000_000_000
AT = datetime(2025, 11, 22, 8, 26, 40, 812_300, tzinfo=UTC)
NEW = {
    "gen_ai.operation.name": {"stringValue": "chat"},
    "gen_ai.provider.name": {"stringValue": "openai"},
    "gen_ai.request.model": {"stringValue": "gpt-4o"},
    "gen_ai.response.model": {"stringValue": "gpt-4o-2024-08-06"},
    "gen_ai.usage.input_tokens": {"intValue": "100"},
    "gen_ai.usage.output_tokens": {"intValue": "7"},
}
OLD = {
    "gen_ai.system": {"stringValue": "openai"},
    "gen_ai.request.model": {"stringValue": "gpt-4o"},
    "gen_ai.usage.prompt_tokens": {"intValue": 100},
    "gen_ai.usage.completion_tokens": {"intValue": 7},
}
GOOD = Inference(AT, "", True, 813, 100, 7, None, None, "other")


def span(attributes: dict[str, Any], /, **fields: Any) -> dict[str, Any]:
    listed = [{"key": key, "value": value} for key, value in attributes.items()]
    times = {"startTimeUnixNano": str(START), "endTimeUnixNano": str(START + 812_300_000)}
    return {"name": "chat gpt-4o", "kind": 3, **times, "attributes": listed, **fields}


def export(*spans: Any, **resource: Any) -> dict[str, Any]:
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "x"}, "spans": list(spans)}]}]}


def read(*rows: Any, where: tuple[tuple[str, str], ...] = (), subject: Subject = SUBJECT) -> list[Any]:
    raw = b"".join((row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows)
    return list(read_records(Source("in", io.BytesIO(raw)), subject, Query("otlp", where=where)))


@pytest.mark.parametrize("attributes", [NEW, OLD], ids=["new", "old"])
def test_a_call_is_read_by_the_names_of_today_and_of_before(attributes: dict[str, Any]) -> None:
    assert read(export(span(attributes))) == [GOOD]


def test_latency_is_the_time_between_start_and_end_rounded_up_once() -> None:
    for nanoseconds, milliseconds in ((16_100_000_000, 16_100), (1, 1), (0, 0), (1_000_001, 2)):
        (found,) = read(export(span(NEW, endTimeUnixNano=str(START + nanoseconds))))
        assert found.latency_ms == milliseconds


@pytest.mark.parametrize(
    ("changes", "fields", "error"),
    [
        ({"error.type": {"stringValue": "timeout"}}, {}, "timeout"),
        ({"error.type": {"stringValue": "429"}}, {"status": {"code": 2}}, "rate_limit"),
        ({}, {"status": {"code": 2, "message": "deadline exceeded"}}, "timeout"),
        ({}, {"status": {"code": "STATUS_CODE_ERROR"}}, "other"),
        ({"error.type": {"stringValue": "_OTHER"}}, {"status": {"code": 2, "message": "503"}}, "server"),
    ],
)
def test_a_call_failed_where_it_has_an_error_or_its_status_says_so(
    changes: dict[str, Any], fields: dict[str, Any], error: str
) -> None:
    (found,) = read(export(span(NEW | changes, **fields)))
    assert (found.success, found.latency_ms, found.error_class) == (False, None, error)


@pytest.mark.parametrize("status", [{}, {"code": 0}, {"code": 1}, {"code": "STATUS_CODE_OK"}, None])
def test_a_status_that_is_unset_or_fine_is_a_success(status: Any) -> None:
    assert read(export(span(NEW, status=status))) == [GOOD]


@pytest.mark.parametrize("name", ["invoke_agent", "create_agent", "execute_tool", "invoke_workflow", "retrieval"])
def test_a_span_around_calls_is_no_call_so_that_none_counts_twice(name: str) -> None:
    around = span(NEW | {"gen_ai.operation.name": {"stringValue": name}})
    plain = span({"http.request.method": {"stringValue": "POST"}})
    provider = span({"gen_ai.system": {"stringValue": "openai"}})
    assert read(export(around, span(NEW), plain, provider)) == [GOOD]


def test_metrics_and_logs_beside_spans_are_passed_over_but_nothing_else_is() -> None:
    found = read({"resourceMetrics": []}, {"resourceLogs": []}, export(span(NEW)), {"resourcespans": []}, {})
    assert found[0] == GOOD
    assert found[1:] == [Malformed("in", line, "not the spans of OTLP") for line in (4, 5)]


def test_many_spans_stand_on_one_long_line() -> None:
    raw = json.dumps(export(*[span(NEW | {"prompt": {"stringValue": "x" * 500}})] * 3000)).encode()
    assert len(raw) > 2**20
    assert read(raw) == [GOOD] * 3000


@pytest.mark.parametrize("name", ["gpt-4o", "gpt-4o-2024-08-06"])
def test_the_model_asked_for_or_the_one_that_answered_may_be_the_versions(name: str) -> None:
    assert read(export(span(NEW)), subject=Subject("acme/m", "1.0.0", provider_model_id=name)) == [GOOD]


def test_a_call_of_another_model_is_a_mismatch_unless_it_was_chosen() -> None:
    other = NEW | {name: {"stringValue": "s3cret"} for name in ("gen_ai.request.model", "gen_ai.response.model")}
    nameless = {name: value for name, value in NEW.items() if "model" not in name}
    found = read(export(span(other), span(nameless)))
    assert [one.mismatched for one in found] == [True, True]
    assert "s3cret" not in str(found)
    assert read(export(span(other), span(NEW)), where=(("gen_ai.request.model", "s3cret"),)) == [
        GOOD,
        Skipped(frozenset(NEW)),
    ]


def test_calls_are_chosen_by_what_their_resource_says() -> None:
    named = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    rows = (export(span(NEW), **named), export(span(NEW)))
    assert read(*rows, where=(("service.name", "shop"),)) == [GOOD, Skipped(frozenset(NEW))]


@pytest.mark.parametrize(
    ("attributes", "fields", "why"),
    [
        ({}, {"endTimeUnixNano": None}, "endTimeUnixNano"),
        ({}, {"endTimeUnixNano": ""}, "endTimeUnixNano"),
        ({}, {"endTimeUnixNano": "9" * 18 + ".5"}, "endTimeUnixNano"),
        ({}, {"endTimeUnixNano": "9e18"}, "endTimeUnixNano"),
        ({}, {"endTimeUnixNano": "9" * 30}, "endTimeUnixNano"),
        ({}, {"endTimeUnixNano": True}, "endTimeUnixNano"),
        ({}, {"startTimeUnixNano": "0"}, "startTimeUnixNano"),
        ({}, {"startTimeUnixNano": "-5"}, "startTimeUnixNano"),
        ({}, {"startTimeUnixNano": str(START + 10**10)}, "a span that ends before it starts"),
        ({}, {"startTimeUnixNano": "1", "endTimeUnixNano": "2"}, "ts"),
        ({}, {"status": 1}, "status"),
        ({}, {"status": {"code": 3}}, "status"),
        ({}, {"status": {"code": True}}, "status"),
        ({"gen_ai.usage.input_tokens": {"intValue": "-1"}}, {}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": {"intValue": "1.7"}}, {}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": {"stringValue": "100"}}, {}, "input_tokens"),
        ({"gen_ai.usage.input_tokens": {"doubleValue": "NaN"}}, {}, "input_tokens"),
        ({"gen_ai.usage.output_tokens": {"boolValue": True}}, {}, "output_tokens"),
        ({"gen_ai.usage.output_tokens": {"intValue": "9" * 19}}, {}, "output_tokens"),
        ({}, {"attributes": [7]}, "attributes"),
        ({}, {"attributes": "s3cret"}, "attributes"),
        ({}, {"attributes": [{"key": "gen_ai.request.model", "value": {"stringValue": "gpt-4o"}}] * 2}, "an attribute"),
    ],
)
def test_a_call_that_is_wrong_is_malformed_and_the_one_beside_it_is_read(
    attributes: dict[str, Any], fields: dict[str, Any], why: str
) -> None:
    found = read({}, export(span(NEW | attributes, **fields), span(NEW)))
    assert found[2] == GOOD
    assert (found[1].line, found[1].why[: len(why)]) == (2, why)
    assert "s3cret" not in str(found)


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b'{"resourceSpans":NaN}', "NaN or Infinity"),
        (b'{"resourceSpans":[],"resourceSpans":[]}', "a key appears twice"),
        (b'{"resourceSpans":[{}', "not JSON"),
        (b'"\xff"', "not UTF-8"),
        (b'{"resourceSpans":7}', "not the spans of OTLP"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[null]}]}]}', "attributes are not those of OTLP"),
    ],
)
def test_a_line_that_is_wrong_is_malformed_as_a_whole(raw: bytes, why: str) -> None:
    assert read(raw, export(span(NEW))) == [Malformed("in", 1, why), GOOD]


def test_metrics_are_told_apart() -> None:
    raw = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"name": "gen_ai.client.token.usage"}]}]}]})
    assert detected(raw.encode(), Query()) == "otel-metrics"
