from __future__ import annotations

from datetime import UTC, datetime

import pytest

from helixctl.core.facts import Latest
from helixctl.core.notes import Note, Sealed, decode, encode
from helixctl.errors import Invalid

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
A, B, C = "a" * 64, "b" * 64, "c" * 64
SEGMENTS = (
    Sealed("audit/2026/02/20260201T000000000Z-aaaaaaaaaaaa.jsonl", A, 900, 2, 1, 2),
    Sealed("audit/2026/03/20260301T000000000Z-bbbbbbbbbbbb.jsonl", B, 450, 1, 3, 3),
)
CHECKPOINT = Note("checkpoint", "0198-test", AT, 3, "2026-03-01T11:00:00.000000Z", {C: 3, A: 2}, SEGMENTS)
FILES = {
    "models/m/1.0.0.toml": Latest(1, A, B, C),
    "models/m/gone.toml": Latest(2, B, None, None),
    'models/"quoted"\n/é.toml': Latest(2, C, A, None),
}
FACTS = frozenset(
    {
        ("author", "m@1.0.0", "ada"),
        ("author", "m@1.0.0", 'a" "b\\"\né'),
        ("override", "m", '{"id": "e1", "reason": "\\"why\\""}'),
    }
)
TOMBSTONE = CHECKPOINT._replace(kind="tombstone", files=FILES, facts=FACTS)


@pytest.mark.parametrize("note", [CHECKPOINT, TOMBSTONE, CHECKPOINT._replace(heads={}, segments=())])
def test_a_note_comes_back_as_it_went(note: Note) -> None:
    assert decode(encode(note), note.kind) == note
    assert encode(decode(encode(note), note.kind)) == encode(note)


def test_a_note_has_one_form_whatever_the_order_of_its_parts() -> None:
    other = CHECKPOINT._replace(heads={A: 2, C: 3}, segments=SEGMENTS[::-1])
    assert encode(other) == encode(CHECKPOINT)


def test_a_note_is_lines_of_text() -> None:
    assert encode(CHECKPOINT).decode().splitlines() == [
        "helixctl checkpoint 1",
        "registry 0198-test",
        "at 2026-03-01T12:00:00.000000Z",
        "entries 3",
        "newest 2026-03-01T11:00:00.000000Z",
        f"head 2 {A}",
        f"head 3 {C}",
        f"segment {A} 900 2 1 2 {SEGMENTS[0].path}",
        f"segment {B} 450 1 3 3 {SEGMENTS[1].path}",
    ]


def test_a_checkpoint_is_no_tombstone() -> None:
    with pytest.raises(Invalid) as refused:
        decode(encode(CHECKPOINT), "tombstone")
    assert refused.value.line == 1


MALFORMED = [
    (1, "helixctl checkpoint 2"),
    (1, "helixctl checkpoint 1 "),
    (2, "registry"),
    (2, "registry a b"),
    (3, "at 2026-03-01T12:00:00Z"),
    (3, "at 2026-13-01T12:00:00.000000Z"),
    (4, "entries"),
    (4, "entries -3"),
    (4, "entries 3.0"),
    (4, "entries ٣"),
    (4, "entries " + "9" * 5000),
    (5, "newest never"),
    (6, "head 2"),
    (6, f"head x {A}"),
    (6, f"head 2 {A.upper()}"),
    (6, f"head 2 {A[:-1]}"),
    (6, f"tail 2 {A}"),
    (6, ""),
    (7, f"head 3 {C}\r"),
    (8, f"segment {A} 900 2 1 {SEGMENTS[0].path}"),
    (8, f"segment {A} 900 2 1 2 models/m/1.0.0.toml"),
    (8, f"segment {A} 900 2 1 2 audit/2026/02/../../../x.jsonl"),
    (8, f"segment {A} {'9' * 5000} 2 1 2 {SEGMENTS[0].path}"),
    (10, f"file 1 {A} {B} {C} models/m/1.0.0.toml"),
    (10, f'file 1 {A} {B} "models/m/1.0.0.toml"'),
    (10, f'file 1 {A} {B} {C} "a"b"'),
    (13, 'fact author "m"'),
    (13, 'fact author "m" "a" "b"'),
    (13, 'fact author "m" "\\x"'),
    (13, 'fact author "m" ["a"]'),
    (13, 'fact Author "m" "a"'),
]


@pytest.mark.parametrize(("line", "text"), MALFORMED)
def test_a_malformed_line_is_refused_with_its_number(line: int, text: str) -> None:
    rows = encode(TOMBSTONE if line >= 10 else CHECKPOINT).decode().split("\n")
    kind = "tombstone" if line >= 10 else "checkpoint"
    rows[line - 1] = text
    with pytest.raises(Invalid) as refused:
        decode("\n".join(rows).encode(), kind)
    assert refused.value.line == line
    assert refused.value.hint


ROWS = encode(CHECKPOINT).decode().splitlines(keepends=True)


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "".join(ROWS)[:-1],
        "".join(ROWS) + "\n",
        "".join(ROWS[:4]),
        "".join([*ROWS[:5], ROWS[6], ROWS[5], *ROWS[7:]]),
        "".join([*ROWS[:6], ROWS[5], *ROWS[6:]]),
        "".join([*ROWS[:7], ROWS[8], ROWS[7]]),
        "".join([*ROWS[:5], *ROWS[7:], *ROWS[5:7]]),
        "".join(ROWS).replace("entries 3", "entries 03"),
        "".join(ROWS).replace("head 2", "head 02"),
    ],
    ids=["empty", "no end", "more", "cut", "heads", "twice", "segments", "order", "zero", "zeros"],
)
def test_another_form_of_the_same_is_refused(raw: str) -> None:
    with pytest.raises(Invalid) as refused:
        decode(raw.encode(), "checkpoint")
    assert refused.value.line


def test_what_is_not_utf_8_is_refused_with_its_line() -> None:
    raw = encode(CHECKPOINT).replace(b"0198-test", b"0198-\xff")
    with pytest.raises(Invalid):
        decode(raw, "checkpoint")
