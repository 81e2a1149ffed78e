"""helixctl override review."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Sign


def run(
    ctx: typer.Context,
    entry: Annotated[str, typer.Argument(metavar="ENTRY", help="The id in `override list`, or how it begins.")],
    sign: Sign = False,
) -> None:
    """Note that you have looked at an override that somebody else used.

    \b
    Examples:
      helixctl override review 019e2b54-7c1f-7d3a-9c66-6c1f0a1b2c3d --reason "the outage was real"

    Exit codes: 0 reviewed, 2 your own, or not an approver, 4 no such override waits, 8 not durable, or not signed.
    """
    session = ctx.obj
    session.emit(session.open().approvals.review(entry, signed=sign, **session.conditions()))
