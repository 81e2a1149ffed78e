"""Inferences reduced to integer counts and sums, a table that merges by addition."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from itertools import groupby
from operator import add, itemgetter, mul
from typing import Any, NamedTuple

from helixctl.core import statistics as st
from helixctl.core.digest import sha256
from helixctl.core.times import parse_instant, short

ERROR_CLASSES = ("timeout", "rate_limit", "server", "client", "other")
MEASURES = ("input_tokens", "output_tokens", "cost", "confidence")
COLUMNS = (
    *("untimed", "failures"),
    *ERROR_CLASSES,
    *(f"{measure}_{moment}" for measure in MEASURES for moment in ("count", "sum", "squares")),
)
_FIRST_ERROR, _FIRST_MOMENT = COLUMNS.index("timeout"), COLUMNS.index("input_tokens_count")
_ERROR_COLUMN = {name: _FIRST_ERROR + place for place, name in enumerate(ERROR_CLASSES)}
ERROR_PATTERNS = (
    ("rate_limit", r"\b429\b|rate.?limit|too many requests|throttl|quota"),
    ("timeout", r"\b(408|504|524)\b|time[sd]?.?out|deadline"),
    ("server", r"\b5\d\d\b|server|unavailable|overload|bad gateway|connection|internal"),
    (
        "client",
        r"\b4\d\d\b|client|invalid|bad request|unauthori[sz]ed|forbidden|not.?found|filter",
    ),
)
"""What sorts an error, its text in lower case; the first that is found anywhere in it."""

_WINDOW, _LATENCY_AND_CELLS = itemgetter(3), itemgetter(4, 5)
_ENCODER = json.JSONEncoder(separators=(",", ":"))


class Inference(NamedTuple):
    """One request and its outcome, in integers: cost in nano-USD, confidence in millionths, latency rounded up.

    `at` is in UTC; `latency_ms` is None where it failed, or where nobody measured it; `error_class` is one of ERROR_CLASSES, read where it failed.
    """

    at: datetime | None
    region: str
    success: bool
    latency_ms: int | None
    input_tokens: int | None
    output_tokens: int | None
    cost: int | None
    confidence: int | None
    error_class: str = "other"


class Row(NamedTuple):
    """One key of the table; `window` is a UTC day or ''.

    With a latency it says how many requests took so long: `cells` is that number. Without one it says the rest about
    the region and day, in the order of COLUMNS: the requests that failed or were not timed, and all that has moments.
    """

    model: str
    version: str
    region: str
    window: str
    latency_ms: int | None
    cells: tuple[int, ...]


class Moments(NamedTuple):
    """How many lines carry a measure, its sum, and its sum of squares."""

    n: int
    total: int
    squares: int


class Score(NamedTuple):
    """One kind of score over many samples, in millionths: how many, their sum, and sum of squares, None where not known."""

    name: str
    n: int
    total: int
    squares: int | None

    def __add__(self, other: Score) -> Score:  # type: ignore[override]  # of two tables, not of two tuples
        known = self.squares is not None and other.squares is not None
        squares = (self.squares or 0) + (other.squares or 0) if known else None
        return Score(self.name, self.n + other.n, self.total + other.total, squares)


class Totals(NamedTuple):
    """The table summed over all keys; `ranked` has the latencies of the requests that succeeded and were measured."""

    requests: int
    failures: int
    errors: Mapping[str, int]
    measures: Mapping[str, Moments]
    ranked: st.Ranked

    @property
    def timed(self) -> int:
        """How many requests have a latency."""
        return self.ranked.n

    @property
    def latencies(self) -> st.Histogram:
        """The histogram of the latencies."""
        return self.ranked.pairs()


class Stats(NamedTuple):
    """The mergeable table: rows sorted by key, each key once; `latest` is the newest time that any record carries.

    `scores` stand by name, each once.
    """

    rows: tuple[Row, ...] = ()
    latest: datetime | None = None
    scores: tuple[Score, ...] = ()

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest inference; None for no data, or where any record carries no time."""
        return None if "" in map(_WINDOW, self.rows) else self.latest

    def merge(self, other: Stats) -> Stats:
        """Add two tables up; order and grouping of merges do not change the sum."""
        merged = {row[:5]: row for row in self.rows}
        for row in other.rows:
            known = merged.get(row[:5])
            merged[row[:5]] = row._replace(cells=tuple(map(add, known.cells, row.cells))) if known else row
        times = [at for at in (self.latest, other.latest) if at]
        return Stats(_sorted(merged.values()), max(times, default=None), added((*self.scores, *other.scores)))

    def totals(self) -> Totals:
        """Sum over all keys."""
        latencies: dict[int, int] = {}
        heads, known = [(0,) * len(COLUMNS)], latencies.get
        for latency, cells in map(_LATENCY_AND_CELLS, self.rows):
            if latency is None:
                heads.append(cells)
            else:
                latencies[latency] = known(latency, 0) + cells[0]
        sums = [sum(column) for column in zip(*heads, strict=True)]
        ranked, times = st.ranked(latencies), list(map(mul, latencies.keys(), latencies.values()))
        timed = Moments(ranked.n, sum(times), sum(map(mul, times, latencies.keys())))
        moments = zip(MEASURES, _moment_columns(), strict=True)
        return Totals(
            requests=sums[0] + ranked.n,
            failures=sums[1],
            errors={name: sums[column] for name, column in _ERROR_COLUMN.items()},
            measures={name: Moments(*sums[at : at + 3]) for name, at in moments} | {"latency_ms": timed},
            ranked=ranked,
        )

    def encode(self) -> bytes:
        """Return the canonical bytes, JSON lines; equal tables give equal bytes.

        First a header, with the scores where there are any. Then for each model, version, region and window one line that
        names them, one of [null, columns...], and one a latency: [latency, requests].
        """
        latest = short(self.latest) if self.latest else None
        scores = {"scores": self.scores} if self.scores else {}
        lines = [_ENCODER.encode({"schema": 1, "kind": "stats", "columns": COLUMNS, "latest": latest, **scores})]
        for key, rows in groupby(self.rows, key=itemgetter(slice(4))):
            lines.append(_ENCODER.encode(key))
            lines += [_compact(row) for row in rows]
        return ("\n".join(lines) + "\n").encode()

    def digest(self) -> str:
        """Return the SHA-256 of the canonical bytes, in hex."""
        return digest_of(self.encode())


class StatsBuilder:
    """Adds up the inferences of one version, one at a time."""

    def __init__(self, model: str, version: str) -> None:
        self._model, self._version = model, version
        self._heads: dict[tuple[str, int], list[int]] = {}
        self._counts: dict[tuple[str, int, int], int] = {}
        self._latest: datetime | None = None
        self._scores: dict[str, Score] = {}

    def score(self, score: Score) -> None:
        """Count what a sample, or many, scored."""
        known = self._scores.get(score.name)
        self._scores[score.name] = known + score if known else score

    def add(self, inference: Inference, cost: int | None) -> None:
        """Count one inference, at a cost in nano-USD that may differ from its own: one from prices."""
        at, region, success, latency, input_tokens, output_tokens, _, confidence, error_class = inference
        day = 0
        if at is not None:
            day = at.toordinal()
            if self._latest is None or at > self._latest:
                self._latest = at
        head = self._heads.get((region, day))
        if head is None:
            head = self._heads[region, day] = [0] * len(COLUMNS)
        if latency is not None:
            key = (region, day, latency)
            self._counts[key] = self._counts.get(key, 0) + 1
        else:
            head[0] += 1
        if not success:
            head[1] += 1
            head[_ERROR_COLUMN[error_class]] += 1
        column = _FIRST_MOMENT
        for value in (input_tokens, output_tokens, cost, confidence):
            if value is not None:
                head[column] += 1
                head[column + 1] += value
                head[column + 2] += value * value
            column += 3

    def build(self) -> Stats:
        """Return what was added so far; adding more does not change it."""
        timed = ((region, day, latency, (count,)) for (region, day, latency), count in self._counts.items())
        heads = ((region, day, None, tuple(cells)) for (region, day), cells in self._heads.items())
        rows = (
            Row(self._model, self._version, region, date.fromordinal(day).isoformat() if day else "", latency, cells)
            for region, day, latency, cells in (*heads, *timed)
        )
        return Stats(_sorted(rows), self._latest, tuple(sorted(self._scores.values())))


def score(name: str, value: object) -> Score:
    """Return what one sample scored.

    Raises:
        ValueError: the value is no finite number between -1e9 and 1e9.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e9 <= value <= 1e9:
        raise ValueError("a score that is no number")
    scaled = math.floor(value * 10**6 + 0.5)
    return Score(re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100] or "score", 1, scaled, scaled * scaled)


def added(scores: Iterable[Score]) -> tuple[Score, ...]:
    """Add up scores by name."""
    sums: dict[str, Score] = {}
    for one in scores:
        sums[one.name] = sums[one.name] + one if one.name in sums else one
    return tuple(sums[name] for name in sorted(sums))


def digest_of(raw: bytes) -> str:
    """Return the digest of a table by its canonical bytes."""
    return sha256(raw)


def table_of(rows: Iterable[Row], latest: datetime | None) -> Stats:
    """Return the table of rows that each have a key of their own."""
    return Stats(_sorted(rows), latest)


def decode(raw: bytes) -> Stats:
    """Read canonical bytes back.

    Raises:
        ValueError: they are not what `encode` writes, to the byte.
    """
    try:
        header, *lines = (json.loads(line) for line in raw.decode("ascii").splitlines())
        scores = tuple(Score(*row) for row in header.get("scores", ()))
        stats = Stats(tuple(_rows(lines)), parse_instant(header["latest"]) if header["latest"] else None, scores)
        sound = stats.encode() == raw and _in_order(stats)
        sound = sound and all(_sound(rows) for _, rows in groupby(stats.rows, key=itemgetter(slice(4))))
        sound = sound and all(map(_scored, scores)) and scores == added(scores)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise ValueError("not the canonical bytes of a table of statistics")
    return stats


def error_class(error: object) -> str:
    """Sort an error, text or status code, into one of ERROR_CLASSES, so that its content need not be kept."""
    if isinstance(error, str | int):
        text = str(error)[:500].lower()
        return next((name for name, pattern in ERROR_PATTERNS if re.search(pattern, text, re.ASCII)), "other")
    return "other"


def _compact(row: Row) -> str:
    _, _, _, _, latency, cells = row
    return f"[null,{','.join(map(str, cells))}]" if latency is None else f"[{latency},{cells[0]}]"


def _rows(lines: Iterable[list[Any]]) -> Iterator[Row]:
    model = version = region = window = ""
    for line in lines:
        if isinstance(line[0], str):
            model, version, region, window = line
        else:
            yield Row(model, version, region, window, line[0], tuple(line[1:]))


def _in_order(stats: Stats) -> bool:
    once = len({row[:5] for row in stats.rows}) == len(stats.rows)
    newest_window = max((row.window for row in stats.rows), default="")
    latest = stats.latest.date().isoformat() if stats.latest else ""
    return once and latest == newest_window and stats.rows == _sorted(stats.rows)


def _sound(rows: Iterable[Row]) -> bool:
    """Tell whether rows of one model, version, region and window are what a builder makes."""
    head, *rest = rows
    if head.latency_ms is not None or len(head.cells) != len(COLUMNS) or any(len(row.cells) != 1 for row in rest):
        return False
    if not all(type(n) is int and n >= 0 for row in (head, *rest) for n in (row.latency_ms or 0, *row.cells)):
        return False
    untimed, failures = head.cells[:2]
    requests = untimed + sum(row.cells[0] for row in rest)
    return (
        all(isinstance(text, str) for text in head[:4])
        and (head.window == "" or _day(head.window) == head.window)
        and all(row.cells[0] > 0 for row in rest)
        and requests >= max(1, *(head.cells[column] for column in _moment_columns()))
        and untimed >= failures == sum(head.cells[_FIRST_ERROR:_FIRST_MOMENT])
    )


def _scored(score: Score) -> bool:
    whole = type(score.n) is int and score.n > 0 and type(score.total) is int
    return whole and type(score.name) is str and (score.squares is None or type(score.squares) is int)


def _day(window: str) -> str | None:
    try:
        return date.fromisoformat(window).isoformat()
    except ValueError:
        return None


def _moment_columns() -> range:
    return range(_FIRST_MOMENT, len(COLUMNS), 3)


def _sorted(rows: Iterable[Row]) -> tuple[Row, ...]:
    return tuple(sorted(rows, key=_place))


def _place(row: Row) -> tuple[str, str, str, str, int]:
    model, version, region, window, latency, _ = row
    return model, version, region, window, -1 if latency is None else latency
