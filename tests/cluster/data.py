"""What the services are filled with: the same inferences as lines, as a table, and as Prometheus would have counted them.

python -m tests.cluster.data FOLDER
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.engines.test_duckdb import made

METRIC = "gen_ai_client_operation_duration_seconds"
BOUNDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
START = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOURS = 26
RESTART = START + timedelta(hours=15, minutes=7)
ODD = (
    *(
        "(true, 5.0::DOUBLE, 1.0::DOUBLE, 0.1::DOUBLE, 0.9::DOUBLE)",
        "(true, NULL, 1.0, 0.1, 0.9)",
        "(NULL, 5.0, 1.0, 0.1, 0.9)",
    ),
    *("(true, -1.0, 1.0, 0.1, 0.9)", "(true, 'nan', 1.0, 0.1, 0.9)", "(true, 'inf', 1.0, 0.1, 0.9)"),
    *("(true, '-inf', 1.0, 0.1, 0.9)", "(false, NULL, 1.7, 0.1, 0.9)", "(true, 1e13, 1.0, 0.1, 0.9)"),
    *("(true, 1e300, 1.0, 0.1, 0.9)", "(true, 5.0, 'nan', 0.1, 0.9)", "(true, 5.0, 1e300, 0.1, 0.9)"),
    *("(true, 5.0, 1e12, 999999.5, 0.0000005)", "(true, 5.0, 1e12, 1000000.0, 1.0)", "(true, 0.0, 3.0, 5e-10, 0.5)"),
    *("(true, 5.0, 1.0, 'inf', 0.9)", "(true, 5.0, 1.0, -0.1, 0.9)", "(true, 5.0, 1.0, 0.1, 1.1)"),
    "(true, 5.0, 1.0, 0.1, 'nan')",
)
TEXTS = {
    "ts": (
        *("2026-11-22T10:15:00Z", "2026-11-22T10:15:00.123Z", "2026-11-22T10:15:00+01:00", "2026-11-22 10:15:00-05:30"),
        *("2026-11-22T24:00:00Z", "2026-11-22T10:15:60Z", "2026-11-22T10:15:00", "2026-11-22T10:15:00.123456Z"),
        *("1999-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2199-12-31T23:59:59-01:00", "2000-01-01T00:30:00+01:00"),
        *("2026-02-30T10:00:00Z", "2026-11-22", "soon", "", None),
    ),
    "error": (
        *(
            "HTTP 429",
            "é429é",
            "429é",
            "x429",
            "ein Fehler 503",
            "TIMEOUT",
            "Rate  Limit",
            "500",
            "a'b\\c",
            None,
            "\n404\n",
        ),
        "é" * 499 + "timeout",
    ),
    "region": ("eu", "eu-west.1", "e u", "", "x" * 65, "eu\n", "é", None),
    "model": ("acme/m", "other", "acme/m\n", None),
}


def write(folder: Path) -> None:
    """Write every file: the lines, Parquet of three tables, and the samples of Prometheus."""
    import duckdb

    rows = made(random.Random(11), 4000)
    (folder / "lines.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    types = "ts: 'TIMESTAMPTZ', region: 'VARCHAR', success: 'BOOLEAN', latency_ms: 'DOUBLE', input_tokens: 'BIGINT',"
    types += "output_tokens: 'BIGINT', cost: 'DOUBLE', confidence: 'DOUBLE', error: 'VARCHAR'"
    numbers = ", ".join(
        f"CAST({name} AS DOUBLE) AS {name}" for name in ("latency_ms", "input_tokens", "cost", "confidence")
    )
    texts = [
        {"ts": "2026-11-22T10:15:00Z", "model": "acme/m", "region": "eu", "error": None, name: text}
        for name, many in TEXTS.items()
        for text in many
    ]
    (folder / "texts.json").write_text(json.dumps(texts))
    tables = {
        "inferences": f"SELECT * FROM read_json('{folder}/lines.jsonl', columns = {{{types}}})",
        "odd": f"SELECT success, {numbers} FROM (VALUES {', '.join(ODD)}) t(success, latency_ms, input_tokens, cost, confidence)",
        "texts": "SELECT ts, model, region, error, error IS NULL AS success, CAST(7.5 AS DOUBLE) AS latency_ms, "
        "CASE WHEN region = 'eu' THEN ['blue', 'it''s'] ELSE ['green'] END AS tags FROM "
        f"read_json('{folder}/texts.json', columns = {{ts: 'VARCHAR', model: 'VARCHAR', region: 'VARCHAR', error: 'VARCHAR'}})",
    }
    with duckdb.connect(str(folder / "local.duckdb")) as base:
        base.execute("SET TimeZone = 'UTC'")
        for name, sql in tables.items():
            base.execute(f"CREATE TABLE {name} AS {sql}")
            base.execute(f"COPY {name} TO '{folder}/{name}.parquet' (FORMAT parquet)")
    (folder / "samples.txt").write_text("".join(f"{line}\n" for line in samples()))


def requests() -> list[dict[str, Any]]:
    """Return what a service that Prometheus watched has done, by time."""
    order = random.Random(5)
    found = []
    for _ in range(6000):
        at = START + timedelta(seconds=order.uniform(0, HOURS * 3600))
        has_failed = order.random() < 0.01 and at > START + timedelta(hours=5)
        found.append(
            {"at": at, "latency_ms": order.lognormvariate(6.5, 0.9), "error": "timeout" if has_failed else None}
        )
    return sorted(found, key=lambda one: one["at"])


def samples() -> Iterator[str]:
    """Yield OpenMetrics: what was scraped each minute of a process that began again once."""
    yield f"# TYPE {METRIC} histogram"
    begun = {None: [0] * (len(BOUNDS) + 1)}
    left, at, is_restarted = requests(), START - timedelta(minutes=2), False
    while at <= START + timedelta(hours=HOURS):
        at += timedelta(minutes=1)
        while left and left[0]["at"] <= at:
            one = left.pop(0)
            if one["at"] > RESTART and not is_restarted:
                begun, is_restarted = {None: [0] * (len(BOUNDS) + 1)}, True
            counts = begun.setdefault(one["error"], [0] * (len(BOUNDS) + 1))
            counts[sum(bound * 1000 < one["latency_ms"] for bound in BOUNDS)] += 1
        for error, counts in begun.items():
            labels = 'gen_ai_request_model="m"' + (f',error_type="{error}"' if error else "")
            for place, bound in enumerate((*BOUNDS, "+Inf")):
                yield f'{METRIC}_bucket{{{labels},le="{bound}"}} {sum(counts[: place + 1])} {at.timestamp():.0f}'
            yield f"{METRIC}_count{{{labels}}} {sum(counts)} {at.timestamp():.0f}"
            yield f"{METRIC}_sum{{{labels}}} 0 {at.timestamp():.0f}"
    yield "# TYPE broken_seconds histogram"
    yield f'broken_seconds_bucket{{gen_ai_request_model="m",le="+Inf"}} NaN {START.timestamp():.0f}'
    yield "# EOF"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
