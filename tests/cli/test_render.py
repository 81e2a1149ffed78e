from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helixctl.cli.render import formats, text
from helixctl.cli.render.cells import cell, csv_line, csv_text, flattened
from helixctl.cli.render.paint import NARROW, OUTCOME, STATUS, Screen, columns, paint, safe, width, wrapped
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("Zoë → \U0001f600 [bold]x[/bold]", "Zoë → \U0001f600 [bold]x[/bold]"),
        ("a\x1b[31mb", "a\\x1b[31mb"),
        ("a\nb\tc\rd\x00e\x07f\x7fg", "a\\nb\\tc\\rd\\x00e\\x07f\\x7fg"),
        ("\x80\x85\x9b31m\x9f", "\\x80\\x85\\x9b31m\\x9f"),
        ("\u202aa\u202eb\u2066c\u2069d\u200ee\u200f", "\\u202aa\\u202eb\\u2066c\\u2069d\\u200ee\\u200f"),
        ("\u2028\u2029\ufeff\u200b\u2060", "\\u2028\\u2029\\ufeff\\u200b\\u2060"),
        ("\ud800\udcff", "\\ud800\\udcff"),
    ],
    ids=ascii,
)
def test_what_a_terminal_would_obey_is_spelt_out(raw: str, shown: str) -> None:
    assert safe(raw) == shown


@given(st.text(st.characters(), max_size=40))
def test_no_character_reaches_a_terminal_that_moves_paints_or_reverses(raw: str) -> None:
    shown = safe(raw)
    assert not [letter for letter in shown if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [letter for letter in shown if unicodedata.bidirectional(letter) in BIDI]
    assert safe(shown) == shown
    shown.encode()


BIDI = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
CELLS = st.text(max_size=30)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=5))
def test_a_table_holds_every_value_whole(rows: list[tuple[str, str]]) -> None:
    table = columns(["ONE", "TWO"], [[(one, None), (two, "red")] for one, two in rows])
    lines = table.split("\n")
    assert len(lines) == len(rows) + 2
    start = max([3, *(width(safe(one)) for one, _ in rows)]) + 2
    for line, (one, two) in zip(lines[1:], rows, strict=False):
        assert line == (safe(one) + " " * (start - width(safe(one))) + safe(two)).rstrip()


def test_a_column_is_as_wide_as_its_widest_value_in_cells_of_the_terminal() -> None:
    rows: list[list[tuple[str, str | None]]] = [[("日本", None), ("x", None)], [("abcdefgh", None), ("y", None)]]
    assert columns(["A", "B"], rows) == "A         B\n日本      x\nabcdefgh  y\n"


def test_a_header_is_made_safe_as_the_cells_are() -> None:
    assert columns(["\x1b[31m"], []) == "\\x1b[31m\n"


def test_colour_surrounds_a_cell_and_never_its_padding() -> None:
    rows: list[list[tuple[str, str | None]]] = [[("ok", "green"), ("x", None)]]
    table = columns(["STATUS", "B"], rows, Screen(True))
    assert table.splitlines()[1] == f"{paint('ok', 'green', on=True)}      x"
    assert re.sub(r"\x1b\[[\d;]+m", "", table) == columns(["STATUS", "B"], rows)


@pytest.mark.parametrize(
    ("words", "colour", "on", "shown"),
    [
        ("x", "red", True, "\x1b[38;5;160mx\x1b[0m"),
        ("x", "bold", True, "\x1b[1mx\x1b[0m"),
        ("x", "red", False, "x"),
        ("x", None, True, "x"),
        ("", "red", True, ""),
    ],
)
def test_paint_is_applied_where_colours_are_on(words: str, colour: str | None, on: bool, shown: str) -> None:
    assert paint(words, colour, on=on) == shown


def finding(
    rule: str, outcome: str, message: str, enforcement: str = "overridable", fix: str | None = None
) -> dict[str, object]:
    return {"rule": rule, "enforcement": enforcement, "outcome": outcome, "message": message, "fix": fix}


def test_a_denial_reads_reason_by_reason_with_what_to_do() -> None:
    findings = [
        finding("tested-first", "pass", "in testing"),
        finding("cost-cap", "fail", "a request of 1000+500 tokens costs 0.12 USD, limit 0.10 (over by 0.02)"),
        finding("blocked", "fail", "blocked since today", "mandatory", "helixctl unblock m@2.1.0"),
        finding("evaluation", "inconclusive", "was never evaluated", fix="helixctl evaluate m@2.1.0"),
        finding("end-of-life", "fail", "only 5 days", "advisory"),
        finding("not-deprecated", "overridden", "is deprecated"),
        finding("other", "not_applicable", "nothing to compare with"),
    ]
    payload = {
        "kind": "check",
        "action": "activate",
        "ref": "m@2.1.0",
        "decision": {"allowed": False, "findings": findings, "policies": []},
    }
    assert text.rendered(payload) == (
        "DENIED  activate m@2.1.0  (3 of 7 rules block it)\n"
        "  x cost-cap        a request of 1000+500 tokens costs 0.12 USD, limit 0.10 (over by 0.02)  [can be overridden]\n"
        "  x blocked         blocked since today\n"
        "                    fix: helixctl unblock m@2.1.0\n"
        "  ? evaluation      was never evaluated  [can be overridden]\n"
        "                    fix: helixctl evaluate m@2.1.0\n"
        "  x end-of-life     only 5 days  [advisory]\n"
        "  ! not-deprecated  is deprecated  [overridden]\n"
        "  ok tested-first, other\n"
    )


def test_an_allowed_check_says_so_in_one_word() -> None:
    payload = {
        "kind": "check",
        "action": "activate",
        "ref": "m@2.1.0",
        "decision": {
            "allowed": True,
            "findings": [finding("blocked", "pass", "not blocked", "mandatory")],
            "policies": [],
        },
    }
    assert text.rendered(payload) == "ALLOWED  activate m@2.1.0\n  ok blocked\n"


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "status",
        "show m@active",
        "history m",
        "audit log",
        "verify",
        "check m@latest",
        "activate m@latest",
        "evaluate m@latest",
        "sweep",
        "block m@latest",
        "record m@latest --latency-ms 5",
    ],
)
def test_text_without_colours_is_text_with_colours_but_for_the_colours(place: Place, cli: Cli, words: str) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    dry = (
        []
        if words.split(maxsplit=1)[0] in ("list", "status", "show", "history", "audit", "verify", "check")
        else ["--dry-run"]
    )
    dry += ["--as-of", "2026-03-02"] if words == "sweep" else []
    painted, plain = (
        re.sub(r"\(now\)|\((in )?\d+ seconds( ago)?\)", "", cli(*words.split(), *dry, "--color", when).out)
        for when in ("always", "never")
    )
    assert plain
    assert "\x1b" not in plain
    assert re.sub(r"\x1b\[[\d;]+m", "", painted) == plain


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("list", "no versions yet; helixctl register adds one\n"),
        ("status", "no models yet; helixctl register adds one\n"),
        ("audit log --action version.retired", "no entries\n"),
        ("sweep", "nothing is due as of "),
    ],
)
def test_nothing_to_show_is_said_in_a_sentence(place: Place, cli: Cli, words: str, shown: str) -> None:
    ran = cli(*words.split())
    assert ran.code == 0
    assert ran.out.startswith(shown)


def test_digests_and_versions_are_printed_whole(place: Place, cli: Cli) -> None:
    version = "0.10.10-rc.1+build.20260301.abcdef0123456789"
    place.register(f"{'a' * 60}/{'b' * 60}/{'c' * 60}@{version}", extra=f'[artifact]\nsha256 = "{"ab" * 32}"\n')
    model = f"{'a' * 60}/{'b' * 60}/{'c' * 60}"
    assert f"{model}  {version}" in cli("list").out
    assert "ab" * 32 in cli("show", f"{model}@{version}").out


def test_csv_has_a_column_for_each_field_that_any_row_has() -> None:
    rows: list[dict[str, object]] = [{"a": 1, "b": {"c": "x"}}, {"a": None, "b": {"d": [1, 2]}}]
    assert csv_text(rows) == 'a,b.c,b.d\r\n1,x,\r\n,,"[1, 2]"\r\n'
    assert csv_line(['a"b', "c,d", "e\nf", ""]) == '"a""b","c,d","e\nf",\r\n'
    assert flattened({"a": {"b": {"c": 1}}, "d": []}) == {"a.b.c": 1, "d": []}


def test_a_joiner_of_emoji_or_letters_stays_in_a_cell() -> None:
    assert csv_text([{"a": "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e\u202e"}]).splitlines()[1] == (
        "\U0001f468\u200d\U0001f469 \u0645\u06cc\u200c\u062e\\u202e"
    )


def test_no_cell_and_no_name_of_a_column_is_a_formula_wherever_the_semicolon_parts_cells() -> None:
    assert csv_line(["a;=1+1", "b"]) == '"a;=1+1",b\r\n'
    assert csv_text([{"=1+1": 1, "\x1b[31m": 2}]) == "'=1+1,\\x1b[31m\r\n1,2\r\n"


def test_no_control_or_direction_sign_of_a_cell_of_csv_reaches_a_terminal() -> None:
    hostile = "a\x1b[31m\x9b31m\u202eb\rc\x07"
    assert csv_text([{"x": hostile, "y": [hostile]}, {"x": "1\r\n2\t3\n4 \u05d0\U0001f680", "y": None}]) == (
        r"x,y" + "\r\n"
        r'a\x1b[31m\x9b31m\u202eb\rc\x07,"[""a\u001b[31m\u009b31m\u202eb\rc\u0007""]"'
        "\r\n"
        '"1\r\n2\t3\n4 \u05d0\U0001f680",\r\n'
    )


def test_a_dry_record_says_what_it_would_do(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    one = ("record", "m@1.0.0", "--latency-ms", "5", "--dry-run")
    assert cli(*one).out == "would record 1 inference of m@1.0.0\n"
    assert json.loads(cli(*one, "-o", "json").out)["dry_run"] is True
    assert not (place.root / ".helix/inferences").exists()


def test_what_is_done_to_the_log_and_the_registry_is_told_as_that(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    assert cli("reconcile", "--keep", "m@1.0.0").out == "there is nothing to reconcile: unchanged\n"
    assert json.loads(cli("reconcile", "-o", "json").out)["ref"] is None
    assert cli("audit", "checkpoint", "--dry-run").out == "would checkpoint the log\n"
    assert cli("audit", "checkpoint").out.startswith("checkpoint the log\n  entry 3  ")
    assert cli("audit", "restore-archive", str(place.root)).out == "no segment is to be moved\n"
    with (place.root / "policies/default.toml").open("a") as policy:
        policy.write("# why\n")
    assert cli("reconcile", "--dry-run").out == "would record edits of policies\n"


def test_times_digests_and_rules_are_told_whole(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0")
    digest = hashlib.sha256((place.root / "policies/default.toml").read_bytes()).hexdigest()
    assert f"default  sha256 {digest}\n" in cli("policy", "list").out
    told = cli("override", "list").out.splitlines()
    assert told[0].split() == ["ENTRY", "AT", "ACTION", "VERSION", "RULES", "BY", "REASON"]
    assert re.search(
        r"  2026-03-01T12:\S+Z \(.+ ago\)  version.activated  m@1.0.0  tested-first, evaluation  ", told[1]
    )
    assert cli("evaluate", "m@1.0.0", "--from", "-", stdin=b'{"success":true,"latency_ms":9}\n' * 60).code == 0
    assert "    verdict: passed\n" in cli("history", "m@1.0.0").out
    assert cli("deprecate", "m@1.0.0", "--eol", "2026-09-01T18:00:00Z").code == 0
    place.clock.now = datetime(2026, 8, 31, 23, tzinfo=UTC)
    assert "2026-09-01 (in 19 hours)" in cli("list").out
    assert "    end of life: 2026-09-01T18:00:00Z\n" in cli("history", "m@1.0.0").out


def test_a_table_wider_than_the_screen_is_told_row_by_row_and_no_value_is_cut() -> None:
    table = columns(["NAME", "KIND", ""], [[("a" * 30, None), ("b" * 40, "red"), ("", None)]], Screen(width=40))
    assert table == f"{'a' * 30}\n  KIND  {'b' * 40}\n"


def test_plain_output_is_a_line_a_row_its_fields_between_tabs(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    assert cli("list", "-o", "plain").out == "m\t1.0.0\tactive\tin-house\t\t\nm\t2.0.0\tinactive\tin-house\t\t\n"
    assert cli("list", "-o", "plain", "--fields", "version,cost.input_per_mtok").out == "1.0.0\t1.0\n2.0.0\t1.0\n"
    rows = [line.split("\t") for line in cli("audit", "log", "-o", "plain").out.splitlines()]
    assert [row[3] for row in rows][:2] == ["version.registered", "version.activated"]
    assert {len(row) for row in rows} == {8}


def test_times_are_told_relative_to_now_too_and_in_json_as_they_are(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0", extra="[availability]\nend_of_life = 2026-06-01\n")
    place.clock.pass_by(days=3)
    shown = cli("show", "m@1.0.0")
    assert re.search(r"registered_at +2026-03-01T12:00:\d\dZ \(3 days ago\)", shown.out)
    assert "2026-06-01 (in 3 months)" in cli("list").out
    assert "ago" not in cli("show", "m@1.0.0", "-o", "json").out


def test_a_long_line_goes_on_below_its_message_and_what_is_to_be_typed_stays_whole() -> None:
    text = (
        "DENIED  activate m@1.0.0  (1 of 2 rules block it)\n"
        "  \x1b[31mx\x1b[0m cost-cap  a request costs too much, and this is why\n"
        "              fix: helixctl update m@1.0.0 --set cost.tier=economy\n"
        "  ok a, b, c\n"
    )
    assert wrapped(text, 40) == (
        "DENIED  activate m@1.0.0  (1 of 2 rules\n        block it)\n"
        "  \x1b[31mx\x1b[0m cost-cap  a request costs too much,\n"
        "              and this is why\n"
        "              fix: helixctl update m@1.0.0 --set cost.tier=economy\n"
        "  ok a, b, c\n"
    )
    assert wrapped(text, 200) == text
    assert wrapped("x" * 90 + "\n", 40) == "x" * 90 + "\n"


@pytest.mark.parametrize("wraps", [True, False])
def test_text_that_goes_elsewhere_keeps_its_lines(wraps: bool) -> None:
    rows = [finding("r", "fail", "words " * 30)]
    payload = {"kind": "check", "action": "activate", "ref": "m@1", "decision": {"allowed": False, "findings": rows}}
    told = formats.rendered(payload, "text", None, formats.Look(screen=Screen(False, 60), wraps=wraps))
    assert (max(map(len, told.splitlines())) <= 60) is wraps


def test_the_signs_of_pictures_are_measured_without_a_library_and_as_one_measures_them() -> None:
    from rich.cells import cell_len

    signs = [chr(code) for code in (*range(32, 127), 0x2039, 0x203A, *range(0x2500, 0x25D0))]
    assert [sign for sign in signs if not NARROW.fullmatch(sign) or cell_len(sign) != 1] == []
    assert NARROW.fullmatch("漢") is None
    assert width("漢") == 2


def test_a_list_is_shown_by_commas_and_folds_on_a_terminal_below_itself(place: Place, cli: Cli) -> None:
    tags = ", ".join(f'"tag-{number}"' for number in range(1000))
    spec = f'schema = 1\nmodel = "n"\nversion = "1.0.0"\nprovider = "x"\ntags = [{tags}, "\U0001f525"]\n'
    place.registry.register(spec.encode())
    line = next(line for line in cli("show", "n@1.0.0").out.splitlines() if line.startswith("  tags"))
    assert line.endswith("tag-0, tag-1, " + line.partition("tag-1, ")[2])
    assert line.endswith("tag-999, \U0001f525")
    folded = wrapped(line + "\n", 60).splitlines()
    assert max(map(len, folded)) <= 60
    assert {len(one) - len(one.lstrip()) for one in folded[1:]} == {line.index("tag-0")}
    assert " ".join(one.strip() for one in folded).split() == line.split()


@pytest.mark.parametrize("words", ["list", "show m@1.0.0", "audit log --model m"])
def test_a_reference_is_a_field_too(place: Place, cli: Cli, words: str) -> None:
    place.register("m@1.0.0")
    assert cli(*words.split(), "--fields", "ref").out == "REF\nm@1.0.0\n"
    assert "ref" not in cli(*words.split(), "-o", "json").out


def luminance(number: int) -> float:
    """Return the relative luminance of one of the 256 colours (WCAG 2.2)."""
    steps = (0, 95, 135, 175, 215, 255)
    at = number - 16
    rgb = (8 + 10 * (number - 232),) * 3 if number >= 232 else (steps[at // 36], steps[at // 6 % 6], steps[at % 6])
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in rgb]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("colour", sorted({*STATUS.values(), *OUTCOME.values(), "blue", "grey", "cyan"}))
def test_a_colour_can_be_read_on_black_and_on_white(colour: str) -> None:
    found = re.fullmatch(r"\x1b\[38;5;(\d+)mx\x1b\[0m", paint("x", colour, on=True))
    assert found
    light = luminance(int(found[1]))
    assert min(1.05 / (light + 0.05), (light + 0.05) / 0.05) > 3.8


@pytest.mark.parametrize("wide", ["20", "80", "200"])
def test_no_width_cuts_a_long_or_a_foreign_name(place: Place, cli: Cli, wide: str) -> None:
    model, version, name = (
        "/".join("abc"[at] * 66 for at in range(3)),
        "1.0.0-" + "x" * 194,
        "\u05e9\u05dc\u05d5\u05dd \U0001f525 \u65e5\u672c",
    )
    place.serve(f"{model}@{version}")
    place.register(f"{model}@2.0.0", extra=f'[configuration]\nname = "{name}"\n')
    shown = {
        **dict.fromkeys(("list", "status", "override list", f"history {model}"), (model, version)),
        f"diff {model}@active {model}@2.0.0": (model, version, name),
        f"check {model}@{version} --for retire": (model, version),
        f"show {model}@2.0.0": (model, name),
        "audit log": (model, version),
        "policy list": ("not_deprecated",),
    }
    for words, values in shown.items():
        ran = cli(*words.split(), COLUMNS=wide)
        assert ran.code in (0, 3)
        assert not [value for value in values if value not in ran.out]


def test_a_list_in_a_cell_is_json_without_a_sign_that_moves_or_reverses_text() -> None:
    tags = ["a\u009bb", "x\u202ey", "gr\u00fcn"]
    assert cell(tags[2:]) == '["gr\u00fcn"]'
    assert cell(tags).isprintable()
    assert json.loads(cell(tags)) == tags
