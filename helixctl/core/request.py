"""What can be asked of the registry: one value for each kind of change, and the envelope around it."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, assert_never

from helixctl.core.audit import Actor
from helixctl.core.lifecycle import Action, Status
from helixctl.core.names import Ref

if TYPE_CHECKING:
    from helixctl.core.schedule import Scheduled
    from helixctl.core.statement import Statement


class Register(NamedTuple):
    """Add a version, with the text and the values of its specification."""

    ref: Ref
    source: bytes
    spec: Mapping[str, Any]


class Update(NamedTuple):
    """Set values of the specification by dotted key; None removes one."""

    ref: Ref
    values: Mapping[str, Any]


class Adopt(NamedTuple):
    """Take a version's file, edited by hand, through the gate."""

    ref: Ref


class Move(NamedTuple):
    """Bring a version to testing, canary, active or inactive."""

    ref: Ref
    to: Status
    canary_weight: Decimal | None = None


class Rollback(NamedTuple):
    """Return a model to the version that served before, or to a chosen one."""

    ref: Ref
    to: str | None = None


class Deprecate(NamedTuple):
    """Announce the end of a version in service, or cancel that."""

    ref: Ref
    end_of_life: date | datetime | None = None
    grace_days: int | None = None
    replacement: str | None = None
    migration_guide: str | None = None
    allow_new_deployments: bool | None = None
    cancel: bool = False


class Retire(NamedTuple):
    """End a version for good; `swept` is the end of life that a sweep found past."""

    ref: Ref
    swept: datetime | None = None


class Block(NamedTuple):
    """Bar a version from testing, canary and activation, or lift that."""

    ref: Ref
    blocked: bool = True


class Schedule(NamedTuple):
    """Let an activation wait for its time; one that waits already, `is_known`, changes nothing."""

    ref: Ref
    scheduled: "Scheduled"
    is_known: bool = False


class Fire(NamedTuple):
    """Make an activation whose time has come; `digest` is of its file, as the log knows it."""

    ref: Ref
    scheduled: "Scheduled"
    digest: str | None


class Unschedule(NamedTuple):
    """Take an activation off the schedule; `digest` is of its file, as it lies there, `why` says what ended it."""

    ref: Ref
    scheduled: "Scheduled"
    digest: str | None
    why: str


class Warn(NamedTuple):
    """Note once that a version's end of life is `days` away or past."""

    ref: Ref
    end_of_life: datetime
    days: int


class Evaluate(NamedTuple):
    """Store the result of an evaluation: the `[metrics]` table, which thresholds it violates, and what it rested on.

    `expired` are the paths of older evidence that is no longer to be kept, `compared` what the entry says of a baseline.
    """

    ref: Ref
    metrics: Mapping[str, Any]
    violated: tuple[str, ...]
    stats_digest: str
    serving_digest: str
    evidence: bytes = b""
    expired: tuple[str, ...] = ()
    compared: Mapping[str, str] = MappingProxyType({})


class Observe(NamedTuple):
    """Note rolling metrics of recorded inferences: the thresholds newly violated, and all alerts that are open."""

    ref: Ref
    verdict: str
    samples: int
    violated: tuple[str, ...]
    degraded: bool
    stats_digest: str
    open: tuple[str, ...]
    serving_digest: str


class Attest(NamedTuple):
    """State something about the log itself: a checkpoint of it, or that segments were archived or restored.

    Args:
        action: what the entry is called. files: notes to add, by path. heads: the log that it speaks of; it may not grow.
    """

    action: str
    files: Mapping[str, bytes]
    heads: tuple[str, ...]
    data: Mapping[str, Any]
    ref: Ref = Ref("")


class State(NamedTuple):
    """State something about a version: approve, reject, withdraw that, or review an override.

    Args:
        files: the statement, and its signature where it is signed, by path.
    """

    ref: Ref
    statement: "Statement"
    files: Mapping[str, bytes]


class Reconcile(NamedTuple):
    """Settle what a merge left of a model.

    Args:
        ref: the model, with the version to keep where two are in service.
        chosen: the bytes to go on with, of each version whose file two sides changed.
        accepted: the versions whose logged bytes exist nowhere any more. heads: the log that this was found in.
    """

    ref: Ref
    chosen: Mapping[str, bytes]
    accepted: tuple[str, ...] = ()
    heads: tuple[str, ...] = ()


Act = (
    Register
    | Update
    | Adopt
    | Move
    | Rollback
    | Deprecate
    | Retire
    | Block
    | Schedule
    | Fire
    | Unschedule
    | Warn
    | Evaluate
    | Observe
    | Attest
    | State
    | Reconcile
)


class Request(NamedTuple):
    """One change asked for: what, by whom, why, and under which conditions.

    Args:
        expect: a status of the version or the version now active, compared inside the lock.
        overrides: ids of overridable rules to set aside for this request.
        region: the one place that it is about; None reaches all of them.
    """

    act: Act
    actor: Actor
    reason: str | None = None
    expect: str | None = None
    overrides: tuple[str, ...] = ()
    dry_run: bool = False
    region: str | None = None

    @property
    def ref(self) -> Ref:
        """The model and version asked about."""
        return self.act.ref

    @property
    def requester(self) -> str:
        """Who asked for it: of a scheduled activation whoever scheduled it, whoever sweeps."""
        return self.act.scheduled.actor.id if isinstance(self.act, Fire) else self.actor.id


def act_of(action: Action, ref: Ref) -> Act:
    """Return the plain change that an action word asks for."""
    match action:
        case Action.REGISTER | Action.IMPORT:
            return Register(ref, b"", {})
        case Action.UPDATE:
            return Update(ref, {})
        case Action.ADOPT:
            return Adopt(ref)
        case Action.TESTING | Action.CANARY:
            return Move(ref, Status(action))
        case Action.ACTIVATE:
            return Move(ref, Status.ACTIVE)
        case Action.DEACTIVATE:
            return Move(ref, Status.INACTIVE)
        case Action.ROLLBACK:
            return Rollback(ref)
        case Action.DEPRECATE:
            return Deprecate(ref)
        case Action.RETIRE:
            return Retire(ref)
        case Action.BLOCK | Action.UNBLOCK:
            return Block(ref, blocked=action is Action.BLOCK)
        case Action.RECONCILE:
            return Reconcile(ref, {})
        case never:
            assert_never(never)
