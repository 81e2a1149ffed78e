"""Recorded inferences, a file a UTC day, and the rolling metrics beside them; both under `.helix/`, untracked."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from helixctl.core.names import Ref
from helixctl.storage import disk


def _folder(root: str, ref: Ref) -> str:
    return os.path.join(root, ".helix", "inferences", *ref.model.split("/"), str(ref.version))


def append(root: str, ref: Ref, lines: Mapping[str, bytes]) -> None:
    """Append whole lines to the files of their days.

    Args:
        lines: the lines of each day, `2026-11-22`, joined.

    Raises:
        StorageRefused: a file cannot be written.
    """
    for day, data in lines.items():
        with disk.refusing(f"record inferences of {ref}"):
            disk.append_shared(os.path.join(_folder(root, ref), f"{day}.jsonl"), data)


def files(root: str, ref: Ref) -> list[str]:
    """Return the paths of the recorded files, by day."""
    folder = _folder(root, ref)
    try:
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".jsonl")]
    except (FileNotFoundError, NotADirectoryError):
        return []


def tails(root: str, ref: Ref, offsets: Mapping[str, int]) -> dict[str, bytes]:
    """Return the whole lines of each file that stand behind its offset, by file name."""
    found = {}
    for path in files(root, ref):
        name = os.path.basename(path)
        with disk.refusing(f"read the inferences of {ref}"), open(path, "rb") as handle:
            handle.seek(offsets.get(name, 0))
            whole, _, _ = handle.read().rpartition(b"\n")
        if whole:
            found[name] = whole + b"\n"
    return found


def rolling(root: str, ref: Ref) -> dict[str, Any] | None:
    """Return the rolling metrics as last refreshed, or None where there are none to be read."""
    try:
        with open(os.path.join(_folder(root, ref), "rolling.json"), encoding="utf-8") as handle:
            found = json.load(handle)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and {"summary", "stats"} <= set(found) else None


def summary(root: str, ref: Ref) -> dict[str, Any] | None:
    """Return what the rolling metrics add up to, as last refreshed, or None."""
    return (rolling(root, ref) or {}).get("summary")


def keep_rolling(root: str, ref: Ref, value: Mapping[str, Any]) -> None:
    """Put new rolling metrics in place whole.

    Raises:
        StorageRefused: they cannot be written.
    """
    with disk.refusing(f"refresh the metrics of {ref}"):
        disk.replace(os.path.join(_folder(root, ref), "rolling.json"), json.dumps(value).encode())
