from __future__ import annotations

from collections.abc import Callable

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
    with pytest.raises(NotFound):
        approvals.review(used.entry, actor=BOB)


def test_of_several_statements_the_one_to_withdraw_is_named(place: Place) -> None:
    place.register("m@1.0.0")
    approvals = place.registry.approvals
    with pytest.raises(Usage, match=r"0 approvals and rejections of .* by 'bob@example.com' stand"):
        approvals.withdraw("m@1.0.0", actor=BOB)
    approvals.approve("m@1.0.0", actor=BOB)
    approvals.approve("m@1.0.0", "canary", actor=BOB)
    with pytest.raises(Usage, match="2 approvals and rejections") as refused:
        approvals.withdraw("m@1.0.0", actor=BOB)
    first, second = (refused.value.hint or "").removeprefix("name one: ").split(", ")
    assert approvals.withdraw("m@1.0.0", first, actor=BOB).changed
    with pytest.raises(Usage, match="stands"):
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
