from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from helixctl.core.settings import Settings, decode, encode_new
from helixctl.errors import Invalid

HEAD = 'schema = 1\n[registry]\nid = "0198"\nname = "prod"\n'


def test_what_init_writes_reads_back_as_every_default_of_the_contract() -> None:
    raw = encode_new("0198-a", 'na"me')
    found = decode(raw)
    assert raw.startswith(b"# Marks the root of a helixctl registry.")
    assert raw.endswith(b'\n[registry]\nid = "0198-a"\nname = "na\\"me"\n')
    assert (found.id, found.name) == ("0198-a", 'na"me')
    assert (found.deprecate_predecessor, found.grace_days, found.eol_warning_days) == (True, 90, (30, 7))
    assert (found.retire_at_eol, found.retire_active, found.canary_weight) == (True, False, Decimal("0.05"))
    assert (found.enforce, found.metrics_update_interval, found.min_samples) == (True, 100, 50)
    assert (found.max_error_rate, found.min_success_rate) == (Decimal("0.05"), Decimal("0.95"))
    assert (found.max_latency_ms, found.min_confidence) == (5000, Decimal("0.7"))
    assert (found.max_malformed, found.warn) == (0, ())
    assert (found.max_entries, found.sign, found.retention_days) == (10_000, False, 0)


@pytest.mark.parametrize(
    ("table", "key", "literal", "value"),
    [
        ("lifecycle", "deprecate_predecessor", "false", False),
        ("lifecycle", "grace_days", "0", 0),
        ("lifecycle", "grace_days", "36500", 36_500),
        ("lifecycle", "eol_warning_days", "[60, 1]", (60, 1)),
        ("lifecycle", "eol_warning_days", "[]", ()),
        ("lifecycle", "retire_at_eol", "false", False),
        ("lifecycle", "retire_active", "true", True),
        ("lifecycle", "canary_weight", "1", Decimal(1)),
        ("evaluation", "enforce", "false", False),
        ("evaluation", "metrics_update_interval", "1", 1),
        ("evaluation", "min_samples", "1", 1),
        ("evaluation", "max_error_rate", "0.1", Decimal("0.1")),
        ("evaluation", "min_success_rate", "0", Decimal(0)),
        ("evaluation", "max_latency_ms", "1", 1),
        ("evaluation", "min_confidence", "1.0", Decimal(1)),
        ("evaluation", "max_malformed", "3", 3),
        ("evaluation", "warn", '["max_latency_ms", "min_confidence"]', ("max_latency_ms", "min_confidence")),
        ("audit", "max_entries", "5", 5),
        ("audit", "sign", "true", True),
        ("audit", "retention_days", "365", 365),
    ],
)
def test_each_setting_stands_in_its_table(table: str, key: str, literal: str, value: Any) -> None:
    found = decode(f"{HEAD}[{table}]\n{key} = {literal}\n".encode())
    assert getattr(found, key) == value
    assert found._replace(**{key: getattr(Settings("0198", "prod"), key), "evaluation_digest": ""}) == Settings(
        "0198", "prod"
    )


@pytest.mark.parametrize(
    ("text", "message", "line"),
    [
        ("", "key 'schema' is missing", None),
        ("schema = 1\n", "key 'registry' is missing", None),
        ("schema = 2\n[registry]\nid = 'a'\nname = 'b'\n", "schema: 2 is not supported, expected 1", 1),
        ("schema = 1\n[registry]\nname = 'b'\n", "key 'id' is missing", None),
        ("schema = 1\n[registry]\nid = ''\nname = 'b'\n", "registry.id: is empty", 3),
        (HEAD + "[lifecycle]\ngrace_dayz = 1\n", "unknown key 'lifecycle.grace_dayz' (did you mean 'grace_days'?)", 6),
        (HEAD + "[livecycle]\n", "unknown key 'livecycle' (did you mean 'lifecycle'?)", 5),
        (HEAD + "[lifecycle]\ngrace_days = -1\n", "lifecycle.grace_days: -1 is not between 0 and 10^15", 6),
        (HEAD + "[lifecycle]\ngrace_days = 1000000000000000\n", "is not between 0 and 36500", 6),
        (HEAD + "[lifecycle]\neol_warning_days = [7, 0]\n", "lifecycle.eol_warning_days: must be at least 1", 6),
        (HEAD + "[lifecycle]\neol_warning_days = [1000000000000000]\n", "is not between 0 and 36500", 6),
        (
            HEAD + "[evaluation]\nwarn = ['min_samples']\n",
            "evaluation.warn: 'min_samples' is none of max_error_rate",
            6,
        ),
        (HEAD + "[evaluation]\nmax_error_rate = 1.01\n", "evaluation.max_error_rate: 1.01 is not between 0 and 1", 6),
        (HEAD + "[audit]\nmax_entries = 0\n", "audit.max_entries: must be at least 1", 6),
        (HEAD + "[audit]\nretention_days = 1000000000000000\n", "is not between 0 and 36500", 6),
        (HEAD + "<<<<<<< HEAD\n", "not TOML", 5),
    ],
)
def test_settings_that_do_not_load_name_key_and_line(text: str, message: str, line: int | None) -> None:
    with pytest.raises(Invalid, match=re.escape(message)) as refused:
        decode(text.encode())
    assert refused.value.line == line


def test_later_rooms_may_keep_tables_of_their_own() -> None:
    found = decode((HEAD + "[outputs.b]\n[[notify]]\nto = 'c'\n").encode())
    assert found._replace(evaluation_digest="") == Settings("0198", "prod")


def test_a_source_is_kept_as_it_stands_and_an_unknown_key_of_it_is_refused() -> None:
    found = decode((HEAD + "[sources.a]\nfrom = ['x.csv']\ncolumns = { latency_ms = 's * 1000' }\n").encode())
    assert found.sources == {"a": {"from": ("x.csv",), "columns": {"latency_ms": "s * 1000"}}}
    with pytest.raises(Invalid, match="url"):
        decode((HEAD + "[sources.a]\nurl = 'x'\n").encode())


def test_the_digest_of_the_evaluation_follows_its_thresholds_and_not_the_layout() -> None:
    plain = decode(HEAD.encode())
    same = decode((HEAD + "# c\n[audit]\nsign = true\n").encode())
    one, other = (decode(f"{HEAD}[evaluation]\nmin_samples = {n} # c\n".encode()) for n in (60, 70))
    assert plain.evaluation_digest == same.evaluation_digest
    assert len({found.evaluation_digest for found in (plain, one, other)}) == 3
