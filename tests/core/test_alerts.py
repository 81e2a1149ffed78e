from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

import pytest

from helixctl.core.alerts import CLEAN, Alerts, after
from helixctl.core.judge import Evaluation, ThresholdResult, Verdict

RATE = "max_error_rate"


def refresh(says: str, samples: int = 100, severity: str = "fail") -> Evaluation:
    """Return a refresh: `v` violated, `c` clean, `p` proven, `n` not measured."""
    outcome = {"v": "violated", "c": "passed", "p": "passed", "n": "not_measured"}[says]
    verdict = {"violated": Verdict.FAILED, "passed": Verdict.PASSED, "not_measured": Verdict.INCONCLUSIVE}[outcome]
    if says == "v" and severity == "warn":
        verdict = Verdict.WARNING
    one = ThresholdResult(RATE, "error_rate", Decimal(0), Decimal("0.05"), severity, outcome, says == "p")
    return Evaluation(verdict, says == "p", samples, {}, {}, (one,), (), None, {})


def opened(found: Iterable[Evaluation], *, is_serving: bool = True) -> list[tuple[str, ...]]:
    """Return what each refresh of a sequence opens."""
    known, said = Alerts({}), []
    for one in found:
        known = after(known.open, one, 50, is_serving=is_serving)
        said.append(known.opened)
    return said


BOTH = (RATE, "quality")


@pytest.mark.parametrize(
    ("sequence", "alerting"),
    [
        ("ccc", []),
        ("v", [0]),
        ("cv", [1]),
        ("vvvvvv", [0]),
        ("vcvcvcvc", [0]),
        ("vccccvccccv", [0]),
        ("vcccccv", [0, 6]),
        ("vpv", [0, 2]),
        ("vnnnnv", [0]),
        ("vnnnnnv", [0, 6]),
        ("vccvccccv", [0]),
        ("pppp", []),
    ],
)
def test_one_cause_makes_one_alert(sequence: str, alerting: list[int]) -> None:
    assert CLEAN == 5
    said = opened(map(refresh, sequence))
    assert [place for place, names in enumerate(said) if names] == alerting
    assert {names for names in said if names} <= {BOTH}


def test_a_threshold_that_warns_is_no_loss_of_quality() -> None:
    assert opened([refresh("v", severity="warn")]) == [(RATE,)]


def test_quality_is_that_of_a_version_that_serves_and_is_lost_when_one_that_fails_begins_to() -> None:
    assert opened([refresh("v")] * 2, is_serving=False) == [(RATE,), ()]
    known = after({}, refresh("v"), 50, is_serving=False)
    assert after(known.open, refresh("v"), 50, is_serving=True).opened == ("quality",)


def test_too_few_samples_open_and_close_nothing() -> None:
    assert after({}, refresh("v", samples=49), 50, is_serving=True) == Alerts({})
    assert after({RATE: 0}, refresh("p", samples=49), 50, is_serving=True) == Alerts({RATE: 0})
    assert after({}, refresh("v", samples=0), 0, is_serving=True) == Alerts({})


def test_a_threshold_that_is_judged_no_more_is_open_no_more() -> None:
    assert after({"min_confidence": 0}, refresh("c"), 50, is_serving=True) == Alerts({})
