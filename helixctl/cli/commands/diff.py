"""helixctl diff."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    one: Ref,
    other: Ref,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit 10 where they differ.")] = False,
) -> None:
    """Show how one version differs from another: specification, lifecycle, metrics.

    \b
    Examples:
      helixctl diff my-model@previous my-model@active
      helixctl diff my-model@1.0.0 my-model@2.0.0 --exit-code -q
      helixctl diff my-model@active my-model@canary -o json | jq -r '.changes[].key'

    Exit codes: 0 shown, 4 not found, 6 a file is damaged, 10 with --exit-code: they differ.
    """
    session = ctx.obj
    found = session.open().diff(one, other)
    session.emit(found._replace(is_asked=exit_code))
