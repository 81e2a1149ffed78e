"""The conditions of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

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
