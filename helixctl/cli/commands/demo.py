"""helixctl demo."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="A new folder; it is left for you to explore.")] = (
        "helix-demo"
    ),
) -> None:
    """Carry a copy of the sample registry through the whole lifecycle, each step the command as you would type it.

    \b
    Examples:
      helixctl demo
      helixctl demo /tmp/tour && cd /tmp/tour && helixctl status

    The clock is pinned, so that real end-of-life dates read the same every day.

    Exit codes: 0 shown, 1 a step did not go as it should, 5 the folder is not empty, 8 it cannot be written.
    """
    from helixctl.cli.tour import play

    raise typer.Exit(play(ctx.obj, folder))
