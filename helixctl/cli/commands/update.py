"""helixctl update."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref, Set
from helixctl.errors import Usage


def run(
    ctx: typer.Context,
    ref: Ref,
    set_: Set = None,
    unset: Annotated[list[str] | None, typer.Option("--unset", metavar="KEY", help="A dotted key to remove.")] = None,
) -> None:
    """Change values of a version's specification; comments and layout of the file stay.

    \b
    Examples:
      helixctl update my-model@2.0.0 --set cost.input_per_mtok=2.50
      helixctl update my-model@2.0.0 --set 'tags=["llm", "premium"]' --unset availability.replacement

    A change of what the version serves returns it from testing to inactive, and is refused in any later status.

    Exit codes: 0 updated, 2 malformed, 3 denied, 4 not found, 5 would change what serves, 6 drift, 8 not durable.
    """
    from helixctl.core.edit import parse_assignment

    session = ctx.obj
    values = dict(map(parse_assignment, set_ or []))
    values |= dict.fromkeys(unset or [])
    if not values:
        raise Usage("nothing to change", hint="add --set KEY=VALUE or --unset KEY")
    session.emit(session.open().update(ref, values, **session.conditions()))
