from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt

from helixctl.core.audit import Actor
from helixctl.core.frameworks import FRAMEWORKS
from tests.conftest import BECAUSE, OVERRIDE, Place, Ran

Cli = Callable[..., Ran]
SAMPLE = str(Path(__file__).resolve().parents[2] / "sample_registry")
FORMATS = ("text", "json", "markdown", "html")
HOSTILE = (
    "<script>alert(1)</script> | a \\| `b` ``` **c** _d_ [e](https://e.example) ![f](g) <https://h.example> "
    "www.i.example https://j.example @alice #12 &amp; &lt; ]]> --> '\" =1+1 \x1b[31m \x07 \u202e \r\n# k\n- l\n=cmd"
)


@pytest.fixture
def story(place: Place) -> Place:
    """Three activations, of which one was rolled back and one denied, within ten days."""
    place.serve("m@1.0.0")
    place.clock.pass_by(days=7)
    place.serve("m@2.0.0")
    place.clock.pass_by(hours=3)
    place.registry.rollback("m", reason="too slow")
    place.clock.pass_by(days=3)
    place.register("n@1.0.0")
    place.registry.evaluate("n@1.0.0", [str(place.inferences())])
    assert not place.registry.activate("n@1.0.0").allowed
    return place


def reported(ran: Ran, code: int = 0) -> dict[str, Any]:
    assert ran.code == code, ran
    found: dict[str, Any] = json.loads(ran.out)
    assert (found["schema_version"], found["kind"]) == (1, "report")
    return found


class Page(HTMLParser):
    """What a browser makes of a page: its elements, their attributes, and the text of its table cells."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.cells: list[str] = []
        self.headings: list[str] = []
        self.metas: list[dict[str, str | None]] = []
        self.within = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.within = tag
        if tag == "td":
            self.cells.append("")
        if tag == "meta":
            self.metas.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        self.within = ""

    def handle_data(self, data: str) -> None:
        if self.within == "td":
            self.cells[-1] += data
        if self.within == "h2":
            self.headings.append(data)


def test_the_json_has_what_the_log_says_and_each_figure_its_n(story: Place, cli: Cli) -> None:
    found = reported(cli("audit", "report", "-o", "json"))
    figures = {name: (one["value"], one["n"]) for name, one in found["figures"].items()}
    assert figures["time_to_restore"] == (3.0003, 1)
    assert figures["failed_deployments"] == (0.5, 2)
    assert figures["unplanned_downgrades"] == (0, 2)
    assert figures["overrides_reviewed"] == (0.0, 2)
    assert figures["deprecation_to_retirement"] == (None, 0)
    assert [(one["ref"], one["began_before"]) for one in found["in_service"]] == [
        ("m@1.0.0", False),
        ("m@1.0.0", False),
        ("m@2.0.0", False),
    ]
    assert [(one["ref"], one["left"], one["reason"]) for one in found["rollbacks"]] == [
        ("m@1.0.0", "2.0.0", "too slow")
    ]
    assert [(one["ref"], one["action"], one["rules"]) for one in found["denied"]] == [
        ("n@1.0.0", "deployment.denied", ["tested-first"])
    ]
    assert [(one["ref"], one["verdict"], one["samples"]) for one in found["evaluations"]] == [("n@1.0.0", "passed", 60)]
    assert found["counts"]["action"]["override.used"] == 2
    assert found["counts"]["actor"] == {"alice@example.com": found["entries"]}
    assert found["integrity"] == {
        "outcome": "ok",
        "anchor": "self-consistent, not anchored",
        "entries": found["entries"],
        "segments": 1,
        "heads": found["integrity"]["heads"],
        "vouchers": [],
        "findings": 0,
        "begins": "2026-03-01T12:00:01.000000Z",
        "is_whole": True,
        "unread": None,
    }
    assert found["framework"] is None


def test_costs_are_those_of_the_version_files_and_may_not_be_measured(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0", "n@1.0.0")
    priced = place.root.parent / "priced.jsonl"
    priced.write_text('{"ts":"2026-03-01T10:00:00Z","success":true,"latency_ms":1,"cost":0.0025}\n' * 60)
    place.registry.evaluate("m@1.0.0", [str(priced)])
    found = reported(cli("audit", "report", "-o", "json"))["costs"]
    assert [(one["ref"], one["value"], one["currency"], one["n"]) for one in found] == [
        ("m@1.0.0", 0.0025, "USD", 60),
        ("n@1.0.0", None, "USD", 0),
    ]
    assert found[0]["evaluated_at"].startswith("2026-03-01T12:00:")
    text = cli("audit", "report").out
    assert re.search(r"n@1\.0\.0 +not measured +0", text)


def test_a_period_takes_part_of_the_log_and_no_more_than_there_is(story: Place, cli: Cli) -> None:
    begin, now = "2026-03-01T12:00:01.000000Z", story.clock.now
    whole = reported(cli("audit", "report", "-o", "json"))
    wide = reported(cli("audit", "report", "--since", "2020-01-01", "--until", "2030-01-01", "-o", "json"))
    assert (wide["since"], whole["since"]) == (begin, begin)
    assert wide["until"] < (now + timedelta(minutes=1)).isoformat()
    late = reported(cli("audit", "report", "--since", "2026-03-09", "-o", "json"))
    assert late["counts"]["action"] == {"deployment.denied": 1, "evaluation.completed": 1, "version.registered": 1}
    assert [(one["ref"], one["began_before"], one["until"]) for one in late["in_service"]] == [("m@1.0.0", True, None)]
    early = reported(cli("audit", "report", "--until", "2026-02-01", "-o", "json"))
    assert (early["entries"], early["in_service"]) == (0, [])


def test_a_report_of_a_model_leaves_the_others_out(story: Place, cli: Cli) -> None:
    found = reported(cli("audit", "report", "--model", "n", "-o", "json"))
    assert (found["model"], found["counts"]["model"], found["rollbacks"]) == ("n", {"n": 3}, [])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--framework", "soc3"], 2),
        (["--since", "soon"], 2),
        (["--since", "2026-03-02", "--until", "2026-03-01"], 2),
        (["--since", "2030-01-01"], 2),
        (["--model", "a b"], 2),
        (["--model", "unknown"], 4),
        (["--against", "unknown"], 4),
        (["-o", "csv"], 2),
        (["-o", "html", "--fields", "entries"], 2),
    ],
)
def test_what_cannot_be_reported_is_refused(story: Place, cli: Cli, words: list[str], code: int) -> None:
    ran = cli("audit", "report", *words)
    assert (ran.code, ran.out) == (code, "")
    assert ran.err


@pytest.mark.parametrize("words", [["--since", "2030-01-01"], ["--since", "2026-03-02", "--until", "2026-03-02"]])
def test_a_period_without_a_moment_in_it_says_what_to_give(story: Place, cli: Cli, words: list[str]) -> None:
    assert "hint: give a --since before --until, and before now" in cli("audit", "report", *words).err


def test_fields_choose_parts_of_the_report(story: Place, cli: Cli) -> None:
    ran = cli("audit", "report", "-o", "json", "--fields", "entries,figures.rollbacks.n")
    assert json.loads(ran.out) == {"schema_version": 1, "kind": "report", "entries": 9, "figures.rollbacks.n": 3}


@pytest.mark.parametrize("output", FORMATS)
def test_a_report_of_drift_is_given_says_so_first_and_exits_6(story: Place, cli: Cli, output: str) -> None:
    story.path("m@1.0.0").write_text(story.path("m@1.0.0").read_text() + "# changed\n")
    ran = cli("audit", "report", "-o", output)
    assert (ran.code, ran.err) == (6, "")
    if output == "json":
        assert reported(ran, 6)["integrity"]["outcome"] == "drift"
    else:
        warning = ran.out.index("is not what it was")
        assert warning < ran.out.index("drift") < ran.out.index("Effects by action")


@pytest.mark.parametrize("output", FORMATS)
def test_a_log_that_cannot_be_read_further_is_reported_up_to_there(story: Place, cli: Cli, output: str) -> None:
    (segment,) = (story.root / "audit").rglob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join([*lines[:5], b"<<<<<<< HEAD\n", *lines[5:]]))
    ran = cli("audit", "report", "-o", output)
    assert (ran.code, ran.err) == (6, "")
    assert "conflict marker" in ran.out
    if output == "json":
        found = reported(ran, 6)
        assert (found["entries"], found["integrity"]["outcome"]) == (5, "tampered")
        assert ":6: a conflict marker of git" in found["integrity"]["unread"]


def test_a_changed_entry_is_reported_as_it_stands_in_a_log_said_to_be_tampered(story: Place, cli: Cli) -> None:
    (segment,) = (story.root / "audit").rglob("*.jsonl")
    segment.write_bytes(segment.read_bytes().replace(b'"id":"alice@example.com"', b'"id":"mallory@example.org"', 1))
    found = reported(cli("audit", "report", "-o", "json"), 6)
    assert (found["integrity"]["outcome"], found["counts"]["actor"]["mallory@example.org"]) == ("tampered", 1)


def test_a_log_whose_first_entries_are_gone_says_so(story: Place, cli: Cli) -> None:
    (segment,) = (story.root / "audit").rglob("*.jsonl")
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[4:]))
    found = reported(cli("audit", "report", "-o", "json"), 6)
    assert (found["integrity"]["is_whole"], found["entries"]) == (False, 5)
    assert [(one["ref"], one["since"]) for one in found["in_service"]][-1] == ("m@2.0.0", found["since"])
    assert "Entries before 2026-03-08" in cli("audit", "report").out


def test_an_anchor_is_named_in_the_statement_of_integrity(story: Place, cli: Cli) -> None:
    assert cli("audit", "checkpoint").code == 0
    (note,) = (story.root / "audit" / "checkpoints").glob("*.note")
    found = reported(cli("audit", "report", "--against", note.name, "-o", "json"))
    assert note.name in found["integrity"]["anchor"]


@pytest.mark.parametrize("output", FORMATS)
@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_page_has_every_record_and_claims_nothing(story: Place, cli: Cli, name: str, output: str) -> None:
    ran = cli("audit", "report", "--framework", name, "-o", output)
    assert ran.code == 0
    shown = MarkdownIt().enable("table").render(ran.out) if output == "markdown" else ran.out
    assert "no claim of compliance" in shown
    for one in FRAMEWORKS[name].records:
        assert one.id in shown
    if output == "json":
        records = json.loads(ran.out)["framework"]["records"]
        assert records == [one._asdict() | {"sections": list(one.sections)} for one in FRAMEWORKS[name].records]
    else:
        assert shown.count("cannot serve it") == sum(not one.sections for one in FRAMEWORKS[name].records)


@pytest.fixture
def hostile(place: Place) -> Place:
    """A log with a text in each free field that would like to be more than text."""
    mallory = Actor(HOSTILE, "user", "test")
    place.register("m@1.0.0", extra=f"[configuration]\nnote = {json.dumps(HOSTILE)}\n")
    assert place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE + HOSTILE, actor=mallory).changed
    place.register("m@2.0.0")
    assert not place.registry.activate("m@2.0.0", reason=HOSTILE, actor=mallory).allowed
    return place


@pytest.mark.parametrize("output", ["text", "markdown", "html"])
def test_untrusted_text_has_no_control_characters_and_no_lines_of_its_own(
    hostile: Place, cli: Cli, output: str
) -> None:
    out = cli("audit", "report", "-o", output).out
    assert all(line.isprintable() for line in out.split("\n"))
    assert not re.search(r"^\s*(# k|- l|=cmd)", out, re.MULTILINE)


def test_untrusted_text_is_no_markup_in_html(hostile: Place, cli: Cli) -> None:
    page = Page(cli("audit", "report", "--framework", "soc2", "-o", "html").out)
    assert page.tags <= {
        *("html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "p", "div"),
        *("table", "thead", "tbody", "tr", "th", "td"),
    }
    assert page.attributes <= {
        *("lang", "charset", "http-equiv", "content", "name", "class", "id", "role", "aria-labelledby", "tabindex"),
        "scope",
    }
    assert sum("<script>alert(1)</script>" in cell for cell in page.cells) == 6


def test_the_page_loads_nothing_and_forbids_to(story: Place, cli: Cli) -> None:
    out = cli("audit", "report", "-o", "html").out
    (policy,) = (one["content"] for one in Page(out).metas if one.get("http-equiv"))
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert not re.search(r"https?:|url\(|@import|src=|href=|javascript", out)
    assert out.index("Content-Security-Policy") < out.index("<style>")


def test_untrusted_text_is_no_markup_in_markdown(hostile: Place, cli: Cli) -> None:
    out = cli("audit", "report", "-o", "markdown").out
    rendered = MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(out)
    page = Page(rendered)
    assert page.tags <= {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "code"}
    assert rendered.count("&lt;script&gt;alert(1)&lt;/script&gt;") == 6
    assert "www." not in out
    assert "://" not in out


def test_every_row_of_markdown_has_the_cells_of_its_header(hostile: Place, cli: Cli) -> None:
    out = cli("audit", "report", "-o", "markdown", "--framework", "nist-ai-rmf").out
    for table in re.findall(r"(?:^\|.*\n)+", out, re.MULTILINE):
        rows = table.splitlines()
        assert {row.count("|") for row in rows} == {rows[0].count("|")}


def test_the_three_pages_have_the_same_sections(story: Place, cli: Cli) -> None:
    said = {output: cli("audit", "report", "-o", output).out for output in ("text", "markdown", "html")}
    headings = re.findall(r"^## (.*)$", said["markdown"], re.MULTILINE)
    assert headings == Page(said["html"]).headings
    assert headings == re.findall(r"^(\w.*)$", said["text"], re.MULTILINE)[1:]
    assert headings[:2] == ["Integrity of the log", "Figures"]
    assert len(set(headings)) == len(headings) == 14


def test_a_figure_that_was_not_measured_is_never_zero(place: Place, cli: Cli) -> None:
    text = cli("audit", "report").out
    figures = text.partition("Figures\n")[2].partition("\n\n")[0].splitlines()[1:]
    assert len(figures) == 13
    assert all(re.fullmatch(r".* not measured +0", line) for line in figures)


def test_colours_are_there_only_when_asked_for_and_change_no_text(story: Place, cli: Cli) -> None:
    words = ("audit", "report", "--until", "2026-03-10")
    plain, coloured = cli(*words).out, cli(*words, "--color", "always").out
    assert "\x1b" not in plain
    assert "\x1b[38;5;28mok\x1b[0m" in coloured
    assert re.sub(r"\x1b\[[\d;]+m", "", coloured) == plain


def test_a_report_writes_nothing(story: Place, cli: Cli) -> None:
    before = story.files()
    assert cli("audit", "report", "--framework", "soc2").code == 0
    assert story.files() == before


@pytest.mark.parametrize("output", FORMATS)
def test_the_sample_is_reported_by_the_installed_command(helix: Cli, output: str) -> None:
    words = ("--since", "2026-06-01", "--until", "2026-11-20", "--framework", "eu-ai-act")
    ran = helix("audit", "report", "-C", SAMPLE, *words, "-o", output)
    assert (ran.code, ran.err) == (0, "")
    for told in ("gpt-4o", "measured by the vendor first", "ben", "Art. 26(6)", "not anchored"):
        assert told in ran.out
    if output == "json":
        found = reported(ran)
        counts, figures = found["counts"]["action"], found["figures"]
        assert (found["entries"], counts["version.activated"], counts["override.used"]) == (24, 2, 1)
        assert figures["deployments"] == {"value": 0.0814, "unit": "per week", "n": 2}
        assert [one["ref"] for one in found["overrides"]] == ["gpt-5.6-sol@2026.7.9"]
