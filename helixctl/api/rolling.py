"""Rolling metrics of recorded inferences: added up as they come, judged, and told to the log."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from helixctl.api.evaluation import thresholds_of, violated
from helixctl.api.sources import subject_of
from helixctl.core import alerts
from helixctl.core import request as ask
from helixctl.core import stats as statistics
from helixctl.core.alerts import QUALITY, Alerts
from helixctl.core.audit import Filter
from helixctl.core.judge import Evaluation, judge
from helixctl.core.lifecycle import IN_SERVICE
from helixctl.core.record import Record
from helixctl.core.stats import Stats
from helixctl.core.times import short
from helixctl.engines.recording import Recording
from helixctl.gate import Result, submit
from helixctl.storage import disk, inferences, lock
from helixctl.storage.inferences import Rolling
from helixctl.storage.registry import Store

WINDOW_DAYS = 7
"""Rolling metrics are of so many UTC days, up to that of the newest inference."""

REFRESH_S = 5.0
"""Within a stream they are refreshed no more often than this."""

_SHORTEST = 40
"""Bytes that the line of an inference has at the least."""


class _State(NamedTuple):
    """What is counted so far: bytes of each segment, their table; and the alerts that are open."""

    offsets: Mapping[str, int]
    table: Stats
    alerts: Mapping[str, int]


class Refresher:
    """Keeps the rolling metrics of one version up to date; one for a command, or for a Recorder.

    Args:
        recording: adds up what its holder appends, and so spares reading that again, as long as nobody else appends.
        is_command: logs one entry at most, at its end, or before when an alert opens. Without it, one when alerts change.
    """

    def __init__(
        self, store: Store, request: ask.Request, record: Record, recording: Recording, *, is_command: bool
    ) -> None:
        self._store, self._request, self._record = store, request, record
        self._recording, self._is_command = recording, is_command
        self._place = inferences.folder(store.root, record)
        self._own: dict[str, tuple[int, int]] = {}
        self._at = time.monotonic()
        self.refreshed: Evaluation | None = None
        self.logged: Result | None = None

    def appended(self, name: str, start: int, size: int) -> None:
        """Note where the holder appended."""
        begun, end = self._own.get(name, (start, start))
        self._own[name] = (begun if end == start else -1, start + size)  # with -1 it never matches what is to be read

    @property
    def is_due(self) -> bool:
        """Tell whether it is time to refresh within a stream."""
        return time.monotonic() - self._at > REFRESH_S

    def refresh(self, *, is_end: bool) -> None:
        """Refresh the rolling metrics, where `metrics_update_interval` inferences have come since the last time.

        Raises:
            HelixError: as the gate; nothing was refreshed.
        """
        self._at = time.monotonic()
        settings, ref = self._store.settings(), self._record.ref
        least = 0 if is_end and self.refreshed else settings.metrics_update_interval
        with lock.exclusive(self._store.root, path=lock.REFRESH):  # two at once would both alert
            state = self._counted(least)
            if state is None:
                return
            record = self._store.resolved(ref)
            thresholds = thresholds_of(record, settings)
            found = judge(state.table, thresholds, str(ref))
            serves = record.status in IN_SERVICE and record.serving_digest == self._record.serving_digest
            told = alerts.after(state.alerts, found, thresholds.min_samples, is_serving=serves)
            told = self._logged(state, found, told, is_end=is_end)
            summary = {"refreshed_at": short(self._store.clock()), "violated": list(violated(found)), **_plain(found)}
            with disk.refusing(f"refresh the metrics of {ref}"):
                kept = Rolling(state.offsets, summary, told.open, state.table.encode())
                inferences.keep_rolling(self._place, kept)
                if settings.inference_days:
                    oldest = self._store.clock().date() - timedelta(settings.inference_days)
                    inferences.expire(self._store.root, self._record, oldest)
        self.refreshed = found
        self._own.clear()
        self._recording.begin()

    def _counted(self, least: int) -> _State | None:
        """Add what came to what was known; None where that is less than `least` inferences."""
        sizes = inferences.segments(self._place)
        known = self._known(sizes)
        if known is None:
            recent = inferences.newest_days(sizes, WINDOW_DAYS)
            known = _State({name: 0 if name in recent else sizes[name] for name in sizes}, Stats(), self._of_log())
        offsets = {name: known.offsets.get(name, 0) for name in sizes}
        fresh = {name: (start, sizes[name]) for name, start in offsets.items() if start < sizes[name]}
        if sum(end - start for start, end in fresh.values()) < least * _SHORTEST:
            return None
        added = self._recording
        if fresh != self._own:
            added = Recording("segment", subject_of(self._record))
            fresh = {name: (start, self._read(name, start, added)) for name, (start, _) in fresh.items()}
        if added.fresh < least:
            return None
        offsets |= {name: end for name, (_, end) in fresh.items()}
        return _State(offsets, _recent(known.table.merge(added.table.build())), known.alerts)

    def _known(self, sizes: Mapping[str, int]) -> _State | None:
        found = inferences.rolling(self._place)
        try:
            if found and all(end <= sizes.get(name, end) for name, end in found.offsets.items()):
                return _State(found.offsets, statistics.decode(found.table), found.alerts)
        except ValueError:
            pass
        return None

    def _read(self, name: str, start: int, into: Recording) -> int:
        with disk.refusing(f"read the inferences of {self._record.ref}"):
            for piece in inferences.pieces(f"{self._place}/{name}", start):
                into.take(piece, self._store.clock())
                start += len(piece)
        return start

    def _of_log(self) -> dict[str, int]:
        """Return the alerts that the log has as open, so that losing the rolling metrics repeats none."""
        ref, since = self._record.ref, self._store.clock() - timedelta(WINDOW_DAYS)
        wanted = Filter(ref.model, str(ref.version), ("metrics.updated",), since=since)
        said = [one["data"] for one in self._store.entries(wanted)][-1:]
        serving = self._record.serving_digest
        return dict.fromkeys((name for one in said if one.get("serving") == serving for name in one["open"]), 0)

    def _logged(self, state: _State, found: Evaluation, told: Alerts, *, is_end: bool) -> Alerts:
        """Tell the log, where there is something to tell; return the alerts that it knows of."""
        has_changed = told.open.keys() != state.alerts.keys()
        if (not self.logged and (is_end or told.opened)) if self._is_command else has_changed:
            thresholds = tuple(name for name in told.opened if name != QUALITY)
            said = (str(found.verdict), found.samples, thresholds, QUALITY in told.opened, state.table.digest())
            act = ask.Observe(self._record.ref, *said, tuple(sorted(told.open)), self._record.serving_digest)
            self.logged = submit(self._store, self._request._replace(act=act))
            return told
        return Alerts(state.alerts) if has_changed else told


def _recent(table: Stats) -> Stats:
    """Return the groups of the last days."""
    oldest = str(table.latest.date() - timedelta(WINDOW_DAYS - 1)) if table.latest else ""
    return table.of_windows({window for window in table.windows() if window >= oldest})


def _plain(evaluation: Evaluation) -> dict[str, Any]:
    metrics = evaluation.as_metrics()
    return {
        key: float(value) if isinstance(value, Decimal) else value for key, value in metrics.items() if key != "scores"
    }
