"""helixctl override list."""

from __future__ import annotations

import typer


def run(ctx: typer.Context) -> None:
    """List the overrides that nobody but who used them has reviewed, oldest first.

    \b
    Examples:
      helixctl override list
      helixctl override list -o json | jq -r '.overrides[].entry'

    Exit codes: 0 listed, 4 no registry, 6 the log is broken.
    """
    session = ctx.obj
    session.emit(session.open().approvals.overrides())
