from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest

from tests.cli.test_ci import results, shown, valid
from tests.conftest import BECAUSE, OVERRIDE, Place, Ran

Cli = Callable[..., Ran]
HEAD = 'schema = 1\nname = "own"\n'
OWN = (
    HEAD
    + """\
[match]
actions = ["activate"]
[[rule]]
id = "in-house"
enforcement = "mandatory"
expr = "model.provider == 'in-house'"
[[rule]]
id = "eu"
enforcement = "advisory"
check = { field = "tags", contains = ["gdpr"] }
regions = ["eu"]
[[rule]]
id = "gold"
enforcement = "mandatory"
check = { field = "cost.tier", in = ["premium"] }
tags = ["gold"]
"""
)
CASE = 'schema = 1\nat = 2026-03-01T12:00:00Z\n[[case]]\nname = "{}"\naction = "activate"\nexpect = "{}"\n'


def write(place: Place, name: str, text: str) -> Path:
    path = place.root / "policies" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def data(ran: Ran) -> Any:
    return json.loads(ran.out)


def test_list_tells_every_rule_and_whether_the_log_knows_the_file(place: Place, cli: Cli) -> None:
    write(place, "own.toml", OWN)
    found = data(cli("policy", "list", "-o", "json"))
    assert (found["schema_version"], found["kind"]) == (1, "policies")
    assert [(one["path"], one["name"], one["recorded"]) for one in found["policies"]] == [
        ("policies/default.toml", "default", True),
        ("policies/own.toml", "own", False),
    ]
    assert found["policies"][1]["rules"][1] == {
        "rule": "eu",
        "line": 9,
        "enforcement": "advisory",
        "check": "check",
        "match": {"actions": ["activate"], "regions": ["eu"]},
        "when": None,
    }
    text = cli("policy", "list").out
    assert "policies/own.toml  own  sha256 " in text
    assert "not recorded yet: the next write does it" in text
    assert "  gold      mandatory  check  actions activate; tags gold\n" in text
    place.register("m@1.0.0")
    assert all(one["recorded"] for one in data(cli("policy", "list", "-o", "json"))["policies"])


def test_without_a_policy_list_says_what_follows(place: Place, cli: Cli) -> None:
    (place.root / "policies" / "default.toml").unlink()
    assert cli("policy", "list").out == "no policies: canary and activate are denied; add one in policies/\n"


def test_explain_tells_why_each_rule_applies_or_not_with_what_it_saw(place: Place, cli: Cli) -> None:
    write(place, "own.toml", OWN)
    place.register("m@1.0.0")
    found = data(cli("policy", "explain", "m@1.0.0", "--region", "us", "-o", "json"))
    rows = {one["rule"]: one for one in found["rules"]}
    assert found["decision"] == data(cli("check", "m@1.0.0", "--region", "us", "-o", "json"))["decision"]
    assert rows["in-house"] == {
        "policy": "own",
        "path": "policies/own.toml",
        "line": 5,
        "rule": "in-house",
        "enforcement": "mandatory",
        "check": "expr",
        "saw": {"model.provider": "in-house"},
        "matches": True,
        "misfits": [],
        "outcome": "pass",
        "message": "model.provider == 'in-house' is true (model.provider is in-house)",
        "fix": None,
    }
    assert (rows["eu"]["matches"], rows["eu"]["misfits"]) == (False, ["regions: us fits none of eu"])
    assert rows["gold"]["misfits"] == ["tags: none fits none of gold"]
    assert rows["retire-in-service"]["misfits"] == ["actions: activate fits none of retire"]
    text = cli("policy", "explain", "m@1.0.0", "--region", "us").out
    assert "  - eu  advisory check  policies/own.toml:9\n      does not match: regions: us fits none of eu\n" in text
    assert "      model.provider = in-house\n" in text


def test_explain_answers_whatever_the_decision_and_refuses_what_check_refuses(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    assert cli("policy", "explain", "m@1.0.0").code == 0
    assert cli("policy", "explain", "m@9.0.0").code == cli("check", "m@9.0.0").code == 4
    assert cli("policy", "explain", "m@1.0.0", "--for", "rollback").code == 2
    assert cli("policy", "explain", "m@1.0.0", "--for", "deprecate").code == 5
    assert cli("policy", "explain", "m", "--for", "activate").code == 2


def test_explain_shows_both_sides_of_a_comparison(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    for version, latency in (("1.0.0", 100), ("2.0.0", 300)):
        source = str(place.inferences(latency_ms=latency))
        assert cli("evaluate", f"m@{version}", "--from", source).code == 0
    rule = '[[rule]]\nid = "r"\nenforcement = "advisory"\nregression = { metric = "p95_latency_ms", relative = 0.1 }\n'
    write(place, "own.toml", HEAD + rule)
    row = data(cli("policy", "explain", "m@2.0.0", "-o", "json"))["rules"][-1]
    assert row["saw"] == {"model.metrics.p95_latency_ms": "300", "current.metrics.p95_latency_ms": "100"}
    assert row["message"] == "p95_latency_ms is 300, m@1.0.0 has 100, may be 10 more (over by 190)"
    assert row["fix"] == "helixctl compare m@2.0.0 m@1.0.0"


@pytest.mark.parametrize(("region", "code"), [("eu", 3), ("us", 0), (None, 3)])
def test_check_may_name_a_region(place: Place, cli: Cli, region: str | None, code: int) -> None:
    (place.root / "policies" / "default.toml").unlink()
    write(place, "own.toml", OWN.replace('"advisory"', '"overridable"'))
    place.register("m@1.0.0")
    assert cli("check", "m@1.0.0", *(("--region", region) if region else ())).code == code


WRONG = HEAD + '[[rule]]\nid = "a"\nexpr = "model.provider =="\n[[rule]]\nid = "b"\nenforcement = "hard"\nbump = true\n'


def test_lint_finds_every_fault_with_its_place(place: Place, cli: Cli) -> None:
    write(place, "own.toml", WRONG)
    ran = cli("policy", "lint", "-o", "json")
    assert ran.code == 2
    assert [(one["path"], one["line"], one["key"], one["code"]) for one in data(ran)["faults"]] == [
        ("policies/own.toml", 3, "rule.0.enforcement", "HX203"),
        ("policies/own.toml", 8, "rule.1.enforcement", "HX203"),
    ]
    text = cli("policy", "lint").out
    assert text.startswith("invalid: 2 faults in 2 files\n  policies/own.toml:3: rule.0.enforcement: key ")
    assert "::error file=policies/own.toml,line=8," in cli("policy", "lint", "-o", "github").out
    assert [one["level"] for one in results(data(ran))] == ["error", "error"]
    valid(shown(data(ran), "gitlab"), "gitlab.json")
    assert cli("check", "m@1.0.0").code == 2
    assert cli("register", "m@1.0.0").code == 2


def test_lint_of_named_files_needs_no_place_in_the_registry(place: Place, cli: Cli, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text(OWN)
    bad.write_text(WRONG)
    assert cli("policy", "lint", str(good)).out == "ok: 1 file\n"
    ran = cli("policy", "lint", str(good), "bad.toml", "-o", "json")
    assert (ran.code, {one["path"] for one in data(ran)["faults"]}) == (2, {"../bad.toml"})
    assert cli("policy", "lint", "nothing.toml").code == 4


def test_a_write_is_stopped_by_a_matching_expression_that_does_not_compile(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    write(place, "own.toml", OWN.replace("== 'in-house'", "=="))
    before = place.files()
    ran = cli("activate", "m@1.0.0", "-o", "json")
    error = json.loads(ran.err)
    assert (ran.code, ran.out) == (2, "")
    assert (error["path"], error["line"], error["key"]) == ("policies/own.toml", 8, "rule.0.expr")
    assert "does not compile" in error["message"]
    assert error["hint"]
    assert place.files() == before


def test_cases_pass_or_tell_each_difference(place: Place, cli: Cli) -> None:
    write(place, "tests/own.toml", CASE.format("denied, since nothing is known", "denied"))
    assert cli("policy", "test").out == "PASSED  1 of 1 cases as expected\n"
    write(place, "tests/wrong.toml", CASE.format("allowed?", "allowed"))
    ran = cli("policy", "test", "-o", "json")
    assert (ran.code, data(ran)["kind"]) == (3, "policy-tests")
    assert [(one["path"], one["line"], bool(one["differences"])) for one in data(ran)["cases"]] == [
        ("policies/tests/own.toml", 3, False),
        ("policies/tests/wrong.toml", 3, True),
    ]
    text = cli("policy", "test").out
    assert text.startswith("FAILED  1 of 2 cases as expected\n  x allowed?  policies/tests/wrong.toml:3\n")
    suite = Xml.fromstring(shown(data(ran), "junit"))[0]
    assert [(case.get("name"), case.find("failure") is None) for case in suite][1] == (
        "denied, since nothing is known",
        True,
    )
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    github = cli("policy", "test", "-o", "github")
    assert (github.code, github.out.count("::error file=policies/tests/wrong.toml,line=3,")) == (3, 1)
    assert cli("policy", "test", str(place.root / "policies" / "tests" / "own.toml")).code == 0


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        (None, 4, "there are no cases in policies/tests"),
        ("schema = 1\n", 2, "policies/tests/t.toml: key 'case' is missing"),
    ],
)
def test_no_case_is_no_success(place: Place, cli: Cli, text: str | None, code: int, message: str) -> None:
    if text:
        write(place, "tests/t.toml", text)
    ran = cli("policy", "test")
    assert (ran.code, ran.out) == (code, "")
    assert message in ran.err


def test_cases_are_nothing_that_the_log_keeps_or_policy_loads(place: Place, cli: Cli) -> None:
    write(place, "tests/t.toml", CASE.format("x", "denied"))
    place.register("m@1.0.0")
    assert cli("verify").code == 0
    assert [one.path for one in place.registry.policy.listed().policies] == ["policies/default.toml"]


def test_nothing_that_asks_about_policies_writes(place: Place, cli: Cli) -> None:
    write(place, "own.toml", OWN)
    write(place, "tests/t.toml", CASE.format("x", "denied"))
    place.register("m@1.0.0")
    before = place.files()
    for words in ("policy list", "policy lint", "policy explain m@1.0.0", "policy test", "check m@1.0.0"):
        assert cli(*words.split()).code in (0, 3)
    assert place.files() == before


@pytest.mark.parametrize("what", ["added", "changed", "deleted"])
def test_the_next_write_records_a_change_of_a_policy_with_both_digests(place: Place, cli: Cli, what: str) -> None:
    path = place.root / "policies" / "default.toml"
    logged = {row["path"]: row["after"] for entry in place.registry.audit() for row in entry["changes"]}
    expected: dict[str, Any] = {"path": "policies/default.toml", "before": logged["policies/default.toml"]}
    if what == "added":
        path = write(place, "own.toml", OWN)
        expected = {"path": "policies/own.toml", "before": None}
    elif what == "changed":
        path.write_bytes(path.read_bytes() + b"# edited\n")
    else:
        path.unlink()
    place.register("m@1.0.0")
    entry = list(place.registry.audit())[-1]
    after = place.registry.store.read(expected["path"]) if path.exists() else None
    (row,) = [row for row in entry["changes"] if row["path"].startswith("policies/")]
    assert row == {**expected, "state": None, "after": sha256(after).hexdigest() if after else None}
    assert [one["action"] for one in entry["effects"]] == ["version.registered", "policy.updated"]


def test_a_decision_in_the_log_names_every_policy_with_its_digest(place: Place, cli: Cli) -> None:
    write(place, "own.toml", HEAD + '[[rule]]\nid = "r"\nenforcement = "advisory"\nbump = true\nmodels = ["other"]\n')
    place.register("m@1.0.0")
    assert cli("activate", "m@1.0.0").code == 3
    entry = list(place.registry.audit())[-1]
    listed = {one.name: one.digest for one in place.registry.policy.listed().policies}
    said = {row["name"]: row["digest"] for row in entry["data"]["decision"]["policies"]}
    assert said.items() >= listed.items()
    assert place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE).changed


def test_a_freeze_denies_a_write_until_it_ends(place: Place, cli: Cli) -> None:
    freeze = (
        'schema = 1\nname = "z"\n[[freeze]]\nname = "spring"\nenforcement = "overridable"\ntimezone = "Europe/Zurich"\n'
    )
    write(place, "own.toml", freeze + "from = 2026-02-01\nuntil = 2026-03-03\n")
    place.register("m@1.0.0")
    ran = cli("activate", "m@1.0.0", *(word for rule in OVERRIDE for word in ("--override", rule)), "--reason", BECAUSE)
    assert ran.code == 3
    assert "x spring        frozen until 2026-03-03 00:00 Europe/Zurich, 2026-03-02T23:00:00Z" in ran.out
    place.clock.pass_by(days=2)
    assert place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE).changed
