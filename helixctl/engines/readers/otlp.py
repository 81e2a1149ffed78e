"""OpenTelemetry spans of generative AI, as the file exporter writes them: OTLP, a JSON object a line.

Source: OpenTelemetry semantic conventions for generative AI, the names of today and those they replace; OTLP 1.x JSON.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, LineError, documents, lines
from helixctl.engines.readers.native import inference

MODELS = ("gen_ai.response.model", "gen_ai.request.model")
SIGNALS = ("resourceSpans", "resourceMetrics", "resourceLogs")
"""A line of OTLP has one of these."""
_OPERATION = "gen_ai.operation.name"
_AROUND = frozenset({"create_agent", "invoke_agent", "invoke_workflow", "execute_tool", "retrieval", "plan"})
"""Operations that are no call of a model, but hold such calls, and repeat their model and their tokens."""

_INPUT = ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")
_OUTPUT = ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FINE, _ERROR = (None, 0, 1, "STATUS_CODE_UNSET", "STATUS_CODE_OK"), (2, "STATUS_CODE_ERROR")


def matches(head: bytes) -> bool:
    """Tell it by the key of its spans."""
    return documents.has(head, "resourceSpans")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each span of a model's call with the line it stands in; other spans, metrics and logs are passed over."""
    for number, record in documents.each(stream):
        if isinstance(record, LineError):
            yield number, record
            continue
        try:
            spans = list(_spans(record))
        except (TypeError, AttributeError):
            yield number, LineError("not the spans of OTLP")
            continue
        for span, around in spans:
            try:
                attributes = around | attributes_of(span)
                if is_call(attributes):
                    yield number, _inference(span, attributes, subject, query)
            except LineError as error:
                yield number, error


def _spans(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], dict[str, object]]]:
    """Yield each span with the attributes of its resource."""
    if not any(key in record for key in SIGNALS):
        raise TypeError("no signal of OTLP")
    for resource in record.get("resourceSpans") or ():
        around = attributes_of(resource.get("resource") or {})
        for scope in resource.get("scopeSpans") or ():
            for span in scope.get("spans") or ():
                yield span, around


def attributes_of(of: Mapping[str, Any]) -> dict[str, object]:
    """Return attributes by name.

    Raises:
        LineError: they are not those of OTLP, or one appears twice.
    """
    try:
        listed = of.get("attributes") or []
        found = {one["key"]: _value(one.get("value") or {}) for one in listed}
    except (TypeError, AttributeError, KeyError):
        raise LineError("attributes are not those of OTLP") from None
    if len(found) < len(listed) and is_call(found):
        raise LineError("an attribute appears twice")
    return found


def _value(value: Mapping[str, Any]) -> object:
    if "intValue" in value:
        return whole(value["intValue"])
    return next((value[kind] for kind in ("stringValue", "doubleValue", "boolValue") if kind in value), None)


def instant(nanoseconds: int) -> datetime:
    """Return the time that is so many nanoseconds after 1970."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def whole(value: object) -> object:
    """Return a 64-bit number, which JSON of protobuf has as text; anything else as it is."""
    is_text = isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 21
    return int(str(value)) if is_text else value


def is_call(attributes: Mapping[str, object]) -> bool:
    """Tell whether it is a call of a model that has these attributes."""
    operation = attributes.get(_OPERATION)
    if operation is None:  # as it may be in conventions before 1.27; a provider alone also stands in spans around calls
        return any(name in attributes for name in MODELS)
    return not (isinstance(operation, str) and operation in _AROUND)


def _inference(span: Mapping[str, Any], attributes: dict[str, object], subject: Subject, query: Query) -> Found:
    if skipped := lines.left_out(attributes, query):
        return skipped
    documents.require_model({name: attributes.get(name) for name in MODELS}, subject, documents.chosen_by(query))
    start, end = (nanoseconds(span, name) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    if start > end:
        raise LineError("a span that ends before it starts")
    status = span.get("status") or {}
    code = status.get("code") if isinstance(status, Mapping) else ...
    if isinstance(code, bool) or code not in (*_FINE, *_ERROR):
        raise LineError("status is none of OTLP's")
    error = attributes.get("error.type")
    has_failed = error is not None or code in _ERROR
    fields = documents.stated(
        ts=instant(end).isoformat(),
        success=not has_failed,
        latency_ms=None if has_failed else (end - start) / 1e6,
        input_tokens=documents.first_of(attributes, _INPUT),
        output_tokens=documents.first_of(attributes, _OUTPUT),
        error=error if error not in (None, "_OTHER") else status.get("message"),
    )
    return inference(fields, subject)


def nanoseconds(span: Mapping[str, Any], name: str) -> int:
    """Return a time in nanoseconds since 1970.

    Raises:
        LineError: it is none.
    """
    value = whole(span.get(name))
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 7 * 10**18:
        return value
    raise LineError(f"{name} is not a time before 2190 in nanoseconds")
