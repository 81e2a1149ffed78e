from __future__ import annotations

import hashlib

import pytest

from helixctl.core import digest


@pytest.mark.parametrize("raw", [b"", b"abc", b"\0" * 64, b"x" * (digest.LITTLE + 1)])
def test_every_digest_is_that_of_openssl(raw: bytes) -> None:
    assert digest.sha256(raw) == hashlib.sha256(raw).hexdigest()


def test_much_is_hashed_by_openssl_and_little_by_what_is_loaded_soonest() -> None:
    assert digest.hashing(digest.LITTLE + 1) is hashlib.sha256
    assert digest.hashing(1) is not hashlib.sha256


def test_a_python_without_its_own_falls_back() -> None:
    assert digest._first("no_such_module", "hashlib") is hashlib.sha256
    with pytest.raises(ImportError):
        digest._first("no_such_module")
