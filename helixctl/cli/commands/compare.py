"""helixctl compare."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Baseline, BaselineFrom, Candidate, Look, Margin
from helixctl.cli.commands.parse import numbers


def run(
    ctx: typer.Context,
    candidate: Candidate,
    baseline: Baseline,
    source: Annotated[
        list[str] | None,
        typer.Option("--from", metavar="SOURCE", help="The candidate's: a file, a glob, or - for stdin; repeatable."),
    ] = None,
    baseline_source: BaselineFrom = None,
    margin: Margin = None,
    look: Look = None,
) -> None:
    """Compare a version with another by their recorded inferences, or by those of files; nothing is written.

    \b
    Examples:
      helixctl compare my-model@2.0.0 my-model@active
      helixctl compare my-model@2.0.0 my-model@active --from new.jsonl --baseline-from old.jsonl
      helixctl compare my-model@canary my-model@active --look 2/4 --margin error_rate=0.02
      helixctl compare my-model@canary my-model@active -o json | jq .verdict

    Errors, slowness, confidence, tokens, cost and scores, each with its interval (95% over all planned looks) and the
    margin by which it may be worse.

    Exit codes: 0 better or equivalent, 2 malformed input, 3 worse, 4 not found, 7 undecided.
    """
    session = ctx.obj
    sources = source or (), baseline_source or ()
    rules = {"margins": numbers(margin, "--margin"), "look": look}
    asked = {"query": session.query(), "stdin": session.world.stdin}
    session.emit(session.open().compare(candidate, baseline, *sources, **rules, **asked))
