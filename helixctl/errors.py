"""The exception tree: every refusal, its stable code and its exit code."""

from __future__ import annotations

EXIT_CODES = {
    0: "Done, allowed, passed, or already so.",
    1: "A bug, or an unexpected failure.",
    2: "Asked wrongly: usage, an invalid reference or version, malformed input, settings or a policy that does not load.",
    3: "Denied by policy, or a failed evaluation. The findings say which rules block, and what mends each.",
    4: "Not found: registry, model, version, or git ref.",
    5: "A conflict: no such step, a duplicate, --expect not met, the lock not obtained, or nothing to roll back to.",
    6: "Integrity: a damaged file, drift, a broken log, or something to reconcile. helixctl verify shows all.",
    7: "Inconclusive: all that blocks are evaluation rules without a fresh, conclusive result. helixctl evaluate gives one.",
    8: "Storage refused: disk full, no permission, or an entry that could not be made durable. Nothing changed.",
    9: "A confirmation is needed and was not given. The hint names the option that gives it.",
    10: "There are differences or pending work; only where --exit-code or --check asks for it.",
    130: "Interrupted.",
    141: "Whoever read the output has closed it.",
    143: "Terminated by SIGTERM, as a shell tells it: nothing is torn, and the next write finishes what was logged.",
}
"""What each exit code of the program means."""


class HelixError(Exception):
    """A refusal: one fact, where it is, and one thing to do about it.

    Args:
        message: the fact, lower case, without a full stop.
        hint: one thing the user can do.
        path, line, key: where, as far as known; the path is relative to the registry's root.
    """

    code = "HX100"
    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        path: str | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message, self.hint, self.path, self.line, self.key = message, hint, path, line, key

    def __str__(self) -> str:
        where = ":".join(str(part) for part in (self.path, self.line) if part is not None)
        is_told = not where or f" {where} " in f" {self.message} ".replace(": ", " ")
        return self.message if is_told else f"{where}: {self.message}"

    def at(self, path: str) -> HelixError:
        """Return the same refusal, placed in a file."""
        return self.become(type(self), path)

    def become(self, kind: type[HelixError], path: str) -> HelixError:
        """Return the same fact as another refusal, placed in a file."""
        return kind(self.message, hint=self.hint, path=path, line=self.line, key=self.key)


class Bug(HelixError):
    """An unexpected failure of the program itself.

    Run it again with HELIXCTL_DEBUG=1, which prints where it happened, and report that.
    """

    code = "HX101"


class Usage(HelixError):
    """Asked wrongly: an option, a reference, a version.

    `helixctl help COMMAND` shows what a command takes, with examples.
    """

    code, exit_code = "HX201", 2


class Invalid(HelixError):
    """Malformed input from the user: a file, a key, a value.

    The message names file, line and key; docs/files.md lists the keys and their values.
    """

    code, exit_code = "HX202", 2


class BadSettings(HelixError):
    """helix.toml or a policy does not load.

    Nothing is written until it does. Correct the line that is named, or take the file back from git.
    """

    code, exit_code = "HX203", 2


class NotFound(HelixError):
    """No such registry, model, version or file.

    `helixctl list` shows the versions; `-C DIR` or HELIX_REGISTRY names another registry.
    """

    code, exit_code = "HX401", 4


class IllegalTransition(HelixError):
    """The lifecycle has no such step.

    `helixctl show REF` tells the status it has; docs/commands.md which command makes which step.
    """

    code, exit_code = "HX501", 5


class Duplicate(HelixError):
    """The version is there already, under this or an equal name.

    Versions that differ only in build metadata or in case are equal. Register the next version, or `helixctl update` this one.
    """

    code, exit_code = "HX502", 5


class Unexpected(HelixError):
    """`--expect` is not met.

    Somebody else has changed it meanwhile: look with `helixctl history REF`, and decide anew.
    """

    code, exit_code = "HX503", 5


class Locked(HelixError):
    """Another writer holds the registry.

    Run it again. If no helixctl is running, a process that was stopped still holds .helix/lock.
    """

    code, exit_code = "HX504", 5


class Changed(HelixError):
    """A file changed between being read and being written.

    Run it again: it decides by what is there now.
    """

    code, exit_code = "HX505", 5


class NothingToRestore(HelixError):
    """No version is left that a rollback may restore.

    The message says which predecessors were passed over, and why. `helixctl activate REF` puts any version in service.
    """

    code, exit_code = "HX506", 5


class Damaged(HelixError):
    """A file of the registry cannot be read as what it should be.

    `helixctl verify` lists all such files; take each back from git.
    """

    code, exit_code = "HX601", 6


class Drift(HelixError):
    """A file differs from what the log says was written.

    `helixctl adopt REF --reason WHY` takes an edit in through policy; `git checkout -- FILE` takes it back.
    """

    code, exit_code = "HX602", 6


class BrokenLog(HelixError):
    """The audit log cannot be trusted or continued.

    `helixctl verify` says which line. Take the segment back from git; after a merge, `helixctl reconcile`.
    """

    code, exit_code = "HX603", 6


class StorageRefused(HelixError):
    """Disk full, no permission, or an entry that could not be made durable.

    Nothing was changed. Free some space or get permission, and run it again.
    """

    code, exit_code = "HX801", 8


class TornAppend(StorageRefused):
    """An append failed and could not be taken back: the next command decides what the disk kept.

    Repair the disk and run any command: it tells whether the change happened.
    """

    code = "HX802"


class Unconfirmed(HelixError):
    """A confirmation is needed and was not given.

    Answer on a terminal, or give the option that the hint names.
    """

    code, exit_code = "HX901", 9


def leaves() -> list[type[HelixError]]:
    """Return every kind of refusal, in the order of this file."""
    kinds = [one for one in globals().values() if isinstance(one, type) and issubclass(one, HelixError)]
    return [one for one in kinds if one is not HelixError]
