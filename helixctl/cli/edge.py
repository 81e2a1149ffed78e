"""The edge of a run: the one place that catches what is left, prints errors and gives the exit code."""

from __future__ import annotations

from helixctl.cli import errors, quick
from helixctl.cli.session import World
from helixctl.cli.streams import printing, silence
from helixctl.errors import HelixError, Usage


def _refuse_bytes(arguments: list[str]) -> None:
    """Refuse what is no text: it could be neither stored nor shown.

    Raises:
        Usage: an argument is not UTF-8.
    """
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise Usage(f"an argument is not UTF-8: {argument!a}", hint="type it in a UTF-8 terminal") from None


def run(arguments: list[str], world: World | None = None) -> int:
    """Run a command line and return its exit code; nothing below prints an error or exits."""
    here = world or World.real()
    try:
        for stream in (here.stdout, here.stderr):
            if hasattr(stream, "reconfigure"):
                with printing(stream):  # it writes what is left in it
                    stream.reconfigure(errors="backslashreplace", newline="\n")
        _refuse_bytes(arguments)
        code = quick.answered(arguments, here)
        if code is None:
            from helixctl.cli import app

            code = app.invoked(arguments, here)
        with printing(here.stdout):
            here.stdout.flush()
        return code
    except HelixError as error:
        return errors.refused(here, arguments, error)
    except KeyboardInterrupt as interrupt:
        return errors.interrupted(here, interrupt)
    except BrokenPipeError:
        silence(here.stdout)
        return 141
    except Exception as error:  # noqa: BLE001 - the edge: whatever is left is a bug
        return errors.failed(here, arguments, error)
