"""Output of OpenAI's batch interface: what came of each request, and its tokens; a batch has no latencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, documents, lines
from helixctl.engines.readers.native import inference

_MODEL = "response.body.model"
_INPUT = ("response.body.usage.prompt_tokens", "response.body.usage.input_tokens")
_OUTPUT = ("response.body.usage.completion_tokens", "response.body.usage.output_tokens")
_CODES = ("error.code", "response.body.error.code", "response.status_code")
_CREATED = ("response.body.created", "response.body.created_at")


def matches(head: bytes) -> bool:
    """Tell it by its ids and responses."""
    return documents.has(head, "custom_id", "response")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each request; one that succeeded has no latency."""
    chosen = documents.chosen_by(query)

    def convert(row: Mapping[str, object]) -> Found:
        has_failed = _has_failed(row)
        model = lines.at(row, _MODEL)
        if model is not None or not has_failed:  # what failed often names none
            documents.require_model({_MODEL: model}, subject, chosen)
        created = documents.first_of(row, _CREATED)
        fields = documents.stated(
            ts=None if created is None else documents.moment(created, "created").isoformat(),
            success=not has_failed,
            input_tokens=documents.first_of(row, _INPUT),
            output_tokens=documents.first_of(row, _OUTPUT),
            error=documents.first_of(row, _CODES),
        )
        return inference(fields, subject, is_timed=False)

    return documents.converted(stream, query, convert)


def _has_failed(row: Mapping[str, object]) -> bool:
    error, status, body = row.get("error"), lines.at(row, "response.status_code"), lines.at(row, "response.body")
    if error is not None:
        if not isinstance(error, Mapping):
            raise LineError("error is not an object")
        return True
    if type(status) is not int or not 100 <= status <= 599:
        raise LineError("neither a status code nor an error")
    if status != 200:
        return True
    if not isinstance(body, Mapping):
        raise LineError("response.body is not an object though the status code is 200")
    return body.get("error") is not None or body.get("status") in ("failed", "cancelled")
