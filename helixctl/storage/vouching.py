"""Who vouches for what: the signatures of segments and checkpoints, checked against the keys that are trusted."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from helixctl.core import audit, notes, times
from helixctl.core.integrity import Finding, Voucher
from helixctl.core.notes import Note
from helixctl.core.people import APPROVERS
from helixctl.core.settings import Settings
from helixctl.errors import BadSettings, NotFound
from helixctl.storage import git
from helixctl.storage.registry import Store
from helixctl.storage.tree import MARKER

SIGNERS, REVOKED = "trust/allowed_signers", "trust/revoked_keys"
_PATTERN = re.compile(rb'[ \t]*(?!#)[^ \t\r"]*(?:"[^"]*)?[*?!]')
"""A sign of a pattern in the first word of a line as ssh-keygen takes it: a quote may begin within it, and holds blanks."""


class Trusted(NamedTuple):
    """The signers that are trusted, the keys that are revoked, and the approvers; from a commit's tree where one was named."""

    signers: bytes
    revoked: bytes | None
    approvers: bytes | None = None


def trusted(store: Store, commit: str | None) -> Trusted:
    """Return whom the registry trusts, or whom it trusted in a commit: a branch may not add its own signers.

    Raises:
        BadSettings: a folder lies in place of a file in the commit.
    """
    paths = SIGNERS, REVOKED, APPROVERS
    if commit is not None:
        blobs = git.listed(store.root, commit, *paths)
        if inner := min(blobs.keys() - set(paths), default=None):
            fact, path = f"a folder lies in its place in the commit {commit[:12]}", "/".join(inner.split("/")[:2])
            raise BadSettings(fact, path=path, hint="a file belongs there; commit one, or nothing")
        found = {path: next(git.contents(store.root, [blob.id])) for path, blob in blobs.items()}
        signers, *rest = (found.get(path) for path in paths)
    else:
        signers, *rest = (_read(store, path) for path in paths)
    return Trusted(signers or b"", *rest)


def commit_of(store: Store, settings: Settings) -> str | None:
    """Return the commit that trust is read from, where the settings name one.

    Raises:
        NotFound: git knows no such commit here.
    """
    try:
        return git.commit_of(store.root, settings.ref) if settings.ref else None
    except NotFound as error:
        raise NotFound(f"{MARKER}: trust.ref: {error.message}", hint=error.hint) from None


def refuse_patterns(signers: bytes) -> None:
    """Refuse allowed signers of whom a line is of nobody in particular.

    Raises:
        BadSettings: one is, with its line.
    """
    for number, line in enumerate(signers.split(b"\n"), 1):
        if _PATTERN.match(line):
            hint = "name each principal by itself"
            raise BadSettings("a pattern vouches for nobody in particular", path=SIGNERS, line=number, hint=hint)


def signature_of(store: Store, path: str) -> bytes | None:
    """Return the signature beside a file, or None."""
    return _read(store, f"{path}.sig")


def _read(store: Store, path: str) -> bytes | None:
    try:
        return store.read(path)
    except NotFound:
        return None


class Signed(NamedTuple):
    """What a signature is of: where, the bytes, when they were signed, and how many entries they speak for."""

    path: str
    data: bytes
    at: datetime
    entries: int


def signer(trust: Trusted, path: str, note: Note, signature: bytes | None) -> Voucher | Finding | None:
    """Return who signed a checkpoint, why that does not hold, or None where nobody did."""
    if signature is None:
        return None
    return _checked(trust, Signed(path, notes.encode(note), note.at, note.entries), signature)


def _checked(trust: Trusted, signed: Signed, signature: bytes) -> Voucher | Finding:
    from helixctl.storage import ssh

    if not trust.signers.strip():
        fact = f"signed, and there is no {SIGNERS} to check that with"
        return Finding("unchecked-signature", signed.path, None, fact)
    refuse_patterns(trust.signers)
    try:
        found = ssh.vouch(signed.data, signature, ssh.Trust(trust.signers, trust.revoked), signed.at)
    except ssh.BadSignature as error:
        return Finding("bad-signature", signed.path, None, str(error))
    return Voucher(found, signed.path, signed.entries)


def vouchers(
    store: Store, trust: Trusted, segments: Iterable[str], checkpoints: Mapping[str, Note]
) -> list[Voucher | Finding]:
    """Return who signed which segment and checkpoint of the registry, and every signature that does not hold."""
    found: list[Voucher | Finding] = []
    sealed: dict[str, int] = {}
    for path, note in checkpoints.items():
        by = signer(trust, path, note, signature_of(store, path))
        found += [by] if by else []
        if isinstance(by, Voucher):
            sealed |= {one.path: max(one.size, sealed.get(one.path, 0)) for one in note.segments}
    must_be_signed = store.settings().sign
    for path in segments:
        by = _segment(store, trust, path)
        found += [by] if by else []
        if by is not None and _is_decided(by):
            continue
        if must_be_signed and os.path.getsize(os.path.join(store.root, path)) != sealed.get(path):
            fact = "not signed, though [audit] sign = true; a signed checkpoint would vouch for it"
            found.append(Finding("unsigned-segment", path, None, fact))
    return found


def _is_decided(by: Voucher | Finding) -> bool:
    return isinstance(by, Voucher) or by.code == "bad-signature"


def _segment(store: Store, trust: Trusted, path: str) -> Voucher | Finding | None:
    signature = signature_of(store, path)
    if signature is None or os.path.islink(os.path.join(store.root, path)):
        return None
    with open(os.path.join(store.root, path), "rb") as handle:
        data = handle.read()
    data = data[: data.rfind(b"\n") + 1]
    try:
        at = times.parse_instant(audit.scan(data[data[:-1].rfind(b"\n") + 1 : -1]).at.decode())
    except (audit.BadLine, ValueError):
        return Finding("bad-signature", path, None, "signed, and its last line is no entry")
    return _checked(trust, Signed(path, data, at, data.count(b"\n")), signature)
