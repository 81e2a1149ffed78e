from __future__ import annotations

import pytest

from helixctl.core import people
from helixctl.core.policy_file import DEFAULT, decode
from helixctl.core.rehearsal import Given, Rehearsed, rehearse
from helixctl.errors import Invalid
from tests.core.making import SETTINGS

OWN = decode(
    b"""\
schema = 1
name = "own"
[[rule]]
id = "faster"
enforcement = "overridable"
regression = { metric = "p95_latency_ms", tolerance = 0 }
[[rule]]
id = "alice"
enforcement = "advisory"
when = "action == 'retire'"
expr = "actor == 'alice'"
[[rule]]
id = "eu"
enforcement = "advisory"
bump = true
regions = ["eu"]
[[freeze]]
name = "day"
enforcement = "mandatory"
timezone = "UTC"
from = 2026-05-01
until = 2026-05-02
"""
)
TOP = "schema = 1\nat = 2026-03-01T12:00:00Z\n"
READY = """\
[case.given]
provider = "acme"
cost = { input_per_mtok = 1, output_per_mtok = 1 }
lifecycle = { status = "testing", testing_since = 2026-02-01T00:00:00Z }
metrics = { verdict = "passed", samples = 100, p95_latency_ms = 90 }
[case.active]
metrics = { verdict = "passed", samples = 100, p95_latency_ms = 100 }
"""


PEOPLE = people.decode(b'schema = 1\n[people]\nada = ["ada@x", "ada-gh"]\nbo = ["bo@x"]\n[groups]\nsecurity = ["bo"]\n')
BY = Given((decode(DEFAULT), OWN), SETTINGS, PEOPLE)


def play(text: str) -> list[Rehearsed]:
    return list(rehearse((TOP + text).encode(), "policies/tests/t.toml", BY))


def case(action: str = "activate", expect: str = "allowed", more: str = "") -> str:
    return f'[[case]]\nname = "one"\naction = "{action}"\nexpect = "{expect}"\n{more}'


def test_a_case_that_comes_out_as_expected_differs_in_nothing() -> None:
    findings = (
        'findings = { evaluation = "pass", faster = "pass", alice = "not_applicable", eu = "pass", day = "pass" }\n'
    )
    (one,) = play(case(more=findings + READY))
    assert one == Rehearsed("policies/tests/t.toml", 3, "one", "allowed", "allowed", ())


@pytest.mark.parametrize(
    ("more", "expect"),
    [
        ("", "denied"),
        (READY.replace("p95_latency_ms = 90", "p95_latency_ms = 101"), "denied"),
        (READY.replace("samples = 100, p95_latency_ms = 90", "samples = 9, p95_latency_ms = 90"), "inconclusive"),
        ("at = 2026-05-01T00:00:00Z\n" + READY, "denied"),
        ('region = "us"\nfindings = { eu = "unmatched" }\n' + READY, "allowed"),
    ],
)
def test_the_decision_is_that_of_the_policies(more: str, expect: str) -> None:
    (one,) = play(case(expect=expect, more=more))
    assert (one.found, one.differences) == (expect, ())


def test_who_asks_is_the_actor_of_the_case() -> None:
    for actor, outcome in (("alice", "pass"), ("bob", "fail")):
        (one,) = play(case("retire", more=f'actor = "{actor}"\nfindings = {{ alice = "{outcome}" }}\n'))
        assert one.differences == ()


def test_each_difference_is_told_with_why() -> None:
    more = 'findings = { cost-cap = "pass", evalution = "pass" }\n'
    (one,) = play(case(expect="allowed", more=more))
    assert one.found == "denied"
    assert one.differences[0].startswith("expected allowed, found denied (tested-first: was never in testing; ")
    assert one.differences[1] == (
        "cost-cap: expected pass, found error (could not be evaluated: cost.input_per_mtok is not stated)"
    )
    assert one.differences[2] == "evalution: expected pass, found unmatched (did you mean 'evaluation'?)"


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "key 'case' is missing", None),
        ("[[case]]\nname = 'x'\naction = 'activate'\n", "key 'expect' is missing", 3),
        (case(expect="alowed"), "did you mean 'allowed'?", 6),
        (case(action="activated"), "did you mean 'activate'?", 5),
        (case(more="findings = { a = 'ok' }\n"), "'ok' is none of pass, fail", 7),
        (case(more="[case.given]\nprovidr = 'x'\n"), "did you mean 'provider'?", 8),
    ],
)
def test_a_file_of_cases_that_is_malformed_names_the_line(text: str, message: str, line: int | None) -> None:
    with pytest.raises(Invalid) as refused:
        play(text)
    assert message in refused.value.message
    assert refused.value.line == line


def test_a_case_without_a_time_is_refused() -> None:
    with pytest.raises(Invalid, match="case 'one' has no time"):
        list(rehearse(b"schema = 1\n" + case().encode(), "t.toml", BY))


FOUR_EYES = decode(
    b"""\
schema = 1
name = "four-eyes"
[[rule]]
id = "eyes"
enforcement = "mandatory"
approvals = { required = 2, groups = { security = 1 }, signed = true }
"""
)
BOTH = '[{ by = "ada-gh", signed = true }, { by = "bo@x", signed = true }]'


@pytest.mark.parametrize(
    ("more", "expect"),
    [
        ("", "denied"),
        (f"approvals = {BOTH}", "allowed"),
        (f'approvals = {BOTH}\nauthors = ["bo@x"]', "denied"),
        (f'approvals = {BOTH}\nactor = "ada@x"', "denied"),
        (f"approvals = {BOTH.replace(', signed = true }]', ' }]')}", "denied"),
        (f"approvals = {BOTH.replace('bo@x', 'ada@x')}", "denied"),
        (f"approvals = {BOTH.replace('signed = true }]', 'rejects = true }]')}", "denied"),
        ('approvals = [{ by = "bo@x", action = "canary" }]', "denied"),
    ],
)
def test_a_case_gives_the_approvals_and_who_made_the_version(more: str, expect: str) -> None:
    raw = (TOP + case(expect=expect, more=more + "\n" + READY)).encode()
    (one,) = rehearse(raw, "t.toml", BY._replace(policies=(FOUR_EYES,)))
    assert (one.found, one.differences) == (expect, ())
