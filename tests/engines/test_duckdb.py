"""One answer from both engines, whatever the input."""

from __future__ import annotations

import gzip
import json
import os
import random
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest

from helixctl.engines import Query, Reduction, Source, Subject, duckdb, engine, python, reduce
from helixctl.errors import Usage

library = pytest.importorskip("duckdb")

SUBJECT = Subject("acme/m", "1.0.0")
PRICED = Subject("acme/m", "1.0.0", Decimal("2.5"), Decimal("10.00"))
HALF_PRICED = Subject("acme/m", "1.0.0", Decimal("0.000123"))
GOOD = {"ts": "2026-11-22T10:15:00.123Z", "success": True, "latency_ms": 812.5, "input_tokens": 100, "output_tokens": 7}
ODD = [
    *({"success": value} for value in (None, 1, "true", "false", [True])),
    *({"latency_ms": value} for value in (None, "5", -1, 0, -0.0, 1e12, 1e12 + 1, 1e300, True, [5], 0.1, 10.0)),
    *({"input_tokens": value} for value in (None, "5", 1.7, 10.0, 10**12, 10**13, 10**30, -1, False)),
    *({"cost": value} for value in (0, 0.0025, 5e-10, 4.99e-10, "0.1", -1, 10**6, 1e6 + 1, 0.1 + 0.2, None, 1)),
    *({"confidence": value} for value in (0, 1, 0.95, 1.01, "1", 0.0000005, None)),
    *({"model": value} for value in ("acme/m", "other", 5, None, "acme\\/m")),
    *({"version": value} for value in ("1.0.0", "2.0.0", 1.0, None)),
    *({"region": value} for value in ("eu", "", "e u", "eu-west.1", 5, None, "x" * 65)),
    *(
        {"error": value, "success": False}
        for value in (429, "HTTP 503 x", "TIMEOUT", "TİMEOUT", "429é", 429.0, {"a": 429}, None, True, "")
    ),
    *(
        {"ts": value}
        for value in (
            *(None, 5, "2026-11-22T10:15:00", "2026-11-22T10:15:00+01:00", "2026-11-22 10:15:00-05:30"),
            *("2026-11-22T24:00:00Z", "2026-11-22T10:15:60Z", "2026-11-22t10:15:00z", "2026-11-22T10:15:00+0100"),
            *(
                "2026-1-1T10:15:00.000Z",
                "2026-11-22T10:15:00.Z",
                "2026-11-22T10:15:00.1234567Z",
                "1999-12-31T23:59:59Z",
            ),
            *("2200-01-01T00:00:00Z", "2199-12-31T23:59:59-01:00", "2026-02-30T10:00:00Z", "2026-11-22T10:15:00+25:00"),
            *("2026-11-22T23:59:59.999999999Z", "2000-01-01T00:30:00+01:00", "2026-11-22T24:00:00.000Z"),
            *(f"2026-11-22T{space}0:15:00{rest}Z" for space in " \t\n\r\f\v" for rest in ("", ".123", ".123456")),
            *(
                "2026-11-22T10:15:0.Z",
                "2026-11-22T10:15:0..123Z",
                "2026-11-22T10:15:00. 23Z",
                "2026-11-22T10:15:00.1 :Z",
            ),
            *(f"2026-11-22T10:15:00{rest}+00:00" for rest in ("", ".123456", ".1234", ".12345 ")),
            *("2026-11-22T10:15:00+00:90", "2026-11-22T10:15:00+00:60"),
            *(f"{space}2026-1-22T10:15:00.123Z" for space in " \t0"),  # as long as a usual one
            *("2026-11-22T10:15:0.123Z ", "2026-1-22T10:15:00.1234Z", "20261-1-22T10:15:00.12Z"),
        )
    ),
]
BAD_LINES = [
    *(b"", b"  ", b"x", b"7", b"null", b"[1]", b'{"success":true', b'{"success":true,"latency_ms":NaN}', b"\xff"),
    *(b'{"success":true,"latency_ms":1,"latency_ms":2}', b'{"success":true,"latency_ms":01}', b"{'success':true}"),
    b'{"success":true,"latency_ms":1,"x":2,"x":3}',
    b'{"succe\\u0073s":true,"latency_ms":2}',
    b'{"success":true,"latency_ms":2}{"success":true,"latency_ms":3}',
    b'{"success":true,"latency_ms":1e400}',
    *(b'{"success":false,"error":%s}' % sign for sign in (b"NaN", b"-Infinity", b"nan")),
]


def same(path: Path, subject: Subject = SUBJECT, query: Query = Query("native")) -> Any:  # noqa: B008 - a value
    one, other = (module.reduce([Source(str(path))], subject, query) for module in (python, duckdb))
    assert one.stats.digest() == other.stats.digest()
    assert known(one, query) == known(other, query)
    return one


def known(found: Reduction, query: Query) -> Reduction:
    """Return it with just the fields that the query chooses by: only the python engine names all others."""
    return found._replace(fields=found.fields & {name for name, _ in query.where})


@pytest.mark.parametrize("subject", [SUBJECT, PRICED, HALF_PRICED])
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_one_odd_record_gives_the_same_from_both(tmp_path: Path, odd: dict[str, Any], subject: Subject) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD | odd)}\n")
    same(path, subject)


@pytest.mark.parametrize("name", ["4", "4.0", "1e2", "true", "null"])
@pytest.mark.parametrize("value", [4, 4.0, 100.0, True, None, "4", "4.0", "1e2", "true", "null", [4]])
@pytest.mark.parametrize("where", [False, True])
def test_a_name_that_reads_as_another_kind_of_json_gives_the_same_from_both(
    tmp_path: Path, name: str, value: object, *, where: bool
) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text(json.dumps(GOOD | {"model": value}) + "\n")
    query = Query("native", where=(("model", name),) if where else ())
    for subject in (Subject(name, "1.0.0"), SUBJECT):
        same(path, subject, query)


def test_a_list_is_no_model_to_either(tmp_path: Path) -> None:
    path = tmp_path / "few.jsonl"
    path.write_text("".join(json.dumps(GOOD | {"model": value}) + "\n" for value in (["m"], "m", {"a": 1})))
    for text in ("m", '["m"]', '{"a":1}', ""):
        same(path, SUBJECT, Query("native", where=(("model", text),)))


@pytest.mark.parametrize("records", [[{}], [{"region": None}], [{}, {"region": "eu"}], [{"region": ["us"]}]], ids=str)
def test_a_filter_that_nothing_passes_tells_by_duckdb_itself_whether_there_is_such_a_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[dict[str, object]]
) -> None:
    path, query = tmp_path / "few.jsonl", Query("native", where=(("region", "us"), ("version", "2.0.0")))
    path.write_text("".join(json.dumps(GOOD | record) + "\n" for record in records))
    expected = python.reduce([Source(str(path))], SUBJECT, query)
    monkeypatch.delattr(python, "reduce")
    found = duckdb.reduce([Source(str(path))], SUBJECT, query)
    assert found.fields
    assert known(found, query) == known(expected, query)


@pytest.mark.parametrize("query", [Query("native"), Query("native", where=(("region", "eu"),))])
def test_sound_records_are_reduced_by_duckdb_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    path = tmp_path / "in.jsonl"
    forms = ("10:15:00Z", "10:15:00.123Z", "10:15:00.123456Z", "10:15:00+01:00", "10:15:00.1Z")
    rows = [GOOD | {"ts": f"2026-11-22T{form}", "region": region} for form in forms for region in ("eu", None)]
    path.write_text("".join(json.dumps(row | {"error": "x"}) + "\n" for row in rows))
    expected = python.reduce([Source(str(path))], SUBJECT, query)
    monkeypatch.setattr(python, "reduce", None)
    assert duckdb.reduce([Source(str(path))], SUBJECT, query) == expected


@pytest.mark.parametrize("form", ["2026-11-22T10:15:00Z", "2026-11-22T10:15:00.123Z", "2026-11-22T10:15:00+01:00"])
def test_a_time_with_one_sign_changed_gives_the_same_from_both(tmp_path: Path, form: str) -> None:
    texts = {form[:at] + sign + form[at + 1 :] for at in range(len(form)) for sign in "0259 -+:.TZzt'_%٣"}
    texts |= {form[:at] + form[at + 1 :] for at in range(len(form))} | {form + sign for sign in "0 Z"}
    for number, text in enumerate(sorted(texts)):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(json.dumps(GOOD | {"ts": text}) + "\n")
    for number in range(len(texts)):
        same(tmp_path / f"{number}.jsonl")


def test_squares_beyond_64_bits_are_exact(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    rows = [GOOD | {"input_tokens": 10**12, "cost": 999_999.5}, GOOD | {"input_tokens": 3}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert same(path).stats.totals().measures["input_tokens"].squares == 10**24 + 9


@pytest.mark.parametrize("raw", BAD_LINES)
def test_a_bad_line_gives_the_same_from_both(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b"\n" + raw + b"\n" + json.dumps(GOOD).encode())
    same(path)


def made(order: random.Random, size: int) -> list[dict[str, Any]]:
    rows = []
    for _ in range(size):
        row: dict[str, Any] = {"success": order.random() > 0.1, "latency_ms": round(order.lognormvariate(6, 1), 3)}
        row["ts"] = f"2026-11-{order.randint(1, 28):02}T{order.randint(0, 23):02}:00:00.{order.randint(0, 999999):06}Z"
        row |= {"region": order.choice(["eu", "us"])} if order.random() < 0.5 else {}
        row |= {"input_tokens": order.randint(0, 9000)} if order.random() < 0.9 else {}
        row |= {"output_tokens": order.randint(0, 900)} if order.random() < 0.9 else {}
        row |= {"cost": order.random() / 50} if order.random() < 0.5 else {}
        row |= {"confidence": order.random()} if order.random() < 0.9 else {}
        row |= {"error": order.choice(["timeout", "HTTP 429", "HTTP 400", "what"])} if not row["success"] else {}
        rows.append(row)
    return rows


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("subject", [SUBJECT, PRICED, HALF_PRICED])
def test_many_records_give_the_same_to_the_byte(tmp_path: Path, seed: int, subject: Subject) -> None:
    path = tmp_path / "in.jsonl.gz"
    rows = made(random.Random(seed), 3000)
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    bounds = Query(since=datetime(2026, 11, 5, tzinfo=UTC), until=datetime(2026, 11, 20, 12, tzinfo=UTC))
    assert same(path, subject).stats.totals().requests == 3000
    assert 0 < same(path, subject, bounds).skipped < 3000
    assert same(path, subject, Query(where=(("region", "eu"),))).skipped > 0


def test_a_cut_archive_is_told_by_both_alike(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl.gz"
    packed = gzip.compress((json.dumps(GOOD) + "\n").encode() * 999)
    for raw in (packed[:-9], packed[:-1], packed[:-6] + b"\0\0" + packed[-4:], packed[:12]):
        path.write_bytes(raw)
        assert same(path).malformed_count


@pytest.mark.parametrize("folder", ["success=true", "latency_ms=5", "version=1.0.0", "a[1]*", "~"])
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_no_folder_says_anything_of_the_records_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, form: str
) -> None:
    row = GOOD | {"success": False, "version": "1.0.0"}
    plain, odd = tmp_path / f"in.{form}", tmp_path / folder / f"in.{form}"
    odd.parent.mkdir()
    (tmp_path / "in.jsonl").write_text(json.dumps(row) + "\n")
    if form == "parquet":
        library.sql(f"COPY (SELECT * FROM '{tmp_path}/in.jsonl') TO '{plain}'")
    odd.write_bytes(plain.read_bytes())
    monkeypatch.chdir(tmp_path)
    for path in (odd, odd.relative_to(tmp_path)):
        assert duckdb.reduce([Source(str(path))], SUBJECT) == duckdb.reduce([Source(str(plain))], SUBJECT)
        assert duckdb.reduce([Source(str(path))], SUBJECT).stats.totals().failures == 1


def test_a_pipe_is_read_once_and_whole(tmp_path: Path) -> None:
    pipe, path = tmp_path / "pipe", tmp_path / "in.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n" * 999)
    os.mkfifo(pipe)
    with Popen(["sh", "-c", "cat in.jsonl > pipe"], cwd=tmp_path):
        assert duckdb.reduce([Source(str(pipe))], SUBJECT).stats.totals().requests == 999


@pytest.mark.parametrize("region", ["e u", "", 5, "x" * 65])
@pytest.mark.parametrize("where", [(), (("region", "eu"),), (("version", "1.0.0"),)])
def test_a_record_beyond_the_time_range_has_to_be_sound_too(tmp_path: Path, region: object, where: Any) -> None:
    path = tmp_path / "in.jsonl"
    early = GOOD | {"ts": "2026-11-21T10:15:00Z", "region": region, "version": "1.0.0"}
    path.write_text("".join(json.dumps(row) + "\n" for row in (early, GOOD | {"region": "eu", "version": "1.0.0"})))
    same(path, SUBJECT, Query("native", since=datetime(2026, 11, 22, tzinfo=UTC), where=where))


@pytest.mark.parametrize("shift", range(4))
def test_what_duckdb_says_of_a_line_may_be_cut_within_a_character(tmp_path: Path, shift: int) -> None:
    path = tmp_path / "in.jsonl"
    row = (
        f'{{"user":"{"x" * shift}{"日本語" * 30}","success":true,"latency_ms":812.5,"confidence":0.9,"latency_ms":5}}\n'
    )
    path.write_text(row)
    assert same(path).malformed_count == 1


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in made(random.Random(1), 2000)))
    types = "ts: 'TIMESTAMPTZ', region: 'VARCHAR', success: 'BOOLEAN', latency_ms: 'DOUBLE', input_tokens: 'BIGINT',"
    types += "output_tokens: 'BIGINT', cost: 'DOUBLE', confidence: 'DOUBLE', error: 'VARCHAR'"
    made_by = (
        f"COPY (SELECT * FROM read_json('{path}', columns = {{{types}}})) TO '{tmp_path}/in.parquet' (FORMAT parquet)"
    )
    library.sql(made_by)
    return path


@pytest.mark.parametrize("subject", [SUBJECT, PRICED])
def test_parquet_gives_the_same_as_the_lines_it_was_made_from(table: Path, subject: Subject) -> None:
    lines = python.reduce([Source(str(table))], subject)
    assert duckdb.reduce([Source(str(table.with_suffix(".parquet")))], subject) == lines


@pytest.mark.parametrize("kind", ["TIMESTAMPTZ", "TIMESTAMP"])
@pytest.mark.parametrize("sign", ["", "-"])
def test_a_time_without_end_is_no_time(tmp_path: Path, kind: str, sign: str) -> None:
    path = tmp_path / "in.parquet"
    times = f"('{sign}infinity'::{kind}), (NULL), ('2026-11-22T10:15:00'::{kind})"
    library.sql(f"COPY (SELECT ts, true AS success, 5.0 AS latency_ms FROM (VALUES {times}) t(ts)) TO '{path}'")
    columns = {"ts": "ts utc"} if kind == "TIMESTAMP" else {"ts": "ts"}
    asked = Query(columns=columns | {"success": "success", "latency_ms": "latency_ms"})
    found = duckdb.reduce([Source(str(path))], SUBJECT, asked)
    assert (found.malformed_count, found.stats.totals().requests) == (1, 2)


def test_parquet_is_told_by_its_content(table: Path) -> None:
    other = table.with_name("IN.PARQUET.old")
    other.write_bytes(table.with_suffix(".parquet").read_bytes())
    assert reduce([Source(str(other))], SUBJECT) == duckdb.reduce([Source(str(table))], SUBJECT)


def test_parquet_is_read_by_a_column_map(table: Path) -> None:
    columns = {"success": "success", "ts": "ts", "input_tokens": "output_tokens"}
    for given in (columns | {"latency_ms": "latency_ms / 2"}, columns):
        lines = python.reduce([Source(str(table))], SUBJECT, Query("json", given))
        found = duckdb.reduce([Source(str(table.with_suffix(".parquet")))], SUBJECT, Query(columns=given))
        assert (found.malformed_count, found.stats) == (0, lines.stats)
        assert (found.stats.totals().timed > 0) == ("latency_ms" in given)


@pytest.mark.parametrize("said", ["failed == False", "failed != True", "failed == false", "failed != TRUE"])
@pytest.mark.parametrize("coded", ["code != 500", "code != 500.0", "code == 0", "code == 0.00", "code != 5e2"])
@pytest.mark.parametrize("form", ["csv", "CSV", "json", "parquet"])
def test_a_text_is_compared_with_a_number_by_its_worth_and_with_a_truth_in_any_case(
    tmp_path: Path, said: str, coded: str, form: str
) -> None:
    path = tmp_path / f"x.{form}"
    rows = [(0, 0.0, False), (1, 500.0, True), (2, 0.0, False)]
    values = ", ".join(f"({at}::DOUBLE, {code}::DOUBLE, {failed})" for at, code, failed in rows)
    library.sql(f"COPY (SELECT * FROM (VALUES {values}) t(took, code, failed)) TO '{path}' (FORMAT {form})")
    if form == "CSV":
        path.write_text(path.read_text().upper().replace("TOOK,CODE,FAILED", "took,code,failed"))
    for success in (said, coded):
        asked = Query(columns={"success": success, "latency_ms": "took"})
        totals = duckdb.reduce([Source(str(path))], SUBJECT, asked).stats.totals()
        assert (totals.requests, totals.failures, totals.latencies) == (3, 1, ((0, 1), (2, 1)))


@pytest.mark.parametrize("latency", ["took", "took * 1000", "took - sent", "word"])
@pytest.mark.parametrize("form", ["json", "parquet"])
def test_the_latency_of_a_failure_is_no_matter_in_any_table(tmp_path: Path, latency: str, form: str) -> None:
    rows = "(true, 5.0::DOUBLE, 1.0::DOUBLE, 'a'), (false, -1.0, 9.0, 'a'), (false, 1e300, 1.0, 'a')"
    path = tmp_path / f"x.{form}"
    library.sql(f"COPY (SELECT * FROM (VALUES {rows}) t(ok, took, sent, word)) TO '{path}' (FORMAT {form})")
    found = duckdb.reduce([Source(str(path))], SUBJECT, Query(columns={"latency_ms": latency, "success": "ok"}))
    assert (found.stats.totals().failures, found.malformed_count) == (2, int(latency == "word"))
    wrong = duckdb.reduce([Source(str(path))], SUBJECT, Query(columns={"latency_ms": latency, "success": "sent"}))
    assert wrong.malformed_count == 3


def test_rows_of_parquet_that_are_wrong_are_counted_and_named_by_number(tmp_path: Path) -> None:
    rows = "(true, 5.0::DOUBLE, 1.0), (true, NULL, 1.0), (NULL, 5.0, 1.0), (true, -1.0, 1.0), (true, 'nan'::DOUBLE, 1.0), (false, NULL, 1.7)"
    library.sql(f"COPY (SELECT * FROM (VALUES {rows}) t(success, latency_ms, input_tokens)) TO '{tmp_path}/x.parquet'")
    found = duckdb.reduce([Source(str(tmp_path / "x.parquet"))], SUBJECT)
    assert (found.stats.totals().requests, found.malformed_count) == (1, 5)
    assert [(bad.line, bad.why.split()[0]) for bad in found.malformed] == [
        (2, "latency_ms"),
        (3, "success"),
        (4, "latency_ms"),
        (5, "latency_ms"),
        (6, "input_tokens"),
    ]


@pytest.mark.parametrize("column", ["[0.5]::DOUBLE[] AS cost", "[1, 2]::INTEGER[2] AS input_tokens"])
def test_a_list_in_parquet_is_no_number(tmp_path: Path, column: str) -> None:
    library.sql(f"COPY (SELECT true AS success, 5.0 AS latency_ms, {column}) TO '{tmp_path}/x.parquet'")
    found = duckdb.reduce([Source(str(tmp_path / "x.parquet"))], SUBJECT)
    assert [bad.why.split()[0] for bad in found.malformed] == [column.rsplit(maxsplit=1)[-1]]


def test_parquet_without_the_columns_or_that_is_none_is_refused(tmp_path: Path) -> None:
    library.sql(f"COPY (SELECT 1 AS a) TO '{tmp_path}/x.parquet'")
    (tmp_path / "y.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(Usage, match="no column 'latency_ms', 'success'"):
        duckdb.reduce([Source(str(tmp_path / "x.parquet"))], SUBJECT)
    with pytest.raises(Usage, match="no Parquet"):
        duckdb.reduce([Source(str(tmp_path / "y.parquet"))], SUBJECT)


def test_large_files_and_parquet_go_to_duckdb_and_the_rest_to_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helixctl import engines

    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "large").write_bytes(b"x" * (engines.MANY_BYTES + 1))
    suits = engines._suitable
    assert suits([Source(str(tmp_path / "small"))], Query()) == "python"
    assert suits([Source(str(tmp_path / "large"))], Query()) == "duckdb"
    assert suits([Source("x.parquet")], Query()) == "duckdb"
    assert suits([Source(str(tmp_path / "large"))], Query("langfuse")) == "python"
    assert engine("duckdb") is duckdb.reduce


LINE = json.dumps(GOOD).encode() + b"\n"
ENDS = {
    "blank lines alone": b"\n \r\n\t\n" * 9,
    "nothing": b"",
    "a byte order mark": b"\xef\xbb\xbf" + LINE,
    "line ends of Windows": LINE.replace(b"\n", b"\r\n") * 3,
    "no last line end": LINE + LINE[:-1],
    "a NUL": LINE + b"\0" + LINE,
    "NULs in a row": LINE + b"\0" * 100 + b"\n" + LINE,
    "an escaped NUL": LINE + LINE.replace(b"{", b'{"region":"a\\u0000b",'),
    "a huge integer": LINE + LINE.replace(b"100", b"1" * 4000),
    "a token of 1.7": LINE + LINE.replace(b"100", b"1.7"),
    "a key twice": LINE + LINE.replace(b"{", b'{"latency_ms":9,'),
    "a key twice, spelt differently": LINE + LINE.replace(b"{", b'{"latency\\u005fms":9,'),
    "half a surrogate": LINE + LINE.replace(b"{", b'{"region":"\\ud800",'),
    "a line of 1 MiB": LINE + LINE.replace(b"{", b'{"x":"' + b"x" * (2**20 - len(LINE) - 6) + b'",', 1),
    "a line of 1 MiB and 10": LINE + LINE.replace(b"{", b'{"x":"' + b"x" * 2**20 + b'",', 1) + LINE,
    "a line of 8 MiB": LINE * 9000 + LINE.replace(b"{", b'{"x":"' + b"x" * 2**23 + b'",', 1) + LINE,
}


@pytest.mark.parametrize("pack", ["none", "gzip"])
@pytest.mark.parametrize("raw", ENDS.values(), ids=ENDS)
def test_odd_files_give_the_same_from_both(tmp_path: Path, raw: bytes, pack: str) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(gzip.compress(raw) if pack == "gzip" else raw)
    same(path)


def test_rows_of_parquet_are_chosen_by_any_column_that_it_has(tmp_path: Path) -> None:
    rows = "(true, 5.0, 'blue', 'b'), (true, 6.0, 'green', 'b'), (true, 7.0, 'blue', 'acme/m')"
    library.sql(f"COPY (SELECT * FROM (VALUES {rows}) t(success, latency_ms, place, model)) TO '{tmp_path}/x.parquet'")
    source = [Source(str(tmp_path / "x.parquet"))]
    found = duckdb.reduce(source, SUBJECT, Query(where=(("place", "blue"), ("model", "b"))))
    assert (found.stats.totals().latencies, found.skipped, found.malformed_count) == (((5, 1),), 2, 0)
    named = Query(columns={"success": "success", "latency_ms": "latency_ms", "model": "model"}, where=(("model", "b"),))
    assert duckdb.reduce(source, SUBJECT, named).stats.totals().requests == 2
    with pytest.raises(Usage, match="no column 'zone'"):
        duckdb.reduce(source, SUBJECT, Query(where=(("zone", "x"),)))


@pytest.mark.parametrize(("tag", "took"), [("prod", (5, 6)), ("it's", (6,)), ("pro", ()), ("5", ())])
def test_rows_of_parquet_are_chosen_by_one_of_their_tags(tmp_path: Path, tag: str, took: tuple[int, ...]) -> None:
    rows = "(true, 5.0, ['prod', NULL], [5]), (true, 6.0, ['eu', 'it''s', 'prod'], [6]), (true, 7.0, NULL, [5]), (true, 8.0, [], [])"
    library.sql(f"COPY (SELECT * FROM (VALUES {rows}) t(success, latency_ms, tags, n)) TO '{tmp_path}/x.parquet'")
    source = [Source(str(tmp_path / "x.parquet"))]
    found = duckdb.reduce(source, SUBJECT, Query(where=(("tags", tag),)))
    assert (tuple(one for one, _ in found.stats.totals().latencies), found.skipped) == (took, 4 - len(took))
    assert duckdb.reduce(source, SUBJECT, Query(where=(("n", "5"),))).is_empty
