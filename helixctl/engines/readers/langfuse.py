"""Langfuse: exported observations, of which generations count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, MismatchError, Skipped, documents
from helixctl.engines.readers.native import inference

_MODEL = ("model", "providedModelName", "provided_model_name")
_COST = ("total_cost", "totalCost", "calculatedTotalCost", "costDetails.total", "cost_details.total")
_INPUT = ("usage_details.input", "usageDetails.input", "usage.input", "promptTokens", "inputUsage")
_OUTPUT = ("usage_details.output", "usageDetails.output", "usage.output", "completionTokens", "outputUsage")
_START = ("start_time", "startTime")


def matches(head: bytes) -> bool:
    """Tell it by the type of its observations."""
    return documents.has(head, "type", "level") and (b"GENERATION" in head or b'"SPAN"' in head)


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each generation; other observations are left out."""
    chosen = documents.chosen_by(query)

    def convert(row: Mapping[str, object]) -> Found:
        if row.get("type") != "GENERATION":
            return Skipped()
        documents.refuse_other_model(documents.first_of(row, _MODEL), subject, chosen, "model")
        if "version" not in chosen and row.get("version") not in (None, "", subject.version):
            raise MismatchError("it names another version")
        level = row.get("level")
        if level not in ("DEFAULT", "DEBUG", "WARNING", "ERROR", None):
            raise LineError("level is none of Langfuse's")
        has_failed = level == "ERROR"
        fields = documents.stated(
            ts=documents.first_of(row, _START),
            success=not has_failed,
            latency_ms=None if has_failed else documents.scaled(row.get("latency"), 1000),
            input_tokens=documents.first_of(row, _INPUT),
            output_tokens=documents.first_of(row, _OUTPUT),
            cost=documents.first_of(row, _COST),
            error=documents.first_of(row, ("status_message", "statusMessage")),
        )
        return inference(fields, subject)

    return documents.converted(stream, query, convert)
