from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from helixctl.cli import menu
from helixctl.cli.render import ci, formats
from helixctl.cli.render.formats import Look
from helixctl.cli.render.paint import safe
from helixctl.core.integrity import CODES, OUTCOMES
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
SCHEMAS = Path(__file__).parent / "schemas"
HOSTILE = (
    "::error file=x::y",
    "  ::set-env name=A::b",
    "a\n::add-mask::e",
    "a\r::stop-commands::x",
    "##[add-mask]e",
    "###[group]x ##[error]y",
    "%0A::warning::x",
    "%25 %3A %2C 100%",
    "a,line=7,title=x::y",
    "]]> <script>alert(1)</script> &amp; \"'",
    "a | b \\| c \\\\| d",
    "``` `x` ~~~ **b** _c_ # d $e$ :smile:",
    "@alice #12 https://example.com www.example.com",
    "[link](https://example.com) ![image](x) {0} }{",
    "\x00\x07\x1b[31m\x7f\x85\u202e\u2028\ufeff",
    "\ufffe\uffff\ud800\udcff",
    "Zoë → 日本 \U0001f600",
    "\t-\r\n",
)


class Command(NamedTuple):
    """What the runner of GitHub Actions makes of a line."""

    name: str
    properties: dict[str, str]
    data: str


KNOWN = {"error", "warning", "notice", "debug", "group", "add-mask", "set-env", "stop-commands", "add-path"}


def obeyed(line: str) -> Command | None:
    """Read a line by the rules of the runner: `::name k=v,k=v::data` at its start, or `##[name k=v;k=v]data` anywhere."""
    found = re.match(r"\s*::([^ :]*)(?: ((?:(?!::).)*))?::(.*)\Z", line, re.DOTALL)
    if found and found[1] in KNOWN:
        pairs = [pair.split("=", 1) for pair in (found[2] or "").strip().split(",") if pair]
        values = {pair[0]: unescaped(pair[1], ":,") for pair in pairs}
        return Command(found[1], values, unescaped(found[3], ""))
    old = re.search(r"##\[([^\] ]*)[^\]]*\](.*)", line, re.DOTALL)
    return Command(old[1], {}, old[2]) if old and old[1] in KNOWN else None


def unescaped(text: str, more: str) -> str:
    for sign in ("\r", "\n", *more, "%"):
        text = text.replace(f"%{ord(sign):02X}", sign)
    return text


def verification(*findings: tuple[str, str, int | None, str], anchor: str = "self-consistent") -> dict[str, Any]:
    rows = [dict(zip(("code", "path", "line", "message"), one, strict=True)) for one in findings]
    return {
        "schema_version": 1,
        "kind": "verification",
        "outcome": "tampered" if rows else "ok",
        "anchor": anchor,
        "entries": 3,
        "segments": 1,
        "heads": [],
        "vouchers": [],
        "findings": rows,
    }


def check(*findings: tuple[str, str, str, str, str | None]) -> dict[str, Any]:
    keys = ("rule", "enforcement", "outcome", "message", "fix")
    rows = [dict(zip(keys, one, strict=True)) for one in findings]
    decision = {"allowed": not rows, "policies": [], "findings": rows}
    return {"schema_version": 1, "kind": "check", "action": "activate", "ref": "a/m@1.0.0", "decision": decision}


def shown(payload: dict[str, Any], output: str, place: str = "") -> str:
    text = formats.rendered(payload, output, None, Look(place=lambda: place))
    text.encode()
    return text


def commands(payload: dict[str, Any], place: str = "") -> list[Command | None]:
    """Return what the runner obeys, a line each, after checking that the last line is none and no break hides inside one."""
    text = shown(payload, "github", place)
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")
    assert len(re.split("[\n\r]", text)) == len(lines) + 1
    assert obeyed(lines[-1]) is None
    return [obeyed(line) for line in lines[:-1]]


def valid(text: str, name: str) -> Any:
    """Return a JSON document, after checking it by the schema of its format."""
    schema = json.loads((SCHEMAS / name).read_text())
    Draft202012Validator.check_schema(schema)
    document = json.loads(text)
    Draft202012Validator(schema).validate(document)
    return document


def results(payload: dict[str, Any], place: str = "") -> list[dict[str, Any]]:
    """Return the results of a SARIF log, after checking that each refers to its rule."""
    (run,) = valid(shown(payload, "sarif", place), "sarif.json")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert len({rule["id"] for rule in rules}) == len(rules)
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    found: list[dict[str, Any]] = run["results"]
    return found


def uri(result: dict[str, Any]) -> str:
    (location,) = result["locations"]
    return str(location["physicalLocation"]["artifactLocation"]["uri"])


def cases(payload: dict[str, Any]) -> list[Xml.Element]:
    """Return the test cases of JUnit XML, after checking that it counts them."""
    top = Xml.fromstring(shown(payload, "junit").encode())
    (suite,) = top
    found = list(suite)
    failed = [case for case in found if case.find("failure") is not None]
    skipped = [case for case in found if case.find("skipped") is not None]
    for counted in (top, suite):
        said = tuple(counted.get(name) for name in ("tests", "failures", "skipped"))
        assert said == tuple(str(len(some)) for some in (found, failed, skipped))
    return found


class Page(HTMLParser):
    """The cells of a table, and which tags there are."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.is_cell = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.is_cell = tag == "td" or (self.is_cell and tag == "code")
        self.cells += [""] if tag == "td" else []

    def handle_endtag(self, tag: str) -> None:
        self.is_cell = self.is_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        if self.is_cell:
            self.cells[-1] += data


TABLE = {"p", "strong", "code", "table", "thead", "tbody", "tr", "th", "td"}


def cells(markdown: str) -> list[str]:
    """Return the cells of a page's table, after checking that nothing else was made of the text."""
    page = Page()
    page.feed(MarkdownIt("commonmark").enable("table").render(markdown))
    assert page.tags <= TABLE
    return page.cells


def test_the_formats_are_those_that_the_commands_offer() -> None:
    assert tuple(ci.FORMATS) == menu.CI
    for entry in (menu.COMMANDS["verify"], menu.COMMANDS["check"], menu.AUDIT["verify"]):
        assert entry.formats == ("text", "json", *menu.CI)
    assert set(ci.VIEWS) == {kind for kind, module in formats.PAGES.items() if module == "ci"}


def test_there_is_something_to_do_for_every_outcome() -> None:
    assert set(ci.CURES) == set(OUTCOMES)


@pytest.mark.parametrize("code", CODES)
def test_a_finding_is_an_error_unless_verify_stays_ok(code: str) -> None:
    payload = verification((code, "models/m/1.0.0.toml", 7, "a fact"))
    is_note = CODES[code] == "ok"
    (command,) = commands(payload)
    assert command is not None
    assert command.name == ("notice" if is_note else "error")
    assert command.properties == {"file": "models/m/1.0.0.toml", "line": "7", "title": f"helixctl verify: {code}"}
    assert command.data == f"a fact\n{ci.CURES[CODES[code]]}"
    (result,) = results(payload)
    assert (result["ruleId"], result["level"]) == (code, "note" if is_note else "error")
    (issue,) = valid(shown(payload, "gitlab"), "gitlab.json")
    assert (issue["check_name"], issue["severity"]) == (code, "info" if is_note else "critical")
    (case,) = cases(payload)
    assert (case.find("failure") is None) == is_note
    assert cells(shown(payload, "markdown"))[:2] == ["note" if is_note else "error", code]


def test_where_nothing_was_found_each_format_says_so() -> None:
    payload = verification()
    assert shown(payload, "github") == "helixctl verify: ok: 3 entries in 1 segment; self-consistent\n"
    assert valid(shown(payload, "gitlab"), "gitlab.json") == []
    assert results(payload) == []
    (case,) = cases(payload)
    assert (case.get("name"), [inner.tag for inner in case]) == ("no findings", ["system-out"])
    assert shown(payload, "markdown").count("\n") == 1


def test_the_rules_of_sarif_are_the_table_of_codes() -> None:
    (run,) = valid(shown(verification(), "sarif"), "sarif.json")["runs"]
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == list(CODES)


@pytest.mark.parametrize(
    ("enforcement", "outcome", "level"),
    [
        ("mandatory", "fail", "error"),
        ("overridable", "fail", "error"),
        ("overridable", "inconclusive", "error"),
        ("mandatory", "error", "error"),
        ("advisory", "fail", "warning"),
        ("overridable", "overridden", "notice"),
        ("mandatory", "pass", None),
        ("mandatory", "not_applicable", None),
    ],
)
def test_a_finding_of_a_check_is_as_bad_as_it_binds(enforcement: str, outcome: str, level: str | None) -> None:
    payload = check(("cost-cap", enforcement, outcome, "too dear", "helixctl update a/m@1.0.0"))
    names = [command.name for command in commands(payload) if command]
    assert names == ([level] if level else [])
    assert [uri(result) for result in results(payload)] == (["models/a/m/1.0.0.toml"] if level else [])
    if level:
        (told,) = commands(payload)
        assert told is not None
        assert told.data == "too dear\nhelixctl update a/m@1.0.0"


@given(st.lists(st.sampled_from(HOSTILE) | st.text(st.characters(), min_size=1, max_size=20), min_size=1, max_size=4))
def test_no_text_becomes_a_command_of_the_runner_or_is_lost(texts: list[str]) -> None:
    payload = verification(*(("bad-line", "audit/x", None, text) for text in texts), anchor=texts[0])
    told = [command for command in commands(payload) if command]
    assert [one.data for one in told] == [f"{safe(text)}\n{ci.CURES['tampered']}" for text in texts]
    assert {one.name for one in told} == {"error"}
    assert [one.properties["file"] for one in told] == ["audit/x"] * len(texts)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_path_and_no_rule_becomes_a_command_of_the_runner(text: str) -> None:
    path = "audit/" + text.replace("/", "")
    (command,) = commands(verification(("bad-line", path, None, "x")))
    assert command is not None
    assert command.properties == {"file": safe(path), "title": "helixctl verify: bad-line"}
    (command,) = commands(check((text, "mandatory", "fail", "x", None)))
    assert command is not None
    assert (command.name, command.data) == ("error", "x")
    assert command.properties["title"] == f"helixctl check: {safe(text)}"


@given(st.sampled_from(HOSTILE) | st.text(st.characters(), min_size=1, max_size=30))
def test_json_formats_hold_any_text_and_stay_valid(text: str) -> None:
    payload = verification(("bad-line", "audit/x", 3, text))
    (issue,) = valid(shown(payload, "gitlab"), "gitlab.json")
    assert issue["description"] == f"{safe(text)} ({ci.CURES['tampered']})"
    (result,) = results(payload)
    plain = result["message"]["text"].replace("] (", "](").replace("{{", "{").replace("}}", "}")
    assert plain == safe(text).replace("] (", "](")
    assert results(check((text, "mandatory", "fail", text, text)))[0]["ruleId"] == safe(text)


@given(st.sampled_from(HOSTILE) | st.text(st.characters(), min_size=1, max_size=30))
def test_xml_holds_any_text_that_xml_can(text: str) -> None:
    (case,) = cases(verification(("bad-line", "audit/x", 3, text)))
    failure = case.find("failure")
    assert failure is not None
    expected = re.sub("[\ufffe\uffff]", "\ufffd", safe(text))
    assert failure.get("message") == expected
    assert failure.text == f"audit/x:3: {expected}\n{ci.CURES['tampered']}"
    assert case.get("name") == f"bad-line audit/x:3: {expected}"


@given(st.sampled_from(HOSTILE) | st.text(st.characters(), min_size=1, max_size=30))
def test_a_cell_of_markdown_holds_any_text_and_nothing_else(text: str) -> None:
    page = shown(verification(("bad-line", f"audit/{text}", 3, text), anchor=text), "markdown")
    assert not re.search(r"@|#(?!\d)|:(?!-)|www\.|\*(?!\*)(?<!\*\*)|`|\[|\$|https?:", page.replace("**", ""))
    level, code, _, message, _ = cells(page)
    assert (level, code) == ("error", "bad-line")
    assert re.sub(r"\s+", " ", message).strip() == re.sub(r"\s+", " ", safe(text)).strip()


def test_a_long_table_is_cut_and_says_so() -> None:
    page = shown(verification(*(("bad-line", "audit/x", n, f"fact {n}") for n in range(1, 61))), "markdown")
    assert len(cells(page)) == 5 * ci.MOST_ROWS
    assert page.endswith("\nand 10 more\n")


def test_a_fingerprint_is_the_same_in_each_run_and_of_one_finding_only() -> None:
    rows = [("bad-line", "a", 1, "x"), ("bad-line", "a", 2, "x"), ("bad-line", "b", 1, "x"), ("bad-seq", "a", 1, "x")]
    issues = valid(shown(verification(*rows), "gitlab"), "gitlab.json")
    prints = [issue["fingerprint"] for issue in issues]
    assert len(set(prints)) == len(rows)
    again = results(verification(*reversed(rows)))
    assert [one["partialFingerprints"]["helixctl/v1"] for one in again] == prints[::-1]


@pytest.mark.parametrize(
    ("place", "path", "expected"),
    [
        ("", "models/m/1.0.0.toml", "models/m/1.0.0.toml"),
        (".", "models/m/1.0.0.toml", "models/m/1.0.0.toml"),
        ("registry", "audit", "registry/audit"),
        ("a/b c", "models/50%#?/1.0.0.toml", "a/b%20c/models/50%25%23%3F/1.0.0.toml"),
        ("registry", "../old.note", "old.note"),
        ("registry", "/elsewhere/old.note", "file:///elsewhere/old.note"),
        ("", "models/Zoë/\udcff.toml", "models/Zo%C3%AB/%FF.toml"),
    ],
)
def test_a_path_is_told_from_the_root_of_the_work_tree(place: str, path: str, expected: str) -> None:
    payload = verification(("bad-line", path, None, "x"))
    (result,) = results(payload, place)
    assert uri(result) == expected
    plain = safe(unquote_to_bytes(expected.removeprefix("file://")).decode(errors="surrogateescape"))
    (issue,) = valid(shown(payload, "gitlab", place), "gitlab.json")
    assert issue["location"]["path"] == plain
    (command,) = commands(payload, place)
    assert command is not None
    assert command.properties["file"] == plain


@pytest.mark.parametrize(
    ("marker", "prefix"), [(None, ""), (".git", "registry/"), ("registry/.git", ""), ("registry/models/.git", "")]
)
def test_the_command_finds_the_root_of_the_work_tree(place: Place, cli: Cli, marker: str | None, prefix: str) -> None:
    place.register("m@1.0.0")
    (place.root / "audit" / "stray").touch()
    if marker:
        (place.root.parent / marker).write_text("gitdir: elsewhere\n")
    ran = cli("audit", "verify", "-o", "gitlab")
    assert [one["location"]["path"] for one in json.loads(ran.out)] == [f"{prefix}audit/stray"]
    assert f"::error file={prefix}audit/stray," in cli("audit", "verify", "-o", "github").out


def as_it_is(place: Place) -> None:
    pass


def edited(place: Place) -> None:
    with place.path("m@1.0.0").open("a") as file:
        file.write("# edited\n")


def tampered(place: Place) -> None:
    (segment,) = (place.root / "audit").rglob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b"alice", b"mallo"))


@pytest.mark.parametrize("output", menu.CI)
@pytest.mark.parametrize("change", [as_it_is, edited, tampered])
@pytest.mark.parametrize("command", ["verify", "audit verify", "check m@1.0.0 --for deactivate", "check m@1.0.0"])
def test_the_format_changes_neither_the_exit_code_nor_what_is_found(
    place: Place, cli: Cli, output: str, change: Callable[[Place], None], command: str
) -> None:
    place.register("m@1.0.0")
    change(place)
    expected, ran = cli(*command.split(), "-o", "json"), cli(*command.split(), "-o", output)
    assert (ran.code, bool(ran.out)) == (expected.code, bool(expected.out))
    if not expected.out:
        return
    payload = json.loads(expected.out)
    assert ran.out == shown(payload, output)
    found = ci.findings(payload)
    count = len(found.problems)
    read: dict[str, Callable[[], int]] = {
        "github": lambda: len(commands(payload)),
        "gitlab": lambda: len(valid(ran.out, "gitlab.json")),
        "sarif": lambda: len(results(payload)),
        "junit": lambda: len(cases(payload)) - len(found.passed or ()) - len(found.skipped) if count else 0,
        "markdown": lambda: len(cells(ran.out)) // 5,
    }
    assert read[output]() == count


def test_what_mends_a_finding_is_told_in_markdown_and_a_rule_that_does_not_apply_is_a_skipped_test(
    place: Place, cli: Cli
) -> None:
    place.register("m@1.0.0")
    payload = json.loads(cli("check", "m@1.0.0", "-o", "json").out)
    page = cells(shown(payload, "markdown"))
    fixes = {one["rule"]: one["fix"] for one in payload["decision"]["findings"] if one["outcome"] != "pass"}
    told = dict(zip(page[1::5], page[4::5], strict=True))
    assert fixes["tested-first"] == told["tested-first"] == "helixctl promote m@1.0.0 --to testing"
    found = {case.get("name"): [(one.tag, one.get("message")) for one in case] for case in cases(payload)}
    assert found["blocked"] == [("system-out", None)]
    assert found["end-of-life"] == [("skipped", "no end of life is stated")]


def test_rules_of_one_name_in_two_policies_are_a_test_of_junit_each(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    twin = (place.root / "policies/default.toml").read_text().replace('"default"', '"twin"')
    (place.root / "policies/twin.toml").write_text(twin)
    names = [case.get("name") for case in cases(json.loads(cli("check", "m@1.0.0", "-o", "json").out))]
    assert {"end-of-life", "end-of-life (2)", "tested-first", "tested-first (2)", "blocked"} <= set(names)
    assert len(set(names)) == len(names)


def test_fields_do_not_apply(place: Place, cli: Cli) -> None:
    ran = cli("verify", "-o", "github", "--fields", "outcome")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.startswith("error[HX201]: -o github takes no --fields\nhint: ")


BAD = b'{"success":true,"latency_ms":9000,"confidence":0.9}\n' * 60 + b'{"success":false,"latency_ms":null}\n' * 9
FINE = b'{"success":true,"latency_ms":90,"confidence":0.9}\n' * 90


@pytest.mark.parametrize("output", menu.CI)
@pytest.mark.parametrize(("raw", "code"), [(BAD, 3), (FINE, 0), (b"", 7)])
def test_an_evaluation_tells_each_threshold_that_stops_it(
    place: Place, cli: Cli, output: str, raw: bytes, code: int
) -> None:
    place.register("m@1.0.0")
    ran = cli("evaluate", "m@1.0.0", "--from", "-", "-o", output, stdin=raw)
    assert ran.code == code
    said = html.unescape(ran.out)
    assert ("p95_latency_ms is 9000, " in said) == (code == 3)
    assert bool(re.search("inconclusive (<code>m@1.0.0</code> )?on 0 samples", said)) == (code == 7)


def test_a_test_of_junit_keeps_its_name_whatever_the_figures_are(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    outcomes = []
    for raw in (BAD, FINE):
        ran = cli("evaluate", "m@1.0.0", "--from", "-", "-o", "junit", stdin=raw)
        cases = Xml.fromstring(ran.out).iter("testcase")
        outcomes.append({case.get("name"): case.find("failure") is not None for case in cases})
    assert outcomes == [
        {"max_error_rate": True, "min_success_rate": True, "max_latency_ms": True, "min_confidence": False},
        {"max_error_rate": False, "min_success_rate": False, "max_latency_ms": False, "min_confidence": False},
    ]


@pytest.mark.parametrize("output", ["csv", *menu.CI])
@pytest.mark.parametrize("is_damaged", [False, True])
def test_evidence_judged_again_is_told_in_every_format(place: Place, cli: Cli, output: str, is_damaged: bool) -> None:
    place.register("m@1.0.0")
    cli("evaluate", "m@1.0.0", "--from", "-", stdin=FINE)
    (kept,) = place.root.glob("evaluations/m/1.0.0/*.gz")
    if is_damaged:
        kept.write_bytes(b"?")
    ran = cli("evaluate", "m@1.0.0", "--recheck", "-o", output)
    assert ran.code == (6 if is_damaged else 0)
    assert ("not the evidence of an evaluation" in html.unescape(ran.out)) == is_damaged


def test_a_summary_is_appended_to_a_file_beside_any_output(place: Place, cli: Cli, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    there = tmp_path / "summary.md"
    there.write_text("before, without an end")
    words = ("evaluate", "m@1.0.0", "--from", "-", "-o")
    page = cli(*words, "markdown", stdin=FINE).out
    ran = cli(*words, "github", "--summary", str(there), stdin=FINE)
    assert (ran.code, ran.out) == (0, "helixctl evaluate: PASSED  m@1.0.0  on 90 samples, proven at 95%\n")
    assert there.read_text() == f"before, without an end{page}\n"
    assert cli("verify", "--summary", str(there)).code == 0
    assert "**helixctl verify**" in there.read_text()


@pytest.mark.parametrize(("name", "code"), [("nowhere/summary.md", 4), (".", 8), ("file/summary.md", 8)])
def test_a_summary_that_cannot_be_written_is_refused_before_anything_is(
    place: Place, cli: Cli, tmp_path: Path, name: str, code: int
) -> None:
    place.register("m@1.0.0")
    (tmp_path / "file").touch()
    before = place.files()
    words = ("evaluate", "m@1.0.0", "--from", "-", "--summary", str(tmp_path / name))
    for more in ((), ("--dry-run",)):
        ran = cli(*words, *more, stdin=BAD)
        assert (ran.code, ran.out, place.files()) == (code, "", before)
        assert re.match(r"error\[HX\d+\]: cannot write the summary: ", ran.err)


def test_a_summary_of_a_refused_command_is_not_made(place: Place, cli: Cli, tmp_path: Path) -> None:
    there = tmp_path / "summary.md"
    assert cli("evaluate", "m@1.0.0", "--summary", str(there)).code == 4
    assert not there.exists()


def test_a_summary_that_fails_after_all_undoes_no_verdict(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    ran = cli("evaluate", "m@1.0.0", "--from", "-", "--summary", "/dev/full", stdin=BAD)
    assert (ran.code, ran.err.splitlines()[-1]) == (3, "warning: cannot write the summary: no space left on device")
    assert ran.out.startswith("FAILED")
    ran = cli("verify", "--summary", "")
    assert (ran.code, ran.out) == (2, "")
    assert "GITHUB_STEP_SUMMARY" in ran.err


@pytest.mark.parametrize("output", menu.CI)
def test_a_comparison_tells_each_metric_that_is_worse(place: Place, cli: Cli, output: str) -> None:
    place.register("m@1.0.0")
    place.register("m@2.0.0")
    (place.root / "bad").write_bytes(BAD)
    (place.root / "fine").write_bytes(FINE)
    sides = ["--from", str(place.root / "bad"), "--baseline-from", str(place.root / "fine")]
    ran = cli("compare", "m@2.0.0", "m@1.0.0", *sides, "-o", output)
    assert ran.code == 3
    assert "slow_share is worse" in html.unescape(ran.out)
    assert ("interval | effect | margin" in ran.out) == (output == "markdown")
