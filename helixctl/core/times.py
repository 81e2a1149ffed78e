"""Instants and durations as text: RFC 3339 in UTC with `Z`, and `14d`, `36h`, `30m`."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

_DURATION = re.compile(r"(\d{1,6})([smhdw])", re.ASCII)
CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far two clocks may differ before a time counts as one that is yet to come."""
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def stamp(at: datetime) -> str:
    """Return the instant as RFC 3339 with microseconds, in UTC, with `Z`."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def short(at: datetime) -> str:
    """Return the instant as RFC 3339 in UTC, microseconds only where there are any."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def instant(value: date | datetime) -> datetime:
    """Return a date as its 00:00 UTC, and an aware time in UTC.

    Raises:
        ValueError: the time has no zone, or lies beyond the calendar in UTC.
    """
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if value.tzinfo is None:
        raise ValueError("a time needs a zone, such as 2026-11-22T10:15:00Z")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value} lies beyond the calendar in UTC") from None


def parse_instant(text: str) -> datetime:
    """Return the instant that RFC 3339 text or a plain date names.

    Raises:
        ValueError: the text is neither, or has no zone.

    Source: RFC 3339, section 5.6.
    """
    try:
        if len(text) == 10:
            return instant(date.fromisoformat(text))
        return instant(datetime.fromisoformat(text))
    except ValueError as error:
        reason = str(error) if "needs a zone" in str(error) else f"{text!a} is no RFC 3339 time or date"
        raise ValueError(reason) from None


def parse_duration(text: str) -> timedelta:
    """Return the duration of `90d`, `36h`, `30m`, `45s` or `2w`.

    Raises:
        ValueError: another form; months are refused, since their length varies.
    """
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!a} is no duration; write 14d, 36h, 30m or 2w")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the instant named by RFC 3339 text, a date, or a duration before `now`.

    Raises:
        ValueError: the text is none of these.
    """
    try:
        return now - parse_duration(text)
    except OverflowError:
        raise ValueError(f"{text!a} reaches before the calendar") from None
    except ValueError:
        return parse_instant(text)


def days(span: timedelta) -> str:
    """Return a span in words, to the day, or to the hour below two days."""
    if abs(span) < timedelta(days=2):
        return f"{span / timedelta(hours=1):.0f} hours"
    return f"{span // timedelta(days=1)} days"


_SPANS = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3600), ("minute", 60))


def relative(at: datetime, now: datetime) -> str:
    """Return how far an instant is from now, in words, in the largest unit of which there are two."""
    seconds = (at - now).total_seconds()
    for unit, length in _SPANS:
        if (many := round(abs(seconds) / length)) >= 2:
            return f"in {many} {unit}s" if seconds > 0 else f"{many} {unit}s ago"
    return "now" if abs(seconds) < 2 else f"in {seconds:.0f} seconds" if seconds > 0 else f"{-seconds:.0f} seconds ago"
