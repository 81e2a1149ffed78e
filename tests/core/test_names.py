from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from semver import Version

from helixctl.core.names import (
    Ref,
    one_of,
    ordered,
    parse_exact,
    parse_model,
    parse_ref,
    parse_version,
    same_version,
    segment_path,
)
from helixctl.errors import Usage

GOOD_MODELS = [
    "m",
    "gpt-4-turbo",
    "openai/gpt-4o",
    "a/b/c",
    "4o",
    "A.b_c-d",
    "console",
    "com10",
    "lpt",
    "x.con",
    "toml",
    "a.tomlx",
    "a" * 200,
]
BAD_MODELS = [
    "",
    "a b",
    "-m",
    "../x",
    "a/../b",
    "m/",
    "/m",
    "CON",
    "a//b",
    "a/b/c/d",
    ".",
    "..",
    ".m",
    "_m",
    "a..b",
    "m.",
    "a./b",
    "m.toml",
    "M.TOML",
    "a.toml/b",
    "a\\b",
    "C:m",
    "~m",
    "m@1.0.0",
    "m\n",
    "\nm",
    "m\x00",
    "m\x1b[31m",
    "[bold]m",
    "m\u0661",
    "\u00e9",
    "\uff4d",
    "m\u202e",
    "a" * 201,
    "/".join(["a" * 67] * 3),
]
DEVICES = ["CON", "con", "Prn", "AUX", "nul", "COM0", "COM1", "com9", "LPT1", "lpt0", "NUL.txt", "con.tar.gz"]
GOOD_VERSIONS = [
    "0.0.0",
    "1.2.3",
    "2024.4.9",
    "1.0.0-rc.1",
    "1.0.0-0a",
    "1.0.0--",
    "1.0.0+build.007",
    "1.0.0-a+b",
    "1.0.0-" + "a" * 194,
    "9" * 190 + ".0.0",
]
BAD_VERSIONS = [
    "",
    "1",
    "v1",
    "1.2",
    "01.2.3",
    "1.2.3-01",
    "latest",
    "2024-01-01",
    "1.02.3",
    "1.2.03",
    "1.2.3.4",
    "v1.2.3",
    "1.2.3-",
    "1.2.3+",
    "1.2.3-a..b",
    "1.2.3-a_b",
    "1.2.3+a+b",
    "-1.2.3",
    "+1.2.3",
    "1.2.3 ",
    " 1.2.3",
    "1.2.3\n",
    "1.2.3-a\n",
    "1.2.3\x00",
    "1.2.\u0663",
    "\u0661.2.3",
    "1.2.3-\u00e9",
    "1.2.3/../x",
    "[red]1.2.3",
    "1.0.0-" + "a" * 195,
    "9" * 197 + ".0.0",
]
PRECEDENCE = [
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.10.0",
    "2.0.0",
]


@pytest.mark.parametrize("text", GOOD_MODELS)
def test_a_model_id_of_the_grammar_is_returned_unchanged(text: str) -> None:
    assert parse_model(text) == text


@pytest.mark.parametrize("text", BAD_MODELS)
def test_any_other_model_id_is_refused_on_one_printable_line_with_a_hint(text: str) -> None:
    with pytest.raises(Usage) as refused:
        parse_model(text)
    assert refused.value.exit_code == 2
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()
    assert "openai/gpt-4o" in (refused.value.hint or "")


@pytest.mark.parametrize("name", DEVICES)
@pytest.mark.parametrize("frame", ["{}", "openai/{}", "{}/gpt"])
def test_a_device_name_of_windows_is_no_segment_with_or_without_an_extension(name: str, frame: str) -> None:
    with pytest.raises(Usage, match="device name"):
        parse_model(frame.format(name))


@pytest.mark.parametrize("text", GOOD_VERSIONS)
def test_a_semantic_version_is_returned_unchanged(text: str) -> None:
    assert parse_version(text) == text


@pytest.mark.parametrize("text", BAD_VERSIONS)
def test_any_other_version_is_refused_on_one_printable_line_with_a_hint(text: str) -> None:
    with pytest.raises(Usage) as refused:
        parse_version(text)
    assert refused.value.exit_code == 2
    assert str(refused.value).isascii()
    assert str(refused.value).isprintable()
    assert "MAJOR.MINOR.PATCH" in (refused.value.hint or "")
    assert ("longer than 200 characters" in str(refused.value)) is (len(text) > 200)


def test_versions_order_as_the_example_of_the_specification_does() -> None:
    assert sorted(sorted(PRECEDENCE), key=ordered) == PRECEDENCE


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1.0.0", "1.0.0", True),
        ("1.0.0", "1.0.0+build", True),
        ("1.0.0+a", "1.0.0+b", True),
        ("1.0.0-rc.1", "1.0.0-RC.1", True),
        ("1.0.0+Build", "1.0.0+build", True),
        ("1.0.0-rc+a", "1.0.0-rc+b", True),
        ("1.0.0", "1.0.0-rc", False),
        ("1.0.0", "1.0.1", False),
        ("1.0.0-1", "1.0.0-01a", False),
    ],
)
def test_equal_precedence_or_equal_but_for_case_is_the_same_version(one: str, other: str, same: bool) -> None:
    assert same_version(one, other) is same
    assert same_version(other, one) is same


def test_no_two_versions_of_a_strict_order_are_the_same() -> None:
    assert not any(same_version(one, other) for one, other in permutations(PRECEDENCE, 2))


@pytest.mark.parametrize(
    ("text", "model", "version", "is_alias"),
    [
        ("m", "m", None, False),
        ("a/b@1.0.0", "a/b", "1.0.0", False),
        ("m@active", "m", "active", True),
        ("m@canary", "m", "canary", True),
        ("m@latest", "m", "latest", True),
        ("m@previous", "m", "previous", True),
    ],
)
def test_a_reference_is_a_model_with_or_without_a_version_or_alias(
    text: str, model: str, version: str | None, is_alias: bool
) -> None:
    found = parse_ref(text)
    assert found == Ref(model, version)
    assert (str(found), found.is_alias) == (text, is_alias)


@pytest.mark.parametrize(
    "text", ["", "@", "m@", "@1.0.0", "m@1.0.0@2.0.0", "m@Active", "m@newest", "m @1.0.0", "m@ 1.0.0"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(Usage):
        parse_ref(text)


@pytest.mark.parametrize("text", ["m", "m@latest", "m@previous"])
def test_an_exact_reference_names_neither_a_whole_model_nor_an_alias(text: str) -> None:
    with pytest.raises(Usage, match="names no exact version") as refused:
        parse_exact(text)
    assert refused.value.hint == "write m@MAJOR.MINOR.PATCH"
    assert parse_exact("m@1.0.0") == Ref("m", "1.0.0")


def test_an_unknown_word_is_refused_with_the_nearest_and_all_known_ones() -> None:
    assert one_of("status", "canary", ["canary", "active"]) == "canary"
    with pytest.raises(Usage, match=r"unknown status 'canry' \(did you mean 'canary'\?\)") as refused:
        one_of("status", "canry", ["canary", "active"])
    assert refused.value.hint == "one of canary, active"
    with pytest.raises(Usage) as far:
        one_of("status", "zzz", ["canary"])
    assert "mean" not in str(far.value)


def test_versions_with_and_without_more_than_three_numbers_sort_together() -> None:
    spec = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta.2", "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0"]
    expected = [*spec, "2.0.0", "2.1.0-rc.1", "2.1.0", "2.1.1", "10.0.0"]
    for start in range(len(expected)):
        assert sorted(expected[start:] + expected[:start], key=ordered) == expected
    assert same_version("1.0.0", "1.0.0+build")
    assert same_version("1.0.0+a", "1.0.0")
    assert not same_version("1.0.0", "1.0.0-a")


PARTS = st.from_regex(
    r"(0|[1-9][0-9]{0,3}|[0-9]{0,2}[a-zA-Z-][0-9A-Za-z-]{0,3})(\.(0|[1-9][0-9]?|[a-z-]+)){0,2}", fullmatch=True
)
NUMBERS = st.tuples(*[st.integers(0, 3)] * 3).map(lambda found: ".".join(map(str, found)))
VERSIONS = st.tuples(NUMBERS, st.none() | PARTS).map(lambda found: found[0] + (f"-{found[1]}" if found[1] else ""))


@given(VERSIONS, VERSIONS)
def test_the_order_is_that_of_semver(one: str, other: str) -> None:
    expected = Version.parse(one).compare(Version.parse(other))
    assert (ordered(one) > ordered(other)) - (ordered(one) < ordered(other)) == expected


def test_a_segment_is_named_for_its_month_its_time_and_chance() -> None:
    path = segment_path(datetime(2026, 11, 22, 10, 15, 0, 123456, tzinfo=UTC), b"\x3f\xa9\xc1\xd2\xe4\xb5")
    assert path == "audit/2026/11/20261122T101500123Z-3fa9c1d2e4b5.jsonl"
