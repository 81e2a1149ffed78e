"""helixctl show."""

from __future__ import annotations

import typer

from helixctl.cli import quick
from helixctl.cli.commands.options import Ref


def run(ctx: typer.Context, ref: Ref) -> None:
    """Show one version: specification, lifecycle, metrics, and the activations that wait for their time.

    \b
    Examples:
      helixctl show my-model@active
      helixctl show my-model@2.0.0 -o json | jq .metrics
      helixctl show my-model@latest --fields status,limits.context_window

    Exit codes: 0 shown, 4 not found, 6 the file is damaged.
    """
    quick.show(ctx.obj, ref)
