"""helixctl deprecate."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    ref: Ref,
    eol: Annotated[
        str | None, typer.Option("--eol", metavar="DATE", help="End of life: a date or RFC 3339 time.")
    ] = None,
    grace_days: Annotated[
        int | None, typer.Option("--grace-days", min=0, help="Days until the end of life. Default: the registry's, 90.")
    ] = None,
    replacement: Annotated[
        str | None, typer.Option("--replacement", metavar="REF", help="What to use instead.")
    ] = None,
    guide: Annotated[str | None, typer.Option("--migration-guide", metavar="TEXT", help="How to move over.")] = None,
    allow_new: Annotated[
        bool | None, typer.Option("--allow-new-deployments/--no-new-deployments", help="May it still be activated?")
    ] = None,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Take a deprecation back; the version becomes inactive.")
    ] = False,
) -> None:
    """Announce the end of the version in service, or cancel that.

    \b
    Examples:
      helixctl deprecate my-model@active --eol 2027-03-31 --replacement my-model@2.0.0
      helixctl deprecate my-model@1.0.0 --grace-days 30 --reason "moved to 2.0"
      helixctl deprecate my-model@1.0.0 --cancel

    Exit codes: 0 deprecated, 2 a date in the past, 3 denied, 4 not found, 5 no such step, 6 drift, 8 not durable.
    """
    from helixctl.cli.commands.parse import moment

    session = ctx.obj
    result = session.open().deprecate(
        ref,
        end_of_life=moment(eol, "--eol"),
        grace_days=grace_days,
        replacement=replacement,
        migration_guide=guide,
        allow_new_deployments=allow_new,
        cancel=cancel,
        **session.conditions(),
    )
    session.emit(result)
