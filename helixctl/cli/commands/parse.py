"""Text of options to values."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from helixctl.core import times
from helixctl.errors import Usage

if TYPE_CHECKING:
    from helixctl.api.comparison import Against


def moment(text: str | None, option: str, now: datetime | None = None) -> datetime | None:
    """Return the instant that an option names; with `now`, a duration such as 7d means that long ago.

    Raises:
        Usage: it names none.
    """
    if text is None:
        return None
    try:
        return times.parse_instant(text) if now is None else times.parse_moment(text, now)
    except ValueError as error:
        ago = ", or 7d for so long ago" if now else ""
        raise Usage(f"{option}: {error}", hint=f"write 2026-10-23 or 2026-10-23T08:00:00Z{ago}") from None


def pairs(given: Sequence[str] | None, option: str) -> tuple[tuple[str, str], ...]:
    """Return the name and the value of each `NAME=VALUE`.

    Raises:
        Usage: one has no `=`, or no name.
    """
    found = []
    for text in given or ():
        name, equals, value = (part.strip() for part in text.partition("="))
        if not name or not equals:
            raise Usage(f"{option}: no NAME=VALUE", hint=f"write {option} NAME=VALUE")
        found.append((name, value))
    return tuple(found)


def duration(text: str | None, option: str) -> timedelta | None:
    """Return the duration that an option names.

    Raises:
        Usage: it names none.
    """
    try:
        return None if text is None else times.parse_duration(text)
    except ValueError as error:
        raise Usage(f"{option}: {error}", hint="write 30d or 12h") from None


def numbers(given: Sequence[str] | None, option: str) -> dict[str, Decimal]:
    """Return the number of each `NAME=VALUE`.

    Raises:
        Usage: one has no `=`, no name, or no number.
    """
    found = {}
    for name, value in pairs(given, option):
        try:
            found[name] = Decimal(value)
        except InvalidOperation:
            raise Usage(f"{option}: a value is no number", hint=f"write {option} NAME=0.05") from None
    return found


def against(
    baseline: str | None, sources: Sequence[str] | None, margin: Sequence[str] | None, look: str | None
) -> Against | None:
    """Return what a version is to be compared with, or None.

    Raises:
        Usage: there is no baseline, yet something about it.
    """
    if baseline is None:
        if sources or margin or look is not None:
            raise Usage("--baseline-from, --margin and --look need a baseline", hint="add --baseline active")
        return None
    from helixctl.api.comparison import Against

    return Against(baseline, sources or (), numbers(margin, "--margin"), look)
