"""All that planning may look at: one model's versions, the settings, the time; and the choice of a rollback."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from helixctl.core.case import Case
from helixctl.core.lifecycle import Status
from helixctl.core.names import Ref, ordered
from helixctl.core.record import Record, order_of
from helixctl.core.schema import did_you_mean
from helixctl.errors import Drift, HelixError, NotFound, NothingToRestore

if TYPE_CHECKING:
    from helixctl.core.approvals import Known
    from helixctl.core.policy import Policy
    from helixctl.core.settings import Settings


class Snapshot(NamedTuple):
    """One model as it lies on disk.

    Args:
        records: the versions that decode, by version.
        drifted: versions whose file differs from the log, with what differs.
        logged_serving: the serving digest that the log last gave to each drifted version, None where it gave none.
        displaced: drifted versions that by the log hold a status of which there is one, or may: it no longer tells.
        digests: SHA-256 of the bytes of each version's file.
        near: the folder, of a model that is not there yet, whose name differs only by case.
        heads: of the log; empty where the log was not looked at. damaged: why files of the model cannot be read.
        approvals: what is known of those of a version, where something asked for them. trust: whom it rests on then.
    """

    model: str
    at: datetime
    settings: "Settings"
    policies: "tuple[Policy, ...]"
    records: Mapping[str, Record]
    drifted: Mapping[str, str] = MappingProxyType({})
    logged_serving: Mapping[str, str | None] = MappingProxyType({})
    displaced: Mapping[Status, tuple[str, ...]] = MappingProxyType({})
    digests: Mapping[str, str] = MappingProxyType({})
    near: str | None = None
    heads: tuple[str, ...] = ()
    damaged: tuple[HelixError, ...] = ()
    approvals: "Mapping[str, Known]" = MappingProxyType({})
    trust: tuple[bytes | None, ...] | None = None

    def holder(self, status: Status) -> Record | None:
        """Return the version that holds a status, the highest where several do, or None."""
        held = [record for record in self.records.values() if record.status is status]
        return max(held, key=order_of) if len(held) > 1 else held[0] if held else None

    @property
    def active(self) -> Record | None:
        """The version in service, or None."""
        return self.holder(Status.ACTIVE)

    def case(self, subject: Record) -> Case:
        """Return what the checks may look at when they judge one version."""
        known = self.approvals.get(subject.version)
        return Case(subject, self.active, self.at, self.settings, kept={}, approvals=known, versions=self.records)

    @property
    def latest(self) -> str | None:
        """The highest version by precedence; a pre-release only where there is nothing else."""
        versions = sorted({*self.records, *self.drifted}, key=ordered)  # one that was deleted still is what is meant
        released = [version for version in versions if "-" not in version.partition("+")[0]]
        return next(iter((released or versions)[::-1]), None)

    def record(self, ref: Ref) -> Record:
        """Return the record of an exact version.

        Raises:
            NotFound: there is none.
            Drift: there was one, and its file was deleted.
        """
        record = self.records.get(ref.version or "")
        if record is None and ref.version in self.drifted:
            raise Drift(f"the file of {ref} was deleted outside helixctl", hint="restore the file from git")
        if record is None:
            known = ", ".join(sorted(self.records, key=ordered)[-3:])
            hint = f"latest versions of {self.model}: {known}" if known else "helixctl list shows what there is"
            near = did_you_mean(str(ref.version), self.records)
            raise NotFound(f"{ref} is not registered{near}", hint=hint)
        return record

    def resolve(self, ref: Ref) -> Ref:
        """Return the exact version that a reference means.

        Raises:
            NotFound: the alias has no version now.
        """
        match ref.version:
            case "active" | "canary":
                holder, gone = self.holder(Status(ref.version)), self.displaced.get(Status(ref.version), ())
                version = holder.version if holder else next(iter(gone), None)
            case "latest":
                version = self.latest
            case "previous":
                version = self.restorable().version
            case exact:
                version = exact
        if version is None:
            raise NotFound(f"{self.model} has no {ref.version} version", hint=f"helixctl list {self.model}")
        return Ref(self.model, version)

    def restorable(self) -> Record:
        """Return the version that a rollback would restore.

        Raises:
            NothingToRestore: no version is active, or none of its predecessors may be restored; says which and why.
        """
        skipped = []
        for version in self.predecessors():
            why = self.not_restorable(version)
            if why is None:
                return self.records[version]
            skipped.append(f"{version} {why}")
        if self.active is None:
            raise NothingToRestore(
                f"{self.model} has no active version to roll back from", hint=f"helixctl activate {self.model}@VERSION"
            )
        raise NothingToRestore(
            f"nothing to roll {self.model} back to: {'; '.join(skipped) or 'no version served before'}",
            hint=f"helixctl activate {self.model}@VERSION",
        )

    def predecessors(self, of: Record | None = None) -> Iterator[str]:
        """Yield the versions that served before one (by default the active one), newest first, each once."""
        record = of or self.active
        seen = {record.version} if record else set()
        while record is not None and (version := record.lifecycle.get("previous")) and version not in seen:
            seen.add(version)
            yield version
            record = self.records.get(version)

    def not_restorable(self, version: str) -> str | None:
        """Return why a rollback may not restore a version, or None where it may."""
        record = self.records.get(version)
        if record is None:
            return "is not registered"
        if record.status in (Status.RETIRED, Status.ACTIVE):
            return f"is {record.status}"
        if record.blocked is not None:
            return f"is blocked ({record.blocked['reason']})"
        if version in self.drifted:
            return f"has drifted ({self.drifted[version]})"
        if "activated_at" not in record.lifecycle:
            return "was never active"
        if record.lifecycle.get("served_digest") != record.serving_digest:
            return "differs from what was served then"
        ends = record.binding_end_of_life
        if ends is not None and ends <= self.at:
            return f"is past its end of life of {ends:%Y-%m-%d}"
        return None

    @property
    def last_served(self) -> Record | None:
        """The active version, or where none is, the one that was activated last and is not retired."""
        served = [
            record
            for record in self.records.values()
            if "activated_at" in record.lifecycle and record.status is not Status.RETIRED
        ]
        return self.active or max(served, key=lambda record: record.lifecycle["activated_at"], default=None)
