"""OpenTelemetry spans of generative AI, as the file exporter writes them: OTLP, a JSON object a line.

Source: OpenTelemetry semantic conventions for generative AI, the names of today and those they replace; OTLP 1.x JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, Skipped, documents, lines
from helixctl.engines.readers.native import inference

_MODELS = ("gen_ai.response.model", "gen_ai.request.model")
_PROVIDERS = ("gen_ai.provider.name", "gen_ai.system")
_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ERROR = (2, "STATUS_CODE_ERROR")


def matches(head: bytes) -> bool:
    """Tell it by the key of its spans."""
    return documents.has(head, "resourceSpans")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each span of a model's call with the line it stands in; other spans are passed over."""
    for number, record in documents.each(stream):
        if isinstance(record, LineError):
            yield number, record
            continue
        try:
            spans = list(_spans(record))
        except (TypeError, AttributeError, KeyError):
            yield number, LineError("not the spans of OTLP")
            continue
        for span, attributes in spans:
            try:
                yield number, _inference(span, attributes, subject, query)
            except LineError as error:
                yield number, error


def _spans(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, object]]]:
    for resource in record.get("resourceSpans", ()):
        around = _attributes(resource.get("resource", {}))
        for scope in resource.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                attributes = around | _attributes(span)
                if any(name in attributes for name in (*_MODELS, *_PROVIDERS)):
                    yield span, attributes


def _attributes(of: Mapping[str, Any]) -> dict[str, object]:
    return {one["key"]: _value(one["value"]) for one in of.get("attributes", ())}


def _value(value: Mapping[str, Any]) -> object:
    if "intValue" in value:
        return whole(value["intValue"])
    return next((value[kind] for kind in ("stringValue", "doubleValue", "boolValue") if kind in value), None)


def whole(value: object) -> object:
    """Return a 64-bit number, which JSON of protobuf has as text."""
    return (
        int(value)
        if isinstance(value, str) and value.isascii() and value.lstrip("-").isdigit() and len(value) < 20
        else value
    )


def _inference(span: Mapping[str, Any], attributes: dict[str, object], subject: Subject, query: Query) -> Found:
    if not lines.is_wanted(attributes, query):
        return Skipped()
    chosen = documents.chosen_by(query)
    model = documents.first_of(attributes, _MODELS)
    if not chosen & set(_MODELS):
        documents.refuse_other_model(model, subject, chosen, "model")
    start, end = whole(span.get("startTimeUnixNano")), whole(span.get("endTimeUnixNano"))
    if not isinstance(start, int) or not isinstance(end, int) or not 0 < start <= end:
        raise LineError("a span without its start and end")
    error = attributes.get("error.type")
    status = span.get("status") or {}
    has_failed = error is not None or status.get("code") in _ERROR
    fields = documents.stated(
        ts=_time(end),
        success=not has_failed,
        latency_ms=None if has_failed else (end - start) / 1e6,
        input_tokens=documents.first_of(attributes, _INPUT),
        output_tokens=documents.first_of(attributes, _OUTPUT),
        error=error if error is not None else status.get("message"),
    )
    return inference(fields, subject)


def _time(nanoseconds: int) -> str:
    if nanoseconds > 7 * 10**18:
        raise LineError("a time beyond 2190")
    return (_EPOCH + timedelta(microseconds=nanoseconds // 1000)).isoformat()
