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
    region: filters.Region = None,
    since: Since = None,
    until: Until = None,
    at: filters.At = None,
) -> None:
    """Export the log, oldest first: ndjson (the raw lines, each with its hash), json, csv, or as events of other systems.

    \b
    Examples:
      helixctl audit export > audit.ndjson
      helixctl audit export --since 2026-01-01 --until 2026-04-01 -o csv > q1.csv
      helixctl audit export --severity warning -o ocsf > findings.ndjson
      helixctl audit export --model my-model | jq -r .action

    \b
    ecs          Elastic Common Schema, one event a line
    ocsf         Open Cybersecurity Schema Framework, class API Activity, one event a line
    cloudevents  CloudEvents 1.0, one event a line

    Exit codes: 0 exported, 2 an unknown action or time, 4 no such model, 6 the log is broken, 8 the output cannot be written.
    """
    from helixctl.cli.render.export import chunks

    session = ctx.obj
    registry = session.open()
    asked = (model, version, action, severity, outcome, by, since, until, at, region)
    wanted = filters.wanted(registry.store.clock(), *asked)
    registry.store.refuse_unlogged(wanted)
    session.stream(chunks(session.output, registry.store, wanted))
