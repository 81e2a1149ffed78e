"""The native record: one JSON object a line, read strictly, into integers.

Numbers are what IEEE 754 doubles make of them (RFC 8259, section 6), so that every engine rounds alike: latency up to
whole milliseconds, cost and confidence to nano-USD and millionths by floor(x * unit + 0.5).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from helixctl.core.columns import FIELDS
from helixctl.core.stats import Inference, error_class
from helixctl.engines import Query, Subject
from helixctl.engines.readers import FIRST, Found, LineError, MismatchError, lines

MAX_WHOLE = 10**12
MAX_COST_USD = 10**6
NANO, MILLIONTH = 10**9, 10**6
YEARS = range(2000, 2200)
_TRIED = 20
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]([01]\d|2[0-3]):\d\d:\d\d(\.\d{1,20})?([Zz]|[+-]\d\d:[0-5]\d)", re.ASCII)
_REGION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


def matches(head: bytes) -> bool:
    """Tell whether the first line that is an object has `success` and `latency_ms`; those before it are malformed."""
    rows = head.lstrip(b"\xef\xbb\xbf \t\r\n").splitlines()
    if len(rows) == 1 and len(head) >= FIRST:
        return all(name in head for name in (b'"success"', b'"latency_ms"'))
    for row in rows[:_TRIED]:
        try:
            first = lines.parse_line(row, FIELDS)
        except LineError:
            continue
        if first is not None:
            return "success" in first and ("latency_ms" in first or "failureReason" not in first)
    return False


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each line's inference with its number."""
    named = {name for name, _ in query.where}
    return lines.read(stream, query, lambda line: inference(line, subject, named), FIELDS)


def inference(
    line: Mapping[str, object], subject: Subject, chosen: Collection[str] = (), *, is_timed: bool = True
) -> Inference:
    """Read one record; unknown fields are ignored, null and absent are the same.

    Args:
        chosen: fields by which the caller chose the record, so that they may differ from the version.
        is_timed: a success needs a latency.

    Raises:
        MismatchError: it names another model or version.
        LineError: a required field is missing, or a field has a wrong type or is out of range.
    """
    get = line.get
    if "model" not in chosen and get("model", subject.model) not in (subject.model, None):
        raise MismatchError("it names another model")
    if "version" not in chosen and get("version", subject.version) not in (subject.version, None):
        raise MismatchError("it names another version")
    success = get("success")
    if success is None:
        raise LineError("success is missing")
    if success is not True and success is not False:
        raise LineError("success is not true or false")
    latency = _latency(get("latency_ms"))
    if success and latency is None and is_timed:
        raise LineError("latency_ms is missing though success is true")
    return Inference(
        _instant(get("ts")),
        _region(get("region")),
        success,
        latency if success else None,
        _whole(get("input_tokens"), "input_tokens"),
        _whole(get("output_tokens"), "output_tokens"),
        _scaled(get("cost"), "cost", MAX_COST_USD, NANO),
        _scaled(get("confidence"), "confidence", 1, MILLIONTH),
        "other" if success else error_class(get("error")),
    )


def write(one: Inference) -> bytes:
    """Write one record that reads back as the same inference, and a line feed; of an error, only its class."""
    at, region, success, latency, input_tokens, output_tokens, cost, confidence, error = one
    head = f'{{"ts":"{at.isoformat()[:-6]}Z",' if at else "{"
    fields = [f'{head}"success":{"true" if success else "false"},"latency_ms":{"null" if latency is None else latency}']
    if region:
        fields.append(f'"region":"{region}"')
    if input_tokens is not None:
        fields.append(f'"input_tokens":{input_tokens}')
    if output_tokens is not None:
        fields.append(f'"output_tokens":{output_tokens}')
    if cost is not None:
        fields.append(f'"cost":{cost // 10**9}.{cost % 10**9:09}')
    if confidence is not None:
        fields.append(f'"confidence":{confidence // 10**6}.{confidence % 10**6:06}')
    if not success:
        fields.append(f'"error":"{error}"')
    return f"{','.join(fields)}}}\n".encode()


def _latency(value: object) -> int | None:
    if value is None:
        return None
    if (type(value) is float or type(value) is int) and 0 <= value <= MAX_WHOLE:
        return math.ceil(value)
    raise LineError(f"latency_ms is not a number from 0 to {MAX_WHOLE}")


def _whole(value: object, field: str) -> int | None:
    if value is None or (type(value) is int and 0 <= value <= MAX_WHOLE):
        return value
    if type(value) is float and 0 <= value <= MAX_WHOLE and value.is_integer():
        return int(value)
    raise LineError(f"{field} is not a whole number from 0 to {MAX_WHOLE}")


def _scaled(value: object, field: str, limit: int, unit: int) -> int | None:
    if value is None:
        return None
    if (type(value) is float or type(value) is int) and 0 <= value <= limit:
        return math.floor(value * unit + 0.5)
    raise LineError(f"{field} is not a number from 0 to {limit}")


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        if type(value) is str and _INSTANT.fullmatch(value):
            at = datetime.fromisoformat(value.upper())
            at = at if at.tzinfo is UTC else at.astimezone(UTC)
            if at.year in YEARS:
                return at
    except (ValueError, OverflowError):
        pass
    raise LineError(f"ts is not an RFC 3339 time with a zone, from {YEARS[0]} to {YEARS[-1]}")


def _region(value: object) -> str:
    if value is None:
        return ""
    if type(value) is str and _REGION.fullmatch(value):
        return value
    raise LineError("region is not a name of letters, digits, '.', '_' and '-'")
