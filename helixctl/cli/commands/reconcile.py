"""helixctl reconcile."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Yes


def run(
    ctx: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="[MODEL]", help="The model; needed where several wait.")
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(
            "--keep", metavar="REF", help="What to keep: MODEL@VERSION, a git commit, or a side's id; repeatable."
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Settle what a merge left: two versions in service, or a file that two sides changed.

    \b
    Examples:
      helixctl reconcile my-model --keep my-model@2.0.0 --yes
      helixctl reconcile my-model --keep origin/main --yes --reason "main was right"

    The version kept counts as the one activated last, and the other as its predecessor. A file becomes what one side had;
    where the bytes of that side exist nowhere any more, the file is taken as it lies, and the entry says so.
    Where there is nothing to settle, edits of settings, policies and trust are recorded.

    Exit codes: 0 settled, or nothing to do; 2 no such side; 3 denied; 5 the log grew meanwhile; 6 drift;
    9 not confirmed, or the side is not named.
    """
    session = ctx.obj
    log = session.open().log
    conflicts = log.conflicts(model)
    sides = keep or [session.choose(f"{one.ref}: which side to keep", one.choices) for one in conflicts if one.choices]
    if conflicts and not session.terms.get("dry_run"):
        session.confirm("reconciling what a merge left", yes=yes)
    session.emit(log.reconcile(model, sides, **session.conditions()))
