"""The log examined: every segment, what was archived, and what vouches for it; reads everything anew, and no index."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO, NamedTuple

from helixctl.core.chain import Chain
from helixctl.core.integrity import NOT_ANCHORED, Finding, Verification, Voucher
from helixctl.core.notes import Note
from helixctl.errors import HelixError, Invalid, Usage
from helixctl.storage import anchor, disk, git, ledger, log, vouching
from helixctl.storage.anchor import Anchor
from helixctl.storage.frames import Frames
from helixctl.storage.registry import Store


class Examined(NamedTuple):
    """The log as it was found.

    Args:
        chain: the graph. old_lines: how many lines of each segment an anchor has.
    """

    verification: Verification
    chain: Chain
    tombstones: tuple[Note, ...]
    anchors: tuple[Anchor, ...]
    old_lines: dict[str, int]


class _Log:
    """One examination: findings gather here."""

    def __init__(self, store: Store) -> None:
        self.store, self.root, self.paths = store, store.root, ledger.paths(store.root)
        self.chain = Chain()
        self.findings = self.chain.findings
        self.claims: list[str] = []
        self.archived: set[str] = set()
        self.old_lines: dict[str, int] = {}

    def found(self, code: str, path: str, line: int | None, message: str) -> None:
        self.findings.append(Finding(code, path, line, message))

    def notes(self, folder: str, kind: str) -> dict[str, Note]:
        """Return the notes of a folder by path; note those that are none."""
        found = {}
        for path, note in anchor.notes_in(self.root, folder, kind, self.store.overlay):
            if isinstance(note, HelixError):
                self.found("bad-note", path, note.line, note.message)
            else:
                found[path] = note
        return found

    def anchors(self, names: Iterable[str]) -> tuple[Anchor, ...]:
        """Return what the names mean; note a checkpoint that is none."""
        found = []
        for name in names:
            try:
                found.append(anchor.opened(self.root, name))
            except Invalid as error:
                self.found("bad-note", error.path or name, error.line, error.message)
        return tuple(found)

    def compare(self, one: Anchor, tombstones: Iterable[Note], trust: vouching.Trusted) -> Note | None:
        """Note what an anchor had and the log lacks; return a checkpoint whose lines need not be read again."""
        lines, findings = anchor.kept(self.root, one, {row.path: row for note in tombstones for row in note.segments})
        self.findings += findings
        self.old_lines |= {path: max(self.old_lines.get(path, 0), many) for path, many in lines.items()}
        is_whole = not findings
        name = f"{one.name} ({one.commit[:12]})" if one.commit else one.name
        if one.note is not None:
            self.chain.expect(one.name, one.note.heads)
            signer = vouching.signer(trust, one.name, one.note, one.signature)
            if isinstance(signer, Finding):
                self.findings.append(signer)
                is_whole = False
            name += f", signed by {signer.who}" if isinstance(signer, Voucher) else ", unsigned"
        stood = one.note.entries if one.note else sum(lines.values())
        self.claims.append(f"{name}: {'all it has is' if is_whole else 'not all it has is'} there ({stood} entries)")
        return one.note if is_whole and len(lines) == len(one.pieces) else None

    def feed(self, path: str, known: Note | None) -> None:
        """Feed a segment's lines, but for those known; note an end that only an open segment may have."""
        full = os.path.join(self.root, path)
        if os.path.islink(full):
            self.found("stray-file", path, None, "a link stands in place of a segment")
            return
        before = next((one for one in known.segments if one.path == path), None) if known else None
        with disk.refusing(f"read {path}"), open(full, "rb", buffering=0) as handle:
            handle.seek(before.size if before else 0)
            frames = Frames(handle)
            lines = self.chain.segment(path, frames, after=before.lines if before else 0)
        if frames.is_too_long:
            self.found("bad-line", path, lines + 1, "a line of more than 1 MiB")
        elif frames.tail and git.may_be_tracked(self.root, path):
            self.found("torn-tail", path, lines + 1, "the last line has no end, in a tracked segment")
        elif not lines and git.may_be_tracked(self.root, path):
            self.found("empty-segment", path, None, "an empty segment that git tracks")

    def take_archived(self, note: Note) -> None:
        """Let a tombstone stand for those of its segments that are not there."""
        gone = [one for one in note.segments if one.path not in self.paths and one.path not in self.archived]
        self.archived |= {
            one.path for one in gone
        }  # archived, restored and archived again, it stands in two tombstones
        if gone:
            with_root = any(one.first == 1 for one in gone)
            self.chain.archived(note.heads, sum(one.lines for one in gone), with_root=with_root)
            self.claims.append(f"{sum(one.lines for one in gone)} entries are archived")

    def strays(self) -> Iterator[str]:
        """Yield what lies in the log's folder and is no part of it."""
        known = set(self.paths)
        for folder, folders, names in os.walk(os.path.join(self.root, "audit")):
            place = os.path.relpath(folder, self.root).replace(os.sep, "/")
            if place == "audit":
                folders[:] = [name for name in folders if f"audit/{name}" not in (anchor.CHECKPOINTS, anchor.ARCHIVED)]
            links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in (*names, *links):
                path = f"{place}/{name}"
                if path not in known and not (name.endswith(".sig") and path[:-4] in known):
                    yield path


def examine(store: Store, against: Iterable[str] = ()) -> Examined:
    """Check framing, hashes, links and order of every segment, and that all of what each anchor has is still there.

    Raises:
        NotFound: an anchor is not there.
    """
    it = _Log(store)
    anchors = it.anchors(against)
    tombstones = tuple(it.notes(anchor.ARCHIVED, "tombstone").values())
    trust = vouching.trusted(store, trusted_commit(store, anchors))
    known = None
    for one in anchors:
        known = it.compare(one, tombstones, trust) or known
    if known is not None:
        it.chain.known(known.heads, known.spans, known.entries)
    for done, path in enumerate(it.paths):
        store.tell(done, len(it.paths))
        it.feed(path, known)
    for note in tombstones if known is None else ():
        it.take_archived(note)
    checkpoints = it.notes(anchor.CHECKPOINTS, "checkpoint")
    for path, note in checkpoints.items():
        it.chain.expect(path, note.heads)
    it.chain.finish(lambda path: (raw for _, _, raw in log.segment_lines(store.root, path)))
    for path in it.strays():
        it.found("stray-file", path, None, "no segment of the log")
    vouchers = vouching.vouchers(store, trust, it.paths, checkpoints)
    it.findings += [one for one in vouchers if isinstance(one, Finding)]
    signed = tuple(one for one in vouchers if isinstance(one, Voucher))
    found = Verification(
        it.chain.entries,
        len(it.paths),
        tuple(sorted(it.chain.heads)),
        tuple(it.findings),
        _statement(it, signed),
        signed,
    )
    return Examined(found, it.chain, tombstones, anchors, it.old_lines)


def trusted_commit(store: Store, anchors: Iterable[Anchor]) -> str | None:
    """Return the commit whose trusted keys and people count: the one compared with, else that of the settings."""
    return next((one.commit for one in anchors if one.commit), None) or vouching.commit_of(store, store.settings())


def _statement(it: _Log, signed: tuple[Voucher, ...]) -> str:
    """Return what vouches for the log, in words."""
    claims = list(it.claims)
    for who in dict.fromkeys(one.who for one in signed):
        segments = [one for one in signed if one.who == who and one.path.endswith(".jsonl")]
        notes = [one for one in signed if one.who == who and one.path.endswith(".note")]
        if segments:
            claims.append(f"{who} signed {len(segments)} of {len(it.paths)} segments")
        if notes:
            claims.append(f"{who} signed a checkpoint of {max(one.entries for one in notes)} entries")
    is_anchored = any("archived" not in claim for claim in claims)
    return "; ".join(claims if is_anchored else [NOT_ANCHORED, *claims])


def examine_export(name: str, stream: BinaryIO, against: Iterable[str] = ()) -> Verification:
    """Check the lines of an exported log, or of a part of it.

    Args:
        name: of the file, for findings. stream: read from its start, and perhaps again. against: checkpoints.

    Raises:
        Usage: an anchor is no checkpoint.
    """
    chain, frames = Chain(), Frames(stream)
    for path in against:
        if not path.endswith(".note"):
            raise Usage(f"{path}: an export is compared with a checkpoint only", hint="name a .note file")
        note = anchor.opened("", path).note
        chain.expect(path, note.heads if note else {})
    lines = chain.segment(name, frames)
    if frames.is_too_long or frames.tail:
        fact = "a line of more than 1 MiB" if frames.is_too_long else "the last line has no end"
        chain.findings.append(Finding("bad-line", name, lines + 1, fact))

    def again(_: str) -> Iterable[bytes]:
        stream.seek(0)
        return Frames(stream)

    chain.finish(again, is_part=True)
    return Verification(chain.entries, 1, tuple(sorted(chain.heads)), tuple(chain.findings))
