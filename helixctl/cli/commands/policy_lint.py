"""helixctl policy lint."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Policies. Default: those of the registry.")
    ] = None,
) -> None:
    """Find all that keeps a policy from loading, expressions that do not compile and unknown groups too.

    \b
    Examples:
      helixctl policy lint
      helixctl policy lint policies/production.toml -o github

    What does not load stops every write; an unknown group denies. Standard output carries all in every format.

    Exit codes: 0 sound, 2 something is wrong, 4 no such file.
    """
    session = ctx.obj
    session.emit(session.open().policy.lint(files or ()))
