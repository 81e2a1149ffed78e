"""helixctl status."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli import quick
from helixctl.cli.commands.parse import moment


def run(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only this model.")] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="As it was then: an RFC 3339 time, a date, or 7d for so long ago."),
    ] = None,
) -> None:
    """Tell what serves, what is on its way, what a rollback would restore, what ends soon and what waits, by model.

    \b
    Examples:
      helixctl status
      helixctl status my-model --at 2026-03-01
      helixctl status my-model -o json | jq '.models[0].active'

    What waits for somebody: blocked versions, activations on the schedule, overrides to review, edits of policies that no
    write has recorded yet, files that are not what the log says (helixctl verify says all). Of the past, from the log: what
    served, what was on its way, and what was blocked.

    Exit codes: 0 told, 2 no such time, 4 no such model, 6 some files cannot be read, or the log is broken.
    """
    session = ctx.obj
    if at is None:
        quick.status(session, model)
    registry = session.open()
    session.emit(registry.status(model, at=moment(at, "--at", registry.store.clock())))
