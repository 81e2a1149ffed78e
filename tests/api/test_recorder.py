from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helixctl import Recorder
from helixctl.errors import Invalid, NotFound, StorageRefused
from helixctl.storage import disk
from tests.conftest import Place

Errors = list[Exception]


@pytest.fixture
def errors() -> Errors:
    return []


@pytest.fixture
def recorder(place: Place, errors: Errors) -> Iterator[Recorder]:
    place.serve("m@1.0.0")
    with Recorder.open(place.root, "m@active", on_error=errors.append, interval_s=0.02) as opened:
        yield opened


def kept(place: Place) -> list[dict[str, Any]]:
    paths = sorted((place.root / ".helix" / "inferences").rglob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def test_what_an_application_records_is_what_evaluate_reads(place: Place, recorder: Recorder, errors: Errors) -> None:
    recorder.record(latency_ms=411.2, input_tokens=100, output_tokens=50, cost=0.0025, confidence=0.9, region="eu")
    recorder.record(success=False)
    recorder.record(error="HTTP 429 of customer 17", at=1_772_323_200.5)
    recorder.close()
    first, second, third = kept(place)
    assert {first.pop("ts")[-1], second.pop("ts")[-1]} == {"Z"}
    assert first == {
        "success": True,
        "latency_ms": 412,
        "region": "eu",
        "input_tokens": 100,
        "output_tokens": 50,
        "cost": 0.0025,
        "confidence": 0.9,
    }
    assert second == {"success": False, "latency_ms": None, "error": "other"}
    assert third == {"ts": "2026-03-01T00:00:00.500000Z", "success": False, "latency_ms": None, "error": "rate_limit"}
    assert (recorder.recorded, recorder.dropped, errors) == (3, 0, [])
    assert place.registry.evaluate("m@1.0.0", dry_run=True).evaluation.samples == 3


def test_a_block_is_timed_and_fails_where_it_raises(place: Place, recorder: Recorder) -> None:
    with recorder.timed(input_tokens=7) as fields:
        fields["output_tokens"] = 9
        time.sleep(0.002)
    with pytest.raises(TimeoutError, match="secret"), recorder.timed(region="eu"):
        raise TimeoutError("secret")
    recorder.flush()
    fine, failed = kept(place)
    assert (fine["success"], fine["input_tokens"], fine["output_tokens"]) == (True, 7, 9)
    assert fine["latency_ms"] >= 2
    assert (failed["success"], failed["error"], failed["region"]) == (False, "timeout", "eu")
    assert "secret" not in str(kept(place))


BAD: dict[str, dict[str, Any]] = {
    "a text": {"latency_ms": "secret"},
    "NaN": {"latency_ms": float("nan")},
    "infinity": {"latency_ms": float("inf")},
    "below zero": {"latency_ms": -1},
    "a part of a token": {"latency_ms": 1, "input_tokens": 1.7},
    "a huge number": {"latency_ms": 10**400},
    "no latency": {},
    "a region with a space": {"latency_ms": 1, "region": "secret place"},
    "a time beyond the calendar": {"latency_ms": 1, "at": 1e30},
}


@pytest.mark.parametrize("what", BAD)
def test_bad_values_never_raise_where_they_are_recorded(
    place: Place, recorder: Recorder, errors: Errors, what: str
) -> None:
    recorder.record(**BAD[what])
    recorder.record(latency_ms=1)
    recorder.close()
    assert len(kept(place)) == 1
    (error,) = errors
    assert isinstance(error, Invalid)
    assert "inferences of m@1.0.0 not recorded: 1: " in str(error)
    assert "secret" not in str(error)


def test_flush_raises_what_the_background_only_tells(place: Place, errors: Errors) -> None:
    place.register("m@1.0.0")
    with Recorder.open(place.root, "m@1.0.0", on_error=errors.append, interval_s=60) as recorder:
        recorder.record(latency_ms=-1)
        with pytest.raises(Invalid, match="latency_ms"):
            recorder.flush()
    assert errors == []


def test_nothing_is_lost_while_the_disk_refuses_and_what_is_too_much_is_counted(
    place: Place, errors: Errors, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.register("m@1.0.0")
    with Recorder.open(place.root, "m@1.0.0", on_error=errors.append, interval_s=60, most=3) as recorder:
        with monkeypatch.context() as broken:
            broken.setattr(disk, "append_shared", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
            recorder.record(latency_ms=1)
            with pytest.raises(StorageRefused):
                recorder.flush()
            for _ in range(5):
                recorder.record(latency_ms=2)
            with pytest.raises(StorageRefused):
                recorder.flush()
        assert (recorder.recorded, recorder.dropped, kept(place)) == (0, 2, [])
        recorder.flush()
    assert [one["latency_ms"] for one in kept(place)] == [1, 2, 2, 2]
    assert errors == []


def test_many_threads_lose_nothing(place: Place, recorder: Recorder, errors: Errors) -> None:
    def work(number: int) -> None:
        for _ in range(500):
            recorder.record(latency_ms=number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    recorder.close()
    assert sorted(one["latency_ms"] for one in kept(place)) == sorted([*range(8)] * 500)
    assert (recorder.recorded, errors) == (4000, [])
    rolling = place.registry.rolling(place.registry.show("m@1.0.0"))
    assert rolling is not None
    assert rolling["samples"] == 4000


def test_what_waits_is_appended_within_the_interval(place: Place, recorder: Recorder) -> None:
    recorder.record(latency_ms=1)
    deadline = time.monotonic() + 20
    while not kept(place) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(kept(place)) == 1


def test_a_fork_goes_on_with_an_empty_queue(place: Place) -> None:
    place.register("m@1.0.0")
    with Recorder.open(place.root, "m@1.0.0", interval_s=60) as recorder:
        recorder.record(latency_ms=1)
        child = os.fork()
        if child == 0:
            recorder.record(latency_ms=2)
            recorder.close()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    assert sorted(one["latency_ms"] for one in kept(place)) == [1, 2]


def test_after_the_end_nothing_is_recorded_and_nothing_raises(place: Place, recorder: Recorder) -> None:
    recorder.close()
    recorder.record(latency_ms=1)
    recorder.close()
    assert (recorder.recorded, recorder.dropped, kept(place)) == (0, 1, [])


def test_the_log_gets_an_entry_when_an_alert_opens_or_closes_and_none_between(place: Place) -> None:
    place.serve("m@1.0.0")
    before = len(list(place.registry.audit()))
    recorder = Recorder.open(place.root, "m@1.0.0", interval_s=60)
    for values in ({"latency_ms": 5}, {"error": "timeout"}, {"error": "timeout"}):
        for _ in range(200):
            recorder.record(**values)
        recorder.flush()
        recorder._refresh(is_end=True)
    recorder.close()
    (entry,) = list(place.registry.audit())[before:]
    assert [one["action"] for one in entry["effects"]] == ["metrics.updated", "threshold.violated", "quality.degraded"]
    assert (entry["actor"]["via"], entry["data"]["samples"]) == ("api", 400)


@pytest.mark.parametrize("ref", ["m@9.0.0", "m@active", "none@1.0.0"])
def test_a_recorder_of_nothing_is_refused_at_once(place: Place, ref: str) -> None:
    place.register("m@1.0.0")
    with pytest.raises(NotFound):
        Recorder.open(place.root, ref)


def test_without_a_listener_the_logger_is_told(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.register("m@1.0.0")
    with Recorder.open(Path(place.root), "m@1.0.0", interval_s=60) as recorder:
        recorder.record(latency_ms=-1)
    assert [(one.name, one.levelname) for one in caplog.records] == [("helixctl", "WARNING")]
