"""helixctl promote."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

import typer

from helixctl.cli.commands.options import Ref


class Target(StrEnum):
    """Where a version can be promoted to."""

    TESTING = "testing"
    CANARY = "canary"
    ACTIVE = "active"


def run(
    ctx: typer.Context,
    ref: Ref,
    to: Annotated[Target, typer.Option("--to", case_sensitive=False, help="The next status.")],
    weight: Annotated[
        float | None, typer.Option("--weight", min=0, max=1, help="Share of the traffic for a canary, 0 to 1.")
    ] = None,
) -> None:
    """Bring a version to testing, canary or active.

    \b
    Examples:
      helixctl promote my-model@2.0.0 --to testing
      helixctl promote my-model@2.0.0 --to canary --weight 0.1

    Exit codes: 0 promoted, 3 denied, 4 not found, 5 no such step, 6 drift, 7 inconclusive, 8 not durable.
    """
    session = ctx.obj
    share = None if weight is None else Decimal(str(weight))
    session.emit(session.open().promote(ref, to.value, canary_weight=share, **session.conditions()))
