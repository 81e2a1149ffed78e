"""helixctl evaluate."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    ref: Ref,
    source: Annotated[
        list[str] | None, typer.Option("--from", metavar="SOURCE", help="A file, a glob, or - for stdin; repeatable.")
    ] = None,
) -> None:
    """Judge a version by its recorded inferences, or by those of files, and keep the result.

    \b
    Examples:
      helixctl evaluate my-model@2.0.0
      helixctl evaluate my-model@2.0.0 --from 'logs/2026-11-*.jsonl'
      cat run.jsonl | helixctl evaluate my-model@2.0.0 --from - -o json

    Exit codes: 0 passed or warning, 2 malformed input, 3 failed, 4 not found, 6 drift, 7 inconclusive, 8 not durable.
    """
    session = ctx.obj
    asked = {"query": session.query(), "stdin": session.world.stdin}
    session.emit(session.open().evaluate(ref, source or (), **asked, **session.conditions()))
