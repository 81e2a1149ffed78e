from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.against import HIGHER, LOWER
from helixctl.core.case import Answer, Case
from helixctl.core.checks import CHECKS
from helixctl.core.record import METRICS, Record
from helixctl.errors import Invalid
from tests.core.making import AT, SETTINGS, made, measured, with_fix

D = Decimal

ABLE = (
    "[capabilities]\nvision = true\nstreaming = false\nlanguages = ['en', 'de']\n"
    "[limits]\ncontext_window = 1000\nmax_output_tokens = 100\n"
)


def bump(new: Record, old: Record | None) -> Answer:
    return with_fix(CHECKS["bump"].answer(True, Case(new, old, AT, SETTINGS)))


def able(version: str, *changes: tuple[str, str]) -> Record:
    text = ABLE
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    return made(version, extra=text)


NO_VISION = ("vision = true\n", "")
SMALLER = ("context_window = 1000", "context_window = 999")


@pytest.mark.parametrize(
    ("version", "changes", "outcome", "message"),
    [
        ("1.0.1", [], "pass", "breaks nothing of m@1.0.0"),
        ("1.1.0", [NO_VISION], "fail", "no vision: 1.1.0 is no major version after 1.0.0"),
        ("1.1.0", [("vision = true", "vision = false")], "fail", "no vision"),
        ("2.0.0", [NO_VISION], "pass", "no vision: 2.0.0 is a major version after 1.0.0"),
        ("0.9.0", [NO_VISION], "fail", "no major version after"),
        ("1.1.0", [("streaming = false\n", "")], "pass", "breaks nothing"),
        ("1.1.0", [("'en', 'de'", "'en'")], "fail", "languages without de"),
        ("1.1.0", [("'en', 'de'", "'de', 'en', 'fr'")], "pass", "breaks nothing"),
        ("1.1.0", [SMALLER], "fail", "context_window is 999, was 1000"),
        ("1.1.0", [("context_window = 1000", "context_window = 1001")], "pass", "breaks nothing"),
        ("1.1.0", [("max_output_tokens = 100\n", "")], "fail", "max_output_tokens is not stated, was 100"),
        ("1.1.0", [NO_VISION, SMALLER], "fail", "no vision; context_window is 999"),
        ("2.0.0-rc.1", [NO_VISION], "pass", "major version"),
    ],
)
def test_a_breaking_change_needs_a_major_version(
    version: str, changes: list[tuple[str, str]], outcome: str, message: str
) -> None:
    answer = bump(able(version, *changes), able("1.0.0"))
    assert (answer.outcome, message in answer.message) == (outcome, True), answer
    assert answer.fix == ("helixctl register m@2.0.0 -f FILE" if outcome == "fail" else None)


def test_the_major_version_to_register_is_one_that_is_not_there_yet() -> None:
    case = Case(able("1.1.0", NO_VISION), able("1.0.0"), AT, SETTINGS)
    taken = case._replace(versions=("1.0.0", "1.1.0", "2.0.0+b7", "2.1.0", "3.0.0", "4.0.0-rc.1"))
    assert CHECKS["bump"].answer(True, taken).fix == "helixctl register m@4.0.0 -f FILE"


@pytest.mark.parametrize(("new", "outcome"), [("0.3.0", "pass"), ("0.2.9", "fail"), ("1.0.0", "pass")])
def test_before_the_first_release_a_minor_version_may_break(new: str, outcome: str) -> None:
    assert bump(able(new, NO_VISION), able("0.2.0")).outcome == outcome


@pytest.mark.parametrize(("new", "old"), [("2026.1.1", "2025.12.31"), ("2026.1.1", "1.0.0"), ("3.0.0", "2025.1.1")])
def test_a_calendar_version_cannot_say_that_it_breaks(new: str, old: str) -> None:
    answer = bump(able(new, NO_VISION), able(old))
    assert answer.outcome == "fail"
    assert "calendar version" in answer.message
    assert bump(able(new), able(old)).outcome == "pass"


def test_without_an_active_version_nothing_breaks() -> None:
    assert bump(able("1.0.0"), None).outcome == "not_applicable"


def evaluated(version: str, **metrics: Any) -> Record:
    record = made(version)
    return made(version, metrics=measured(record, **metrics))


def regression(new: Record, old: Record | None, wanted: Any, lower: tuple[str, ...] = ()) -> Answer:
    settings = SETTINGS._replace(lower_is_better=lower)
    case = Case(new, old, AT, settings)
    return with_fix(CHECKS["regression"].answer(CHECKS["regression"].parameters(wanted), case))


ROWS: list[tuple[str, Any, Any, Mapping[str, Any], str]] = [
    ("success_rate", D("0.94"), D("0.95"), {"tolerance": D("0.01")}, "pass"),
    ("success_rate", D("0.9399"), D("0.95"), {"tolerance": D("0.01")}, "fail"),
    ("success_rate", D("0.99"), D("0.95"), {"tolerance": 0}, "pass"),
    ("p95_latency_ms", 110, 100, {"relative": D("0.1")}, "pass"),
    ("p95_latency_ms", 111, 100, {"relative": D("0.1")}, "fail"),
    ("p95_latency_ms", 50, 100, {"relative": 0}, "pass"),
    ("error_rate", D("0.02"), D("0.01"), {"tolerance": D("0.01")}, "pass"),
    ("error_rate", D("0.0200001"), D("0.01"), {"tolerance": D("0.01")}, "fail"),
    ("scores.mmlu", D("0.8"), D("0.9"), {"tolerance": D("0.05")}, "fail"),
    ("scores.loss", D("0.9"), D("0.8"), {"tolerance": D("0.05")}, "fail"),
    ("scores.loss", D("0.7"), D("0.8"), {"tolerance": D("0.05")}, "pass"),
]


@pytest.mark.parametrize(("metric", "new", "old", "limit", "outcome"), ROWS)
def test_a_metric_may_be_worse_by_its_tolerance_in_its_own_direction(
    metric: str, new: Any, old: Any, limit: Mapping[str, Any], outcome: str
) -> None:
    name = metric.removeprefix("scores.")
    values = [{"scores": {name: one}} if "." in metric else {name: one} for one in (new, old)]
    sides = [evaluated(version, **one) for version, one in zip(("2.0.0", "1.0.0"), values, strict=True)]
    answer = regression(sides[0], sides[1], {"metric": metric, **limit}, ("loss",))
    assert answer.outcome == outcome, answer
    assert answer.fix == ("helixctl compare m@2.0.0 m@1.0.0" if outcome == "fail" else None)


def test_a_finding_names_both_values_the_tolerance_and_by_how_much() -> None:
    sides = [evaluated(version, success_rate=rate) for version, rate in (("2.0.0", D("0.90")), ("1.0.0", D("0.95")))]
    answer = regression(sides[0], sides[1], {"metric": "success_rate", "tolerance": D("0.01")})
    assert answer.message == "success_rate is 0.9, m@1.0.0 has 0.95, may be 0.01 less (under by 0.04)"


def test_every_metric_is_compared_and_one_that_is_missing_denies() -> None:
    new = evaluated("2.0.0", success_rate=D("0.5"))
    old = evaluated("1.0.0", success_rate=D("0.9"), p95_latency_ms=10)
    wanted = [{"metric": "success_rate", "tolerance": 0}, {"metric": "p95_latency_ms", "tolerance": 0}]
    answer = regression(new, old, wanted)
    assert answer.outcome == "error"
    assert answer.message == "could not be evaluated: metrics.p95_latency_ms is not in the version file of m@2.0.0"
    assert answer.fix == "helixctl evaluate m@2.0.0 --from FILE"


ONE = {"metric": "success_rate", "tolerance": 0}


@pytest.mark.parametrize("which", ["2.0.0", "1.0.0"])
@pytest.mark.parametrize(
    "more",
    [
        {"serving_digest": "0" * 64},
        {"evaluated_at": AT + timedelta(hours=1)},
        None,
    ],
)
def test_an_evaluation_that_is_missing_or_out_of_date_on_either_side_denies(
    which: str, more: Mapping[str, Any] | None
) -> None:
    sides = [
        made(version)
        if (bad := version == which) and more is None
        else evaluated(version, success_rate=1, **(more or {} if bad else {}))
        for version in ("2.0.0", "1.0.0")
    ]
    answer = regression(sides[0], sides[1], ONE)
    assert answer.outcome == "error"
    assert answer.message.startswith(f"could not be evaluated: m@{which}: ")
    assert answer.fix == f"helixctl evaluate m@{which}"


def test_without_another_active_version_there_is_nothing_to_compare_with() -> None:
    one = evaluated("1.0.0", success_rate=1)
    assert regression(one, None, ONE).outcome == "not_applicable"
    assert regression(one, one, ONE).outcome == "not_applicable"


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"metric": "sucess_rate", "tolerance": 0}, "did you mean 'success_rate'"),
        ({"metric": "scores.", "tolerance": 0}, "none of"),
        ({"metric": "success_rate"}, "expected one of tolerance, relative"),
        ({"metric": "success_rate", "tolerance": 0, "relative": 0}, "expected one of tolerance, relative"),
        ({"metric": "success_rate", "tolerance": -1}, "negative"),
        ({"tolerance": 0}, "key 'metric' is missing"),
        ([], "is empty"),
    ],
)
def test_a_comparison_without_metric_or_tolerance_is_refused(wanted: Any, message: str) -> None:
    with pytest.raises((ValueError, Invalid), match=message):
        CHECKS["regression"].parameters(wanted)


def test_every_metric_of_an_evaluation_that_is_a_number_has_a_direction() -> None:
    others = {"evaluated_at", "newest_at", "serving_digest", "verdict", "proven", "samples", "source", "scores"}
    assert {*HIGHER, *LOWER} == METRICS.keys() - others
