"""The entry: answers --version and completion before anything else is imported, then hands over."""

import sys


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        return _answer(sys.argv[1:])
    except KeyboardInterrupt:  # before or after what catches it otherwise, such as within an import
        return 130


def _answer(arguments: list[str]) -> int:
    if arguments == ["--version"] and sys.stdout:
        from helixctl import __version__

        try:
            print(f"helixctl {__version__}", flush=True)  # noqa: T201
            return 0
        except OSError:
            pass  # tried again below, where a failure is told
    if arguments[:1] == ["__complete"]:
        from helixctl.cli.words import answer

        return answer(arguments[1:])
    import gc

    gc.set_threshold(100_000)  # start-up makes no garbage that is worth looking for
    from helixctl.cli.edge import run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
