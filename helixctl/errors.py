"""The exception tree: every refusal, its stable code and its exit code."""

from __future__ import annotations


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
        return f"{where}: {self.message}" if where else self.message

    def at(self, path: str) -> HelixError:
        """Return the same refusal, placed in a file."""
        return self.become(type(self), path)

    def become(self, kind: type[HelixError], path: str) -> HelixError:
        """Return the same fact as another refusal, placed in a file."""
        return kind(self.message, hint=self.hint, path=path, line=self.line, key=self.key)


class Bug(HelixError):
    """An unexpected failure of the program itself."""

    code = "HX101"


class Usage(HelixError):
    """Asked wrongly: an option, a reference, a version."""

    code, exit_code = "HX201", 2


class Invalid(HelixError):
    """Malformed input from the user: a file, a key, a value."""

    code, exit_code = "HX202", 2


class BadSettings(HelixError):
    """helix.toml or a policy does not load."""

    code, exit_code = "HX203", 2


class NotFound(HelixError):
    """No such registry, model, version or file."""

    code, exit_code = "HX401", 4


class IllegalTransition(HelixError):
    """The lifecycle has no such step."""

    code, exit_code = "HX501", 5


class Duplicate(HelixError):
    """The version is there already, under this or an equal name."""

    code, exit_code = "HX502", 5


class Unexpected(HelixError):
    """`--expect` is not met."""

    code, exit_code = "HX503", 5


class Locked(HelixError):
    """Another writer holds the registry."""

    code, exit_code = "HX504", 5


class Changed(HelixError):
    """A file changed between being read and being written."""

    code, exit_code = "HX505", 5


class NothingToRestore(HelixError):
    """No version is left that a rollback may restore."""

    code, exit_code = "HX506", 5


class Damaged(HelixError):
    """A file of the registry cannot be read as what it should be."""

    code, exit_code = "HX601", 6


class Drift(HelixError):
    """A file differs from what the log says was written."""

    code, exit_code = "HX602", 6


class BrokenLog(HelixError):
    """The audit log cannot be trusted or continued."""

    code, exit_code = "HX603", 6


class StorageRefused(HelixError):
    """Disk full, no permission, or an entry that could not be made durable."""

    code, exit_code = "HX801", 8


class TornAppend(StorageRefused):
    """An append failed and could not be taken back: the next command decides what the disk kept."""

    code = "HX802"


class Unconfirmed(HelixError):
    """A confirmation is needed and was not given."""

    code, exit_code = "HX901", 9
