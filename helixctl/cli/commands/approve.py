"""helixctl approve."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref, Sign


def run(
    ctx: typer.Context,
    ref: Ref,
    action: Annotated[
        str, typer.Option("--for", metavar="ACTION", help="What is approved, such as activate.")
    ] = "activate",
    expires: Annotated[
        str, typer.Option("--expires", metavar="DURATION", help="How long it holds, if nothing changes before.")
    ] = "14d",
    sign: Sign = False,
) -> None:
    """Approve an action on a version as it is now, once.

    \b
    Examples:
      helixctl approve my-model@2.0.0
      helixctl approve my-model@2.0.0 --for canary --expires 2d --sign

    It does not count while a value of the version differs from now, and ends by a block, by its use, and when it expires.

    Exit codes: 0 approved, 2 it would not count, 4 not found, 5 changed, 6 drift, 8 not durable, or not signed.
    """
    session = ctx.obj
    approvals = session.open().approvals
    session.emit(approvals.approve(ref, action, expires=expires, signed=sign, **session.conditions()))
