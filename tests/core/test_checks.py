from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.case import Answer, Case
from helixctl.core.checks import CHECKS
from helixctl.core.record import Record
from helixctl.core.settings import Settings
from helixctl.core.times import CLOCK_TOLERANCE
from tests.core.making import AT, BLOCK, announced, made, measured, with_fix

HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
D = Decimal


def ask(check: str, parameters: Any, subject: Record, min_samples: int = 50) -> Answer:
    checked = CHECKS[check].parameters(parameters)
    case = Case(subject, None, AT, Settings("r", "r", min_samples=min_samples))
    return with_fix(CHECKS[check].answer(checked, case))


def evaluated(verdict: str = "passed", samples: int = 100, extra: str = "", **more: Any) -> Record:
    lifecycle = {key: more.pop(key) for key in ("last_blocked_at",) if key in more}
    record = made(extra=extra)
    return made(extra=extra, metrics=measured(record, verdict, samples, **more), **lifecycle)


def priced(given: str | None = "1", out: str | None = "2") -> Record:
    lines = [f"{key} = {value}" for key, value in (("input_per_mtok", given), ("output_per_mtok", out)) if value]
    return made(extra="[cost]\n" + "\n".join(lines) + "\n")


def test_there_is_a_table_here_for_every_check() -> None:
    assert set(CHECKS) == {
        "through",
        "evaluation",
        "cost",
        "check",
        "eol_headroom",
        "expr",
        "bump",
        "regression",
        "approvals",
        "not_deprecated",
        "not_blocked",
        "not_in_service",
    }


@pytest.mark.parametrize(
    ("subject", "outcome"),
    [
        (made(status="testing", testing_since=AT), "pass"),
        (made(status="inactive", testing_since=AT), "pass"),
        (made(status="canary"), "fail"),
        (made(), "fail"),
    ],
)
def test_through_asks_whether_the_version_was_in_testing(subject: Record, outcome: str) -> None:
    answer = ask("through", ["testing"], subject)
    assert answer.outcome == outcome
    assert answer.fix == (None if outcome == "pass" else "helixctl promote m@1.0.0 --to testing")


EVALUATIONS: list[tuple[str, Mapping[str, Any], Record, str]] = [
    ("never", {}, made(), "inconclusive"),
    ("passed", {}, evaluated(), "pass"),
    ("a warning, by default", {}, evaluated("warning"), "pass"),
    ("a warning, not wanted", {"verdict": ["passed"]}, evaluated("warning"), "fail"),
    ("failed", {}, evaluated("failed"), "fail"),
    ("failed, wanted", {"verdict": ["failed"]}, evaluated("failed"), "pass"),
    ("inconclusive", {}, evaluated("inconclusive"), "inconclusive"),
    ("just enough samples", {}, evaluated(samples=50), "pass"),
    ("one sample short", {}, evaluated(samples=49), "inconclusive"),
    ("one sample short and failed", {}, evaluated("failed", samples=49), "inconclusive"),
    ("just enough for the rule", {"min_samples": 100}, evaluated(), "pass"),
    ("one short for the rule", {"min_samples": 101}, evaluated(), "inconclusive"),
    ("fewer by the rule", {"min_samples": 10}, evaluated(samples=10), "pass"),
    ("fewer by the file", {}, evaluated(samples=20, extra="[thresholds]\nmin_samples = 20\n"), "pass"),
    ("more by the file", {}, evaluated(samples=60, extra="[thresholds]\nmin_samples = 61\n"), "inconclusive"),
    ("of another serving digest", {}, evaluated(serving_digest="0" * 64), "inconclusive"),
    ("after the block", {}, evaluated(last_blocked_at=AT - HOUR - TICK), "pass"),
    ("at the block", {}, evaluated(last_blocked_at=AT - HOUR), "inconclusive"),
    ("before the block", {}, evaluated(last_blocked_at=AT), "inconclusive"),
    ("in the future, within tolerance", {}, evaluated(evaluated_at=AT + CLOCK_TOLERANCE), "pass"),
    ("in the future", {}, evaluated(evaluated_at=AT + CLOCK_TOLERANCE + TICK), "inconclusive"),
    ("newest just young enough", {"max_age": "2h"}, evaluated(), "pass"),
    ("newest too old", {"max_age": "2h"}, evaluated(newest_at=AT - 2 * HOUR - TICK), "inconclusive"),
    ("newest in the future", {"max_age": "2h"}, evaluated(newest_at=AT + CLOCK_TOLERANCE + TICK), "inconclusive"),
    ("newest unknown", {"max_age": "999d"}, evaluated(newest_at=None), "inconclusive"),
    ("newest unknown, no age asked", {}, evaluated(newest_at=None), "pass"),
    ("proven wanted and so", {"proven": True}, evaluated(proven=True), "pass"),
    ("proven wanted and not so", {"proven": True}, evaluated(proven=False), "inconclusive"),
    ("proven not wanted", {"proven": False}, evaluated(proven=False), "pass"),
    ("proven wanted of a failure", {"proven": True}, evaluated("failed"), "fail"),
]


@pytest.mark.parametrize(("name", "wanted", "subject", "outcome"), EVALUATIONS, ids=[one[0] for one in EVALUATIONS])
def test_evaluation_asks_for_a_conclusive_fresh_one_of_what_would_serve(
    name: str, wanted: Mapping[str, Any], subject: Record, outcome: str
) -> None:
    answer = ask("evaluation", wanted, subject)
    assert answer.outcome == outcome, (name, answer)
    assert answer.fix == (None if outcome == "pass" else "helixctl evaluate m@1.0.0")


def test_evaluation_takes_the_sample_minimum_of_the_registry_where_nothing_else_states_one() -> None:
    assert ask("evaluation", {}, evaluated(samples=60), min_samples=60).outcome == "pass"
    assert ask("evaluation", {}, evaluated(samples=60), min_samples=61).outcome == "inconclusive"


LIMIT = {"max_per_request": D("0.002"), "input_tokens": 1000, "output_tokens": 500}


@pytest.mark.parametrize(
    ("subject", "outcome", "message"),
    [
        (priced(), "pass", "a request of 1000+500 tokens costs 0.002 USD, limit 0.002"),
        (priced("1.000001"), "fail", "costs 0.002000001 USD, limit 0.002 (over by 0.000000001)"),
        (priced("0", "0"), "pass", "costs 0 USD, limit 0.002"),
        (priced("100", "200"), "fail", "costs 0.2 USD, limit 0.002 (over by 0.198)"),
        (priced(None), "error", "could not be evaluated: cost.input_per_mtok is not stated"),
        (priced("1", None), "error", "could not be evaluated: cost.output_per_mtok is not stated"),
        (made(), "error", "could not be evaluated: cost.input_per_mtok is not stated"),
    ],
)
def test_cost_prices_a_request_exactly_and_a_missing_price_cannot_be_evaluated(
    subject: Record, outcome: str, message: str
) -> None:
    answer = ask("cost", LIMIT, subject)
    assert answer.outcome == outcome
    assert message in answer.message
    if outcome == "error":
        assert (answer.fix or "").startswith("helixctl update m@1.0.0 --set cost.")


def ends(at: str) -> Record:
    return made(extra=f"[availability]\nend_of_life = {at}\nreplacement = 'm@2.0.0'\n")


@pytest.mark.parametrize(
    ("subject", "outcome", "message"),
    [
        (made(), "not_applicable", "no end of life is stated"),
        (ends("2026-03-08T12:00:00Z"), "pass", "7 days to the end of life on 2026-03-08"),
        (ends("2026-03-08T11:59:59Z"), "fail", "only 6 days to 2026-03-08, at least 7d needed"),
        (ends("2026-03-02"), "fail", "only 12 hours to 2026-03-02, at least 7d needed"),
        (ends("2026-03-01T12:00:00Z"), "fail", "end of life was 2026-03-01, at least 7d needed"),
        (ends("2020-01-01"), "fail", "end of life was 2020-01-01"),
        (made(deprecation=announced("activation", 6)), "fail", "only 6 days"),
        (made(deprecation=announced("operator", 8)), "pass", "8 days"),
    ],
)
def test_headroom_counts_to_the_effective_end_of_life(subject: Record, outcome: str, message: str) -> None:
    answer = ask("eol_headroom", "7d", subject)
    assert (answer.outcome, message in answer.message) == (outcome, True), answer


@pytest.mark.parametrize(
    ("subject", "fix"),
    [
        (ends("2026-03-02"), "helixctl check m@2.0.0 --for activate"),
        (made(deprecation=announced("operator", 1, replacement="m@3.0.0")), "helixctl check m@3.0.0 --for activate"),
        (made(deprecation=announced("operator", 1, replacement="other")), "helixctl deprecate m@1.0.0 --cancel"),
        (made(deprecation=announced("operator", 1)), "helixctl deprecate m@1.0.0 --cancel"),
        (
            made(extra="[availability]\nend_of_life = 2026-03-02\n"),
            "helixctl update m@1.0.0 --set availability.end_of_life=DATE",
        ),
    ],
)
def test_a_version_at_its_end_points_to_an_exact_replacement_or_to_what_ends_it(subject: Record, fix: str) -> None:
    assert ask("eol_headroom", "7d", subject).fix == fix


@pytest.mark.parametrize(
    ("status", "allow", "outcome"),
    [
        ("active", False, "pass"),
        ("inactive", False, "pass"),
        ("deprecated", True, "pass"),
        ("deprecated", False, "fail"),
    ],
)
def test_a_deprecated_version_takes_new_deployments_only_where_it_says_so(
    status: str, allow: bool, outcome: str
) -> None:
    subject = made(status=status, deprecation=announced("operator", 90, allow_new_deployments=allow))
    assert ask("not_deprecated", True, subject).outcome == outcome


def test_a_blocked_version_says_since_when_and_why() -> None:
    assert ask("not_blocked", True, made(last_blocked_at=AT)).outcome == "pass"
    answer = ask("not_blocked", True, made(blocked={"at": datetime(2026, 1, 2, tzinfo=UTC), "reason": "wrong"}))
    assert answer == Answer(
        "fail", "blocked since 2026-01-02T00:00:00Z: wrong", "helixctl unblock m@1.0.0 --reason '...'"
    )
    assert ask("not_blocked", True, made(blocked=BLOCK)).outcome == "fail"


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("inactive", "pass"),
        ("testing", "pass"),
        ("canary", "fail"),
        ("active", "fail"),
        ("deprecated", "pass"),
        ("retired", "pass"),
    ],
)
def test_canary_and_active_versions_are_in_service(status: str, outcome: str) -> None:
    assert ask("not_in_service", True, made(status=status)).outcome == outcome


@pytest.mark.parametrize("check", ["not_deprecated", "not_blocked", "not_in_service"])
@pytest.mark.parametrize("value", [False, 1, "true", None])
def test_a_claim_is_true_or_left_out(check: str, value: Any) -> None:
    with pytest.raises(ValueError, match="expected true"):
        CHECKS[check].parameters(value)
    assert CHECKS[check].parameters(True) is True
