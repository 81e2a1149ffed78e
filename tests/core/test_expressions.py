from __future__ import annotations

import resource
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.case import Answer, Case
from helixctl.core.checks import CHECKS
from helixctl.core.expressions import MAX_LENGTH, MAX_MATCHES, applies, compiled, expression, seen
from helixctl.core.record import Record
from helixctl.errors import Invalid
from tests.core.making import AT, SETTINGS, made, with_fix

EXTRA = "tags = ['llm', 'gold']\nrelease_date = 2026-01-02\n[limits]\ncontext_window = 128000\n[configuration]\ntoken = 's3cret'\nlong = '99999999h'\n"
METRICS = {"success_rate": Decimal("0.95"), "samples": 100, "evaluated_at": AT, "scores": {"mmul": Decimal("0.8")}}


def case(current: Record | None = None, **more: Any) -> Case:
    subject = made("2.0.0", extra=EXTRA)
    subject = subject._replace(metrics={**METRICS, "serving_digest": subject.serving_digest})
    return Case(subject, current, AT, SETTINGS, "activate", "alice@example.com", kept={})._replace(**more)


def serving() -> Record:
    record = made("1.0.0", "active")
    told = {"success_rate": Decimal("0.9"), "serving_digest": record.serving_digest}
    return record._replace(metrics={**METRICS, **told})


@pytest.mark.parametrize(
    "text", ["model.metrics.samples > 1", 'model["metrics"].samples > 1', "model\n    .metrics.samples > 1"]
)
def test_metrics_of_what_is_no_longer_served_deny(text: str) -> None:
    subject, current = (one._replace(metrics=METRICS) for one in (case().subject, serving()))
    answer = ask(text, case(current, subject=subject))
    assert (answer.outcome, answer.fix) == ("error", "helixctl evaluate m@2.0.0 --from FILE")
    assert "m@2.0.0: the last evaluation was of another provider" in answer.message
    assert ask("has(current.metrics)", case(current, subject=subject)).outcome == "fail"
    for other in ("model.limits.context_window > 1", "!has(model.metrics)", "model.provider != 'a model metrics'"):
        assert ask(other, case(current, subject=subject)).outcome == "pass"
    for out in ("deactivate", "deprecate", "update"):
        assert ask(text, case(current, subject=subject, action=out)).outcome == "pass"


def ask(text: str, given: Case | None = None) -> Answer:
    check = CHECKS["expr"]
    return with_fix(check.answer(check.parameters(text), given or case()))


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("true", "pass"),
        ("false", "fail"),
        ("model.metrics.success_rate >= current.metrics.success_rate - 0.01", "pass"),
        ("model.metrics.success_rate >= current.metrics.success_rate + 0.06", "fail"),
        ("model.metrics.samples > 99", "pass"),
        ("model.metrics.samples == 100", "pass"),
        ("model.metrics.samples > 99.5", "pass"),
        ("model.limits.context_window / 2.0 == 64000.0", "pass"),
        ("has(current.metrics)", "pass"),
        ("has(model.limits.max_output_tokens)", "fail"),
        ("'gold' in model.tags", "pass"),
        ("model.tags.exists(t, t.startsWith('go'))", "pass"),
        ("model.tags.all(t, t.size() > 3)", "fail"),
        ("model.tags.filter(t, t == 'gold').size() == 1", "pass"),
        ("model.provider.matches('^in-(house|door)$')", "pass"),
        ("timestamp(model.release_date) < now", "pass"),
        ("now - timestamp(model.metrics.evaluated_at) <= duration('1h')", "pass"),
        ("now.getDayOfWeek() == 0", "pass"),
        ("now.getHours('Europe/Zurich') == 13", "pass"),
        ("action == 'activate' && actor == 'alice@example.com' && region == ''", "pass"),
        ("model.lifecycle.status == 'inactive'", "pass"),
        ("model.model == 'm' && model.version == '2.0.0'", "pass"),
    ],
)
def test_an_expression_gives_true_or_false(text: str, outcome: str) -> None:
    assert ask(text, case(serving())).outcome == outcome


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "model.metrics.scores.mmlu > 0.5",
            "metrics.scores.mmlu is not in the version file of m@2.0.0 (did you mean 'metrics.scores.mmul'?)",
        ),
        ("model.limits.max_output_tokens > 1", "limits.max_output_tokens is not in the version file of m@2.0.0"),
        ("current.metrics.success_rate > 0.5", "current.metrics.success_rate: no version is active"),
        ("model['tgas'].size() > 0", "there is no 'tgas' (did you mean 'tags'?)"),
        ("model.tags", "gives LIST"),
        ("model.metrics.success_rate", "gives DOUBLE, not true or false"),
        ("model.provider", "gives STRING, not true or false"),
        ("model.release_date < now", "No matching overloads"),
        ("model.limits.context_window / 2 == model.provider", "No matching overloads"),
        ("1 / 0 == 1", "divide by zero"),
        ("timestamp(model.provider) < now", "could not be evaluated: "),
        ("duration(model.provider) < duration('1h')", "could not be evaluated: "),
    ],
)
def test_what_cannot_be_told_denies_and_says_why(text: str, message: str) -> None:
    answer = ask(text)
    assert answer.outcome == "error"
    assert answer.message.startswith("could not be evaluated: ")
    assert message in answer.message


def test_an_error_is_no_truth_where_it_is_a_text() -> None:
    assert ask("model.metrics.scores.mmlu > 0.5").outcome == "error"
    assert applies("model.metrics.scores.mmlu > 0.5", case()) == Answer(
        "error",
        "could not be evaluated: when: metrics.scores.mmlu is not in the version file of m@2.0.0 (did you mean 'metrics.scores.mmul'?)",
        "helixctl evaluate m@2.0.0 --from FILE",
    )


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("model.metrics.scores.mmlu > 0.5", "helixctl evaluate m@2.0.0 --from FILE"),
        ("current.metrics.scores.mmlu > 0.5", "helixctl evaluate m@1.0.0 --from FILE"),
        ("model.limits.max_output_tokens > 1.0", "helixctl update m@2.0.0 --set limits.max_output_tokens=VALUE"),
        ("model.lifecycle.canary_weight > 0.1", "helixctl policy explain m@2.0.0 --for activate"),
        ("model.provider > 1.0", "helixctl policy explain m@2.0.0 --for activate"),
    ],
)
def test_a_missing_field_says_what_to_type_and_for_which_version(text: str, fix: str) -> None:
    assert ask(text, case(serving())).fix == fix
    error = applies(text, case(serving()))
    assert error is not None
    assert (error.outcome, error.fix) == ("error", fix)


def test_a_rule_applies_only_where_its_condition_holds() -> None:
    assert applies("has(current.metrics)", case(serving())) is None
    assert applies("has(current.metrics)", case()) == Answer("not_applicable", "when has(current.metrics) is false")


def test_a_finding_shows_the_expression_with_the_values_it_saw() -> None:
    answer = ask("model.metrics.success_rate >=\n  0.99")
    assert answer.message == "model.metrics.success_rate >= 0.99 is false (model.metrics.success_rate is 0.95)"
    assert seen("has(model.tags) && current.limits.context_window > 1.0", case()) == {"model.tags": "llm, gold"}


@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        ("model.configuration.token == 'other'", "fail"),
        ("model[model.configuration.token]", "error"),
        ("model.provider.matches(model.configuration.token + '(')", "error"),
        ("timestamp(model.configuration.token) < now", "error"),
        ("model[model['config' + 'uration'].token]", "error"),
        ("duration(model['config' + 'uration'].long) < duration('1s')", "error"),
        (r"model.provider.matches(model['\x63onfiguration'].token + '(')", "error"),
        ("model.configuration.token", "error"),
    ],
)
def test_values_of_the_configuration_reach_no_message(text: str, outcome: str) -> None:
    answer = ask(text)
    assert answer.outcome == outcome
    assert not any(value in answer.message for value in ("s3cret", "99999999h"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.provider ==", "does not compile: "),
        ("foo.bar == 1", "undeclared reference to 'foo.bar' (in container '') (line 1, column 4)"),
        ("true &&\n nothing", "(line 2, column 2)"),
        ("model.provider.fly()", "does not compile"),
        ("size(model.tags) > 1.5", "no matching overload"),
        ("(" * 200 + "true" + ")" * 200, "does not compile"),
        ("[[1]]" * 1 + "[0]" * 500 + " == 1", "does not compile"),
        ("1 + 1", "gives INT, not true or false"),
        ("'true'", "gives STRING, not true or false"),
        ("now", "gives"),
    ],
)
def test_an_expression_that_does_not_compile_or_is_no_claim_is_refused(text: str, message: str) -> None:
    with pytest.raises(Invalid) as refused:
        compiled(expression(text))
    assert message in refused.value.message
    assert refused.value.key == "expr"
    assert refused.value.hint


NESTED = "model.tags.all(a, model.tags.all(b, a != b))"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("true ||" * 600 + "true", f"longer than {MAX_LENGTH} characters"),
        ("['a'].map(x, x + x).size() == 1", "map() is not to be had"),
        ("['a'] . map // aside\n (x, x) == ['a']", "map() is not to be had"),
        (NESTED, "all stands inside all()"),
        ("model.tags.exists_one(a, model.tags.filter(b, b == a).size() > 1)", "filter stands inside exists_one()"),
        ("model.tags.all(t, (t + t) != 'x')", "+ stands inside all()"),
        ("model.tags.all (t, t.matches('x'))", "matches stands inside all()"),
        ("&&".join(["model.provider.matches('x')"] * (MAX_MATCHES + 1)), "more than 4 calls of matches()"),
        ("model.metrics.sucess_rate > 0.5", "no field 'metrics.sucess_rate' (did you mean 'metrics.success_rate'?)"),
        ("has(current.metrcs)", "no field 'metrcs' (did you mean 'metrics'?)"),
    ],
)
def test_what_could_loop_grow_or_means_no_field_is_refused_unseen(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        expression(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "model.provider == '.map(x, x + x)'",
        "model.provider == \"a.map(\" || model.provider == '''x'.map('''",
        "true // .map(x, x)",
        "model.provider == 'model.nothing'",
        "model.tags.all(t, t == 'a + b')",
        "model.tags.size() + 1 > 1 && model.tags.all(t, t != '')",
        "'a\\'.map(' == model.provider",
    ],
)
def test_quotes_and_comments_are_no_part_of_what_is_refused(text: str) -> None:
    assert ask(text).outcome in ("pass", "fail")


@pytest.mark.parametrize(
    "text",
    [
        "'''a\\'''b''' == 'c' || [1].map(x, x + 1) == [] || '''d''' == 'e'",
        '"""a\\"""b""" == "c" || [1].map(x, x + 1) == [] || """d""" == "e"',
    ],
)
def test_no_quote_hides_what_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"map\(\) is not to be had"):
        expression(text)
    assert compiled(text)  # so it is CEL, and would run


WORST = [
    "model.tags.all(t, [" + "1," * 2000 + "1].size() > 0)",
    "[" + "1," * 2000 + "1].all(x, x > 0)",
    "&&".join(["!model.description.matches('(((x{1,10}){1,10}){1,10})y')"] * MAX_MATCHES),
    "&&".join(["model.tags.filter(t, t != 'a').size() > 0"] * 12),
    "model.description" + " + model.description" * 20 + " == ''",
]


@pytest.mark.parametrize("text", WORST, ids=range(len(WORST)))
def test_the_heaviest_that_may_be_said_is_bounded_in_time_and_memory(text: str) -> None:
    subject = made(extra="tags = [" + "'t'," * 1500 + "]\ndescription = '" + "x" * 16_000 + "'\n")
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    assert ask(text, Case(subject, None, AT, SETTINGS, kept={})).outcome in ("pass", "fail", "error")
    assert time.process_time() - start < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 512 * 1024


def test_a_loop_beyond_the_budget_denies() -> None:
    subject = made(extra="tags = [" + "'t'," * 1900 + "]\n")
    answer = ask("&&".join(["model.tags.all(t, t != 'a')"] * 6), Case(subject, None, AT, SETTINGS, kept={}))
    assert answer.outcome == "error"
    assert "budget" in answer.message


def test_version_files_that_hold_too_much_deny() -> None:
    subject = made(extra="[configuration]\nwords = [" + "'w'," * 3000 + "]\n")
    answer = ask("true", Case(subject, None, AT, SETTINGS, "activate", kept={}))
    assert answer == Answer(
        "error",
        "could not be evaluated: the version files hold more than an expression may be given",
        "helixctl policy explain m@1.0.0 --for activate",
    )


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("model.limits.context_window > 1e9", "helixctl update m@2.0.0 --set limits.context_window=VALUE"),
        ("model.metrics.scores.mmul > current.metrics.scores.mmul + 1.0", "helixctl evaluate m@2.0.0 --from FILE"),
        ("action == 'retire'", "helixctl policy explain m@2.0.0 --for activate"),
    ],
)
def test_what_is_false_says_what_to_type(text: str, fix: str) -> None:
    answer = ask(text, case(serving()))
    assert (answer.outcome, answer.fix) == ("fail", fix)


def test_what_expressions_are_given_is_made_once_for_a_decision() -> None:
    given = case()
    ask("true", given)
    first = given.kept["activation"]
    ask("model.provider == 'in-house'", given)
    assert given.kept["activation"] is first


def test_an_expression_changes_nothing_that_it_is_given() -> None:
    given = case(serving(), at=datetime(2026, 3, 1, tzinfo=UTC))
    before = (given.subject, given.current)
    ask("model.tags.filter(t, true).size() == 2", given)
    assert (given.subject, given.current) == before
