from __future__ import annotations

import tomllib
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.errors import Invalid

SCHEMA: s.Schema = {
    "model": s.text,
    "cost": {"input": s.amount, "output": s.amount},
    "rule": s.list_of(lambda rule: s.checked(rule, {"id": s.name, "levels": {"low": s.count}}, required=("id",))),
    "free": s.map_of(s.free),
}


def refusal(text: str) -> Invalid:
    with pytest.raises(Invalid) as refused:
        toml.load(text.encode(), SCHEMA)
    return refused.value


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb =\n", 2),
        ('a = 1\n\nb = "unclosed\n', 3),
        ("[a\n", 1),
        ("a = 1\na = 2\n", 2),
        ("[a]\nb = 1\n[a]\n", 3),
        ('a = """never closed\n\n', 3),
        ("a = [1,\n2,\n", 3),
        ("x = 1\n<<<<<<< HEAD\ny = 1\n=======\ny = 2\n>>>>>>> main\n", 2),
        ("a = 1\r\nb = 2\rc = 3\r\n", 2),
        ('a = "\x00"\n', 1),
    ],
)
def test_a_syntax_error_names_its_line(text: str, line: int) -> None:
    found = refusal(text)
    assert found.message.startswith("not TOML: ")
    assert (found.line, found.hint) == (line, "correct the syntax there")


def test_a_byte_order_mark_is_told() -> None:
    found = refusal("\ufeffa = 1\n")
    assert (found.message, found.line) == ("begins with a byte order mark", 1)


@pytest.mark.parametrize("raw", [b"a = 1\nb = '\xff'\n", b"a = 1\n\xc3(\n"])
def test_text_that_is_not_utf_8_names_its_line(raw: bytes) -> None:
    with pytest.raises(Invalid, match="not UTF-8") as refused:
        toml.parse(raw)
    assert refused.value.line == 2


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("modle = 'm'\n", "modle", 1),
        ("# c\n\nmodle = 'm'\n", "modle", 3),
        ("model = 'm'\n[cost]\ninput = 1\nouptut = 2\n", "cost.ouptut", 4),
        ("model = 'm'\n\n[cots]\ninput = 1\n", "cots", 3),
        ("[[cots]]\ninput = 1\n", "cots", 1),
        ("model = 'm'\ncost.inptu = 1\n", "cost.inptu", 2),
        ("model = 'm'\ncost = { inptu = 1 }\n", "cost.inptu", 2),
        ("model = 'm'\n  [ cost ]\n  'inptu' = 1\n", "cost.inptu", 3),
        ('model = "m"\n"inptu" = 1\n', "inptu", 2),
        ("model = 'm'\r\n[cost]\r\ninptu = 1\r\n", "cost.inptu", 3),
        ("# a separator \u2028 and \u0085 and \u000c\n".replace("\u000c", "") + "inptu = 1\n", "inptu", 2),
        ("model = 1\n", "model", 1),
        ("[cost]\ninput = 1\noutput = -1\n", "cost.output", 3),
        ("model = 'm'\ncost = 1\n", "cost", 2),
        ("rule = 1\n", "rule", 1),
        ("model = 'm'\nrule = [1]\n", "rule", 2),
        ("[[rule]]\nid = 'a'\n[[rule]]\nid = 'b'\nlevle = 1\n", "rule.1.levle", 5),
        ("[[rule]]\nid = 'a'\n\n[[rule]]\nlevels = { low = 1 }\n", "rule.1.id", 4),
        ("[[rule]]\nid = 'a'\nlevels = { low = 'x' }\n[[rule]]\nid = 'b'\n", "rule.0.levels.low", 3),
        ("[[rule]]\nid = 'a'\n[rule.levels]\nlow = -1\n", "rule.0.levels.low", 4),
        ("rule = [\n  { id = 'a' },\n  { name = 'b' },\n]\n", "rule.1.id", 1),
    ],
)
def test_a_fault_names_its_key_and_the_line_on_which_it_stands(text: str, key: str, line: int) -> None:
    found = refusal(text)
    assert (found.key, found.line) == (key, line)


@pytest.mark.parametrize("unit", ["[", "{a=", "a.", '"a" . '])
def test_ten_megabytes_of_nesting_are_refused_by_size(unit: str) -> None:
    raw = b"x = " + unit.encode() * (10_000_000 // len(unit))
    with pytest.raises(Invalid, match="more than 1048576") as refused:
        toml.parse(raw)
    assert refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 100_000,
        "x = " + "[" * 50_000 + "]" * 50_000,
        "x = " + "{a=" * 100_000,
        "a." * 500_000 + "a = 1",
        '"a" . ' * 150_000 + "a = 1",
        "[" + "a." * 500_000 + "a]",
        "x = { " + "a." * 400_000 + "a = 1 }",
    ],
    ids=["open arrays", "arrays", "inline tables", "dotted key", "quoted key", "header", "dotted inside"],
)
def test_deep_nesting_below_the_size_limit_is_refused_at_once(text: str) -> None:
    with pytest.raises(Invalid, match="nested too deep"):
        toml.parse(text.encode())


@pytest.mark.parametrize(
    "text", [f"x = '{'word.' * 60}'", f"x = '{'. ' * 5000}'", f"# {'-' * 9999}\nx = '{'a' * 9999}...'"]
)
def test_text_with_many_dots_is_no_nesting(text: str) -> None:
    assert list(toml.parse(text.encode())) == ["x"]


def test_the_size_limit_is_a_mebibyte_exactly() -> None:
    comment = b"#" + b"x" * (toml.MAX_BYTES - 1)
    assert toml.parse(comment) == {}
    with pytest.raises(Invalid, match="1048577 bytes"):
        toml.parse(comment + b"x")


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("0.1", Decimal("0.1")),
        ("10.00", Decimal("10.00")),
        ("1_000.5", Decimal("1000.5")),
        ("1e3", Decimal("1E+3")),
        ("-0.0", Decimal("-0.0")),
        ("0.30000000000000004", Decimal("0.30000000000000004")),
        ("inf", Decimal("Infinity")),
        ("-inf", Decimal("-Infinity")),
    ],
)
def test_a_fraction_stays_an_exact_decimal(literal: str, value: Decimal) -> None:
    found = toml.parse(f"x = {literal}".encode())["x"]
    assert isinstance(found, Decimal)
    assert (found, str(found)) == (value, str(value))


@pytest.mark.parametrize(
    "literal",
    [
        "nan",
        "inf",
        "-inf",
        "1e19",
        "1e9999999",
        "1e-9999999",
        "1e99999999999999999999",
        "0." + "1" * 5000,
        "1" * 4000,
        "0x" + "f" * 900_000,
        "0b" + "1" * 900_000,
    ],
    ids=lambda literal: literal[:12],
)
def test_an_unreasonable_number_is_refused_at_its_line(literal: str) -> None:
    found = refusal(f"model = 'm'\n[cost]\ninput = {literal}\n")
    assert (found.key, found.line) == ("cost.input", 3)
    assert len(str(found)) < 6000


def test_a_decimal_integer_beyond_the_limit_of_the_parser_is_a_syntax_error() -> None:
    assert refusal(f"[cost]\ninput = {'9' * 5000}\n").message.startswith("not TOML: ")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 3, 1, 12, tzinfo=UTC), "x = 2026-03-01T12:00:00Z\n"),
        (datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC), "x = 2026-03-01T12:00:00.000005Z\n"),
        (datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=2))), "x = 2026-03-01T10:00:00Z\n"),
        (date(2026, 3, 1), "x = 2026-03-01\n"),
        (Decimal("10.00"), "x = 10.00\n"),
        (True, "x = true\n"),
        ('a\nb"\\\u007f\U0001f600', 'x = "a\\nb\\"\\\\\\u007f\U0001f600"\n'),
        ((), "x = []\n"),
        ({"b": 1, "a": 2}, "[x]\nb = 1\na = 2\n"),
    ],
)
def test_dumping_is_stable_keeps_the_order_of_keys_and_writes_times_with_z(value: Any, text: str) -> None:
    assert toml.dump({"x": value}) == text
    assert toml.dump(tomllib.loads(text, parse_float=Decimal)) == text
