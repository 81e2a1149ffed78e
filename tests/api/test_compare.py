from __future__ import annotations

import io
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helixctl.api import comparison
from helixctl.api.comparison import Against, Compared
from helixctl.api.evaluation import Report
from helixctl.api.sources import Asked
from helixctl.api.sources import reduced as read_table
from helixctl.core.comparison import Verdict
from helixctl.core.record import Record
from helixctl.engines import Query, Reduction
from helixctl.errors import BadSettings, Invalid, NotFound, Usage
from helixctl.storage.registry import Store
from tests.conftest import Place

GOOD: list[dict[str, object]] = [{"success": True, "latency_ms": 100 + i % 50, "confidence": 0.9} for i in range(1000)]
SLOW: list[dict[str, object]] = [{**one, "latency_ms": 400} for one in GOOD]


@pytest.fixture
def pair(place: Place) -> Place:
    """A registry whose m@1.0.0 serves, and m@2.0.0 waits."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    return place


def lines(place: Place, name: str, found: list[dict[str, object]]) -> str:
    path = place.root.parent / name
    path.write_text("".join(f"{json.dumps(one)}\n" for one in found))
    return str(path)


def everything(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_recorded_inferences_of_two_versions_are_compared_and_an_alias_is_resolved(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    pair.registry.record("m@2.0.0", GOOD)
    compared = pair.registry.compare("m@latest", "m@active")
    assert (str(compared.ref), str(compared.baseline)) == ("m@2.0.0", "m@1.0.0")
    assert compared.comparison.verdict is Verdict.EQUIVALENT
    pair.registry.record("m@2.0.0", SLOW)
    assert pair.registry.compare("m@2.0.0", "m@active").comparison.verdict is Verdict.WORSE


def test_files_stand_for_what_was_recorded_on_the_side_that_names_them(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    slow, good = lines(pair, "slow.jsonl", SLOW), lines(pair, "good.jsonl", GOOD)

    def verdict(sources: tuple[str, ...], baseline_sources: tuple[str, ...]) -> Verdict:
        return pair.registry.compare("m@2.0.0", "m@1.0.0", sources, baseline_sources).comparison.verdict

    assert verdict((slow,), ()) is Verdict.WORSE
    assert verdict((slow,), (slow,)) is Verdict.EQUIVALENT
    assert verdict((good,), (slow,)) is Verdict.BETTER
    assert verdict((), (good,)) is Verdict.UNDECIDED


def test_a_column_map_is_of_files_and_not_of_what_was_recorded_of_the_baseline(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    table = pair.root.parent / "in.csv"
    table.write_text("took\n" + "".join(f"{one['latency_ms']}\n" for one in GOOD))
    asked = Query("csv", {"latency_ms": "took", "success": "took is not empty"})
    compared = pair.registry.compare("m@2.0.0", "m@1.0.0", [str(table)], query=asked)
    assert compared.comparison.verdict is Verdict.EQUIVALENT
    for query in (asked, Query("csv")):
        with pytest.raises(Usage, match="does not apply to what was recorded"):
            pair.registry.compare("m@2.0.0", "m@1.0.0", query=query)


def test_what_is_to_be_run_again_has_its_options_and_the_next_look(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    few = lines(pair, "few.jsonl", GOOD[:60])
    again = []
    for look in (None, "1/2", "2/2"):
        compared = pair.registry.compare("m@2.0.0", "m@1.0.0", [few], margins={"error_rate": 0.01}, look=look)
        assert compared.comparison.verdict is Verdict.UNDECIDED
        again.append(compared.advice[0].partition("helixctl compare m@2.0.0 m@1.0.0")[2])
    options = " --from FILE --margin error_rate=0.01"
    assert again == [f"{options}`", f"{options} --look 2/2`", ""]


def test_cost_comes_from_the_prices_of_each_version(place: Place) -> None:
    place.register("m@1.0.0")
    text = place.path("m@1.0.0").read_text().partition("\n[lifecycle]")[0]
    place.registry.register(text.replace("1.0.0", "2.0.0").replace("1.00", "3.00").encode())
    used = lines(place, "used.jsonl", [{**one, "input_tokens": 100, "output_tokens": 50} for one in GOOD])
    compared = place.registry.compare("m@2.0.0", "m@1.0.0", [used], [used])
    (cost,) = (one for one in compared.comparison.deltas if one.metric == "cost_per_request")
    assert [cost.candidate, cost.baseline] == pytest.approx([4e-4, 2e-4])
    assert cost.verdict is Verdict.WORSE


def test_a_comparison_writes_nothing_and_leaves_no_entry(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    before = everything(pair.root)
    compared = pair.registry.compare("m@2.0.0", "m@active", [lines(pair, "slow.jsonl", SLOW)])
    assert isinstance(compared, Compared)
    assert everything(pair.root) == before


def test_without_inferences_nothing_is_decided(pair: Place) -> None:
    assert pair.registry.compare("m@2.0.0", "m@1.0.0").comparison.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("side", ["candidate", "baseline"])
def test_malformed_lines_beyond_the_setting_are_refused_on_either_side_and_named(pair: Place, side: str) -> None:
    good, bad = lines(pair, "good.jsonl", GOOD), lines(pair, "bad.jsonl", [*GOOD, {"success": True}])
    sources = ([bad], [good]) if side == "candidate" else ([good], [bad])
    with pytest.raises(Invalid, match=r"1 malformed line, at most 0 allowed: .*bad\.jsonl:1001: "):
        pair.registry.compare("m@2.0.0", "m@1.0.0", *sources)
    settings = pair.root / "helix.toml"
    settings.write_text(settings.read_text() + "\n[evaluation]\nmax_malformed = 1\n")
    compared = pair.registry.compare("m@2.0.0", "m@1.0.0", *sources)
    assert (
        compared.comparison.verdict,
        compared.reductions[0].malformed_count + compared.reductions[1].malformed_count,
    ) == (Verdict.EQUIVALENT, 1)
    assert [bad.line for one in compared.reductions for bad in one.malformed] == [1001]


def test_standard_input_feeds_one_side_only(pair: Place) -> None:
    good = lines(pair, "good.jsonl", GOOD)
    raw = Path(good).read_bytes()
    for sources in (["-"], [good]), ([good], ["-"]):
        compared = pair.registry.compare("m@2.0.0", "m@1.0.0", *sources, stdin=io.BytesIO(raw))
        assert compared.comparison.verdict is Verdict.EQUIVALENT
    with pytest.raises(Usage, match="no standard input"):
        pair.registry.compare("m@2.0.0", "m@1.0.0", ["-"], ["-"], stdin=io.BytesIO(raw))


@pytest.mark.parametrize(
    ("candidate", "baseline", "refusal"),
    [
        ("m@9.0.0", "m@1.0.0", NotFound),
        ("m@2.0.0", "m@canary", NotFound),
        ("m@2.0.0", "other@1.0.0", NotFound),
        ("m", "m@1.0.0", Usage),
        ("m@2.0.0", "m", Usage),
    ],
)
def test_both_sides_must_be_versions_that_are_registered(
    pair: Place, candidate: str, baseline: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        pair.registry.compare(candidate, baseline)


def settle(place: Place, text: str) -> None:
    path = place.root / "helix.toml"
    path.write_text(f"{path.read_text()}\n{text}\n")


def failing(share: int) -> list[dict[str, object]]:
    """Return a thousand inferences of which one in `share` fails."""
    return [{"success": False, "latency_ms": None} if i % share == 0 else one for i, one in enumerate(GOOD)]


def test_margins_of_helix_toml_decide_and_those_of_the_call_stand_over_them(pair: Place) -> None:
    good, bad = lines(pair, "good.jsonl", GOOD), lines(pair, "bad.jsonl", failing(20))

    def verdict(**margins: float) -> Verdict:
        compared = pair.registry.compare("m@2.0.0", "m@1.0.0", [bad], [good], margins=margins)
        (rate,) = (one for one in compared.comparison.deltas if one.metric == "error_rate")
        assert rate.margin == pytest.approx(margins.get("error_rate", stated))
        return compared.comparison.verdict

    stated = 0.01
    assert verdict() is Verdict.WORSE
    assert verdict(error_rate=0.2) is Verdict.EQUIVALENT
    before = pair.registry.store.settings().evaluation_digest
    settle(pair, "[evaluation.margins]\nerror_rate = 0.2\nslow_share = 0.3\nscores.exact = 0.5")
    stated = 0.2
    assert pair.registry.store.settings().evaluation_digest != before
    assert verdict() is Verdict.UNDECIDED  # a margin is stated for a score that nobody has


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[evaluation.margins]\nerror_rate = 1.5", "evaluation.margins.error_rate"),
        ("[evaluation.margins]\nerror_rates = 0.5", "evaluation.margins.error_rates"),
        ("[evaluation.margins]\ncost_per_request = -0.1", "evaluation.margins.cost_per_request"),
        ("[evaluation.margins]\nscore = true", "evaluation.margins.score"),
        ("[evaluation.margins]\nscores = 0.1", "evaluation.margins.scores"),
        ("[evaluation]\nmargins = 0.1", "evaluation.margins"),
        ("[evaluation]\nlower_is_better = 'loss'", "evaluation.lower_is_better"),
    ],
)
def test_a_margin_in_helix_toml_that_is_none_is_refused_by_its_key(pair: Place, text: str, key: str) -> None:
    settle(pair, text)
    with pytest.raises(BadSettings) as refused:
        pair.registry.compare("m@2.0.0", "m@1.0.0")
    assert key in str(refused.value)


@pytest.mark.parametrize(
    ("margins", "message"),
    [
        ({"error_rate": 1.5}, "error_rate: 1.5 is not between 0 and 1"),
        ({"error_rates": 0.5}, "did you mean 'error_rate'"),
        ({"cost_per_request": -0.1}, "cost_per_request: -0.1 is negative"),
        ({"score": float("nan")}, "score: NaN is not a finite number"),
        ({"scores.exact": float("inf")}, "scores: Infinity is not a finite number"),
        ({"scores": 0.1, "scores.exact": 0.1}, "scores: expected a table, found a number"),
        ({"error_rate": True}, "error_rate: expected a number, found a boolean"),
    ],
)
def test_a_margin_of_a_call_that_is_none_is_refused(pair: Place, margins: dict[str, float], message: str) -> None:
    with pytest.raises(Invalid, match=re.escape(message)):
        pair.registry.compare("m@2.0.0", "m@1.0.0", margins=margins)


def test_a_look_is_refused_before_anything_is_read_and_else_stands_beside_the_answer(pair: Place) -> None:
    for look in ("5/4", "0/4", "x/y"):
        with pytest.raises(Usage, match="is no look"):
            pair.registry.compare("m@2.0.0", "m@1.0.0", ["nowhere.jsonl"], look=look)
    good = lines(pair, "good.jsonl", GOOD)
    found = pair.registry.compare("m@2.0.0", "m@1.0.0", [good], [good], look="2/4").comparison
    assert (found.look, found.look.alpha) == ((2, 4), 0.0125)
    assert pair.registry.compare("m@2.0.0", "m@1.0.0", [good], [good]).comparison.look == (1, 1)


def judged(place: Place, found: list[dict[str, object]], baseline: str = "active", **rest: Any) -> Report:
    against = Against(baseline, [lines(place, "good.jsonl", GOOD)], **rest)
    return place.registry.evaluate("m@2.0.0", [lines(place, "new.jsonl", found)], against=against)


@pytest.mark.parametrize("baseline", ["active", "1.0.0", "m@1.0.0", "m@active", "previous"])
def test_an_evaluation_beside_a_baseline_carries_the_comparison(pair: Place, baseline: str) -> None:
    if baseline == "previous":
        pair.serve("m@3.0.0")
    report = judged(pair, GOOD, baseline)
    assert report.compared is not None
    assert (str(report.compared.baseline), report.compared.comparison.verdict) == ("m@1.0.0", Verdict.EQUIVALENT)
    assert (report.evaluation.verdict, report.evaluation.proven, report.notes[1:]) == ("passed", True, ())
    entry = list(pair.registry.audit())[-1]
    assert (entry["data"]["baseline"], entry["data"]["compared"]) == ("m@1.0.0", "equivalent")


@pytest.mark.parametrize(
    ("found", "compared", "verdict", "action"),
    [
        (SLOW, Verdict.WORSE, "failed", "evaluation.failed"),
        (GOOD[:100], Verdict.UNDECIDED, "inconclusive", "evaluation.completed"),
    ],
)
def test_a_comparison_that_does_not_pass_is_in_the_verdict_the_file_and_the_entry(
    pair: Place, found: list[dict[str, object]], compared: Verdict, verdict: str, action: str
) -> None:
    alone = pair.registry.evaluate("m@2.0.0", [lines(pair, "new.jsonl", found)])
    assert (alone.evaluation.verdict, alone.evaluation.proven, alone.compared) == ("passed", True, None)
    assert "baseline" not in list(pair.registry.audit())[-1]["data"]
    report = judged(pair, found)
    assert report.compared is not None
    assert report.compared.comparison.verdict is compared
    assert (report.evaluation.verdict, report.evaluation.proven) == (verdict, False)
    metrics = pair.registry.show("m@2.0.0").metrics
    assert metrics is not None
    assert (metrics["verdict"], metrics["proven"]) == (verdict, False)
    entry = list(pair.registry.audit())[-1]
    assert (entry["action"], entry["data"]["verdict"]) == (action, verdict)
    assert entry["outcome"] == ("failed" if verdict == "failed" else "success")
    assert (entry["data"]["baseline"], entry["data"]["compared"]) == ("m@1.0.0", str(compared))
    assert not pair.registry.check("m@2.0.0", "activate").allowed
    assert pair.registry.recheck("m@2.0.0").is_sound
    assert pair.registry.verify().outcome == "ok"


def test_margins_and_the_look_count_beside_an_evaluation_too(pair: Place) -> None:
    assert judged(pair, failing(70)).evaluation.verdict == "inconclusive"
    assert judged(pair, failing(70), margins={"error_rate": 0.1}).evaluation.verdict == "passed"
    report = judged(pair, SLOW, look="2/4")
    assert report.compared is not None
    assert report.compared.comparison.look == (2, 4)
    for wrong in ({"look": "5/4"}, {"margins": {"nothing": 0.1}}):
        with pytest.raises((Usage, Invalid)):
            judged(pair, GOOD, **wrong)


def test_without_an_active_version_there_is_nothing_to_compare_with_and_that_is_said(place: Place) -> None:
    place.register("m@2.0.0")
    for alias in ("active", "canary", "previous", "m@active"):
        report = judged(place, GOOD, alias)
        assert (report.compared, report.evaluation.verdict) == (None, "passed")
        assert report.notes[0].startswith("nothing to compare m@2.0.0 with: ")
    assert "baseline" not in list(place.registry.audit())[-1]["data"]


def test_a_version_is_not_compared_with_its_own_inferences(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    report = pair.registry.evaluate("m@1.0.0", against=Against("active"))
    assert (report.compared, report.notes) == (None, ("nothing to compare m@1.0.0 with: it is itself m@active",))
    new = lines(pair, "new.jsonl", SLOW)
    assert pair.registry.evaluate("m@1.0.0", [new], against=Against("active")).evaluation.verdict == "failed"


@pytest.mark.parametrize(
    "both", [("good.jsonl", "good.json?"), ("good.jsonl", "hard"), ("src", "src"), ("src", "hard")]
)
def test_one_file_does_not_stand_for_both_sides_of_an_evaluation_by_any_name(
    pair: Place, both: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pair.root)
    halves = ({**one, "version": version} for one in GOOD for version in ("1.0.0", "2.0.0"))
    (pair.root / "hard").hardlink_to(lines(pair, f"{pair.root.name}/good.jsonl", GOOD))
    table = lines(pair, "table.jsonl", [*halves])
    with (pair.root / "helix.toml").open("a") as handle:
        handle.write('[sources]\nsrc = { from = ["good.jsonl"] }\n')
        for name, version in (("new", "2.0.0"), ("old", "1.0.0")):
            handle.write(f'{name} = {{ from = ["{table}"], where = {{ version = "{version}" }} }}\n')
    before, (new, old) = pair.files(), both
    with pytest.raises(Usage, match="would be read as the inferences of both"):
        pair.registry.evaluate("m@2.0.0", [new], against=Against("active", [old]))
    assert pair.files() == before
    apart = pair.registry.evaluate("m@2.0.0", ["new"], against=Against("active", ["old"]))
    assert apart.compared is not None
    assert apart.compared.comparison.verdict is Verdict.EQUIVALENT


def test_a_table_on_a_cluster_holds_both_versions_and_each_side_reads_its_own(pair: Place) -> None:
    pytest.importorskip("ibis")
    table = lines(pair, "table.jsonl", [{**one, "version": f"{1 + i % 2}.0.0"} for i, one in enumerate(GOOD * 2)])
    path = pair.root.parent / "t.duckdb"
    with pytest.importorskip("duckdb").connect(str(path)) as made:
        made.execute(f"CREATE TABLE calls AS SELECT *, version AS release FROM read_json('{table}')")
    asked = Asked(query=Query(connect=f"duckdb://{path}", table="calls"))
    report = pair.registry.evaluate("m@2.0.0", asked=asked, against=Against("active"))
    assert report.compared is not None
    assert [one.stats.totals().requests for one in report.compared.reductions] == [1000, 1000]
    renamed = {"version": "release", "success": "success", "latency_ms": "latency_ms"}
    for columns, name in (({}, "version"), (renamed, "release")):
        of_one = asked._replace(query=asked.query._replace(columns=columns, where=((name, "2.0.0"),)))
        with pytest.raises(Usage, match="would be read as the inferences of both"):
            pair.registry.evaluate("m@2.0.0", asked=of_one, against=Against("active"))


def test_the_records_of_one_version_are_not_compared_with_themselves(pair: Place) -> None:
    mixed = lines(pair, "mixed.jsonl", [{**one, "version": f"{1 + i % 2}.0.0"} for i, one in enumerate(GOOD * 2)])
    of_one = Query(where=(("version", "2.0.0"),))
    with pytest.raises(Usage, match="would be read as the inferences of both"):
        pair.registry.compare("m@2.0.0", "m@active", [mixed], [mixed], query=of_one)


@pytest.mark.parametrize(
    ("baseline", "refusal"),
    [("9.9.9", NotFound), ("m@9.9.9", NotFound), ("other@active", NotFound), ("actve", Usage), ("m@", Usage)],
)
def test_a_baseline_that_nobody_registered_is_refused_and_nothing_is_kept(
    pair: Place, baseline: str, refusal: type[Exception]
) -> None:
    before = pair.files()
    with pytest.raises(refusal):
        judged(pair, GOOD, baseline)
    assert pair.files() == before


def test_the_malformed_lines_of_a_baseline_are_refused_too(pair: Place) -> None:
    bad = lines(pair, "bad.jsonl", [*GOOD, {"success": True, "latency_ms": -1}])
    with pytest.raises(Invalid, match=r"bad\.jsonl:1001"):
        pair.registry.evaluate("m@2.0.0", [lines(pair, "new.jsonl", GOOD)], against=Against("active", [bad]))
    assert pair.registry.show("m@2.0.0").metrics is None


def test_standard_input_feeds_the_evaluated_version_or_its_baseline(pair: Place) -> None:
    good = lines(pair, "good.jsonl", GOOD)
    for sources, others in (["-"], [good]), ([good], ["-"]):
        asked = Asked(sources, stdin=io.BytesIO(Path(good).read_bytes()))
        report = pair.registry.evaluate("m@2.0.0", asked=asked, against=Against("active", others))
        assert report.evaluation.verdict == "passed"
    asked = Asked(["-"], stdin=io.BytesIO(Path(good).read_bytes()))
    with pytest.raises(Usage, match="no standard input"):
        pair.registry.evaluate("m@2.0.0", asked=asked, against=Against("active", ["-"]))


def test_latencies_known_by_bucket_count_only_where_either_end_of_the_bucket_says_the_same(
    pair: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, slow = lines(pair, "good.jsonl", GOOD), lines(pair, "slow.jsonl", SLOW)
    read = read_table

    def bucketed(store: Store, record: Record, asked: Asked) -> Reduction:
        found = read(store, record, asked)
        other = read(store, record, asked._replace(patterns=[good]))
        return found._replace(best=other.stats) if record.version == "2.0.0" else found

    monkeypatch.setattr(comparison, "reduced", bucketed)
    assert pair.registry.compare("m@2.0.0", "m@1.0.0", [good], [good]).comparison.verdict is Verdict.EQUIVALENT
    assert pair.registry.compare("m@2.0.0", "m@1.0.0", [slow], [good]).comparison.verdict is Verdict.UNDECIDED


def test_a_score_of_which_its_source_says_that_lower_is_better_needs_the_same_in_helix_toml(pair: Place) -> None:
    results = {"lambada": {"alias": "lambada", "perplexity,none": 4.5, "perplexity_stderr,none": 0.1}}
    said = {"results": results, "n-samples": {"lambada": {"effective": 100}}}
    path = pair.root.parent / "results.json"
    path.write_text(json.dumps(said | {"higher_is_better": {"lambada": {"perplexity": False}}}))
    before = pair.files()
    for ask in (pair.registry.evaluate, lambda ref, sources: pair.registry.compare(ref, "m@1.0.0", sources)):
        with pytest.raises(Invalid, match=r"lower is better in lambada\.perplexity, as its source says") as caught:
            ask("m@2.0.0", [str(path)])
        assert caught.value.hint == 'in helix.toml: [evaluation] lower_is_better = ["lambada.perplexity"]'
    assert pair.files() == before
    with (pair.root / "helix.toml").open("a") as handle:
        handle.write('\n[evaluation]\nlower_is_better = ["lambada.perplexity"]\n')
    assert pair.registry.evaluate("m@2.0.0", [str(path)]).evaluation.scores == {"lambada.perplexity": Decimal("4.5")}
