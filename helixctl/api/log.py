"""What is done about the log as a whole: checkpoints, archives, and the reconciliation of what a merge left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, Unpack

from helixctl.core.names import parse_model

if TYPE_CHECKING:
    from helixctl.api import Registry
    from helixctl.api.attesting import Due
    from helixctl.api.reconciling import Conflict
    from helixctl.api.reporting import Reported
    from helixctl.api.terms import Terms
    from helixctl.core.integrity import Verification
    from helixctl.gate import Result


class Log(NamedTuple):
    """The log of a registry."""

    registry: Registry

    def conflicts(self, model: str | None = None) -> tuple[Conflict, ...]:
        """Return what a merge left to settle in one model, or in all."""
        from helixctl.api.reconciling import conflicts

        with self.registry.store.reading() as still:
            return conflicts(still, _model(model)).found

    def reconcile(self, model: str | None = None, keep: Sequence[str] = (), **terms: Unpack[Terms]) -> Result:
        """Settle what a merge left of a model: two versions in service, a file that two sides changed.

        Args:
            keep: what to go on with: MODEL@VERSION, a git commit, or the id of an entry; what a side is called.

        Raises:
            Usage: several models wait, or a side is none. Unconfirmed: it is not clear which side to keep.
        """
        from helixctl.api.reconciling import wanted

        act = wanted(self.registry.store, _model(model), keep)
        return self.registry.submit(act, terms)

    def checkpoint(self, *, signed: bool | None = None, **terms: Unpack[Terms]) -> Result:
        """State what the log is now, signed where there is a key (`signed` demands or forbids that).

        Raises:
            BrokenLog: the log is not whole.
        """
        from helixctl.api.attesting import checkpoint

        return self.registry.submit(checkpoint(self.registry.store, signed=signed), terms)

    def archive(self, folder: str, **terms: Unpack[Terms]) -> Result | None:
        """Move the segments that are older than `retention_days` to a folder; None where there are none."""
        from helixctl.api import attesting

        due = attesting.due(self.registry.store)
        if not due.segments:
            return None
        if not terms.get("dry_run"):
            attesting.copy_out(self.registry.store, due, folder)
        result = self.registry.submit(attesting.archive(self.registry.store, due), terms)
        if not result.dry_run:
            attesting.remove(self.registry.store, due)
        return result

    def due(self) -> Due:
        """Return the segments that are older than `retention_days`."""
        from helixctl.api import attesting

        return attesting.due(self.registry.store)

    def restore_archive(self, folder: str, **terms: Unpack[Terms]) -> Result | None:
        """Bring archived segments back from a folder, byte for byte; None where none is missing."""
        from helixctl.api import attesting

        found = attesting.archived_in(self.registry.store, folder)
        if not found.files:
            return None
        result = self.registry.submit(attesting.restore(found), terms)
        if not result.dry_run:
            attesting.copy_in(self.registry.store, found)
        return result

    def report(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        *,
        model: str | None = None,
        framework: str | None = None,
        against: Sequence[str] = (),
    ) -> Reported:
        """Report a period of the log, from `since` on and before `until`; without them all of it until now.

        Args:
            framework: a key of `core.frameworks.FRAMEWORKS`, to arrange the report for. against: as `verify` takes it.

        Raises:
            Usage: the period ends before it begins, or no such framework. NotFound: the log knows nothing of the model.
        """
        from helixctl.api.reporting import reported

        return reported(self.registry.store, (since, until), _model(model), framework, against)


def verify_export(name: str, stdin: BinaryIO, against: Sequence[str] = ()) -> Verification:
    """Check a file of exported lines, `-` for standard input; no registry is needed.

    Raises:
        NotFound: there is no such file.
    """
    from helixctl.storage import disk
    from helixctl.storage.examination import examine_export

    if name == "-":
        with disk.rewindable(stdin) as stream:
            return examine_export("-", stream, against)
    with disk.refusing(f"read {name}"), open(name, "rb") as stream:
        return examine_export(name, stream, against)


def _model(text: str | None) -> str | None:
    return parse_model(text) if text is not None else None
