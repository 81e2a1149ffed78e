"""Formats of records: a module each, that tells its own by content and reads a source of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, Protocol, cast

from helixctl.core.names import one_of
from helixctl.core.stats import Inference, Score
from helixctl.engines import Query, Reduction, Subject, judged
from helixctl.engines.compression import FIRST as FIRST
from helixctl.errors import Usage

READERS: Mapping[str, str] = MappingProxyType(
    {
        name: f"helixctl.engines.readers.{module}"
        for name, module in {
            "native": "native",
            "parquet": "parquet",
            "otlp": "otlp",
            "otel-metrics": "otel_metrics",
            "litellm": "litellm",
            "langfuse": "langfuse",
            "openai-batch": "openai_batch",
            "promptfoo": "promptfoo",
            "inspect": "inspect_ai",
            "lm-eval": "lm_eval",
            "dataset": "dataset",
            "json": "table",
            "csv": "table",
        }.items()
    }
)
"""Format -> module, imported when asked for; each is a Reader. They are tried in this order."""


_TOKENS = ("prompt_tokens", "completion_tokens", "total_tokens")
JUDGED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "otlp": ("error.type", "gen_ai.usage"),
        "otel-metrics": ("error.type",),
        "litellm": ("status", "metadata.status", "error_information", "error_str", "response_cost", "spend", *_TOKENS),
        "langfuse": ("level", "status_message", "statusMessage", "latency", "usage_details", "usageDetails"),
        "openai-batch": ("response.status_code", "response.body.status", "response.body.error", "response.body.usage"),
        "promptfoo": ("failureReason", "latencyMs", "response", "score", "namedScores", "gradingResult"),
        "inspect": ("output", "total_time", "model_usage", "scores"),
        "dataset": ("output",),
        "prometheus": ("error_type", "le"),
    }
)
"""Format, or prometheus -> what of a record says how its request fared, besides fields that are called as those of an inference."""


class LineError(ValueError):
    """A record that is no inference; the text says why, without anything of its content."""


class MismatchError(LineError):
    """A record that names another model or version."""


class RestError(LineError):
    """A source of which nothing is read from some record on: how many are missing, nobody knows."""


class Skipped(NamedTuple):
    """A record that is left out: by the query's `where`, then it has these fields, or for another reason."""

    fields: frozenset[str] = frozenset()


Found = Inference | Score | Skipped | Reduction | LineError
"""What a reader makes of one record, or of many that only count; errors are given, not raised, so that reading goes on."""


class Reader(Protocol):
    """A format: a module with these two functions."""

    def matches(self, head: bytes) -> bool:
        """Tell whether a source that begins with these (at most FIRST) bytes is of this format."""

    def read(self, stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
        """Yield each record with its line, or its place in the document, counted from 1."""


def refuse_judged(name: str, query: Query) -> None:
    """Refuse to choose the requests of a format by how they fared.

    Raises:
        Usage: the query does.
    """
    for field, _ in query.where:
        if any(f"{field}.".startswith(f"{one}.") for one in JUDGED.get(name, ())):
            raise judged(field)


def reader(name: str) -> Reader:
    """Return the reader of that format.

    Raises:
        Usage: there is none.
    """
    return cast(Reader, import_module(READERS[one_of("record format", name, READERS)]))


def detected(head: bytes, query: Query) -> str:
    """Return the format that the first bytes of a source are of.

    Raises:
        Usage: none that is known.
    """
    if query.columns:
        if head.startswith(b"PAR1"):
            return "parquet"
        return "json" if head.lstrip()[:1] in (b"{", b"[") else "csv"
    if not head.strip():
        return "native"
    for name in READERS:
        if reader(name).matches(head):
            return name
    if b'"success"' in head:
        return "native"
    first = "JSON lines" if head.lstrip().startswith(b"{") else "a table"
    raise Usage(
        f"the content is of no known format, perhaps {first} of another layout",
        hint="name it with --format, or map its columns: --map latency_ms='seconds * 1000' --map success='status == ok'",
    )
