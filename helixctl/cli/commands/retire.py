"""helixctl retire."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref, Yes


def run(
    ctx: typer.Context,
    ref: Ref,
    yes: Yes = False,
    confirm: Annotated[
        str | None, typer.Option("--confirm", metavar="REF", help="The exact version, to retire one in service.")
    ] = None,
) -> None:
    """End a version for good; its file and its history stay.

    \b
    Examples:
      helixctl retire my-model@1.0.0 --yes --reason "end of life"
      helixctl retire my-model@2.0.0 --confirm=my-model@2.0.0 \\
        --override retire-in-service --reason "must not serve for another minute"

    Exit codes: 0 retired, 3 denied, 4 not found, 6 drift, 8 not durable, 9 not confirmed.
    """
    session = ctx.obj
    registry = session.open()
    record = registry.show(ref)
    session.confirm_retirement(record, yes=yes, confirm=confirm)
    session.emit(registry.retire(str(record.ref), **session.conditions()))
