"""helixctl schedule cancel."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="ID", help="The id of a scheduled activation.")],
) -> None:
    """Take an activation off the schedule, also one whose file was edited or deleted.

    \b
    Examples:
      helixctl schedule cancel 1f0c5b7e9a2d --reason "the release is put off"

    Exit codes: 0 cancelled, 4 none of that id waits, 6 drift, 8 not durable.
    """
    session = ctx.obj
    session.emit(session.open().schedule.cancel(name, **session.conditions()))
