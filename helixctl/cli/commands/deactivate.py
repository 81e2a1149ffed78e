"""helixctl deactivate."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import Ref


def run(ctx: typer.Context, ref: Ref) -> None:
    """Take a version out of testing, canary or service; it becomes inactive.

    \b
    Examples:
      helixctl deactivate my-model@canary
      helixctl deactivate my-model@active --reason "the endpoint is closed"

    Exit codes: 0 inactive, 3 denied, 4 not found, 5 no such step, 6 drift, 8 not durable.
    """
    session = ctx.obj
    session.emit(session.open().deactivate(ref, **session.conditions()))
