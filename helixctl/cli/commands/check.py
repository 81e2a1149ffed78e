"""helixctl check."""

from __future__ import annotations

import typer

from helixctl.cli import quick
from helixctl.cli.commands.options import For, Ref, Region


def run(ctx: typer.Context, ref: Ref, action: For = "activate", region: Region = None) -> None:
    """Ask policy about a change, without making it: the gate for CI.

    \b
    Examples:
      helixctl check my-model@2.0.0 --for activate
      helixctl check my-model --for rollback
      helixctl check my-model@2.0.0 --for activate --region eu
      helixctl check my-model@2.0.0 --for activate -o json | jq .decision

    ACTION is one of register, update, adopt, testing, canary, activate, deactivate, rollback, deprecate, retire,
    block, unblock, reconcile, import.

    Exit codes: 0 allowed, 2 a policy does not load, 3 denied, 4 not found, 5 no such step or a duplicate, 6 drift, 7 inconclusive.
    """
    quick.check(ctx.obj, ref, action, region)
