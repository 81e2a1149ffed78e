"""How often a comparison is wrong, and how often it finds what is there, simulated: one look, and four planned ones.

`python -m benchmarks.looks [RUNS]` prints the tables of docs/comparison.md; seeded, a minute for each 1,000 runs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.startup import asked
from helixctl.core import statistics as st
from helixctl.core.comparison import DECISIVE, ONLY, Comparison, Look, Margins, Verdict, compare
from helixctl.core.stats import COLUMNS, Stats, StatsBuilder

SEED = 20261122
BASELINE, CANDIDATE, LOOKS = 5000, 500, 4
MEDIAN_MS, SPREAD, ERRORS = 1000, 0.4, 0.02
Sample = tuple[Any, Any]
"""The latency of each request, and whether it failed."""


def sample(draw: Any, n: int, errors: float = ERRORS) -> Sample:
    """Return requests of a log-normal latency, of which some fail."""
    return MEDIAN_MS * np.exp(SPREAD * draw.standard_normal(n)), draw.random(n) < errors


def _tail(draw: Any, n: int) -> Sample:
    latencies, failed = sample(draw, n)
    return latencies * np.where(draw.random(n) < 0.05, 10, 1), failed


def _slower(draw: Any, n: int) -> Sample:
    latencies, failed = sample(draw, n)
    return latencies * 1.1, failed


CHANGES: dict[str, Callable[[Any, int], Sample]] = {
    "none": sample,
    "all 10% slower": _slower,
    "5% of requests 10 x slower": _tail,
    "errors 5% instead of 2%": lambda draw, n: sample(draw, n, 0.05),
}


def table(one: Sample, n: int) -> Stats:
    """Return the table of the first n requests."""
    latencies, failed = one[0][:n], one[1][:n]
    values, counts = np.unique(np.ceil(latencies[~failed]).astype(int), return_counts=True)
    failures = int(failed.sum())
    cells = (failures if name in ("untimed", "failures", "other") else 0 for name in COLUMNS)
    builder = StatsBuilder("m", "1")
    builder.put(("", None), cells, dict(zip(values.tolist(), counts.tolist(), strict=True)))
    return builder.build()


def _differs(found: Comparison) -> list[bool]:
    spans = {one.metric: (one.ci_low or 0.0, one.ci_high or 0.0) for one in found.deltas}
    return [spans[metric][0] > 0 or spans[metric][1] < 0 for metric in DECISIVE]


def outcome(looks: list[Comparison]) -> list[bool]:
    """Tell of a series of looks: which metric differed at any, whether any said worse, and whether the last one passed."""
    differed = [any(each) for each in zip(*map(_differs, looks), strict=True)]
    worse = any(one.verdict is Verdict.WORSE for one in looks)
    passed = not worse and looks[-1].verdict in (Verdict.BETTER, Verdict.EQUIVALENT)
    return [*differed, worse, passed]


def simulate(change: Callable[[Any, int], Sample], runs: int, draw: Any) -> dict[str, Any]:
    """Return the shares of outcomes for each way to look."""
    steps, margins = [CANDIDATE * (i + 1) // LOOKS for i in range(LOOKS)], Margins()
    found: dict[str, list[list[bool]]] = {"one look": [], "4 looks, alpha": [], "4 looks, alpha/4": []}
    for _ in range(runs):
        old, new = table(sample(draw, BASELINE), BASELINE), change(draw, CANDIDATE)
        tables = [table(new, n) for n in steps]
        fixed = [compare(one, old, margins, ONLY) for one in tables]
        spent = [compare(one, old, margins, Look(i + 1, LOOKS)) for i, one in enumerate(tables)]
        for name, looks in zip(found, (fixed[-1:], fixed, spent), strict=True):
            found[name].append(outcome(looks))
    return {name: np.mean(rows, axis=0) for name, rows in found.items()}


def limits(rate: float, runs: int, draw: Any) -> list[float]:
    """Return how often one of four looks, to 1,000 requests, finds an error rate above 5%: at alpha, and at alpha/4."""
    failed = np.cumsum(draw.random((runs, 1000)) < rate, axis=1)
    found = []
    for alpha in (0.05, 0.05 / LOOKS):
        least = {
            n: next(k for k in range(n) if st.clopper_pearson_lower(k, n, alpha) > 0.05) for n in range(250, 1001, 250)
        }
        found.append(float(np.mean(np.any([failed[:, n - 1] >= k for n, k in least.items()], axis=0))))
    return found


def main() -> int:
    """Print the tables."""
    (runs,) = asked(__doc__, runs=2000)
    draw = np.random.default_rng(SEED)
    print(f"{CANDIDATE} against {BASELINE} requests, {runs} runs\n")
    print("| change | looks | " + " | ".join(f"`{one}` differs" for one in DECISIVE) + " | worse | passes |")
    print("|---|---|" + "---|" * 5)
    for name, change in CHANGES.items():
        for looks, shares in simulate(change, runs, draw).items():
            print(f"| {name} | {looks} | " + " | ".join(f"{share:.3f}" for share in shares) + " |", flush=True)
    print(f"\nan error rate above a limit of 5%, four looks to 1,000 requests, {10 * runs} runs\n")
    print("| true rate | found at alpha | found at alpha/4 |\n|---|---|---|")
    for rate in (0.05, 0.08):
        fixed, spent = limits(rate, 10 * runs, draw)
        print(f"| {rate:.0%} | {fixed:.3f} | {spent:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
