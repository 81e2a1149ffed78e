from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Place, Ran
from tests.endtoend.outside import everything, is_refusal, payload

Cli = Callable[..., Ran]
DELTA = {
    "higher_is_better",
    *("metric", "baseline", "candidate", "delta", "ci_low", "ci_high"),
    *("n_baseline", "n_candidate", "effect", "margin", "verdict"),
}


def files(place: Place) -> dict[str, Path]:
    line = '{{"ts":"2026-02-28T10:00:00Z","success":true,"latency_ms":{},"confidence":0.9,"cost":{}}}\n'
    found = {name: place.root.parent / f"{name}.jsonl" for name in ("usual", "slow", "cheap", "few")}
    usual = [line.format(100 + i % 50, 0.001) for i in range(1000)]
    found["usual"].write_text("".join(usual))
    found["few"].write_text("".join(usual[:40]))
    found["slow"].write_text(line.format(900, 0.001) * 400)
    found["cheap"].write_text("".join(line.format(100 + i % 50, 0.0005) for i in range(1000)))
    return found


@pytest.mark.parametrize(
    ("name", "code", "verdict"),
    [("cheap", 0, "better"), ("usual", 0, "equivalent"), ("slow", 3, "worse"), ("few", 7, "undecided")],
)
def test_a_comparison_has_the_promised_shape_and_exit_code_and_writes_nothing(
    full: Place, cli: Cli, name: str, code: int, verdict: str
) -> None:
    found = files(full)
    words = ("compare", "m@2.0.0", "m@active", "--from", str(found[name]), "--baseline-from", str(found["usual"]))
    before = everything(full.root)
    ran = cli(*words, "-o", "json")
    told = payload(ran)
    assert (ran.code, ran.err) == (code, "")
    assert (told["schema_version"], told["kind"], told["verdict"]) == (1, "comparison", verdict)
    assert (told["ref"], told["baseline"]) == ("m@2.0.0", "m@1.1.0")
    assert told["look"] == {"number": 1, "of": 1, "alpha": 0.05}
    assert bool(told["recommendations"]) == (code != 0)
    assert {frozenset(one) for one in told["deltas"]} == {frozenset(DELTA)}
    text = cli(*words)
    assert text.code == code
    assert text.out.splitlines()[0] == f"{verdict.upper()}  m@2.0.0  against m@1.1.0"
    for one, row in zip(told["deltas"], text.out.splitlines()[3:], strict=False):
        assert row.split()[0] == one["metric"]
        assert f"  {one['n_baseline']}, {one['n_candidate']}  " in row
        assert row.endswith(one["verdict"])
    assert all(f"  -> {advice}\n" in text.out for advice in told["recommendations"])
    assert everything(full.root) == before


def test_a_comparison_without_data_is_undecided_and_says_so(full: Place, cli: Cli) -> None:
    ran = cli("compare", "m@2.0.0", "m@active")
    assert ran.code == 7
    assert re.search(r"^  error_rate +- +- +- +- +- +0\.01 +0, 0 +│ +┃ +undecided$", ran.out, re.MULTILINE)


def test_the_comparison_that_an_evaluation_recommends_can_be_typed(full: Place, cli: Cli) -> None:
    slow = str(full.inferences(100, latency_ms=9000))
    advice = payload(cli("evaluate", "m@2.0.0", "--from", slow, "-o", "json"))["recommendations"]
    (typed,) = (words for text in advice for words in re.findall(r"`helixctl (compare [^`]*)`", text))
    usual = str(files(full)["usual"])
    ran = cli(*typed.split(), "--from", slow, "--baseline-from", usual, "-o", "json")
    told = payload(ran)
    assert (ran.code, told["ref"], told["baseline"], told["verdict"]) == (3, "m@2.0.0", "m@1.1.0", "worse")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, "compare m@2.0.0"),
        (2, "compare m m@active"),
        (2, "compare m@2.0.0 m@v1"),
        (2, "compare m@2.0.0 m@active --from - --baseline-from -"),
        (2, "compare m@2.0.0 m@active --from ."),
        (2, "compare m@2.0.0 m@2.0.0"),
        (2, "compare m@1.1.0 m@active"),
        (2, "compare m@2.0.0 m@2.0.0 --from recorded"),
        (2, "compare m@2.0.0 m@2.0.0 --from x.jsonl --baseline-from x.jsonl"),
        (2, "compare m@2.0.0 m@active --since 1d --until 2d"),
        (2, "evaluate m@2.0.0 --since 1d --until 2d"),
        (2, "evaluate m@2.0.0 --table inferences"),
        (2, "evaluate m@2.0.0 --connect duckdb://x.db --table inferences --engine python"),
        (2, "evaluate m@2.0.0 --where tag=a --where tag=b"),
        (2, "evaluate m@2.0.0 --since 2026-02-02 --until 2026-02-02"),
        (2, "compare m@2.0.0 m@active --look 5/4"),
        (2, "compare m@2.0.0 m@active --look 0/4"),
        (2, "compare m@2.0.0 m@active --look x/y"),
        (2, "compare m@2.0.0 m@active --margin error_rate"),
        (2, "compare m@2.0.0 m@active --margin error_rate=much"),
        (2, "compare m@2.0.0 m@active --margin error_rate=2"),
        (2, "compare m@2.0.0 m@active --margin latency=2"),
        (2, "compare m@2.0.0 m@active --margin score=nan"),
        (2, "evaluate m@2.0.0 --look 1/4"),
        (2, "evaluate m@2.0.0 --recheck --from x.jsonl"),
        (2, "evaluate m@2.0.0 --recheck --window 30d"),
        (2, "evaluate m@2.0.0 --recheck --baseline active"),
        (2, "evaluate m@2.0.0 --recheck --since 7d"),
        (2, "evaluate m@2.0.0 --recheck --where region=eu"),
        (2, "evaluate m@2.0.0 --recheck --dry-run"),
        (2, "evaluate m@2.0.0 --window 30d --from x.jsonl"),
        (2, "evaluate m@2.0.0 --window 30d --since 7d"),
        (2, "evaluate m@2.0.0 --window 30d --where region=eu"),
        (2, "evaluate m@2.0.0 --margin error_rate=0.1"),
        (2, "evaluate m@2.0.0 --baseline-from x.jsonl"),
        (2, "evaluate m@2.0.0 --baseline nothing"),
        (2, "evaluate m@2.0.0 --baseline active --look 5/4"),
        (4, "evaluate m@2.0.0 --baseline 9.0.0"),
        (4, "evaluate m@2.0.0 --baseline other@active"),
        (4, "evaluate m@2.0.0 --baseline active --baseline-from nowhere.jsonl"),
        (4, "compare m@9.0.0 m@active"),
        (4, "compare m@2.0.0 m@canary"),
        (4, "compare m@2.0.0 m@active --baseline-from nowhere.jsonl"),
    ],
)
def test_a_comparison_that_is_asked_wrongly_is_refused_and_changes_nothing(
    full: Place, cli: Cli, code: int, words: str
) -> None:
    before = everything(full.root)
    assert is_refusal(cli(*words.split()), code)
    assert everything(full.root) == before


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("compare other@", {"@1.0.0", "@active", "@canary", "@latest", "@previous"}),
        ("compare m@2.0.0 other@", {"@1.0.0", "@active", "@canary", "@latest", "@previous"}),
        ("compare m@2.0.0 m@active other@", set()),
        ("compare m@2.0.0 --baseline-from helix.t", {"helix.toml"}),
    ],
)
def test_bash_offers_versions_for_both_sides_of_a_comparison(full: Place, line: str, offered: set[str]) -> None:
    script = Path(__file__).parents[2] / "completions" / "helixctl.bash"
    run = (
        f'source {script}; COMP_LINE="helixctl {line}"; COMP_POINT=${{#COMP_LINE}}; _helixctl; echo "${{COMPREPLY[@]}}"'
    )
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", run], cwd=full.root, env={**os.environ, "PATH": path}, capture_output=True, text=True
    )
    assert (set(done.stdout.split()), done.stderr) == (offered, "")


def test_the_installed_command_compares_from_a_pipe(full: Place, helix: Callable[..., Ran]) -> None:
    found = files(full)
    ran = helix(
        *(
            "compare",
            "m@2.0.0",
            "m@active",
            "--from",
            "-",
            "--baseline-from",
            str(found["usual"]),
            "-C",
            str(full.root),
        ),
        stdin=found["slow"].read_bytes(),
    )
    assert (ran.code, ran.out.split()[0], ran.err) == (3, "WORSE", "")


def test_a_planned_look_and_margins_stand_in_the_answer(full: Place, cli: Cli) -> None:
    usual = str(files(full)["usual"])
    words = ("compare", "m@2.0.0", "m@active", "--from", usual, "--baseline-from", usual, "-o", "json")
    once, told = (payload(cli(*words, *more)) for more in ((), ("--look", "2/4", "--margin", "error_rate=0.5")))
    assert told["look"] == {"number": 2, "of": 4, "alpha": 0.0125}
    for one, other in zip(once["deltas"], told["deltas"], strict=True):
        assert other["ci_high"] - other["ci_low"] >= one["ci_high"] - one["ci_low"]
    assert told["deltas"][0]["margin"] == 0.5
    assert once["recommendations"] == []
    few = payload(cli(*words[:4], str(files(full)["few"]), *words[5:]))["recommendations"]
    assert any(one.endswith("`helixctl compare m@2.0.0 m@1.1.0 --from FILE --baseline-from FILE`") for one in few)
    asked = payload(cli(*words, "--margin", "scores.exact=0.1", "--margin", "p_slower=0.2"))
    assert (asked["verdict"], asked["deltas"][-1]["metric"]) == ("undecided", "scores.exact")


@pytest.mark.parametrize(
    ("name", "code", "compared"), [("cheap", 0, "better"), ("usual", 0, "equivalent"), ("slow", 3, "worse")]
)
def test_an_evaluation_beside_a_baseline_has_one_verdict_and_its_exit_code(
    full: Place, cli: Cli, name: str, code: int, compared: str
) -> None:
    found, verdict = files(full), "failed" if code else "passed"
    words = ("evaluate", "m@2.0.0", "--from", str(found[name]), "--baseline", "active", "-o", "json")
    twice = cli(*words, "--baseline-from", str(found[name]))
    assert (twice.code, "would be read as the inferences of both" in twice.err) == (2, True)
    before = full.root.parent / "before.jsonl"
    before.write_bytes(found["usual"].read_bytes())
    ran = cli(*words, "--baseline-from", str(before))
    told = payload(ran)
    assert (ran.code, told["kind"], told["verdict"], ran.err) == (code, "evaluation", verdict, "")
    assert set(told["comparison"]) == {"baseline", "verdict", "look", "deltas", "histogram"}
    assert (told["comparison"]["baseline"], told["comparison"]["verdict"]) == ("m@1.1.0", compared)
    assert {frozenset(one) for one in told["comparison"]["deltas"]} == {frozenset(DELTA)}
    assert payload(cli("show", "m@2.0.0", "-o", "json"))["metrics"]["verdict"] == verdict
    assert any("is worse than that of m@1.1.0" in text for text in told["recommendations"]) == (code == 3)
    assert cli("evaluate", "m@2.0.0", "--recheck").code == 0


def test_an_undecided_comparison_leaves_an_evaluation_inconclusive_and_says_what_would_settle_it(
    full: Place, cli: Cli
) -> None:
    found = files(full)
    words = ("evaluate", "m@2.0.0", "--from", str(full.inferences(100)), "--baseline-from", str(found["usual"]))
    assert cli(*words[:4]).code == 0
    ran = cli(*words, "--baseline", "active")
    assert ran.code == 7
    assert re.search(r"error_rate is undecided against m@1\.1\.0: about [\d.]+ times as many requests of both", ran.out)
    assert "--for activate" not in ran.out


def test_where_nothing_serves_the_thresholds_decide_and_a_warning_says_so(full: Place, cli: Cli) -> None:
    ran = cli("evaluate", "other@1.0.0", "--from", str(full.inferences(100)), "--baseline", "active", "-o", "json")
    told = payload(ran)
    assert (ran.code, told["verdict"], told["comparison"]) == (0, "passed", None)
    assert ran.err == "warning: nothing to compare other@1.0.0 with: other has no active version\n"


def test_the_command_that_asks_for_another_unit_can_be_typed_and_reads_that_unit(full: Place, cli: Cli) -> None:
    seconds = full.root.parent / "seconds.jsonl"
    seconds.write_text('{"success":true,"latency_ms":0.9}\n' * 100)
    ran = cli("evaluate", "m@2.0.0", "--from", str(seconds), "-o", "json")
    told = payload(ran)
    assert (ran.code, told["verdict"], told["metrics"]["p95_latency_ms"]) == (0, "passed", 1)
    (typed,) = (
        words for text in told["recommendations"] for words in re.findall(r"seconds meant.*`helixctl ([^`]*)`", text)
    )
    again = payload(cli(*shlex.split(typed.replace("FILE", str(seconds))), "-o", "json"))
    assert again["metrics"]["p95_latency_ms"] == 900
    assert not any("meant" in text for text in again["recommendations"])
