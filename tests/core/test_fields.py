from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.case import Answer, Case
from helixctl.core.checks import CHECKS
from helixctl.core.fields import BOUNDS, MAX_PATTERN
from helixctl.core.record import Record
from helixctl.errors import Invalid
from tests.core.making import AT, SETTINGS, made, with_fix

D = Decimal

SPEC = {
    "provider": "acme",
    "tags": ("llm", "team-red"),
    "capabilities": {"streaming": True, "vision": False, "languages": ("en", "de")},
    "limits": {"context_window": 128_000},
    "release_date": date(2026, 1, 2),
    "configuration": {"token": "s3cret", "size": 12, "on": True},
}
METRICS = {"scores": {"mmul": D("0.86")}, "p95_latency_ms": 900, "verdict": "passed", "proven": True}


def subject() -> Record:
    found = made()._replace(spec={**made().spec, **SPEC})
    return found._replace(metrics={"evaluated_at": AT, "serving_digest": found.serving_digest, **METRICS})


def ask(wanted: Any) -> Answer:
    return with_fix(CHECKS["check"].answer(CHECKS["check"].parameters(wanted), Case(subject(), None, AT, SETTINGS)))


def test_a_metric_of_what_is_no_longer_served_is_none() -> None:
    wanted = CHECKS["check"].parameters({"field": "metrics.p95_latency_ms", "max": 900})
    found = made()._replace(metrics=subject().metrics)
    answer = CHECKS["check"].answer(wanted, Case(found, None, AT, SETTINGS, "activate"))
    assert (answer.outcome, answer.fix) == ("error", "helixctl evaluate m@1.0.0 --from FILE")
    assert "not in the version file: the last evaluation was of another provider" in answer.message
    for out in ("update", "deactivate", "rollback"):
        assert CHECKS["check"].answer(wanted, Case(found, None, AT, SETTINGS, out)).outcome == "pass"


def test_a_lacking_capability_is_the_one_to_be_set() -> None:
    answer = ask({"field": "capabilities", "contains": ["streaming", "vision"]})
    assert (answer.outcome, answer.fix) == ("fail", "helixctl update m@1.0.0 --set capabilities.vision=true")


BOUNDARIES: list[tuple[Mapping[str, Any], str]] = [
    ({"field": "metrics.p95_latency_ms", "min": 900}, "pass"),
    ({"field": "metrics.p95_latency_ms", "min": D("900.1")}, "fail"),
    ({"field": "metrics.p95_latency_ms", "max": 900}, "pass"),
    ({"field": "metrics.p95_latency_ms", "max": 899}, "fail"),
    ({"field": "release_date", "min": date(2026, 1, 2)}, "pass"),
    ({"field": "release_date", "max": date(2026, 1, 1)}, "fail"),
    ({"field": "metrics.p95_latency_ms", "equals": D("900.0")}, "pass"),
    ({"field": "metrics.proven", "equals": True}, "pass"),
    ({"field": "provider", "in": ["acme", "other"]}, "pass"),
    ({"field": "provider", "in": ["other"]}, "fail"),
    ({"field": "capabilities.languages", "in": ["en", "de", "fr"]}, "pass"),
    ({"field": "capabilities.languages", "in": ["en"]}, "fail"),
    ({"field": "capabilities", "contains": ["streaming"]}, "pass"),
    ({"field": "capabilities", "contains": ["vision"]}, "fail"),
    ({"field": "tags", "contains": ["llm", "team-red"]}, "pass"),
    ({"field": "tags", "contains": ["gold"]}, "fail"),
    ({"field": "provider", "matches": "ac*"}, "pass"),
    ({"field": "provider", "matches": "AC*"}, "fail"),
    ({"field": "provider", "matches": "c*"}, "fail"),
    ({"field": "tags", "matches": "*e*"}, "fail"),
    ({"field": "tags", "matches": "*l*"}, "fail"),
    ({"field": "tags", "matches": "*"}, "pass"),
    ({"field": "provider", "required": True}, "pass"),
    ({"field": "artifact.sha256", "required": True}, "fail"),
    ({"field": "artifact.sha256", "required": False}, "not_applicable"),
    ({"field": "limits.max_output_tokens", "required": False, "max": 5}, "not_applicable"),
    ({"field": "limits.context_window", "required": False, "max": 5}, "fail"),
    ({"field": "limits.context_window", "required": True, "max": 5}, "fail"),
    ({"field": "limits.max_output_tokens", "required": True, "max": 5}, "fail"),
    ({"field": "metrics.scores.mmlu", "min": 0}, "error"),
    ({"field": "configuration.token", "equals": "s3cret"}, "pass"),
    ({"field": "configuration.token", "min": 1}, "error"),
    ({"field": "configuration.token", "equals": True}, "fail"),
    ({"field": "configuration.token", "contains": ["s"]}, "error"),
    ({"field": "configuration.size", "matches": "1*"}, "error"),
    ({"field": "configuration.size", "max": date(2026, 1, 1)}, "error"),
    ({"field": "configuration.on", "max": 1}, "error"),
]


@pytest.mark.parametrize(("wanted", "outcome"), BOUNDARIES, ids=[str(dict(one)) for one, _ in BOUNDARIES])
def test_a_field_is_held_to_what_its_row_asks(wanted: Mapping[str, Any], outcome: str) -> None:
    assert ask(wanted).outcome == outcome


VAIN: list[Mapping[str, Any]] = [
    {"field": "cost.tier", "min": 2},
    {"field": "cost.tier", "equals": "gold"},
    {"field": "cost.tier", "in": ["premium", "gold"]},
    {"field": "metrics.proven", "min": 1},
    {"field": "metrics.proven", "equals": 1},
    {"field": "metrics.samples", "equals": True},
    {"field": "metrics.scores", "min": 1},
    {"field": "tags", "max": 1},
    {"field": "release_date", "max": 5},
    {"field": "limits.context_window", "max": date(2026, 1, 1)},
    {"field": "limits", "contains": ["context_window"]},
    {"field": "capabilities", "in": ["en"]},
    {"field": "capabilities", "contains": ["tool_caling"]},
    {"field": "limits.context_window", "min": 2, "max": 1},
    {"field": "release_date", "min": date(2026, 1, 2), "max": date(2026, 1, 1)},
    {"field": "configuration.size", "min": 1, "max": date(2026, 1, 1)},
]
UNFIT: list[Mapping[str, Any]] = [
    {"field": "cost.tier", "contains": ["premium"]},
    {"field": "metrics.proven", "matches": "t*"},
    {"field": "metrics.scores.mmlu", "max": date(2026, 1, 1)},
    {"field": "tags", "equals": "llm"},
    {"field": "release_date", "matches": "2026*"},
    {"field": "limits.context_window", "matches": "1*"},
    {"field": "capabilities", "matches": "*"},
    {"field": "provider", "contains": ["acme"]},
]
KEPT: list[Mapping[str, Any]] = [
    {"field": "cost.tier", "equals": "premium", "matches": "prem*", "in": ["premium", "economy"]},
    {"field": "metrics.scores.mmlu", "min": D("0.5"), "max": D("0.5")},
    {"field": "metrics.evaluated_at", "min": date(2026, 1, 1)},
    {"field": "release_date", "equals": date(2026, 1, 1)},
    {"field": "limits.context_window", "min": D("0.5"), "in": [1, 2]},
    {"field": "capabilities", "contains": ["tool_calling"]},
    {"field": "tags", "equals": ["llm"], "in": ["llm", "x"], "contains": ["llm"], "matches": "l*"},
    {"field": "lifecycle.status", "in": ["testing", "canary"]},
    {"field": "artifact.sha256", "matches": "ab*"},
    {"field": "lifecycle.previous", "equals": "1.0.0"},
    {"field": "configuration.any.thing", "min": 1, "matches": "x", "contains": ["a"], "in": [True]},
    {"field": "lifecycle.blocked.reason", "equals": "x", "matches": "x*"},
]


@pytest.mark.parametrize("wanted", UNFIT, ids=str)
def test_a_bound_that_does_not_fit_its_field_never_passes(wanted: Mapping[str, Any]) -> None:
    assert ask(wanted).outcome in ("error", "fail")


@pytest.mark.parametrize("wanted", VAIN, ids=str)
def test_a_bound_that_no_value_of_its_field_can_keep_to_does_not_load(wanted: Mapping[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        CHECKS["check"].parameters([{"field": "provider", "required": True}, wanted])
    word = "min" if {"min", "max"} <= wanted.keys() else [*wanted][-1]
    assert refused.value.key == f"1.{word}"
    assert refused.value.message.startswith(f"{wanted['field']} can have no value that keeps to ")
    assert refused.value.hint


@pytest.mark.parametrize("wanted", KEPT, ids=str)
def test_a_bound_that_some_value_of_its_field_keeps_to_loads(wanted: Mapping[str, Any]) -> None:
    assert CHECKS["check"].parameters(wanted)


def test_what_a_field_fails_is_told_in_the_order_of_the_bounds_in_every_process() -> None:
    row = {"field": "provider", "in": ["x"], "matches": "k*", "equals": "z"}
    told = "provider is acme, not equals z; provider is acme, not in x; provider is acme, not matches k*"
    assert ask(row).message == told
    with pytest.raises(Invalid) as refused:
        CHECKS["check"].parameters({"field": "cost.tier", "in": ["a"], "equals": "b", "max": 1})
    assert refused.value.key == "0.max"


def test_there_is_a_case_here_for_every_bound() -> None:
    assert {key for row, _ in BOUNDARIES for key in row} == {*BOUNDS, "field", "required"}


@pytest.mark.parametrize(
    ("wanted", "message", "fix"),
    [
        (
            {"field": "metrics.scores.mmlu", "min": D("0.85")},
            "could not be evaluated: metrics.scores.mmlu is not in the version file (did you mean 'metrics.scores.mmul'?)",
            "helixctl evaluate m@1.0.0 --from FILE",
        ),
        (
            {"field": "metrics.p95_latency_ms", "max": 800},
            "metrics.p95_latency_ms is 900, max 800 (over by 100)",
            "helixctl evaluate m@1.0.0 --from FILE",
        ),
        (
            {"field": "limits.context_window", "min": 200_000},
            "limits.context_window is 128000, min 200000 (under by 72000)",
            "helixctl update m@1.0.0 --set limits.context_window=VALUE",
        ),
        (
            {"field": "limits.max_output_tokens", "min": 1},
            "could not be evaluated: limits.max_output_tokens is not in the version file",
            "helixctl update m@1.0.0 --set limits.max_output_tokens=VALUE",
        ),
        (
            {"field": "capabilities", "contains": ["tool_calling"]},
            "capabilities is streaming, languages, not contains tool_calling",
            "helixctl update m@1.0.0 --set capabilities.tool_calling=true",
        ),
        (
            {"field": "lifecycle.status", "equals": "active"},
            "lifecycle.status is inactive, not equals active",
            "helixctl show m@1.0.0",
        ),
        ({"field": "provider", "matches": "x*"}, "provider is acme, not matches x*", "--set provider=VALUE"),
    ],
)
def test_a_finding_names_value_and_limit_and_what_to_type(wanted: Mapping[str, Any], message: str, fix: str) -> None:
    answer = ask(wanted)
    assert answer.message == message
    assert (answer.fix or "").endswith(fix)


def test_every_row_is_judged_and_what_cannot_be_is_the_outcome() -> None:
    rows = [
        {"field": "provider", "equals": "x"},
        {"field": "metrics.scores.a", "min": 1},
        {"field": "tags", "matches": "*"},
    ]
    answer = ask(rows)
    assert answer.outcome == "error"
    assert "metrics.scores.a is not in the version file" in answer.message
    assert "provider is acme, not equals x" in answer.message
    assert "tags" not in answer.message


@pytest.mark.parametrize(
    ("wanted", "hidden"),
    [
        ({"field": "configuration.token", "equals": "other"}, ("s3cret", "other")),
        ({"field": "configuration.size", "max": 5}, ("12", "5", "7")),
    ],
)
def test_values_of_the_configuration_reach_no_message(wanted: Mapping[str, Any], hidden: tuple[str, ...]) -> None:
    answer = ask(wanted)
    assert answer.outcome == "fail"
    assert not [one for one in hidden if one in answer.message]


def test_a_long_value_is_cut() -> None:
    record = subject()
    record = record._replace(spec={**record.spec, "description": "x" * 5000})
    answer = CHECKS["check"].answer(
        CHECKS["check"].parameters({"field": "description", "equals": "y"}), Case(record, None, AT, SETTINGS)
    )
    assert len(answer.message) < 200


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"field": "cost"}, "expected at least one of min, max, equals, in, contains, matches, required"),
        ({"min": 1}, "key 'field' is missing"),
        ([], "is empty"),
        ("x", "expected a table with field"),
        ({"field": "provider", "atleast": 1}, "unknown key 'atleast'"),
        ({"field": "metrics.p95_latncy_ms", "max": 1}, r"no field 'metrics.p95_latncy_ms' \(did you mean"),
        ({"field": "metric.scores.a", "max": 1}, r"no field 'metric.scores.a' \(did you mean 'metrics"),
        ({"field": "provider", "matches": "x" * (MAX_PATTERN + 1)}, "longer than 200 characters"),
        ({"field": "provider", "min": True}, "expected a number"),
        ({"field": "provider", "required": "yes"}, "expected true or false"),
    ],
)
def test_a_row_that_asks_nothing_or_of_no_field_is_refused(wanted: Any, message: str) -> None:
    with pytest.raises((ValueError, Invalid), match=message):
        CHECKS["check"].parameters(wanted)


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    record = subject()
    record = record._replace(spec={**record.spec, "description": "a" * 16_000})
    wanted = CHECKS["check"].parameters({"field": "description", "matches": "*a" * 99 + "b"})
    assert CHECKS["check"].answer(wanted, Case(record, None, AT, SETTINGS)).outcome == "fail"


@pytest.mark.parametrize(("line", "outcome"), [("tags = []", "fail"), ('tags = ["a"]', "pass")])
def test_what_is_required_is_not_empty(line: str, outcome: str) -> None:
    wanted = CHECKS["check"].parameters({"field": "tags", "required": True})
    answer = CHECKS["check"].answer(wanted, Case(made(extra=f"{line}\n"), None, AT, SETTINGS))
    assert (answer.outcome, "empty" in answer.message) == (outcome, outcome == "fail")


@pytest.mark.parametrize("bound", ["in", "matches"])
def test_an_empty_array_holds_no_bound_of_its_elements(bound: str) -> None:
    wanted = {"field": "tags", bound: ["reviewed"] if bound == "in" else "reviewed*"}
    answer = CHECKS["check"].answer(
        CHECKS["check"].parameters(wanted), Case(made(extra="tags = []\n"), None, AT, SETTINGS)
    )
    assert (answer.outcome, "tags (an empty array)" in answer.message) == ("error", True)
