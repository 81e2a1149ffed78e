"""The registry's folder: where it is, which files it holds, and reading them without leaving it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from stat import S_ISDIR, S_ISLNK, S_ISREG

from helixctl.core.names import Ref, parse_model
from helixctl.core.toml import MAX_BYTES
from helixctl.errors import Damaged, NotFound, StorageRefused, Usage
from helixctl.storage import disk

MARKER = "helix.toml"
GONE = ""
"""Stands in an overlay for a file that a logged transaction removes."""


def find_root(given: str | None, start: str | None = None) -> str:
    """Return the registry's root: the folder given, or the nearest one at or above `start` (by default the working folder).

    Raises:
        NotFound: there is none. Usage: the name given is empty.
    """
    if given == "":
        raise Usage("the name of the registry is empty", hint="give a folder, or leave the option out")
    if given is not None:
        if os.path.lexists(os.path.join(given, MARKER)):
            return os.path.abspath(given)
        raise NotFound(f"{given} holds no {MARKER}", hint=f"helixctl init {given}")
    try:
        folder = os.path.abspath(start or os.getcwd())
    except FileNotFoundError:
        raise NotFound("the working folder is gone", hint="change into a registry, or name one with -C DIR") from None
    while not os.path.lexists(os.path.join(folder, MARKER)):
        parent = os.path.dirname(folder)
        if parent == folder:
            raise NotFound("no registry here or in a folder above", hint="helixctl init, or name one with -C DIR")
        folder = parent
    return folder


def path_of(ref: Ref) -> str:
    """Return the path of a version's file, from the root."""
    return f"models/{ref.model}/{ref.version}.toml"


def read(root: str, path: str, overlay: Mapping[str, str]) -> bytes:
    """Return the bytes of a registry file, of its pending successor where a crash left one.

    Raises:
        NotFound: it is not there.
        Damaged: it is a link, or too large to be what it should be.
        StorageRefused: it cannot be read.
    """
    full = overlay.get(path) or os.path.join(root, path)
    if path not in overlay:
        refuse_links(root, path)
    with disk.refusing(f"read {path}"), open(full, "rb") as handle:
        raw = handle.read(MAX_BYTES + 1)
    if len(raw) > MAX_BYTES:
        raise Damaged(f"larger than {MAX_BYTES} bytes", path=path, hint="restore the file from git")
    return raw


def refuse_links(root: str, path: str) -> None:
    """Refuse a path that passes through a symbolic link below the root, or leads to what is neither file nor folder.

    Raises:
        Damaged: it does.
    """
    full = root
    for part in path.split("/"):
        full = os.path.join(full, part)
        try:
            mode = os.lstat(full).st_mode
        except (OSError, ValueError):
            return
        where = os.path.relpath(full, root) if S_ISLNK(mode) or not (S_ISREG(mode) or S_ISDIR(mode)) else ""
        if S_ISLNK(mode):
            raise Damaged("a symbolic link stands in the registry", path=where, hint="replace it by what it points to")
        if where:
            raise Damaged("neither a file nor a folder", path=where, hint="move it away, or restore the file from git")


def files_in(root: str, folder: str, ending: str, overlay: Mapping[str, str]) -> list[str]:
    """Return the paths of the files of a folder whose names end so, sorted; pending ones too."""
    found = {f"{folder}/{name}" for name in _names(os.path.join(root, folder)) if name.endswith(ending)}
    found |= {path for path in overlay if is_in(folder, path) and path.endswith(ending)}
    return sorted(path for path in found if overlay.get(path) != GONE)


def is_in(folder: str, path: str) -> bool:
    """Tell whether a path is of a file of the folder itself: a model may be named like a version of another."""
    return path.rpartition("/")[0] == folder


def files_below(root: str, folders: Iterable[str], overlay: Mapping[str, str]) -> Iterator[str]:
    """Yield the paths of all files below some folders (given with a slash at their end), pending ones too, sorted."""
    for folder in folders:
        found = {path for path in overlay if path.startswith(folder)}
        for place, _, names in os.walk(os.path.join(root, folder)):
            below = os.path.relpath(place, root).replace(os.sep, "/")
            found |= {f"{below}/{name}" for name in names}
        yield from sorted(path for path in found if overlay.get(path) != GONE)


def near_name(root: str, model: str) -> str | None:
    """Return the name of a folder under models/ that differs from a part of a model id only by case, or None."""
    folder = os.path.join(root, "models")
    for segment in model.split("/"):
        near = [name for name in _names(folder) if name != segment and name.lower() == segment.lower()]
        if near:
            return near[0]
        folder = os.path.join(folder, segment)
    return None


def versions(root: str, model: str, overlay: Mapping[str, str]) -> list[str]:
    """Return the versions of a model by the names of its files, sorted by name."""
    folder = f"models/{model}"
    refuse_links(root, folder)
    return sorted(path[len(folder) + 1 : -5] for path in files_in(root, folder, ".toml", overlay))


def models(root: str, overlay: Mapping[str, str]) -> Iterator[str]:
    """Yield the ids of the models that have a version file, sorted."""
    found = set(_models_below(os.path.join(root, "models"), ""))
    found |= {path[len("models/") :].rpartition("/")[0] for path in overlay if path.startswith("models/")}
    yield from sorted(found)


def _models_below(folder: str, prefix: str, depth: int = 3) -> Iterator[str]:
    """Yield what has the place of a model, valid or not: an invalid name is reported by whoever reads it."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageRefused(f"cannot read models/{prefix}: {error.strerror}", hint="get permission for it") from error
    if prefix and any(entry.name.endswith(".toml") for entry in entries):
        yield prefix
    for entry in entries:
        if depth and not entry.name.endswith(".toml") and (entry.is_symlink() or entry.is_dir()):
            below = f"{prefix}/{entry.name}" if prefix else entry.name
            if entry.is_symlink():
                yield below
            else:
                yield from _models_below(entry.path, below, depth - 1)


def valid_model(model: str, path: str) -> None:
    """Refuse a folder whose name is no model id.

    Raises:
        Damaged: it is not.
    """
    try:
        parse_model(model)
    except Usage as error:
        raise Damaged(error.message, path=path, hint="rename the folder") from None


def policy_paths(root: str) -> list[str]:
    """Return the paths of the policy files, sorted."""
    return _toml_in(root, "policies")


def policy_test_paths(root: str) -> list[str]:
    """Return the paths of the files of cases for the policies, sorted; the log does not keep them, since none judges."""
    return _toml_in(root, "policies/tests")


def unread_policies(root: str) -> list[str]:
    """Return the paths of files below policies/ that look like policies or cases, and are read as neither."""
    read = {*policy_paths(root), *policy_test_paths(root)}
    return [
        path for path in files_below(root, ("policies/",), {}) if path.lower().endswith(".toml") and path not in read
    ]


def _toml_in(root: str, folder: str) -> list[str]:
    return [sayable(f"{folder}/{name}") for name in _names(os.path.join(root, folder)) if name.endswith(".toml")]


def sayable(path: str) -> str:
    """Return a path that the log can name.

    Raises:
        Damaged: its name is not UTF-8.
    """
    try:
        path.encode()
    except UnicodeEncodeError:
        raise Damaged("the name of the file is not UTF-8", path=path, hint="rename the file") from None
    return path


def config_paths(root: str) -> list[str]:
    """Return the paths of the files that people edit: settings, policies, trust."""
    names = _names(os.path.join(root, "trust"))
    trust = [sayable(f"trust/{name}") for name in names if os.path.isfile(os.path.join(root, "trust", name))]
    return [MARKER, *policy_paths(root), *trust]


def _names(folder: str) -> list[str]:
    try:
        with disk.refusing(f"read {os.path.basename(folder)}"):
            return sorted(os.listdir(folder))
    except NotFound:
        return []
