"""LiteLLM: what came of a request, by the payload of its callbacks and by rows of SpendLogs."""

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
PAYLOAD = {
    "id": "chatcmpl-1",
    "call_type": "acompletion",
    "stream": True,
    "response_cost": 0.002,
    "response_cost_failure_debug_info": None,
    "status": "success",
    "custom_llm_provider": "openai",
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "startTime": 1763800000.0,
    "endTime": 1763800016.1,
    "completionStartTime": 1763800000.1,
    "response_time": 0.1,
    "model": "gpt-4o",
    "model_group": "fast",
    "cache_hit": False,
    "messages": [{"role": "user", "content": "hi"}],
    "error_str": None,
}
SPEND = {
    "request_id": "chatcmpl-1",
    "call_type": "acompletion",
    "spend": 0.002,
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "startTime": "2025-11-22T08:26:40.000Z",
    "endTime": "2025-11-22 08:26:56.1",
    "model": "gpt-4o",
    "model_group": "fast",
    "custom_llm_provider": "openai",
    "cache_hit": "False",
    "metadata": '{"status":"success"}',
}
GOOD = Inference(datetime(2025, 11, 22, 8, 26, 56, 100_000, tzinfo=UTC), "", True, 16100, 100, 7, 2_000_000, None)


def read(*rows: Any, subject: Subject = SUBJECT, where: tuple[tuple[str, str], ...] = ()) -> list[Any]:
    raw = "\n".join(map(json.dumps, rows)).encode()
    return list(read_records(Source("in", io.BytesIO(raw)), subject, Query("litellm", where=where)))


@pytest.mark.parametrize("row", [PAYLOAD, SPEND], ids=["payload", "spend"])
def test_latency_is_from_start_to_end_not_to_the_first_token(row: dict[str, Any]) -> None:
    assert read(row) == [GOOD]
    assert detected(json.dumps(row).encode(), Query()) == "litellm"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"status": "failure", "error_information": {"error_code": "429"}}, "rate_limit"),
        ({"status": "failure", "error_information": {"error_code": "", "error_class": "Timeout"}}, "timeout"),
        ({"status": "failure", "error_str": "s3cret 503"}, "server"),
        ({"status": None, "error_str": "BadRequestError"}, "other"),
        ({"status": None, "metadata": '{"status":"failure","error_information":{"error_code":"400"}}'}, "client"),
        ({"status": None, "metadata": {"status": "failure"}}, "other"),
    ],
)
def test_a_request_failed_where_its_status_or_its_metadata_say_so(changes: dict[str, Any], error: str) -> None:
    (found,) = read(PAYLOAD | changes)
    assert (found.success, found.latency_ms, found.error_class) == (False, None, error)


def test_what_came_from_the_cache_was_not_asked_of_the_model() -> None:
    assert read(PAYLOAD | {"cache_hit": True}, SPEND | {"cache_hit": "True"}) == [Skipped(), Skipped()]


def test_a_cost_that_litellm_could_not_compute_is_not_zero() -> None:
    (found,) = read(PAYLOAD | {"response_cost": 0.0, "response_cost_failure_debug_info": {"error_str": "no price"}})
    assert found.cost is None


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("gpt-4o", {}),
        ("fast", {}),
        ("gpt-4o", {"model": "openai/gpt-4o"}),
        ("openai/gpt-4o", {"model": "openai/gpt-4o"}),
    ],
)
def test_a_model_is_known_by_its_name_its_group_and_without_its_provider(name: str, changes: dict[str, Any]) -> None:
    assert read(PAYLOAD | changes, subject=Subject("acme/m", "1.0.0", provider_model_id=name)) == [GOOD]


@pytest.mark.parametrize("changes", [{"model": "s3cret"}, {"model": ""}, {"model": []}, {"model": "azure/gpt-4o"}])
def test_a_row_of_another_model_or_of_none_is_a_mismatch_unless_it_was_chosen(changes: dict[str, Any]) -> None:
    (found,) = read(PAYLOAD | changes)
    assert found.mismatched
    assert "s3cret" not in found.why
    if changes["model"]:
        chosen = "" if isinstance(changes["model"], list) else changes["model"]
        assert all(not getattr(one, "mismatched", False) for one in read(PAYLOAD | changes, where=(("model", chosen),)))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"startTime": None}, "startTime is not a time"),
        ({"startTime": True}, "startTime is not a time"),
        ({"startTime": "yesterday"}, "startTime is not a time"),
        ({"startTime": "2025-11-22"}, "startTime is not a time"),
        ({"endTime": 1e300}, "endTime is not a time"),
        ({"endTime": 10**400}, "endTime is not a time"),
        ({"endTime": 1e999}, "NaN or Infinity"),
        ({"endTime": 1763799999.0}, "latency_ms is not a number"),
        ({"startTime": 0, "endTime": 1}, "ts is not"),
        ({"status": "s3cret"}, "status is neither"),
        ({"status": True}, "status is neither"),
        ({"status": None, "metadata": "{s3cret"}, "metadata is not JSON"),
        ({"prompt_tokens": "100"}, "input_tokens is not"),
        ({"prompt_tokens": 1.7}, "input_tokens is not"),
        ({"completion_tokens": -1}, "output_tokens is not"),
        ({"response_cost": -0.1}, "cost is not"),
        ({"response_cost": "0.002"}, "cost is not"),
        ({"response_cost": True}, "cost is not"),
    ],
)
def test_a_row_that_is_wrong_is_malformed_and_nothing_of_it_is_told(changes: dict[str, Any], why: str) -> None:
    wrong, good = read(PAYLOAD | changes, PAYLOAD)
    assert good == GOOD
    assert (wrong.line, wrong.why[: len(why)]) == (1, why)
    assert "s3cret" not in str(wrong)
