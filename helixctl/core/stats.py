"""Inferences reduced to integer counts and sums, a table that merges by addition."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import groupby
from operator import add, lt, mul
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


class Group(NamedTuple):
    """All requests of one model, version, region and window; `window` is a UTC day or ''.

    `latencies` ascend, and `counts` has how many requests took each; `cells` says the rest, in the order of COLUMNS: the
    requests that failed or were not timed, and all that has moments.
    """

    model: str
    version: str
    region: str
    window: str
    cells: tuple[int, ...]
    latencies: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()

    def __add__(self, other: Group) -> Group:  # type: ignore[override]  # of two tables, not of two tuples
        timed = dict(zip(self.latencies, self.counts, strict=True))
        _count(timed, other.latencies, other.counts)
        return _group(self, map(add, self.cells, other.cells), timed)


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
    """The mergeable table: groups sorted by model, version, region and window, each once; `latest` is the newest time of any record.

    `scores` stand by name, each once.
    """

    groups: tuple[Group, ...] = ()
    latest: datetime | None = None
    scores: tuple[Score, ...] = ()

    @property
    def newest_at(self) -> datetime | None:
        """The time of the newest inference; None for no data, or where any record carries no time."""
        return None if "" in self.windows() else self.latest

    def windows(self) -> set[str]:
        """The UTC days of its inferences; one without a time gives an empty name."""
        return {group.window for group in self.groups}

    def of_windows(self, windows: Collection[str]) -> Stats:
        """Return the groups of some windows alone."""
        return self._replace(groups=tuple(group for group in self.groups if group.window in windows))

    def merge(self, other: Stats) -> Stats:
        """Add two tables up; order and grouping of merges do not change the sum."""
        merged = {group[:4]: group for group in self.groups}
        for group in other.groups:
            known = merged.get(group[:4])
            merged[group[:4]] = known + group if known else group
        times = [at for at in (self.latest, other.latest) if at]
        return Stats(tuple(sorted(merged.values())), max(times, default=None), added((*self.scores, *other.scores)))

    def totals(self) -> Totals:
        """Sum over all keys."""
        latencies: dict[int, int] = {}
        for group in self.groups:
            _count(latencies, group.latencies, group.counts)
        heads = ((0,) * len(COLUMNS), *(group.cells for group in self.groups))
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
        for group in self.groups:
            lines += [_ENCODER.encode(group[:4]), f"[null,{','.join(map(str, group.cells))}]"]
            if group.latencies:
                lines.append("\n".join(map("[{},{}]".format, group.latencies, group.counts)))
        return ("\n".join(lines) + "\n").encode()

    def digest(self) -> str:
        """Return the SHA-256 of the canonical bytes, in hex."""
        return digest_of(self.encode())


class StatsBuilder:
    """Adds up the inferences of one version, one at a time or many."""

    def __init__(self, model: str, version: str) -> None:
        self._model, self._version = model, version
        self._groups: dict[tuple[str, int], tuple[list[int], dict[int, int]]] = {}
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
        group = self._groups.get((region, day))
        if group is None:
            group = self._groups[region, day] = [0] * len(COLUMNS), {}
        head, timed = group
        if latency is not None:
            timed[latency] = timed.get(latency, 0) + 1
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

    def put(self, place: tuple[str, date | None], cells: Iterable[int], timed: Mapping[int, int]) -> None:
        """Count many of one region and day, None for those without a time: cells by COLUMNS, and how many took how long."""
        region, day = place
        head, known = self._groups.setdefault((region, day.toordinal() if day else 0), ([0] * len(COLUMNS), {}))
        head[:] = map(add, head, cells)
        _count(known, timed.keys(), timed.values())

    def build(self, latest: datetime | None = None) -> Stats:
        """Return what was added so far; adding more does not change it.

        Args:
            latest: the newest time of what was put.
        """
        names = self._model, self._version
        groups = (
            _group((*names, region, date.fromordinal(day).isoformat() if day else ""), head, timed)
            for (region, day), (head, timed) in self._groups.items()
        )
        return Stats(tuple(sorted(groups)), latest or self._latest, tuple(sorted(self._scores.values())))


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


def decode(raw: bytes) -> Stats:
    """Read canonical bytes back.

    Raises:
        ValueError: they are not what `encode` writes, to the byte.
    """
    try:
        lines = map(json.loads, raw.decode("ascii").splitlines())
        header: Any = next(lines, None)
        scores = tuple(Score(*row) for row in header.get("scores", ()))
        stats = Stats(tuple(_groups(lines)), parse_instant(header["latest"]) if header["latest"] else None, scores)
        sound = stats.encode() == raw and _in_order(stats) and all(map(_sound, stats.groups))
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


def _count(known: dict[int, int], latencies: Iterable[int], counts: Iterable[int]) -> None:
    for latency, count in zip(latencies, counts, strict=True):
        known[latency] = known.get(latency, 0) + count


def _group(key: Sequence[Any], cells: Iterable[int], timed: Mapping[int, int]) -> Group:
    latencies = tuple(sorted(timed))
    model, version, region, window = key[:4]
    return Group(model, version, region, window, tuple(cells), latencies, tuple(map(timed.__getitem__, latencies)))


def _groups(lines: Iterable[list[Any]]) -> Iterator[Group]:
    """Yield what the lines after the header say; of lines that `encode` would not write, something else."""
    key: Sequence[Any] = ()
    for names, some in groupby(lines, key=lambda line: isinstance(line[0], str)):
        if names:
            *_, key = some
        else:
            head, *timed = some
            latencies, counts = zip(*timed, strict=True) if timed else ((), ())
            model, version, region, window = key
            yield Group(model, version, region, window, tuple(head[1:]), latencies, counts)


def _in_order(stats: Stats) -> bool:
    keys = [group[:4] for group in stats.groups]
    latest = stats.latest.date().isoformat() if stats.latest else ""
    return latest == max((window for *_, window in keys), default="") and _ascend(keys)


def _ascend(values: Sequence[Any]) -> bool:
    return all(map(lt, values, values[1:]))


def _sound(group: Group) -> bool:
    """Tell whether a group is what a builder makes."""
    *names, cells, latencies, counts = group
    if len(cells) != len(COLUMNS) or not all(type(n) is int and n >= 0 for n in (*cells, *latencies, *counts)):
        return False
    untimed, failures = cells[:2]
    requests = untimed + sum(counts)
    return (
        all(isinstance(text, str) for text in names)
        and (group.window == "" or _day(group.window) == group.window)
        and _ascend(latencies)
        and 0 not in counts
        and requests >= max(1, *(cells[column] for column in _moment_columns()))
        and untimed >= failures == sum(cells[_FIRST_ERROR:_FIRST_MOMENT])
        and all(_are_of_one(*cells[column : column + 3]) for column in _moment_columns())
    )


def _are_of_one(n: int, total: int, squares: int) -> bool:
    """Tell whether some numbers have this sum and sum of squares.

    Source: the inequality of Cauchy and Schwarz.
    """
    return n * squares >= total * total and (n > 0 or squares == 0)


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
