"""helixctl block."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import Ref


def run(ctx: typer.Context, ref: Ref) -> None:
    """Bar a version from testing, canary and activation until it is unblocked.

    \b
    Examples:
      helixctl block my-model@2.0.0 --reason "answers leak the prompt"

    Exit codes: 0 blocked, 4 not found, 5 retired, 6 drift, 8 not durable.
    """
    session = ctx.obj
    session.emit(session.open().block(ref, **session.conditions()))
