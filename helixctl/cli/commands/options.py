"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

Ref = Annotated[str, typer.Argument(metavar="REF", help="MODEL@VERSION, or MODEL@active|canary|latest|previous.")]
Candidate = Annotated[str, typer.Argument(metavar="CANDIDATE", help="The version in question, as MODEL@VERSION.")]
Baseline = Annotated[str, typer.Argument(metavar="BASELINE", help="What it is compared with, such as MODEL@active.")]
Model = Annotated[str, typer.Argument(metavar="MODEL", help="A model id, such as openai/gpt-4o.")]
For = Annotated[str, typer.Option("--for", metavar="ACTION", help="What is to be done, such as activate.")]
Region = Annotated[
    str | None, typer.Option("--region", metavar="NAME", help="Only there. Default: rules of any region match.")
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A value by dotted key, such as cost.tier=premium."),
]
BaselineFrom = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline-from", metavar="SOURCE", help="The baseline's: a file, a glob, or - for stdin; repeatable."
    ),
]
Margin = Annotated[
    list[str] | None,
    typer.Option(
        "--margin", metavar="METRIC=VALUE", help="How much worse it may be, such as error_rate=0.02; repeatable."
    ),
]
Look = Annotated[
    str | None, typer.Option("--look", metavar="I/K", help="Which of K planned looks this is: each spends alpha/K.")
]
Sign = Annotated[bool, typer.Option("--sign", help="Sign it, by HELIX_SIGNING_KEY or git's key.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="From then on: an RFC 3339 time, a date, or 7d for so long ago."),
]
Until = Annotated[str | None, typer.Option("--until", metavar="TIME", help="Before this time.")]
Against = Annotated[
    list[str] | None,
    typer.Option(
        "--against",
        metavar="REF|CHECKPOINT",
        help="A git commit, or a checkpoint (.note), whose entries must all be there still; repeatable.",
    ),
]
