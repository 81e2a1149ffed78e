"""helixctl audit log."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands import filters
from helixctl.cli.commands.options import Since, Until


def run(
    ctx: typer.Context,
    model: filters.Model = None,
    version: filters.Version = None,
    action: filters.Actions = None,
    severity: filters.Severity = None,
    outcome: filters.Outcome = None,
    by: filters.By = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most this many entries.")
    ] = None,
) -> None:
    """Read the log, newest first.

    \b
    Examples:
      helixctl audit log --since 7d
      helixctl audit log --model my-model --action version.activated -n 5
      helixctl audit log --outcome denied -o json

    Exit codes: 0 read, 2 an unknown action or time, 6 the log is broken.
    """
    from helixctl.cli.render.data import Entries

    session = ctx.obj
    registry = session.open()
    wanted = filters.wanted(registry.store.clock(), model, version, action, severity, outcome, by, since, until)
    session.emit(Entries.newest(registry.audit(wanted), limit))
