"""helixctl withdraw."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref, Sign


def run(
    ctx: typer.Context,
    ref: Ref,
    statement: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="Which one, where several of yours stand.")
    ] = None,
    sign: Sign = False,
) -> None:
    """Take back an approval or a rejection of your own.

    \b
    Examples:
      helixctl withdraw my-model@2.0.0
      helixctl withdraw my-model@2.0.0 20261122T101500000000Z-3fa9c1d2e4b5 --reason "answered"

    Exit codes: 0 withdrawn, 2 not yours, or several are, 4 none stands, 5 changed, 6 drift, 8 not durable, or not signed.
    """
    session = ctx.obj
    session.emit(session.open().approvals.withdraw(ref, statement, signed=sign, **session.conditions()))
