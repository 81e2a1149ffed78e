"""Native JSON lines as DuckDB's SQL, one pass: the table of statistics, or an error at the first odd record.

A value is read as the text that it is in JSON, so that a number in quotes or a fraction of a token is seen for what it is.
"""

from __future__ import annotations

from collections.abc import Iterator

from helixctl.core.columns import FIELDS
from helixctl.core.stats import ERROR_CLASSES, MEASURES
from helixctl.engines import Query
from helixctl.engines.fields import INSTANT
from helixctl.engines.readers.native import MAX_COST_USD, MAX_WHOLE
from helixctl.engines.sql import DAY_US, LIMITS_US, timed_by

CHOOSING = ("model", "version", "region")
"""Fields by which a query may choose records here."""

_NAMES = ("ts", "model", "version")
"""Fields whose value is told from one of another kind by what it says; reading it as JSON costs more."""

_OTHER = ERROR_CLASSES.index("other")
_MOST = {
    "latency_ms": MAX_WHOLE,
    "input_tokens": MAX_WHOLE,
    "output_tokens": MAX_WHOLE,
    "cost": MAX_COST_USD,
    "confidence": 1,
}
_FORMS = {
    length: f"%Y-%m-%dT%H:%M:{seconds}"
    for length, seconds in ((24, "%S.%gZ"), (20, "%SZ"), (27, "%S.%fZ"), (32, "%S.%f+00:00"), (25, "%S+00:00"))
}
"""Usual forms of a time by their length, read at a fraction of the cost of a pattern.

No field takes more digits than its own, so a text of this length has all of them, if it neither begins nor ends with a
space.
"""


def grouped(query: Query, within: tuple[int | None, int | None], sql: tuple[str, str, str | None]) -> str:
    """Return the SQL, which reads $path as $packed, of the records of $model and $version, names that are no JSON of another kind.

    Args:
        query: its `where` names CHOOSING alone; the texts are $where0 and on.
        within: `since` and `until` in microseconds.
        sql: of the square of {}, of the class of `text`, and of the cost by the tokens where none is stated.
    """
    square, class_, price = sql
    is_choosing = bool(query.where) or any(at is not None for at in within)
    kept = "CASE WHEN is_kept THEN {} END" if is_choosing else "{}"
    text = "CASE WHEN error LIKE '\"%' OR regexp_full_match(error, '-?[0-9]+') THEN json_extract_string(error, '$') END"
    scaled = "TRY_CAST(floor({0} * CAST({1} AS DOUBLE) + CAST(0.5 AS DOUBLE)) AS BIGINT) AS {0}"
    region = (
        f"CASE WHEN {' AND '.join(_choices(query, (None, None)))} THEN region END AS region"
        if query.where
        else "region"
    )
    values = (
        *("us", region, "failed", "CASE WHEN NOT failed THEN TRY_CAST(ceil(latency_ms) AS BIGINT) END AS latency"),
        f"CASE WHEN failed AND error IS NOT NULL THEN {text} END AS text",
        *(f"TRY_CAST({name} AS BIGINT) AS {name}" for name in MEASURES[:2]),
        *(scaled.format(name, unit) for name, unit in (("cost", 10**9), ("confidence", 10**6))),
        *([f"{' AND '.join(_choices(query, within))} AS is_kept"] if is_choosing else []),
    )
    table = f"(SELECT {', '.join(values)} FROM {_sound(query, within)})"
    if price:
        table = f"(SELECT * REPLACE (CASE WHEN cost IS NULL THEN {price} ELSE cost END AS cost) FROM {table})"
    state = "CASE WHEN is_kept THEN 0 ELSE -1 END" if is_choosing else "0"
    keys = ["region", *(kept.format(one) for one in ("day", "fault"))]
    sums = [f"count({name}), sum({name}), sum({square.format(name)})" for name in MEASURES]
    cells = ", ".join([state, *keys, "count(*)", "max(us)", timed_by(kept.format("latency")), *sums])
    keyed = (
        f"SELECT *, us // {DAY_US} AS day, CASE WHEN failed THEN coalesce({class_}, {_OTHER}) END AS fault FROM {table}"
    )
    return f"SELECT {cells} FROM ({keyed}) GROUP BY ALL"


def counted(query: Query) -> str:
    """Return the SQL, which reads $path as $packed, of how many records have each of the fields that `where` names."""
    return f"SELECT {', '.join(f'count({name})' for name, _ in query.where)} FROM {_texts()}"


def _sound(query: Query, within: tuple[int | None, int | None]) -> str:
    """Return the SQL of the records with numbers for texts; reading an unsound one is an error."""
    numbers = ", ".join(f"CAST({name} AS DOUBLE) AS {name}" for name in _MOST)
    names = "ts, model, version, region, error, success"
    table = f"(SELECT {names}, {_instant()} AS us, success = 'false' AS failed, {numbers} FROM {_texts()})"
    chosen = [f"WHEN NOT ({' AND '.join(_choices(query, (None, None)))}) THEN true"] if query.where else []
    unsound = f"WHEN {' OR '.join(_faults(query, within))} THEN error('not plainly sound')"
    return f"{table} WHERE CASE {' '.join([*chosen, unsound])} ELSE true END"


def _texts() -> str:
    types = ", ".join(f"{name}: '{'VARCHAR' if name in _NAMES else 'JSON'}'" for name in FIELDS)
    texts = ", ".join(name if name in _NAMES else f"CAST({name} AS VARCHAR) AS {name}" for name in FIELDS)
    reading = f"format = 'newline_delimited', columns = {{{types}}}, compression = $packed, hive_partitioning = false"
    return f"(SELECT {texts} FROM read_json($path, {reading}))"


def _instant() -> str:
    """Return the SQL of the microseconds since 1970 of `ts`, -1 where it states none."""
    usual = " ".join(
        f"WHEN strlen(ts) = {length} AND ts LIKE '2%{form[-1]}' THEN try_strptime(ts, '{form}')"
        for length, form in _FORMS.items()
    )
    other = (
        f"WHEN regexp_full_match(ts, '{INSTANT}') THEN epoch_us(CAST(ts AS TIMESTAMPTZ)) WHEN ts IS NOT NULL THEN -1"
    )
    return f"coalesce(epoch_us(CASE {usual} END), CASE {other} END)"


def _faults(query: Query, within: tuple[int | None, int | None]) -> Iterator[str]:
    """Yield what makes a record unsound; said of faults, as NULL is none, each is one plain comparison."""
    chosen = {name for name, _ in query.where}
    yield from (f"{name} <> ${name}" for name in CHOOSING[:2] if name not in chosen)
    yield "success IS NULL OR success <> 'true' AND success <> 'false'"
    yield "NOT failed AND latency_ms IS NULL"
    yield "regexp_matches(error, '^-?[NnIi]')"  # NaN and Infinity, which are no JSON
    for name, most in _MOST.items():
        yield f"{name} < 0 OR {name} > {most}"
        if name.endswith("tokens"):
            yield f"{name} <> floor({name})"
    yield f"us < {LIMITS_US[0]} OR us >= {LIMITS_US[1]}"
    if any(at is not None for at in within):
        yield "us IS NULL"


def _choices(query: Query, within: tuple[int | None, int | None]) -> Iterator[str]:
    for number, (name, _) in enumerate(query.where):
        text = name if name in _NAMES else f"json_extract_string({name}, '$')"
        yield f"coalesce({text} = $where{number}, false)"
    yield from (f"us {sign} {at}" for sign, at in zip((">=", "<"), within, strict=True) if at is not None)
