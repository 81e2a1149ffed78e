"""The activations that wait in schedule/: only files whose bytes the log knows count."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from helixctl.errors import Damaged, Drift, HelixError
from helixctl.storage import tree

if TYPE_CHECKING:
    from helixctl.core.schedule import Scheduled
    from helixctl.storage.ledger import Ledger
    from helixctl.storage.registry import Store


class Waiting(NamedTuple):
    """An activation that waits, with the digest of its file."""

    scheduled: Scheduled
    digest: str | None


class Agenda(NamedTuple):
    """The activations that wait, by their time, and the files that do not count."""

    waiting: tuple[Waiting, ...]
    broken: tuple[HelixError, ...]

    @property
    def is_sound(self) -> bool:
        """True where each file is what the log says."""
        return not self.broken


def waiting(store: Store, book: Ledger | None = None) -> Agenda:
    """Return what waits; a file that the log does not know, or knows otherwise, does not count.

    Args:
        book: the log, added up, where it is at hand.
    """
    paths = list(tree.files_below(store.root, ["schedule/"], store.overlay))
    if not paths:  # so it is mostly, and then the log need not be read
        return Agenda((), ())
    if book is None:
        from helixctl.storage import ledger

        with closing(ledger.load(store.root)) as loaded:
            return waiting(store, loaded)
    found, broken = [], []
    for path in paths:
        try:
            found.append(_read(store, book, path))
        except HelixError as error:
            broken.append(error)
    return Agenda(tuple(found), tuple(broken))


def _read(store: Store, book: Ledger, path: str) -> Waiting:
    from hashlib import sha256

    from helixctl.core import schedule

    row, raw = book.logged(tree.sayable(path)), store.read(path)
    if row is None or row.after is None:
        raise Drift("the log does not know it, so it never fires", path=path, hint="remove the file")
    digest = sha256(raw).hexdigest()
    if row.after != digest:
        hint = f"restore the file from git, or helixctl schedule cancel {schedule.id_of(path)}"
        raise Drift("changed outside helixctl, so it never fires", path=path, hint=hint)
    try:
        return Waiting(schedule.decode(raw), digest)
    except HelixError as error:
        raise error.become(Damaged, path) from None
