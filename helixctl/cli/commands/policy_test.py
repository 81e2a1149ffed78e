"""helixctl policy test."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    files: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE]...", help="Cases. Default: policies/tests/*.toml.")
    ] = None,
) -> None:
    """Try the policies on cases: what is given, what is asked, and what they should say.

    \b
    Examples:
      helixctl policy test
      helixctl policy test policies/tests/production.toml -o junit > report.xml

    docs/policy.md shows a file of cases.

    Exit codes: 0 as expected, 2 a file does not load, 3 not as expected, 4 no such file.
    """
    session = ctx.obj
    session.emit(session.open().policy.test(files or ()))
