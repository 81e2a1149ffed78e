from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.core.comparison import DECISIVE, ONLY, Look, Margins, Verdict, compare
from helixctl.core.stats import Inference, Score, Stats, StatsBuilder

QUICK = settings(max_examples=80, deadline=None)
MARGINS = Margins()


@st.composite
def tables(draw: st.DrawFn) -> Stats:
    """A table of a few kinds of inference, each up to a thousand times."""
    builder = StatsBuilder("acme/m", "1.0.0")
    for _ in range(draw(st.integers(0, 4))):
        success = draw(st.booleans())
        inference = Inference(
            at=None,
            region="",
            success=success,
            latency_ms=draw(st.integers(0, 6)) if success else None,
            input_tokens=draw(st.none() | st.integers(0, 1000)),
            output_tokens=draw(st.none() | st.integers(0, 10**9)),
            cost=draw(st.none() | st.integers(0, 10**12)),
            confidence=draw(st.none() | st.integers(0, 10**6)),
        )
        for _ in range(draw(st.sampled_from([1, 7, 30, 400, 1000]))):
            builder.add(inference, inference.cost)
    for _ in range(draw(st.integers(0, 40))):
        value = draw(st.integers(-(10**6), 10**6))
        builder.score(Score(draw(st.sampled_from("ab")), 1, value, value * value))
    return builder.build()


@QUICK
@given(tables(), tables())
def test_swapping_the_two_mirrors_every_difference_its_interval_and_its_effect(a: Stats, b: Stats) -> None:
    forth, back = compare(a, b, MARGINS).deltas, compare(b, a, MARGINS).deltas
    assert [one.metric for one in forth] == [one.metric for one in back]
    for one, other in zip(forth, back, strict=True):
        assert (one.n_candidate, one.n_baseline) == (other.n_baseline, other.n_candidate)
        if one.metric == "slow_share":  # the limit is the baseline's own P95: not the same question
            continue
        pairs = ((one.delta, other.delta), (one.ci_low, other.ci_high), (one.effect, other.effect))
        for this, that in pairs:
            mirrored = None if that is None else pytest.approx(-that, rel=1e-9, abs=1e-9)
            assert this == mirrored
        assert {one.verdict, other.verdict} != {Verdict.WORSE}
        assert {one.verdict, other.verdict} != {Verdict.BETTER}


@QUICK
@given(tables())
def test_a_table_is_neither_worse_nor_better_than_itself(a: Stats) -> None:
    comparison = compare(a, a, MARGINS)
    assert {comparison.verdict, *(one.verdict for one in comparison.deltas)} <= {
        Verdict.EQUIVALENT,
        Verdict.UNDECIDED,
    }


@QUICK
@given(tables(), tables())
def test_every_interval_holds_its_difference_and_a_pass_rests_on_every_decisive_metric(a: Stats, b: Stats) -> None:
    comparison = compare(a, b, MARGINS)
    for one in comparison.deltas:
        if one.delta is not None and one.ci_low is not None and one.ci_high is not None:
            slack = 1e-9 * (1 + abs(one.delta))
            assert one.ci_low - slack <= one.delta <= one.ci_high + slack
        else:
            assert one.verdict is Verdict.UNDECIDED
    if comparison.verdict in (Verdict.BETTER, Verdict.EQUIVALENT):
        decided = {one.metric for one in comparison.deltas if one.verdict is not Verdict.UNDECIDED}
        assert set(DECISIVE) <= decided
        assert Verdict.WORSE not in {one.verdict for one in comparison.deltas}


@QUICK
@given(tables(), tables(), st.integers(2, 999))
def test_more_looks_widen_every_interval_and_decide_nothing_that_one_look_does_not(a: Stats, b: Stats, of: int) -> None:
    once, often = compare(a, b, MARGINS, ONLY), compare(a, b, MARGINS, Look(1, of))
    for one, other in zip(once.deltas, often.deltas, strict=True):
        assert (one.metric, one.delta, one.effect) == (other.metric, other.delta, other.effect)
        if one.ci_low is not None and one.ci_high is not None:
            assert other.ci_low is not None
            assert other.ci_high is not None
            assert other.ci_low <= one.ci_low <= one.ci_high <= other.ci_high
        assert other.verdict is not Verdict.WORSE or one.verdict is Verdict.WORSE
        assert other.verdict is not Verdict.BETTER or one.verdict is Verdict.BETTER


@QUICK
@given(tables(), tables(), st.sampled_from(["error_rate", "p_slower", "avg_input_tokens", "score"]))
def test_a_wider_margin_never_makes_a_candidate_worse(a: Stats, b: Stats, key: str) -> None:
    narrow, wide = (compare(a, b, Margins.of({key: size})) for size in (0.01, 0.4))
    assert not (wide.verdict is Verdict.WORSE and narrow.verdict is not Verdict.WORSE)
