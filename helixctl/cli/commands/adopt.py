"""helixctl adopt."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import Ref


def run(ctx: typer.Context, ref: Ref) -> None:
    """Take in a version file that was edited by hand above [lifecycle].

    \b
    Examples:
      helixctl adopt my-model@2.0.0 --reason "new price list"

    What would change what a version serves returns it from testing to inactive, and is refused in any later status.

    Exit codes: 0 adopted or nothing to adopt, 3 denied, 4 not found, 5 would change what serves, 6 cannot be adopted.
    """
    session = ctx.obj
    session.emit(session.open().adopt(ref, **session.conditions()))
