"""What an engine answers to the same questions, wherever the tables are.

python -m tests.cluster.answers CONNECT
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any

from helixctl.engines import Query, Reduction, Subject, reduce

PLAIN = Subject("acme/m", "1.0.0")
SUBJECTS = (
    PLAIN,
    Subject("acme/m", "1.0.0", Decimal("2.5"), Decimal("10.00")),
    Subject("acme/m", "1.0.0", Decimal("0.000123")),
)
WINDOW = {"since": datetime(2026, 11, 5, tzinfo=UTC), "until": datetime(2026, 11, 20, 12, tzinfo=UTC)}
MAP = {"latency_ms": "latency_ms / 2", "success": "success", "ts": "ts", "input_tokens": "output_tokens"}
QUESTIONS: tuple[tuple[Subject, str, dict[str, Any]], ...] = (
    *((subject, "inferences", {}) for subject in SUBJECTS),
    (PLAIN, "inferences", WINDOW),
    (PLAIN, "inferences", {"where": (("region", "eu"),)}),
    (PLAIN, "inferences", {"columns": MAP}),
    (PLAIN, "odd", {}),
    (PLAIN, "texts", {}),
    (PLAIN, "texts", {"where": (("model", "other"),)}),
    (PLAIN, "texts", {"where": (("tags", "it's"),)}),
)


def told(found: Reduction) -> list[Any]:
    """Return what must be equal: the table's digest, what was left out, and how often what was wrong."""
    faults = sorted((bad.why.partition(": ")[0], bad.rows) for bad in found.malformed if not bad.mismatched)
    counted = [(why, sum(rows for _, rows in many)) for why, many in groupby(faults, key=lambda one: one[0])]
    left_out = found.skipped + found.mismatched_count  # a table holds many versions, a file one
    return [found.stats.digest(), left_out, found.malformed_count - found.mismatched_count, *map(list, counted)]


def answers(connect: str) -> list[list[Any]]:
    """Return the answer to each question."""
    return [
        told(reduce([], subject, Query(connect=connect, table=table, **asked))) for subject, table, asked in QUESTIONS
    ]


if __name__ == "__main__":  # in an application that has a session of its own, which stays
    from pyspark.sql import SparkSession

    session = SparkSession.builder.master(sys.argv[1]).getOrCreate()
    found = answers(sys.argv[1])
    assert session.range(5).count() == 5
    print(json.dumps(found))
