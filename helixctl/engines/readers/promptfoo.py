"""promptfoo: the output of an evaluation, version 3, as JSON or as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from helixctl.core.stats import score
from helixctl.engines import Query, Subject
from helixctl.engines.readers import FIRST, Found, LineError, documents, lines
from helixctl.engines.readers.native import inference

_ASSERTION, _ERROR = 1, 2


def matches(head: bytes) -> bool:
    """Tell it by its results and their prompts, or by a result that is a line."""
    return _is_line(head) or (
        documents.has(head, "results") and any(documents.has(head, key) for key in ("evalId", "promptIdx", "prompts"))
    )


def _is_line(head: bytes) -> bool:
    return documents.has(head, "promptIdx", "testCase") and not documents.has(head, "results")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each result, its assertions as the score `promptfoo.pass`, and its named scores."""
    head: bytes = stream.peek(FIRST)[:FIRST]  # type: ignore[attr-defined]  # sources are buffered readers
    for place, row in documents.each(stream) if _is_line(head) else _results(stream):
        try:
            if isinstance(row, LineError):
                raise row
            yield from ((place, one) for one in _found(row, subject, query))
        except documents.ODD as error:
            yield place, documents.fault(error)


def _results(stream: BinaryIO) -> Iterator[tuple[int, Any]]:
    try:
        found = documents.load(stream)
    except LineError as error:
        return iter([(1, error)])
    outer = lines.at(found, "results") if isinstance(found, dict) else None
    rows = outer.get("results") if isinstance(outer, Mapping) else outer
    return enumerate(rows if isinstance(rows, list) else [LineError("no results.results of promptfoo")], 1)


def _found(row: Any, subject: Subject, query: Query) -> Iterator[Found]:
    if not isinstance(row, dict):
        raise LineError("a result that is no object")
    if skipped := lines.left_out(row, query):
        yield skipped
        return
    provider = documents.first_of(row, ("provider.id", "provider"))
    model = str(provider).rpartition(":")[2] if provider is not None else None
    if str(provider) not in subject.names and "provider.id" not in documents.chosen_by(query):
        documents.refuse_other_model(model, subject, documents.chosen_by(query), "provider")
    reason, is_success = row.get("failureReason"), row.get("success")
    if not isinstance(is_success, bool) or reason not in (0, _ASSERTION, _ERROR, None):
        raise LineError("success or failureReason is none of promptfoo's")
    has_failed = reason == _ERROR or (reason is None and not is_success and row.get("response") is None)
    is_cached = lines.at(row, "response.cached") is True
    fields = documents.stated(
        success=not has_failed,
        latency_ms=None if has_failed or is_cached else row.get("latencyMs"),
        input_tokens=lines.at(row, "response.tokenUsage.prompt"),
        output_tokens=lines.at(row, "response.tokenUsage.completion"),
        cost=row.get("cost"),
        error=row.get("error") if has_failed else None,
    )
    yield inference(fields, subject, is_timed=False)
    if not has_failed:
        yield score("promptfoo.pass", float(is_success))
    for name, value in (row.get("namedScores") or {}).items():
        yield score(f"promptfoo.{name}", value)
