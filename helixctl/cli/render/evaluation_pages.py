"""Evaluations and comparisons for other programs and other people: rows of CSV, and Markdown for a comment or a summary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from helixctl.cli.render import evaluation
from helixctl.cli.render.cells import escaped, quoted
from helixctl.cli.render.evaluation import between, level, number, state
from helixctl.cli.render.paint import counted, safe

Payload = Mapping[str, Any]
COLUMNS = (
    *("ref", "metric", "value", "low", "high", "threshold", "limit", "severity", "outcome", "proven", "against"),
    *(
        "baseline",
        "candidate",
        "delta",
        "ci_low",
        "ci_high",
        "margin",
        "n_baseline",
        "n_candidate",
        "effect",
        "verdict",
    ),
)
"""The columns of CSV: those of metrics and thresholds, then those of metrics against a baseline."""
_ASIDE = {"malformed": "malformed", "skipped": "left out"}
SIGNS = {"passed": "✅", "warning": "⚠️", "failed": "❌", "better": "✅", "equivalent": "✅", "worse": "❌"}


def rows(payload: Payload) -> list[dict[str, Any]]:
    """Return a row for each metric with its threshold, and one for each metric of a comparison."""
    found = [*_compared(payload["ref"], payload)] if payload["kind"] == "comparison" else [*_evaluated(payload)]
    return [dict.fromkeys(COLUMNS) | row for row in found]


def _evaluated(payload: Payload) -> Iterator[dict[str, Any]]:
    limits = {one["metric"]: one for one in payload["thresholds"]}
    scores = {f"scores.{name}": value for name, value in payload["scores"].items()}
    values = dict.fromkeys(limits) | payload["metrics"] | scores
    for metric, value in values.items():
        low, high = payload["intervals"].get(metric) or (None, None)
        one = limits.get(metric, {})
        stated = {key: one.get(key) for key in ("limit", "severity", "outcome", "proven")}
        measured = {"ref": payload["ref"], "metric": metric, "value": value, "low": low, "high": high}
        yield {**measured, "threshold": one.get("name"), **stated}
    if payload["comparison"]:
        yield from _compared(payload["ref"], payload["comparison"])


def _compared(ref: str, payload: Payload) -> Iterator[dict[str, Any]]:
    for one in payload["deltas"]:
        told = {name: value for name, value in one.items() if name in COLUMNS}
        yield {"ref": ref, "against": payload["baseline"], **told}


def markdown(payload: Payload) -> str:
    """Return a verdict, its tables and what to do, with the details folded away."""
    return "".join(f"{line}\n" for line in _PAGES[payload["kind"]](payload))


def _evaluation(payload: Payload) -> Iterator[str]:
    about = [counted(payload["samples"], "sample")]
    about += ["proven at 95%"] if payload["proven"] else []
    about += [f"{payload[count]} {said}" for count, said in _ASIDE.items() if payload[count]]
    yield f"### {_said(payload['verdict'])} {quoted(payload['ref'])} on {', '.join(about)}"
    yield ""
    yield from _table("threshold", "value", "95% bounds", "limit", "outcome")
    for one in payload["thresholds"]:
        bounds = between(*(payload["intervals"].get(one["metric"]) or (None, None)))
        yield _row(quoted(one["name"]), number(one["value"]), bounds, number(one["limit"]), state(one))
    if payload["comparison"]:
        yield ""
        yield from _comparison({"ref": payload["ref"], "recommendations": (), **payload["comparison"]})
    yield from _advice([*payload["warnings"], *payload["recommendations"]])
    yield ""
    yield "<details><summary>metrics</summary>"
    yield ""
    yield from _table("metric", "value", "95% bounds")
    for metric, value in (
        payload["metrics"] | {f"scores.{name}": one for name, one in payload["scores"].items()}
    ).items():
        yield _row(quoted(safe(metric)), number(value), between(*(payload["intervals"].get(metric) or (None, None))))
    if payload["histogram"]:
        yield from _fenced(evaluation.histogram(payload))
    yield ""
    yield "</details>"


def _comparison(payload: Payload) -> Iterator[str]:
    of = payload["look"]
    look = f", look {of['number']} of {of['of']}" if of["of"] > 1 else ""
    yield f"### {_said(payload['verdict'])} {quoted(payload['ref'])} against {quoted(payload['baseline'])}{look}"
    yield ""
    yield from _table("metric", "baseline", "candidate", f"{level(of['alpha'])} interval", "effect", "margin", "n", "")
    for one in payload["deltas"]:
        values = map(number, (one["baseline"], one["candidate"]))
        beside = between(one["ci_low"], one["ci_high"]), number(one["effect"], 2), number(one["margin"])
        n = f"{one['n_baseline']}, {one['n_candidate']}"
        yield _row(quoted(safe(one["metric"])), *values, *beside, n, _said(one["verdict"]))
    yield from _advice([*payload.get("warnings", ()), *payload["recommendations"]])
    if payload["histogram"]:
        yield ""
        yield "<details><summary>latencies</summary>"
        yield from _fenced(evaluation.two_histograms(payload["histogram"]))
        yield ""
        yield "</details>"


def _said(verdict: str) -> str:
    return f"{SIGNS.get(verdict, '❓')} {verdict}"


def _table(*heads: str) -> list[str]:
    return [_row(*heads), _row(*(["---"] * len(heads)))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _advice(told: list[str]) -> Iterator[str]:
    if told:
        yield ""
    for text in told:
        parts = re.split("`([^`]*)`", safe(text))
        yield "- " + "".join(quoted(part) if at % 2 else escaped(part) for at, part in enumerate(parts))


def _fenced(lines: Iterator[str]) -> Iterator[str]:
    yield from ("", "```text", *lines, "```")


_PAGES = {"evaluation": _evaluation, "comparison": _comparison}
