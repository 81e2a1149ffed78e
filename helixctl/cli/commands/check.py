"""helixctl check."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    ref: Ref,
    action: Annotated[
        str, typer.Option("--for", metavar="ACTION", help="What is to be done, such as activate.")
    ] = "activate",
) -> None:
    """Ask policy about a change, without making it: the gate for CI.

    \b
    Examples:
      helixctl check my-model@2.0.0 --for activate
      helixctl check my-model --for rollback
      helixctl check my-model@2.0.0 --for activate -o json | jq .decision

    ACTION is one of register, update, adopt, testing, canary, activate, deactivate, rollback, deprecate, retire,
    block, unblock, reconcile, import.

    Exit codes: 0 allowed, 3 denied, 4 not found, 5 no such step, 6 drift, 7 inconclusive.
    """
    session = ctx.obj
    session.emit(session.open().check(ref, action))
