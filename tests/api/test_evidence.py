"""Evidence of evaluations: kept, judged again, added up, and let go."""

from __future__ import annotations

import gzip
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.api.sources import Asked
from helixctl.core import evidence
from helixctl.core.evidence import Evidence, decode, encode
from helixctl.core.judge import Thresholds
from helixctl.core.names import Ref
from helixctl.core.stats import Inference, Score, StatsBuilder
from helixctl.errors import Damaged, Invalid, NotFound
from tests.conftest import Place

DAY = "2026-02-%02dT10:00:00Z"


def day_file(place: Place, day: int, count: int, latency: int = 100) -> str:
    path = place.root / f"day{day}.jsonl"
    line = f'{{"ts":"{DAY % day}","success":true,"latency_ms":{latency},"confidence":0.9}}\n'
    path.write_text(line * count)
    return str(path)


def kept(place: Place) -> list[Path]:
    return sorted((place.root / "evaluations/m/1.0.0").glob("*.gz"))


def test_an_evaluation_keeps_what_its_verdict_can_be_computed_from(place: Place) -> None:
    place.register("m@1.0.0")
    report = place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)])
    (path,) = kept(place)
    found = decode(path.read_bytes())
    assert found.stats == report.reduction.stats
    assert found.judged() == report.evaluation
    assert place.registry.recheck("m@1.0.0").is_sound
    assert place.registry.verify().outcome == "ok"
    assert [row["path"] for row in list(place.registry.audit())[-1]["changes"]] == [
        "models/m/1.0.0.toml",
        str(path.relative_to(place.root)),
    ]


def test_a_dry_evaluation_keeps_none_and_there_is_nothing_to_recheck(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)], dry_run=True)
    assert kept(place) == []
    with pytest.raises(NotFound, match="left evidence"):
        place.registry.recheck("m@1.0.0")


@pytest.mark.parametrize("harm", ["flip", "lose", "swap", "empty"])
def test_evidence_that_was_touched_is_found_by_recheck_and_by_verify(place: Place, harm: str) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)])
    place.clock.now += timedelta(hours=1)
    place.registry.evaluate("m@1.0.0", [day_file(place, 2, 60, latency=9000)])
    first, second = kept(place)
    match harm:
        case "flip":
            raw = bytearray(first.read_bytes())
            raw[len(raw) // 2] ^= 1
            first.write_bytes(raw)
        case "lose":
            first.unlink()
        case "swap":
            first.write_bytes(second.read_bytes())
        case "empty":
            first.write_bytes(b"")
    checked = place.registry.recheck("m@1.0.0")
    assert [one.fault is None for one in checked.found] == [False, True]
    assert place.registry.verify().outcome != "ok"
    with pytest.raises(Damaged, match="not the evidence that the log knows"):
        place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))


def test_lost_evidence_bars_no_window_of_the_days_after_it(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)])
    kept(place)[0].unlink()
    place.clock.now += timedelta(days=60)
    path = place.root / "late.jsonl"
    path.write_text(f'{{"ts":"{place.clock.now.isoformat()}","success":true,"latency_ms":5}}\n' * 60)
    place.registry.evaluate("m@1.0.0", [str(path)])
    asked = Asked(window=timedelta(days=30))
    assert place.registry.evaluate("m@1.0.0", asked=asked).evaluation.samples == 60


def test_no_window_counts_evidence_that_no_evaluation_left(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60, latency=9000)])
    bad = decode(kept(place)[0].read_bytes())
    (group,) = bad.stats.groups
    better = bad._replace(stats=bad.stats._replace(groups=(group._replace(latencies=(100,)),)))
    path = evidence.path_of(bad.ref, place.clock.now + timedelta(hours=1), better.stats.digest())
    (place.root / path).write_bytes(encode(better))
    with pytest.raises(Damaged, match="not the evidence that the log knows"):
        place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))


def test_a_window_adds_the_days_up_and_counts_none_twice(place: Place) -> None:
    place.register("m@1.0.0")
    for day, count in ((25, 40), (26, 30), (26, 35), (27, 20)):
        place.clock.now += timedelta(minutes=1)
        place.registry.evaluate("m@1.0.0", [day_file(place, day, count)])
    report = place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))
    assert (report.evaluation.samples, report.evaluation.verdict) == (40 + 35 + 20, "passed")
    assert report.reduction.notes == ("1 evaluation speaks of days that newer ones speak of, and is left out",)
    assert place.registry.show("m@1.0.0").metrics["source"] == "window"  # type: ignore[index]
    again = place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))
    assert again.evaluation.samples == 95
    near = place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=3)))
    assert near.evaluation.samples == 35 + 20
    with pytest.raises(NotFound):
        place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(hours=1)))


def test_a_window_counts_no_evidence_of_what_is_no_longer_served(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 25, 60)])
    place.registry.update("m@1.0.0", {"provider_model_id": "another"})
    wide = Asked(window=timedelta(days=30))
    with pytest.raises(NotFound, match="1 evaluation speaks of what is no longer served, and is left out"):
        place.registry.evaluate("m@1.0.0", asked=wide)
    place.clock.now += timedelta(minutes=1)
    place.registry.evaluate("m@1.0.0", [day_file(place, 25, 7)])
    report = place.registry.evaluate("m@1.0.0", asked=wide)
    assert report.evaluation.samples == 7
    assert report.reduction.notes == ("1 evaluation speaks of what is no longer served, and is left out",)


def test_a_model_that_is_named_like_a_version_of_another_has_evidence_of_its_own(place: Place) -> None:
    with (place.root / "helix.toml").open("a") as text:
        text.write("\n[evaluation]\nevidence_days = 10\n")
    for ref in ("m@1.0.0", "m/1.0.0@2.0.0"):
        place.register(ref)
    place.registry.evaluate("m/1.0.0@2.0.0", [day_file(place, 25, 60)])
    with pytest.raises(NotFound, match=r"no evidence of m@1\.0\.0 is of that window$"):
        place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))
    place.clock.now += timedelta(days=60)
    for _ in range(2):
        place.registry.evaluate("m@1.0.0", [day_file(place, 26, 60)])
    assert place.registry.recheck("m/1.0.0@2.0.0").is_sound
    assert list((place.root / "evaluations/m/1.0.0/2.0.0").glob("*.gz"))


def test_a_window_over_inferences_without_a_time_is_refused(place: Place) -> None:
    place.register("m@1.0.0")
    path = place.root / "x.jsonl"
    path.write_text('{"success":true,"latency_ms":5}\n')
    place.registry.evaluate("m@1.0.0", [str(path)])
    with pytest.raises(Invalid, match="no time"):
        place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))


def test_old_evidence_goes_with_the_next_evaluation_and_the_newest_stays(place: Place) -> None:
    with (place.root / "helix.toml").open("a") as text:
        text.write("\n[evaluation]\nevidence_days = 10\n")
    place.register("m@1.0.0")
    for _ in range(3):
        place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)])
        place.clock.now += timedelta(days=9)
    assert len(kept(place)) == 2
    assert place.registry.verify().outcome == "ok"
    checked = place.registry.recheck("m@1.0.0")
    assert [one.is_expired for one in checked.found] == [True, False, False]
    assert checked.is_sound


NUMBER = st.integers(0, 10**6) | st.decimals(0, 10**6, places=4)
LIMITS = st.builds(
    Thresholds,
    max_error_rate=NUMBER,
    min_success_rate=NUMBER,
    max_latency_ms=NUMBER,
    min_confidence=NUMBER,
    min_samples=st.integers(1, 10**6),
    warn=st.frozensets(st.sampled_from(["min_confidence"])),
)


@settings(max_examples=60, deadline=None)
@given(LIMITS, st.integers(0, 40), st.booleans())
def test_evidence_comes_back_as_it_went(limits: Thresholds, count: int, proven: bool) -> None:
    builder = StatsBuilder("m", "1.0.0")
    for number in range(count):
        builder.add(Inference(None, "", True, number, 5, None, None, 900_000), None)
    one = Evidence(Ref("m", "1.0.0"), "a" * 64, "files", limits, "passed", proven, builder.build())
    assert decode(encode(one)) == one
    assert encode(decode(encode(one))) == encode(one)


ONE = encode(
    Evidence(Ref("m", "1.0.0"), "a" * 64, "files", Thresholds(), "passed", True, StatsBuilder("m", "1.0.0").build())
)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(ONE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_refused_or_changes_nothing_that_is_said(at: int, flip: int) -> None:
    raw = bytearray(ONE)
    raw[at] ^= flip
    try:
        found = decode(bytes(raw))
    except Invalid:
        return
    assert found == decode(ONE)


@pytest.mark.parametrize(
    "raw", [b"", b"x", zlib.compress(b"{}"), ONE[:-1], ONE + b"x", ONE + ONE, zlib.compress(bytes(10**7), wbits=31)]
)
def test_what_is_no_evidence_is_refused(raw: bytes) -> None:
    with pytest.raises(Invalid, match="not the evidence"):
        decode(raw)


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence, "MOST_BYTES", 1000)
    with pytest.raises(Invalid):
        decode(zlib.compress(bytes(10**6), wbits=31))


def bucket_file(place: Place, day: int) -> str:
    names = ", ".join(
        f'"{name}": "{DAY_NANO + day * 86_400 * 10**9}"' for name in ("startTimeUnixNano", "timeUnixNano")
    )
    point = f'{{{names}, "count": "80", "bucketCounts": ["0", "80", "0"], "explicitBounds": [4, 8], "attributes": [{MODEL}]}}'
    data = f'"histogram": {{"aggregationTemporality": 1, "dataPoints": [{point}]}}'
    metric = f'{{"name": "gen_ai.client.operation.duration", "unit": "s", {data}}}'
    path = place.root / f"metrics{day}.jsonl"
    path.write_text(f'{{"resourceMetrics": [{{"scopeMetrics": [{{"metrics": [{metric}]}}]}}]}}\n')
    return str(path)


DAY_NANO = 1_769_900_400 * 10**9  # 2026-01-31T23:00:00Z
MODEL = '{"key": "gen_ai.request.model", "value": {"stringValue": "m"}}'


def test_what_is_known_by_bucket_only_stays_so_in_evidence_and_in_a_window(place: Place) -> None:
    place.register("m@1.0.0")
    for day in (24, 25):
        report = place.registry.evaluate("m@1.0.0", [bucket_file(place, day)])
        assert (report.evaluation.verdict, report.evaluation.samples) == ("inconclusive", 80)
        found = decode(kept(place)[-1].read_bytes())
        assert found.best == report.reduction.best
        assert encode(found) == encode(decode(encode(found)))
    place.registry.evaluate("m@1.0.0", [day_file(place, 26, 20)])
    summed = place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=30)))
    assert (summed.evaluation.verdict, summed.evaluation.samples) == ("inconclusive", 180)
    assert place.registry.recheck("m@1.0.0").is_sound


def rewritten(path: Path, old: bytes, new: bytes) -> None:
    text = gzip.decompress(path.read_bytes())
    assert old in text
    path.write_bytes(gzip.compress(text.replace(old, new, 1), mtime=0))


def test_evidence_whose_thresholds_were_eased_is_not_the_one_that_the_log_knows(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)])
    rewritten(kept(place)[0], b'"max_error_rate":"0.05"', b'"max_error_rate":"0.06"')
    (found,) = place.registry.recheck("m@1.0.0").found
    assert found.fault is not None


def test_sums_that_no_numbers_have_are_refused_by_recheck_and_by_a_window(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.evaluate("m@1.0.0", [day_file(place, 1, 60)])
    rewritten(kept(place)[0], b",60,54000000,48600000000000]", b",60,54000000,1]")
    assert not place.registry.recheck("m@1.0.0").is_sound
    with pytest.raises(Damaged, match="evidence"):
        place.registry.evaluate("m@1.0.0", asked=Asked(window=timedelta(days=90)))


def test_a_window_takes_no_score_as_nobody_knows_of_which_day_it_is() -> None:
    served = Ref("m", "1.0.0"), "a" * 64
    builder = StatsBuilder("m", "1.0.0")
    for day in (1, 25):
        at = datetime(2026, 2, day, tzinfo=UTC)
        builder.add(Inference(at, "", True, 100, None, None, None, None), None)
    builder.score(Score("exact", 99, 99_000_000, 99_000_000_000_000))
    one = Evidence(*served, "files", Thresholds(), "passed", True, builder.build())
    found = evidence.summed([("one", one)], date(2026, 2, 20), served)
    assert (found.stats.totals().requests, found.stats.scores) == (1, ())
