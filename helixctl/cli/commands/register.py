"""helixctl register."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Set


def run(
    ctx: typer.Context,
    ref: Annotated[
        str | None, typer.Argument(metavar="[REF]", help="MODEL@VERSION; with -f the file names it.")
    ] = None,
    file: Annotated[
        str | None, typer.Option("-f", "--file", metavar="FILE", help="A TOML specification, or - for stdin.")
    ] = None,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Who serves the model.")] = None,
    provider_model_id: Annotated[
        str | None, typer.Option("--provider-model-id", metavar="ID", help="What goes over the wire.")
    ] = None,
    display_name: Annotated[
        str | None, typer.Option("--display-name", metavar="TEXT", help="A name for people.")
    ] = None,
    tag: Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="A tag; repeatable.")] = None,
    set_: Set = None,
) -> None:
    """Add a version, inactive, from options or from a TOML file.

    \b
    Examples:
      helixctl register my-model@1.0.0 --provider in-house --set limits.context_window=8192
      helixctl register -f my-model-1.0.0.toml

    Exit codes: 0 registered, 2 malformed, 3 denied, 5 a duplicate, 6 damaged files of this model, 8 not durable.
    """
    from helixctl.cli.commands.specification import specification

    session = ctx.obj
    named = {"provider": provider, "provider_model_id": provider_model_id, "display_name": display_name, "tags": tag}
    source = specification(session.world.stdin, ref, file, named, set_ or [])
    session.emit(session.open().register(source, ref=ref, origin=file, **session.conditions()))
