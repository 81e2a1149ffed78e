"""OpenTelemetry metrics of generative AI: told apart, and refused, as they hold no single request.

`gen_ai.client.operation.duration` counts requests by bucket, `gen_ai.client.token.usage` and its successor
`gen_ai.client.inference.tokens` give sums without their spread: neither can stand in the exact table.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from helixctl.engines import Query, Subject
from helixctl.engines.readers import Found, documents
from helixctl.errors import Usage


def matches(head: bytes) -> bool:
    """Tell it by the key of its metrics."""
    return documents.has(head, "resourceMetrics")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Refuse: a bucket holds no latencies.

    Raises:
        Usage: always.
    """
    raise Usage(
        "OpenTelemetry metrics hold no single requests, only buckets of them",
        hint="export the spans (--format otlp), or let Prometheus keep the metrics and ask it: --engine prometheus",
    )
