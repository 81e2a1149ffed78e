from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helixctl.api.sources import Asked, kind_of
from helixctl.core.audit import Filter
from helixctl.core.judge import Verdict
from helixctl.core.policy import Decision, Finding
from helixctl.core.settings import Settings
from helixctl.core.times import short
from helixctl.engines import Query
from helixctl.errors import BadSettings, Changed, Drift, HelixError, IllegalTransition, Invalid, NotFound, Usage
from tests.conftest import BECAUSE, OVERRIDE, START, Place


def line(**values: Any) -> str:
    return (
        json.dumps({"ts": "2026-03-01T10:00:00Z", "success": True, "latency_ms": 100, "confidence": 0.9} | values)
        + "\n"
    )


def lines(count: int, **values: Any) -> io.BytesIO:
    return io.BytesIO(line(**values).encode() * count)


def last(place: Place) -> dict[str, Any]:
    return list(place.registry.audit())[-1]


def settings(place: Place, text: str) -> None:
    with (place.root / "helix.toml").open("a") as handle:
        handle.write(f"\n[evaluation]\n{text}\n")


def rule(place: Place, text: str) -> None:
    (place.root / "policies" / "default.toml").write_text(
        'schema = 1\nname = "p"\n[match]\nactions = ["activate"]\n[[rule]]\nid = "evaluation"\n'
        f'enforcement = "mandatory"\nevaluation = {{ {text} }}\n'
    )


def says(decision: Decision, name: str = "evaluation") -> Finding:
    return next(finding for finding in decision.findings if finding.rule == name)


def test_records_that_are_all_passed_over_are_told_of(place: Place) -> None:
    place.register("m@1.0.0")
    raw = json.dumps({"type": "SPAN", "traceId": "t", "startTime": "2026-03-01T10:00:00Z", "level": "DEFAULT"}) + "\n"
    asked = Asked(["-"], Query("langfuse"), io.BytesIO(3 * raw.encode()))
    found = place.registry.evaluate("m@1.0.0", asked=asked)
    assert found.reduction.notes == ("none of 3 records is a call of this version that counts",)


@pytest.mark.parametrize(("column", "failed", "notes"), [("eror", False, 1), ("error", True, 0)])
def test_a_map_by_which_nothing_can_have_failed_is_warned_of(
    place: Place, column: str, failed: bool, notes: int
) -> None:
    place.register("m@1.0.0")
    rows = [{"ts": "2026-03-01T10:00:00Z", "ms": 5}, {"ts": "2026-03-01T10:00:00Z", "ms": 5, "error": "boom"}] * 30
    raw = "\n".join(map(json.dumps, rows)).encode()
    query = Query(columns={"ts": "ts", "latency_ms": "ms", "success": f"{column} is empty"})
    found = place.registry.evaluate("m@1.0.0", asked=Asked(["-"], query, io.BytesIO(raw)))
    assert (found.evaluation.verdict == "failed", len(found.reduction.notes)) == (failed, notes)
    assert not notes or "nothing stands in the column 'eror' of any record" in found.reduction.notes[0]


@pytest.mark.parametrize(
    "names",
    [
        ["a.jsonl", "twin"],
        ["one", "twin"],
        ["recorded", "kept"],
        ["one", "*.jsonl"],
        ["a.jsonl", "dataset"],
        ["a.jsonl", "hard"],
        ["one", "hard"],
        ["hard", "dataset"],
    ],
)
def test_a_source_named_in_two_ways_is_refused_as_no_record_may_count_twice(
    place: Place, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", lines(30))
    monkeypatch.chdir(place.root)
    Path("a.jsonl").write_bytes(lines(30, region="eu").getvalue() + lines(30, region="us").getvalue())
    Path("hard").hardlink_to("a.jsonl")
    (kept,) = place.root.glob(".helix/inferences/**/*.jsonl")
    with Path("helix.toml").open("a") as handle:
        handle.write('[sources]\none = { from = ["a.jsonl"] }\ntwin = { from = ["./a.jsonl"] }\n')
        handle.write('eu = { from = ["a.jsonl"], where = { region = "eu" } }\n')
        handle.write('us = { from = ["a.jsonl"], where = { region = "us" } }\n')
    given = [str(kept) if name == "kept" else name for name in names if name != "dataset"]
    asked = Asked(given, datasets=["a.jsonl"] if "dataset" in names else [])
    with pytest.raises(Usage, match="would be read twice"):
        place.registry.evaluate("m@1.0.0", asked=asked)
    for apart, samples in ((["a.jsonl", "recorded"], 90), (["eu", "us"], 60)):
        assert place.registry.evaluate("m@1.0.0", apart).evaluation.samples == samples


def test_a_file_at_standard_input_that_is_named_too_is_refused(place: Place) -> None:
    place.register("m@1.0.0")
    path = place.inferences(30)
    with path.open("rb") as stream, pytest.raises(Usage, match="would be read twice"):
        place.registry.evaluate("m@1.0.0", asked=Asked(["-", str(path)], stdin=stream))


@pytest.mark.parametrize(
    ("given", "verdict", "logged"),
    [
        ((60, 0, 100), "passed", ("evaluation.completed", "info", "success")),
        ((60, 30, 100), "failed", ("evaluation.failed", "error", "failed")),
        ((60, 0, 9000), "failed", ("evaluation.failed", "error", "failed")),
        ((10, 0, 100), "inconclusive", ("evaluation.completed", "info", "success")),
    ],
)
def test_every_verdict_is_stored_and_logged_with_its_change(
    place: Place, given: tuple[int, int, int], verdict: str, logged: tuple[str, str, str]
) -> None:
    place.register("m@1.0.0")
    report = place.registry.evaluate("m@1.0.0", [str(place.inferences(*given))])
    entry, metrics = last(place), place.registry.show("m@1.0.0").metrics
    assert (report.evaluation.verdict, str(report.ref), report.result.changed) == (verdict, "m@1.0.0", True)
    assert (entry["action"], entry["severity"], entry["outcome"]) == logged
    assert [one["path"] for one in entry["changes"]] == ["models/m/1.0.0.toml", *kept(place)]
    assert metrics is not None
    assert (metrics["verdict"], metrics["samples"], metrics["source"]) == (verdict, given[0], "files")
    assert (metrics["newest_at"], metrics["evaluated_at"] > START) == (datetime(2026, 3, 1, 10, tzinfo=UTC), True)
    assert ("threshold.violated" in [one["action"] for one in entry["effects"]]) == (verdict == "failed")
    assert place.registry.verify().outcome == "ok"


def test_a_threshold_named_in_warn_makes_a_warning_that_passes_the_gate(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", "testing")
    settings(place, 'warn = ["max_latency_ms"]')
    report = place.registry.evaluate("m@1.0.0", [str(place.inferences(latency_ms=9000))])
    assert (report.evaluation.verdict, last(place)["severity"]) == (Verdict.WARNING, "warning")
    assert [one["action"] for one in last(place)["effects"]] == [
        "evaluation.completed",
        "threshold.violated",
        "config.updated",
        "thresholds.updated",
    ]
    assert place.registry.activate("m@1.0.0").changed


def test_without_enforce_every_violation_only_warns(place: Place) -> None:
    settings(place, "enforce = false")
    place.register("m@1.0.0")
    report = place.registry.evaluate("m@1.0.0", [str(place.inferences(60, 30, 9000))])
    assert report.evaluation.verdict == "warning"


def test_a_version_has_thresholds_of_its_own(place: Place) -> None:
    place.register("m@1.0.0", extra="\n[thresholds]\nmax_latency_ms = 50\nmin_samples = 20\n")
    place.register("m@2.0.0", extra="\n[thresholds]\nmin_samples = 20\nmin_confidence = 0.95\n")
    place.register("m@3.0.0", extra="\n[thresholds]\nmin_samples = 20\n")
    source = [str(place.inferences(30))]
    verdicts = [place.registry.evaluate(f"m@{n}.0.0", source).evaluation.verdict for n in (1, 2, 3)]
    assert verdicts == ["failed", "failed", "passed"]
    assert says(place.registry.check("m@3.0.0", "activate")).outcome == "pass"


def test_what_was_never_measured_never_passes(place: Place) -> None:
    place.register("m@1.0.0", extra="\n[thresholds]\nmin_confidence = 0.5\n")
    place.register("m@2.0.0")
    place.registry.record("m@1.0.0", lines(60, confidence=None))
    place.registry.record("m@2.0.0", lines(60, confidence=None))
    outcomes = {}
    for ref in ("m@1.0.0", "m@2.0.0"):
        evaluation = place.registry.evaluate(ref).evaluation
        found = next(one.outcome for one in evaluation.thresholds if one.name == "min_confidence")
        outcomes[ref] = (evaluation.verdict, found)
    assert outcomes == {"m@1.0.0": ("inconclusive", "not_measured"), "m@2.0.0": ("passed", "not_applicable")}


def test_recorded_files_globs_and_stdin_give_the_same_evaluation(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    for number in range(3):
        (tmp_path / f"part-{number}.jsonl").write_text(line() * 20)
    place.registry.record("m@1.0.0", lines(60))
    found = [
        place.registry.evaluate("m@1.0.0"),
        place.registry.evaluate("m@1.0.0", [str(tmp_path / f"part-{number}.jsonl") for number in range(3)]),
        place.registry.evaluate("m@1.0.0", [str(tmp_path / "part-*.jsonl"), str(tmp_path / "part-1.jsonl")]),
        place.registry.evaluate("m@latest", ["-"], stdin=lines(60)),
    ]
    assert [report.evaluation.samples for report in found] == [60] * 4
    assert len({report.evaluation.as_metrics()["p95_latency_ms"] for report in found}) == 1
    digests = [entry["data"]["stats"] for entry in place.registry.audit(Filter(actions=("evaluation.completed",)))]
    assert len(digests) == 4
    assert len(set(digests)) == 1


@pytest.mark.parametrize(("sources", "refusal"), [(["gone.jsonl"], NotFound), (["*.gone"], NotFound), (["."], Usage)])
def test_a_source_that_cannot_be_read_refuses(place: Place, sources: list[str], refusal: type[HelixError]) -> None:
    place.register("m@1.0.0")
    before = place.files()
    with pytest.raises(refusal):
        place.registry.evaluate("m@1.0.0", sources)
    with pytest.raises(Usage, match="standard input"):
        place.registry.evaluate("m@1.0.0", ["-"])
    assert place.files() == before


def test_malformed_lines_beyond_the_limit_refuse_and_are_named(place: Place, tmp_path: Path) -> None:
    settings(place, "max_malformed = 1")
    place.register("m@1.0.0")
    source = tmp_path / "some.jsonl"
    source.write_text(line() * 60 + line(model="other"))
    report = place.registry.evaluate("m@1.0.0", [str(source)])
    assert (report.evaluation.verdict, report.reduction.malformed_count, report.reduction.malformed[0].line) == (
        "passed",
        1,
        61,
    )
    source.write_text("nonsense\n" + line() * 60 + line(latency_ms="NaN"))
    before = place.files()
    with pytest.raises(Invalid) as caught:
        place.registry.evaluate("m@1.0.0", [str(source)])
    assert f"{source}:1:" in caught.value.message
    assert f"{source}:62:" in caught.value.message
    assert place.files() == before


TAGGED = {"tag": "a", "model": "m", "version": "1.0.0"}


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
@pytest.mark.parametrize("engine", ["python", "duckdb"])
def test_a_filter_by_a_field_that_no_record_has_is_refused_and_one_that_matches_nothing_says_so(
    place: Place, tmp_path: Path, engine: str, suffix: str
) -> None:
    duckdb = pytest.importorskip("duckdb")
    place.register("m@1.0.0")
    source = tmp_path / "some.jsonl"
    source.write_text(line(**TAGGED) * 60)
    if suffix == "parquet":
        kinds = "{success: 'BOOLEAN', latency_ms: 'DOUBLE', tag: 'VARCHAR', model: 'VARCHAR', version: 'VARCHAR'}"
        rows = f"SELECT * FROM read_json('{source}', columns = {kinds})"
        duckdb.execute(f"COPY ({rows}) TO '{tmp_path}/some.parquet' (FORMAT parquet)")

    def asked(**query: Any) -> Any:
        stated = Query(engine="duckdb" if suffix == "parquet" else engine, **query)
        return place.registry.evaluate("m@1.0.0", asked=Asked([str(tmp_path / f"some.{suffix}")], stated))

    before = place.files()
    for unknown in (("tga", "a"), ("region", "eu")):
        with pytest.raises(Usage, match=f"{unknown[0]!a}") as caught:
            asked(where=(("tag", "a"), unknown))
        assert suffix == "parquet" or ("did you mean 'tag'" in caught.value.message) == (unknown[0] == "tga")
    assert place.files() == before
    found = asked(where=(("tag", "b"),))
    assert (found.evaluation.verdict, found.reduction.notes) == (
        "inconclusive",
        ("0 of 60 records match: where tag=b",),
    )
    named = asked(where=(("version", "2.0.0"),))
    assert named.reduction.notes == ("0 of 60 records match: where version=2.0.0",)
    assert asked(where=(("tag", "a"),)).evaluation.samples == 60


def test_a_filter_counts_as_known_where_any_source_has_its_field(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    for name, fields in (("one", {}), ("two", {"tag": "a"})):
        (tmp_path / f"{name}.jsonl").write_text(line(**fields) * 60)
    asked = Query(where=(("tag", "b"),), since=START)
    with pytest.raises(Usage, match="none of 60 records has a field 'tag'"):
        place.registry.evaluate("m@1.0.0", asked=Asked(["one.jsonl"], asked))
    found = place.registry.evaluate("m@1.0.0", asked=Asked(["one.jsonl", "two.jsonl"], asked))
    assert found.reduction.notes == (f"0 of 120 records match: since {short(START)}, where tag=b",)


@pytest.mark.parametrize("columns", [{}, {"success": "state == ok", "latency_ms": "took"}])
def test_no_request_is_chosen_by_what_it_is_judged_by(place: Place, tmp_path: Path, columns: dict[str, str]) -> None:
    place.register("m@1.0.0")
    (tmp_path / "in.jsonl").write_text(line(state="ok", took=5) * 60)
    before = place.files()
    for name in ("state", "took") if columns else ("success", "error", "latency_ms", "confidence"):
        query = Query("json" if columns else None, where=((name, "true"),), columns=columns)
        with pytest.raises(Usage, match=f"--where '{name}' would choose requests by what they are judged by"):
            place.registry.evaluate("m@1.0.0", asked=Asked(["in.jsonl"], query))
    assert place.files() == before


def test_sources_without_a_record_are_inconclusive_and_say_so(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    (tmp_path / "empty.jsonl").touch()
    found = place.registry.evaluate("m@1.0.0", ["empty.jsonl"])
    assert (found.evaluation.verdict, found.reduction.notes) == (
        "inconclusive",
        ("there is no record in what was read",),
    )


def test_a_time_range_that_ends_before_it_begins_is_refused(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    before = place.files()
    with pytest.raises(Usage, match="--since is not before --until"):
        place.registry.evaluate("m@1.0.0", asked=Asked(query=Query(since=START, until=START)))
    with pytest.raises(Usage, match="--since is not before --until"):
        place.registry.compare("m@1.0.0", "m@2.0.0", query=Query(since=START, until=START))
    assert place.files() == before


def test_the_latest_evaluation_stands_even_an_inconclusive_one(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", "testing")
    place.registry.evaluate("m@1.0.0", [str(place.inferences())])
    assert place.registry.check("m@1.0.0", "activate").allowed
    place.registry.evaluate("m@1.0.0", [str(place.inferences(10))])
    decision = place.registry.check("m@1.0.0", "activate")
    assert (decision.allowed, decision.is_inconclusive) == (False, True)


def test_no_data_is_inconclusive(place: Place) -> None:
    place.register("m@1.0.0")
    report = place.registry.evaluate("m@1.0.0")
    assert (report.evaluation.verdict, report.evaluation.samples) == ("inconclusive", 0)
    assert place.registry.show("m@1.0.0").metrics == last_metrics(place)


def last_metrics(place: Place) -> dict[str, Any]:
    shown = place.registry.show("m@1.0.0")
    return {
        "evaluated_at": place.clock.now,
        "serving_digest": shown.serving_digest,
        "verdict": "inconclusive",
        "proven": False,
        "samples": 0,
        "source": "recorded",
    }


def test_an_evaluation_of_a_retired_or_edited_version_refuses(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    place.registry.retire("m@1.0.0")
    path = place.path("m@2.0.0")
    path.write_bytes(path.read_bytes().replace(b"in-house", b"elsewhere"))
    before = place.files()
    with pytest.raises(IllegalTransition):
        place.registry.evaluate("m@1.0.0", [str(place.inferences())])
    with pytest.raises(Drift):
        place.registry.evaluate("m@2.0.0", [str(place.inferences())])
    assert place.files() == before


def test_a_version_that_changed_during_its_evaluation_keeps_no_result(place: Place) -> None:
    place.register("m@1.0.0")

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            place.registry.update("m@1.0.0", {"provider_model_id": "another"})
            return super().read(size)

    with pytest.raises(Changed, match="during the evaluation"):
        place.registry.evaluate("m@1.0.0", ["-"], stdin=Slow(line().encode()))
    assert place.registry.show("m@1.0.0").metrics is None


def test_a_dry_evaluation_judges_and_stores_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    before = place.files()
    report = place.registry.evaluate("m@1.0.0", [str(place.inferences())], dry_run=True)
    assert (report.evaluation.verdict, report.result.audit) == ("passed", None)
    assert place.files() == before


def test_extreme_latencies_tokens_and_costs_are_stored_so_that_they_can_be_read_again(place: Place) -> None:
    place.register("m@1.0.0")
    big = line(latency_ms=10**12, input_tokens=10**12, output_tokens=10**12, cost=999_999.123456789)
    text = big + big + line(latency_ms=2, input_tokens=2, output_tokens=2, cost=0.000000001)
    place.registry.evaluate("m@1.0.0", ["-"], stdin=io.BytesIO(text.encode()))
    metrics = place.registry.show("m@1.0.0").metrics
    assert metrics is not None
    assert int(metrics["avg_latency_ms"]) == (2 * 10**12 + 2) // 3
    assert place.registry.verify().outcome == "ok"


EVALUATED = [
    ("", "passed", True, "pass"),
    ('verdict = ["passed"]', "passed", True, "pass"),
    ('verdict = ["passed", "warning", "failed"]', "failed", True, "pass"),
    ("", "failed", True, "fail"),
    ("", "few", True, "inconclusive"),
    ("", "none", True, "inconclusive"),
    ("min_samples = 61", "passed", True, "inconclusive"),
    ("min_samples = 60", "passed", True, "pass"),
    ('max_age = "3h"', "passed", True, "pass"),
    ('max_age = "1h"', "passed", True, "inconclusive"),
    ('max_age = "30d"', "passed", False, "inconclusive"),
    ("proven = true", "passed", True, "pass"),
    ("proven = true", "shaky", True, "inconclusive"),
]


@pytest.mark.parametrize(("parameters", "given", "timed", "outcome"), EVALUATED)
def test_the_rule_evaluation_answers_by_verdict_samples_age_and_proof(
    place: Place, parameters: str, given: str, timed: bool, outcome: str
) -> None:
    rule(place, parameters)
    place.register("m@1.0.0")
    shapes = {"passed": (60, 0), "failed": (60, 30), "few": (10, 0), "shaky": (60, 2)}
    if given in shapes:
        text = place.inferences(*shapes[given]).read_text()
        text = text if timed else text.replace('"ts":"2026-03-01T10:00:00Z",', "")
        place.registry.evaluate("m@1.0.0", ["-"], stdin=io.BytesIO(text.encode()))
    decision = place.registry.check("m@1.0.0", "activate")
    assert says(decision).outcome == outcome
    assert (decision.allowed, decision.is_inconclusive) == (outcome == "pass", outcome == "inconclusive")
    result = place.registry.activate("m@1.0.0")
    assert result.decision is not None
    assert (result.changed, result.decision.findings) == (outcome == "pass", decision.findings)


def test_an_evaluation_goes_stale_by_a_change_by_a_block_and_by_a_clock_set_back(place: Place) -> None:
    place.register("m@1.0.0")
    source = [str(place.inferences())]

    def outcome() -> str:
        return says(place.registry.check("m@1.0.0", "activate")).outcome

    place.registry.evaluate("m@1.0.0", source)
    assert outcome() == "pass"
    place.registry.update("m@1.0.0", {"description": "new words"})
    assert outcome() == "pass"
    place.registry.update("m@1.0.0", {"configuration.temperature": Decimal("0.2")})
    assert outcome() == "inconclusive"
    place.registry.evaluate("m@1.0.0", source)
    assert outcome() == "pass"
    place.registry.block("m@1.0.0")
    place.registry.unblock("m@1.0.0")
    assert outcome() == "inconclusive"
    place.registry.evaluate("m@1.0.0", source)
    assert outcome() == "pass"
    place.clock.pass_by(days=-1)
    assert outcome() == "inconclusive"


def test_inferences_are_recorded_in_process_as_mappings(place: Place) -> None:
    place.register("m@1.0.0")
    given: list[dict[str, Any]] = [
        {"ts": datetime(2026, 3, 1, 9, tzinfo=UTC), "success": True, "latency_ms": 12.5, "cost": Decimal("0.0025")},
        {"success": False, "latency_ms": None, "error": "timeout", "confidence": None, "extra": "ignored"},
        {"success": True, "latency_ms": float("nan")},
        {"success": True, "latency_ms": 10, "version": "9.0.0"},
    ]
    before = place.files()
    done = place.registry.record("m@1.0.0", iter(given))
    assert (done.recorded, done.malformed_count, [bad.line for bad in done.malformed]) == (2, 2, [3, 4])
    assert (done.refreshed, done.result) == (None, None)
    assert place.files() == before
    metrics = place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.as_metrics()
    assert (metrics["samples"], metrics["cost_per_request"]) == (2, Decimal("0.0025"))


def test_rolling_metrics_are_refreshed_every_interval_and_cause_one_entry_a_command(place: Place) -> None:
    place.serve("m@1.0.0")
    registry = place.registry
    assert registry.record("m@1.0.0", lines(99)).refreshed is None
    assert registry.status("m").models[0].rolling is None
    done = registry.record("m@active", lines(1))
    assert done.refreshed is not None
    assert (done.refreshed.verdict, done.refreshed.samples) == ("passed", 100)
    assert registry.record("m@1.0.0", lines(3000)).refreshed is not None
    entries = list(registry.audit(Filter(actions=("metrics.updated",))))
    assert [entry["data"]["samples"] for entry in entries] == [100, 3100]
    assert {(entry["severity"], entry["outcome"], len(entry["changes"])) for entry in entries} == {
        ("debug", "success", 0)
    }
    shown = registry.rolling(registry.show("m@1.0.0"))
    assert shown is not None
    assert (shown["samples"], shown["verdict"]) == (3100, "passed")
    assert registry.status("m").models[0].rolling == shown
    assert registry.show("m@1.0.0").metrics is None, "only evaluate writes [metrics]"


def test_an_alert_is_given_once_for_one_cause_and_again_after_it_was_gone(place: Place) -> None:
    place.serve("m@1.0.0")
    bad = {"success": False, "latency_ms": None, "error": "timeout"}
    effects = []
    for values, count in ((bad, 100), (bad, 100), ({}, 20_000), (bad, 20_000)):
        done = place.registry.record("m@1.0.0", lines(count, **values))
        assert done.result is not None
        effects.append([one["action"] for one in last(place)["effects"]])
    alerts = ["metrics.updated", "threshold.violated", "quality.degraded"]
    assert effects == [alerts, ["metrics.updated"], ["metrics.updated"], alerts]
    assert last(place)["severity"] == "error"


def test_quality_degrades_only_where_a_version_serves(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", lines(100, success=False, latency_ms=None))
    assert [one["action"] for one in last(place)["effects"]] == ["metrics.updated", "threshold.violated"]


def test_rolling_metrics_that_were_damaged_are_built_anew(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", lines(100))
    (path,) = (place.root / ".helix").rglob("rolling.stats")
    digest, head, table = path.read_bytes().split(b"\n", 2)
    samples = 100
    for key, odd in (("offsets", []), ("offsets", {"x": None}), ("summary", 5), ("alerts", {"quality": "x"})):
        path.write_bytes(b"\n".join((digest, json.dumps(json.loads(head) | {key: odd}).encode(), table)))
        assert place.registry.rolling(place.registry.show("m@1.0.0")) is None
        done = place.registry.record("m@1.0.0", lines(1))
        assert done.refreshed is not None
        assert done.refreshed.samples == (samples := samples + 1)
    for broken in ("", "{", "[]", '{"summary": {}}'):
        path.write_text(broken)
        done = place.registry.record("m@1.0.0", lines(1))
        assert done.refreshed is not None
        assert done.refreshed.samples == (samples := samples + 1)


def test_a_dry_record_keeps_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    done = place.registry.record("m@1.0.0", lines(150), dry_run=True)
    assert (done.recorded, done.refreshed) == (150, None)
    assert place.registry.evaluate("m@1.0.0").evaluation.samples == 0


def test_a_policy_that_does_not_load_stops_an_evaluation(place: Place) -> None:
    place.register("m@1.0.0")
    (place.root / "policies/x.toml").write_text("schema = 2")
    with pytest.raises(BadSettings):
        place.registry.evaluate("m@1.0.0", [str(place.inferences())])
    assert place.registry.show("m@1.0.0").metrics is None


def test_an_evaluation_meets_what_is_expected_or_is_refused(place: Place) -> None:
    place.serve("m@1.0.0")
    with pytest.raises(HelixError, match="expected testing, found active"):
        place.registry.evaluate("m@1.0.0", [str(place.inferences())], expect="testing")
    assert place.registry.evaluate("m@1.0.0", [str(place.inferences())], expect="1.0.0", reason=BECAUSE).result.changed
    assert last(place)["reason"] == BECAUSE


def test_the_prices_of_a_version_fill_in_where_a_record_has_no_cost(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", lines(60, input_tokens=1_000_000, output_tokens=500_000))
    metrics = place.registry.evaluate("m@1.0.0").evaluation.as_metrics()
    assert metrics["cost_per_request"] == Decimal("2.0")
    assert (metrics["avg_input_tokens"], metrics["avg_output_tokens"]) == (1_000_000, 500_000)


def test_activation_by_override_needs_no_evaluation_and_its_end_of_life_still_counts(place: Place) -> None:
    soon = (place.clock.now + timedelta(days=3)).date()
    place.register("m@1.0.0", extra=f"\n[availability]\nend_of_life = {soon}\n")
    result = place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert result.decision is not None
    assert (result.allowed, result.decision.is_inconclusive) == (False, False)
    assert says(result.decision, "end-of-life").outcome == "fail"


def kept(place: Place) -> list[str]:
    return [str(path.relative_to(place.root)) for path in (place.root / "evaluations").rglob("*.gz")]


@pytest.mark.parametrize(
    ("asked", "kind"),
    [
        (Asked(), "recorded"),
        (Asked(["recorded"]), "recorded"),
        (Asked(["recorded", "a.jsonl"]), "files"),
        (Asked(datasets=["d.jsonl"]), "files"),
        (Asked(query=Query(connect="duckdb://x.db", table="t")), "cluster"),
        (Asked(["warehouse"]), "cluster"),
        (Asked(["nightly"]), "files"),
        (Asked(window=timedelta(days=3)), "window"),
    ],
)
def test_metrics_say_where_the_inferences_came_from(asked: Asked, kind: str) -> None:
    sources: dict[str, dict[str, Any]] = {"warehouse": {"connect": "pyspark"}, "nightly": {"from": ["x"]}}
    assert kind_of(asked, Settings("r", "r", sources=sources)) == kind


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("cell.csv", "ok,took\n" + "yes,5\n" * 80 + f'yes,"{"x" * 2_000_000}"\n' + "no,5\n" * 500),
        ("array.json", "[" + '{"ok": "yes", "took": 5},' * 80 + "oops," + '{"ok": "no", "took": 5},' * 500 + "]"),
    ],
)
def test_a_source_whose_rest_cannot_be_read_never_passes(place: Place, tmp_path: Path, name: str, raw: str) -> None:
    place.register("m@1.0.0")
    settings(place, "max_malformed = 1000")
    (tmp_path / name).write_text(raw)
    columns = {"success": "ok == yes", "latency_ms": "took"}
    with pytest.raises(Invalid, match="from here on") as refused:
        place.registry.evaluate("m@1.0.0", asked=Asked([str(tmp_path / name)], Query(columns=columns)))
    assert "nobody knows how much is missing" in str(refused.value.hint)


def test_inferences_without_a_time_are_counted_in_a_note(place: Place) -> None:
    place.register("m@1.0.0")
    mixed = io.BytesIO(lines(60).read() + lines(40, ts=None).read())
    found = place.registry.evaluate("m@1.0.0", ["-"], stdin=mixed)
    assert found.notes == ("inferences without a time: 40; no rule with max_age passes",)


def test_half_a_line_at_the_end_of_what_was_recorded_is_left_to_the_next_record(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", [json.loads(line()) for _ in range(60)])
    (segment,) = (place.root / ".helix/inferences").rglob("*.jsonl")
    with segment.open("ab") as handle:
        handle.write(b'{"success": tr')
    before = segment.read_bytes()
    assert place.registry.evaluate("m@1.0.0").evaluation.samples == 60
    assert segment.read_bytes() == before


def test_a_unit_in_doubt_is_asked_about_with_every_field_kept(place: Place) -> None:
    place.register("m@1.0.0")
    found = place.registry.evaluate("m@1.0.0", ["-"], stdin=lines(60, latency_ms=0.4), dry_run=True)
    asked = next(one for one in found.evaluation.recommendations if "were seconds meant" in one)
    for name in ("ts", "model", "version", "confidence", "cost", "input_tokens"):
        assert f"--map {name}={name} " in asked


def test_a_segment_that_is_gone_once_it_was_listed_is_passed_over(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", [json.loads(line()) for _ in range(60)])
    (segment,) = (place.root / ".helix/inferences").rglob("*.jsonl")
    (segment.parent / "2026-01-01.0001.jsonl").symlink_to("gone")
    assert place.registry.evaluate("m@1.0.0").evaluation.samples == 60
