"""Langfuse: generations of its exports, in the names of the blob storage and of the public interface."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from helixctl.core.stats import Inference
from helixctl.engines import Query, Source, Subject
from helixctl.engines.python import read_records
from helixctl.engines.readers import Skipped, detected

SUBJECT = Subject("acme/m", "1.0.0", provider_model_id="gpt-4o")
BLOB = {
    "id": "o1",
    "trace_id": "t1",
    "type": "GENERATION",
    "start_time": "2025-11-22 08:26:40.000000",
    "end_time": "2025-11-22 08:26:56.100000",
    "level": "DEFAULT",
    "status_message": "",
    "version": "",
    "provided_model_name": "gpt-4o",
    "usage_details": {"input": 40, "input_cached_tokens": 60, "output": 5, "output_reasoning_tokens": 2, "total": 107},
    "cost_details": {"input": 0.001, "output": 0.001, "total": 0.002},
    "total_cost": 0.002,
    "latency": 16.1,
}
PUBLIC = {
    "id": "o1",
    "type": "GENERATION",
    "startTime": "2025-11-22T08:26:40.000Z",
    "endTime": "2025-11-22T08:26:56.100Z",
    "level": "WARNING",
    "statusMessage": None,
    "version": "1.0.0",
    "model": "gpt-4o",
    "promptTokens": 100,
    "completionTokens": 7,
    "calculatedTotalCost": 0.002,
    "latency": 16.1,
}
GOOD = Inference(datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC), "", True, 16100, 100, 7, 2_000_000, None)


def read(*rows: Any, where: tuple[tuple[str, str], ...] = ()) -> list[Any]:
    raw = "\n".join(map(json.dumps, rows)).encode()
    return list(read_records(Source("in", io.BytesIO(raw)), SUBJECT, Query("langfuse", where=where)))


@pytest.mark.parametrize("row", [BLOB, PUBLIC], ids=["blob", "public"])
def test_a_generation_is_read_with_seconds_as_milliseconds(row: dict[str, Any]) -> None:
    assert read(row) == [GOOD]
    assert detected(json.dumps(row).encode(), Query()) == "langfuse"


def test_without_a_latency_its_times_give_it() -> None:
    assert read(BLOB | {"latency": None}, PUBLIC | {"latency": None}) == [GOOD, GOOD]


def test_usage_that_nobody_counted_and_cost_that_nobody_computed_are_not_zero() -> None:
    (found,) = read(BLOB | {"usage_details": {}, "promptTokens": 0, "cost_details": {}, "total_cost": 0})
    assert (found.input_tokens, found.output_tokens, found.cost) == (None, None, None)


def test_an_error_is_a_failure_by_its_message() -> None:
    (found,) = read(BLOB | {"level": "ERROR", "status_message": "rate limit reached for s3cret", "end_time": None})
    assert (found.success, found.latency_ms, found.error_class) == (False, None, "rate_limit")


@pytest.mark.parametrize("kind", ["SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "EMBEDDING"])
def test_other_observations_are_left_out(kind: str) -> None:
    assert read(BLOB | {"type": kind}) == [Skipped()]


@pytest.mark.parametrize(
    "changes", [{"provided_model_name": "s3cret"}, {"provided_model_name": ""}, {"version": "2.0.0"}, {"version": []}]
)
def test_a_generation_of_another_model_or_version_is_a_mismatch(changes: dict[str, Any]) -> None:
    (found,) = read(BLOB | changes)
    assert found.mismatched
    assert "s3cret" not in found.why


def test_generations_are_chosen_by_model_and_version() -> None:
    row = BLOB | {"version": "build-7", "provided_model_name": "gpt-y"}
    assert read(row, BLOB, where=(("version", "build-7"), ("provided_model_name", "gpt-y"))) == [
        GOOD,
        Skipped(frozenset(BLOB)),
    ]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"type": None}, "type is none"),
        ({"type": "generation"}, "type is none"),
        ({"level": "s3cret"}, "level is none"),
        ({"level": 7}, "level is none"),
        ({"latency": None, "end_time": None}, "latency_ms is missing"),
        ({"latency": "16.1"}, "latency_ms is not"),
        ({"latency": -1}, "latency_ms is not"),
        ({"latency": True}, "latency_ms is not"),
        ({"latency": 10**400}, "latency_ms is not"),
        ({"latency": 1e999}, "NaN or Infinity"),
        ({"start_time": "s3cret"}, "start_time is not a time"),
        ({"start_time": "2025-02-30 00:00:00"}, "start_time is not a time"),
        ({"start_time": "1999-01-01 00:00:00"}, "ts is not"),
        ({"usage_details": {"input": "40"}}, "usage_details has"),
        ({"usage_details": {"input": 1.7}}, "usage_details has"),
        ({"usage_details": {"output": -1}}, "usage_details has"),
        ({"usage_details": {"output": True}}, "usage_details has"),
        ({"usage_details": 7}, "usage_details is not"),
        ({"total_cost": "0.002"}, "cost is not"),
        ({"total_cost": -1}, "cost is not"),
    ],
)
def test_a_generation_that_is_wrong_is_malformed_and_nothing_of_it_is_told(changes: dict[str, Any], why: str) -> None:
    wrong, good = read(BLOB | changes, BLOB)
    assert good == GOOD
    assert (wrong.line, wrong.why[: len(why)]) == (1, why)
    assert "s3cret" not in str(wrong)
