"""A candidate against a baseline: differences with their intervals, and which of them stay within a margin."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

from helixctl.core import judge
from helixctl.core import statistics as st
from helixctl.core.judge import MEANS, Evaluation
from helixctl.core.stats import Score, Stats, Totals
from helixctl.errors import Usage

ALPHA = 0.05
"""The chance that the interval of one metric misses, over all looks together."""
DECISIVE = ("error_rate", "slow_share", "p_slower")
"""Without an answer on each of these, and on what a margin is stated for, there is none as a whole."""
RELATIVE = ("cost_per_request", "avg_input_tokens", "avg_output_tokens")
"""Their margins are shares of the baseline's mean."""
SCORES = "scores."
MOST_TIMES = 1000
"""Beyond so many times the samples, more of them are no advice."""
_FEWEST_FOR_P95 = 20
"""Below it the P95 is the slowest request of all, above which the baseline has none by its choice."""
_LOOK = re.compile(r"([1-9]\d{0,2})/([1-9]\d{0,2})", re.ASCII)


class Verdict(StrEnum):
    """The answer of a comparison, for one metric and as a whole."""

    BETTER = "better"
    EQUIVALENT = "equivalent"
    WORSE = "worse"
    UNDECIDED = "undecided"


class Look(NamedTuple):
    """Which of the planned looks at growing data this is; each spends its part of alpha.

    Source: Bonferroni (1936), by way of Dunn (1961).
    """

    number: int = 1
    of: int = 1

    @classmethod
    def parse(cls, text: str) -> Look:
        """Return the look that a text such as `2/4` names.

        Raises:
            Usage: it names none.
        """
        found = _LOOK.fullmatch(text)
        if not found or int(found[1]) > int(found[2]):
            raise Usage(
                f"{text[:20]!a} is no look", hint="write 2/4 for the second of four planned looks, of 999 at most"
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def alpha(self) -> float:
        """The chance that an interval misses at this look."""
        return ALPHA / self.of

    @property
    def z(self) -> float:
        """The normal quantile of the intervals at this look."""
        return st.two_sided_z(self.alpha) if self.of > 1 else st.Z_95_TWO_SIDED


ONLY = Look()
"""One look at all the data."""


class Margins(NamedTuple):
    """How much worse a candidate may be, by metric: 0.01 is one more error in a hundred requests.

    Of rates, of `p_slower` (around 0.5), of confidence and of scores a difference; of cost and tokens a share of the
    baseline's mean. `score` is of every score that `scores` does not name. What `stated` names somebody asked for:
    without an answer on it there is none as a whole.
    """

    error_rate: float = 0.01
    slow_share: float = 0.05
    p_slower: float = 0.05
    avg_confidence: float = 0.02
    avg_input_tokens: float = 0.10
    avg_output_tokens: float = 0.10
    cost_per_request: float = 0.10
    score: float = 0.02
    scores: Mapping[str, float] = MappingProxyType({})
    lower_is_better: frozenset[str] = frozenset()
    stated: frozenset[str] = frozenset()

    @classmethod
    def of(cls, stated: Mapping[str, Any], lower_is_better: tuple[str, ...] = ()) -> Margins:
        """Return the margins that a table of `settings.MARGINS` states, with the defaults of the rest.

        Args:
            lower_is_better: names of scores.
        """
        scores = {name: float(value) for name, value in stated.get("scores", {}).items()}
        given: dict[str, Any] = {name: float(value) for name, value in stated.items() if name != "scores"}
        asked = frozenset((*given, *(SCORES + name for name in scores)))
        return cls(**given)._replace(scores=scores, lower_is_better=frozenset(lower_is_better), stated=asked)

    def margin(self, metric: str) -> float:
        """The margin of a metric."""
        if metric.startswith(SCORES):
            return self.scores.get(metric.removeprefix(SCORES), self.score)
        return float(getattr(self, metric))

    def higher_is_better(self, metric: str) -> bool:
        """Tell which way a metric improves."""
        is_score = metric.startswith(SCORES)
        return metric == "avg_confidence" or (is_score and metric.removeprefix(SCORES) not in self.lower_is_better)

    def is_decisive(self, metric: str) -> bool:
        """Tell whether there is no answer as a whole without one on this metric."""
        is_score = metric.startswith(SCORES) and "score" in self.stated
        return metric in DECISIVE or metric in self.stated or is_score


class Delta(NamedTuple):
    """One metric: `delta` is candidate - baseline, `ci_low` and `ci_high` its interval, `margin` in the same unit.

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
    """The verdict as a whole, and each metric; means that neither side carries are absent, unless a margin is stated."""

    verdict: Verdict
    deltas: tuple[Delta, ...]
    margins: Margins
    look: Look


def compare(candidate: Stats, baseline: Stats, margins: Margins, look: Look = ONLY) -> Comparison:
    """Compare two tables. No data never passes: without requests that succeeded on both sides nothing is decided.

    Source: non-inferiority by an interval, Piaggio et al. (2012), CONSORT extension, figure 1.
    """
    new, old, z = candidate.totals(), baseline.totals(), look.z
    failed = ((side.failures, side.requests) for side in (new, old))
    found = [_rate("error_rate", failed, z), _slow_share(new, old, z), _p_slower(new.ranked, old.ranked, z)]
    found += [_mean(one, z) for one in (*_measures(new, old, margins), *_scores(candidate, baseline, margins))]
    return _answered(tuple(_judged(one, margins) for one in found), margins, look)


def agreed(one: Comparison, other: Comparison) -> Comparison:
    """Return the first of two comparisons of the same versions, undecided in each metric on which they disagree."""
    verdicts = {each.metric: each.verdict for each in other.deltas}
    kept = (
        each if verdicts.get(each.metric) is each.verdict else each._replace(verdict=Verdict.UNDECIDED)
        for each in one.deltas
    )
    return _answered(tuple(kept), one.margins, one.look)


def _answered(deltas: tuple[Delta, ...], margins: Margins, look: Look) -> Comparison:
    verdicts = {one.verdict for one in deltas}
    overall = Verdict.BETTER if Verdict.BETTER in verdicts and Verdict.UNDECIDED not in verdicts else Verdict.EQUIVALENT
    if any(one.verdict is Verdict.UNDECIDED for one in deltas if margins.is_decisive(one.metric)):
        overall = Verdict.UNDECIDED
    return Comparison(Verdict.WORSE if Verdict.WORSE in verdicts else overall, deltas, margins, look)


def _judged(one: Delta, margins: Margins) -> Delta:
    scale = 1.0 if one.metric not in RELATIVE else one.baseline
    one = one._replace(margin=None if scale is None else margins.margin(one.metric) * scale)
    span = _span(one, margins)
    if span is None or one.margin is None:
        return one
    if span[0] > one.margin:
        return one._replace(verdict=Verdict.WORSE)
    within = Verdict.EQUIVALENT if span[1] <= one.margin else Verdict.UNDECIDED
    return one._replace(verdict=Verdict.BETTER if span[1] < 0 else within)


def _span(one: Delta, margins: Margins) -> tuple[float, float] | None:
    """Return the interval turned so that more is worse."""
    if one.ci_low is None or one.ci_high is None:
        return None
    return (-one.ci_high, -one.ci_low) if margins.higher_is_better(one.metric) else (one.ci_low, one.ci_high)


def _measured(metric: str, baseline: float | None, candidate: float | None, n_baseline: int, n_candidate: int) -> Delta:
    delta = None if candidate is None or baseline is None else candidate - baseline
    rest = (None, None, n_baseline, n_candidate, None, None, Verdict.UNDECIDED)
    return Delta(metric, baseline, candidate, delta, *rest)


def _rate(metric: str, sides: Iterable[tuple[int, int]], z: float) -> Delta:
    new, old = sides
    p, q = (k / n if n else None for k, n in (new, old))
    one = _measured(metric, q, p, old[1], new[1])
    if p is None or q is None:
        return one
    low, high = st.newcombe_interval(*new, *old, z)
    return one._replace(ci_low=low, ci_high=high, effect=2 * (math.asin(math.sqrt(p)) - math.asin(math.sqrt(q))))


def _slow_share(new: Totals, old: Totals, z: float) -> Delta:
    limit = st.nearest_rank(old.ranked, 95, 100) if old.timed >= _FEWEST_FOR_P95 else None
    if limit is None:
        return _measured("slow_share", None, None, old.timed, new.timed)
    slow = ((side.ranked.above(limit), side.timed) for side in (new, old))
    return _rate("slow_share", slow, z)


def _p_slower(new: st.Ranked, old: st.Ranked, z: float) -> Delta:
    n, n_baseline = new.n, old.n
    if not n or not n_baseline:
        return _measured("p_slower", 0.5, None, n_baseline, n)
    share = st.share_of_wins(new, old)
    low, high = st.share_interval(share, n, n_baseline, z)
    one = _measured("p_slower", 0.5, share, n_baseline, n)
    return one._replace(ci_low=low - 0.5, ci_high=high - 0.5, effect=2 * share - 1)


class _Sides(NamedTuple):
    """A metric, its units in one, the sums of the candidate and of the baseline, and whether both know their squares."""

    metric: str
    unit: int
    new: st.Sums
    old: st.Sums
    known: bool = True


def _measures(new: Totals, old: Totals, margins: Margins) -> Iterator[_Sides]:
    for metric, (measure, unit, _) in MEANS.items():
        a, b = new.measures[measure], old.measures[measure]
        if metric in Margins._fields and (a.n or b.n or metric in margins.stated):
            yield _Sides(metric, unit, a, b)


def _scores(new: Stats, old: Stats, margins: Margins) -> Iterator[_Sides]:
    sides = [{one.name: one for one in side.scores} for side in (new, old)]
    for name in sorted({*sides[0], *sides[1], *margins.scores}):
        a, b = (side.get(name, Score(name, 0, 0, 0)) for side in sides)
        known = a.squares is not None and b.squares is not None
        yield _Sides(SCORES + name, 10**6, (a.n, a.total, a.squares or 0), (b.n, b.total, b.squares or 0), known)


def _mean(of: _Sides, z: float) -> Delta:
    unit = of.unit
    q, p = (total / n / unit if n else None for n, total, _ in (of.old, of.new))
    one = _measured(of.metric, q, p, of.old[0], of.new[0])
    reach = st.welch_half_width(of.new, of.old, z) if of.known else None
    if reach is None or one.delta is None:
        return one
    spread = math.sqrt((st.variance(of.new) + st.variance(of.old)) / 2) / unit
    effect = one.delta / spread if spread else None
    return one._replace(ci_low=one.delta - reach / unit, ci_high=one.delta + reach / unit, effect=effect)


def counted(verdict: judge.Verdict, compared: str | None) -> judge.Verdict:
    """Return a verdict in which a comparison counts: worse fails, undecided is inconclusive at best."""
    if compared == Verdict.WORSE:
        return judge.Verdict.FAILED
    if compared == Verdict.UNDECIDED and verdict is not judge.Verdict.FAILED:
        return judge.Verdict.INCONCLUSIVE
    return verdict


def weighed(evaluation: Evaluation, found: Comparison, advised: tuple[str, ...]) -> Evaluation:
    """Let a comparison count in the verdict of an evaluation, and say what it advises."""
    verdict = counted(evaluation.verdict, found.verdict)
    told, proven = evaluation.recommendations, evaluation.proven and verdict is evaluation.verdict
    if evaluation.proven and not proven:
        told = told[:-1]  # the last says: go on and activate
    return evaluation._replace(verdict=verdict, proven=proven, recommendations=(*advised, *told))


def advice(found: Comparison, ref: str, baseline: str, options: str = "") -> tuple[str, ...]:
    """Say of each metric that is worse by how much, and of each that keeps the whole undecided what would settle it.

    Args:
        options: of the command that compares the two again.
    """
    look, told = found.look, []
    options += f" --look {look.number + 1}/{look.of}" if look.of > 1 else ""
    then = f", then run `helixctl compare {ref} {baseline}{options}`"
    if 1 < look.of == look.number:
        then = "; this was the last of the looks that were planned"
    requests = found.deltas[0]
    unknown = [name for name, n in ((ref, requests.n_candidate), (baseline, requests.n_baseline)) if not n]
    if unknown:
        more = f"record some with `helixctl record {unknown[0]}`, or name files by --from and --baseline-from"
        told.append(f"no request of {' and '.join(unknown)} is known: {more}")
    for one in found.deltas:
        span = _span(one, found.margins)
        if one.verdict is Verdict.WORSE and span and one.margin is not None:
            fact = f"{one.metric} is worse than that of {baseline}: {one.candidate:.4g} against {one.baseline:.4g}"
            told.append(
                f"{fact}, by {span[0]:.4g} at least where {one.margin:.4g} is allowed; see `helixctl diff {baseline} {ref}`"
            )
        elif one.verdict is Verdict.UNDECIDED and found.margins.is_decisive(one.metric):
            if unknown and one.metric in DECISIVE:
                continue
            fact = f"{one.metric} is undecided against {baseline}: {_missing(one, found)}"
            told.append(fact + then)
    return tuple(told)


def _missing(one: Delta, found: Comparison) -> str:
    """Say what would settle a metric."""
    if one.ci_low is None or one.margin is None:
        if min(one.n_baseline, one.n_candidate) >= st.SMALLEST_NORMAL_N:
            return "how much it varies is not known; give it for each sample"
        return f"known of {one.n_candidate} requests and of {one.n_baseline} of the baseline; record more"
    if _settles(one, found, 1.0):
        return "latencies are known by bucket only; read each"
    low, high = 1.0, 2.0
    while not _settles(one, found, high):
        low, high = high, 2 * high
        if high > MOST_TIMES:
            return "the difference is about the margin itself; record more, or move the margin"
    while high - low > 0.005 * low:
        middle = (low + high) / 2
        low, high = (low, middle) if _settles(one, found, middle) else (middle, high)
    times = f"{max(high, 1.1):.1f}" if high < 10 else f"{high:.0f}"
    return f"about {times} times as many requests of both, alike, would settle it"


def _settles(one: Delta, found: Comparison, times: float) -> bool:
    """Tell whether a metric would be decided by so many times the samples with the same shares and means."""
    z, m, n = found.look.z, one.n_candidate * times, one.n_baseline * times
    p, q, low, high = (value or 0.0 for value in (one.candidate, one.baseline, one.ci_low, one.ci_high))
    if one.metric == "p_slower":
        low, high = (end - 0.5 for end in st.share_interval(p, m, n, z))
    elif one.metric in DECISIVE:
        low, high = st.newcombe_interval(p * m, m, q * n, n, z)
    else:
        half = (high - low) / 2 / math.sqrt(times)
        low, high = p - q - half, p - q + half
    return _judged(one._replace(ci_low=low, ci_high=high), found.margins).verdict is not Verdict.UNDECIDED
