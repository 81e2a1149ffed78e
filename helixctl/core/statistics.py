"""Exact bounds, intervals and percentiles from counts, by the standard library alone."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from decimal import Decimal
from itertools import accumulate
from operator import sub
from typing import NamedTuple

Histogram = tuple[tuple[int, int], ...]
"""Pairs (value, how many), ascending by value, each value once."""

Z_95 = 1.6448536269514722
"""The standard normal quantile of a one-sided 95% bound."""

Z_95_TWO_SIDED = 1.959963984540054
"""The standard normal quantile of a two-sided 95% interval."""

SMALLEST_NORMAL_N = 30
"""Below this many observations a normal interval of a mean is not worth stating."""

Sums = tuple[int, int, int]
"""Of observations that are integers: how many, their sum, and their sum of squares."""


class Ranked(NamedTuple):
    """A histogram by rank: its values, ascending, and of each how many are at most that."""

    values: tuple[int, ...]
    ranks: tuple[int, ...]

    @property
    def n(self) -> int:
        """How many observations there are."""
        return self.ranks[-1] if self.ranks else 0

    def at(self, rank: int) -> int:
        """Return the value of a rank in 1..n."""
        return self.values[bisect_left(self.ranks, rank)]

    def above(self, limit: float | Decimal) -> int:
        """Return how many exceed a limit."""
        place = bisect_right(self.values, limit)
        return self.n - (self.ranks[place - 1] if place else 0)

    def pairs(self) -> Histogram:
        """Return each value and how many there are of it."""
        return tuple(zip(self.values, map(sub, self.ranks, (0, *self.ranks)), strict=True))


def ranked(counts: Mapping[int, int]) -> Ranked:
    """Rank values of which it is known how many there are."""
    values = tuple(sorted(counts))
    return Ranked(values, tuple(accumulate(map(counts.__getitem__, values))))


def two_sided_z(alpha: float) -> float:
    """Return the standard normal quantile of a two-sided interval that misses with a chance of alpha, in 0..1.

    Source: Wichura (1988), algorithm AS 241, as the standard library has it.
    """
    from statistics import NormalDist

    return NormalDist().inv_cdf(1.0 - alpha / 2.0)


def beta_cdf(x: float, a: float, b: float) -> float:
    """Compute the regularised incomplete beta function I_x(a, b).

    Args: x in 0..1; a and b positive.
    Returns: a probability; 0 for x <= 0 and 1 for x >= 1.
    Source: NIST DLMF (2010), 8.17.4 (reflection) and 8.17.22 (continued fraction), summed as Lentz (1976) describes.
    """
    if x <= 0.0 or x >= 1.0:
        return float(x > 0.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_tail(1.0 - x, x, b, a)
    return _beta_tail(x, 1.0 - x, a, b)


def _beta_tail(x: float, y: float, a: float, b: float) -> float:
    front = math.exp(_log_front(x, y, a, b)) / a
    return front / _beta_fraction(x, a, b) if front > 0.0 else 0.0


def _log_front(x: float, y: float, a: float, b: float) -> float:
    # ln(x^a y^b / B(a, b)), y = 1 - x, as Loader (2000) arranges it: large terms that cancel are never formed
    n = a + b
    excess = n * x - a if x < y else b - n * y
    powers = a * _log_one_plus(excess / a, x * n / a) + b * _log_one_plus(-excess / b, y * n / b)
    return powers + 0.5 * math.log(a / n * b / math.tau) + _stirling_rest(n) - _stirling_rest(a) - _stirling_rest(b)


def _log_one_plus(small: float, whole: float) -> float:
    return math.log1p(small) if abs(small) < 0.5 else math.log(whole)


def _stirling_rest(z: float) -> float:
    if z > 15.0:
        return (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / z**2) / z**2) / z**2) / z
    return math.lgamma(z) - (z - 0.5) * math.log(z) + z - 0.5 * math.log(math.tau)


def _beta_fraction(x: float, a: float, b: float) -> float:
    value = upper = 1.0
    lower = 0.0  # Lentz: value = product of upper_j * lower_j, both ratios of successive convergents
    for m in range(100_000):
        k = a + 2 * m
        for term in (-(a + m) * (a + b + m) * x / (k * (k + 1.0)), (m + 1) * (b - m - 1) * x / ((k + 1.0) * (k + 2.0))):
            lower = 1.0 / ((1.0 + term * lower) or 1e-300)
            upper = (1.0 + term / upper) or 1e-300
            value *= upper * lower
        if abs(upper * lower - 1.0) < 1e-15:
            break
    return value


def beta_quantile(q: float, a: float, b: float) -> float:
    """Invert the regularised incomplete beta function: the x with I_x(a, b) = q.

    Args: q in 0..1, both ends excluded; a and b at least 1.
    Returns: x in 0..1.
    Source: start from Abramowitz and Stegun (1964), 26.5.22 with 26.2.23; then Halley's method (1694) in a bracket.
    """
    if a > b:
        return 1.0 - beta_quantile(1.0 - q, b, a)
    low, high, x = 0.0, 1.0, _quantile_guess(q, a, b)
    for _ in range(200):
        excess = beta_cdf(x, a, b) - q
        low, high = (low, x) if excess > 0.0 else (x, high)
        step = excess * x * (1.0 - x) * math.exp(min(-_log_front(x, 1.0 - x, a, b), 600.0))
        step /= max(0.5, 1.0 - 0.5 * step * ((a - 1.0) / x - (b - 1.0) / (1.0 - x)))
        if abs(step) <= 1e-10 * min(x, 1.0 - x):
            return x - step
        x = x - step if low < x - step < high else (low + high) / 2.0
    return x


def _quantile_guess(q: float, a: float, b: float) -> float:
    t = math.sqrt(-2.0 * math.log(min(q, 1.0 - q)))
    z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    z = z if q < 0.5 else -z
    u, v = 1.0 / (2.0 * a - 1.0), 1.0 / (2.0 * b - 1.0)
    h, skew = 2.0 / (u + v), (z * z - 3.0) / 6.0
    w = z * math.sqrt(max(h + skew, 0.0)) / h - (v - u) * (skew + 5.0 / 6.0 - 2.0 / (3.0 * h))
    return min(max(a / (a + b * math.exp(min(2.0 * w, 700.0))), 1e-300), 1.0 - 1e-16)


def clopper_pearson_upper(failures: int, n: int, alpha: float = 0.05) -> float:
    """Bound a failure rate from above, one-sided, exactly.

    Args: 0 <= failures <= n; alpha is the chance that the bound misses.
    Returns: a rate in 0..1; 1 for n = 0 and where everything failed.
    Source: Clopper and Pearson (1934); as a beta quantile, Brown, Cai and DasGupta (2001), section 4.2.1.
    """
    return 1.0 if failures >= n else beta_quantile(1.0 - alpha, failures + 1.0, n - failures)


def clopper_pearson_lower(failures: int, n: int, alpha: float = 0.05) -> float:
    """Bound a rate from below, one-sided, exactly.

    Args: 0 <= failures <= n; alpha is the chance that the bound misses.
    Returns: a rate in 0..1; 0 for n = 0 and where nothing failed.
    Source: Clopper and Pearson (1934); as a beta quantile, Brown, Cai and DasGupta (2001), section 4.2.1.
    """
    return 0.0 if failures <= 0 else beta_quantile(alpha, failures, n - failures + 1.0)


def clean_samples_needed(failures: int, n: int, limit: float, alpha: float = 0.05) -> int | None:
    """Count the further samples without a failure that bring the Clopper-Pearson upper bound down to a limit.

    Args: 0 <= failures <= n; limit is a rate.
    Returns: 0 where the bound already holds (also for limit >= 1); from n = 0, all samples that a proof takes;
        None where limit <= 0, which no number of samples proves.
    Source: Clopper and Pearson (1934), solved for n; with no failure ln(alpha) / ln(1 - limit), Louis (1981).
    """
    if limit <= 0.0:
        return None
    low, high = n - 1, max(n, 1)  # the bound fails at low and, once the loop ends, holds at high
    while limit < 1.0 and _at_most(failures, high, limit) > alpha:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        holds = middle >= n and _at_most(failures, middle, limit) <= alpha
        low, high = (low, middle) if holds else (middle, high)
    return high - n if limit < 1.0 else 0


def _at_most(k: int, n: int, rate: float) -> float:
    return 1.0 if k >= n else beta_cdf(1.0 - rate, float(n - k), k + 1.0)


def wilson_interval(k: float, n: float, z: float) -> tuple[float, float]:
    """Give the score interval of a rate.

    Args: 0 <= k <= n; z is the normal quantile (1.96 for 95% on two sides).
    Returns: (low, high) in 0..1; (0, 1) for n = 0.
    Source: Wilson (1927); Newcombe (1998), method 3.
    """
    if n == 0:
        return 0.0, 1.0
    centre = (2 * k + z * z) / (2 * (n + z * z))
    half = z * math.sqrt(z * z + 4 * k * (n - k) / n) / (2 * (n + z * z))
    return (max(0.0, centre - half) if k else 0.0), (min(1.0, centre + half) if k < n else 1.0)


def nearest_rank(of: Ranked, p_numerator: int, p_denominator: int) -> int | None:
    """Find a percentile by nearest rank: the value of rank ceil(p n).

    Args: p = p_numerator / p_denominator in 0..1, as integers so that the rank is exact.
    Returns: one of the values; None for n = 0.
    Source: Hyndman and Fan (1996), definition 1.
    """
    return of.at(max(1, -(-p_numerator * of.n // p_denominator))) if of.n else None


def percentile_upper(of: Ranked, p_numerator: int, p_denominator: int, alpha: float = 0.05) -> int | None:
    """Bound a percentile from above by an order statistic, one-sided, free of any distribution.

    Args: p = p_numerator / p_denominator, between 0 and 1; alpha is the chance that the bound misses.
    Returns: one of the values; None (not estimable) while p**n > alpha: n = 0, n < 59 for P95, n < 299 for P99.
    Source: Hahn and Meeker (1991), section 5.2.2.
    """
    rank = _covering_rank(of.n, p_numerator / p_denominator, alpha)
    return None if rank is None else of.at(rank)


def percentile_lower(of: Ranked, p_numerator: int, p_denominator: int, alpha: float = 0.05) -> int | None:
    """Bound a percentile from below by an order statistic, one-sided, free of any distribution.

    Args: p = p_numerator / p_denominator, between 0 and 1; alpha is the chance that the bound misses.
    Returns: one of the values; None (not estimable) while (1 - p)**n > alpha, n = 0 included.
    Source: Hahn and Meeker (1991), section 5.2.2.
    """
    rank = _covering_rank(of.n, (p_denominator - p_numerator) / p_denominator, alpha)
    return None if rank is None else of.at(of.n + 1 - rank)


def _covering_rank(n: int, p: float, alpha: float) -> int | None:
    # the least rank whose order statistic is at least the percentile p with a chance of 1 - alpha
    if n == 0 or p**n > alpha:
        return None
    low, high = 0, n  # the rank low does not cover, the rank high does
    while high - low > 1:
        middle = (low + high) // 2
        covers = _at_most(middle - 1, n, p) >= 1.0 - alpha
        low, high = (low, middle) if covers else (middle, high)
    return high


def mean_interval(count: int, total: int, squares: int, z: float = Z_95) -> tuple[float, float] | None:
    """Give the normal interval of a mean; each end is a one-sided bound of the level of z.

    Args: the number of observations, their sum and their sum of squares, as exact integers.
    Returns: (low, high); None (not estimable) below 30 observations, count = 0 included.
    Source: Neyman (1937); the sample variance in exact integers, so that nothing cancels.
    """
    if count < SMALLEST_NORMAL_N:
        return None
    error = math.sqrt((count * squares - total * total) / (count * count * (count - 1)))
    return total / count - z * error, total / count + z * error


def welch_half_width(one: Sums, other: Sums, z: float = Z_95_TWO_SIDED) -> float | None:
    """Give how far the normal interval of the difference of two independent means reaches, of unequal variances.

    Args: z is the normal quantile, of two sides.
    Returns: half its width; None (not estimable) below 30 observations on either side, or where the sums contradict each
        other.
    Source: Welch (1938), the variance of the difference; from 30 on the normal quantile stands for that of Student's t.
    """
    variances = variance(one), variance(other)
    if min(one[0], other[0]) < SMALLEST_NORMAL_N or min(variances) < 0:
        return None
    return z * math.sqrt(variances[0] / one[0] + variances[1] / other[0])


def variance(of: Sums) -> float:
    """Return the sample variance, in exact integers up to the last division; 0 below two observations.

    Returns: a negative number where no observations have these sums.
    """
    n, total, squares = of
    return (n * squares - total * total) / (n * (n - 1)) if n > 1 else 0.0


def newcombe_interval(
    k: float, n: float, k_baseline: float, n_baseline: float, z: float = Z_95_TWO_SIDED
) -> tuple[float, float]:
    """Give the interval of the difference of two independent rates, k/n - k_baseline/n_baseline.

    Args: n and n_baseline positive; z is the normal quantile, of two sides.
    Source: Newcombe (1998), Statistics in Medicine 17:873-890, method 10: the square-and-add of two score intervals.
    """
    p, q = k / n, k_baseline / n_baseline
    low, high = wilson_interval(k, n, z)
    low_baseline, high_baseline = wilson_interval(k_baseline, n_baseline, z)
    return p - q - math.hypot(p - low, high_baseline - q), p - q + math.hypot(high - p, q - low_baseline)


def share_of_wins(one: Ranked, other: Ranked) -> float:
    """Give the share of pairs in which the value of one exceeds that of the other, ties counted half: U / (m n).

    Args: neither is empty.
    Source: Mann and Whitney (1947); as a probability, Vargha and Delaney (2000).
    """
    values, up_to = other.values, (0, *other.ranks)
    twice = 0
    for value, count in one.pairs():
        twice += count * (up_to[bisect_left(values, value)] + up_to[bisect_right(values, value)])
    return twice / (2 * one.n * other.n)


def share_interval(share: float, m: float, n: float, z: float = Z_95_TWO_SIDED) -> tuple[float, float]:
    """Give the score interval of a share of wins; with ties it is wider than it need be.

    Args: share in 0..1, of m times n pairs, both positive; z is the normal quantile, of two sides.
    Source: Newcombe (2006), Statistics in Medicine 25:559-573, method 5, on the variance of Hanley and McNeil (1982).
    """
    return _share_low(share, m, n, z), 1.0 - _share_low(1.0 - share, m, n, z)


def _share_low(share: float, m: float, n: float, z: float) -> float:
    low, high, rest = 0.0, share, (m + n) / 2 - 1
    for _ in range(60):  # convex: the score is above z up to the bound, and below it from there to `share`
        at = (low + high) / 2
        spread = at * (1 - at) * (1 + rest * (1 - at) / (2 - at) + rest * at / (1 + at)) / (m * n)
        low, high = (at, high) if share - at > z * math.sqrt(spread) else (low, at)
    return low
