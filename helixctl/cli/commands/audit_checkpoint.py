"""helixctl audit checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer


def run(
    ctx: typer.Context,
    sign: Annotated[
        bool | None, typer.Option("--sign/--no-sign", help="Sign it, or not. Default: where there is a key.")
    ] = None,
) -> None:
    """State what the log is now: its heads, and a digest of each segment; signed where there is a key.

    \b
    Examples:
      helixctl audit checkpoint --reason "end of quarter"
      helixctl audit verify --against 20261123T101500000Z-3fa9c1d2e4b5.note

    The key is HELIX_SIGNING_KEY, or git's user.signingkey where gpg.format is ssh. Keep a copy of the checkpoint and its
    signature where nobody who can write the registry can write: verify --against it proves that no entry was lost.

    Exit codes: 0 written, 5 the log grew meanwhile, 6 the log is not whole, 8 not durable, or no key.
    """
    session = ctx.obj
    session.emit(session.open().log.checkpoint(signed=sign, **session.conditions()))
