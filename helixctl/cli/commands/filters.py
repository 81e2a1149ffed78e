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
) -> Filter:
    """Return the filter that the options mean.

    Raises:
        Usage: an unknown word or time.
    """
    for option, words, known in (
        ("action", actions or (), ACTIONS),
        ("severity", [severity] if severity else (), SEVERITIES),
        ("outcome", [outcome] if outcome else (), OUTCOMES),
    ):
        for word in words:
            one_of(option, word, known)
    start, end = moment(since, "--since", now), moment(until, "--until", now)
    if start and end and start > end:
        raise Usage("--since is after --until", hint="exchange the two")
    return Filter(model, version, tuple(actions or ()), severity, outcome, by, start, end)
