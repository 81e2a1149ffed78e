"""helixctl audit report."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Against, Since, Until
from helixctl.cli.commands.parse import moment


def run(
    ctx: typer.Context,
    since: Since = None,
    until: Until = None,
    model: Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Only what touches this model.")] = None,
    framework: Annotated[
        str | None, typer.Option("--framework", metavar="NAME", help="soc2, iso42001, eu-ai-act or nist-ai-rmf.")
    ] = None,
    against: Against = None,
) -> None:
    """Report a period of the log: what happened and served, who agreed, overrides, denials, evaluations, figures.

    \b
    Examples:
      helixctl audit report --since 90d
      helixctl audit report --since 2026-01-01 --until 2026-04-01 --framework soc2 -o html > q1.html
      helixctl audit report --model my-model -o json | jq .figures

    With --framework also which of that framework's records this log serves and which it cannot; that is evidence for an
    auditor, and no claim of compliance. The report is given even where the log is broken: then it says so first.

    Exit codes: 0 reported, 2 no such framework or time, 3 denied, 4 no such model or anchor, 6 the log or a file is not
    what it was (3 and 6 as verify says, reported all the same).
    """
    session = ctx.obj
    registry = session.open()
    now = registry.store.clock()
    period = moment(since, "--since", now), moment(until, "--until", now)
    session.emit(registry.log.report(*period, model=model, framework=framework, against=against or ()))
