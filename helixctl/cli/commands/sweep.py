"""helixctl sweep."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Yes
from helixctl.errors import Usage


def run(
    ctx: typer.Context,
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="TIME", help="Judge ends of life as of this date or time.")
    ] = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="With --dry-run: exit 10 where there is something to do.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make scheduled activations that are due; warn at 30 and 7 days before each end of life, once each; retire what is past it.

    \b
    Examples:
      helixctl sweep
      helixctl sweep --dry-run --as-of 2026-12-31
      helixctl sweep --dry-run --exit-code -q

    For cron and CI; running it again does nothing more. A time to come with --as-of retires versions ahead of their time:
    add --dry-run to look ahead; on a terminal it asks, elsewhere it warns. Activations go by the clock, but for a dry run.

    Exit codes: 0 done, 3 a retirement or activation was denied, 6 some files cannot be read, 8 not durable, 9 not confirmed,
    10 something is to be done (only with --exit-code).
    """
    from helixctl.cli.commands.parse import moment

    session, then = ctx.obj, moment(as_of, "--as-of")
    registry, is_dry = session.open(), session.terms.get("dry_run")
    if exit_code and not is_dry:
        raise Usage("--exit-code asks whether there is something to do", hint="add --dry-run")
    if then and not is_dry and then > registry.store.clock():
        session.confirm_or_warn(f"retiring now what ends by {as_of} (a time to come)", yes=yes)
    session.emit(registry.sweep(as_of=then, **session.conditions())._replace(is_check=exit_code))
