"""Evaluations and comparisons as text: tables that give way to a narrow screen, bounds and histograms drawn beside them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from helixctl.cli.render import pictures
from helixctl.cli.render.cells import cell
from helixctl.cli.render.paint import OUTCOME, PLAIN, Screen, columns, counted, paint, safe
from helixctl.cli.render.pictures import Span

Payload = Mapping[str, Any]
Cell = tuple[str, str | None]
USUAL_PICTURE, LEAST_PICTURE, MOST_PICTURE = 31, 13, 41
MOST_BAR = 50
MOST_MARGINS = 4.0
"""So many margins are drawn to either side of no difference."""
_PERCENTILES = {"P50": "p50_latency_ms", "P95": "p95_latency_ms", "P99": "p99_latency_ms", "P99.9": "p999_latency_ms"}


class Column(NamedTuple):
    """A column of a table; of those that do not fit, the one with the highest rank goes first."""

    head: str
    cells: Sequence[Cell]
    rank: int = 0

    @property
    def width(self) -> int:
        """How wide it is; nothing in it is wider than its letters."""
        return max(map(len, (self.head, *(text for text, _ in self.cells))))


class Picture(NamedTuple):
    """A column that takes what room is left; `draw` gives its cells at a width."""

    head: str
    draw: Callable[[int], Sequence[Cell]]


def rendered(payload: Payload, verbose: bool, screen: Screen) -> str:
    """Return the text of a payload of these kinds."""
    return "".join(f"{line}\n" for line in KINDS[payload["kind"]](payload, screen))


def number(value: float | None, places: int = 4) -> str:
    """Return a number as people read it: four digits that count, whole ones as they are, no exponent."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else cell(float(f"{value:.{places}g}")).removesuffix(".0")


def between(low: float | None, high: float | None) -> str:
    """Return bounds, `-` for one that cannot be told, and for two."""
    return "-" if low is None and high is None else f"[{number(low)}, {number(high)}]"


def level(alpha: float) -> str:
    """Return how sure intervals are that each miss with a chance of alpha."""
    return f"{100 * (1 - alpha):.5g}%"


def state(threshold: Payload) -> str:
    """Return what became of a threshold in a word or two."""
    if threshold["outcome"] == "violated" and threshold["severity"] == "warn":
        return "warns"
    return "proven" if threshold["proven"] else str(threshold["outcome"]).replace("_", " ")


def _evaluation(payload: Payload, screen: Screen) -> Iterator[str]:
    yield _head(payload, screen)
    yield ""
    yield from _thresholds(payload, screen)
    yield ""
    if metrics := _metrics(payload):
        yield from _table([*metrics], screen)
        yield ""
    if payload["histogram"] and not payload["comparison"]:
        yield from histogram(payload, screen)
        yield ""
    if payload["comparison"]:
        compared = {"ref": payload["ref"], "recommendations": (), **payload["comparison"]}
        yield from _comparison(compared, screen)
        yield ""
    for text in payload["recommendations"]:
        yield from _told(text, screen)
    if payload["audit"]:
        yield paint(f"  entry {payload['audit']['seq']}  {payload['audit']['id']}", "grey", on=screen.on)


def _head(payload: Payload, screen: Screen) -> str:
    verdict = payload["verdict"]
    said = [f"{safe(payload['ref'])}  on {counted(payload['samples'], 'sample')}"]
    said += ["proven at 95%"] if payload["proven"] else []
    said += [f"{payload['malformed']} malformed"] if payload["malformed"] else []
    said += [f"{payload['skipped']} left out"] if payload["skipped"] else []
    return f"{paint(verdict.upper(), OUTCOME.get(verdict), on=screen.on)}  {', '.join(said)}"


def _thresholds(payload: Payload, screen: Screen) -> Iterator[str]:
    rows = payload["thresholds"]
    states = [(state(one), OUTCOME.get(state(one), OUTCOME.get(one["outcome"]))) for one in rows]

    def draw(wide: int) -> list[Cell]:
        return [_against(one, payload["intervals"].get(one["metric"]), wide, screen) for one in rows]

    table: list[Column | Picture] = [
        Column("THRESHOLD", [(one["name"], None) for one in rows]),
        Column("VALUE", [(number(one["value"]), None) for one in rows]),
        Column("LIMIT", [(number(one["limit"]), None) for one in rows]),
        Picture(f"{pictures.signs(blocks=screen.blocks).marks[1]} limit", draw),
        Column("", states),
    ]
    yield from _table(table, screen)


def _against(threshold: Payload, bounds: Sequence[float | None] | None, wide: int, screen: Screen) -> Cell:
    limit, value, (low, high) = threshold["limit"], threshold["value"], bounds or (None, None)
    reach = 1.1 * max((abs(one - limit) for one in (low, value, high) if one is not None), default=0) or 1.0
    span = None if value is None else Span(low, value, high)
    drawn = pictures.drawn(span, (limit - reach, limit + reach), [limit], wide, blocks=screen.blocks)
    return drawn, OUTCOME.get(state(threshold), OUTCOME.get(threshold["outcome"]))


def _metrics(payload: Payload) -> list[Column]:
    values = {name: value for name, value in payload["metrics"].items() if value is not None}
    values |= {f"scores.{name}": value for name, value in payload["scores"].items()}
    if not values:
        return []
    spans = [between(*(payload["intervals"].get(name) or (None, None))) for name in values]
    return [
        Column("METRIC", [(name, None) for name in values]),
        Column("VALUE", [(number(value), None) for value in values.values()]),
        Column("95% BOUNDS", [(span, None) for span in spans], 1),
    ]


def histogram(payload: Payload, screen: Screen = PLAIN) -> Iterator[str]:
    """Yield the latencies of a version, and where its percentiles and the limit lie."""
    bins = payload["histogram"]
    marks = {name: payload["metrics"].get(metric) for name, metric in _PERCENTILES.items()}
    marks["limit"] = next((one["limit"] for one in payload["thresholds"] if one["name"] == "max_latency_ms"), None)
    told = [", ".join(name for name, value in marks.items() if _holds(one, value, bins[0])) for one in bins]
    most = max(one["requests"] for one in bins)

    def draw(wide: int) -> list[Cell]:
        return [(pictures.bar(one["requests"] / most, wide, blocks=screen.blocks), "cyan") for one in bins]

    requests = [(f"{one['requests']:>8}", None) for one in bins]
    notes: list[Cell] = [(text, "grey") for text in told]
    table = (_ranges(bins), Column("REQUESTS", requests), Picture("", draw), Column("", notes))
    yield from _table(table, screen, MOST_BAR)


def _ranges(bins: Sequence[Payload]) -> Column:
    wide = max(len(str(one["to_ms"])) for one in bins)
    return Column("LATENCY, MS", [(f"{one['over_ms']:>{wide}} - {one['to_ms']:>{wide}}", None) for one in bins])


def _holds(one: Payload, value: float | None, first: Payload) -> bool:
    least = one["over_ms"] - (one is first)
    return value is not None and least < value <= one["to_ms"]


def _comparison(payload: Payload, screen: Screen) -> Iterator[str]:
    verdict, rows = payload["verdict"], payload["deltas"]
    said = paint(verdict.upper(), OUTCOME.get(verdict), on=screen.on)
    look = payload["look"]
    planned = f"  look {look['number']} of {look['of']}" if look["of"] > 1 else ""
    yield f"{said}  {safe(payload['ref'])}  against {safe(payload['baseline'])}{planned}"
    yield ""
    reach = min(MOST_MARGINS, max((_in_margins(one) for one in rows), default=0.0) * 1.1)

    def draw(wide: int) -> list[Cell]:
        return [_beside(one, max(reach, 2.0), wide, screen) for one in rows]

    texts: list[tuple[str, int, list[str]]] = [
        ("METRIC", 0, [one["metric"] for one in rows]),
        ("BASELINE", 0, [number(one["baseline"]) for one in rows]),
        ("CANDIDATE", 0, [number(one["candidate"]) for one in rows]),
        ("DELTA", 4, [number(one["delta"]) for one in rows]),
        (f"{level(look['alpha'])} INTERVAL", 1, [between(one["ci_low"], one["ci_high"]) for one in rows]),
        ("EFFECT", 5, [number(one["effect"], 2) for one in rows]),
        ("MARGIN", 2, [number(one["margin"]) for one in rows]),
        ("N", 3, [f"{one['n_baseline']}, {one['n_candidate']}" for one in rows]),
    ]
    table = [Column(head, [(text, None) for text in shown], rank) for head, rank, shown in texts]
    verdicts = [(one["verdict"], OUTCOME.get(one["verdict"])) for one in rows]
    none, most = pictures.signs(blocks=screen.blocks).marks
    yield from _table([*table, Picture(f"{none} 0  {most} margin", draw), Column("", verdicts)], screen)
    if payload["histogram"]:
        yield ""
        yield from two_histograms(payload["histogram"], screen)
    if payload["recommendations"]:
        yield ""
    for text in payload["recommendations"]:
        yield from _told(text, screen)


def _in_margins(delta: Payload) -> float:
    ends = (delta["ci_low"], delta["ci_high"])
    return max((abs(end) / delta["margin"] for end in ends if end is not None and delta["margin"]), default=0.0)


def _beside(delta: Payload, reach: float, wide: int, screen: Screen) -> Cell:
    low, high, margin = delta["ci_low"], delta["ci_high"], delta["margin"]
    known = margin and low is not None and high is not None
    span = Span(low / margin, delta["delta"] / margin, high / margin) if known else None
    limit = -1.0 if delta["higher_is_better"] else 1.0
    drawn = pictures.drawn(span, (-reach, reach), [0.0, limit], wide, blocks=screen.blocks)
    return drawn, OUTCOME.get(delta["verdict"])


def two_histograms(bins: Sequence[Payload], screen: Screen = PLAIN) -> Iterator[str]:
    """Yield the latencies of the baseline and of the candidate, in shares of each."""
    sides = ("baseline", "candidate")
    sums = {side: sum(one[side] for one in bins) or 1 for side in sides}
    shares = {side: [one[side] / sums[side] for one in bins] for side in sides}
    most = max(max(each) for each in shares.values())
    label = _ranges(bins)
    room = (screen.width or 100) - label.width - 8
    wide = max(4, min(MOST_BAR, room // 2 - 8))
    table = [label]
    for side, colour in zip(sides, ("grey", "cyan"), strict=True):
        table.append(Column("", [(f"{share:6.1%}", None) for share in shares[side]]))
        bars = [(pictures.bar(share / most, wide, blocks=screen.blocks), colour) for share in shares[side]]
        table.append(Column(side.upper(), bars))
    yield from _table(table, screen)


def _recheck(payload: Payload, screen: Screen) -> Iterator[str]:
    head = "every verdict comes out again" if payload["agrees"] else "not every verdict comes out again"
    yield f"{safe(payload['ref'])}: {head}"
    rows = payload["evaluations"]
    last = [("expired" if one["is_expired"] else one["fault"] or "agrees", one["fault"] and "red") for one in rows]
    table = [
        Column("EVALUATED", [(one["at"] + screen.since(one["at"]), None) for one in rows]),
        Column("SAID", [(one["verdict"], OUTCOME.get(one["verdict"])) for one in rows]),
        Column("AGAIN", [(one["recomputed"] or "-", OUTCOME.get(one["recomputed"])) for one in rows]),
        Column("", last),
    ]
    yield from _table(table, screen)


def _table(parts: Sequence[Column | Picture], screen: Screen, most: int = MOST_PICTURE) -> Iterator[str]:
    """Yield the lines of a table: what does not fit goes by its rank, and a picture takes the room that is left.

    Where what has to stay is too wide, each row stands as a block, whole.
    """
    kept = [one for one in parts if isinstance(one, Column)]
    least = LEAST_PICTURE + 2 if len(kept) < len(parts) else 0
    while screen.width and _wide(kept) + least > screen.width and (last := max(one.rank for one in kept)):
        kept = [one for one in kept if one.rank != last]
    fits = not screen.width or _wide(kept) <= screen.width
    if not fits:
        parts = kept = [one for one in parts if isinstance(one, Column)]
    room = screen.width - _wide(kept) - 2 if screen.width else max(USUAL_PICTURE, most - 10)
    shown = []
    for one in parts:
        if isinstance(one, Column):
            shown += [one] if one in kept else []
        elif room >= LEAST_PICTURE:
            wide = min(room, most)
            shown.append(Column(one.head, one.draw(wide - (wide + 1) % 2)))
    rows = [list(row) for row in zip(*(one.cells for one in shown), strict=True)]
    yield from columns(
        [one.head for one in shown], rows, screen._replace(width=None) if fits else screen, indent="  "
    ).splitlines()


def _wide(table: Sequence[Column]) -> int:
    return 2 * len(table) + sum(one.width for one in table)


def _told(text: str, screen: Screen) -> list[str]:
    """Return advice below a hanging indent; a command in it stands on one line, to be copied."""
    if not screen.width:
        return [f"  -> {safe(text)}"]
    import textwrap

    whole = re.sub("`[^`]*`", lambda found: found[0].replace(" ", "\0"), safe(text))
    wrapped = textwrap.TextWrapper(
        max(screen.width, 30), "  -> ", "     ", break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in wrapped.wrap(whole)]


KINDS: dict[str, Callable[[Payload, Screen], Iterator[str]]] = {
    "evaluation": _evaluation,
    "comparison": _comparison,
    "recheck": _recheck,
}
