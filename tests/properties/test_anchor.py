"""Any single byte changed of what an anchor has, or of an anchor, is found."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.core.notes import Note, decode, encode
from helixctl.errors import Invalid
from helixctl.storage.anchor import Piece, beginning
from tests.core.test_notes import CHECKPOINT, TOMBSTONE
from tests.properties.test_log import LOG

QUICK = settings(max_examples=150, deadline=None)
RAW = LOG[1]
FLIP = st.integers(1, 255)


def flipped(raw: bytes, at: int, flip: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ flip]) + raw[at + 1 :]


def pieces(size: int) -> list[Piece]:
    """Return what a checkpoint, and what git in either format, keeps of the first bytes of a segment."""
    heading = b"blob %d\0" % size
    return [
        Piece(size, hashlib.sha256(RAW[:size]).hexdigest(), RAW[:size].count(b"\n")),
        Piece(size, hashlib.sha1(heading + RAW[:size]).hexdigest(), None, "sha1", heading),
        Piece(size, hashlib.sha256(heading + RAW[:size]).hexdigest(), None, "sha256", heading),
    ]


def kept(raw: bytes, piece: Piece) -> int | None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "s").write_bytes(raw)
        return beginning(folder, "s", piece)


@QUICK
@given(st.integers(0, len(RAW)), st.integers(0, 2))
def test_a_segment_that_only_grew_still_has_what_the_anchor_has(size: int, which: int) -> None:
    assert kept(RAW, pieces(size)[which]) == RAW[:size].count(b"\n")


@QUICK
@given(st.data(), st.integers(1, len(RAW)), st.integers(0, 2), FLIP)
def test_any_changed_byte_of_what_an_anchor_has_is_found(data: st.DataObject, size: int, which: int, flip: int) -> None:
    at = data.draw(st.integers(0, size - 1))
    assert kept(flipped(RAW, at, flip), pieces(size)[which]) is None


@QUICK
@given(st.data(), st.integers(1, len(RAW)), st.integers(0, 2))
def test_any_cut_of_what_an_anchor_has_is_found(data: st.DataObject, size: int, which: int) -> None:
    assert kept(RAW[: data.draw(st.integers(0, size - 1))], pieces(size)[which]) is None


@settings(max_examples=500, deadline=None)
@given(st.data(), st.sampled_from([CHECKPOINT, TOMBSTONE]), FLIP)
def test_any_changed_byte_of_a_note_makes_it_none_or_another_one(data: st.DataObject, note: Note, flip: int) -> None:
    raw = encode(note)
    changed = flipped(raw, data.draw(st.integers(0, len(raw) - 1)), flip)
    try:
        found = decode(changed, note.kind)
    except Invalid:
        return
    assert found != note  # and its bytes are its only form, so the digest in the log and the signature tell them apart
    assert encode(found) == changed
