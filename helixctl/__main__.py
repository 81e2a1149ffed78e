"""The entry: answers --version and completion before anything else is imported, then hands over."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

_interrupts: list[float] = []


def main() -> int:
    """Run the command line and return its exit code."""
    try:
        return _answer(sys.argv[1:])
    except KeyboardInterrupt:  # before or after what catches it otherwise
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
    from signal import SIGINT, default_int_handler, getsignal, signal

    gc.set_threshold(100_000)  # start-up makes no garbage that is worth looking for
    is_heeded = getsignal(SIGINT) is default_int_handler  # else who started the run had it ignored, as nohup does
    try:
        if is_heeded:
            signal(SIGINT, _interrupt)
        from helixctl.cli.edge import run

        return run(arguments)
    finally:
        if is_heeded:
            _settle()


def _settle() -> None:
    """Let no interrupt change the code, which is decided; SIG_IGN would print of one that comes just then."""
    import signal

    signal.signal(signal.SIGINT, lambda *_: None)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _interrupt(_: int, frame: "FrameType | None") -> None:
    """Raise KeyboardInterrupt, but once a second; within an import, which may print it, swallow it or wrap it, end at once."""
    from time import monotonic

    if _interrupts and monotonic() - _interrupts[-1] < 1:
        return  # what is left behind is being cleaned up
    _interrupts.append(monotonic())
    while frame:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            import os

            os._exit(130)
        frame = frame.f_back
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
