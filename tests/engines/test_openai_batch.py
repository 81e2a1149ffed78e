"""OpenAI's batch output: rates, tokens and cost without a latency."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.judge import Thresholds, Verdict, judge
from helixctl.core.stats import Inference
from helixctl.engines import Query, Source, Subject
from helixctl.engines.python import read_records, reduce
from helixctl.engines.readers import detected

SUBJECT = Subject("acme/m", "1.0.0", Decimal(10), Decimal(30), provider_model_id="gpt-4o")
BODY = {"id": "c", "created": 1763800000, "model": "gpt-4o", "usage": {"prompt_tokens": 100, "completion_tokens": 7}}
CHAT = {"id": "b", "custom_id": "1", "response": {"status_code": 200, "request_id": "r", "body": BODY}, "error": None}
RESPONSE = {"created_at": 1763800000, "model": "gpt-4o", "status": "completed", "error": None}
RESPONSE |= {"usage": {"input_tokens": 100, "output_tokens": 7}}
GOOD = Inference(datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC), "", True, None, 100, 7, None, None)


def answered(body: Any, status: Any = 200) -> dict[str, Any]:
    return CHAT | {"response": {"status_code": status, "body": body}}


def read(*rows: Any) -> list[Any]:
    raw = "\n".join(map(json.dumps, rows)).encode()
    return list(read_records(Source("in", io.BytesIO(raw)), SUBJECT, Query("openai-batch")))


@pytest.mark.parametrize("row", [CHAT, answered(RESPONSE)], ids=["chat", "responses"])
def test_a_request_that_succeeded_has_tokens_and_no_latency(row: dict[str, Any]) -> None:
    assert read(row) == [GOOD]
    assert detected(json.dumps(row).encode(), Query()) == "openai-batch"


@pytest.mark.parametrize(
    ("row", "error"),
    [
        (CHAT | {"response": None, "error": {"code": "batch_expired", "message": "s3cret"}}, "other"),
        (answered({"error": {"message": "s3cret"}}, 429), "rate_limit"),
        (answered({"error": {"code": "server_error"}}, 500), "server"),
        (answered(None, 400), "client"),
        (answered(RESPONSE | {"status": "failed", "error": {"code": "rate_limit_exceeded"}}), "rate_limit"),
    ],
)
def test_a_request_failed_by_its_error_its_status_code_or_its_body(row: dict[str, Any], error: str) -> None:
    (found,) = read(row)
    assert (found.success, found.error_class) == (False, error)


@pytest.mark.parametrize("body", [BODY | {"model": "s3cret"}, {"usage": {}}, BODY | {"model": []}])
def test_an_answer_of_another_model_or_of_none_is_a_mismatch(body: dict[str, Any]) -> None:
    (found,) = read(answered(body))
    assert found.mismatched
    assert "s3cret" not in found.why


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"custom_id": "1"}, "neither a status code"),
        (CHAT | {"response": {}}, "neither a status code"),
        (answered(BODY, "200"), "neither a status code"),
        (answered(BODY, True), "neither a status code"),
        (answered(BODY, 0), "neither a status code"),
        (CHAT | {"error": "s3cret"}, "error is not an object"),
        (answered(None), "response.body is not"),
        (answered("s3cret"), "response.body is not"),
        (answered(BODY | {"created": "s3cret"}), "created is not a time"),
        (answered(BODY | {"usage": {"prompt_tokens": 1.7}}), "input_tokens is not"),
        (answered(BODY | {"usage": {"completion_tokens": "7"}}), "output_tokens is not"),
    ],
)
def test_a_line_that_is_wrong_is_malformed_and_nothing_of_it_is_told(row: dict[str, Any], why: str) -> None:
    wrong, good = read(row, CHAT)
    assert good == GOOD
    assert (wrong.line, wrong.why[: len(why)]) == (1, why)
    assert "s3cret" not in str(wrong)


def test_a_batch_is_judged_by_its_rates_and_cost_and_a_limit_on_latency_was_not_measured() -> None:
    raw = "\n".join(json.dumps(CHAT) for _ in range(400)).encode()
    found = reduce([Source("in", io.BytesIO(raw))], SUBJECT)
    verdict = judge(found.stats, Thresholds(max_latency_ms=10_000))
    assert verdict.verdict is Verdict.INCONCLUSIVE
    assert verdict.metrics["success_rate"] == 1
    assert float(verdict.metrics["cost_per_request"]) == pytest.approx(0.00121)
    assert "p95_latency_ms" not in verdict.metrics
