"""helixctl audit restore-archive."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Where audit archive moved the segments to.")],
) -> None:
    """Bring archived segments back, byte for byte as their tombstones say.

    \b
    Examples:
      helixctl audit restore-archive /backup/audit

    Exit codes: 0 restored, or none is missing; 4 the folder lacks one; 6 one is damaged, or the log is not whole.
    """
    from helixctl.cli.render.data import Archival

    session = ctx.obj
    session.emit(session.open().log.restore_archive(folder, **session.conditions()) or Archival((), 0))
