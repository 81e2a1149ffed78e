"""helixctl schedule list."""

from __future__ import annotations

import typer


def run(ctx: typer.Context) -> None:
    """List the activations that wait for their time, the next one first.

    \b
    Examples:
      helixctl schedule list
      helixctl schedule list -o json | jq -r '.scheduled[].id'

    Exit codes: 0 listed, 6 a file of the schedule is not what the log says.
    """
    session = ctx.obj
    session.emit(session.open().schedule.waiting())
