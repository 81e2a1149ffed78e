"""helixctl verify."""

from __future__ import annotations

import typer


def run(ctx: typer.Context) -> None:
    """Check the log, and every file against it.

    \b
    Examples:
      helixctl verify
      helixctl verify -o json | jq -r '.findings[].path'

    Outcomes: ok, incomplete (entries are missing that a merge may bring), needs_reconcile (a merge left two sides),
    drift (a file differs from the log), tampered.

    Exit codes: 0 ok, 6 anything else.
    """
    session = ctx.obj
    session.emit(session.open().verify())
