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
    region: filters.Region = None,
    since: Since = None,
    until: Until = None,
    at: filters.At = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most this many entries.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="The last entries (10 without -n), and then each new one.")
    ] = False,
) -> None:
    """Read the log, newest first; or follow it, oldest first, until interrupted.

    \b
    Examples:
      helixctl audit log --since 7d
      helixctl audit log --model my-model --action version.activated -n 5
      helixctl audit log --at 2026-03-01 --model my-model
      helixctl audit log --follow --severity warning -o ndjson

    Exit codes: 0 read, 2 an unknown action or time, 4 no such model, 6 the log is broken, 130 interrupted, 141 nobody reads.
    """
    from helixctl.cli.render.data import Entries
    from helixctl.storage import log

    session = ctx.obj
    registry = session.open()
    asked = (model, version, action, severity, outcome, by, since, until, at, region)
    wanted = filters.wanted(registry.store.clock(), *asked)
    if follow:
        filters.refuse_end(wanted)
        session.follow(entry for _, entry in log.follow(registry.store.root, wanted, session.pause, limit or 10))
    registry.store.refuse_unlogged(wanted)
    session.emit(Entries.newest(registry.audit(wanted), limit))
