"""Lists and the state of each model at a glance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core.integrity import holders
from helixctl.core.lifecycle import ON_ITS_WAY, Status
from helixctl.core.names import Ref
from helixctl.core.record import Record, order_of
from helixctl.errors import Damaged, HelixError, NotFound, NothingToRestore, Usage
from helixctl.storage import inferences

if TYPE_CHECKING:
    from helixctl.api.approving import Awaited
    from helixctl.core.audit import Filter
    from helixctl.core.schedule import Scheduled
    from helixctl.core.snapshot import Snapshot
    from helixctl.core.timeline import Timeline
    from helixctl.storage.ledger import Ledger
    from helixctl.storage.registry import Store


class Listing(NamedTuple):
    """Versions ascending by model and precedence, and what could not be read."""

    records: tuple[Record, ...]
    broken: tuple[HelixError, ...]

    @property
    def is_sound(self) -> bool:
        """True where every file could be read."""
        return not self.broken


class Ending(NamedTuple):
    """A version that is not retired and ends within the warning time, or has ended."""

    version: str
    status: str
    end_of_life: datetime
    days: int


class ModelStatus(NamedTuple):
    """One model at a glance.

    `previous` is what a rollback would restore; `rolling` is as last refreshed; `overrides` wait for a review, by entry;
    `drifted` are the versions whose files differ from the log; `awaited` those that wait for approvals.
    """

    model: str
    active: str | None
    canary: str | None
    previous: str | None
    counts: Mapping[str, int]
    blocked: tuple[str, ...]
    ending: tuple[Ending, ...]
    rolling: Mapping[str, Any] | None
    broken: tuple[HelixError, ...]
    overrides: tuple[str, ...] = ()
    scheduled: tuple[Scheduled, ...] = ()
    drifted: tuple[str, ...] = ()
    awaited: tuple[Awaited, ...] = ()


class Overview(NamedTuple):
    """The registry at a glance.

    Args:
        unrecorded: settings, policies and trust that were edited since the last write.
        strays: the files of the schedule that do not count. broken_log: why the log was not looked at.
        at: the time of which it tells, None for now; of the past only the models are known. has_gaps: entries lack.
        unloaded: why policies that were edited do not load, so that no write passes.
    """

    models: tuple[ModelStatus, ...]
    unrecorded: tuple[str, ...] = ()
    strays: tuple[HelixError, ...] = ()
    broken_log: HelixError | None = None
    at: datetime | None = None
    has_gaps: bool = False
    unloaded: HelixError | None = None

    @property
    def integrity(self) -> str:
        """What is seen in passing, in the words of `verify`, which alone reads the whole log."""
        if self.broken_log:
            return "tampered"
        troubles = [one for model in self.models for one in model.broken]
        if self.has_gaps or any(one.path and not one.path.endswith(".toml") for one in troubles):
            return "needs_reconcile"
        return "drift" if troubles or self.strays or any(model.drifted for model in self.models) else "ok"


def listing(store: Store, model: str | None) -> Listing:
    """Return the versions of one model or of all.

    Raises:
        NotFound: the one model has none.
    """
    with store.reading() as still:
        models = [model] if model else still.models()
        found = [one for name in _told(store, models) for one in still.records(name)]
    if model and not found:
        raise store.missing(Ref(model))
    records = [one for one in found if isinstance(one, Record)]
    broken = [one for one in found if isinstance(one, HelixError)]
    return Listing(tuple(sorted(records, key=order_of)), tuple(broken))


def _told(store: Store, names: list[str]) -> Iterator[str]:
    for done, name in enumerate(names):
        store.tell(done, len(names))
        yield name


def overview(store: Store, at: datetime, model: str | None) -> Overview:
    """Return each model, or the one asked for, at a glance.

    Raises:
        NotFound: the one model has no version.
    """
    with store.reading() as still, _log_of(still) as book:
        rules = still.settings(), ()
        names = [model] if model else still.models()
        known = None if isinstance(book, HelixError) else book
        looks = (still.snapshot(name, at, known, rules) for name in _told(store, names))
        found = tuple(_status(still.root, now)._replace(awaited=_awaited(still, now, known)) for now in looks)
        told = Overview(found, broken_log=book) if isinstance(book, HelixError) else _overview(still, found, book)
    if model and not found[0].counts and not found[0].broken:
        raise store.missing(Ref(model))
    return told


def _awaited(store: Store, now: Snapshot, book: Ledger | None) -> tuple[Awaited, ...]:
    """Return what waits for approvals; nothing where that cannot be told, as `check` says why."""
    if book is None or not any(one.status in ON_ITS_WAY for one in now.records.values()):
        return ()
    from helixctl.api.approving import awaited

    with suppress(HelixError):
        return tuple(awaited(store, now._replace(policies=store.policies()), book))
    return ()


def _overview(store: Store, found: tuple[ModelStatus, ...], book: Ledger) -> Overview:
    """Add what the log tells of all models at once."""
    from helixctl.core.facts import unreviewed
    from helixctl.storage.agenda import waiting
    from helixctl.storage.commit import edited

    overrides: dict[str, list[str]] = {}
    for one in unreviewed(book.noted("override"), lambda entry: book.noted("review", entry)):
        overrides.setdefault(one["model"], []).append(one["id"])
    agenda = waiting(store, book)
    scheduled: dict[str, list[Scheduled]] = {}
    for each in agenda.waiting:
        scheduled.setdefault(each.scheduled.ref.model, []).append(each.scheduled)
    models = tuple(
        one._replace(overrides=tuple(overrides.get(one.model, ())), scheduled=tuple(scheduled.get(one.model, ())))
        for one in found
    )
    unrecorded = tuple(path for path, _, _ in edited(store.root, book))
    told = Overview(models, unrecorded, agenda.broken, has_gaps=book.has_gaps())
    return told._replace(unloaded=_unloaded(store)) if unrecorded else told


def _unloaded(store: Store) -> HelixError | None:
    try:
        store.policies()
    except HelixError as error:
        return error
    return None


def overview_at(store: Store, at: datetime, now: datetime, model: str | None) -> Overview:
    """Return each model, or the one asked for, as the log says it was at a time.

    Raises:
        NotFound: the one model had no version then. Usage: the time has not come yet. BrokenLog: a line is no entry.
    """
    from helixctl.core.audit import Filter
    from helixctl.storage import log

    timeline = log.past(store.root, Filter(model, at=at).checked(now))
    found = tuple(_status_at(timeline, name) for name in timeline.models())
    if model and not found:
        raise NotFound(f"{model} was not registered then", hint=f"helixctl history {model} tells when it was")
    return Overview(found, at=at)


def _status_at(timeline: Timeline, model: str) -> ModelStatus:
    versions = list(timeline.versions(model))
    troubles = holders((model, version, status) for version, status, _ in versions)
    held = [status for _, status, _ in versions]
    return ModelStatus(
        model,
        timeline.holder(model, Status.ACTIVE),
        timeline.holder(model, Status.CANARY),
        None,
        {str(status): n for status in Status if (n := held.count(status))},
        tuple(version for version, _, is_blocked in versions if is_blocked),
        (),
        None,
        tuple(Damaged(one.message, path=one.path, hint="a later entry may have mended it") for one in troubles),
    )


def about(store: Store, named: Ref, at: datetime | None) -> Filter:
    """Return what wants the entries about a model or a version, an alias as it is now, or was at a time.

    Raises:
        NotFound: the alias has no version. Usage: the log does not say what it meant.
    """
    from helixctl.core.audit import Filter

    if named.is_alias:
        named = named_at(store, named, at) if at else store.resolved(named).ref
    return Filter(model=named.model, version=named.version, at=at)


def named_at(store: Store, ref: Ref, at: datetime) -> Ref:
    """Return the version that an alias meant at a time.

    Raises:
        NotFound: none was that then. Usage: the log does not say what the alias meant.
    """
    from helixctl.core.audit import Filter
    from helixctl.storage import log

    if ref.version not in (Status.ACTIVE, Status.CANARY):
        raise Usage(f"{ref} with --at: only active and canary are known of the past", hint="name the version")
    version = log.past(store.root, Filter(ref.model, at=at)).holder(ref.model, ref.version)
    if version is None:
        raise NotFound(f"no version of {ref.model} was {ref.version} then", hint=f"helixctl history {ref.model}")
    return ref._replace(version=version)


@contextmanager
def _log_of(store: Store) -> Iterator[Ledger | HelixError]:
    """Give the log added up, or why it is broken: what is wrong with it is for `verify` to say."""
    from helixctl.storage import ledger

    try:
        book = ledger.load(store.root)
    except HelixError as error:
        yield error
        return
    with closing(book):
        yield book


def _status(root: str, now: Snapshot) -> ModelStatus:
    records = sorted(now.records.values(), key=order_of)
    troubles = holders((now.model, one.version, one.status) for one in records)
    broken = (*now.damaged, *(Damaged(one.message, path=one.path, hint="deactivate all but one") for one in troubles))
    previous = None
    with suppress(NothingToRestore):
        previous = None if broken else now.restorable().version
    active = next((one for one in records if one.status is Status.ACTIVE), None)
    return ModelStatus(
        now.model,
        active.version if active else None,
        next((one.version for one in records if one.status is Status.CANARY), None),
        previous,
        {str(status): n for status in Status if (n := sum(one.status is status for one in records))},
        tuple(one.version for one in records if one.blocked),
        tuple(_endings(records, now.at, max(now.settings.eol_warning_days, default=30))),
        inferences.summary(root, active) if active else None,
        broken,
        drifted=tuple(sorted(now.drifted)),
    )


def _endings(records: list[Record], at: datetime, days: int) -> list[Ending]:
    return [
        Ending(one.version, one.status, ends, (ends - at).days)
        for one in records
        if one.status is not Status.RETIRED and (ends := one.end_of_life) and ends - at <= timedelta(days=days)
    ]
