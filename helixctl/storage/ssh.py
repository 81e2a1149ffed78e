"""Signatures by SSH keys: a thin edge around `ssh-keygen -Y`.

Source: ssh-keygen(1), -Y sign, find-principals, verify, check-novalidate; PROTOCOL.sshsig of OpenSSH.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from helixctl.errors import StorageRefused
from helixctl.storage import disk, git

NAMESPACE = "helixctl-audit@v1"


class BadSignature(ValueError):
    """A signature that does not hold, with the fact."""


class Trust(NamedTuple):
    """The allowed signers, and the revoked keys (a list or a KRL), as ssh-keygen reads them."""

    allowed_signers: bytes
    revoked: bytes | None = None


def signing_key(root: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of the key to sign with: HELIX_SIGNING_KEY, else git's where it signs with SSH, else None."""
    key = environment.get("HELIX_SIGNING_KEY")
    if not key and git.setting(root, "gpg.format") == "ssh":
        key = git.setting(root, "user.signingkey")
    if key and key.startswith(("key::", "ssh-")):
        raise StorageRefused("the signing key is a literal, not a file", hint="set HELIX_SIGNING_KEY to a key's path")
    return os.path.abspath(os.path.expanduser(key)) if key else None


def sign(data: bytes, key: str) -> bytes:
    """Return the armored signature of the bytes by a key's file.

    Raises:
        StorageRefused: it cannot be made.
    """
    hint = "check HELIX_SIGNING_KEY; a key with a passphrase needs an agent"
    try:
        done = _keygen("sign", "-f", key, given=data)
    except (OSError, subprocess.TimeoutExpired):
        raise StorageRefused("cannot sign: ssh-keygen cannot be run", hint="install OpenSSH") from None
    if done.returncode != 0 or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        raise StorageRefused(f"cannot sign with {key}", hint=hint)
    return done.stdout


def vouch(data: bytes, signature: bytes, trust: Trust, at: datetime) -> str:
    """Return the principal that signed the bytes.

    Args:
        at: when they were signed; a key must have been valid then.

    Raises:
        BadSignature: nobody did, or nobody who is trusted.
    """
    files = {"signature": signature, "allowed": trust.allowed_signers, "revoked": trust.revoked or b""}
    try:
        with disk.private_files(files) as folder:
            return _vouched(data, folder, at, is_revoking=trust.revoked is not None)
    except (OSError, subprocess.TimeoutExpired):
        raise BadSignature("ssh-keygen cannot be run, so the signature is not checked") from None


def _vouched(data: bytes, folder: str, at: datetime, *, is_revoking: bool) -> str:
    allowed, signature = (os.path.join(folder, name) for name in ("allowed", "signature"))
    time = f"verify-time={at.astimezone(UTC):%Y%m%d%H%M%SZ}"
    known = _keygen("find-principals", "-f", allowed, "-s", signature, "-O", time)
    revoked = ("-r", os.path.join(folder, "revoked")) if is_revoking else ()
    for principal in known.stdout.decode(errors="replace").splitlines() if known.returncode == 0 else ():
        words = ("-f", allowed, "-I", principal, "-s", signature, "-O", time, *revoked)
        if _keygen("verify", *words, given=data).returncode == 0:
            return principal
    if _keygen("check-novalidate", "-s", signature, given=data).returncode != 0:
        raise BadSignature("the signature does not match the bytes")
    if known.returncode != 0 or not known.stdout:
        if _keygen("find-principals", "-f", allowed, "-s", signature, "-O", _AGES_AGO).returncode == 0:
            pass
        raise BadSignature("the key that signed is not in trust/allowed_signers, or was not valid then")
    raise BadSignature("the key that signed is revoked, or may not sign an audit log")


_AGES_AGO = "verify-time=19700102000000Z"


def _keygen(what: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh-keygen", "-Y", what, "-n", NAMESPACE, *words],
        input=given,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        start_new_session=True,
        timeout=30,
    )
