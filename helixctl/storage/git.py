"""What git says about the registry's folder; the registry works without git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from helixctl.errors import NotFound, StorageRefused


class Blob(NamedTuple):
    """A file's bytes as git knows them: the object's id, and how many bytes it has."""

    id: str
    size: int


def work_tree(folder: str) -> str | None:
    """Return the root of the git work tree that the folder lies in: a `.git` folder or file stands there."""
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


def in_work_tree(folder: str) -> bool:
    """Tell whether the folder lies in a git work tree."""
    return work_tree(folder) is not None


def _git(root: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["git", "-C", root, *words],
        input=given,
        capture_output=True,
        check=False,
        env={name: value for name, value in os.environ.items() if not _of_a_hook(name)},
        timeout=120,
    )


def _of_a_hook(name: str) -> bool:
    return name.startswith("GIT_") and not name.startswith("GIT_CONFIG")


def _told(root: str, *words: str, given: bytes = b"") -> bytes:
    """Return what git prints.

    Raises:
        StorageRefused: git is missing, or fails.
    """
    try:
        done = _git(root, *words, given=given)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StorageRefused(f"git {words[0]} cannot be run: {type(error).__name__}", hint="install git") from None
    if done.returncode != 0:
        raise StorageRefused(f"git {words[0]} failed", hint=f"git -C {root} {words[0]} tells why")
    return done.stdout


def may_be_tracked(root: str, path: str) -> bool:
    """Tell whether git tracks the file, or would not say: then it must not be appended to."""
    if not in_work_tree(root):
        return False
    try:
        return _git(root, "ls-files", "--error-unmatch", "--", path).returncode != 1
    except (OSError, subprocess.TimeoutExpired):
        return True


def commit_of(root: str, ref: str) -> str:
    """Return the id of the commit that a branch, tag or expression names.

    Raises:
        NotFound: git knows no such commit here.
    """
    hint = "name a branch, a tag or a commit"
    if not in_work_tree(root):
        raise NotFound(f"{ref!a}: the registry is not in a git work tree", hint="name a checkpoint instead")
    try:
        done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}")
        if done.returncode == 0:
            return done.stdout.decode().strip()
        if _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
            hint = "this is a shallow clone: fetch all of it (fetch-depth: 0)"
    except (OSError, ValueError, subprocess.TimeoutExpired):
        hint = "install git"
    raise NotFound(f"git knows no commit {ref!a}", hint=hint)


def setting(root: str, name: str) -> str | None:
    """Return a value of git's configuration as the folder sees it, or None."""
    try:
        done = _git(root, "config", "--get", name)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").strip() or None if done.returncode == 0 else None


def blob_at(root: str, ref: str, path: str) -> bytes | None:
    """Return the bytes that a commit has at a path from the registry's root, or None.

    Raises:
        NotFound: git knows no such commit here.
    """
    blob = listed(root, commit_of(root, ref), path).get(path)
    return next(contents(root, [blob.id])) if blob else None


def listed(root: str, commit: str, *paths: str) -> dict[str, Blob]:
    """Return the files below some paths as a commit has them, by their path from the registry's root."""
    raw = _told(root, "ls-tree", "-r", "-z", "-l", commit, "--", *paths)
    found = {}
    for row in raw.split(b"\0")[:-1]:
        what, _, name = row.partition(b"\t")
        _, kind, blob, size = what.split()
        if kind == b"blob":
            found[os.fsdecode(name)] = Blob(blob.decode(), int(size))
    return found


def contents(root: str, ids: Iterable[str]) -> Iterator[bytes]:
    """Yield the bytes of blobs, in the order of their ids."""
    for blob in ids:
        yield _told(root, "cat-file", "blob", blob)


def versions_of(root: str, path: str) -> list[str]:
    """Return the ids of all blobs that the file has had in any branch, newest first."""
    if not in_work_tree(root):
        return []
    raw = _told(root, "log", "--all", "--format=", "--raw", "--no-abbrev", "--no-renames", "-m", "--", path)
    ids = [field for row in raw.decode(errors="replace").splitlines() for field in row.split()[2:4]]
    return [one for one in dict.fromkeys(ids) if set(one) != {"0"}]
