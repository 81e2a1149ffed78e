"""The six statuses, the table of transitions, and the words for what can be asked."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Position of a version in its lifecycle."""

    INACTIVE = "inactive"
    TESTING = "testing"
    CANARY = "canary"
    ACTIVE = "active"
    DEPRECATED = "deprecated"
    RETIRED = "retired"


class Action(StrEnum):
    """What a request asks for; the words of `--for`, of a policy's `[match]` and of `allow`."""

    REGISTER = "register"
    UPDATE = "update"
    ADOPT = "adopt"
    TESTING = "testing"
    CANARY = "canary"
    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    ROLLBACK = "rollback"
    DEPRECATE = "deprecate"
    RETIRE = "retire"
    BLOCK = "block"
    UNBLOCK = "unblock"
    RECONCILE = "reconcile"
    IMPORT = "import"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.INACTIVE: frozenset({Status.TESTING, Status.CANARY, Status.ACTIVE, Status.RETIRED}),
    Status.TESTING: frozenset({Status.INACTIVE, Status.CANARY, Status.ACTIVE, Status.RETIRED}),
    Status.CANARY: frozenset({Status.TESTING, Status.INACTIVE, Status.ACTIVE, Status.RETIRED}),
    Status.ACTIVE: frozenset({Status.DEPRECATED, Status.INACTIVE, Status.RETIRED}),
    Status.DEPRECATED: frozenset({Status.ACTIVE, Status.INACTIVE, Status.RETIRED}),
    Status.RETIRED: frozenset(),
}

IN_SERVICE = frozenset({Status.CANARY, Status.ACTIVE})
"""Statuses that serve traffic: retiring one needs an override of `retire-in-service`."""

ON_ITS_WAY = frozenset({Status.TESTING, Status.CANARY})
"""Statuses of what is being brought into service."""

REACHED_BY = {
    Status.TESTING: Action.TESTING,
    Status.CANARY: Action.CANARY,
    Status.ACTIVE: Action.ACTIVATE,
    Status.INACTIVE: Action.DEACTIVATE,
    Status.DEPRECATED: Action.DEPRECATE,
    Status.RETIRED: Action.RETIRE,
}
"""The action that asks for each status."""


def can_move(origin: Status, target: Status) -> bool:
    """Tell whether the lifecycle has this step; whether policy allows it is another question."""
    return target in TRANSITIONS[origin]
