from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from helixctl.api import rolling
from helixctl.core.audit import Filter
from helixctl.engines.recording import blocks
from helixctl.errors import Invalid, StorageRefused
from helixctl.storage import disk, inferences
from tests.api.test_evaluation import last, line, lines, settings
from tests.conftest import Place

BAD = {"success": False, "latency_ms": None, "error": "timeout"}
OPENED = ["metrics.updated", "threshold.violated", "quality.degraded"]


def said(place: Place) -> list[str]:
    return [one["action"] for one in last(place)["effects"]]


def samples(place: Place) -> int:
    found = place.registry.rolling(place.registry.show("m@1.0.0"))
    return int(found["samples"]) if found else 0


def test_a_rate_that_flaps_around_its_limit_makes_one_entry_with_an_alert(place: Place) -> None:
    settings(place, "metrics_update_interval = 1")
    place.serve("m@1.0.0")
    for failures, clean in ((50, 950), (1, 0), (0, 40), (3, 0), (0, 60), (4, 0), (0, 100), (6, 0)):
        many = lines(failures, **BAD).getvalue() + lines(clean).getvalue()
        place.registry.record("m@1.0.0", io.BytesIO(many))
    entries = list(place.registry.audit(Filter(actions=("metrics.updated",))))
    assert [entry["data"]["verdict"] for entry in entries] == ["passed", "failed"] * 4
    effects = [[one["action"] for one in entry["effects"]] for entry in entries]
    assert effects == [["metrics.updated"], OPENED, *[["metrics.updated"]] * 6]


def test_an_alert_that_opens_within_a_stream_is_logged_at_once_and_the_stream_logs_no_more(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "REFRESH_S", -1.0)
    place.serve("m@1.0.0")
    seen: list[list[str]] = []

    parts = [lines(200).getvalue(), lines(200, **BAD).getvalue(), *[lines(8000).getvalue()] * 3, b""]

    class Slow(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, into: Any) -> int:
            seen.append(said(place))
            into[: len(parts[0])] = parts[0]
            return len(parts.pop(0))

    before = len(list(place.registry.audit()))
    done = place.registry.record("m@1.0.0", io.BufferedReader(Slow(), 4_000_000))
    assert seen[2] == OPENED
    assert len(list(place.registry.audit())) == before + 1
    assert done.refreshed is not None
    assert (done.recorded, done.refreshed.samples, done.refreshed.verdict) == (24_400, 24_400, "passed")
    place.registry.record("m@1.0.0", lines(100))
    assert (said(place), last(place)["data"]["open"]) == (["metrics.updated"], [])


def test_losing_the_rolling_metrics_repeats_no_alert(place: Place) -> None:
    place.serve("m@1.0.0")
    place.registry.record("m@1.0.0", lines(100, **BAD))
    assert (said(place), last(place)["data"]["open"]) == (OPENED, ["max_error_rate", "min_success_rate", "quality"])
    for lost in ("rolling.stats", "*.jsonl"):
        for path in (place.root / ".helix").rglob(lost):
            path.unlink()
        place.registry.record("m@1.0.0", lines(100, **BAD))
        assert said(place) == ["metrics.updated"]
    shutil.rmtree(place.root / ".helix")
    place.registry.record("m@1.0.0", lines(100, **BAD))
    assert said(place) == ["metrics.updated"]
    place.clock.pass_by(days=8)
    shutil.rmtree(place.root / ".helix")
    place.registry.record("m@1.0.0", lines(100, **BAD))
    assert said(place) == OPENED, "nobody remembers, so it is told"


def test_what_was_recorded_before_a_change_of_what_serves_counts_no_more(place: Place) -> None:
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", lines(200, **BAD))
    assert samples(place) == 200
    place.registry.update("m@1.0.0", {"configuration.temperature": 0})
    assert samples(place) == 0
    report = place.registry.evaluate("m@1.0.0", dry_run=True)
    assert (report.evaluation.samples, report.evaluation.verdict) == (0, "inconclusive")
    assert report.reduction.notes == ("inferences from before a change of what the version serves are left out",)
    done = place.registry.record("m@1.0.0", lines(100))
    assert done.refreshed is not None
    assert (done.refreshed.samples, done.refreshed.verdict) == (100, "passed")
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == 100
    place.registry.update("m@1.0.0", {"description": "says nothing of what serves"})
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == 100
    place.registry.update("m@1.0.0", {"configuration.temperature": None})
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == 200


def test_rolling_metrics_are_of_the_last_seven_days_up_to_the_newest_inference(place: Place) -> None:
    place.register("m@1.0.0")
    old, edge = ({"ts": f"2026-02-{day}T23:00:00Z"} for day in (22, 23))
    place.registry.record("m@1.0.0", io.BytesIO((line(**old) * 70 + line(**edge) * 30).encode()))
    assert samples(place) == 100
    place.registry.record("m@1.0.0", lines(100))
    assert samples(place) == 130
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == 200


def test_a_refresh_reads_only_what_others_appended_since_the_last(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[str, int]] = []

    def pieces(path: str, start: int) -> Iterator[bytes]:
        read.append((Path(path).name, start))
        return original(path, start)

    original = inferences.pieces
    monkeypatch.setattr(inferences, "pieces", pieces)
    place.register("m@1.0.0")
    place.registry.record("m@1.0.0", lines(250))
    assert (samples(place), read) == (250, [])
    place.registry.record("m@1.0.0", lines(50))
    place.registry.record("m@1.0.0", lines(60))
    size = len(line())
    assert (samples(place), read) == (360, [("2026-03-01.0001.jsonl", 250 * size)])
    place.clock.pass_by(days=1)
    place.registry.record("m@1.0.0", lines(100))
    assert (samples(place), len(read)) == (460, 1)


def test_old_inferences_go_as_configured(place: Place) -> None:
    settings(place, "inference_days = 2")
    place.register("m@1.0.0")
    for _ in range(4):
        place.registry.record("m@1.0.0", lines(100))
        place.clock.pass_by(days=1)
    names = [path.name for path in sorted((place.root / ".helix").rglob("*.jsonl"))]
    assert names == ["2026-03-02.0001.jsonl", "2026-03-03.0001.jsonl", "2026-03-04.0001.jsonl"]
    assert samples(place) == 400, "what is counted stays counted"


def test_that_the_metrics_cannot_be_refreshed_takes_nothing_back(place: Place) -> None:
    place.register("m@1.0.0")
    (segment,) = (place.root / "audit").rglob("*.jsonl")
    whole = segment.read_bytes()
    segment.write_bytes(b"broken\n" + whole)
    done = place.registry.record("m@1.0.0", lines(100))
    assert (done.recorded, done.refreshed, len(done.notes)) == (100, None, 1)
    assert done.notes[0].startswith("the rolling metrics are not refreshed: audit/")
    segment.write_bytes(whole)
    again = place.registry.record("m@1.0.0", lines(1))
    assert again.refreshed is not None
    assert again.refreshed.samples == 101


def test_a_disk_that_fails_within_a_stream_says_what_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("m@1.0.0")
    original, calls = disk.append_shared, []

    def failing(path: str, data: bytes, most: int, top: str | None) -> int | None:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return original(path, data, most, top)

    monkeypatch.setattr(disk, "append_shared", failing)
    many = lines(15_000)
    with pytest.raises(StorageRefused) as refused:
        place.registry.record("m@1.0.0", io.BufferedReader(many))
    kept = calls[0] // len(line())
    assert f"inferences of m@1.0.0 recorded: {kept}, out of lines read: {kept}" in str(refused.value)
    assert refused.value.exit_code == 8
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == kept


def test_an_interrupt_says_what_is_kept_and_never_comes_between_writing_and_counting(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.register("m@1.0.0")
    original = blocks

    def interrupted(source: Any) -> Iterator[bytes]:
        yield from original(source)
        raise KeyboardInterrupt

    monkeypatch.setattr("helixctl.api.recording.blocks", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        place.registry.record("m@1.0.0", lines(30))
    assert str(stopped.value) == "interrupted: inferences of m@1.0.0 recorded: 30, out of lines read: 30"


def test_an_interrupt_of_the_last_refresh_says_what_is_kept(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("m@1.0.0")

    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("helixctl.api.recording._refresh", interrupted)
    with pytest.raises(KeyboardInterrupt, match="recorded: 30, out of lines read: 30"):
        place.registry.record("m@1.0.0", lines(30))


@pytest.mark.parametrize("bad", [{"ts": "2026-03-09T00:00:00Z"}, {"version": "2.0.0"}, {"latency_ms": -1}])
def test_a_stream_without_any_inference_is_refused_and_leaves_nothing(place: Place, bad: dict[str, Any]) -> None:
    place.register("m@1.0.0")
    with pytest.raises(Invalid, match="no line is an inference: standard input, line 1: "):
        place.registry.record("m@1.0.0", lines(3, **bad))
    assert not (place.root / ".helix" / "inferences").exists()


def test_a_clock_that_is_a_little_ahead_is_no_future(place: Place) -> None:
    place.register("m@1.0.0")
    soon = (place.clock.now + timedelta(minutes=4)).isoformat()
    assert place.registry.record("m@1.0.0", lines(3, ts=soon)).recorded == 3


def test_with_sync_every_write_is_synced_before_it_counts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("m@1.0.0")
    synced: list[int] = []
    monkeypatch.setattr(disk, "_sync", synced.append)
    place.registry.record("m@1.0.0", lines(3))
    assert synced == []
    place.registry.record("m@1.0.0", lines(3), sync=True)
    assert len(synced) == 1
