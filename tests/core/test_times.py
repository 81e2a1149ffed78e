from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from helixctl.core.times import days, instant, parse_duration, parse_instant, parse_moment, relative, short, stamp

ZURICH = timezone(timedelta(hours=1))
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "long", "brief"),
    [
        (NOON, "2026-03-01T12:00:00.000000Z", "2026-03-01T12:00:00Z"),
        (NOON.replace(microsecond=7), "2026-03-01T12:00:00.000007Z", "2026-03-01T12:00:00.000007Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=ZURICH), "2025-12-31T23:30:00.000000Z", "2025-12-31T23:30:00Z"),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00.000000Z", "0999-01-01T00:00:00Z"),
    ],
)
def test_an_instant_is_written_in_utc_with_z_and_four_digits_of_year(at: datetime, long: str, brief: str) -> None:
    assert (stamp(at), short(at)) == (long, brief)
    assert parse_instant(long) == parse_instant(brief) == at


def test_stamps_order_as_text_as_their_instants_do() -> None:
    moments = [datetime(year, 1, 1, tzinfo=UTC) for year in (1, 99, 999, 1000, 2026, 9999)]
    assert [stamp(at) for at in moments] == sorted(stamp(at) for at in moments)


def test_a_date_is_its_midnight_in_utc_and_a_time_is_turned_to_utc() -> None:
    assert instant(date(2026, 10, 23)) == datetime(2026, 10, 23, tzinfo=UTC)
    turned = instant(datetime(2026, 1, 1, 1, tzinfo=ZURICH))
    assert (turned, turned.tzinfo) == (datetime(2026, 1, 1, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "at", [datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))), datetime.min.replace(tzinfo=ZURICH)]
)
def test_a_time_beyond_the_calendar_in_utc_is_a_wrong_value_and_not_a_failure(at: datetime) -> None:
    with pytest.raises(ValueError, match="calendar"):
        instant(at)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a zone"):
        instant(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="needs a zone"):
        parse_instant("2026-01-01T00:00:00")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-01", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T12:00:00Z", NOON),
        ("2026-03-01 12:00:00Z", NOON),
        ("2026-03-01T13:00:00+01:00", NOON),
        ("2026-03-01T12:00:00.25Z", NOON.replace(microsecond=250_000)),
    ],
)
def test_rfc_3339_text_and_plain_dates_are_instants(text: str, at: datetime) -> None:
    assert parse_instant(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-02-30",
        "2026-13-01",
        "2026-3-1",
        "26-03-01",
        "1772366400",
        "2026-03-01T25:00:00Z",
        "2026-03-01T12:00:00Zz",
        "2026-03-01\n",
        "9999-12-31T23:59:59-01:00",
        "\u0662026-03-01",
    ],
)
def test_what_is_no_time_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_instant(text)
    assert "is no RFC 3339 time or date" in str(refused.value)
    assert str(refused.value).isascii()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("45s", timedelta(seconds=45)),
        ("30m", timedelta(minutes=30)),
        ("36h", timedelta(hours=36)),
        ("0d", timedelta(0)),
        ("90d", timedelta(days=90)),
        ("2w", timedelta(days=14)),
        ("999999w", timedelta(weeks=999_999)),
    ],
)
def test_a_duration_is_a_whole_number_and_a_unit(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize(
    "text", ["", "d", "7", "1M", "1y", "-1d", "+1d", "1.5d", "1 d", "1d ", "1d\n", "1D", "1000000d", "\u0661d"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write 14d, 36h, 30m or 2w"):
        parse_duration(text)


def test_a_moment_is_a_time_or_a_duration_back_from_now() -> None:
    assert parse_moment("36h", NOON) == NOON - timedelta(hours=36)
    assert parse_moment("2026-03-01", NOON) == datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="before the calendar"):
        parse_moment("999999w", NOON)
    with pytest.raises(ValueError, match="no RFC 3339"):
        parse_moment("soon", NOON)


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(0), "0 hours"),
        (timedelta(hours=47), "47 hours"),
        (timedelta(days=2), "2 days"),
        (timedelta(days=6, hours=23), "6 days"),
    ],
)
def test_a_span_reads_in_hours_below_two_days_and_in_whole_days_above(span: timedelta, words: str) -> None:
    assert days(span) == words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (1.9, "now"),
        (2, "in 2 seconds"),
        (-2, "2 seconds ago"),
        (89, "in 89 seconds"),
        (90, "in 2 minutes"),
        (-5399, "90 minutes ago"),
        (-5400, "2 hours ago"),
        (86_400, "in 24 hours"),
        (1.5 * 86_400, "in 2 days"),
        (44 * 86_400, "in 44 days"),
        (45 * 86_400, "in 2 months"),
        (-700 * 86_400, "2 years ago"),
    ],
)
def test_how_far_a_time_is_from_now_is_told_in_the_largest_unit_of_which_there_are_two(
    seconds: float, text: str
) -> None:
    assert relative(NOON + timedelta(seconds=seconds), NOON) == text
