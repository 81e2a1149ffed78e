"""Colour, and text made safe for a terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
_ESCAPE = re.compile("\x1b\\[[\\d;]+m")
NARROW = re.compile("[ -~‹›─-●]*")  # of one cell each: what pictures are drawn with costs no import
_MESSAGE = re.compile(r" *(?:\S+ )?\S+ {2,}")
"""What stands before a message: a name, or a mark and a name, and the gap of a column."""
_COLOURS = {"red": 160, "green": 28, "yellow": 130, "blue": 32, "magenta": 164, "cyan": 30, "grey": 243}
"""Of the 256 colours, which no theme changes: each can be read on black and on white, where yellow or blue of the 16 cannot."""
STATUS = {"active": "green", "canary": "cyan", "testing": "blue", "deprecated": "yellow", "retired": "grey"}
OUTCOME = {
    "pass": "green",
    "passed": "green",
    "proven": "green",
    "warns": "yellow",
    "ok": "green",
    "success": "green",
    "fail": "red",
    "failed": "red",
    "violated": "red",
    "denied": "red",
    "error": "red",
    "tampered": "red",
    "critical": "red",
    "better": "green",
    "equivalent": "green",
    "worse": "red",
    "undecided": "yellow",
    "inconclusive": "yellow",
    "warning": "yellow",
    "drift": "yellow",
    "incomplete": "yellow",
    "needs_reconcile": "yellow",
    "overridden": "magenta",
}


class Screen(NamedTuple):
    """What text is printed on, and when.

    Args:
        on: in colours. width: in cells, None where nobody knows. blocks: it can show signs beyond ASCII.
        now: what times are told relative to; None tells them as they are only.
    """

    on: bool = False
    width: int | None = None
    blocks: bool = True
    now: datetime | None = None

    def since(self, text: str) -> str:
        """Return ` (2 hours ago)` for the text of a time or a date; nothing where it is none."""
        from helixctl.core import times

        try:
            return f" ({times.relative(times.parse_instant(text), self.now)})" if self.now else ""
        except ValueError:
            return ""


PLAIN = Screen()


def safe(text: str) -> str:
    """Return text with control, direction and invisible characters spelt out, so that none reaches a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape", "surrogatepass").decode(), text)


def paint(text: str, colour: str | None, *, on: bool) -> str:
    """Return text in a colour, where colours are on."""
    if not (on and colour and text):
        return text
    return f"\x1b[{'1' if colour == 'bold' else f'38;5;{_COLOURS[colour]}'}m{text}\x1b[0m"


def unpainted(text: str) -> str:
    """Return text without its colours."""
    return _ESCAPE.sub("", text)


def width(text: str) -> int:
    """Return how many cells of a terminal the text takes."""
    if text.isascii() or NARROW.fullmatch(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def wrapped(text: str, wide: int) -> str:
    """Return text whose long lines are broken between words and go on below their message; what is to be typed stays whole."""
    return "".join(_wrapped(line, wide) for line in text.splitlines(keepends=True))


def _wrapped(line: str, wide: int) -> str:
    plain = unpainted(line)
    if width(plain.rstrip("\n")) <= wide or plain.lstrip().startswith(("fix:", "undo:", "hint:")):
        return line
    head = _MESSAGE.match(plain)
    under = " " * min(len(head[0]) if head else len(plain) - len(plain.lstrip()) + 2, wide // 2)
    lines = [""]
    for word in re.findall(r"\s*\S+", line.rstrip("\n")):
        alone = under + word.lstrip()
        if lines[-1].strip() and width(unpainted(lines[-1] + word)) > wide >= width(unpainted(alone)):
            lines.append(alone)
        else:
            lines[-1] += word
    return "\n".join(lines) + "\n"


def uncoloured(*cells: str) -> list[tuple[str, str | None]]:
    """Return a row of a table."""
    return [(text, None) for text in cells]


def columns(
    header: list[str],
    rows: list[list[tuple[str, str | None]]],
    screen: Screen = PLAIN,
    *,
    below: Sequence[str] = (),
    indent: str = "",
) -> str:
    """Return a table whose columns are as wide as their widest value; no value is ever cut.

    Where it is wider than the screen, each row stands as a block, a line for each cell that is not empty.

    Args:
        rows: cells, each a text (made safe here) and a colour or None. below: what stands under each row.
    """
    on = screen.on
    header = [safe(text) for text in header]
    cells = [[(safe(text), colour) for text, colour in row] for row in rows]
    widths = [max(map(width, (head, *(row[at][0] for row in cells)))) for at, head in enumerate(header)]
    if screen.width and len(indent) + sum(widths) + 2 * len(widths) - 2 > screen.width:
        lines = [_block(header, row, on=on) for row in cells]
        head = ""
    else:
        lines = [_line(row, widths, on=on) for row in cells]
        head = _line([(one, "bold") for one in header], widths, on=on)
    told = head + "".join(map(str.__add__, lines, below) if below else lines)
    return "".join(f"{indent}{line}" for line in told.splitlines(keepends=True)) if indent else told


def _block(header: list[str], row: list[tuple[str, str | None]], *, on: bool) -> str:
    (first, _), *rest = row
    widest = max(map(len, header))
    told = [(head, text, colour) for head, (text, colour) in zip(header[1:], rest, strict=True) if text]
    lines = [f"  {head:{widest}}  {paint(text, colour, on=on)}".rstrip() for head, text, colour in told]
    return "\n".join([paint(first, "bold", on=on), *lines]) + "\n"


def _line(row: list[tuple[str, str | None]], widths: list[int], *, on: bool) -> str:
    padded = [
        paint(text, colour, on=on) + " " * (wide - width(text))
        for (text, colour), wide in zip(row, widths, strict=True)
    ]
    return "  ".join(padded).rstrip() + "\n"


def counted(count: int, word: str) -> str:
    """Return a count with its word, as many as there are."""
    return f"{count} {word}" if count == 1 else f"{count} {word[:-1]}ies" if word[-1] == "y" else f"{count} {word}s"
