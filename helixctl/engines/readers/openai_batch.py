"""Output of OpenAI's batch interface: what came of each request, and its tokens; a batch has no latencies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, documents, lines
from helixctl.engines.readers.native import inference


def matches(head: bytes) -> bool:
    """Tell it by its ids and responses."""
    return documents.has(head, "custom_id", "response")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each request."""
    chosen = documents.chosen_by(query)

    def convert(row: Mapping[str, object]) -> Found:
        status, error = lines.at(row, "response.status_code"), row.get("error")
        if error is None and (not isinstance(status, int) or isinstance(status, bool)):
            raise LineError("neither a status code nor an error")
        documents.refuse_other_model(lines.at(row, "response.body.model"), subject, chosen, "response.body.model")
        has_failed = error is not None or status != 200
        fields = documents.stated(
            success=not has_failed,
            input_tokens=documents.first_of(
                row, ("response.body.usage.prompt_tokens", "response.body.usage.input_tokens")
            ),
            output_tokens=documents.first_of(
                row, ("response.body.usage.completion_tokens", "response.body.usage.output_tokens")
            ),
            error=documents.first_of(row, ("error.code", "response.status_code")),
        )
        return inference(fields, subject, is_timed=False)

    return documents.converted(stream, query, convert)
