"""helixctl policy list."""

from __future__ import annotations

import typer


def run(ctx: typer.Context) -> None:
    """List the policies: their files, their rules, and whether the log knows them as they are.

    \b
    Examples:
      helixctl policy list
      helixctl policy list -o json | jq '.policies[] | select(.recorded | not) | .path'

    Exit codes: 0 listed, 2 a policy does not load.
    """
    session = ctx.obj
    session.emit(session.open().policy.listed())
