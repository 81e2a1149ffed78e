from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.core.lifecycle import Status
from helixctl.core.packed import pack, unpack
from helixctl.core.record import (
    Record,
    canonical_digest,
    decode,
    decode_specification,
    encode,
    serving_digest,
    split_head,
    text_of,
)

QUICK = settings(max_examples=60, deadline=None)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["\n[lifecycle]\n", '"""', "'''", "# no comment", "\\", "\u2028", "\r\n", "[metrics]", "\x00\x7f"]
)
NAME = TEXT.filter(str.strip)
DAYS = st.dates(date(1, 1, 2), date(9999, 12, 30))
TIMES = st.datetimes(
    datetime(1, 1, 3), datetime(9999, 12, 29), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])
)
DAY = DAYS | TIMES
AMOUNT = st.decimals(0, 10**9, places=6)
RATE = st.decimals(0, 1, places=4)
COUNT = st.integers(1, 10**15)
FREE = st.recursive(
    st.booleans() | st.integers(-(10**14), 10**14) | st.decimals(-(10**6), 10**6, places=5) | TEXT | DAY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def table(**kinds: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=kinds)


@st.composite
def specifications(draw: st.DrawFn) -> dict[str, Any]:
    """Any valid specification, as a caller of the Python API may give it."""
    values = draw(
        st.fixed_dictionaries(
            {
                "schema": st.just(1),
                "model": st.sampled_from(["m", "openai/gpt-4o", "a/b/c"]),
                "version": st.sampled_from(["1.0.0", "2024.4.9", "1.0.0-rc.1+b"]),
                "provider": NAME,
            },
            optional={
                "provider_model_id": NAME,
                "description": TEXT,
                "release_date": DAY,
                "tags": st.lists(NAME, max_size=3),
                "capabilities": table(
                    streaming=st.booleans(), vision=st.booleans(), languages=st.lists(NAME, max_size=2)
                ),
                "limits": table(context_window=st.integers(1000, 10**9), max_output_tokens=st.integers(1, 1000)),
                "cost": table(
                    input_per_mtok=AMOUNT, output_per_mtok=AMOUNT, tier=st.sampled_from(["economy", "premium"])
                ),
                "availability": table(announced_at=st.just(date(1, 1, 1)), end_of_life=DAY, source=TEXT),
                "thresholds": table(min_samples=COUNT, min_success_rate=RATE, min_confidence=RATE),
                "artifact": table(uri=NAME, sha256=st.just("ab" * 32)),
                "configuration": st.dictionaries(TEXT, FREE, max_size=4),
            },
        )
    )
    return dict(values)


@st.composite
def states(draw: st.DrawFn) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Any `[lifecycle]`, and `[metrics]` where there is one."""
    deprecation = table(announced_at=TIMES, end_of_life=DAY, reason=TEXT, grace_period_days=st.integers(0, 10**6))
    lifecycle = draw(
        st.fixed_dictionaries(
            {"status": st.sampled_from(Status), "registered_at": TIMES},
            optional={
                "testing_since": TIMES,
                "previous": st.just("0.9.0"),
                "canary_weight": RATE,
                "blocked": st.fixed_dictionaries({"at": TIMES, "reason": TEXT}),
                "deprecation": deprecation,
            },
        )
    )
    metrics = st.fixed_dictionaries(
        {"verdict": st.just("passed"), "samples": COUNT},
        optional={"source": TEXT, "scores": st.dictionaries(TEXT, AMOUNT, max_size=2)},
    )
    return dict(lifecycle), draw(st.none() | metrics)


def normal(value: Any) -> Any:
    """Return a value as TOML gives it back: arrays as tuples, times in UTC."""
    match value:
        case dict():
            return {key: normal(inner) for key, inner in value.items()}
        case list() | tuple():
            return tuple(normal(inner) for inner in value)
        case datetime():
            return value.astimezone(UTC)
    return value


@QUICK
@given(specifications())
def test_a_specification_written_as_text_reads_back_as_the_same_values(values: dict[str, Any]) -> None:
    raw = text_of(values)
    spec = decode_specification(raw)
    assert spec == normal(values)
    again = text_of(spec)
    assert text_of(decode_specification(again)) == again
    assert canonical_digest(spec) == canonical_digest(normal(values))


@QUICK
@given(specifications(), states())
def test_a_record_encodes_to_a_file_that_decodes_to_it_and_encodes_to_the_same_bytes(
    values: dict[str, Any], state: tuple[dict[str, Any], dict[str, Any] | None]
) -> None:
    source = text_of(values)
    record = Record(source, decode_specification(source), *state)
    raw = encode(record)
    again = decode(raw)
    assert (again.spec, again.lifecycle, again.metrics) == (record.spec, normal(state[0]), normal(state[1]))
    assert unpack(pack(again)) == again
    written = encode(again)
    assert encode(decode(written)) == written
    assert (again.specification_digest, again.state_digest) == (
        record.specification_digest,
        Record(b"", {}, normal(state[0]), normal(state[1])).state_digest,
    )
    moved = encode(again.with_lifecycle(status=Status.RETIRED, deprecation=None))
    assert moved.startswith(split_head(raw))
    assert decode(moved).spec == record.spec


@QUICK
@given(specifications(), st.randoms(use_true_random=False))
def test_the_order_of_keys_and_comments_change_no_digest(values: dict[str, Any], random: Any) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        keys = list(value)
        random.shuffle(keys)
        return {key: shuffled(value[key]) for key in keys}

    plain = decode_specification(text_of(values))
    other = decode_specification(b"# a comment\n\n" + text_of(shuffled(values)) + b"\n# the end")
    assert canonical_digest(other) == canonical_digest(plain)
    assert serving_digest(other) == serving_digest(plain)


@QUICK
@given(specifications(), specifications())
def test_two_specifications_have_one_digest_only_where_their_values_are_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    first, second = (decode_specification(text_of(values)) for values in (one, other))
    same_kinds = repr(normalised(first)) == repr(normalised(second))
    assert (canonical_digest(first) == canonical_digest(second)) is same_kinds


def normalised(value: Any) -> Any:
    """Return a value in a form whose text is equal for equal values: keys sorted, no trailing zeros."""
    match value:
        case dict():
            return [(key, normalised(value[key])) for key in sorted(value)]
        case tuple():
            return tuple(normalised(inner) for inner in value)
        case Decimal():
            return value.normalize() + 0
    return value
