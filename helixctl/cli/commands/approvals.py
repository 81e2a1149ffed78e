"""helixctl approvals."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    ref: Ref,
    action: Annotated[
        str, typer.Option("--for", metavar="ACTION", help="What they are to be counted for.")
    ] = "activate",
) -> None:
    """List which rules ask for approvals of a version, what was stated, and what it counts for, or why not.

    \b
    Examples:
      helixctl approvals my-model@2.0.0
      helixctl approvals my-model@2.0.0 -o json | jq '.approvals[] | select(.counts)'

    Exit codes: 0 listed, 4 not found, 6 a file was changed outside helixctl, or is no statement.
    """
    session = ctx.obj
    session.emit(session.open().approvals.of(ref, action))
