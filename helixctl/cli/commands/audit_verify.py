"""helixctl audit verify."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Against


def run(
    ctx: typer.Context,
    against: Against = None,
    file: Annotated[
        str | None, typer.Option("--file", metavar="FILE", help="Check exported ndjson instead; - reads stdin.")
    ] = None,
) -> None:
    """Check framing, hashes, links and order of the log.

    \b
    Examples:
      helixctl audit verify
      helixctl audit verify --against 20261123T101500000Z-3fa9c1d2e4b5.note
      helixctl audit export | helixctl audit verify --file -
      helixctl audit verify -o json | jq -e '.outcome == "ok"'

    Exit codes: 0 ok, 4 no such commit or checkpoint, 6 incomplete or tampered.
    """
    session = ctx.obj
    if file is not None:
        from helixctl.api.log import verify_export

        session.emit(verify_export(file, session.world.stdin, against or ()))
    session.emit(session.open().verify(against or (), log_only=True))
