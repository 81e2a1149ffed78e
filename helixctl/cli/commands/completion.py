"""helixctl completion."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"
    POWERSHELL = "powershell"


def run(
    ctx: typer.Context,
    shell: Annotated[Shell, typer.Argument(case_sensitive=False, help="The shell.")],
) -> None:
    """Print the completion script of a shell.

    \b
    Examples:
      source <(helixctl completion bash)
      helixctl completion zsh > "${fpath[1]}/_helixctl"
      helixctl completion fish > ~/.config/fish/completions/helixctl.fish
      helixctl completion powershell | Out-String | Invoke-Expression

    Exit codes: 0 printed, 2 an unknown shell.
    """
    from helixctl.cli.completion import script

    ctx.obj.finish(0, script(shell.value))
