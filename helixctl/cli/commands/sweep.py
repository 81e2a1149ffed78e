"""helixctl sweep."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help="Sweep as of this date or time.")] = None,
) -> None:
    """Warn at 30 and 7 days before each end of life, once each, and retire what is past it. For cron and CI.

    \b
    Examples:
      helixctl sweep
      helixctl sweep --dry-run --as-of 2026-12-31

    Exit codes: 0 done, 3 a retirement was denied, 6 some files cannot be read, 8 not durable.
    """
    from helixctl.cli.commands.parse import moment

    session = ctx.obj
    session.emit(session.open().sweep(as_of=moment(as_of, "--as-of"), **session.conditions()))
