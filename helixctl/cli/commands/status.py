"""helixctl status."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only this model.")] = None,
) -> None:
    """Tell what serves, what is on its way, what a rollback would restore, and what ends soon, by model.

    \b
    Examples:
      helixctl status
      helixctl status my-model -o json | jq '.models[0].active'

    Exit codes: 0 told, 4 no such model, 6 some files cannot be read.
    """
    session = ctx.obj
    session.emit(session.open().status(model))
