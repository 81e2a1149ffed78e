"""helixctl evaluate."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import BaselineFrom, Look, Margin, Ref
from helixctl.cli.commands.parse import against
from helixctl.errors import Usage


def run(
    ctx: typer.Context,
    ref: Ref,
    source: Annotated[
        list[str] | None, typer.Option("--from", metavar="SOURCE", help="A file, a glob, or - for stdin; repeatable.")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option("--dataset", metavar="FILE", help="Score a data set; repeatable.")
    ] = None,
    scorer: Annotated[
        str | None, typer.Option("--scorer", metavar="NAME", help="exact, regex, numeric:0.01, json:FIELD.")
    ] = None,
    window: Annotated[
        str | None, typer.Option("--window", metavar="DURATION", help="Add up the evidence of so long, as 30d.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="REF", help="What it must not be worse than, such as active.")
    ] = None,
    baseline_source: BaselineFrom = None,
    margin: Margin = None,
    look: Look = None,
    recheck: Annotated[bool, typer.Option("--recheck", help="Judge stored evidence again; write nothing.")] = False,
) -> None:
    """Judge a version by its recorded inferences, or by those of files, and keep the result.

    \b
    Examples:
      helixctl evaluate my-model@2.0.0
      helixctl evaluate my-model@2.0.0 --from 'logs/2026-11-*.jsonl'
      cat run.jsonl | helixctl evaluate my-model@2.0.0 --from - -o json
      helixctl evaluate my-model@2.0.0 --connect spark://HOST:7077 --table prod.inferences --since 1d
      helixctl evaluate my-model@2.0.0 --baseline active --look 1/4
      helixctl evaluate my-model@2.0.0 --recheck

    With --baseline a comparison counts too: worse is failed, undecided is inconclusive.

    Exit codes: 0 passed or warning, 2 malformed input, 3 failed, 4 not found, 6 drift, 7 inconclusive, 8 not durable.
    """
    session = ctx.obj
    if recheck:
        beside = (source, dataset, scorer, window, baseline, baseline_source, margin, look, *session.terms.values())
        if any(beside):
            raise Usage("--recheck judges what is stored as it is: it takes no other option", hint="leave the rest out")
        session.emit(session.open().recheck(ref))
    asked = session.asked(source, dataset, scorer, window)
    other = against(baseline, baseline_source, margin, look)
    session.emit(session.open().evaluate(ref, asked=asked, against=other, **session.conditions()))
