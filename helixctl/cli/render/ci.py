"""Findings as the systems that run checks read them: github, junit, sarif, gitlab, and Markdown for a summary."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from helixctl.cli.render import text
from helixctl.cli.render.cells import quoted
from helixctl.cli.render.paint import safe
from helixctl.core.integrity import CODES

Payload = Mapping[str, Any]
Told = Sequence[tuple[str, str]]
MOST_ROWS = 50
"""How many findings the Markdown table shows; a job's summary is limited, and a reader is too."""


class Problem(NamedTuple):
    """One finding: its code, `error`, `warning` or `note`, where it is, the fact, and what to do."""

    code: str
    level: str
    path: str
    line: int | None
    message: str
    help: str

    @property
    def fingerprint(self) -> str:
        """What stays the same from run to run, as long as the finding does."""
        told = "\0".join((self.code, self.path, str(self.line), self.message))
        return hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()

    @property
    def place(self) -> str:
        """Path and line for people."""
        return safe(self.path) + (f":{self.line}" if self.line else "")


class Findings(NamedTuple):
    """What a result says: the command, one line of summary, all that was found, and what to do by code.

    `passed` has the names of what was asked and found in order, with the fact, where that has names. `skipped` has what was
    not asked, with the reason.
    """

    command: str
    summary: str
    problems: tuple[Problem, ...]
    rules: Mapping[str, str]
    passed: Told | None = None
    skipped: Told = ()


CURES = {
    "ok": "for information: it fails nothing",
    "denied": "change the version so that policy allows it, or the policy; helixctl check tells what blocks it",
    "incomplete": "merge the branch that has what is missing, fetch the whole history, or have the segment signed",
    "drift": "take an edit in with helixctl adopt or helixctl reconcile, or restore the file from git",
    "needs_reconcile": "choose the side of the merge to keep with helixctl reconcile",
    "tampered": "find out who changed the log, and restore it from a clone that you trust",
}
"""What to do about a finding, by the outcome that it gives."""


def _verified(payload: Payload) -> Iterator[Problem]:
    for one in payload["findings"]:
        outcome = CODES[one["code"]]
        level = "note" if outcome == "ok" else "error"
        yield Problem(one["code"], level, one["path"], one["line"], one["message"], CURES[outcome])


def _checked(payload: Payload) -> Iterator[Problem]:
    path = f"models/{payload['ref'].replace('@', '/')}.toml"
    for one in payload["decision"]["findings"]:
        if one["outcome"] in ("fail", "inconclusive", "error"):
            level = "warning" if one["enforcement"] == "advisory" else "error"
        elif one["outcome"] == "overridden":
            level = "note"
        else:
            continue
        yield Problem(one["rule"], level, path, None, one["message"], one["fix"] or "")


def _evaluated(payload: Payload) -> Iterator[Problem]:
    path = f"models/{payload['ref'].replace('@', '/')}.toml"
    told = payload["recommendations"]
    for one in payload["thresholds"]:
        if one["outcome"] in ("violated", "not_measured"):
            level = "warning" if one["severity"] == "warn" else "error"
            advice = next((text for text in told if one["name"] in text), told[0] if told else "")
            yield Problem(one["name"], level, path, None, _measured(one), advice)
    if payload["verdict"] == "inconclusive":
        left_out = f", {payload['skipped']} left out by a filter" if payload["skipped"] else ""
        fact = f"inconclusive on {payload['samples']} samples{left_out}"
        yield Problem("samples", "error", path, None, fact, *told[:1] or ("",))
    if payload.get("comparison"):
        yield from _compared({"ref": payload["ref"], "recommendations": told, **payload["comparison"]})


def _measured(threshold: Mapping[str, Any]) -> str:
    value = "was not measured" if threshold["value"] is None else f"is {threshold['value']}"
    return f"{threshold['metric']} {value}, limit {threshold['limit']}"


def _compared(payload: Payload) -> Iterator[Problem]:
    path = f"models/{payload['ref'].replace('@', '/')}.toml"
    for one in payload["deltas"]:
        if one["verdict"] in ("worse", "undecided"):
            level = "error" if one["verdict"] == "worse" or payload["verdict"] == "undecided" else "warning"
            fact = f"{one['metric']} is {one['verdict']}: {_span(one)}"
            advice = next((text for text in payload["recommendations"] if text.startswith(f"{one['metric']} ")), "")
            yield Problem(one["metric"], level, path, None, fact, advice)


def _span(delta: Mapping[str, Any]) -> str:
    if delta["ci_low"] is None or delta["margin"] is None:
        return "there is too little to tell"
    interval = f"[{delta['ci_low']:.4g}, {delta['ci_high']:.4g}]"
    return f"candidate - baseline lies in {interval}, and may be {delta['margin']:.4g} worse"


def _rechecked(payload: Payload) -> Iterator[Problem]:
    for one in payload["evaluations"]:
        if one["fault"]:
            message = f"the evaluation of {one['at'][:19]}Z said {one['verdict']}: {one['fault']}"
            yield Problem("recheck", "error", one["path"], None, message, _CURE_OF_EVIDENCE)


_CURE_OF_EVIDENCE = "restore the file from git, or evaluate the version again"


def _in_order(payload: Payload) -> Told:
    compared = payload if payload["kind"] == "comparison" else payload["comparison"] or {"deltas": ()}
    passed = [(one["name"], _measured(one)) for one in payload.get("thresholds", ()) if one["outcome"] == "passed"]
    decided = (one for one in compared["deltas"] if one["verdict"] in ("better", "equivalent"))
    return [*passed, *((one["metric"], f"{one['verdict']}: {_span(one)}") for one in decided)]


def _linted(payload: Payload) -> Iterator[Problem]:
    for one in payload["faults"]:
        key = f"{one['key']}: " if one["key"] else ""
        yield Problem(one["code"], "error", one["path"], one["line"], key + one["message"], one["hint"] or "")


def _rehearsed(payload: Payload) -> Iterator[Problem]:
    for one in payload["cases"]:
        if one["differences"]:
            fact = "; ".join(one["differences"])
            yield Problem(one["name"], "error", one["path"], one["line"], fact, _CURE_OF_CASES)


_CURE_OF_CASES = "change the policy, or what the case expects; helixctl policy explain tells why"


def _asked_of(payload: Payload) -> Mapping[str, str]:
    compared = payload.get("comparison") or {"deltas": ()}
    names = [*(one["name"] for one in payload["thresholds"]), "samples", *(one["metric"] for one in compared["deltas"])]
    return dict.fromkeys(names, "see the recommendations of helixctl evaluate")


def _rules(payload: Payload, outcome: str) -> Told:
    rows = (payload.get("decision") or {"findings": ()})["findings"]
    return [(one["rule"], one["message"]) for one in rows if one["outcome"] == outcome]


class View(NamedTuple):
    """How a kind of result is read: the command that gives it, its findings, what to do by code, and what passed."""

    command: str
    problems: Callable[[Payload], Iterator[Problem]]
    rules: Callable[[Payload], Mapping[str, str]]
    passed: Callable[[Payload], Told] | None = None


VIEWS = {
    "verification": View("verify", _verified, lambda _: {code: CURES[outcome] for code, outcome in CODES.items()}),
    "check": View(
        "check",
        _checked,
        lambda payload: {one["rule"]: one["fix"] or "" for one in payload["decision"]["findings"]},
        lambda payload: _rules(payload, "pass"),
    ),
    "lint": View(
        "policy lint",
        _linted,
        lambda payload: {one["code"]: "see docs/policy.md for what a policy holds" for one in payload["faults"]},
    ),
    "policy-tests": View(
        "policy test",
        _rehearsed,
        lambda payload: {one["name"]: _CURE_OF_CASES for one in payload["cases"]},
        lambda payload: [(one["name"], "as expected") for one in payload["cases"] if not one["differences"]],
    ),
    "evaluation": View("evaluate", _evaluated, _asked_of, _in_order),
    "recheck": View("evaluate --recheck", _rechecked, lambda _: {"recheck": _CURE_OF_EVIDENCE}),
    "comparison": View(
        "compare",
        _compared,
        lambda payload: {one["metric"]: "see docs/comparison.md for what settles it" for one in payload["deltas"]},
        _in_order,
    ),
}


def findings(payload: Payload, prefix: str = "") -> Findings:
    """Return what a result says, its texts made safe, and its paths below a prefix."""
    view = VIEWS[payload["kind"]]
    summary = safe(text.rendered(payload).split("\n", 1)[0])
    problems = [
        Problem(
            safe(one.code),
            one.level,
            posixpath.normpath(posixpath.join(prefix, one.path)),
            one.line,
            safe(one.message),
            safe(one.help),
        )
        for one in view.problems(payload)
    ]
    rules = {safe(code): safe(cure) for code, cure in view.rules(payload).items()}
    passed = _safe(view.passed(payload)) if view.passed else None
    skipped = _safe(_rules(payload, "not_applicable"))
    return Findings(f"helixctl {view.command}", summary, tuple(problems), rules, passed, skipped)


def _safe(told: Told) -> Told:
    return [(safe(name), safe(fact)) for name, fact in told]


def rendered(payload: Payload, output: str, prefix: Callable[[], str]) -> str:
    """Return a result in one of the formats.

    Args:
        prefix: tells where the registry lies below the root of its git work tree.
    """
    if output == "markdown" and payload["kind"] in ("evaluation", "comparison"):
        from helixctl.cli.render import evaluation_pages

        return evaluation_pages.markdown(payload)
    return FORMATS[output](findings(payload, prefix()))


def github(found: Findings) -> str:
    """Return workflow commands that make annotations, and a line of summary.

    Source: GitHub, "Workflow commands for GitHub Actions"; the runner's own parser, `ActionCommand`.
    """
    lines = []
    for one in found.problems:
        name = {"note": "notice"}.get(one.level, one.level)
        given = {"file": safe(one.path), "line": str(one.line or ""), "title": f"{found.command}: {one.code}"}
        properties = ",".join(f"{key}={_property(value)}" for key, value in given.items() if value)
        told = f"{one.message}\n{one.help}" if one.help else one.message
        lines.append(f"::{name} {properties}::{_data(told)}\n")
    defused = re.sub("#(?=#)", "# ", found.summary)  # the runner obeys ##[command] in the midst of a line too
    return "".join(lines) + f"{found.command}: {defused}\n"


def _data(value: str) -> str:
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


def gitlab(found: Findings) -> str:
    """Return a report of GitLab's Code Quality.

    Source: GitLab, "Code Quality report format".
    """
    severity = {"error": "critical", "warning": "minor", "note": "info"}
    report = [
        {
            "description": f"{one.message} ({one.help})" if one.help else one.message,
            "check_name": one.code,
            "fingerprint": one.fingerprint,
            "severity": severity[one.level],
            "location": {"path": safe(one.path), "lines": {"begin": one.line or 1}},
        }
        for one in found.problems
    ]
    return json.dumps(report, indent=2) + "\n"


def sarif(found: Findings) -> str:
    """Return a SARIF log with one run.

    Source: OASIS, SARIF 2.1.0 with errata 01; sections 3.4 (locations), 3.11 (messages), 3.27 (results).
    """
    from helixctl import __version__

    codes = list(found.rules)
    rules = [
        {"id": code, "shortDescription": _message(code.replace("-", " ")), "help": _message(found.rules[code] or code)}
        for code in codes
    ]
    results = [
        {
            "ruleId": one.code,
            "ruleIndex": codes.index(one.code),
            "level": one.level,
            "message": _message(one.message),
            "locations": [_location(one)],
            "partialFingerprints": {"helixctl/v1": one.fingerprint},
        }
        for one in found.problems
    ]
    driver = {"name": "helixctl", "version": __version__, "rules": rules}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return json.dumps({"$schema": schema, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _message(value: str) -> dict[str, str]:
    """Return a plain text message that can hold neither a placeholder nor a link."""
    return {"text": value.replace("{", "{{").replace("}", "}}").replace("](", "] (")}


def _location(one: Problem) -> dict[str, Any]:
    from urllib.parse import quote

    uri = quote(one.path.encode(errors="surrogateescape"), safe="/-._~")
    where = {"uri": f"file://{uri}"} if uri.startswith("/") else {"uri": uri, "uriBaseId": "%SRCROOT%"}
    return {"physicalLocation": {"artifactLocation": where, "region": {"startLine": one.line or 1}}}


def junit(found: Findings) -> str:
    """Return JUnit XML: a test for each finding, failed if it is an error, and for what is in order, or one for all of it."""
    from xml.etree import ElementTree as Xml

    passed = found.passed or ([] if found.problems or found.skipped else [("no findings", found.summary)])
    errors, tests = sum(one.level == "error" for one in found.problems), (found.problems, passed, found.skipped)
    counts = {"tests": str(sum(map(len, tests))), "failures": str(errors), "errors": "0"}
    counts["skipped"] = str(len(found.skipped))
    top = Xml.Element("testsuites", {"name": "helixctl", **counts})
    suite = Xml.SubElement(top, "testsuite", {"name": found.command, **counts})
    told_of = Counter[str]()

    def tested(name: str, **rest: str) -> Xml.Element:
        told_of[name] += 1  # rules of two policies may have one name, and of equal tests most readers keep one
        name = name if told_of[name] == 1 else f"{name} ({told_of[name]})"
        return Xml.SubElement(suite, "testcase", {"classname": found.command, "name": _legal(name), **rest})

    for one in found.problems:
        name = one.code if found.passed is not None else f"{one.code} {one.place}: {one.message}"
        case = tested(name, file=_legal(safe(one.path)))
        told = _legal(f"{one.place}: {one.message}" + (f"\n{one.help}" if one.help else ""))
        if one.level == "error":
            Xml.SubElement(case, "failure", {"type": _legal(one.code), "message": _legal(one.message)}).text = told
        else:
            Xml.SubElement(case, "system-out").text = f"{one.level}: {told}"
    for name, fact in passed:
        case = tested(name)
        if fact:
            Xml.SubElement(case, "system-out").text = _legal(fact)
    for name, why in found.skipped:
        Xml.SubElement(tested(name), "skipped", {"message": _legal(why)})
    Xml.indent(top)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(top, encoding="unicode") + "\n"


def _legal(value: str) -> str:
    """Return text without the characters that XML 1.0 forbids even as references (section 2.2)."""
    return re.sub("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", value)


def markdown(found: Findings) -> str:
    """Return a heading line and a table, for the summary of a job or a comment."""
    lines = [f"**{found.command}** {quoted(found.summary)}\n"]
    if found.problems:
        lines += ["\n", "| level | code | where | what | what to do |\n", f"|{' --- |' * 5}\n"]
    for one in found.problems[:MOST_ROWS]:
        cells = (one.level, *map(quoted, (one.code, one.place, one.message)), one.help and quoted(one.help))
        lines.append(f"| {' | '.join(cells)} |\n")
    more = len(found.problems) - MOST_ROWS
    if more > 0:
        lines += ["\n", f"and {more} more\n"]
    return "".join(lines)


FORMATS: dict[str, Callable[[Findings], str]] = {
    "github": github,
    "junit": junit,
    "sarif": sarif,
    "gitlab": gitlab,
    "markdown": markdown,
}
