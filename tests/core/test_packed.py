from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.packed import pack, unpack
from helixctl.core.record import Record


@pytest.mark.parametrize(
    "value",
    [
        Decimal("1.50"),
        Decimal("-0"),
        date(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4, 5, 6, UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        (),
        ((1, "a"), (Decimal(2),)),
        True,
        10**15,
        "\x00\u2028\t\n\U0001f600",
        {},
        {"decimal": "1"},
        {"table": {"time": "x"}},
        {"date": 1, "array": 2},
        {"": {"table": ({"array": "no"},)}},
    ],
)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    record = Record(
        "é\n[lifecycle]\n".encode(), {"configuration": {"x": value}}, {"status": "active"}, {"scores": value}
    )
    line = pack(record)
    assert unpack(line) == record
    assert repr(unpack(line)) == repr(record)
    assert line.isascii()
    assert not {"\n", "\t"} & set(line)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{}",
        "[]",
        '["", 1, 2]',
        "[1, {}, {}, null]",
        '["", {"x": {"decimal": "no"}}, {}, null]',
        '["", {"x": {"date": 1}}, {}, null]',
    ],
)
def test_what_is_no_record_is_refused(line: str) -> None:
    with pytest.raises((ValueError, TypeError, ArithmeticError, AttributeError)):
        unpack(line)
