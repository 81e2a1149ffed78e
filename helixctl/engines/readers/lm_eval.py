"""lm-eval: the aggregated results of a run, which are scores and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from helixctl.core.stats import Score, Stats, score
from helixctl.engines import Query, Reduction, Subject
from helixctl.engines.readers import FIRST, Found, LineError, documents, lines
from helixctl.errors import Usage


def matches(head: bytes) -> bool:
    """Tell it by its results, which name a metric and a filter; or by its samples."""
    return (documents.has(head, "results", "alias") and b"_stderr," in head) or _are_samples(head)


def _are_samples(head: bytes) -> bool:
    return documents.has(head, "doc_id", "resps", "filtered_resps")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield the scores of each task, named `task.metric`, and `.filter` where there is one.

    Raises:
        Usage: these are samples, which do not name their task.
    """
    if _are_samples(stream.peek(FIRST)[:FIRST]):  # type: ignore[attr-defined]  # sources are buffered readers
        raise Usage(
            "samples of lm-eval name no task", hint="read the results_*.json of the same run, which sum them up"
        )
    try:
        found = documents.load(stream)
        results = lines.at(found, "results") if isinstance(found, dict) else None
        if not isinstance(found, dict) or not isinstance(results, dict):
            raise LineError("no results of lm-eval")
        if skipped := lines.left_out(found, query):
            yield 1, skipped
            return
        documents.refuse_other_model(found.get("model_name"), subject, documents.chosen_by(query), "model_name")
    except documents.ODD as error:
        yield 1, documents.fault(error)
        return
    for place, (task, metrics) in enumerate(results.items(), 1):
        try:
            counts, higher = ((found.get(name) or {}).get(task) or {} for name in ("n-samples", "higher_is_better"))
            yield from ((place, one) for one in _scores(task, metrics, counts.get("effective"), higher))
        except documents.ODD as error:
            yield place, documents.fault(error)


def _scores(task: str, metrics: Any, n: object, higher: Mapping[str, object]) -> Iterator[Found]:
    if not isinstance(metrics, Mapping):
        raise LineError("a task whose results are no object")
    for key, value in metrics.items():
        metric, comma, filtered = key.partition(",")
        if not comma or metric.endswith("_stderr"):
            continue
        if not isinstance(n, int) or isinstance(n, bool) or n < 1:
            raise LineError("n-samples does not say how many samples a task has")
        name = ".".join(filter(None, (task, metric, "" if filtered == "none" else filtered)))
        one = _spread(score(name, value), n, metrics.get(f"{metric}_stderr,{filtered}"))
        yield one
        if higher.get(metric) is False:
            yield Reduction(Stats(), lower=frozenset({one.name}))


def _spread(one: Score, n: int, stderr: object) -> Score:
    """Return a mean as a score of n samples, with the spread that its standard error stands for."""
    total = one.total * n
    if not isinstance(stderr, int | float) or isinstance(stderr, bool) or not math.isfinite(stderr) or n < 2:
        return Score(one.name, n, total, None)
    if stderr < 0:
        raise LineError("a standard error below 0")
    squares = (n - 1) * n * (stderr * 10**6) ** 2 + total * total / n
    return Score(one.name, n, total, max(round(squares), -(-total * total // n)))
