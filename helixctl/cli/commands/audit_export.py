"""helixctl audit export."""

from __future__ import annotations

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
) -> None:
    """Export the log, oldest first: ndjson (the raw lines, each with its hash), json, or csv.

    \b
    Examples:
      helixctl audit export > audit.ndjson
      helixctl audit export --since 2026-01-01 --until 2026-04-01 -o csv > q1.csv
      helixctl audit export --model my-model | jq -r .action

    Exit codes: 0 exported, 2 an unknown action or time, 6 the log is broken, 8 the output cannot be written.
    """
    from helixctl.cli.render.export import chunks

    session = ctx.obj
    registry = session.open()
    wanted = filters.wanted(registry.store.clock(), model, version, action, severity, outcome, by, since, until)
    session.stream(chunks(session.output, registry.store, wanted))
