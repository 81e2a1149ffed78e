"""Times in which nothing is deployed: a range of dates or windows of a week, in a named zone, compared in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from helixctl.core import schema as s
from helixctl.core import times
from helixctl.core.case import Answer, Case
from helixctl.core.lifecycle import IN_SERVICE
from helixctl.errors import Invalid

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ALLOWED = ("block", "rollback")
"""What a freeze allows where it says nothing: the ways out of an emergency."""
FROZEN = ("canary", "activate", "deactivate", "deprecate", "rollback", "retire")
"""What a freeze is about where neither it nor its file names actions: what changes who serves."""
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAY = timedelta(days=1)


class Span(NamedTuple):
    """From an instant until another, in UTC."""

    begin: datetime
    end: datetime


class Weekly(NamedTuple):
    """On these days of the week (Monday is 0), from a local time until the next time that the clock shows another."""

    days: frozenset[int]
    begin: time
    end: time


class Freeze(NamedTuple):
    """When it holds, in which zone, and the actions that it allows all the same."""

    zone: str
    allow: tuple[str, ...]
    when: Span | Weekly

    def holding(self, at: datetime) -> Span | None:
        """Return the span that an instant lies in, or None; windows without a gap are one, of a week at most."""
        found = None
        for _ in DAYS:
            end = found.end if found else at
            spans = (self.when,) if isinstance(self.when, Span) else _near(self.when, ZoneInfo(self.zone), end)
            last = max((one for one in spans if one.begin <= end < one.end), key=lambda one: one.end, default=None)
            if last is None:
                break
            found = Span(found.begin if found else last.begin, last.end)
        return found


def freeze(what: Freeze, case: Case) -> Answer:
    """Pass outside of the freeze; not applicable to what it allows."""
    if case.action in what.allow:
        return Answer("not_applicable", f"{case.action} is allowed in this freeze")
    if case.action == "deprecate" and case.subject.status not in IN_SERVICE:
        return Answer("not_applicable", "it serves nothing")
    span = what.holding(case.at)
    if span is None:
        return Answer("pass", "no freeze holds now")
    until = span.end.astimezone(ZoneInfo(what.zone))
    end = times.short(span.end)
    fact = f"frozen until {until:%Y-%m-%d %H:%M} {what.zone}, {end}"
    return Answer("fail", fact, f"helixctl check {case.subject.ref} --for {case.action}  # from {end} on")


def _near(weekly: Weekly, zone: ZoneInfo, at: datetime) -> Iterator[Span]:
    """Yield the windows that may hold an instant; where a clock change makes one's end unclear, the longer is meant."""
    today = at.astimezone(zone).date()
    for day in (today - _DAY, today, today + _DAY):
        if day.weekday() in weekly.days:
            last = day if weekly.end > weekly.begin else day + _DAY
            begin, end = datetime.combine(day, weekly.begin), datetime.combine(last, weekly.end)
            yield Span(min(_instants(begin, zone)), max(_instants(end, zone)))


def _instants(local: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the two instants that a local time may mean: equal unless it does not exist or comes twice.

    Source: PEP 495, local time disambiguation.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    return first, second


def _instant(local: datetime, zone: ZoneInfo) -> datetime:
    first, second = _instants(local, zone)
    if first == second:
        return first
    exists = first.astimezone(zone).replace(tzinfo=None) == local
    raise ValueError(f"{local} {'comes twice' if exists else 'does not exist'} in {zone.key}: the clock changes then")


def _zone(value: Any) -> ZoneInfo:
    """A time zone of the IANA database, such as Europe/Zurich."""
    try:
        if "/" in s.name(value) or value == "UTC":
            return ZoneInfo(value)
    except (KeyError, ValueError, OSError):
        pass
    from zoneinfo import available_timezones

    known = sorted(zone for zone in available_timezones() if "/" in zone or zone == "UTC")
    raise ValueError(f"{value!a} is no time zone{s.did_you_mean(str(value), known)}; write one such as Europe/Zurich")


def _local(value: Any) -> datetime:
    """A local time such as 2026-12-19T18:00:00, or a date, which is its 00:00."""
    if not isinstance(value, date):
        raise ValueError("expected a local time such as 2026-12-19T18:00:00")
    if not isinstance(value, datetime):
        return datetime.combine(value, time())
    if value.tzinfo is not None:
        raise ValueError("has an offset of its own: write the local time, the zone is that of timezone")
    return value


def _clock(value: Any) -> time:
    """A time of day such as 16:00, in quotes."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if not found:
        raise ValueError("expected a time of day such as '16:00'")
    return time(int(found[1]), int(found[2]))


TABLE: s.Schema = {
    "from": _local,
    "until": _local,
    "timezone": _zone,
    "weekly": s.table({"days": s.list_of(s.one_of(*DAYS)), "from": _clock, "until": _clock}, "days", "from", "until"),
}
"""The keys of a `[[freeze]]` that say when it holds."""


def freeze_of(table: Mapping[str, Any]) -> Freeze:
    """Return the freeze that checked keys describe.

    Raises:
        Invalid: neither dates nor weekly windows, or both; a local time that does not exist or comes twice; no order.
    """
    zone, allow = table["timezone"], tuple(table.get("allow", ALLOWED))
    stated = {key for key in ("from", "until", "weekly") if key in table}
    if stated == {"weekly"}:
        weekly = table["weekly"]
        days = frozenset(DAYS.index(day) for day in weekly["days"])
        if not days:
            raise Invalid("weekly.days: names no day", key="weekly", hint=f"name some of {', '.join(DAYS)}")
        return Freeze(zone.key, allow, Weekly(days, weekly["from"], weekly["until"]))
    if stated != {"from", "until"}:
        hint = "write from and until, or weekly = { days = ['sat', 'sun'], from = '00:00', until = '00:00' }"
        raise Invalid("a freeze has from and until, or weekly", key=next(iter(sorted(stated)), "name"), hint=hint)
    ends = {}
    for key in ("from", "until"):
        try:
            ends[key] = _instant(table[key], zone)
        except (ValueError, OverflowError) as error:
            raise Invalid(f"{key}: {error}", key=key, hint="move it by an hour or two") from None
    if ends["from"] >= ends["until"]:
        raise Invalid("until is not after from", key="until", hint="exchange the two")
    return Freeze(zone.key, allow, Span(ends["from"], ends["until"]))
