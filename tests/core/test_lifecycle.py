from __future__ import annotations

from itertools import product

import pytest

from helixctl.core.lifecycle import IN_SERVICE, REACHED_BY, TRANSITIONS, Action, Status, can_move

ALLOWED = {
    "inactive": {"testing", "canary", "active", "retired"},
    "testing": {"inactive", "canary", "active", "retired"},
    "canary": {"testing", "inactive", "active", "retired"},
    "active": {"deprecated", "inactive", "retired"},
    "deprecated": {"active", "inactive", "retired"},
    "retired": set(),
}
"""The table of the contract, section 3."""


@pytest.mark.parametrize(("origin", "target"), list(product(Status, Status)))
def test_the_lifecycle_has_the_steps_of_the_contract_and_no_other(origin: Status, target: Status) -> None:
    assert can_move(origin, target) is (target in ALLOWED[origin])


def test_every_status_has_a_row_and_an_action_that_asks_for_it() -> None:
    assert set(TRANSITIONS) == set(Status) == set(REACHED_BY) == set(ALLOWED)
    assert len(set(REACHED_BY.values())) == len(Status)


def test_nothing_leads_out_of_retirement_and_retirement_is_open_to_all() -> None:
    assert TRANSITIONS[Status.RETIRED] == frozenset()
    assert all(can_move(status, Status.RETIRED) for status in Status if status is not Status.RETIRED)


def test_the_words_are_those_of_the_contract() -> None:
    assert [str(status) for status in Status] == ["inactive", "testing", "canary", "active", "deprecated", "retired"]
    assert " ".join(Action) == (
        "register update adopt testing canary activate deactivate rollback deprecate retire block unblock reconcile import"
    )
    assert frozenset({"canary", "active"}) == IN_SERVICE
