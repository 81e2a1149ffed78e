"""LiteLLM: the standard logging payload, and rows of SpendLogs.

Source: docs.litellm.ai, StandardLoggingPayload specification; SpendLogs keep times in UTC and may lack the zone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, Skipped, documents, lines
from helixctl.engines.readers.native import inference

_MODELS = ("model", "model_group")
_CODES = ("error_information.error_code", "error_information.error_class", "error_str")
_UNPRICED = "response_cost_failure_debug_info"


def matches(head: bytes) -> bool:
    """Tell it by its times and what only LiteLLM writes beside them."""
    return documents.has(head, "startTime", "endTime") and any(
        documents.has(head, name) for name in ("response_cost", "spend", "call_type")
    )


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each request that went to a model; what came from LiteLLM's cache is left out."""
    chosen = documents.chosen_by(query)

    def convert(row: Mapping[str, object]) -> Found:
        if row.get("cache_hit") in (True, "True", "true"):
            return Skipped()
        documents.require_model(_names(row), subject, chosen)
        start, end = (documents.moment(row.get(name), name) for name in ("startTime", "endTime"))
        details = _details(row)
        has_failed = _has_failed(row, details)
        fields = documents.stated(
            ts=end.isoformat(),
            success=not has_failed,
            latency_ms=None if has_failed else (end - start) / timedelta(milliseconds=1),
            input_tokens=row.get("prompt_tokens"),
            output_tokens=row.get("completion_tokens"),
            cost=None if row.get(_UNPRICED) else documents.first_of(row, ("response_cost", "spend")),
            error=_error(row) or _error(details),
        )
        return inference(fields, subject)

    return documents.converted(stream, query, convert)


def _names(row: Mapping[str, object]) -> dict[str, object]:
    """Return what a row calls its model; `openai/gpt-4o` is also `gpt-4o` where the provider is openai."""
    names: dict[str, object] = {name: row.get(name) for name in _MODELS}
    model, provider = row.get("model"), row.get("custom_llm_provider")
    if isinstance(model, str) and isinstance(provider, str) and provider:
        names["custom_llm_provider"] = model.removeprefix(f"{provider}/")
    return names


def _details(row: Mapping[str, object]) -> Mapping[str, object]:
    """Return the metadata, which SpendLogs may hold as text; there they say how a request ended."""
    found = row.get("metadata")
    if isinstance(found, str) and found:
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            raise LineError("metadata is not JSON") from None
    return found if isinstance(found, Mapping) else {}


def _has_failed(row: Mapping[str, object], details: Mapping[str, object]) -> bool:
    status = row.get("status")
    if status is None:
        status = details.get("status")
    if status not in ("success", "failure", None):
        raise LineError("status is neither success nor failure")
    return status == "failure" or (status is None and bool(row.get("error_str")))


def _error(of: Mapping[str, object]) -> str:
    return " ".join(str(value) for name in _CODES if isinstance(value := lines.at(of, name), str | int) and value)
