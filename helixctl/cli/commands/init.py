"""helixctl init."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    folder: Annotated[str, typer.Argument(metavar="[DIR]", help="The folder; made where it is not there.")] = ".",
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="A name. Default: the folder's.")] = None,
    with_defaults: Annotated[
        bool, typer.Option("--with-defaults", help="Register GPT-4, GPT-3.5, Claude and other known models.")
    ] = False,
) -> None:
    """Make a folder a registry, with settings and a default policy. Running it again changes nothing.

    \b
    Examples:
      helixctl init
      helixctl init registry --with-defaults

    Exit codes: 0 made or already one, 8 the folder cannot be written.
    """
    from helixctl.cli.commands.defaults import create

    session = ctx.obj
    session.emit(create(session, folder, name, with_defaults=with_defaults))
