from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest

from helixctl.cli.render import text
from helixctl.cli.render.paint import Screen, width
from helixctl.cli.render.pictures import Span, bar, drawn
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
USUAL = [f'{{"success":true,"latency_ms":{200 + i * 7 % 900},"confidence":0.8,"cost":0.001}}\n' for i in range(300)]
FAILED = '{"success":false,"latency_ms":null,"error":"429 too many requests"}\n'
CASES = {
    "passed": "".join(USUAL),
    "failed": "".join(USUAL[:100]) + FAILED * 40,
    "slow": "".join(USUAL).replace('_ms":', '_ms":9'),
    "few": "".join(USUAL[:7]),
    "one": USUAL[0],
    "failures": FAILED * 70,
    "nothing": "",
}
WIDTHS = (60, 80, 200)


@pytest.mark.parametrize("wide", WIDTHS)
@pytest.mark.parametrize("case", CASES)
def test_an_evaluation_fits_the_screen_and_shows_every_threshold(place: Place, cli: Cli, case: str, wide: int) -> None:
    place.register("m@1.0.0")
    told = json.loads(cli("evaluate", "m@1.0.0", "--from", "-", "-o", "json", stdin=CASES[case].encode()).out)
    for blocks in (True, False):
        shown = text.rendered(told, screen=Screen(width=wide, blocks=blocks))
        assert blocks or shown.isascii()
        assert [line for line in shown.splitlines() if width(line) > wide and "entry" not in line] == []
        assert shown.startswith(f"{told['verdict'].upper()}  m@1.0.0  on {told['samples']} sample")
        for one in told["thresholds"]:
            state = "proven" if one["proven"] else one["outcome"].replace("_", " ")
            assert re.search(rf"^  {one['name']} .* {state}$", shown, re.MULTILINE)
        advice = " ".join(shown.split())
        assert all(" ".join(one.split()) in advice for one in told["recommendations"])


@pytest.mark.parametrize("wide", WIDTHS)
def test_a_comparison_fits_the_screen_and_names_the_level_of_its_intervals(place: Place, cli: Cli, wide: int) -> None:
    for ref in ("m@1.0.0", "m@2.0.0"):
        place.register(ref)
    for name, raw in CASES.items():
        (place.root / name).write_text(raw)
    for new in CASES:
        sides = ("--from", str(place.root / new), "--baseline-from", str(place.root / "passed"))
        told = json.loads(cli("compare", "m@2.0.0", "m@1.0.0", *sides, "--look", "2/4", "-o", "json").out)
        shown = text.rendered(told, screen=Screen(width=wide))
        commands = re.compile(r" +`helixctl [^`]*`")  # each stands on a line, to be copied
        assert [one for one in shown.splitlines() if width(one) > wide and not commands.fullmatch(one)] == []
        assert ("98.75% INTERVAL" in shown) == (wide == 200)
        assert "  look 2 of 4\n" in shown
        for one in told["deltas"]:
            assert re.search(rf"^  {one['metric']} .* {one['verdict']}$", shown, re.MULTILINE)


def test_on_a_very_narrow_screen_each_row_stands_as_a_block_with_all_that_it_has(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    for name, raw in CASES.items():
        (place.root / name).write_text(raw)
    sides = ("--from", str(place.root / "slow"), "--baseline-from", str(place.root / "passed"))
    told = json.loads(cli("compare", "m@2.0.0", "m@1.0.0", *sides, "-o", "json").out)
    shown = text.rendered(told, screen=Screen(width=20))
    for one in told["deltas"]:
        assert f"\n  {one['metric']}\n    BASELINE      " in shown
    assert shown.count("95% INTERVAL  ") == len(told["deltas"])
    told = json.loads(cli("evaluate", "m@2.0.0", "--from", str(place.root / "passed"), "-o", "json").out)
    shown = text.rendered(told, screen=Screen(width=20))
    assert re.search(r"^  p95_latency_ms\n +VALUE +\d+\n +95% BOUNDS  ", shown, re.MULTILINE)


def test_a_command_in_advice_stands_on_one_line(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    told = json.loads(cli("evaluate", "m@1.0.0", "--from", "-", "-o", "json", stdin=FAILED.encode() * 70).out)
    shown = text.rendered(told, screen=Screen(width=60))
    commands = {command for advice in told["recommendations"] for command in re.findall("`[^`]*`", advice)}
    assert commands
    assert all(command in shown for command in commands)


@pytest.mark.parametrize(
    ("encoding", "columns", "is_ascii"), [("utf-8", "60", False), ("ascii", "60", True), ("latin-1", "x", True)]
)
def test_a_stream_that_shows_no_blocks_gets_ascii(
    place: Place, helix: Callable[..., Ran], encoding: str, columns: str, is_ascii: bool
) -> None:
    place.register("m@1.0.0")
    where = {"HELIX_REGISTRY": str(place.root), "PYTHONIOENCODING": encoding, "COLUMNS": columns}
    ran = helix("evaluate", "m@1.0.0", "--from", "-", stdin=CASES["passed"].encode(), **where)
    assert ran.out.isascii() == is_ascii
    assert "\\u" not in ran.out
    assert "\x1b" not in ran.out


@pytest.mark.parametrize("columns", ["0", "-1", "99999", "", "wide"])
def test_a_width_that_is_none_is_not_taken(place: Place, cli: Cli, columns: str) -> None:
    place.register("m@1.0.0")
    shown = [
        cli("evaluate", "m@1.0.0", "--dry-run", "--from", "-", stdin=CASES["few"].encode(), COLUMNS=wide).out
        for wide in ("", columns)
    ]
    assert shown[0] == shown[1]


@pytest.mark.parametrize(
    ("span", "picture"),
    [
        (Span(2, 4, 6), "  ├─●─┤  ┃"),
        (Span(None, 4, 6), "‹───●─┤  ┃"),
        (Span(2, 4, None), "  ├─●────›"),
        (Span(2, 4, 40), "  ├─●────›"),
        (Span(20, 30, 40), "         ›"),
        (Span(-9, -8, -7), "‹        ┃"),
        (Span(4, 4, 4), "    ●    ┃"),
        (Span(9, 9, 9), "         ●"),
        (None, "         ┃"),
    ],
)
def test_bounds_are_drawn_against_a_limit(span: Span | None, picture: str) -> None:
    assert drawn(span, (0, 9), [9], 10) == picture
    assert drawn(span, (0, 9), [9], 10, blocks=False).isascii()


@pytest.mark.parametrize(
    ("share", "blocks", "picture"),
    [
        (0, True, ""),
        (1e-9, True, "▏"),
        (0.5, True, "████"),
        (0.55, True, "████▍"),
        (1, True, "████████"),
        (1e-9, False, "#"),
    ],
)
def test_a_bar_shows_the_smallest_share(share: float, blocks: bool, picture: str) -> None:
    assert bar(share, 8, blocks=blocks) == picture


def test_csv_has_a_row_for_each_metric_and_threshold(place: Place, cli: Cli) -> None:
    for ref in ("m@1.0.0", "m@2.0.0"):
        place.register(ref)
    (place.root / "usual").write_text(CASES["passed"])
    words = ("m@2.0.0", "--from", "-", "--baseline", "1.0.0", "--baseline-from", str(place.root / "usual"))
    told = json.loads(cli("evaluate", *words, "-o", "json", stdin=CASES["failed"].encode()).out)
    ran = cli("evaluate", *words, "-o", "csv", stdin=CASES["failed"].encode())
    head, *rows = (line.split(",") for line in ran.out.splitlines())
    found = [dict(zip(head, row, strict=True)) for row in rows]
    own = {one["metric"]: one for one in found if not one["against"]}
    assert set(own) == {*told["metrics"], *(one["metric"] for one in told["thresholds"])}
    assert (own["error_rate"]["threshold"], own["error_rate"]["outcome"]) == ("max_error_rate", "violated")
    assert float(own["error_rate"]["high"]) == told["intervals"]["error_rate"][1]
    deltas = {one["metric"]: one for one in found if one["against"] == "m@1.0.0"}
    assert {name: one["verdict"] for name, one in deltas.items()} == {
        one["metric"]: one["verdict"] for one in told["comparison"]["deltas"]
    }
    chosen = cli("evaluate", *words, "-o", "csv", "--dry-run", "--fields", "metric,limit", stdin=b"")
    assert chosen.out.splitlines()[:2] == ["metric,limit", "error_rate,0.05"]
    assert cli("evaluate", *words, "-o", "csv", "--dry-run", "--fields", "metrc", stdin=b"").code == 2


def test_the_formats_of_ci_say_what_was_measured_what_is_worse_and_what_was_left_out(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    for name in ("passed", "slow"):
        (place.root / name).write_text(CASES[name].replace("{", '{"tag":"a",'))
    asked = ("evaluate", "m@2.0.0", "--from", str(place.root / "slow"), "--baseline", "active", "--dry-run")
    beside = (*asked, "--baseline-from", str(place.root / "passed"))
    told = cli(*beside, "-o", "junit").out
    assert "<system-out>error_rate is 0.0, limit 0.05</system-out>" in told
    assert "p_slower is worse than that of m@1.0.0: 1 against 0.5" in told
    assert "see `helixctl diff m@1.0.0 m@2.0.0`" in cli(*beside, "-o", "github").out
    nothing = cli(*asked[:4], "--where", "tag=b", "--dry-run", "-o", "markdown")
    assert f"on 0 samples, {len(USUAL)} left out" in nothing.out
    assert f"- 0 of {len(USUAL)} records match&#58; where tag=b" in nothing.out
