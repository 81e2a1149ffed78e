"""helixctl activate."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import Ref


def run(ctx: typer.Context, ref: Ref) -> None:
    """Put a version in service; the one that served is deprecated in the same transaction.

    \b
    Examples:
      helixctl activate my-model@2.0.0
      helixctl activate my-model@2.0.0 --expect testing --reason "release 2.0"
      helixctl activate my-model@1.0.0 --override evaluation --override tested-first \\
        --reason "already serves, brought into the registry"

    Exit codes: 0 active, 3 denied, 4 not found, 5 no such step, 6 drift, 7 inconclusive, 8 not durable.
    """
    session = ctx.obj
    session.emit(session.open().activate(ref, **session.conditions()))
