from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from tests.conftest import Place, Ran

Helix = Callable[..., Ran]
RULE = 'schema = 1\nname = "own"\n[[rule]]\nid = "r"\nenforcement = "advisory"\n'
FREEZE = 'schema = 1\nname = "own"\n[[freeze]]\nname = "f"\nenforcement = "advisory"\n'
ZONE = 'timezone = "Europe/Zurich"\n'
BAD: dict[str, tuple[str, str, int, str]] = {
    "does not compile": (RULE + 'expr = "model.provider =="\n', "rule.0.expr", 6, "does not compile"),
    "is not boolean": (RULE + 'expr = "1 + 1"\n', "rule.0.expr", 6, "gives INT, not true or false"),
    "names no field": (RULE + 'expr = "model.metrics.p95 < 1.0"\n', "rule.0.expr", 6, "no field 'metrics.p95'"),
    "loops": (
        RULE + 'expr = "model.tags.all(a, model.tags.all(b, a != b))"\n',
        "rule.0.expr",
        6,
        "all stands inside all()",
    ),
    "eats memory": (RULE + "expr = \"['a'].map(x, x + x) == []\"\n", "rule.0.expr", 6, "map() is not to be had"),
    "is too long": (RULE + f'expr = "{"true||" * 900}true"\n', "rule.0.expr", 6, "longer than 4096 characters"),
    "has no level": (
        'schema = 1\nname = "own"\n[[rule]]\nid = "r"\nbump = true\n',
        "rule.0.enforcement",
        3,
        "key 'enforcement' is missing",
    ),
    "is of no known kind": (RULE + "bumps = true\n", "rule.0.bumps", 6, "did you mean 'bump'?"),
    "is about no model": (RULE + "bump = true\nmodels = []\n", "rule.0.models", 7, "is empty"),
    "is about no action": (RULE + "bump = true\nactions = []\n", "rule.0.actions", 7, "is empty"),
    "asks for nothing": (
        RULE + 'check = { field = "tags", contains = [] }\n',
        "rule.0.check.0.contains",
        6,
        "is empty",
    ),
    "has no check": (RULE, "rule.0", 3, "has 0 checks, expected one"),
    "freezes without a zone": (
        FREEZE + "from = 2026-12-19\nuntil = 2026-12-20\n",
        "freeze.0.timezone",
        3,
        "key 'timezone' is missing",
    ),
    "freezes in no known zone": (
        FREEZE + 'from = 2026-12-19\nuntil = 2026-12-20\ntimezone = "Europe/Zurick"\n',
        "freeze.0.timezone",
        8,
        "did you mean 'Europe/Zurich'?",
    ),
    "freezes from a time that does not exist": (
        FREEZE + f"from = 2026-03-29T02:30:00\nuntil = 2026-12-20\n{ZONE}",
        "freeze.0.from",
        6,
        "does not exist in Europe/Zurich",
    ),
    "freezes until a time that comes twice": (
        FREEZE + f"from = 2026-03-29\nuntil = 2026-10-25T02:30:00\n{ZONE}",
        "freeze.0.until",
        7,
        "comes twice in Europe/Zurich",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_policy_that_is_wrong_stops_every_write_and_lint_says_the_same(place: Place, helix: Helix, name: str) -> None:
    text, key, line, message = BAD[name]
    place.register("m@1.0.0")
    (place.root / "policies" / "own.toml").write_text(text)
    before = place.files()
    for words in (("promote", "m@1.0.0", "--to", "testing"), ("check", "m@1.0.0"), ("policy", "explain", "m@1.0.0")):
        ran = helix(*words, "-o", "json", cwd=place.root)
        said = json.loads(ran.err)
        assert (ran.code, ran.out) == (2, "")
        assert (said["path"], said["line"], said["key"]) == ("policies/own.toml", line, key)
        assert message in said["message"]
        assert said["hint"]
    ran = helix("policy", "lint", "-o", "json", cwd=place.root)
    (fault,) = json.loads(ran.out)["faults"]
    assert (ran.code, fault["path"], fault["line"], fault["key"]) == (2, "policies/own.toml", line, key)
    assert place.files() == before


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("model.metrics.scores.mmlu > 0.5", "metrics.scores.mmlu is not in the version file of m@1.0.0"),
        ("model.cost.input_per_mtok", "gives DOUBLE, not true or false"),
        ("&&".join(["model.tags.all(t, t != 'a')"] * 12), "could not be evaluated: "),
        ("model.release_date < now", "could not be evaluated: "),
    ],
)
def test_an_expression_that_cannot_be_told_denies(place: Place, helix: Helix, expression: str, message: str) -> None:
    (place.root / "policies" / "default.toml").write_text(
        f'schema = 1\nname = "own"\n[[rule]]\nid = "r"\nenforcement = "mandatory"\nactions = ["activate"]\nexpr = """{expression}"""\n'
    )
    place.register("m@1.0.0", extra='[configuration]\nx = "y"\n')
    ran = helix("activate", "m@1.0.0", cwd=place.root)
    assert ran.code == 3
    assert message in ran.out
    assert place.status("m@1.0.0") == "inactive"


PEOPLE = 'schema = 1\n[people]\nada = ["ada@example.com"]\n[groups]\nsecurity = ["ada"]\n'
STRANGE = """\
schema = 1
name = "own"
[match]
actions = ["activate"]
[override]
groups = ["on-call"]
[[rule]]
id = "r"
enforcement = "overridable"
approvals = { groups = { securty = 1 } }
[[rule]]
id = "s"
enforcement = "overridable"
bump = true
override = { groups = ["nobody"] }
"""


def test_lint_finds_groups_that_the_people_do_not_know_and_such_rules_deny(place: Place, helix: Helix) -> None:
    place.register("m@1.0.0")
    (place.root / "policies" / "default.toml").write_text(STRANGE)
    (place.root / "trust").mkdir()
    (place.root / "trust" / "approvers.toml").write_text(PEOPLE)
    ran = helix("policy", "lint", "-o", "json", cwd=place.root)
    found = [(one["path"], one["line"], one["key"], one["message"]) for one in json.loads(ran.out)["faults"]]
    path, said = "policies/default.toml", "is not in trust/approvers.toml"
    assert ran.code == 2
    assert found == [
        (path, 6, "override.groups", f"group 'on-call' {said}"),
        (path, 10, "rule.0.approvals.groups", f"group 'securty' {said} (did you mean 'security'?)"),
        (path, 15, "rule.1.override.groups", f"group 'nobody' {said}"),
    ]
    assert helix("activate", "m@1.0.0", cwd=place.root).code == 3
    reason = ("--override", "r", "--reason", "the outage will not wait for them")
    denied = helix("activate", "m@1.0.0", *reason, cwd=place.root)
    assert denied.code == 3
    assert "is in none of the groups that may: on-call" in denied.out


def test_lint_finds_files_below_policies_that_nothing_reads(place: Place, helix: Helix) -> None:
    policies = place.root / "policies"
    for name in ("prod/own.toml", "tests/more/cases.toml", "OWN.Toml", "tests/cases.toml", "notes.md"):
        (policies / name).parent.mkdir(parents=True, exist_ok=True)
        (policies / name).write_text("")
    ran = helix("policy", "lint", "-o", "json", cwd=place.root)
    found = [(one["path"], one["message"]) for one in json.loads(ran.out)["faults"]]
    assert ran.code == 2
    unread = ("OWN.Toml", "prod/own.toml", "tests/more/cases.toml")
    assert found == [(f"policies/{name}", "is not read: no rule in it holds") for name in unread]
    assert helix("policy", "lint", "policies/default.toml", cwd=place.root).code == 0


@pytest.mark.parametrize(
    ("text", "key"), [("schema = 1\n", "people"), ("people = 3", "schema"), ("[[[", None), ('"', None)]
)
def test_lint_finds_people_that_do_not_load(place: Place, helix: Helix, text: str, key: str | None) -> None:
    (place.root / "trust").mkdir()
    (place.root / "trust" / "approvers.toml").write_text(text)
    ran = helix("policy", "lint", "-o", "json", cwd=place.root)
    (fault,) = json.loads(ran.out)["faults"]
    assert (ran.code, fault["path"], fault["key"]) == (2, "trust/approvers.toml", key)


def test_lint_says_one_fault_and_a_hint_says_where_a_key_is_missing(place: Place, helix: Helix) -> None:
    (place.root / "policies" / "own.toml").write_text(RULE + "cost = { max_per_request = 1 }\n")
    ran = helix("policy", "lint", cwd=place.root)
    assert "invalid: 1 fault in 2 files" in ran.out
    assert "hint: add input_tokens = ... there\n" in ran.out
    (place.root / "policies" / "own.toml").write_text(FREEZE + "from = 2026-12-19\nuntil = 2026-12-20\n")
    assert "hint: add timezone = ... there\n" in helix("policy", "lint", cwd=place.root).out
