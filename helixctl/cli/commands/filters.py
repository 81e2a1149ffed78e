"""The filters that the commands of the log share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from helixctl.cli.commands.parse import moment
from helixctl.core.audit import ACTIONS, OUTCOMES, SEVERITIES, Filter
from helixctl.core.names import one_of
from helixctl.errors import Usage

Model = Annotated[str | None, typer.Option("--model", metavar="MODEL", help="Entries that touch this model.")]
Version = Annotated[str | None, typer.Option("--version", metavar="VERSION", help="Entries that touch this version.")]
Actions = Annotated[
    list[str] | None, typer.Option("--action", metavar="ACTION", help="Entries with this action or effect; repeatable.")
]
Severity = Annotated[
    str | None,
    typer.Option("--severity", metavar="LEVEL", help="debug, info, warning, error, critical: this or higher."),
]
Outcome = Annotated[str | None, typer.Option("--outcome", metavar="OUTCOME", help="success, denied or failed.")]
By = Annotated[str | None, typer.Option("--actor", metavar="NAME", help="Entries of this actor.")]
Region = Annotated[str | None, typer.Option("--region", metavar="NAME", help="Entries that name this region.")]
At = Annotated[
    str | None,
    typer.Option(
        "--at", metavar="TIME", help="Only the entries in force then: for each version, what gave it its status."
    ),
]


def wanted(
    now: datetime,
    model: str | None,
    version: str | None,
    actions: list[str] | None,
    severity: str | None,
    outcome: str | None,
    by: str | None,
    since: str | None,
    until: str | None,
    at: str | None = None,
    region: str | None = None,
) -> Filter:
    """Return the filter that the options mean.

    Raises:
        Usage: an unknown word or time, or times that contradict each other.
    """
    for option, words, known in (
        ("action", actions or (), ACTIONS),
        ("severity", [severity] if severity else (), SEVERITIES),
        ("outcome", [outcome] if outcome else (), OUTCOMES),
    ):
        for word in words:
            one_of(option, word, known)
    start, end = moment(since, "--since", now), moment(until, "--until", now)
    then = moment(at, "--at", now)
    return Filter(model, version, tuple(actions or ()), severity, outcome, by, start, end, then, region).checked(now)


def refuse_end(wanted: Filter) -> None:
    """Refuse a filter that ends, where what is to come is wanted.

    Raises:
        Usage: it does.
    """
    if wanted.until or wanted.at:
        raise Usage("--follow waits for what is to come: it takes no --until or --at", hint="leave one of them out")
