from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest

from helixctl.core.audit import Actor
from helixctl.errors import NotFound, Usage
from tests.conftest import Place, Ran

BOB, EVE = (Actor(f"{name}@example.com", "user", "test") for name in ("bob", "eve"))


def test_an_override_is_reviewed_by_another_person_than_who_used_it(place: Place) -> None:
    place.serve("m@1.0.0")
    approvals = place.registry.approvals
    (used,) = approvals.overrides().waiting
    assert (used.ref, used.by, used.rules) == ("m@1.0.0", "alice@example.com", ("tested-first", "evaluation"))
    before = place.files()
    with pytest.raises(Usage, match="used that override"):
        approvals.review(used.entry)
    (place.root / "trust").mkdir()
    people = 'schema = 1\n[people]\nalice = ["alice@example.com", "eve@example.com"]\nbob = ["bob@example.com"]\n'
    (place.root / "trust/approvers.toml").write_text(people)
    with pytest.raises(Usage, match="used that override"):
        approvals.review(used.entry, actor=EVE)
    for wrong in ("", "nothing", used.entry + "0"):
        with pytest.raises(NotFound):
            approvals.review(wrong, actor=BOB)
    (place.root / "trust/approvers.toml").unlink()
    assert place.files() == before
    assert approvals.review(used.entry[:13], actor=BOB, reason="it was so").changed
    assert approvals.overrides().waiting == ()
    assert place.registry.verify().outcome == "ok"
    with pytest.raises(NotFound, match=f"override {used.entry} was reviewed by bob@example.com on 2026-"):
        approvals.review(used.entry[:13], actor=EVE)


def test_of_several_statements_the_one_to_withdraw_is_named(place: Place) -> None:
    place.register("m@1.0.0")
    approvals = place.registry.approvals
    with pytest.raises(NotFound, match=r"no approval or rejection of m@1\.0\.0 by 'bob@example.com' stands"):
        approvals.withdraw("m@1.0.0", actor=BOB)
    with pytest.raises(Usage, match="--expires 0d is over at once"):
        approvals.approve("m@1.0.0", actor=BOB, expires="0d")
    approvals.approve("m@1.0.0", actor=BOB)
    approvals.approve("m@1.0.0", "canary", actor=BOB)
    with pytest.raises(Usage, match="2 approvals and rejections") as refused:
        approvals.withdraw("m@1.0.0", actor=BOB)
    first, second = (refused.value.hint or "").removeprefix("name one: ").split(", ")
    assert approvals.withdraw("m@1.0.0", first, actor=BOB).changed
    with pytest.raises(NotFound, match="stands"):
        approvals.withdraw("m@1.0.0", first, actor=BOB)
    assert approvals.withdraw("m@1.0.0", actor=BOB).changed
    whys = {one.statement.id: one.why for one in approvals.of("m@1.0.0").rulings}
    assert (whys[first], whys[second]) == ("was withdrawn", "was withdrawn")


def test_a_model_that_is_named_like_a_version_of_another_has_approvals_of_its_own(place: Place) -> None:
    rule = '[[rule]]\nid = "approvals"\nenforcement = "mandatory"\napprovals = { required = 1 }\n'
    match = '[match]\nactions = ["activate"]\n'
    (place.root / "policies/default.toml").write_text(f'schema = 1\nname = "p"\n{match}{rule}')
    for ref in ("m@1.0.0", "m/1.0.0@2.0.0"):
        place.register(ref)
        place.registry.approvals.approve(ref, actor=BOB)
    assert len(place.registry.approvals.of("m@1.0.0").rulings) == 1
    assert place.registry.check("m@1.0.0", "activate").allowed
    assert place.registry.activate("m@1.0.0").changed
    assert place.registry.verify().findings == ()


def test_statements_are_listed_in_each_format(place: Place, cli: Callable[..., Ran]) -> None:
    place.register("m@1.0.0")
    assert "nothing was stated about it" in cli("approvals", "m@1.0.0").out
    place.registry.approvals.approve("m@1.0.0", actor=BOB, reason="=cmd()")
    place.registry.approvals.reject("m@1.0.0", actor=EVE)
    assert cli("approvals", "m@1.0.0", "-o", "csv").out.count("\r\n") == 3
    assert "'=cmd()" in cli("approvals", "m@1.0.0", "-o", "csv").out
    assert cli("approvals", "m@1.0.0", "-o", "ndjson", "--fields", "kind,counts").out.count("\n") == 2
    assert cli("override", "list").out == "no override waits for a review\n"
    assert cli("override", "list", "-o", "csv").out == "entry,ref,by,at,rules\r\n"


def test_an_approval_of_somebody_in_no_group_that_counts_is_refused_and_what_counts_has_no_why(place: Place) -> None:
    groups = (
        '[[rule]]\nid = "g"\nenforcement = "mandatory"\nactions = ["activate"]\napprovals = { groups = { sec = 1 } }\n'
    )
    own = (
        groups.replace('"g"', '"own"')
        .replace("activate", "testing")
        .replace("groups = { sec = 1 }", "required = 1, self_approval = true")
    )
    (place.root / "policies/default.toml").write_text(f'schema = 1\nname = "p"\n{groups}{own}')
    (place.root / "trust").mkdir()
    people = "".join(f'{name} = ["{name}@example.com"]\n' for name in ("alice", "bob", "eve"))
    (place.root / "trust/approvers.toml").write_text(f'schema = 1\n[people]\n{people}[groups]\nsec = ["eve"]\n')
    place.register("m@1.0.0")
    approvals, before = place.registry.approvals, place.files()
    with pytest.raises(Usage, match="would not count: it is by somebody in none of the groups that count: sec"):
        approvals.approve("m@1.0.0", actor=BOB)
    assert place.files() == before
    approvals.approve("m@1.0.0", actor=EVE)
    approvals.approve("m@1.0.0", "testing")
    for action, rule in (("activate", "g"), ("testing", "own")):
        (counting,) = (one for one in approvals.of("m@1.0.0", action).rulings if one.counts_for)
        assert (counting.counts_for, counting.why) == ((rule,), None)


RULES = """\
schema = 1
name = "p"
[[rule]]
id = "four-eyes"
enforcement = "overridable"
actions = ["activate"]
approvals = { required = 1, groups = { security = 1 }, max_age = "14d" }
[[rule]]
id = "sealed"
enforcement = "mandatory"
actions = ["activate"]
approvals = { required = 1, signed = true }
[[rule]]
id = "never"
enforcement = "mandatory"
actions = ["activate"]
when = "action == 'canary'"
approvals = { required = 9, self_approval = true }
"""


def test_each_rule_that_asks_is_named_with_what_it_asks_for_and_each_statement_with_what_it_counts_for(
    place: Place, cli: Callable[..., Ran]
) -> None:
    (place.root / "policies/default.toml").write_text(RULES)
    (place.root / "trust").mkdir()
    people = '[people]\nbob = ["bob@example.com"]\neve = ["eve@example.com"]\n[groups]\nsecurity = ["eve"]\n'
    (place.root / "trust/approvers.toml").write_text("schema = 1\n" + people)
    place.register("m@1.0.0")
    said = place.registry.approvals
    said.approve("m@1.0.0", actor=BOB)
    text = cli("approvals", "m@1.0.0").out
    for line in (
        "  x four-eyes  overridable  policies/default.toml\n      asks for 1 in all, 1 of group security, not older than 14d\n",
        "      1 of 1 approvals (bob); 0 of 1 from group security\n      fix: helixctl approve m@1.0.0 --for activate\n",
        "  x sealed  mandatory  policies/default.toml\n      asks for 1 in all, signed\n",
        "      fix: helixctl approve m@1.0.0 --for activate --sign\n",
        "  - never  mandatory  policies/default.toml\n      asks for 9 in all, also of who made it or asks\n",
        "  for four-eyes, never; for other rules it is not signed",
    ):
        assert line in text
    said.reject("m@1.0.0", "activate", actor=EVE, reason="it leaks")
    (veto,) = (one.statement.id for one in said.of("m@1.0.0").rulings if one.statement.kind == "rejection")
    text = cli("approvals", "m@1.0.0").out
    assert f"      rejected by eve: it leaks\n      fix: helixctl withdraw m@1.0.0 {veto} --sign\n" in text
    assert re.search(r"  as a veto +it leaks\n", text)
    said.reject("m@1.0.0", "canary", actor=BOB)
    found = json.loads(cli("approvals", "m@1.0.0", "-o", "json").out)
    assert [(one["kind"], one["counts"], one["counts_for"]) for one in found["approvals"]] == [
        ("approval", True, ["four-eyes", "never"]),
        ("rejection", True, []),
        ("rejection", False, []),
    ]
    said.withdraw("m@1.0.0", said.of("m@1.0.0").rulings[0].statement.id, actor=BOB)
    given, _, _, taken = json.loads(cli("approvals", "m@1.0.0", "-o", "json").out)["approvals"]
    assert (given["counts"], given["why"]) == (False, "was withdrawn")
    assert (taken["kind"], taken["counts"], taken["why"]) == ("withdrawal", False, None)
    assert f"  takes back {given['id']}\n" in cli("approvals", "m@1.0.0").out
    assert [(one["rule"], one["outcome"]) for one in found["rules"]] == [
        ("four-eyes", "fail"),
        ("sealed", "fail"),
        ("never", "not_applicable"),
    ]


def test_the_log_tells_what_was_approved_by_what_an_activation_passed_and_who_scheduled_it(
    place: Place, cli: Callable[..., Ran]
) -> None:
    rule = '[[rule]]\nid = "eyes"\nenforcement = "mandatory"\nactions = ["activate"]\napprovals = { required = 1 }\n'
    more = '[[rule]]\nid = "told"\nenforcement = "overridable"\nactions = ["activate"]\ncheck = { field = "description", required = true }\n'
    (place.root / "policies/default.toml").write_text(f'schema = 1\nname = "p"\n{rule}{more}')
    place.register("m@1.0.0")
    said = place.registry.approvals
    said.approve("m@1.0.0", actor=BOB)
    said.reject("m@1.0.0", "canary", actor=BOB)
    said.reject("m@1.0.0", actor=EVE)
    given, early, veto = (one.statement.id for one in said.of("m@1.0.0").rulings)
    said.withdraw("m@1.0.0", veto, actor=EVE)
    why = "the outage of monday needs it"
    at = place.clock.now + timedelta(days=1)
    planned = place.registry.schedule.add("m@1.0.0", at, overrides=("told",), reason=why).scheduled
    place.clock.now = at
    assert place.registry.sweep(actor=Actor("cron", "ci", "test")).allowed
    (used,) = said.overrides().waiting
    said.review(used.entry, actor=BOB)
    text = cli("audit", "log").out
    for line in (
        f"    for: activate\n    id: {given}\n",
        f"    for: canary\n    id: {early}\n",
        f"    for: every action\n    id: {veto}\n",
        f"    takes back: {veto}\n",
        f"    to override: told\n    schedule: {planned.id}\n",
        f"    schedule: {planned.id}\n    scheduled by: alice@example.com\n    overridden: told\n    approved by: {given}\n",
        f"    of override: {used.entry}\n",
    ):
        assert line in text


def test_a_commit_that_trust_is_read_from_is_named_with_its_setting(place: Place, cli: Callable[..., Ran]) -> None:
    place.register("m@1.0.0")
    with (place.root / "helix.toml").open("a") as handle:
        handle.write('\n[trust]\nref = "nope"\n')
    ran = cli("approvals", "m@1.0.0")
    assert (ran.code, ran.out) == (4, "")
    assert "helix.toml: trust.ref: " in ran.err


def test_a_denied_deprecation_does_not_say_that_nothing_serves(place: Place, cli: Callable[..., Ran]) -> None:
    place.serve("m@1.0.0")
    rule = '[[rule]]\nid = "r"\nenforcement = "mandatory"\ncheck = { field = "limits.context_window", min = 10 }\n'
    (place.root / "policies/default.toml").write_text(
        f'schema = 1\nname = "p"\n[match]\nactions = ["deprecate"]\n{rule}'
    )
    ran = cli("deprecate", "m@1.0.0")
    assert (ran.code, "no active version" in ran.err) == (3, False)
    assert place.registry.show("m@active").version == "1.0.0"
