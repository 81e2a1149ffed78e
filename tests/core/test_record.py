from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest

from helixctl.core import toml
from helixctl.core.lifecycle import Status
from helixctl.core.record import (
    LIFECYCLE,
    METRICS,
    Record,
    canonical_digest,
    decode,
    decode_specification,
    encode,
    order_of,
    serving_digest,
    split_head,
    text_of,
)
from helixctl.errors import Invalid
from tests.core.making import AT, BLOCK, DAY, announced, made, measured, served, text

TAIL = b'[lifecycle]\nstatus = "inactive"\nregistered_at = 2026-01-01T00:00:00Z\n'
FULL = b"""\
# a comment before
schema = 1                # required
model = "openai/gpt-4-turbo"
version = "2024.4.9"
provider = "openai"
provider_model_id = "gpt-4-turbo-2024-04-09"
display_name = "GPT-4 Turbo"
description = "..."
release_date = 2024-04-09
release_notes = "..."
tags = ["llm", "premium"]

[capabilities]
streaming = true
audio_transcription = false
languages = ["en"]
tasks = ["summary", "sentiment"]

[limits]
context_window = 128000
max_output_tokens = 4096

[cost]
currency = "USD"
input_per_mtok = 10.00
output_per_mtok = 30.00
cache_read_per_mtok = 5.00
tier = "premium"

[availability]
announced_at = 2026-04-22
end_of_life = 2026-10-23
replacement = "openai/gpt-4.1@2025.4.14"
source = "https://example.com"

[thresholds]
min_success_rate = 0.97
max_latency_ms = 3000
min_confidence = 0.75

[artifact]
uri = "s3://weights"
sha256 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

[configuration]
temperature = 0.2
stop = ["\\n"]
nested = { a = 1 }

"""
STATE = b"""\
[lifecycle]
status = "active"
registered_at = 2026-01-01T00:00:00Z
testing_since = 2026-01-02T00:00:00Z
activated_at = 2026-01-03T00:00:00.000001Z
served_digest = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
previous = "2024.1.25"
canary_weight = 0.05
last_blocked_at = 2026-01-02T12:00:00Z

[lifecycle.blocked]
at = 2026-01-02T12:00:00Z
reason = "two\\nlines [lifecycle]"

[lifecycle.deprecation]
announced_at = 2026-01-04T00:00:00Z
end_of_life = 2026-10-23
replacement = "openai/gpt-4.1"
reason = "old"
migration_guide = "https://example.com"
grace_period_days = 90
allow_new_deployments = false
source = "operator"

[metrics]
evaluated_at = 2026-01-02T06:00:00Z
newest_at = 2026-01-02T05:00:00Z
serving_digest = "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
verdict = "passed"
proven = true
samples = 60
avg_latency_ms = 100.5
p50_latency_ms = 100
p95_latency_ms = 120
p99_latency_ms = 130
p999_latency_ms = 130
success_rate = 1.0
error_rate = 0.0
avg_confidence = 0.9
avg_input_tokens = 100.0
avg_output_tokens = 50.0
cost_per_request = 0.0025
source = "recorded"

[metrics.scores]
mmlu = 0.86
"""


def spec(extra: str = "") -> dict[str, Any]:
    return decode_specification(text(extra=extra))


def test_a_file_with_every_key_of_the_contract_decodes_and_encodes_to_the_same_bytes() -> None:
    record = decode(FULL + STATE)
    assert encode(record) == FULL + STATE
    assert set(record.lifecycle) == set(LIFECYCLE)
    assert set(record.metrics or ()) == set(METRICS)
    assert (str(record.ref), record.status, record.version) == ("openai/gpt-4-turbo@2024.4.9", "active", "2024.4.9")
    assert record.spec["cost"]["input_per_mtok"] == Decimal("10.00")
    assert record.deprecation["source"] == "operator"
    assert (record.blocked or {})["reason"] == "two\nlines [lifecycle]"


@pytest.mark.parametrize(
    "head",
    [
        text() + b"\n",
        text(),
        text(extra="\n\n# a last comment\n\n\n"),
        text(
            extra='\n[cost]   # prices\ninput_per_mtok=1.0 # per million\n\n   [limits]\n"context_window"    =    5\n'
        ),
        text().replace(b"\n", b"\r\n") + b"\r\n",
        text(extra='description = """\nsay\n[lifecycle]\nstatus = "active"\n"""\n'),
        text(extra="description = '''\n[lifecycle]\n[lifecycle]\n'''\n[configuration]\na = '''\n[lifecycle]'''\n"),
        text(extra='[configuration]\n"lifecycle" = "[lifecycle]"\n'),
        text(extra="# [lifecycle]\n#\u2028[lifecycle]\n"),
        text(extra="tags = [\n  'a', # one\n  'b',\n]\n"),
    ],
    ids=["plain", "no blank line", "comments", "layout", "crlf", "string", "strings", "quoted", "in comment", "array"],
)
def test_what_precedes_the_lifecycle_is_kept_byte_for_byte_when_the_state_changes(head: bytes) -> None:
    record = decode(head + TAIL)
    moved = record.with_lifecycle(status=Status.TESTING, testing_since=AT)
    raw = encode(moved)
    assert raw.startswith(head + b"[lifecycle]\n")
    again = decode(raw)
    assert (again.spec, again.lifecycle, again.metrics) == (record.spec, moved.lifecycle, None)
    assert encode(again) == raw
    assert split_head(raw) == head


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n\n", b"# no newline at the end", b"\r\n", b"\r\n\r\n"])
def test_a_registered_text_gets_its_lifecycle_below_and_keeps_what_it_says(end: bytes) -> None:
    source = text() + end
    record = Record(source, decode_specification(source), {"status": Status.INACTIVE, "registered_at": AT})
    raw = encode(record)
    assert raw.startswith(source.rstrip(b"\n"))
    again = decode(raw)
    assert (again.spec, again.lifecycle) == (record.spec, record.lifecycle)
    assert encode(again) == raw


@pytest.mark.parametrize(
    "raw",
    [
        text() + TAIL + b"[cost]\ninput_per_mtok = 1\n",
        text() + TAIL + b"\n[metrics]\nsamples = 1\n\n  [ limits ]\ncontext_window = 1\n",
        text() + TAIL + b"[configuration.a]\nb = 1\n",
        text() + b'lifecycle = { status = "active" }\n',
        text() + b'[ lifecycle ]\nstatus = "active"\n',
        text() + b'  [lifecycle]\nstatus = "active"\n',
        b'lifecycle.status = "active"\n' + text(),
        text(extra='description = """\n[lifecycle]\n"""\nlifecycle = { status = "active" }\n[cost]\n'),
    ],
    ids=["below", "below metrics", "subtable", "inline", "spaced", "indented", "dotted", "in a string"],
)
def test_a_file_whose_lifecycle_is_not_last_under_a_line_of_its_own_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match=r"\[lifecycle\]") as refused:
        decode(raw)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("raw", "message", "line"),
    [
        (text(), "not registered: there is no [lifecycle]", None),
        (text() + b"[lifecycle]\n", "lifecycle.status is missing", 5),
        (text() + b'[lifecycle]\nstatus = "live"\n', "lifecycle.status: 'live' is none of inactive, testing", 6),
        (text() + TAIL + b'previuos = "1.0.0"\n', "unknown key 'lifecycle.previuos' (did you mean 'previous'?)", 8),
        (text() + TAIL + b"[metrics]\nsmaples = 1\n", "unknown key 'metrics.smaples' (did you mean 'samples'?)", 9),
        (text() + TAIL + b"[lifecycle.blocked]\nat = 1\n", "key 'reason' is missing", 8),
        (b"schema = 2\n" + text()[11:] + TAIL, "schema: 2 is not supported, expected 1", 1),
        (text()[11:] + TAIL, "key 'schema' is missing", None),
        (text().replace(b'provider = "in-house"\n', b"") + TAIL, "key 'provider' is missing", None),
        (text(extra="[cost]\ninput_per_mtok = -1\n") + TAIL, "cost.input_per_mtok: -1 is negative", 6),
        (text(extra='[cost]\ninput_per_mtok = "1"\n') + TAIL, "expected a number, found a string", 6),
        (text(extra="tagz = []\n") + TAIL, "unknown key 'tagz' (did you mean 'tags'?)", 5),
    ],
)
def test_a_malformed_file_is_refused_with_its_key_and_line(raw: bytes, message: str, line: int | None) -> None:
    with pytest.raises(Invalid) as refused:
        decode(raw)
    assert message in refused.value.message
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("extra", "message", "line"),
    [
        (
            "[availability]\nannounced_at = 2026-10-23\nend_of_life = 2026-10-22\n",
            "availability.end_of_life: 2026-10-22 is before announced_at 2026-10-23",
            7,
        ),
        (
            "[limits]\nmax_output_tokens = 5\ncontext_window = 4\n",
            "limits.max_output_tokens: 5 is more than the context window of 4",
            6,
        ),
        ("[lifecycle]\nstatus = 'active'\n", "[lifecycle] is written by helixctl alone", 5),
        ("[metrics]\nsamples = 1\n", "[metrics] is written by helixctl alone", 5),
        ("lifecycle = 1\n", "[lifecycle] is written by helixctl alone", 5),
        ("[cost]\ninput_per_mtok = -0.01\n", "cost.input_per_mtok: -0.01 is negative", 6),
        ("[cost]\ncurrency = 'EUR'\n", "cost.currency: 'EUR' is none of USD", 6),
    ],
)
def test_a_specification_that_contradicts_itself_is_refused_at_its_line(extra: str, message: str, line: int) -> None:
    with pytest.raises(Invalid) as refused:
        decode_specification(text(extra=extra))
    assert (refused.value.message, refused.value.line) == (message, line)
    assert refused.value.hint


def test_an_end_of_life_on_the_day_of_its_announcement_and_output_as_large_as_the_window_are_allowed() -> None:
    found = spec(
        "[availability]\nannounced_at = 2026-10-23\nend_of_life = 2026-10-23\n"
        "[limits]\ncontext_window = 5\nmax_output_tokens = 5\n"
    )
    assert found["limits"] == {"context_window": 5, "max_output_tokens": 5}


SAME = [
    text(extra="[cost]\ninput_per_mtok = 10.00\noutput_per_mtok = 2\n"),
    text(extra="[cost]\noutput_per_mtok = 2.0\ninput_per_mtok = 10\n"),
    text(extra="# c\n\n[cost] # d\n  input_per_mtok   = 1e1\n\noutput_per_mtok = 2_0e-1\n"),
    text(extra="cost = { output_per_mtok = 2.000, input_per_mtok = 10.0 }\n"),
    text(extra="cost.input_per_mtok = 10\ncost.output_per_mtok = 2\n").replace(b"\n", b"\r\n"),
    b'provider = "in-house"\nversion = "1.0.0"\n"model" = \'m\'\nschema = 1\ncost = {input_per_mtok=10,output_per_mtok=2}',
]


def test_comments_layout_order_of_keys_and_zeros_do_not_change_the_specification_digest() -> None:
    assert len({canonical_digest(decode_specification(raw)) for raw in SAME}) == 1


def test_times_of_equal_instants_in_other_zones_have_one_digest() -> None:
    zoned = [f"[availability]\nend_of_life = 2026-10-23T{at}\n" for at in ("00:00:00Z", "02:00:00+02:00")]
    assert len({canonical_digest(spec(extra)) for extra in zoned}) == 1
    inside = [f"[configuration]\nat = 2026-10-23T{at}\n" for at in ("00:00:00Z", "02:00:00+02:00")]
    assert len({canonical_digest(spec(extra)) for extra in inside}) == 1


DIFFERENT = [
    "",
    'description = ""\n',
    'description = "a"\n',
    'description = "A"\n',
    'display_name = "a"\n',
    "tags = []\n",
    'tags = ["a", "b"]\n',
    'tags = ["b", "a"]\n',
    "[capabilities]\nvision = true\n",
    "[capabilities]\nvision = false\n",
    "[cost]\ninput_per_mtok = 10\n",
    "[cost]\ninput_per_mtok = 10.000001\n",
    "[cost]\noutput_per_mtok = 10\n",
    "[availability]\nend_of_life = 2026-10-23\n",
    "[availability]\nend_of_life = 2026-10-23T00:00:00Z\n",
    "[availability]\nend_of_life = 2026-10-23T00:00:00.000001Z\n",
    "[configuration]\na = 1\n",
    "[configuration]\na = true\n",
    '[configuration]\na = "1"\n',
    "[configuration]\na = [1]\n",
    "[configuration]\na = [[1]]\n",
    "[configuration]\na = [1, 1]\n",
    "[configuration]\na = { b = 1 }\n",
    "[configuration]\na = 2026-10-23\n",
    '[configuration]\na = "2026-10-23"\n',
    "[configuration]\na = 0.000000000000000001\n",
    "[configuration]\na = 0.000000000000000002\n",
]


def test_any_value_changes_the_specification_digest() -> None:
    digests = {extra: canonical_digest(spec(extra)) for extra in DIFFERENT}
    alike = [(one, other) for one, other in combinations(DIFFERENT, 2) if digests[one] == digests[other]]
    assert alike == []


@pytest.mark.parametrize(
    ("value", "imitation"),
    [
        ("10.5", '{ number = "10.5" }'),
        ("2026-10-23", '{ date = "2026-10-23" }'),
        ("2026-10-23T00:00:00Z", '{ time = "2026-10-23T00:00:00.000000Z" }'),
    ],
)
def test_a_table_does_not_pass_for_a_number_or_a_time(value: str, imitation: str) -> None:
    digests = [canonical_digest(spec(f"[configuration]\na = {one}\n")) for one in (value, imitation)]
    assert digests[0] != digests[1]


SERVING: list[tuple[str, Callable[[bytes], bytes], bool]] = [
    ("provider", lambda raw: raw.replace(b'provider = "openai"', b'provider = "azure"'), True),
    ("provider_model_id", lambda raw: raw.replace(b"turbo-2024-04-09", b"turbo-2024-04-10"), True),
    ("artifact.uri", lambda raw: raw.replace(b"s3://weights", b"s3://other"), True),
    ("artifact.sha256", lambda raw: raw.replace(b"a" * 64, b"d" * 64), True),
    ("configuration", lambda raw: raw.replace(b"temperature = 0.2", b"temperature = 0.3"), True),
    ("nested", lambda raw: raw.replace(b"{ a = 1 }", b"{ a = 2 }"), True),
    ("model", lambda raw: raw.replace(b"openai/gpt-4-turbo", b"openai/other"), False),
    ("version", lambda raw: raw.replace(b'"2024.4.9"', b'"2024.4.10"'), False),
    ("display_name", lambda raw: raw.replace(b"GPT-4 Turbo", b"Turbo"), False),
    ("cost", lambda raw: raw.replace(b"10.00", b"11.00"), False),
    ("limits", lambda raw: raw.replace(b"4096", b"4095"), False),
    ("capabilities", lambda raw: raw.replace(b"streaming = true", b"streaming = false"), False),
    ("thresholds", lambda raw: raw.replace(b"0.97", b"0.98"), False),
    ("availability", lambda raw: raw.replace(b"2026-10-23", b"2026-10-24"), False),
    ("tags", lambda raw: raw.replace(b'"llm", ', b""), False),
]


@pytest.mark.parametrize(("name", "change", "serves"), SERVING, ids=[name for name, *_ in SERVING])
def test_the_serving_digest_covers_what_decides_the_answers_and_nothing_else(
    name: str, change: Callable[[bytes], bytes], serves: bool
) -> None:
    before, after = decode_specification(FULL), decode_specification(change(FULL))
    assert canonical_digest(before) != canonical_digest(after), name
    assert (serving_digest(before) != serving_digest(after)) is serves


def test_the_state_digest_covers_lifecycle_and_metrics_and_not_the_specification() -> None:
    record = made(status="testing", testing_since=AT)
    assert record._replace(spec=spec("tags = ['x']\n")).state_digest == record.state_digest
    assert record.with_lifecycle(testing_since=AT + DAY).state_digest != record.state_digest
    assert record._replace(metrics=measured(record)).state_digest != record.state_digest


PROVIDER = "[availability]\nend_of_life = 2026-10-23\n"
THEIRS = datetime(2026, 10, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("record", "effective", "binding"),
    [
        (made(), None, None),
        (made(extra=PROVIDER), THEIRS, THEIRS),
        (made(deprecation=announced("operator", 90)), AT + 90 * DAY, AT + 90 * DAY),
        (made(deprecation=announced("activation", 90)), AT + 90 * DAY, None),
        (made(extra=PROVIDER, deprecation=announced("operator", 90)), AT + 90 * DAY, AT + 90 * DAY),
        (made(extra=PROVIDER, deprecation=announced("activation", 90)), AT + 90 * DAY, THEIRS),
        (made(extra=PROVIDER, deprecation=announced("operator", 900)), THEIRS, THEIRS),
        (
            made(deprecation={"end_of_life": date(2026, 4, 1)}),
            datetime(2026, 4, 1, tzinfo=UTC),
            datetime(2026, 4, 1, tzinfo=UTC),
        ),
    ],
)
def test_the_earlier_end_of_life_is_effective_and_one_set_by_an_activation_does_not_bind(
    record: Record, effective: datetime | None, binding: datetime | None
) -> None:
    assert (record.end_of_life, record.binding_end_of_life) == (effective, binding)


def test_setting_a_lifecycle_value_to_none_removes_it_and_the_order_is_that_of_the_contract() -> None:
    record = made(canary_weight=Decimal("0.1"), blocked=BLOCK)
    changed = record.with_lifecycle(canary_weight=None, testing_since=AT, activated_at=AT - timedelta(1))
    assert list(changed.lifecycle) == ["status", "registered_at", "testing_since", "activated_at", "blocked"]
    assert list(record.lifecycle) == ["status", "registered_at", "canary_weight", "blocked"]


def test_records_order_by_model_and_precedence() -> None:
    versions = ["10.0.0", "9.0.0", "9.0.0-rc.1", "9.0.0-rc.10", "9.0.0-rc.2"]
    ordered = sorted((served(version) for version in versions), key=order_of)
    assert [record.version for record in ordered] == ["9.0.0-rc.1", "9.0.0-rc.2", "9.0.0-rc.10", "9.0.0", "10.0.0"]


def test_text_made_of_values_reads_back_as_the_same_values() -> None:
    values = decode_specification(FULL)
    raw = text_of({key: values[key] for key in reversed(values)})
    assert decode_specification(raw) == values
    assert [line.split(" =")[0] for line in raw.decode().splitlines()[:4]] == ["schema", "model", "version", "provider"]


def test_text_made_of_unknown_values_keeps_them_so_that_they_are_refused_by_name() -> None:
    raw = text_of({"model": "m", "version": "1.0.0", "provider": "p", "flavour": "x"})
    assert toml.parse(raw)["flavour"] == "x"
    with pytest.raises(Invalid, match="unknown key 'flavour'"):
        decode_specification(raw)
