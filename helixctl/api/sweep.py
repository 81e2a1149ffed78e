"""The sweep: make the activations that are due, warn of ends of life at hand, once each, and retire what is past them."""

from __future__ import annotations

from contextlib import closing, nullcontext, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from helixctl.api.scheduling import due
from helixctl.core import request as ask
from helixctl.core import times
from helixctl.core.facts import barred, warning
from helixctl.core.lifecycle import Status
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.core.settings import Settings
from helixctl.errors import Damaged, Drift, HelixError, NothingToRestore
from helixctl.gate import Result, submit
from helixctl.storage import ledger, lock
from helixctl.storage.registry import Store

if TYPE_CHECKING:
    from helixctl.core.policy import Policy


class Warned(NamedTuple):
    """A version whose end of life is at hand or past while it serves."""

    model: str
    version: str
    end_of_life: datetime
    days: int
    status: str


class Swept(NamedTuple):
    """What a sweep did: a result for each change, the warnings it gave, and what it could not read.

    Args:
        is_check: only whether there is anything to do is asked for.
    """

    as_of: datetime
    dry_run: bool
    results: tuple[Result, ...]
    warned: tuple[Warned, ...]
    broken: tuple[HelixError, ...]
    is_check: bool = False

    @property
    def allowed(self) -> bool:
        """True where policy denied nothing."""
        return all(result.allowed for result in self.results)

    @property
    def is_pending(self) -> bool:
        """True where there is something to do, and only that was asked for."""
        return self.is_check and self.dry_run and bool(self.results)


def sweep(store: Store, request: ask.Request, as_of: datetime) -> Swept:
    """Activate what is due, warn and retire as the settings say; running it again does nothing more.

    Args:
        request: the envelope.
        as_of: the time at which ends of life are judged, and in a dry run all else; activations go by the clock.

    Raises:
        HelixError: settings or policies do not load, or the log is broken.
    """
    settings = store.settings()
    _refuse_uncompiled(store.policies())  # what does not load stops the sweep before it writes
    alone = nullcontext() if request.dry_run else lock.exclusive(store.root, path=lock.SWEEP)
    with alone:  # two sweeps at once would both warn
        return _sweep(store, request, as_of, settings)


def _refuse_uncompiled(policies: tuple[Policy, ...]) -> None:
    from helixctl.core.linting import uncompiled

    for one in policies:
        for rule in one.rules:
            for error in uncompiled(rule):
                raise one.at_fault(rule, error)


def _sweep(store: Store, request: ask.Request, as_of: datetime, settings: Settings) -> Swept:
    if request.dry_run:
        store = store._replace(clock=lambda: as_of)
    fired = list(due(store, request, store.clock()))
    results = [one for one in fired if not isinstance(one, HelixError)]
    records, fallbacks, broken = _records(store, as_of, settings)
    broken += [one for one in fired if isinstance(one, HelixError)]
    acts = [(one, _act(one, as_of, settings, is_fallback=one.ref in fallbacks)) for one in records]
    marks = _marks(store) if any(act for _, act in acts) else set()
    warned = []
    for record, act in acts:
        if isinstance(act, ask.Warn):
            if warning(str(record.ref), times.short(act.end_of_life), act.days) in marks:
                continue
            warned.append(Warned(record.ref.model, record.version, act.end_of_life, act.days, record.status))
        if act is None:
            continue
        try:
            results.append(_done(store, _envelope(request, act, record), marks))
        except (Damaged, Drift) as error:  # trouble in one model does not stop the sweep of the others
            broken.append(error)
    told = {str(error): error for error in broken}
    return Swept(as_of, request.dry_run, tuple(results), tuple(warned), tuple(told.values()))


def _records(store: Store, at: datetime, settings: Settings) -> tuple[list[Record], set[Ref], list[HelixError]]:
    """Return what may end of the models that can be read, what a rollback would restore of each, and the troubles."""
    found: list[Record] = []
    fallbacks: set[Ref] = set()
    broken: list[HelixError] = []
    with store.reading() as still:
        models = still.models()
        for done, model in enumerate(models):
            store.tell(done, len(models))
            now = still.snapshot(model, at, rules=(settings, ()))
            broken += now.damaged
            if now.damaged:
                continue
            found += [one for one in now.records.values() if one.end_of_life and one.status is not Status.RETIRED]
            with suppress(NothingToRestore):
                fallbacks.add(now.restorable().ref)
    return found, fallbacks, broken


def _marks(store: Store) -> set[str]:
    """Return the warnings given, and the denials logged, so far."""
    with store.reading(), closing(ledger.load(store.root)) as book:
        return book.noted("warned")


def _act(record: Record, at: datetime, settings: Settings, *, is_fallback: bool) -> ask.Act | None:
    ends = record.end_of_life
    if ends is None:
        return None
    left = ends - at
    if left > timedelta(0):
        due = [days for days in settings.eol_warning_days if left <= timedelta(days=days)]
        return ask.Warn(record.ref, ends, min(due)) if due else None
    if record.status is Status.ACTIVE and not (settings.retire_active and settings.retire_at_eol):
        return ask.Warn(record.ref, ends, 0)
    if not settings.retire_at_eol or is_fallback:  # it may be past only a date that an activation set
        return None
    return ask.Retire(record.ref, swept=ends)


def _done(store: Store, request: ask.Request, marks: set[str]) -> Result:
    """Warn or retire; what is denied for a cause that is in the log already is not logged again."""
    if isinstance(request.act, ask.Retire) and request.act.swept:
        about = str(request.ref), times.short(request.act.swept)
        if any(mark.startswith(f"{' '.join(about)} denied: ") for mark in marks):
            tried = submit(store, request._replace(dry_run=True))
            if tried.decision and not tried.allowed and barred(*about, tried.decision.as_data()) in marks:
                return tried._replace(dry_run=request.dry_run)
    return submit(store, request)


def _envelope(request: ask.Request, act: ask.Act, record: Record) -> ask.Request:
    in_service = isinstance(act, ask.Retire) and record.status in (Status.ACTIVE, Status.CANARY)
    overrides = ("retire-in-service",) if in_service else ()
    why = "its end of life has come, and it served until then" if in_service else None
    reason = "; ".join(filter(None, (request.reason, why))) or None
    return request._replace(act=act, reason=reason, overrides=overrides)
