"""A candidate against a baseline: differences with their intervals, and which of them stay within a margin."""

from __future__ import annotations

import math
from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from helixctl.core import statistics as st
from helixctl.core.judge import MEANS
from helixctl.core.stats import Moments, Stats, Totals

DECISIVE = ("error_rate", "slow_share", "p_slower")
"""Without an answer on each of these there is none as a whole."""
RELATIVE = ("cost_per_request", "avg_input_tokens", "avg_output_tokens")
"""Their margins are shares of the baseline's mean."""


class Verdict(StrEnum):
    """The answer of a comparison, for one metric and as a whole."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    WORSE = "worse"
    UNDECIDED = "undecided"


class Margins(NamedTuple):
    """How much worse a candidate may be, by metric: 0.01 is one more error in a hundred requests.

    Of rates, of `p_slower` (around 0.5) and of confidence a difference; of cost and tokens a share of the baseline's mean.
    """

    error_rate: float = 0.01
    slow_share: float = 0.05
    p_slower: float = 0.05
    avg_confidence: float = 0.02
    avg_input_tokens: float = 0.10
    avg_output_tokens: float = 0.10
    cost_per_request: float = 0.10


class Delta(NamedTuple):
    """One metric: `delta` is candidate - baseline, `ci_low` and `ci_high` its 95% interval, `margin` in the same unit.

    None is what cannot be told. `effect` is free of units and 0 for no difference: Cohen's h of rates, Cliff's delta of
    `p_slower`, Cohen's d of means.
    """

    metric: str
    baseline: float | None
    candidate: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    n_baseline: int
    n_candidate: int
    effect: float | None
    margin: float | None
    verdict: Verdict


class Comparison(NamedTuple):
    """The verdict as a whole, and each metric; means that neither side carries are absent."""

    verdict: Verdict
    deltas: tuple[Delta, ...]


def compare(candidate: Stats, baseline: Stats, margins: Margins) -> Comparison:
    """Compare two tables. No data never passes: without requests that succeeded on both sides nothing is decided.

    Source: non-inferiority by an interval, Piaggio et al. (2012), CONSORT extension, figure 1.
    """
    new, old = candidate.totals(), baseline.totals()
    found = [_rate("error_rate", new.failures, new.requests, old.failures, old.requests), _slow_share(new, old)]
    found += [_p_slower(new.latencies, old.latencies), *_means(new, old)]
    deltas = tuple(_judged(one, getattr(margins, one.metric)) for one in found)
    verdicts = {one.verdict for one in deltas}
    overall = Verdict.BETTER if Verdict.BETTER in verdicts and Verdict.UNDECIDED not in verdicts else Verdict.EQUIVALENT
    if any(one.verdict is Verdict.UNDECIDED for one in deltas if one.metric in DECISIVE):
        overall = Verdict.UNDECIDED
    return Comparison(Verdict.WORSE if Verdict.WORSE in verdicts else overall, deltas)


def _judged(one: Delta, margin: float) -> Delta:
    scale = 1.0 if one.metric not in RELATIVE else one.baseline
    one = one._replace(margin=None if scale is None else margin * scale)
    if one.ci_low is None or one.ci_high is None or one.margin is None:
        return one
    low, high = (-one.ci_high, -one.ci_low) if one.metric == "avg_confidence" else (one.ci_low, one.ci_high)
    if low > one.margin:
        return one._replace(verdict=Verdict.WORSE)
    within = Verdict.EQUIVALENT if high <= one.margin else Verdict.UNDECIDED
    return one._replace(verdict=Verdict.BETTER if high < 0 else within)


def _measured(metric: str, baseline: float | None, candidate: float | None, n_baseline: int, n_candidate: int) -> Delta:
    delta = None if candidate is None or baseline is None else candidate - baseline
    rest = (None, None, n_baseline, n_candidate, None, None, Verdict.UNDECIDED)
    return Delta(metric, baseline, candidate, delta, *rest)


def _rate(metric: str, k: int, n: int, k_baseline: int, n_baseline: int) -> Delta:
    p, q = k / n if n else None, k_baseline / n_baseline if n_baseline else None
    one = _measured(metric, q, p, n_baseline, n)
    if p is None or q is None:
        return one
    low, high = st.newcombe_interval(k, n, k_baseline, n_baseline)
    return one._replace(ci_low=low, ci_high=high, effect=2 * (math.asin(math.sqrt(p)) - math.asin(math.sqrt(q))))


def _slow_share(new: Totals, old: Totals) -> Delta:
    counts = [sum(count for _, count in side.latencies) for side in (new, old)]
    limit = st.nearest_rank(old.latencies, 95, 100)
    if limit is None:
        return _measured("slow_share", None, None, 0, counts[0])
    slow = [sum(count for value, count in side.latencies if value > limit) for side in (new, old)]
    return _rate("slow_share", slow[0], counts[0], slow[1], counts[1])


def _p_slower(new: st.Histogram, old: st.Histogram) -> Delta:
    n, n_baseline = (sum(count for _, count in side) for side in (new, old))
    if not n or not n_baseline:
        return _measured("p_slower", 0.5, None, n_baseline, n)
    share = st.share_of_wins(new, old)
    low, high = st.share_interval(share, n, n_baseline)
    one = _measured("p_slower", 0.5, share, n_baseline, n)
    return one._replace(ci_low=low - 0.5, ci_high=high - 0.5, effect=2 * share - 1)


def _means(new: Totals, old: Totals) -> Iterator[Delta]:
    for metric, (measure, unit, _) in MEANS.items():
        a, b = new.measures[measure], old.measures[measure]
        q, p = (side.total / side.n / unit if side.n else None for side in (b, a))
        one = _measured(metric, q, p, b.n, a.n)
        if one.delta is not None and min(a.n, b.n) >= st.SMALLEST_NORMAL_N:
            variances = [_variance(side) / unit**2 for side in (a, b)]
            half = st.Z_95_TWO_SIDED * math.sqrt(variances[0] / a.n + variances[1] / b.n)
            spread = math.sqrt(sum(variances) / 2)
            effect = one.delta / spread if spread else None
            one = one._replace(ci_low=one.delta - half, ci_high=one.delta + half, effect=effect)
        if a.n or b.n:
            yield one


def _variance(of: Moments) -> float:
    return (of.n * of.squares - of.total * of.total) / (of.n * (of.n - 1))
