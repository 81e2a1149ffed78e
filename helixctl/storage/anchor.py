"""What the log was once: as a git commit or a checkpoint has it; and whether all of that is still there."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from helixctl.core import notes
from helixctl.core.integrity import Finding
from helixctl.core.notes import Note, Sealed
from helixctl.errors import HelixError, Invalid, NotFound
from helixctl.storage import disk, git, ledger, tree

CHECKPOINTS, ARCHIVED = "audit/checkpoints", ledger.ARCHIVED


class Piece(NamedTuple):
    """The first bytes of a segment as they were: how many, their digest over a heading and them, and their lines."""

    size: int
    digest: str
    lines: int | None = None
    algorithm: str = "sha256"
    heading: bytes = b""


class Anchor(NamedTuple):
    """The log as it was once.

    Args:
        name: what the user called it. commit: its id where git has it. note: the checkpoint where that is one.
    """

    name: str
    pieces: Mapping[str, Piece]
    commit: str | None = None
    note: Note | None = None
    signature: bytes | None = None


def opened(root: str, name: str) -> Anchor:
    """Return the anchor that a name means: a checkpoint's file where it ends in `.note`, else a git commit.

    A checkpoint is looked for where the name leads, among the registry's own, and from its root.

    Raises:
        NotFound: there is none. Invalid: the checkpoint is none.
    """
    if not name.endswith(".note"):
        return _of_commit(root, name)
    places = (name, os.path.join(root, CHECKPOINTS, name), os.path.join(root, name))
    path = next((place for place in places if os.path.exists(place)), name)
    shown = f"{CHECKPOINTS}/{name}" if path == places[1] else name
    try:
        note = notes.decode(_read(path, shown), "checkpoint")
    except Invalid as error:
        raise error.at(shown) from None
    signature = _read(f"{path}.sig", f"{shown}.sig") if os.path.exists(f"{path}.sig") else None
    pieces = {one.path: Piece(one.size, one.sha256, one.lines) for one in note.segments}
    return Anchor(shown, pieces, None, note, signature)


def _read(path: str, shown: str) -> bytes:
    with disk.refusing(f"read {shown}"), open(path, "rb") as handle:
        return handle.read()


def _of_commit(root: str, ref: str) -> Anchor:
    commit = git.commit_of(root, ref)
    pieces = {
        path: Piece(blob.size, blob.id, None, "sha1" if len(blob.id) == 40 else "sha256", b"blob %d\0" % blob.size)
        for path, blob in git.listed(root, commit, "audit").items()
        if path.endswith(".jsonl")
    }
    return Anchor(ref, pieces, commit)


def notes_in(root: str, folder: str, kind: str, overlay: Mapping[str, str]) -> Iterator[tuple[str, Note | HelixError]]:
    """Yield each note of a folder of the registry with its path, or why it is none."""
    for path in tree.files_in(root, folder, ".note", overlay):
        try:
            yield path, notes.decode(tree.read(root, path, overlay), kind)
        except HelixError as error:
            yield path, error


class Kept(NamedTuple):
    """What of an anchor is still there: how many lines of each segment it had, and what is gone or changed."""

    lines: dict[str, int]
    findings: list[Finding]


def kept(root: str, anchor: Anchor, archived: Mapping[str, Sealed]) -> Kept:
    """Compare the log with an anchor: each segment must begin with the bytes that it had, or be archived as it was."""
    found = Kept({}, [])
    for path, piece in sorted(anchor.pieces.items()):
        try:
            lines = beginning(root, path, piece)
        except NotFound:
            if not _is_archived(root, path, anchor, archived.get(path)):
                fact = f"{anchor.name} has this segment, and it is gone"
                found.findings.append(Finding("lost-segment", path, None, fact))
            continue
        if lines is None:
            fact = f"not as {anchor.name} has it: entries were changed or cut off"
            where = _first_difference(root, path, anchor)
            found.findings.append(Finding("changed-segment", path, where, fact))
        else:
            found.lines[path] = lines
    return found


def beginning(root: str, path: str, piece: Piece) -> int | None:
    """Return how many lines the piece has, or None where the file does not begin with it.

    Raises:
        NotFound: the file is not there.
    """
    digest = hashlib.new(piece.algorithm, piece.heading, usedforsecurity=False)
    left, lines, buffer = piece.size, 0, memoryview(bytearray(262_144))
    with disk.refusing(f"read {path}"), open(os.path.join(root, path), "rb", buffering=0) as handle:
        while left and (size := handle.readinto(buffer[:left])):
            digest.update(buffer[:size])
            left -= size
            if piece.lines is None:
                lines += bytes(buffer[:size]).count(b"\n")
    if left or digest.hexdigest() != piece.digest:
        return None
    return lines if piece.lines is None else piece.lines


def _first_difference(root: str, path: str, anchor: Anchor) -> int | None:
    if anchor.commit is None:
        return None
    was = next(git.contents(root, [anchor.pieces[path].digest])).split(b"\n")
    with disk.refusing(f"read {path}"), open(os.path.join(root, path), "rb") as handle:
        is_now = handle.read().split(b"\n")
    return next((n for n, (old, new) in enumerate(zip(was, is_now, strict=False), 1) if old != new), len(is_now))


def _is_archived(root: str, path: str, anchor: Anchor, sealed: Sealed | None) -> bool:
    """Tell whether a tombstone stands for the segment that the anchor has, byte for byte.

    One that grew after a checkpoint cannot be compared: then the heads that the checkpoint states decide.
    """
    if sealed is None:
        return False
    if anchor.note is not None and anchor.pieces[path].size < sealed.size:
        return True
    digest = anchor.pieces[path].digest
    if anchor.commit is not None:
        digest = hashlib.sha256(next(git.contents(root, [digest]))).hexdigest()
    return digest == sealed.sha256
