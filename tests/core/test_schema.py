from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core import schema as s
from helixctl.errors import Invalid

D = Decimal
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
EAST = timezone(timedelta(hours=1))
WEST = timezone(-timedelta(hours=1))

GOOD: list[tuple[s.Kind, Any, Any]] = [
    (s.text, "", ""),
    (s.text, "a" * s.MAX_TEXT, "a" * s.MAX_TEXT),
    (s.name, "x", "x"),
    (s.boolean, True, True),
    (s.boolean, False, False),
    (s.count, 0, 0),
    (s.count, 10**15, 10**15),
    (s.positive, 1, 1),
    (s.number, 3, D(3)),
    (s.number, D("-1.5"), D("-1.5")),
    (s.number, D("123456789012345"), D("123456789012345")),
    (s.number, D("1.50000000000000000000000000000000000"), D("1.5")),
    (s.number, D("1e18"), D("1e18")),
    (s.number, D("1e-18"), D("1e-18")),
    (s.amount, 0, D(0)),
    (s.amount, D("0.000001"), D("0.000001")),
    (s.rate, 0, D(0)),
    (s.rate, 1, D(1)),
    (s.rate, D("0.95"), D("0.95")),
    (s.day, date(2026, 1, 1), date(2026, 1, 1)),
    (s.day, datetime(2026, 1, 1, 1, tzinfo=EAST), MIDNIGHT),
    (s.moment, datetime(2026, 1, 1, 1, tzinfo=EAST), MIDNIGHT),
    (s.duration, "14d", "14d"),
    (s.digest, "0a" * 32, "0a" * 32),
    (s.model_id, "openai/gpt-4o", "openai/gpt-4o"),
    (s.version, "1.0.0-rc.1", "1.0.0-rc.1"),
    (s.reference, "m", "m"),
    (s.reference, "m@1.0.0", "m@1.0.0"),
    (s.list_of(s.count), [1, 2], (1, 2)),
    (s.list_of(s.count), [], ()),
    (s.map_of(s.rate), {"a": D("0.5")}, {"a": D("0.5")}),
    (s.one_of("a", "b"), "b", "b"),
    (s.exactly(1), 1, 1),
    (s.free, {"a": [1, {"b": "c"}], "d": date(2026, 1, 1)}, {"a": (1, {"b": "c"}), "d": date(2026, 1, 1)}),
    (s.free, datetime(2026, 1, 1, 1, tzinfo=EAST), MIDNIGHT),
]
BAD: list[tuple[s.Kind, Any, str]] = [
    (s.text, 1, "expected a string, found a whole number"),
    (s.text, ["a"], "expected a string, found an array"),
    (s.text, "a" * (s.MAX_TEXT + 1), "longer than 16384 characters"),
    (s.name, "", "is empty"),
    (s.name, " \t", "is empty"),
    (s.name, True, "expected a string, found a boolean"),
    (s.boolean, 1, "expected true or false, found a whole number"),
    (s.boolean, "true", "expected true or false, found a string"),
    (s.count, True, "expected a whole number, found a boolean"),
    (s.count, D("1.0"), "expected a whole number, found a number"),
    (s.count, -1, "is not between 0 and 10^15"),
    (s.count, 10**15 + 1, "is not between 0 and 10^15"),
    (s.positive, 0, "must be at least 1"),
    (s.number, False, "expected a number, found a boolean"),
    (s.number, "1", "expected a number, found a string"),
    (s.number, D("NaN"), "finite"),
    (s.number, D("Infinity"), "finite"),
    (s.number, D("1234567890123456"), "at most 15 digits"),
    (s.number, D("1." + "0" * 40 + "1"), "at most 15 digits"),
    (s.number, D("1e19"), "at most 15 digits"),
    (s.number, D("1e-19"), "at most 15 digits"),
    (s.number, D("1e9999999"), "at most 15 digits"),
    (s.number, D("1e-9999999"), "at most 15 digits"),
    (s.number, 10**19, "at most 15 digits"),
    (s.number, 16**1_000_000, "at most 15 digits"),
    (s.amount, D("-0.01"), "-0.01 is negative"),
    (s.amount, -1, "-1 is negative"),
    (s.rate, D("1.000001"), "1.000001 is not between 0 and 1"),
    (s.rate, D("-0.1"), "-0.1 is not between 0 and 1"),
    (s.day, "2026-01-01", "expected a date such as 2026-10-23, found a string"),
    (s.day, datetime(2026, 1, 1), "needs a zone"),
    (s.day, datetime.max.replace(tzinfo=WEST), "calendar"),
    (s.moment, date(2026, 1, 1), "expected a time such as 2026-11-22T10:15:00Z, found a date"),
    (s.moment, datetime(2026, 1, 1), "needs a zone"),
    (s.moment, datetime.min.replace(tzinfo=EAST), "calendar"),
    (s.duration, "1M", "is no duration"),
    (s.duration, 14, "expected a string, found a whole number"),
    (s.digest, "0A" * 32, "64 lower-case hexadecimal digits"),
    (s.digest, "0a" * 31, "64 lower-case hexadecimal digits"),
    (s.digest, "0a" * 32 + "\n", "64 lower-case hexadecimal digits"),
    (s.model_id, "../x", "invalid model id '../x'"),
    (s.version, "1.2", "invalid version '1.2'"),
    (s.reference, "m@", "invalid version ''"),
    (s.list_of(s.count), {"a": 1}, "expected an array, found a table"),
    (s.list_of(s.count), [1, "2"], "expected a whole number, found a string"),
    (s.map_of(s.rate), [1], "expected a table, found an array"),
    (s.map_of(s.rate), {"a": 2}, "2 is not between 0 and 1"),
    (s.one_of("active", "canary"), "actve", "'actve' is none of active, canary (did you mean 'active'?)"),
    (s.one_of("a", "b"), ["a"], "is none of a, b"),
    (s.exactly(1), 2, "2 is not supported, expected 1"),
    (s.exactly(1), True, "True is not supported, expected 1"),
    (s.exactly(1), D("1.0"), "is not supported, expected 1"),
    (s.free, datetime(2026, 1, 1), "needs a zone"),
    (s.free, time(10, 15), "expected a value without a local time, found a time"),
    (s.free, D("NaN"), "finite"),
    (s.free, 10**15 + 1, "at most 15 digits"),
    (s.free, {"a": ["b" * (s.MAX_TEXT + 1)]}, "longer than"),
]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(("kind", "value", "expected"), GOOD)
def test_a_value_of_the_kind_is_returned_as_the_core_holds_it(kind: s.Kind, value: Any, expected: Any) -> None:
    found = kind(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "message"), BAD, ids=[f"{kind.__name__}-{n}" for n, (kind, *_) in enumerate(BAD)]
)
def test_any_other_value_is_refused_with_what_was_expected(kind: s.Kind, value: Any, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        kind(value)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "value", "message"), BAD, ids=[f"{kind.__name__}-{n}" for n, (kind, *_) in enumerate(BAD)]
)
def test_a_refused_value_names_its_dotted_key_and_hints_what_is_expected(
    kind: s.Kind, value: Any, message: str
) -> None:
    with pytest.raises(Invalid) as refused:
        s.checked({"cost": {"tier": value}}, {"cost": {"tier": kind}})
    assert refused.value.key == "cost.tier"
    assert refused.value.message.startswith("cost.tier: ")
    assert (refused.value.hint or "").removeprefix("expected here: ").strip()


@pytest.mark.parametrize(
    "kind", [s.text, s.name, s.count, s.list_of(s.text), s.map_of(s.rate), s.one_of("a"), s.exactly(1)]
)
def test_every_kind_describes_itself_in_a_line(kind: Callable[[Any], Any]) -> None:
    assert (kind.__doc__ or "").strip().endswith(".")


def test_free_values_nest_to_nineteen_and_no_deeper() -> None:
    assert s.free(nested(19)) != 1
    with pytest.raises(ValueError, match="nested more than 20 deep"):
        s.free(nested(20))


def test_checked_keys_stand_in_the_order_of_the_schema() -> None:
    schema: s.Schema = {"a": s.count, "b": {"d": s.count, "c": s.count}}
    found = s.checked({"b": {"c": 1, "d": 2}, "a": 3}, schema)
    assert (list(found), list(found["b"])) == (["a", "b"], ["d", "c"])


def test_an_unknown_key_is_named_with_its_table_the_nearest_and_all_known_ones() -> None:
    schema: s.Schema = {"cost": {"input_per_mtok": s.amount, "tier": s.text}}
    with pytest.raises(Invalid) as refused:
        s.checked({"cost": {"input_per_mtokn": 1}}, schema)
    assert refused.value.message == "unknown key 'cost.input_per_mtokn' (did you mean 'input_per_mtok'?)"
    assert refused.value.key == "cost.input_per_mtokn"
    assert refused.value.hint == "rename or remove it; known here: input_per_mtok, tier"


def test_a_key_that_resembles_none_gets_no_suggestion() -> None:
    with pytest.raises(Invalid) as refused:
        s.checked({"zzz": 1}, {"cost": s.amount})
    assert refused.value.message == "unknown key 'zzz'"


def test_a_value_in_place_of_a_table_is_refused() -> None:
    with pytest.raises(Invalid, match="cost: expected a table, found a whole number") as refused:
        s.checked({"cost": 1}, {"cost": {"tier": s.text}})
    assert refused.value.hint == "write [cost]"


def test_a_missing_key_is_refused_by_name() -> None:
    with pytest.raises(Invalid, match="key 'model' is missing") as refused:
        s.checked({"schema": 1}, {"schema": s.exactly(1), "model": s.name}, required=("schema", "model"))
    assert refused.value.key == "model"


def test_a_fault_in_a_table_of_an_array_names_the_array_the_place_and_the_key() -> None:
    rules = s.list_of(lambda rule: s.checked(rule, {"id": s.name, "level": s.name}, required=("id",)))
    with pytest.raises(Invalid) as unknown:
        s.checked({"rule": [{"id": "a"}, {"id": "b", "levl": "x"}]}, {"rule": rules})
    assert unknown.value.key == "rule.1.levl"
    assert "unknown key 'levl'" in unknown.value.message
    with pytest.raises(Invalid) as missing:
        s.checked({"rule": [{}]}, {"rule": rules})
    assert missing.value.key == "rule.0.id"


def test_elements_of_an_array_of_tables_must_be_tables() -> None:
    rules = s.list_of(lambda rule: s.checked(rule, {"id": s.name}, required=("id",)))
    with pytest.raises(Invalid, match="expected a table, found a string"):
        s.checked({"rule": ["id"]}, {"rule": rules})
