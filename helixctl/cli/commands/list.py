"""helixctl list."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli import quick


def run(
    ctx: typer.Context,
    model: Annotated[str | None, typer.Argument(metavar="[MODEL]", help="Only this model.")] = None,
) -> None:
    """List versions, by model and precedence.

    \b
    Examples:
      helixctl list
      helixctl list my-model -o ndjson | jq -r .version
      helixctl list --fields model,version,status,cost.input_per_mtok

    Exit codes: 0 listed, 4 no such model, 6 some files cannot be read (the rest is listed).
    """
    quick.list_(ctx.obj, model)
