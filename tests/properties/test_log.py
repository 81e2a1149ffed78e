from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helixctl.core.audit import Actor, Change, Effect, Entry, encode, entry_id, scan
from helixctl.core.chain import Chain
from helixctl.core.integrity import CODES

QUICK = settings(max_examples=150, deadline=None)
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(seq: int, parents: tuple[str, ...], side: int = 0) -> bytes:
    at = START + timedelta(seconds=seq)
    effect = Effect("version.updated", "m", f"1.0.{seq}")
    made = Entry(
        at,
        "version.updated",
        Actor("alice@example.com", "user", "test"),
        model="m",
        version=effect.version,
        reason=f"side {side}",
        changes=(Change(f"models/m/1.0.{seq}.toml", None, f"{seq:064x}", None),),
        effects=(effect,),
        registry="r",
        tool="0.1.0",
        id=entry_id(at, random.Random(seq * 7 + side).randbytes(10)),
        seq=seq,
        parents=parents,
    )
    return encode(made)[0]


def log() -> tuple[bytes, bytes, bytes]:
    """Return a log that forked after its third entry and was joined: three segments."""
    lines: list[bytes] = []
    for seq in (1, 2, 3):
        lines.append(entry(seq, (head(lines[-1]),) if lines else ()))
    left = [entry(4, (head(lines[-1]),))]
    right = [entry(4, (head(lines[-1]),), side=1)]
    right.append(entry(5, (head(right[0]),), side=1))
    left.append(entry(6, tuple(sorted((head(left[0]), head(right[1]))))))
    left.append(entry(7, (head(left[1]),)))
    return b"".join(lines), b"".join(left), b"".join(right)


def head(line: bytes) -> str:
    return scan(line[:-1]).hash


LOG = log()
LAST = head(LOG[1].splitlines(keepends=True)[-1])


def chain(*segments: bytes) -> Chain:
    """Check segments as verification feeds them; an end without a newline is no line."""
    found = Chain()
    lines = {f"s{number}": raw.split(b"\n")[:-1] for number, raw in enumerate(segments)}
    for name, kept in lines.items():
        found.segment(name, kept)
    found.finish(lambda name: lines[name])
    return found


def is_noticed(*segments: bytes) -> bool:
    """Tell whether the chain finds something, or at least no longer ends where it did."""
    found = chain(*segments)
    return bool(found.findings) or set(found.heads) != {LAST}


SEGMENTS = st.integers(0, 2)


def test_the_log_itself_is_whole_and_ends_in_one_head() -> None:
    assert chain(*LOG).findings == []
    assert set(chain(*LOG).heads) == {LAST}
    assert not is_noticed(*LOG)


@QUICK
@given(st.data(), SEGMENTS, st.integers(1, 255))
def test_any_changed_byte_is_found(data: st.DataObject, which: int, flip: int) -> None:
    raw = LOG[which]
    place = data.draw(st.integers(0, len(raw) - 2))
    changed = raw[:place] + bytes([raw[place] ^ flip]) + raw[place + 1 :]
    assert chain(*LOG[:which], changed, *LOG[which + 1 :]).findings


@QUICK
@given(st.data(), SEGMENTS, st.binary(min_size=1, max_size=3))
def test_any_added_bytes_are_found(data: st.DataObject, which: int, added: bytes) -> None:
    raw = LOG[which]
    place = data.draw(st.integers(0, len(raw) - 1))
    assert chain(*LOG[:which], raw[:place] + added + raw[place:], *LOG[which + 1 :]).findings


@QUICK
@given(st.data(), SEGMENTS, st.integers(1, 3))
def test_any_removed_bytes_are_found(data: st.DataObject, which: int, size: int) -> None:
    raw = LOG[which]
    place = data.draw(st.integers(0, len(raw) - 1 - size))
    assert chain(*LOG[:which], raw[:place] + raw[place + size :], *LOG[which + 1 :]).findings


def lines(which: int) -> list[bytes]:
    return LOG[which].splitlines(keepends=True)


def test_every_removed_line_is_found_but_for_the_last_which_moves_the_head() -> None:
    for which in range(3):
        for place, line in enumerate(lines(which)):
            left = lines(which)[:place] + lines(which)[place + 1 :]
            segments = [*LOG[:which], b"".join(left), *LOG[which + 1 :]]
            assert is_noticed(*segments)
            assert bool(chain(*segments).findings) is (head(line) != LAST)


def test_every_removed_segment_is_found() -> None:
    for which in range(3):
        left = [*LOG[:which], *LOG[which + 1 :]]
        assert is_noticed(*left)
        assert bool(chain(*left).findings) is (which != 1)  # nothing refers to what holds the head


@QUICK
@given(SEGMENTS, SEGMENTS, st.data())
def test_any_line_added_a_second_time_is_found_wherever_it_is_put(
    source: int, target: int, data: st.DataObject
) -> None:
    line = data.draw(st.sampled_from(lines(source)))
    held = lines(target)
    held.insert(data.draw(st.integers(0, len(held))), line)
    findings = chain(*LOG[:target], b"".join(held), *LOG[target + 1 :]).findings
    assert any(CODES[one.code] == "tampered" for one in findings)


@QUICK
@given(SEGMENTS, st.randoms(use_true_random=False))
def test_any_other_order_of_the_lines_of_a_segment_is_found(which: int, order: random.Random) -> None:
    held = lines(which)
    order.shuffle(held)
    assume(held != lines(which))
    findings = chain(*LOG[:which], b"".join(held), *LOG[which + 1 :]).findings
    assert {one.code for one in findings} == {"bad-order"}


@QUICK
@given(st.permutations(range(3)))
def test_the_order_of_the_segments_says_nothing(order: list[int]) -> None:
    assert not is_noticed(*(LOG[which] for which in order))


@QUICK
@given(SEGMENTS, st.integers(1, 9), st.sampled_from([(), ("0" * 64,), (LAST, "0" * 64)]))
def test_a_forged_entry_that_does_not_continue_the_log_is_found(which: int, seq: int, parents: tuple[str, ...]) -> None:
    forged = entry(seq, parents, side=9)
    assert chain(*LOG, forged).findings
    assert chain(*LOG[:which], LOG[which] + forged, *LOG[which + 1 :]).findings


@QUICK
@given(st.integers(1, 20))
def test_an_appended_entry_has_the_next_number_and_no_other(seq: int) -> None:
    found = chain(*LOG, entry(seq, (LAST,), side=9))
    assert (found.findings == []) is (seq == 8)
