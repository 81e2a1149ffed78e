"""SHA-256 of little by the interpreter's own code: to load OpenSSL takes longer than a small command has to hash."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

LITTLE = 65_536
Hashing = Callable[[bytes], Any]


def hashing(size: int) -> Hashing:
    """Return what hashes so many bytes soonest, counting the time to load it."""
    return _first("_sha2", "_sha256", "hashlib") if size <= LITTLE else _first("hashlib")


@lru_cache(maxsize=2)
def _first(*names: str) -> Hashing:
    """Return the constructor of the first module that this Python has: `_sha2` is there from 3.12 on, `_sha256` before."""
    for name in names:
        try:
            found: Hashing = import_module(name).sha256
        except ImportError:
            continue
        return found
    raise ImportError("this Python has no SHA-256")


def sha256(raw: bytes) -> str:
    """Return the digest of a small file, in hexadecimal."""
    return str(hashing(len(raw))(raw).hexdigest())
