"""helixctl audit verify."""

from __future__ import annotations

import typer


def run(ctx: typer.Context) -> None:
    """Check framing, hashes, links and order of the log.

    \b
    Examples:
      helixctl audit verify
      helixctl audit verify -o json | jq -e '.outcome == "ok"'

    Exit codes: 0 ok, 6 incomplete or tampered.
    """
    session = ctx.obj
    session.emit(session.open().verify(log_only=True))
