"""helixctl audit archive."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Yes
from helixctl.errors import Usage


def run(
    ctx: typer.Context,
    to: Annotated[str | None, typer.Option("--to", metavar="DIR", help="Where the segments go.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Only tell what is due; exit 10 where something is.")] = False,
    yes: Yes = False,
) -> None:
    """Move segments that are older than [audit] retention_days out of the registry, and leave a tombstone.

    \b
    Examples:
      helixctl audit archive --check
      helixctl audit archive --to /backup/audit --yes --reason "retention"

    A tombstone holds the digest of each segment and what its entries add up to, so the log still verifies without them.
    retention_days is 0 (everything stays) or at least 183.

    Exit codes: 0 archived, or nothing is due; 2 no folder; 6 the log is not whole; 8 not durable; 9 not confirmed;
    10 something is due (only with --check).
    """
    from helixctl.cli.render.data import Archival

    session = ctx.obj
    log = session.open().log
    due = log.due()
    if check or not due.segments:
        session.emit(Archival(due.segments, due.days, is_check=check))
    if to is None:
        raise Usage("no folder for the archive", hint="add --to DIR")
    if not session.terms.get("dry_run"):
        session.confirm(f"moving {len(due.segments)} segments to {to}", yes=yes)
    session.emit(log.archive(to, **session.conditions()))
