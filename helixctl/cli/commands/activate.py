"""helixctl activate."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    ref: Ref,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="Not now: let a sweep do it from this RFC 3339 time or date on."),
    ] = None,
    not_after: Annotated[
        str | None,
        typer.Option("--not-after", metavar="TIME", help="With --at: not later than this. Default: 24 hours after."),
    ] = None,
) -> None:
    """Put a version in service; the one that served is deprecated in the same transaction.

    \b
    Examples:
      helixctl activate my-model@2.0.0
      helixctl activate my-model@2.0.0 --expect testing --reason "release 2.0"
      helixctl activate my-model@1.0.0 --override evaluation --override tested-first \\
        --reason "already serves, brought into the registry"
      helixctl activate my-model@2.0.0 --at 2026-12-01T06:00:00Z --not-after 2026-12-01T08:00:00Z

    With --at it waits under schedule/: helixctl sweep makes it when its time has come, and asks policy then. What policy
    would say now is shown, and stops nothing.

    Exit codes: 0 active, or scheduled; 2 no such time, 3 denied, 4 not found, 5 no such step, 6 drift, 7 inconclusive, 8 not durable.
    """
    from helixctl.cli.commands.parse import moment
    from helixctl.errors import Usage

    session = ctx.obj
    start, end = moment(at, "--at"), moment(not_after, "--not-after")
    if start:
        session.emit(session.open().schedule.add(ref, start, end, **session.conditions()))
    if end:
        raise Usage("--not-after is for an activation that waits", hint="add --at TIME")
    session.emit(session.open().activate(ref, **session.conditions()))
