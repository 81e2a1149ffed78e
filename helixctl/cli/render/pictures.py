"""Bars and bounds drawn in a line of text, in blocks or, where a stream cannot show these, in ASCII."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PARTS = " ▏▎▍▌▋▊▉█"


class Signs(NamedTuple):
    """What the ends, the line and the point of bounds are drawn with, where they go on, and the marks beside them."""

    low: str
    high: str
    line: str
    point: str
    below: str
    above: str
    marks: tuple[str, str]


BLOCKS, ASCII = Signs("├", "┤", "─", "●", "‹", "›", ("│", "┃")), Signs("[", "]", "-", "o", "<", ">", (":", "|"))


def signs(*, blocks: bool) -> Signs:
    """Return the signs that a stream can show."""
    return BLOCKS if blocks else ASCII


def bar(share: float, wide: int, *, blocks: bool) -> str:
    """Return a bar of a share of some width; a share above 0 shows, be it ever so small."""
    if not blocks:
        return "#" * max(round(share * wide), int(share > 0))
    whole, part = divmod(max(round(share * wide * 8), int(share > 0)), 8)
    return PARTS[-1] * whole + (PARTS[part] if part else "")


class Span(NamedTuple):
    """A point and its bounds, None where not known."""

    low: float | None
    point: float
    high: float | None


def drawn(
    span: Span | None, scale: tuple[float, float], marks: Sequence[float], wide: int, *, blocks: bool = True
) -> str:
    """Return a picture of bounds on a scale, over the marks of some values; what lies beyond the scale goes on there.

    Args:
        marks: of the two signs for marks, the first is for all but the last.
    """
    kit, cells = signs(blocks=blocks), [" "] * wide

    def at(value: float) -> int:
        low, high = scale
        return round((min(max(value, low), high) - low) / (high - low) * (wide - 1)) if high > low else wide // 2

    for number, value in enumerate(marks, 1):
        if scale[0] <= value <= scale[1]:
            cells[at(value)] = kit.marks[number == len(marks)]
    if span:
        is_below = span.low is None or span.low < scale[0]
        is_above = span.high is None or span.high > scale[1]
        low, high = (at(scale[side] if end is None else end) for side, end in enumerate((span.low, span.high)))
        cells[low : high + 1] = kit.line * (high - low + 1)
        cells[low] = kit.below if is_below else kit.low if low < high else kit.line
        cells[high] = kit.above if is_above else kit.high if low < high else cells[high]
        if scale[0] <= span.point <= scale[1]:
            cells[at(span.point)] = kit.point
    return "".join(cells)
