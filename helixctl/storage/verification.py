"""Verify the log, and the files against it; reads everything anew, and no index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator

from helixctl.core import record
from helixctl.core.chain import Chain
from helixctl.core.integrity import Finding, Fold, Verification, compare, holders
from helixctl.errors import HelixError
from helixctl.storage import commit, disk, git, ledger, log, tree
from helixctl.storage.frames import Frames
from helixctl.storage.registry import Store


def verify_log(store: Store) -> Verification:
    """Check framing, hashes, links and order of every segment."""
    chain = Chain()
    paths = ledger.paths(store.root)
    for path in paths:
        _feed(chain, store.root, path)
    chain.finish(lambda path: (raw for _, _, raw in log.segment_lines(store.root, path)))
    chain.findings += [
        Finding("stray-file", path, None, "no segment of the log") for path in _strays(store.root, paths)
    ]
    return Verification(chain.entries, len(paths), tuple(sorted(chain.heads)), tuple(chain.findings))


def _feed(chain: Chain, root: str, path: str) -> None:
    """Feed a segment's lines; note an end that only an open segment may have."""
    full = os.path.join(root, path)
    if os.path.islink(full):
        chain.findings.append(Finding("stray-file", path, None, "a link stands in place of a segment"))
        return
    entries = chain.entries
    with disk.refusing(f"read {path}"), open(full, "rb", buffering=0) as handle:
        frames = Frames(handle)
        chain.segment(path, frames)
    lines = chain.entries - entries
    if frames.is_too_long:
        chain.findings.append(Finding("bad-line", path, lines + 1, "a line of more than 1 MiB"))
    elif frames.tail and git.may_be_tracked(root, path):
        fact = "the last line has no end, in a tracked segment"
        chain.findings.append(Finding("torn-tail", path, lines + 1, fact))
    elif not lines and git.may_be_tracked(root, path):
        chain.findings.append(Finding("empty-segment", path, None, "an empty segment that git tracks"))


def _strays(root: str, segments: list[str]) -> Iterator[str]:
    known = set(segments)
    for folder, folders, names in os.walk(os.path.join(root, "audit")):
        place = os.path.relpath(folder, root).replace(os.sep, "/")
        if place == "audit":
            folders[:] = [name for name in folders if name != "checkpoints"]
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        for name in (*names, *links):
            path = f"{place}/{name}"
            if path not in known and not (name.endswith(".sig") and path[:-4] in known):
                yield path


def verify(store: Store) -> Verification:
    """Check the log, parse and fold it, and check every file against it.

    Raises:
        BadSettings: helix.toml does not load, so the registry's id is not known.
    """
    settings, _ = store.settings(), store.policies()
    log_says = verify_log(store)
    findings = list(log_says.findings)
    fold = Fold(settings.id)
    if log_says.outcome in ("ok", "incomplete"):
        for path, number, raw in log.lines(store.root):
            fold.add(path, number, raw)
        findings += (*fold.findings, *fold.forks.values())
    digests, statuses = {}, []
    for path, raw in _version_files(store, findings):
        digests[path] = hashlib.sha256(raw).hexdigest()
        try:
            found = record.decode(raw)
        except HelixError as error:
            is_merged = b"\n<<<<<<< " in b"\n" + raw
            findings.append(Finding("merge-markers" if is_merged else "damaged-file", path, error.line, error.message))
            continue
        if tree.path_of(found.ref) != path:
            findings.append(Finding("damaged-file", path, None, f"the file says it is {found.ref}"))
        statuses.append((found.ref.model, found.version, str(found.status)))
    if log_says.outcome != "tampered":
        findings += compare(fold.files, digests)
        findings += _unrecorded(store, fold)
    findings += holders(statuses)
    return Verification(log_says.entries, log_says.segments, log_says.heads, tuple(findings))


def _version_files(store: Store, findings: list[Finding]) -> Iterator[tuple[str, bytes]]:
    for model in store.models():
        try:
            tree.valid_model(model, f"models/{model}")
            names = tree.versions(store.root, model, store.overlay)
        except HelixError as error:
            findings.append(Finding("damaged-file", error.path or f"models/{model}", None, error.message))
            continue
        for name in names:
            path = f"models/{model}/{name}.toml"
            try:
                yield path, store.read(path)
            except HelixError as error:
                findings.append(Finding("damaged-file", path, None, error.message))


def _unrecorded(store: Store, fold: Fold) -> Iterator[Finding]:
    present = tree.config_paths(store.root)
    logged = [path for path, (after, _) in fold.files.items() if after and path.startswith(("policies/", "trust/"))]
    for path in sorted({*present, *logged}):
        digest = commit.digest_of(os.path.join(store.root, path))
        if digest != fold.files.get(path, (None, None))[0]:
            what = "edited" if digest else "deleted"
            yield Finding("unrecorded", path, None, f"{what} since the last write; the next write records it")
