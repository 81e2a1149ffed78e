"""helixctl reject."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref, Sign


def run(
    ctx: typer.Context,
    ref: Ref,
    action: Annotated[
        str | None, typer.Option("--for", metavar="ACTION", help="What is rejected. Default: every action.")
    ] = None,
    sign: Sign = False,
) -> None:
    """Veto a version wherever policy asks for approvals, until you withdraw it.

    \b
    Examples:
      helixctl reject my-model@2.0.0 --reason "answers leak the prompt"
      helixctl reject my-model@2.0.0 --for activate

    Exit codes: 0 rejected, 2 not an approver, 4 not found, 5 changed, 6 drift, 8 not durable, or not signed.
    """
    session = ctx.obj
    session.emit(session.open().approvals.reject(ref, action, signed=sign, **session.conditions()))
