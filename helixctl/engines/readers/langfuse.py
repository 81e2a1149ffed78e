"""Langfuse: exported observations, of which generations count.

Source: langfuse.com, blob storage export field reference (times are UTC and lack the zone), and its public interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, MismatchError, Skipped, documents
from helixctl.engines.readers.native import MAX_WHOLE, inference

_KINDS = frozenset(
    "SPAN EVENT GENERATION AGENT TOOL CHAIN RETRIEVER EVALUATOR EMBEDDING GUARDRAIL".split()  # noqa: SIM905 # a table
)
_LEVELS = ("DEFAULT", "DEBUG", "WARNING", "ERROR", None)
_MODELS = ("model", "providedModelName", "provided_model_name")
_COST = ("total_cost", "totalCost", "calculatedTotalCost", "costDetails.total", "cost_details.total")
_USAGE, _COSTS = ("usage_details", "usageDetails"), ("cost_details", "costDetails")
_INPUT = ("usage.input", "promptTokens", "inputUsage")
_OUTPUT = ("usage.output", "completionTokens", "outputUsage")
_START, _END = ("start_time", "startTime"), ("end_time", "endTime")


def matches(head: bytes) -> bool:
    """Tell it by the type of its observations."""
    return documents.has(head, "type", "level") and (b"GENERATION" in head or b'"SPAN"' in head)


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each generation; other observations are left out."""
    chosen = documents.chosen_by(query)

    def convert(row: Mapping[str, object]) -> Found:
        kind, level = row.get("type"), row.get("level")
        if not isinstance(kind, str) or kind not in _KINDS:
            raise LineError("type is none of Langfuse's")
        if kind != "GENERATION":
            return Skipped()
        documents.require_model({name: row.get(name) for name in _MODELS}, subject, chosen)
        if "version" not in chosen and row.get("version") not in (None, "", subject.version):
            raise MismatchError("it names another version")
        if level not in _LEVELS:
            raise LineError("level is none of Langfuse's")
        has_failed = level == "ERROR"
        start = documents.first_of(row, _START)
        fields = documents.stated(
            ts=None if start is None else documents.moment(start, "start_time").isoformat(),
            success=not has_failed,
            latency_ms=None if has_failed else _latency(row, start),
            input_tokens=_tokens(row, "input", _INPUT),
            output_tokens=_tokens(row, "output", _OUTPUT),
            cost=None if documents.first_of(row, _COSTS) == {} else documents.first_of(row, _COST),
            error=documents.first_of(row, ("status_message", "statusMessage")),
        )
        return inference(fields, subject)

    return documents.converted(stream, query, convert)


def _latency(row: Mapping[str, object], start: object) -> object:
    """Return the milliseconds that it took, from the seconds it states, or its times where it states none."""
    end = documents.first_of(row, _END)
    if row.get("latency") is not None or start is None or end is None:
        return documents.scaled(row.get("latency"), 1000)
    return (documents.moment(end, "end_time") - documents.moment(start, "start_time")) / timedelta(milliseconds=1)


def _tokens(row: Mapping[str, object], side: str, plain: tuple[str, ...]) -> object:
    """Return the tokens of a side: the sum of each kind that names it, as Langfuse itself adds them up.

    Cached tokens are no part of `input`, and an empty table says that nobody counted.
    """
    details = documents.first_of(row, _USAGE)
    if details is None:
        return documents.first_of(row, plain)
    if not isinstance(details, Mapping):
        raise LineError("usage_details is not an object")
    counts = [value for name, value in details.items() if side in name.lower() and value is not None]
    if not all(type(count) is int and 0 <= count <= MAX_WHOLE for count in counts):
        raise LineError("usage_details has a count that is not a whole number")
    return sum(counts) if counts else None
