"""What a request would change, as a value."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from helixctl.core.audit import Effect
from helixctl.core.lifecycle import Action, Status
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.core.snapshot import Snapshot
from helixctl.errors import Drift, IllegalTransition

if TYPE_CHECKING:
    from helixctl.core.statement import Statement


class Plan(NamedTuple):
    """What would change.

    Args:
        action: the word that policy knows; None for what policy does not judge (evaluations, warnings).
        subject: the version that policy looks at, as it would be asked about; None for what concerns no version.
        records: the new records, to be written in one transaction. files: other new files, by path; None removes one.
        replaces: the digest that such a file must have still, None where it must not be there.
        outcome: failed only for an evaluation whose verdict is failed.
        undo: the command that takes the change back, where there is one.
        statement: what it states, if anything; refused where that would be worth nothing.
    """

    action: Action | None
    subject: Record | None
    records: tuple[Record, ...] = ()
    effects: tuple[Effect, ...] = ()
    data: Mapping[str, Any] = MappingProxyType({})
    outcome: str = "success"
    undo: str | None = None
    note: str | None = None
    files: Mapping[str, bytes | None] = MappingProxyType({})
    replaces: Mapping[str, str | None] = MappingProxyType({})
    statement: "Statement | None" = None


def effect_of(action: str, before: Record, after: Record | None = None) -> Effect:
    """Return the effect that takes a version from its status before to the one after."""
    target = (after or before).status
    return Effect(action, before.ref.model, before.version, before.status, target)


def refuse_retired(record: Record, verb: str) -> None:
    """Refuse to change a version that is retired.

    Raises:
        IllegalTransition: it is.
    """
    if record.status is Status.RETIRED:
        raise IllegalTransition(
            f"{record.ref} is retired: it cannot be {verb}", hint="retired is final; register a new version"
        )


def refuse_drift(versions: Iterable[str], now: Snapshot) -> None:
    """Refuse to rely on versions whose files differ from the log.

    Raises:
        Drift: one does.
    """
    for version in versions:
        drift, ref = now.drifted.get(version), Ref(now.model, version)
        if drift:
            adopt = f"helixctl adopt {ref} --reason '...', or " if drift == "specification" else ""
            raise Drift(
                f"{ref} was changed outside helixctl: {drift}",
                path=f"models/{now.model}/{version}.toml",
                hint=f"{adopt}restore the file from git",
            )
