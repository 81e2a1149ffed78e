"""Signatures by SSH keys: a thin edge around `ssh-keygen -Y`.

Source: ssh-keygen(1), -Y sign, find-principals, verify, check-novalidate, and ALLOWED SIGNERS; PROTOCOL.sshsig of OpenSSH.
"""

from __future__ import annotations

import base64
import os
import re
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from helixctl.errors import BadSettings, StorageRefused
from helixctl.storage import disk, git

AUDIT, APPROVAL = "helixctl-audit@v1", "helixctl-approval@v1"
_SIGNED = {AUDIT: "audit logs", APPROVAL: "approvals"}
"""What is signed in each namespace: a signature of the one never counts as one of the other."""
_LIMITS = (
    (rb'valid-(?:before|after)="?[^", \t]*"?', "was not valid at {at}"),
    (rb'namespaces="[^"]*"', "may not sign {what}"),
)
"""Options of an allowed signer that can exclude a signature, and what to say where one did."""


class BadSignature(ValueError):
    """A signature that does not hold, with the fact."""


class Trust(NamedTuple):
    """The allowed signers, and the revoked keys (a list or a KRL), as ssh-keygen reads them; and what they are to sign."""

    allowed_signers: bytes
    revoked: bytes | None = None
    namespace: str = AUDIT


def signing_key(root: str, environment: Mapping[str, str]) -> str | None:
    """Return the path of the key to sign with: HELIX_SIGNING_KEY, else git's where it signs with SSH, else None.

    Raises:
        StorageRefused: the key is written out where a file is wanted.
    """
    key = environment.get("HELIX_SIGNING_KEY")
    if not key and git.setting(root, "gpg.format") == "ssh":
        key = git.setting(root, "user.signingkey")
    if key and key.startswith(("key::", "ssh-")):
        raise StorageRefused("the signing key is written out, not a file", hint="set HELIX_SIGNING_KEY to a key's path")
    return os.path.abspath(os.path.expanduser(key)) if key else None


def sign(data: bytes, key: str, namespace: str = AUDIT) -> bytes:
    """Return the armored signature of the bytes by a key's file; of a public key's file by way of an agent.

    Raises:
        StorageRefused: it cannot be made.
    """
    try:
        done = _keygen("sign", namespace, "-f", key, given=data)
    except (OSError, subprocess.TimeoutExpired):
        raise StorageRefused("cannot sign: ssh-keygen cannot be run", hint="install OpenSSH") from None
    if done.returncode != 0 or not done.stdout.startswith(b"-----BEGIN SSH SIGNATURE-----"):
        hint = "check HELIX_SIGNING_KEY; a key with a passphrase needs an agent"
        named = key if os.path.exists(key) else "the signing key: it is no file here"  # it may be the key itself
        raise StorageRefused(f"cannot sign with {named}", hint=hint)
    return done.stdout


def vouch(data: bytes, signature: bytes, trust: Trust, at: datetime) -> str:
    """Return the principal that signed the bytes.

    Args:
        at: when they were signed; a key must have been valid then.

    Raises:
        BadSignature: nobody did, or nobody who is trusted. BadSettings: the revoked keys cannot be read.
    """
    _refuse_unread(trust.revoked or b"")
    files = {"signature": signature, "allowed": trust.allowed_signers, "revoked": trust.revoked or b""}
    for number, (pattern, _) in enumerate(_LIMITS):
        freed = re.sub(pattern, b"", trust.allowed_signers)
        files[f"without{number}"] = re.sub(rb"(?<=[ \t]),|,(?=[ \t])", b"", freed)  # of the options before or behind
    try:
        with disk.private_files(files) as folder:
            return _vouched(data, folder, at, trust)
    except (OSError, subprocess.TimeoutExpired):
        raise BadSignature("ssh-keygen cannot be run, so the signature is not checked: install OpenSSH") from None


def _vouched(data: bytes, folder: str, at: datetime, trust: Trust) -> str:
    signature, space = os.path.join(folder, "signature"), trust.namespace
    time = ("-O", f"verify-time={at.astimezone(UTC):%Y%m%d%H%M%SZ}")
    revoked = ("-r", os.path.join(folder, "revoked")) if trust.revoked is not None else ()
    principal = _principal(os.path.join(folder, "allowed"), signature, time, space)
    if principal is not None:
        words = ("-f", os.path.join(folder, "allowed"), "-I", principal, "-s", signature, *time)
        if _keygen("verify", space, *words, *revoked, given=data).returncode == 0:
            return principal
        if revoked and _keygen("verify", space, *words, given=data).returncode == 0:
            _refuse_unread(trust.revoked or b"", revoked[1])
            raise BadSignature(f"the key of {principal!a} is revoked")
    known = _keygen("check-novalidate", space, "-s", signature, given=data)
    if b"namespace does not match" in known.stderr:
        raise BadSignature(f"the signature was made for something else than {_SIGNED[space]}: another namespace")
    if known.returncode != 0:
        raise BadSignature("the signature does not match the bytes")
    for number, (_, fact) in enumerate(_LIMITS):
        freed = _principal(os.path.join(folder, f"without{number}"), signature, time, space)
        if freed is not None and (principal is None or number):
            said = fact.format(at=at.strftime("%Y-%m-%d %H:%M"), what=_SIGNED[space])
            raise BadSignature(f"the key of {freed!a} {said}")
    key = re.search(r"SHA256:[\w+/=]+", known.stdout.decode(errors="replace"))
    raise BadSignature(f"the key {key[0] if key else 'that signed'} is not in trust/allowed_signers")


def _refuse_unread(raw: bytes, krl: str | None = None) -> None:
    """Refuse revoked keys that ssh-keygen cannot read: it takes every key as revoked, or where a zero stands, none.

    Args:
        krl: where they lie, to have a KRL looked at too.

    Raises:
        BadSettings: they are neither public keys, one a line, nor a KRL.

    Source: PROTOCOL.krl of OpenSSH, section 1; RFC 4253, section 6.6.
    """
    line = None
    if not raw.startswith(b"SSHKRL\n\0"):
        rows = ((at, row.removesuffix(b"\r").strip(b" \t")) for at, row in enumerate(raw.split(b"\n"), 1))
        line = next((at for at, row in rows if b"\r" in row or (row and row[:1] != b"#" and not _is_key(row))), None)
    elif krl:
        words = ["ssh-keygen", "-Q", "-l", "-f", krl]
        line = 1 if subprocess.run(words, capture_output=True, check=False, timeout=30).returncode else None
    if line is not None:
        hint = "write a public key on each line, or make the file with ssh-keygen -k"
        raise BadSettings("neither a list of public keys nor a KRL", path="trust/revoked_keys", line=line, hint=hint)


def _is_key(line: bytes) -> bool:
    with suppress(ValueError):
        kind, encoded, *_ = line.split(None, 2)
        blob = base64.b64decode(encoded, validate=True)
        return blob[4 : 4 + int.from_bytes(blob[:4])] == kind
    return False


def _principal(allowed: str, signature: str, time: tuple[str, str], space: str) -> str | None:
    """Return the first principal whose key made the signature, as a list of allowed signers has it, or None."""
    done = _keygen("find-principals", space, "-f", allowed, "-s", signature, *time)
    names = done.stdout.decode(errors="replace").splitlines()
    return names[0].split(",")[0] if done.returncode == 0 and names else None


def _keygen(what: str, namespace: str, *words: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["ssh-keygen", "-Y", what, "-n", namespace, *words],
        input=given,
        capture_output=True,
        check=False,
        env={**os.environ, "LC_ALL": "C", "SSH_ASKPASS_REQUIRE": "never"},
        start_new_session=True,
        timeout=30,
    )
