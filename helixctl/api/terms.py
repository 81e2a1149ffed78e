"""The conditions of changes, and who asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

from helixctl.errors import Invalid

if TYPE_CHECKING:
    from helixctl.core.audit import Actor


class Terms(TypedDict, total=False):
    """Conditions that every change takes.

    `reason` says why; `expect` is a status of the version or the version now active, refused where it is another;
    `overrides` are ids of overridable rules; with `dry_run` nothing is written; `actor` stands for the registry's.
    """

    reason: str | None
    expect: str | None
    overrides: tuple[str, ...]
    dry_run: bool
    actor: Actor


def sane_reason(reason: str | None) -> str | None:
    """Return a reason without space around it, None where nothing is left.

    Raises:
        Invalid: it is too long for the log.
    """
    from helixctl.core.record import MAX_REASON

    if reason is not None and len(reason) > MAX_REASON:
        raise Invalid(f"a reason of {len(reason)} characters, at most {MAX_REASON}", hint="shorten it")
    return (reason or "").strip() or None


def teller(actor: Actor | Callable[[], Actor] | None) -> Callable[[], Actor]:
    """Return what tells the actor when one is needed: finding it may cost a process."""
    if callable(actor):
        return actor
    from helixctl.core.audit import Actor

    known = actor or Actor("python", "api", "api")
    return lambda: known
