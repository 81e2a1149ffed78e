"""One answer on every cluster, and what Prometheus counted; `tests/cluster/run` starts what this needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from helixctl.core.judge import Thresholds, judge
from helixctl.core.stats import Inference, Stats, StatsBuilder
from helixctl.engines import Query, Source, Subject, duckdb, python, reduce
from helixctl.errors import Usage
from tests.cluster.answers import QUESTIONS, WINDOW, answers, told
from tests.cluster.data import BOUNDS, HOURS, METRIC, START, requests

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]
TABLES = ("inferences", "odd", "texts")
SPARK = """
import sys
from pyspark.sql import SparkSession
session = SparkSession.builder.master(sys.argv[1]).config("spark.sql.session.timeZone", "UTC").getOrCreate()
for name in sys.argv[3:]:
    session.read.parquet(f"{sys.argv[2]}/{name}.parquet").repartition(4).write.mode("overwrite").saveAsTable(name)
"""


def given(name: str) -> str:
    """Return where something is that the script has started."""
    value = os.environ.get(f"CLUSTER_{name}")
    if not value:
        pytest.skip("run tests/cluster/run, which installs and starts Spark, ClickHouse and Prometheus")
    return value


@pytest.fixture(scope="session")
def folder() -> Path:
    return Path(given("DATA"))


@pytest.fixture(scope="session")
def expected(folder: Path) -> list[list[Any]]:
    """What DuckDB answers from the same rows in files; of what is as JSON lines, Python answers too."""
    found = []
    for subject, table, asked in QUESTIONS:
        local = duckdb.reduce([Source(str(folder / f"{table}.parquet"))], subject, Query(**asked))
        found.append(told(local))
        if table == "inferences":
            lines = python.reduce(
                [Source(str(folder / "lines.jsonl"))], subject, Query("json" if "columns" in asked else None, **asked)
            )
            assert lines.stats.digest() == local.stats.digest()
    return found


def test_duckdb_by_ibis_answers_the_same(folder: Path, expected: list[list[Any]]) -> None:
    assert answers(f"duckdb://{folder}/local.duckdb") == expected


def test_clickhouse_answers_the_same(folder: Path, expected: list[list[Any]]) -> None:
    address = given("CLICKHOUSE")
    for name in TABLES:
        made = f"CREATE OR REPLACE TABLE {name} ENGINE = MergeTree ORDER BY tuple() AS SELECT * FROM file('{folder}/{name}.parquet')"
        urlopen(f"http://{address}/", made.encode(), timeout=60).read()
    assert answers(f"clickhouse://{address}/default") == expected


def test_two_workers_of_spark_answer_the_same(folder: Path, expected: list[list[Any]]) -> None:
    master = given("SPARK")
    ran = subprocess.run([sys.executable, "-c", SPARK, master, str(folder), *TABLES], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    ran = subprocess.run([sys.executable, "-m", "tests.cluster.answers", master], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert json.loads(ran.stdout) == json.loads(json.dumps(expected))


def counted(since: timedelta, until: timedelta, **more: Any) -> Any:
    query = Query(connect=given("PROMETHEUS"), table=METRIC, since=START + since, until=START + until, **more)
    return reduce([], Subject("acme/m", "1.0.0"), query)


def exact(since: timedelta, until: timedelta) -> Stats:
    builder = StatsBuilder("acme/m", "1.0.0")
    for one in requests():
        if START + since < one["at"] <= START + until:
            has_failed = one["error"] is not None
            latency = None if has_failed else -int(-one["latency_ms"] // 1)
            error = "timeout" if has_failed else "other"
            builder.add(Inference(one["at"], "", not has_failed, latency, None, None, None, None, error), None)
    return builder.build()


SPANS = ((0, HOURS), (0, 4), (4, 20), (15, 16), (14, 15.5))


@pytest.mark.parametrize(("since", "until"), SPANS)
def test_prometheus_counts_every_request_and_failure_across_a_restart(since: float, until: float) -> None:
    span = timedelta(hours=since), timedelta(hours=until)
    found, true = counted(*span), exact(*span)
    one, other = found.stats.totals(), true.totals()
    assert (one.requests, one.failures, one.errors) == (other.requests, other.failures, other.errors)
    for bound in BOUNDS:
        below = [sum(many for value, many in each.latencies if value <= bound * 1000) for each in (one, other)]
        assert below[0] == below[1], bound
    assert found.stats.windows() == true.windows()


def test_increase_and_histogram_quantile_say_something_else() -> None:
    given("PROMETHEUS")
    at = {"time": str((START + timedelta(hours=HOURS)).timestamp())}

    def asked(promql: str) -> float:
        url = f"{given('PROMETHEUS')}/api/v1/query?{urlencode({'query': promql, **at})}"
        return float(json.load(urlopen(url, timeout=60))["data"]["result"][0]["value"][1])

    true = exact(timedelta(0), timedelta(hours=HOURS)).totals()
    failures = asked(f'sum(increase({METRIC}_count{{error_type="timeout"}}[{HOURS}h]))')
    p95 = 1000 * asked(f"histogram_quantile(0.95, sum by (le) (increase({METRIC}_bucket[{HOURS}h])))")
    exact_p95 = judge(exact(timedelta(0), timedelta(hours=HOURS)), Thresholds()).metrics["p95_latency_ms"]
    assert abs(failures - true.failures) > 0.5
    assert abs(p95 / float(exact_p95) - 1) > 0.05


@pytest.mark.parametrize(
    ("limit", "verdict"), [(2560, "failed"), (5120, "passed"), (3000, "inconclusive"), (4500, "inconclusive")]
)
def test_a_limit_between_two_bucket_bounds_is_inconclusive_and_says_which_to_add(limit: int, verdict: str) -> None:
    found = counted(timedelta(0), timedelta(hours=HOURS))
    told = judge(found.stats, Thresholds(max_latency_ms=limit, min_confidence=0), None, found.best)
    assert told.verdict == verdict
    assert ("add a bucket bound at" in " ".join(told.recommendations)) is (verdict == "inconclusive")


def test_no_series_is_no_data_and_nan_is_nothing_known() -> None:
    empty = counted(timedelta(0), timedelta(hours=1), where=(("gen_ai_request_model", "nobody"),))
    assert empty.stats == Stats()
    assert "nothing counted" in empty.notes[0]
    query = Query(
        connect=given("PROMETHEUS"),
        table="broken_seconds",
        since=START - timedelta(hours=1),
        until=START + timedelta(hours=1),
    )
    broken = reduce([], Subject("acme/m", "1.0.0"), query)
    assert (broken.stats, "NaN" in broken.notes[0]) == (Stats(), True)


def test_what_prometheus_does_not_take_is_asked_wrongly() -> None:
    with pytest.raises(Usage, match="does not take the query"):
        counted(timedelta(0), timedelta(hours=1), where=(("a.b", "x"),))


def test_series_of_another_model_are_left_out() -> None:
    query = Query(connect=given("PROMETHEUS"), table=METRIC, since=START, until=START + timedelta(hours=HOURS))
    found = reduce([], Subject("acme/other", "1.0.0"), query)
    assert (found.malformed_count, found.skipped, found.stats) == (0, 2, Stats())


@pytest.fixture
def helixctl(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "helixctl", *args], cwd=tmp_path, capture_output=True, text=True)

    run("init", ".")
    run("register", "acme/m@1.0.0", "--provider", "acme")
    return run


def test_the_command_line_answers_from_each_and_keeps_evidence(helixctl: Any, folder: Path) -> None:
    asked = {
        "spark": ("--connect", given("SPARK"), "--table", "inferences"),
        "clickhouse": ("--connect", f"clickhouse://{given('CLICKHOUSE')}/default", "--table", "inferences"),
        "duckdb": ("--connect", f"duckdb://{folder}/local.duckdb", "--table", "inferences"),
    }
    window = ("--since", f"{WINDOW['since']:%Y-%m-%d}", "--until", "2026-11-20T12:00:00Z")
    for options in asked.values():
        ran = helixctl("evaluate", "acme/m@1.0.0", *options, *window, "-o", "json")
        assert ran.returncode == 3, ran.stderr
    since = (
        "--since",
        f"{START:%Y-%m-%dT%H:%M:%SZ}",
        "--until",
        f"{START + timedelta(hours=HOURS):%Y-%m-%dT%H:%M:%SZ}",
    )
    ran = helixctl(
        "evaluate", "acme/m@1.0.0", "--connect", given("PROMETHEUS"), "--table", METRIC, *since, "-o", "json"
    )
    assert ran.returncode == 7, ran.stderr or ran.stdout
    again = helixctl("evaluate", "acme/m@1.0.0", "--recheck", "-o", "json")
    assert (again.returncode, json.loads(again.stdout)["agrees"]) == (0, True)
    entries = json.loads(helixctl("audit", "log", "-o", "json").stdout)["entries"]
    digests = [one["data"]["stats"] for one in entries if one["action"].startswith("evaluation.")]
    assert len(digests) == 4
    assert len(set(digests)) == 2


def test_a_spark_that_is_away_is_refused_without_what_java_would_say(helixctl: Any) -> None:
    given("SPARK")
    ran = helixctl("evaluate", "acme/m@1.0.0", "--connect", "spark://127.0.0.1:9", "--table", "inferences")
    assert (ran.returncode, ran.stdout) == (8, "")
    assert "error[HX801]: cannot reach spark://127.0.0.1:9: Py4JJavaError\n" in ran.stderr
    assert "\tat " not in ran.stderr
