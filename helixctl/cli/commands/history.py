"""helixctl history."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands import filters
from helixctl.cli.commands.parse import moment
from helixctl.core.names import parse_ref


def run(
    ctx: typer.Context,
    ref: Annotated[str, typer.Argument(metavar="REF", help="MODEL or MODEL@VERSION.")],
    at: filters.At = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, max=1_000_000, help="At most this many entries.")
    ] = None,
) -> None:
    """Tell what happened to a model or a version, newest first.

    \b
    Examples:
      helixctl history my-model
      helixctl history my-model@active --at 2026-03-01
      helixctl history my-model@2.0.0 -o json | jq '.entries[].action'

    Exit codes: 0 told, 2 no such time, 4 the log knows no such model or version, 6 the log is broken.
    """
    from helixctl.cli.render.data import Entries

    session = ctx.obj
    registry = session.open()
    then = moment(at, "--at", registry.store.clock())
    found = Entries.newest(registry.history(ref, at=then), limit)
    if not found.entries:
        raise registry.store.unlogged(parse_ref(ref))
    session.emit(found)
