"""What git says about a path; the registry works without git."""

from __future__ import annotations

import os
import subprocess


def in_work_tree(folder: str) -> bool:
    """Tell whether the folder lies in a git work tree (a `.git` folder or file stands in it or above)."""
    while True:
        if os.path.lexists(os.path.join(folder, ".git")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def may_be_tracked(root: str, path: str) -> bool:
    """Tell whether git tracks the file, or would not say: then it must not be appended to."""
    if not in_work_tree(root):
        return False
    try:
        done = subprocess.run(
            ["git", "-C", root, "ls-files", "--error-unmatch", "--", path],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith("GIT_")},  # a hook's own
            timeout=30,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return done.returncode != 1
