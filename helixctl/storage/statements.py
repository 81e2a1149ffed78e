"""Statements about versions on disk: which there are, whether the log knows them, and who vouches for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import datetime
from typing import NamedTuple

from helixctl.core import needs, people, statement
from helixctl.core.approvals import GAP, Found, Known
from helixctl.core.people import APPROVERS, People
from helixctl.core.plan import Plan
from helixctl.core.record import Record
from helixctl.core.snapshot import Snapshot
from helixctl.core.statement import Statement, folder_of
from helixctl.errors import BadSettings, HelixError, Invalid
from helixctl.storage import ledger, tree, vouching
from helixctl.storage.ledger import Ledger
from helixctl.storage.registry import Store
from helixctl.storage.vouching import Trusted


class Said(NamedTuple):
    """What the log says about the approvals of a version: the digest of each file, facts, and whether entries lack."""

    files: Mapping[str, str | None]
    noted: Callable[[str, str], Iterable[str]]
    has_gaps: bool = False


def informed(store: Store, now: Snapshot, plan: Plan, book: Ledger | None) -> Snapshot:
    """Return the snapshot with all that is known of the approvals of the plan's version.

    Raises:
        BadSettings: trust/approvers.toml or trust/allowed_signers does not load.
    """
    subject = plan.subject
    assert subject is not None
    if book is None:
        with closing(ledger.load(store.root, subject.ref.model)) as loaded:
            return informed(store, now, plan, loaded)
    trust = vouching.trusted(store, vouching.commit_of(store, now.settings))
    files = {path: row.after for path, row in book.logged_in(folder_of(subject.ref)).items()}
    now = seen(store, now, plan, Said(files, book.noted, book.has_gaps()), trust)._replace(trust=trust)
    if plan.statement is None:
        return now
    known = _with_new(now.approvals[subject.version], plan, trust, book)
    return now._replace(approvals={**now.approvals, subject.version: known})


def seen(store: Store, now: Snapshot, plan: Plan, said: Said, trust: Trusted) -> Snapshot:
    """Return the snapshot with what the disk and the log have of the approvals of the plan's version."""
    subject = plan.subject
    assert subject is not None
    known = gathered(store, subject, said, trust)
    case = now.case(subject)._replace(action=plan.action or (plan.statement and plan.statement.action) or "")
    if any(rule.parameters.get("signed") for _, rule in needs.asked("approvals", case, now.policies)):
        known = vouched(store, known, trust, subject, now.at)
    return now._replace(approvals={**now.approvals, subject.version: known})


def gathered(store: Store, subject: Record, said: Said, trust: Trusted) -> Known:
    """Return what is known of the approvals of a version, but for signatures."""
    ref, folder = subject.ref, folder_of(subject.ref)
    paths = tree.files_in(store.root, folder, ".toml", store.overlay)
    found = tuple(_found(store, path, said.files.get(path)) for path in paths)
    gone = sorted(path for path, after in said.files.items() if after and path.endswith(".toml") and path not in paths)
    lost = [f"{one.path} was changed outside helixctl" for one in found if one.fault == _CHANGED]
    lost += [f"{path} was deleted outside helixctl" for path in gone]
    lost += [GAP] if said.has_gaps else []
    authors, spent = (frozenset(said.noted(kind, str(ref))) for kind in ("author", "spent"))
    return Known(people_of(trust), found, authors, spent, lost[0] if lost else None)


_CHANGED = "was changed outside helixctl"


def _found(store: Store, path: str, logged: str | None) -> Found:
    """Return what a file states; one that the log does not know so was forged."""
    try:
        raw = store.read(path)
        digest = hashlib.sha256(raw).hexdigest()
        one = statement.decode(raw)
    except HelixError as error:
        return Found(path, None, _CHANGED if logged else error.message)
    if logged is None:
        return Found(path, one, "is not in the log: it was put there outside helixctl")
    return Found(path, one, None if digest == logged and one.path == path else _CHANGED)


def people_of(trust: Trusted) -> People:
    """Return who is who.

    Raises:
        BadSettings: trust/approvers.toml does not load.
    """
    if trust.approvers is None:
        return People()
    try:
        return people.decode(trust.approvers)
    except Invalid as error:
        raise error.become(BadSettings, APPROVERS) from None


def vouched(store: Store, known: Known, trust: Trusted, subject: Record, at: datetime) -> Known:
    """Return what is known with who vouches for each statement that may count, and must be proven to.

    Raises:
        BadSettings: a line of trust/allowed_signers vouches for nobody in particular.
    """

    def checked(found: Found) -> Found:
        one = found.statement
        if one is None or found.fault or not _may_count(one, subject, at):
            return found
        signature = vouching.signature_of(store, found.path)
        return _signed(found, one, (store.read(found.path), signature), trust) if signature is not None else found

    return known._replace(found=tuple(map(checked, known.found)))


def _may_count(one: Statement, subject: Record, at: datetime) -> bool:
    if one.kind != "approval":
        return one.kind == "withdrawal"
    return bool(one.expires and one.expires > at) and one.specification == subject.specification_digest


def _signed(found: Found, one: Statement, files: tuple[bytes, bytes], trust: Trusted) -> Found:
    from helixctl.storage import ssh

    vouching.refuse_patterns(trust.signers)
    try:
        who = ssh.vouch(*files, ssh.Trust(trust.signers, trust.revoked, ssh.APPROVAL), one.at)
    except ssh.BadSignature as error:
        return found._replace(flaw=f"is not vouched for: {error}")
    return found._replace(signer=who)


def _with_new(known: Known, plan: Plan, trust: Trusted, book: Ledger) -> Known:
    one = plan.statement
    assert one is not None
    new = Found(one.path, one)
    raw, signature = plan.files[one.path], plan.files.get(f"{one.path}.sig")
    if raw is not None and signature is not None:
        new = _signed(new, one, (raw, signature), trust)
    return known._replace(new=new, overrides={told["id"]: told["by"] for told in book.unreviewed(one.ref.model)})
