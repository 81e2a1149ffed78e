"""helixctl rollback."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Model


def run(
    ctx: typer.Context,
    model: Model,
    to: Annotated[str | None, typer.Option("--to", metavar="VERSION", help="The version to restore.")] = None,
) -> None:
    """Return a model to the version that served before; run twice, it goes further back.

    \b
    Examples:
      helixctl rollback my-model --reason "errors doubled"
      helixctl rollback my-model --to 1.2.0
      helixctl rollback my-model --dry-run

    The version left behind becomes inactive and blocked, so that a repeated job cannot bring it back.

    Exit codes: 0 rolled back, 3 denied, 4 not found, 5 nothing to restore, 6 drift, 8 not durable.
    """
    session = ctx.obj
    session.emit(session.open().rollback(model, to=to, **session.conditions()))
