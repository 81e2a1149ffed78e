from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.core.edit import edited, kind_of, parse_assignment
from helixctl.core.record import SPECIFICATION, decode_specification
from helixctl.errors import Invalid, Usage
from tests.core.making import text

D = Decimal
BODY = """\
# The model that answers mail.
description = "old"   # one line
tags = [
    "a",  # first
    "b",
]

# Prices of the provider's page.
[cost]
input_per_mtok = 10.00
output_per_mtok = 30.00

[limits]  # from the card
context_window = 128000
"""


def change(body: str, values: Mapping[str, Any]) -> str:
    """Return the text of a specification after a change, without its fixed head."""
    raw = text(extra=body)
    after, spec = edited(raw, values)
    assert decode_specification(after) == spec
    head = text().decode()
    found = after.decode()
    assert found.startswith(head)
    return found.removeprefix(head).rstrip("\n") + "\n"


@pytest.mark.parametrize(
    ("values", "old", "new"),
    [
        ({"cost.input_per_mtok": D("2.50")}, "input_per_mtok = 10.00\n", "input_per_mtok = 2.50\n"),
        ({"description": "new"}, 'description = "old"   # one line\n', 'description = "new"\n'),
        ({"limits.context_window": 5}, "context_window = 128000\n", "context_window = 5\n"),
        ({"description": None}, 'description = "old"   # one line\n', ""),
        ({"cost.output_per_mtok": None}, "output_per_mtok = 30.00\n", ""),
        ({"limits.context_window": None}, "[limits]  # from the card\ncontext_window = 128000\n", ""),
        (
            {"tags": ("c",)},
            'tags = [\n    "a",  # first\n    "b",\n]\n',
            'tags = [\n    "c",\n]\n',
        ),
        ({"tags": None}, 'tags = [\n    "a",  # first\n    "b",\n]\n', ""),
        ({"cost.tier": "premium"}, "output_per_mtok = 30.00\n", 'output_per_mtok = 30.00\ntier = "premium"\n'),
        ({"display_name": "N"}, '    "b",\n]\n', '    "b",\n]\ndisplay_name = "N"\n'),
        (
            {"artifact.uri": "s3://x"},
            "context_window = 128000\n",
            'context_window = 128000\n\n[artifact]\nuri = "s3://x"\n',
        ),
        (
            {"cost.tier": "economy", "description": "x"},
            'description = "old"   # one line\n',
            'description = "x"\n',
        ),
    ],
)
def test_an_update_touches_the_lines_of_its_value_and_no_other(values: Mapping[str, Any], old: str, new: str) -> None:
    expected = BODY.replace(old, new)
    if "cost.tier" in values and len(values) > 1:
        expected = expected.replace("output_per_mtok = 30.00\n", 'output_per_mtok = 30.00\ntier = "economy"\n')
    assert expected != BODY
    assert change(BODY, values) == expected.rstrip("\n") + "\n"


def test_an_update_of_a_file_with_crlf_and_separators_in_comments_keeps_the_other_lines() -> None:
    body = "# one\u2028two\r\n[cost]\r\ninput_per_mtok = 1 # price\r\noutput_per_mtok = 2\r\n"
    found = change(body, {"cost.output_per_mtok": D(3)})
    assert found.startswith("# one\u2028two\r\n[cost]\r\ninput_per_mtok = 1 # price\r\noutput_per_mtok = 3")


SHAPES = [
    ("capabilities = { streaming = true }\n", {"capabilities.vision": True}, {"streaming": True, "vision": True}),
    ("capabilities.streaming = true\n", {"capabilities.streaming": False}, {"streaming": False}),
    ("capabilities.streaming = true\n", {"capabilities.vision": True}, {"streaming": True, "vision": True}),
    ('"capabilities" = { "streaming" = true }\n', {"capabilities.streaming": None}, None),
    ('["capabilities"]\n"streaming" = true\n', {"capabilities.streaming": False}, {"streaming": False}),
    ("[ capabilities ]\n  'streaming'=true\n", {"capabilities.vision": False}, {"streaming": True, "vision": False}),
    ("[capabilities]\n", {"capabilities.vision": True}, {"vision": True}),
    ("[capabilities]\n\n[cost]\ninput_per_mtok = 1\n", {"capabilities.vision": True}, {"vision": True}),
    ("[capabilities]\nlanguages = [\n'en',\n\n'de' ]\n", {"capabilities.languages": ("fr",)}, {"languages": ("fr",)}),
    ("", {"capabilities.vision": True}, {"vision": True}),
    ("", {"capabilities.vision": None}, None),
]


@pytest.mark.parametrize(("body", "values", "table"), SHAPES)
def test_any_way_to_write_a_table_takes_the_wanted_values(
    body: str, values: Mapping[str, Any], table: Mapping[str, Any] | None
) -> None:
    raw = text(extra=body)
    _, spec = edited(raw, values)
    assert spec.get("capabilities") == table


@pytest.mark.parametrize(
    ("body", "values", "configuration"),
    [
        ("", {"configuration.a": 1}, {"a": 1}),
        ("", {"configuration.a.b.c": "x"}, {"a": {"b": {"c": "x"}}}),
        ("[configuration]\na = 1\n", {"configuration.b.c": True}, {"a": 1, "b": {"c": True}}),
        ("[configuration]\na = 1\n[configuration.b]\nc = 1\n", {"configuration.b.c": 2}, {"a": 1, "b": {"c": 2}}),
        ("[configuration]\na.b = 1\n", {"configuration.a.b": 2}, {"a": {"b": 2}}),
        ("[configuration]\na = { b = 1, c = 2 }\n", {"configuration.a.b": None}, {"a": {"c": 2}}),
        ("[configuration]\na = 1\nb = 2\n", {"configuration.a": {"x": 1}}, {"a": {"x": 1}, "b": 2}),
        ("[configuration]\na = '''\nb = 1\n'''\n", {"configuration.b": 2}, {"a": "b = 1\n", "b": 2}),
        ("[[configuration.a]]\nb = 1\n", {"configuration.a": ({"b": 2},)}, {"a": ({"b": 2},)}),
        ("[configuration]\n'a.b' = 1\n", {'configuration."a.b"': 2}, {"a.b": 2}),
        ("", {'configuration."a b".c': 1}, {"a b": {"c": 1}}),
    ],
)
def test_free_configuration_is_set_at_any_depth_and_under_quoted_keys(
    body: str, values: Mapping[str, Any], configuration: Mapping[str, Any]
) -> None:
    raw = text(extra=body)
    _, spec = edited(raw, values)
    assert spec["configuration"] == configuration


@pytest.mark.parametrize("held", ["1", '"text"', "[1, 2]", "2026-01-01"])
def test_a_value_is_not_silently_made_a_table(held: str) -> None:
    raw = text(extra=f"[configuration]\na = {held}\n")
    with pytest.raises(Invalid, match="'a' holds a value and no table"):
        edited(raw, {"configuration.a.b": 1})


@pytest.mark.parametrize(
    ("body", "values", "message"),
    [
        ("", {"provider": None}, "key 'provider' is missing"),
        ("", {"cost.input_per_mtok": D(-1)}, "is negative"),
        (
            "[availability]\nannounced_at = 2026-02-01\n",
            {"availability.end_of_life": date(2026, 1, 1)},
            "is before announced_at",
        ),
        ("[limits]\ncontext_window = 4\n", {"limits.max_output_tokens": 5}, "more than the context window of 4"),
        ("[limits]\nmax_output_tokens = 5\n", {"limits.context_window": 4}, "more than the context window of 4"),
    ],
)
def test_a_change_to_what_could_not_be_registered_is_refused(
    body: str, values: Mapping[str, Any], message: str
) -> None:
    raw = text(extra=body)
    with pytest.raises(Invalid) as refused:
        edited(raw, values)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("assignment", "key", "value"),
    [
        ("cost.input_per_mtok=2.50", "cost.input_per_mtok", D("2.50")),
        ("cost.input_per_mtok = 3", "cost.input_per_mtok", D(3)),
        ("description=hello", "description", "hello"),
        ("description= hello world ", "description", "hello world"),
        ("description=a = b", "description", "a = b"),
        ("description=2024", "description", "2024"),
        ("description=true", "description", "true"),
        ('description="quoted"', "description", "quoted"),
        ("description=", "description", ""),
        ("description=it's # fine", "description", "it's # fine"),
        ("capabilities.vision=true", "capabilities.vision", True),
        ("limits.context_window=5", "limits.context_window", 5),
        ("availability.end_of_life=2026-10-23", "availability.end_of_life", date(2026, 10, 23)),
        ('tags=["a", "b"]', "tags", ("a", "b")),
        ("configuration.a=1", "configuration.a", 1),
        ("configuration.a=text", "configuration.a", "text"),
        ("configuration.a.b={ c = 1.5 }", "configuration.a.b", {"c": D("1.5")}),
        ("configuration.a=1\nb = 2", "configuration.a", "1\nb = 2"),
        ('description="a"\nb = 2', "description", '"a"\nb = 2'),
    ],
)
def test_an_assignment_is_toml_or_plain_text_where_the_key_holds_text(assignment: str, key: str, value: Any) -> None:
    found = parse_assignment(assignment)
    assert found == (key, value)
    assert type(found[1]) is type(value)


@pytest.mark.parametrize(
    ("assignment", "error", "message"),
    [
        ("", Usage, "expected KEY=VALUE, found ''"),
        ("description", Usage, "expected KEY=VALUE, found 'description'"),
        ("=1", Usage, "expected KEY=VALUE"),
        (" = 1", Usage, "expected KEY=VALUE"),
        ("model=x", Usage, "'model' cannot be set"),
        ("version=1.0.0", Usage, "'version' cannot be set"),
        ("schema=1", Usage, "'schema' cannot be set"),
        ("lifecycle.status=active", Usage, "'lifecycle.status' cannot be set"),
        ("status=active", Usage, "'status' cannot be set"),
        ("metrics.verdict=passed", Usage, "'metrics.verdict' cannot be set"),
        ("cost.input_per_mtokn=1", Usage, "unknown key 'cost.input_per_mtokn' (did you mean 'cost.input_per_mtok'?)"),
        ("configuration=1", Usage, "unknown key 'configuration'"),
        ("configuration.=1", Usage, "unknown key 'configuration.'"),
        ("cost=1", Usage, "unknown key 'cost'"),
        ("description.x=1", Usage, "unknown key 'description.x'"),
        ("cost.input_per_mtok=-1", Invalid, "cost.input_per_mtok: "),
        ("cost.input_per_mtok=free", Invalid, "cost.input_per_mtok: expected a number, found a string"),
        ("cost.tier=gold", Invalid, "cost.tier: 'gold' is none of economy"),
        ("capabilities.vision=yes", Invalid, "capabilities.vision: expected true or false, found a string"),
        ("availability.end_of_life=soon", Invalid, "expected a date such as 2026-10-23"),
        ("tags=a", Invalid, "tags: expected an array, found a string"),
        ("provider=", Invalid, "provider: is empty"),
        ("artifact.sha256=abc", Invalid, "64 lower-case hexadecimal digits"),
        ("configuration.a=nan", Invalid, "configuration.a: "),
    ],
)
def test_an_assignment_that_cannot_be_is_refused_with_a_hint(
    assignment: str, error: type[Exception], message: str
) -> None:
    with pytest.raises((Usage, Invalid)) as refused:
        parse_assignment(assignment)
    assert type(refused.value) is error
    assert refused.value.message.startswith(message) or message in refused.value.message
    assert refused.value.hint


def test_keys_to_unset_are_checked_as_keys_to_set_are() -> None:
    assert kind_of("cost.tier") is SPECIFICATION["cost"]["tier"]  # type: ignore[index]
    with pytest.raises(Usage):
        kind_of("cost.teir")


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FREE = st.recursive(
    st.booleans() | st.integers(-(10**14), 10**14) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
CHANGES = st.dictionaries(
    st.sampled_from(["configuration.x", "configuration.y"]), FREE | st.none(), max_size=2
) | st.fixed_dictionaries(
    {},
    optional={
        "description": WORDS | st.none(),
        "tags": st.lists(WORDS.filter(str.strip), max_size=3) | st.none(),
        "cost.input_per_mtok": st.decimals(0, 1000, places=4) | st.none(),
        "cost.tier": st.sampled_from(["economy", "premium"]) | st.none(),
        "limits.context_window": st.integers(1, 10**9) | st.none(),
        "capabilities.vision": st.booleans() | st.none(),
    },
)
BODIES = [
    "",
    BODY,
    "cost = { input_per_mtok = 1 }\n",
    "[configuration]\nx = '''\ny = 1\n'''\n[configuration.y]\nz = [1]\n",
]


def frozen(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: frozen(inner) for key, inner in value.items()}
        case list() | tuple():
            return tuple(frozen(inner) for inner in value)
    return value


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(BODIES), CHANGES)
def test_any_change_leaves_the_wanted_values_and_every_other_as_it_was(body: str, values: dict[str, Any]) -> None:
    raw = text(extra=body)
    before = decode_specification(raw)
    after, spec = edited(raw, values)
    assert decode_specification(after) == spec

    def leaves(table: Mapping[str, Any]) -> dict[str, Any]:
        deep = {
            key: value for key, value in table.items() if key in ("cost", "limits", "capabilities", "configuration")
        }
        inner = {f"{key}.{leaf}": value for key, sub in deep.items() for leaf, value in sub.items()}
        return {key: value for key, value in table.items() if key not in deep} | inner

    wanted = leaves(before) | {key: frozen(value) for key, value in values.items()}
    assert leaves(spec) == {key: value for key, value in wanted.items() if value is not None}
