from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from helixctl.core.case import Answer, Case
from helixctl.core.freezes import ALLOWED, Freeze, freeze
from helixctl.core.policy_file import decode
from helixctl.errors import Invalid
from tests.core.making import SETTINGS, made, with_fix

HEAD = 'schema = 1\nname = "p"\n[[freeze]]\nname = "f"\nenforcement = "overridable"\n'
YEAR_END = 'from = 2026-12-19T18:00:00\nuntil = 2027-01-04T08:00:00\ntimezone = "Europe/Zurich"\n'
NIGHTS = 'weekly = { days = ["fri", "sat"], from = "16:00", until = "08:00" }\ntimezone = "Europe/Zurich"\n'


def frozen(text: str) -> Freeze:
    (rule,) = decode((HEAD + text).encode()).rules
    assert (rule.id, rule.enforcement, rule.check) == ("f", "overridable", "freeze")
    found: Freeze = rule.parameters
    return found


def ask(text: str, at: datetime, action: str = "activate") -> Answer:
    return with_fix(freeze(frozen(text), Case(made(), None, at, SETTINGS, action)))


def zurich(*when: int, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=ZoneInfo("Europe/Zurich"), fold=fold).astimezone(UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        (datetime(2026, 12, 19, 16, 59, 59, tzinfo=UTC), "pass"),
        (datetime(2026, 12, 19, 17, tzinfo=UTC), "fail"),
        (datetime(2027, 1, 4, 6, 59, 59, tzinfo=UTC), "fail"),
        (datetime(2027, 1, 4, 7, tzinfo=UTC), "pass"),
    ],
)
def test_a_range_holds_from_its_first_instant_until_its_last_in_its_zone(at: datetime, outcome: str) -> None:
    assert ask(YEAR_END, at).outcome == outcome


def test_a_frozen_change_says_until_when_and_what_to_type_then() -> None:
    answer = ask(YEAR_END, datetime(2026, 12, 24, tzinfo=UTC))
    assert answer.message == "frozen until 2027-01-04 08:00 Europe/Zurich, 2027-01-04T07:00:00Z"
    assert answer.fix == "helixctl check m@1.0.0 --for activate  # from 2027-01-04T07:00:00Z on"


def test_a_date_is_its_midnight_there() -> None:
    text = 'from = 2026-07-01\nuntil = 2026-07-02\ntimezone = "Asia/Tokyo"\n'
    assert ask(text, datetime(2026, 6, 30, 15, tzinfo=UTC)).outcome == "fail"
    assert ask(text, datetime(2026, 7, 1, 15, tzinfo=UTC)).outcome == "pass"


@pytest.mark.parametrize(("status", "outcome"), [("active", "fail"), ("testing", "not_applicable")])
def test_a_deprecation_is_frozen_of_what_serves(status: str, outcome: str) -> None:
    case = Case(made("1.0.0", status), None, datetime(2026, 12, 24, tzinfo=UTC), SETTINGS, "deprecate")
    assert freeze(frozen(YEAR_END), case).outcome == outcome


@pytest.mark.parametrize("action", ["activate", "retire", "rollback", "block"])
def test_the_ways_out_of_an_emergency_are_allowed_unless_allow_says_else(action: str) -> None:
    at = datetime(2026, 12, 24, tzinfo=UTC)
    assert ask(YEAR_END, at, action).outcome == ("not_applicable" if action in ALLOWED else "fail")
    stated = YEAR_END + 'allow = ["retire"]\n'
    assert ask(stated, at, action).outcome == ("not_applicable" if action == "retire" else "fail")


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        (zurich(2026, 11, 26, 20), "pass"),  # a Thursday
        (zurich(2026, 11, 27, 15, 59, 59), "pass"),
        (zurich(2026, 11, 27, 16), "fail"),
        (zurich(2026, 11, 28, 0), "fail"),
        (zurich(2026, 11, 28, 7, 59, 59), "fail"),
        (zurich(2026, 11, 28, 8), "pass"),
        (zurich(2026, 11, 28, 16), "fail"),
        (zurich(2026, 11, 29, 7, 59), "fail"),
        (zurich(2026, 11, 29, 16), "pass"),
        (zurich(2026, 7, 3, 16), "fail"),
        (datetime(2026, 7, 3, 14, tzinfo=UTC), "fail"),
        (datetime(2026, 7, 3, 13, 59, tzinfo=UTC), "pass"),
    ],
)
def test_a_weekly_window_crosses_midnight_and_follows_the_clock_of_its_zone(at: datetime, outcome: str) -> None:
    assert ask(NIGHTS, at).outcome == outcome


@pytest.mark.parametrize(
    ("at", "outcome"), [((2026, 11, 28, 0), "fail"), ((2026, 11, 28, 23, 59), "fail"), ((2026, 11, 29, 0), "pass")]
)
def test_a_window_from_a_time_until_the_same_is_a_whole_day(at: tuple[int, ...], outcome: str) -> None:
    text = 'weekly = { days = ["sat"], from = "00:00", until = "00:00" }\ntimezone = "Europe/Zurich"\n'
    assert ask(text, zurich(*at)).outcome == outcome


@pytest.mark.parametrize(
    ("days", "until"),
    [
        ('"sat", "sun"', "2026-11-30 00:00"),
        ('"sat", "mon"', "2026-11-29 00:00"),
        ('"sun", "sat", "mon", "tue", "wed", "thu", "fri"', "2026-12-05 00:00"),
    ],
)
def test_windows_that_follow_on_one_another_are_frozen_until_the_last_ends(days: str, until: str) -> None:
    text = f'weekly = {{ days = [{days}], from = "00:00", until = "00:00" }}\ntimezone = "Europe/Zurich"\n'
    assert f"frozen until {until}" in ask(text, zurich(2026, 11, 28, 12)).message


@pytest.mark.parametrize(
    ("at", "outcome"),
    [
        (datetime(2026, 3, 29, 0, 29, tzinfo=UTC), "pass"),
        (datetime(2026, 3, 29, 0, 30, tzinfo=UTC), "fail"),  # 02:30 does not exist: the earlier of what it may mean
        (datetime(2026, 3, 29, 1, 59, tzinfo=UTC), "fail"),
        (datetime(2026, 3, 29, 2, tzinfo=UTC), "pass"),
    ],
)
def test_where_a_clock_change_makes_the_edge_of_a_window_unclear_the_longer_is_meant(
    at: datetime, outcome: str
) -> None:
    text = 'weekly = { days = ["sun"], from = "02:30", until = "04:00" }\ntimezone = "Europe/Zurich"\n'
    assert ask(text, at).outcome == outcome


def test_in_autumn_a_window_lasts_through_the_hour_that_comes_twice() -> None:
    text = 'weekly = { days = ["sun"], from = "01:00", until = "02:30" }\ntimezone = "Europe/Zurich"\n'
    assert ask(text, zurich(2026, 10, 25, 2, 29, fold=1)).outcome == "fail"
    assert ask(text, zurich(2026, 10, 25, 2, 30, fold=1)).outcome == "pass"


ZONE = 'timezone = "Europe/Zurich"\n'
BAD: list[tuple[str, str, int]] = [
    ("from = 2026-12-19\nuntil = 2026-12-20\n", "key 'timezone' is missing", 3),
    ("from = 2026-12-19\nuntil = 2026-12-20\ntimezone = 'Europe/Zuerich'\n", "did you mean 'Europe/Zurich'?", 8),
    ("from = 2026-12-19\nuntil = 2026-12-20\ntimezone = 'CET'\n", "is no time zone; write", 8),
    ("from = 2026-12-19\nuntil = 2026-12-20\ntimezone = '../../etc/passwd'\n", "is no time zone; write", 8),
    ("from = 2026-12-19\nuntil = 2026-12-20\ntimezone = 'Europe/'\n", "is no time zone", 8),
    (
        f"from = 2026-03-29T02:30:00\nuntil = 2026-04-01\n{ZONE}",
        "2026-03-29 02:30:00 does not exist in Europe/Zurich",
        6,
    ),
    (f"from = 2026-03-01\nuntil = 2026-10-25T02:30:00\n{ZONE}", "2026-10-25 02:30:00 comes twice in Europe/Zurich", 7),
    (f"from = 2026-12-19T18:00:00Z\nuntil = 2026-12-20\n{ZONE}", "has an offset of its own", 6),
    (f"from = 2026-12-20\nuntil = 2026-12-20\n{ZONE}", "until is not after from", 7),
    (f"from = 2026-12-20\n{ZONE}", "has from and until, or weekly", 6),
    (ZONE, "has from and until, or weekly", 4),
    (f"from = 2026-12-19\nuntil = 2026-12-20\n{NIGHTS}", "has from and until, or weekly", 6),
    (f"from = 16:00:00\nuntil = 2026-12-20\n{ZONE}", "expected a local time such as", 6),
    (f"from = 0001-01-01\nuntil = 2026-12-20\n{ZONE}", "from: ", 6),
    (f"weekly = {{ days = [], from = '16:00', until = '08:00' }}\n{ZONE}", "names no day", 6),
    (f"weekly = {{ days = ['friday'], from = '16:00', until = '08:00' }}\n{ZONE}", "did you mean 'fri'?", 6),
    (f"weekly = {{ days = ['fri'], from = '24:00', until = '08:00' }}\n{ZONE}", "expected a time of day", 6),
    (f"weekly = {{ days = ['fri'], from = '16:00' }}\n{ZONE}", "key 'until' is missing", 6),
    (f"{YEAR_END}allow = ['rolback']\n", "did you mean 'rollback'?", 9),
    (f"{YEAR_END}until_ = 3\n", "unknown key 'until_'", 9),
]


@pytest.mark.parametrize(("text", "message", "line"), BAD, ids=[message for _, message, _ in BAD])
def test_a_freeze_without_clear_times_or_zone_does_not_load(text: str, message: str, line: int) -> None:
    with pytest.raises(Invalid) as refused:
        decode((HEAD + text).encode())
    assert message in refused.value.message
    assert refused.value.line == line
    assert refused.value.hint


def test_a_freeze_states_how_binding_it_is() -> None:
    text = HEAD.replace('enforcement = "overridable"\n', "") + YEAR_END
    with pytest.raises(Invalid, match="key 'enforcement' is missing"):
        decode(text.encode())


def test_a_freeze_and_a_rule_have_names_of_their_own() -> None:
    rule = '[[rule]]\nid = "f"\nenforcement = "advisory"\nbump = true\n'
    with pytest.raises(Invalid, match="rule id 'f' stands twice"):
        decode((HEAD + YEAR_END + rule).encode())
