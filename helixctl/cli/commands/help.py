"""helixctl help."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    topic: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND|CODE]", help="A command, an exit code, or an error code.")
    ] = None,
) -> None:
    """Explain a command, an exit code, or an error.

    \b
    Examples:
      helixctl help activate
      helixctl help 7
      helixctl help HX602

    Exit codes: 0 explained, 2 no such command or code.
    """
    from helixctl.cli.explain import text

    ctx.obj.finish(0, text(topic or [], ctx.obj.width()))
