from __future__ import annotations

import io
import json
import math
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.core.judge import Thresholds, judge
from helixctl.core.statistics import clopper_pearson_lower, clopper_pearson_upper, nearest_rank, ranked, wilson_interval
from helixctl.core.stats import ERROR_CLASSES, Inference, Stats, StatsBuilder, decode
from helixctl.engines import Source, Subject
from helixctl.engines.python import reduce
from helixctl.engines.readers import LineError
from helixctl.engines.readers.lines import parse_line
from helixctl.engines.readers.native import inference as read
from helixctl.engines.readers.native import write

SUBJECT = Subject("acme/m", "1.0.0")
QUICK = settings(max_examples=40, deadline=None)
TIMES = st.datetimes(datetime(2026, 1, 1), datetime(2026, 1, 4), timezones=st.just(UTC))
WHOLE = st.none() | st.integers(0, 10**12)


@st.composite
def inferences(draw: st.DrawFn) -> Inference:
    success = draw(st.booleans())
    return Inference(
        at=draw(st.none() | TIMES),
        region=draw(st.sampled_from(["", "eu", "us-east.1"])),
        success=success,
        latency_ms=draw(st.integers(0, 20)) if success else None,
        input_tokens=draw(WHOLE),
        output_tokens=draw(WHOLE),
        cost=draw(st.none() | st.integers(0, 10**15)),
        confidence=draw(st.none() | st.integers(0, 10**6)),
        error_class="other" if success else draw(st.sampled_from(ERROR_CLASSES)),
    )


@st.composite
def tables(draw: st.DrawFn) -> Stats:
    builder = StatsBuilder("acme/m", draw(st.sampled_from(["1.0.0", "2.0.0"])))
    for inference in draw(st.lists(inferences(), max_size=8)):
        builder.add(inference, inference.cost)
    return builder.build()


@QUICK
@given(tables(), tables(), tables())
def test_merging_is_associative_and_commutative_and_the_empty_table_adds_nothing(a: Stats, b: Stats, c: Stats) -> None:
    assert a.merge(b) == b.merge(a)
    assert a.merge(b).merge(c) == a.merge(b.merge(c))
    assert a.merge(Stats()) == a == Stats().merge(a)
    assert a.merge(b).digest() == b.merge(a).digest()


@QUICK
@given(tables(), tables())
def test_every_table_reads_back_from_its_bytes(a: Stats, b: Stats) -> None:
    merged = a.merge(b)
    assert decode(merged.encode()) == merged


@QUICK
@given(st.lists(inferences(), max_size=12), st.lists(inferences(), max_size=12))
def test_reducing_a_concatenation_is_merging_the_reductions(first: list[Inference], second: list[Inference]) -> None:
    one, two = (b"".join(map(write, part)) for part in (first, second))

    def stats(raw: bytes) -> Stats:
        return reduce([Source("in", io.BytesIO(raw))], SUBJECT).stats

    assert stats(one + two) == stats(one).merge(stats(two))
    assert reduce([Source("1", io.BytesIO(one)), Source("2", io.BytesIO(two))], SUBJECT).stats == stats(one + two)


@QUICK
@given(inferences())
def test_every_inference_that_is_written_reads_back_equal(inference: Inference) -> None:
    assert read(parse_line(write(inference)) or {}, SUBJECT) == inference


@QUICK
@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(0, 100))
def test_a_percentile_equals_the_value_of_its_rank_in_the_sorted_list(values: list[int], percent: int) -> None:
    at_most = min(value for value in values if 100 * sum(other <= value for other in values) >= percent * len(values))
    assert nearest_rank(ranked(Counter(values)), percent, 100) == at_most


@QUICK
@given(st.integers(1, 10**7), st.floats(0, 1))
def test_bounds_enclose_the_rate_and_their_mirror_images_agree(n: int, share: float) -> None:
    k = min(n, math.floor(share * n))
    low, high = clopper_pearson_lower(k, n), clopper_pearson_upper(k, n)
    assert 0 <= low <= k / n <= high <= 1
    assert math.isclose(low, 1 - clopper_pearson_upper(n - k, n), rel_tol=1e-9, abs_tol=1e-12)
    bottom, top = wilson_interval(k, n, 1.96)
    assert 0 <= bottom <= k / n + 1e-12
    assert k / n - 1e-12 <= top <= 1


@QUICK
@given(st.lists(inferences(), max_size=80), st.booleans())
def test_a_pass_means_that_every_threshold_was_measured_and_kept(found: list[Inference], enforce: bool) -> None:
    builder = StatsBuilder("acme/m", "1.0.0")
    for inference in found:
        builder.add(inference, inference.cost)
    evaluation = judge(builder.build(), Thresholds(min_samples=5, enforce=enforce))
    outcomes = {one.outcome for one in evaluation.thresholds}
    if evaluation.verdict == "passed":
        assert outcomes <= {"passed", "not_applicable"}
        assert evaluation.samples >= 5
    assert not evaluation.proven or evaluation.verdict == "passed"
    for name, (low, high) in evaluation.intervals.items():
        assert low is None or float(low) <= float(evaluation.metrics[name]) + 1e-6 * (1 + abs(float(low)))
        assert high is None or float(high) >= float(evaluation.metrics[name]) - 1e-6 * (1 + abs(float(high)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
FIELDS = st.sampled_from([*Inference._fields, "ts", "model", "version", "error"])


@QUICK
@given(st.dictionaries(FIELDS, JSON, max_size=6) | JSON, st.binary(max_size=3))
def test_any_bytes_at_all_give_a_record_or_a_reason(value: Any, tail: bytes) -> None:
    for raw in (json.dumps(value).encode(), json.dumps(value).encode() + tail, tail):
        with suppress(LineError):  # anything else that is raised would be a bug
            record = parse_line(raw)
            assert record is None or isinstance(read(record, SUBJECT), Inference)
