"""LiteLLM: the standard logging payload, and rows of SpendLogs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, documents
from helixctl.engines.readers.native import inference


def matches(head: bytes) -> bool:
    """Tell it by its times and its cost."""
    return documents.has(head, "startTime", "endTime") and any(
        documents.has(head, name) for name in ("response_cost", "spend")
    )


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each request."""
    chosen = documents.chosen_by(query)

    def convert(row: Mapping[str, object]) -> Found:
        documents.refuse_other_model(row.get("model"), subject, chosen, "model")
        start, end = moment(row.get("startTime"), "startTime"), moment(row.get("endTime"), "endTime")
        has_failed = row.get("status") == "failure" or (row.get("status") is None and bool(row.get("error_str")))
        fields = documents.stated(
            ts=end.isoformat(),
            success=not has_failed,
            latency_ms=None if has_failed else (end - start).total_seconds() * 1000,
            input_tokens=row.get("prompt_tokens"),
            output_tokens=row.get("completion_tokens"),
            cost=None if has_failed else documents.first_of(row, ("response_cost", "spend")),
            error=documents.first_of(
                row, ("error_information.error_code", "error_information.error_class", "error_str")
            ),
        )
        return inference(fields, subject)

    return documents.converted(stream, query, convert)


def moment(value: object, name: str) -> datetime:
    """Return a time given as seconds since 1970, or as text, of UTC where it has no zone.

    Raises:
        LineError: it is neither.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
        return at if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        raise LineError(f"{name} is no time") from None
