"""Verify the log, and the files against it; reads everything anew, and no index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from itertools import chain

from helixctl.core import record
from helixctl.core.guard import Guard, asked
from helixctl.core.integrity import FOLDED, Finding, Fold, Verification, compare, holders
from helixctl.core.needs import takes_approvals
from helixctl.core.plan import Plan
from helixctl.core.record import Record
from helixctl.core.snapshot import Snapshot
from helixctl.errors import HelixError
from helixctl.storage import commit, git, log, tree
from helixctl.storage.examination import Examined, examine, trusted_commit
from helixctl.storage.registry import Store


def verify_log(store: Store, against: Iterable[str] = ()) -> Verification:
    """Check framing, hashes, links and order of every segment, and that what each anchor has is still there."""
    return examine(store, against).verification


def verify(store: Store, against: Iterable[str] = ()) -> Verification:
    """Check the log, parse and fold it, and check every file against it; with anchors, also what was added since.

    Raises:
        BadSettings: helix.toml does not load, so the registry's id is not known.
        NotFound: an anchor is not there.
    """
    settings, policies = store.settings(), store.policies()
    examined = examine(store, against)
    log_says = examined.verification
    findings = list(log_says.findings)
    fold, guard = Fold(settings.id), Guard()
    if log_says.outcome in ("ok", "incomplete"):
        _fold(store, examined, fold, guard)
        findings += (*fold.findings, *fold.forks.values())
    digests: dict[str, str] = {}
    records = list(_records(store, digests, findings))
    if log_says.outcome != "tampered":
        differing = compare(fold.files, digests)
        findings += differing
        findings += _unrecorded(store, examined, fold)
        if examined.anchors and not fold.forks:
            findings += (*guard.findings, *guard.lates())
            drifted = {one.path: one.message for one in differing}
            for model, found in _by_model(records).items():
                named = {v: drifted[path] for v, one in found.items() if (path := tree.path_of(one.ref)) in drifted}
                now = Snapshot(model, store.clock(), settings, policies, found, named)
                findings += guard.standing(_informed(store, examined, fold, guard, now))
    findings += holders((one.ref.model, one.version, str(one.status)) for one in records)
    return Verification(
        log_says.entries, log_says.segments, log_says.heads, tuple(findings), log_says.anchor, log_says.vouchers
    )


def _informed(store: Store, examined: Examined, fold: Fold, guard: Guard, now: Snapshot) -> Snapshot:
    """Return the snapshot with the approvals of the versions that moved, where a rule asks for them; without the index."""
    for ref, (action, entry) in guard.moved.items():
        subject = now.records.get(ref.version or "") if ref.model == now.model else None
        if subject is None or not takes_approvals(Plan(action, subject), now.case(subject), now.policies, asked(entry)):
            continue
        from helixctl.core.statement import folder_of
        from helixctl.storage import statements, vouching

        files = {path: after for path, (after, _) in fold.files.items() if tree.is_in(folder_of(ref), path)}
        trust = vouching.trusted(store, trusted_commit(store, examined.anchors))
        now = statements.seen(store, now, Plan(action, subject), statements.Said(files, guard.noted), trust)
    return now


def _by_model(records: Iterable[Record]) -> dict[str, dict[str, Record]]:
    found: dict[str, dict[str, Record]] = {}
    for one in records:
        found.setdefault(one.ref.model, {})[one.version] = one
    return found


def _fold(store: Store, examined: Examined, fold: Fold, guard: Guard) -> None:
    for note in examined.tombstones:
        for path, row in note.files.items():
            fold.begin(path, row)
        if not all(os.path.exists(os.path.join(store.root, one.path)) for one in note.segments):
            guard.begin(note)
    signers = {one.path: one.who for one in examined.verification.vouchers}
    others: dict[str, tuple[int, str]] = {}
    for path, number, raw in log.lines(store.root):
        entry = fold.add(path, number, raw)
        if entry is None:
            continue
        if examined.anchors:
            guard.add(path, number, entry, is_new=number > examined.old_lines.get(path, 0))
        if path in signers and entry["actor"]["id"] != signers[path]:
            others.setdefault(path, (number, entry["actor"]["id"]))
    for path, (number, actor) in others.items():
        fact = f"signed by {signers[path]}, with entries of {actor!a}"
        fold.findings.append(Finding("other-actor", path, number, fact))


def _records(store: Store, digests: dict[str, str], findings: list[Finding]) -> Iterator[Record]:
    """Yield the version files that decode; note the digest of every file that only helixctl writes, and what is wrong."""
    for path, raw in _files(store, findings):
        digests[path] = hashlib.sha256(raw).hexdigest()
        if not path.startswith("models/"):
            continue
        try:
            found = record.decode(raw)
        except HelixError as error:
            is_merged = b"\n<<<<<<< " in b"\n" + raw
            findings.append(Finding("merge-markers" if is_merged else "damaged-file", path, error.line, error.message))
            continue
        if tree.path_of(found.ref) != path:
            findings.append(Finding("damaged-file", path, None, f"the file says it is {found.ref}"))
        yield found


def _files(store: Store, findings: list[Finding]) -> Iterator[tuple[str, bytes]]:
    for path in chain(_version_paths(store, findings), tree.files_below(store.root, FOLDED[1:], store.overlay)):
        try:
            yield path, store.read(path)
        except HelixError as error:
            findings.append(Finding("damaged-file", path, None, error.message))


def _version_paths(store: Store, findings: list[Finding]) -> Iterator[str]:
    models = store.models()
    for done, model in enumerate(models):
        store.tell(done, len(models))
        try:
            tree.valid_model(model, f"models/{model}")
            names = tree.versions(store.root, model, store.overlay)
        except HelixError as error:
            findings.append(Finding("damaged-file", error.path or f"models/{model}", None, error.message))
            continue
        yield from (f"models/{model}/{name}.toml" for name in names)


def _unrecorded(store: Store, examined: Examined, fold: Fold) -> Iterator[Finding]:
    present = tree.config_paths(store.root)
    logged = [path for path, (after, _) in fold.files.items() if after and path.startswith(("policies/", "trust/"))]
    commits = [one.commit for one in examined.anchors if one.commit]
    for path in sorted({*present, *logged}):
        digest = commit.digest_of(os.path.join(store.root, path))
        if digest == fold.files.get(path, (None, None))[0]:
            continue
        what = "edited" if digest else "deleted"
        if commits and all(_blob_digest(store.root, one, path) != digest for one in commits):
            fact = f"{what}, and no entry accounts for it; helixctl reconcile records it"
            yield Finding("unaccounted-file", path, None, fact)
        else:
            yield Finding("unrecorded", path, None, f"{what} since the last write; the next write records it")


def _blob_digest(root: str, commit_id: str, path: str) -> str | None:
    blob = git.listed(root, commit_id, path).get(path)
    return hashlib.sha256(next(git.contents(root, [blob.id]))).hexdigest() if blob else None
