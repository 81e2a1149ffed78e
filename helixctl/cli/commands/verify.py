"""helixctl verify."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import Against


def run(ctx: typer.Context, against: Against = None) -> None:
    """Check the log, and every file against it.

    \b
    Examples:
      helixctl verify
      helixctl verify --against origin/main -o github
      helixctl verify -o json | jq -r '.findings[].path'

    With --against also: the log only grew since, every changed file is accounted for by an entry, every step is one that
    the lifecycle has, and policies hold. Name the target branch of a pull request, or each parent of a merge.

    Outcomes: ok, incomplete (entries are missing that a merge may bring), needs_reconcile (a merge left two sides),
    drift (a file differs from the log), denied (policy does not allow what was added), tampered.

    Exit codes: 0 ok, 3 denied, 4 no such commit or checkpoint, 6 anything else.
    """
    session = ctx.obj
    session.emit(session.open().verify(against or ()))
