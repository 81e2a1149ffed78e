"""Ibis: a table on the user's own cluster, reduced there; only the histogram travels.

What the cluster runs is the SQL of every other engine, put into its dialect; Ibis connects, and knows the table's columns.
All that comes back is text, so that no driver rounds a sum. A table has no lines: rows that are malformed are counted by
what is wrong with them, with the times of the first and the last. It holds many versions: rows of others are left out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os.path import exists
from types import MappingProxyType
from typing import Any
from warnings import catch_warnings

from helixctl.core.times import short
from helixctl.engines import PLAIN, Malformed, Query, Reduction, Source, Subject, away, secretless
from helixctl.engines.fields import DUCKDB, Dialect, quoted
from helixctl.engines.sql import FAULTS, MISMATCHED, grouped, instant, reading, reduction
from helixctl.errors import NotFound, StorageRefused, Usage

_DECIMAL = "DECIMAL(18, 0)"
DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {
        "duckdb": DUCKDB,
        "pyspark": Dialect(_DECIMAL, "unix_micros({})", "unix_micros(TRY_CAST({} AS TIMESTAMPTZ))"),
        "clickhouse": Dialect(
            "HUGEINT",
            "toUnixTimestamp64Micro(toDateTime64({}, 6, 'UTC'))",
            "CASE WHEN toString(toDate32OrNull(left({0}, 10))) = left({0}, 10) "  # else 30 February is 2 March
            "THEN toUnixTimestamp64Micro(parseDateTime64BestEffortOrNull({0}, 6, 'UTC')) END",
            "intDiv({}, {})",
            "leftUTF8({}, 500)",
        ),
        "trino": Dialect(
            _DECIMAL,
            "CAST(round(to_unixtime({}) * CAST(1000000 AS DOUBLE)) AS BIGINT)",
            "CAST(round(to_unixtime(TRY(from_iso8601_timestamp(replace({}, ' ', 'T')))) * CAST(1000000 AS DOUBLE)) AS BIGINT)",
        ),
        "bigquery": Dialect("BIGNUMERIC", "unix_micros({})", "unix_micros(TRY_CAST({} AS TIMESTAMPTZ))"),
    }
)
"""By the name of Ibis' back-end."""

TREES = {
    "duckdb": ("duckdb.Error",),
    "clickhouse": ("clickhouse_connect.driver.exceptions.ClickHouseError",),
    "pyspark": ("pyspark.errors.PySparkException", "py4j.protocol.Py4JError"),
    "trino": ("trino.exceptions.Error", "trino.exceptions.HttpError"),
    "bigquery": ("google.api_core.exceptions.GoogleAPIError", "google.auth.exceptions.GoogleAuthError"),
}
"""The roots of the exceptions of each driver."""
_NAMES = {"spark": "pyspark"}
_INSTANTS = ("clickhouse", "pyspark")
"""Where Ibis does not tell a time that lacks its zone from one that has it: it is in UTC then."""
_LOGGERS = ("clickhouse_connect", "py4j")
"""What drivers would log to standard error, where nobody configured logging."""


def reduce(sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction:
    """Reduce the rows of a table where it lies.

    Raises:
        Usage: nothing says which table, Ibis or a driver is not installed, or the table lacks a column.
        NotFound: there is no such table. StorageRefused: the cluster is away, or refuses the query.
    """
    if sources or not (query.connect and query.table and all(query.table.split("."))):
        hint = "--connect clickhouse://HOST/DATABASE --table NAME, and no --from"
        raise Usage("the ibis engine reads one table of a cluster", hint=hint)
    scheme = query.connect.partition("://")[0]
    name = _NAMES.get(scheme, scheme)
    if name not in DIALECTS:
        raise Usage(
            f"no kind of cluster {secretless(scheme)!a}", hint=f"choose one of: {', '.join((*DIALECTS, *_NAMES))}"
        )
    with catch_warnings(action="ignore"), _connected(name, query.connect) as connection:
        kinds = _kinds(connection, query.table)
        table = f"{'.'.join(map(quoted, query.table.split('.')))} AS t0"
        of = reading(f"{query.table!a}", table, kinds, (subject, query, DIALECTS[name]))
        rows = _rows(connection, grouped(of))
    timed = [(None, None) if row[7] is None else ((row[7],), (row[4],)) for row in rows]
    found = reduction([(*row[:7], one, *row[8:]) for row, one in zip(rows, timed, strict=True)], subject)
    bad = sorted(row for row in rows if row[0] > 0 and row[0] not in MISMATCHED)
    return found.among({*kinds, *query.columns})._replace(
        malformed=tuple(_malformed(query.table, row[0], *row[4:7]) for row in bad),
        malformed_count=sum(row[4] for row in bad),
        skipped=found.skipped + sum(row[4] for row in rows if row[0] in MISMATCHED),
    )


@contextmanager
def _connected(name: str, url: str) -> Iterator[Any]:
    """Give a connection, and let no exception of a library out, which may quote what a row has, or a password."""
    try:
        import ibis
    except ImportError:
        raise Usage("the ibis engine is not installed", hint="pip install 'helixctl[ibis]'") from None
    for logger in _LOGGERS:
        logging.getLogger(logger).addHandler(logging.NullHandler())
    connection, is_shared = None, False
    try:
        connection, is_shared = _connect(ibis, name, url)
        yield connection
    except ImportError:
        raise Usage(f"no driver for {name} is installed", hint=f"pip install 'ibis-framework[{name}]'") from None
    except _failures(name) as error:
        fact = f"{secretless(url)} refused the query: {type(error).__name__}"
        refused = StorageRefused(fact, hint="see its own log; it may need rights, or memory")
        raise (away(url, error) if connection is None else refused) from None
    finally:
        if connection is not None and not is_shared:
            connection.disconnect()


def _failures(name: str) -> tuple[type[Exception], ...]:
    """Return what a driver that is imported raises, and what Ibis, an address, a network or its answer gives."""
    trees = (path.rpartition(".") for path in ("ibis.common.exceptions.IbisError", *TREES[name]))
    named = (getattr(sys.modules.get(module), word, None) for module, _, word in trees)
    return (OSError, ValueError, TypeError, RuntimeError, *filter(None, named))


def _connect(ibis: Any, name: str, url: str) -> tuple[Any, bool]:
    """Return a connection, and whether it is that of the application that calls."""
    scheme, _, rest = url.partition("://")
    if name == "duckdb":
        if not exists(rest):
            raise NotFound(f"no file {rest!a}", hint="duckdb:///FROM/ROOT.duckdb, or duckdb://FROM/HERE.duckdb")
        return ibis.duckdb.connect(rest, read_only=True), False
    if name != "pyspark":
        return ibis.connect(url), False
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.appName("helixctl").config("spark.ui.showConsoleProgress", "false")
    builder = builder.config("spark.log.level", "OFF")
    master = url if scheme == "spark" else rest
    active = SparkSession.getActiveSession()
    session = (active or (builder.master(master) if master else builder).getOrCreate()).newSession()
    session.conf.set("spark.sql.ansi.enabled", "true")  # without it a sum that overflows wraps around
    return ibis.pyspark.connect(session), active is not None


def _kinds(connection: Any, table: str) -> dict[str, str]:
    from ibis.common.exceptions import TableNotFound

    *database, name = table.split(".")
    try:
        schema = connection.table(name, database=tuple(database) or None).schema()
    except TableNotFound:
        raise NotFound(
            f"no table {table!a}", hint="check --table, as NAME, DATABASE.NAME or CATALOG.DATABASE.NAME"
        ) from None
    return {column: _kind_of(kind, has_zones=connection.name not in _INSTANTS) for column, kind in schema.items()}


def _kind_of(kind: Any, *, has_zones: bool) -> str:
    if kind.is_timestamp():
        return "time" if kind.timezone or not has_zones else "naive"
    known = {"bool": kind.is_boolean(), "text": kind.is_string(), "number": kind.is_numeric()}
    known["texts"] = kind.is_array() and kind.value_type.is_string()
    return next((name for name, is_so in known.items() if is_so), "other")


def _rows(connection: Any, sql: str) -> list[list[Any]]:
    """Return the rows of `grouped`, which are numbers but for the region."""
    names = [f"c{place}" for place in range(20)]
    texts = ", ".join(f"CAST({name} AS VARCHAR) AS {name}" for name in names)
    wrapped = f"SELECT {texts} FROM ({sql}) AS t5"
    table = connection.sql(wrapped, schema=dict.fromkeys(names, "string"), dialect="duckdb").to_pyarrow()
    return [
        [text if text is None or place == 1 else int(text) for place, text in enumerate(row.values())]
        for row in table.to_pylist()
    ]


def _malformed(table: str, fault: int, count: int, oldest: int | None, newest: int | None) -> Malformed:
    many = "1 row" if count == 1 else f"{count} rows"
    times = sorted({short(instant(at)) for at in (oldest, newest) if at is not None})
    of = f", of {' to '.join(times)}" if times else ""
    return Malformed(table, 0, f"{FAULTS[fault - 1]}: {many}{of}", rows=count)
