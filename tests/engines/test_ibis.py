"""Tables on a cluster, as far as DuckDB stands in for one: the same answer as from files, and what is refused."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest

from helixctl.engines import Query, Source, Subject, duckdb, engine, reduce, secretless
from helixctl.engines.ibis import TREES
from helixctl.engines.sql import grouped, reading
from helixctl.errors import HelixError, NotFound, StorageRefused, Usage
from tests.cluster import data
from tests.cluster.answers import QUESTIONS, answers, told

pytest.importorskip("ibis")
SUBJECT = Subject("acme/m", "1.0.0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    data.write(folder)
    return folder


def test_a_table_gives_the_same_to_the_byte_as_the_file_it_was_made_of(folder: Path) -> None:
    local = [
        told(duckdb.reduce([Source(str(folder / f"{table}.parquet"))], subject, Query(**asked)))
        for subject, table, asked in QUESTIONS
    ]
    assert answers(f"duckdb://{folder}/local.duckdb") == local
    assert len({answer[0] for answer in local}) == len(local)


def test_rows_that_are_malformed_are_told_by_what_is_wrong_and_when(folder: Path) -> None:
    found = reduce([], SUBJECT, Query(connect=f"duckdb://{folder}/local.duckdb", table="texts"))
    assert [str(bad) for bad in found.malformed] == [
        "texts: ts is not an RFC 3339 time with a zone, from 2000 to 2199: 11 rows",
        "texts: region is not a name of letters, digits, '.', '_' and '-': 5 rows, of 2026-11-22T10:15:00Z",
    ]
    assert (found.malformed_count, found.mismatched_count, found.skipped) == (16, 0, 2)
    assert sum(bad.rows for bad in found.malformed) == 16


REFUSED: dict[str, tuple[dict[str, Any], type[HelixError], str]] = {
    "no table": ({"connect": "duckdb://{}/local.duckdb"}, Usage, "reads one table of a cluster"),
    "half a name": ({"connect": "duckdb://{}/local.duckdb", "table": "main."}, Usage, "reads one table of a cluster"),
    "a missing file": ({"connect": "duckdb://{}/other.duckdb", "table": "odd"}, NotFound, "no file"),
    "a missing table": ({"connect": "duckdb://{}/local.duckdb", "table": "nope"}, NotFound, "no table 'nope'"),
    "a missing column": (
        {
            "connect": "duckdb://{}/local.duckdb",
            "table": "odd",
            "columns": {"success": "success", "latency_ms": "took"},
        },
        Usage,
        "no column 'took'",
    ),
    "a missing filter": (
        {"connect": "duckdb://{}/local.duckdb", "table": "odd", "where": (("zone", "5"),)},
        Usage,
        "no column 'zone'",
    ),
    "what is no database": (
        {"connect": "duckdb://{}/lines.jsonl", "table": "odd"},
        StorageRefused,
        "cannot reach duckdb",
    ),
    "another kind": ({"connect": "mysql://me:secret@{}/x", "table": "odd"}, Usage, "no kind of cluster 'mysql'"),
    "a driver that is not there": ({"connect": "trino://me:secret@{}/x", "table": "odd"}, Usage, "no driver for trino"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_without_a_secret(name: str, folder: Path) -> None:
    asked, kind, fact = REFUSED[name]
    with pytest.raises(kind, match=fact) as caught:
        reduce([], SUBJECT, Query(**{**asked, "connect": asked["connect"].format(folder)}, engine="ibis"))
    assert "secret" not in f"{caught.value} {caught.value.hint}"


def test_the_hint_names_the_columns_that_there_are(folder: Path) -> None:
    with pytest.raises(Usage) as caught:
        reduce([], SUBJECT, Query(connect=f"duckdb://{folder}/local.duckdb", table="odd", where=(("zone", "5"),)))
    assert "'latency_ms', 'input_tokens'" in str(caught.value.hint)


def test_a_query_that_fails_on_the_way_says_no_more_than_its_kind(folder: Path) -> None:
    import duckdb as library

    path = folder / "view.duckdb"
    with library.connect(str(path)) as base:
        base.execute(
            "CREATE VIEW odd AS SELECT CAST(s AS INTEGER) AS latency_ms, true AS success FROM (VALUES ('private')) t(s)"
        )
    with pytest.raises(StorageRefused, match="refused the query: ConversionException") as caught:
        reduce([], SUBJECT, Query(connect=f"duckdb://{path}", table="odd"))
    assert "private" not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.mark.parametrize("path", sorted({path for paths in TREES.values() for path in paths}))
def test_what_a_driver_raises_goes_by_that_name(path: str) -> None:
    module, _, name = path.rpartition(".")
    found = pytest.importorskip(module)
    assert issubclass(getattr(found, name), Exception)


def test_files_beside_a_table_are_refused(folder: Path) -> None:
    with pytest.raises(Usage, match="reads one table"):
        reduce([Source("x")], SUBJECT, Query(connect=f"duckdb://{folder}/local.duckdb", table="odd"))


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **more: Any) -> Any:
        if name == "ibis":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.delitem(sys.modules, "ibis", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Usage, match="not installed") as caught:
        engine("ibis")([], SUBJECT, Query(connect="duckdb://x", table="x"))
    assert caught.value.hint == "pip install 'helixctl[ibis]'"


@pytest.mark.parametrize("name", ["pyspark", "clickhouse", "trino", "bigquery"])
def test_the_query_is_of_the_grammar_of_every_dialect(name: str) -> None:
    import sqlglot

    from helixctl.engines.ibis import DIALECTS

    kinds = {
        "ts": "text",
        "success": "bool",
        "latency_ms": "number",
        "cost": "number",
        "error": "text",
        "region": "text",
        "tags": "texts",
    }
    asked = Subject("acme/m", "1.0.0"), Query(where=(("region", "it's\\"), ("tags", "a'b"))), DIALECTS[name]
    sql = grouped(reading("t", '"t" AS t0', kinds, asked))
    grammar = {"pyspark": "spark"}.get(name, name)
    (compiled,) = sqlglot.transpile(sql, read="duckdb", write=grammar)
    assert sqlglot.transpile(compiled, read=grammar, write=grammar) == [compiled]
    assert not any(word in compiled for word in ("HUGEINT", "INT128 ", "epoch_us", "EPOCH_US", "REGEXP_MATCHES"))


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("clickhouse://me:p%40ss@db.example:8443/x?secure=1", "clickhouse://db.example:8443/x"),
        ("trino://me:p@ss?#@db/x;password=y", "trino://db/x"),
        ("spark://127.0.0.1:7077", "spark://127.0.0.1:7077"),
        ("https://prometheus.example/?token=abc", "https://prometheus.example/"),
        ("pyspark", "pyspark"),
        ("clickhouse:me:p4ss@db/x", "db"),
        ("me:p4ss@db", "db"),
        ("http:/me:p4ss@db/x", "db"),
        ("me:p4ss", "me"),
    ],
)
def test_an_address_is_named_without_user_password_and_parameters(url: str, plain: str) -> None:
    assert secretless(url) == plain
