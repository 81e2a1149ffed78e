"""helixctl policy explain."""

from __future__ import annotations

import typer

from helixctl.cli.commands.options import For, Ref, Region


def run(ctx: typer.Context, ref: Ref, action: For = "activate", region: Region = None) -> None:
    """Tell which rules apply to a change and why the others do not, with the values that they saw.

    \b
    Examples:
      helixctl policy explain my-model@2.0.0 --for activate
      helixctl policy explain my-model@2.0.0 -o json | jq '.rules[] | select(.matches)'

    Exit codes: 0 explained, whatever the decision; 2 a policy does not load, 4 not found, 5 no such step, 6 drift.
    """
    session = ctx.obj
    session.emit(session.open().policy.explain(ref, action, region))
