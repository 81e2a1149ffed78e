"""Record inferences from inside an application, beside its requests and never in their way."""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

from helixctl.api import Registry
from helixctl.api.recording import Keeper
from helixctl.core import request as ask
from helixctl.core.audit import Actor
from helixctl.core.record import Record
from helixctl.engines.readers import LineError
from helixctl.engines.readers.native import inference, write
from helixctl.errors import HelixError, Invalid
from helixctl.storage.registry import Store

INTERVAL_S = 1.0
MOST = 100_000
NUMBERS = ("latency_ms", "input_tokens", "output_tokens", "cost", "confidence")


class Recorder:
    """Records the inferences of one version in the background, through the same segments as `helixctl record`.

    `record` only puts a tuple into a queue. A thread of its own checks and appends what is waiting, refreshes the rolling
    metrics, and logs alerts when one opens or closes. Where that fails, `on_error` is told, by default the logger
    `helixctl`, and what was not appended is tried again; no call but `flush` raises. Safe with threads; a fork goes on with
    an empty queue. What waits when a process is killed is lost: `interval_s` of inferences.
    """

    def __init__(
        self,
        store: Store,
        request: ask.Request,
        record: Record,
        on_error: Callable[[Exception], object],
        *,
        interval_s: float = INTERVAL_S,
        most: int = MOST,
    ) -> None:
        self._keeper_of: Callable[[], Keeper] = lambda: Keeper(store, request, record, "recorder", is_command=False)
        self._on_error, self._interval_s, self._most = on_error, interval_s, most
        self._waiting: deque[tuple[Any, ...]] = deque()
        self.ref, self.dropped = record.ref, 0
        self._pending = b""
        self._begin()
        this = weakref.ref(self)

        def forked() -> None:
            if (found := this()) is not None:
                found._forked()

        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=forked)
        atexit.register(self.close)

    @classmethod
    def open(
        cls,
        registry: str | os.PathLike[str] | None,
        ref: str,
        *,
        actor: Actor | None = None,
        on_error: Callable[[Exception], object] | None = None,
        interval_s: float = INTERVAL_S,
        most: int = MOST,
    ) -> Recorder:
        """Open a recorder of the version that a reference means now, as it serves now.

        Args:
            on_error: is told of what could not be recorded, in the recorder's thread. interval_s: how often what waits is
                appended. most: so many may wait; what comes then is dropped, and counted in `dropped`.

        Raises:
            NotFound: no such registry or version. BadSettings: settings or a policy do not load.
        """
        opened = Registry.open(registry, actor=actor)
        opened.store.policies()
        found = opened.show(ref)
        request = ask.Request(ask.Adopt(found.ref), opened.who())
        return cls(opened.store, request, found, on_error or _logged, interval_s=interval_s, most=most)

    def record(
        self,
        *,
        success: bool = True,
        latency_ms: float | None = None,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost: float | None = None,
        confidence: float | None = None,
        error: BaseException | str | int | None = None,
        region: str | None = None,
        at: float | None = None,
    ) -> None:
        """Put one inference into the queue: at a time in seconds since 1970, or now. With an error it failed."""
        if len(self._waiting) >= self._most or self._closed:
            self.dropped += 1
            return
        numbers = (latency_ms, input_tokens, output_tokens, cost, confidence)
        self._waiting.append((at or time.time(), success and error is None, region, error, numbers))
        if self._thread is None:
            self._start()

    @contextmanager
    def timed(self, **fields: Any) -> Iterator[dict[str, Any]]:
        """Record what a block does with the time it takes: a failure where it raises. More fields go into what it gives."""
        begun = time.perf_counter()

        def ended(_kind: object, error: BaseException | None, _trace: object) -> None:
            took = {"error": error} if error else {"latency_ms": 1000 * (time.perf_counter() - begun)}
            self.record(**{**took, **fields})

        with ExitStack() as block:
            block.push(ended)
            yield fields

    @property
    def recorded(self) -> int:
        """How many inferences were appended."""
        return self._keeper.recorded

    def flush(self) -> None:
        """Append what waits, now.

        Raises:
            HelixError: it cannot be written; it waits on.
        """
        with self._lock:
            refused = self._keeper.recording.malformed_count
            for _ in range(2):  # what could not be written before, then what waits
                self._pending = self._pending or b"".join(self._lines())
                if self._pending:
                    self._keeper.append(self._pending)
                    self._pending = b""
            refused = self._keeper.recording.malformed_count - refused
        if refused:
            why = self._keeper.recording.malformed[-1].why
            raise Invalid(f"inferences of {self.ref} not recorded: {refused}: {why}", hint="docs/recording.md")

    def close(self) -> None:
        """Append what waits and end; what comes later is dropped."""
        self._closed = True
        atexit.unregister(self.close)
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self._work(is_end=True)

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _forked(self) -> None:
        self._waiting.clear()  # the parent has them too, and records them
        self._begin()

    def _begin(self) -> None:
        self._keeper = self._keeper_of()
        self._lock, self._stop, self._closed = threading.Lock(), threading.Event(), False
        self._thread: threading.Thread | None = None
        self._pending = b""

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="helixctl-recorder", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval_s):
            self._work(is_end=False)

    def _work(self, *, is_end: bool) -> None:
        for step in (self.flush, lambda: self._refresh(is_end=is_end)):
            try:
                step()
            except (HelixError, OSError) as error:
                self._on_error(error)

    def _refresh(self, *, is_end: bool) -> None:
        with self._lock:
            if self._keeper.recorded and (is_end or self._keeper.rolling.is_due):
                self._keeper.rolling.refresh(is_end=is_end)

    def _lines(self) -> Iterator[bytes]:
        recording = self._keeper.recording
        while self._waiting:
            at, success, region, error, numbers = self._waiting.popleft()
            recording.line += 1
            try:
                stated = {name: float(value) for name, value in zip(NUMBERS, numbers, strict=True) if value is not None}
                said = {"success": success, "region": region, "error": _named(error), **stated}
                one = inference(said, recording.subject)._replace(at=datetime.fromtimestamp(at, UTC))
            except LineError as refused:
                recording.refuse(str(refused))
                continue
            except (TypeError, ValueError, OverflowError, OSError):
                recording.refuse("a value that is no number, or no time")  # what it is may be a secret
                continue
            recording.add(one)
            yield write(one)


def _named(error: BaseException | str | int | None) -> str | int | None:
    """Return what tells the class of an error; nothing that an exception says leaves the process."""
    if isinstance(error, BaseException):
        return f"{type(error).__name__} {getattr(error, 'status_code', '')}"
    return error


def _logged(error: Exception) -> None:
    import logging

    logging.getLogger("helixctl").warning("%s", error)
