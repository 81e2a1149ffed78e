from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.difference import Delta, between
from tests.core.making import AT, made

COST = "[cost]\ninput_per_mtok = {}\n"


@pytest.mark.parametrize(
    ("one", "other", "deltas"),
    [
        ({}, {}, []),
        ({"extra": COST.format("1.00")}, {"extra": COST.format("1.0")}, []),
        (
            {"extra": COST.format("1.00")},
            {"extra": COST.format("2.00")},
            [Delta("cost.input_per_mtok", Decimal("1.00"), Decimal("2.00"))],
        ),
        ({"extra": 'tags = ["a"]\n'}, {}, [Delta("tags", ("a",), None)]),
        ({}, {"extra": "[configuration.a]\nb = false\n"}, [Delta("configuration.a.b", None, False)]),
        (
            {"extra": 'tags = ["a"]\n', "status": "active"},
            {"extra": COST.format("0")},
            [
                Delta("tags", ("a",), None),
                Delta("lifecycle.status", "active", "inactive"),
                Delta("cost.input_per_mtok", None, Decimal(0)),
            ],
        ),
        (
            {},
            {"blocked": {"at": AT, "reason": "r"}},
            [Delta("lifecycle.blocked.at", None, AT), Delta("lifecycle.blocked.reason", None, "r")],
        ),
        ({}, {"metrics": {"samples": 3}}, [Delta("metrics.samples", None, 3)]),
    ],
)
def test_each_key_that_differs_is_named_with_both_values(
    one: dict[str, Any], other: dict[str, Any], deltas: list[Delta]
) -> None:
    found = between(made("1.0.0", **one), made("2.0.0", **other))
    assert (str(found.one), str(found.other)) == ("m@1.0.0", "m@2.0.0")
    assert list(found.deltas) == deltas
