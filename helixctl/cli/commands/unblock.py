"""helixctl unblock."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import Ref


def run(ctx: typer.Context, ref: Ref) -> None:
    """Lift a block. Evaluations from before the block stay out of date.

    \b
    Examples:
      helixctl unblock my-model@2.0.0 --reason "fixed in the prompt template"

    Exit codes: 0 not blocked, 4 not found, 6 drift, 8 not durable.
    """
    session = ctx.obj
    session.emit(session.open().unblock(ref, **session.conditions()))
