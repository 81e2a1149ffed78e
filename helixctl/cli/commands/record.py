"""helixctl record."""

from __future__ import annotations

from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


def run(
    ctx: typer.Context,
    ref: Ref,
    latency: Annotated[float | None, typer.Option("--latency-ms", min=0, help="One inference: its latency.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="One inference: it failed.")] = False,
    confidence: Annotated[float | None, typer.Option("--confidence", min=0, max=1, help="Its confidence.")] = None,
    input_tokens: Annotated[int | None, typer.Option("--input-tokens", min=0, help="Its tokens in.")] = None,
    output_tokens: Annotated[int | None, typer.Option("--output-tokens", min=0, help="Its tokens out.")] = None,
    cost: Annotated[float | None, typer.Option("--cost", min=0, help="Its cost in USD.")] = None,
    error: Annotated[
        str | None, typer.Option("--error", metavar="TEXT", help="Its error; only its class is kept.")
    ] = None,
    region: Annotated[str | None, typer.Option("--region", metavar="NAME", help="Where it was served.")] = None,
    at: Annotated[str | None, typer.Option("--ts", metavar="TIME", help="When it ended, if not now.")] = None,
    sync: Annotated[bool, typer.Option("--sync", help="Have each write survive a loss of power.")] = False,
) -> None:
    """Record inferences: one by its options, or many as JSON lines on standard input.

    \b
    Examples:
      helixctl record my-model@active --latency-ms 812 --confidence 0.93
      helixctl record my-model@active < today.jsonl
      tail -F app.jsonl | helixctl record my-model@active

    Exit codes: 0 recorded, whatever the rolling verdict; 2 bad options, 4 not found, 8 not stored, 130 interrupted.
    """
    session = ctx.obj
    one: dict[str, object] = {"latency_ms": latency, "confidence": confidence, "input_tokens": input_tokens}
    one |= {"output_tokens": output_tokens, "cost": cost, "error": error, "region": region, "ts": at}
    single = failed or any(value is not None for value in one.values())
    given = [{**one, "success": not (failed or error)}] if single else session.world.stdin
    session.emit(session.open().record(ref, given, sync=sync, **session.conditions()))
