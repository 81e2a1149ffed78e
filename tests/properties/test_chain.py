"""The chain keeps runs, not entries: it must say what a reader says that keeps every one of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from functools import cache
from hashlib import sha256

from hypothesis import given, settings
from hypothesis import strategies as st

from helixctl.core.audit import BadLine, Line, scan
from helixctl.core.chain import Chain
from tests.properties.test_log import entry, head

MANY = settings(max_examples=3000, deadline=None)
Segments = dict[str, list[bytes]]


@cache
def made(seq: int, parents: tuple[str, ...], side: int) -> bytes:
    return entry(seq, parents, side)[:-1]


def grown(order: random.Random, size: int) -> Segments:
    """Return a sound log: it forks and joins as branches do, and is cut into segments where chance wants."""
    first = made(1, (), 0)
    heads: dict[str, int] = {head(first + b"\n"): 1}
    segments: Segments = {"s0": [first]}
    for side in range(1, size):
        known = sorted(heads)
        parents = tuple(sorted(order.sample(known, order.choice([1, 1, 1, len(known)]))))
        seq = 1 + max(heads[parent] for parent in parents)
        raw = made(seq, parents, side)
        for parent in parents:
            if len(parents) > 1 or order.random() < 0.85:  # else it forks: the parent stays somebody's head
                del heads[parent]
        heads[head(raw + b"\n")] = seq
        fitting = [name for name, held in segments.items() if key(held[-1]) < key(raw)]
        direct = [name for name in fitting if scan(segments[name][-1]).hash in parents]
        if not fitting or order.random() < 0.2:
            segments[f"s{len(segments)}"] = [raw]
        else:
            segments[order.choice(direct or fitting)].append(raw)
    return segments


def key(raw: bytes) -> tuple[int, str]:
    line = scan(raw)
    return line.seq, line.hash


def harmed(segments: Segments, order: random.Random) -> Segments:
    """Return the log with one harm done to it, or two."""
    found = {name: list(held) for name, held in segments.items()}
    for _ in range(order.choice([1, 1, 2])):
        name = order.choice(sorted(found))
        held = found[name]
        place = order.randrange(len(held)) if held else 0
        match order.choice(("lose", "cut", "twice", "part", "line", "flip", "swap", "forge")):
            case "lose" if len(found) > 1:
                del found[name]
            case "cut":
                del held[place:]
            case "twice":
                found[f"c{len(found)}"] = list(held)
            case "part":
                found[f"p{len(found)}"] = held[place : place + 2]
            case "line" if held:
                held.insert(order.randrange(len(held) + 1), held[place])
            case "flip" if held:
                at = order.randrange(len(held[place]))
                held[place] = held[place][:at] + bytes([held[place][at] ^ 1]) + held[place][at + 1 :]
            case "swap":
                order.shuffle(held)
            case "forge" if held and not is_bad(held[place]):
                line = scan(held[place])
                held.append(made(order.randint(1, line.seq + 3), order.choice([(), (line.hash,), ("0" * 64,)]), 99))
    return found


def is_bad(raw: bytes) -> bool:
    try:
        scan(raw)
    except BadLine:
        return True
    return False


def naive(segments: Mapping[str, list[bytes]]) -> tuple[set[str], set[str]]:
    """Return the codes and the heads that a reader finds who keeps every entry in memory."""
    codes: set[str] = set()
    sound: list[Line] = []
    for held in segments.values():
        last = (0, "")
        for raw in held:
            if is_bad(raw):
                codes.add("bad-line")
                continue
            line = scan(raw)
            if (line.seq, line.hash) <= last:
                codes.add("bad-order")
            last = line.seq, line.hash
            sound.append(line)
    seqs = {line.hash: line.seq for line in sound}
    if max(Counter(line.hash for line in sound).values(), default=0) > 1:
        codes.add("bad-order")
    roots = [line for line in sound if not line.parents]
    if len(roots) > 1 or any(line.seq != 1 for line in roots):
        codes.add("second-root")
    if not roots:
        codes.add("no-root")
    for line in sound:
        known = [seqs[parent] for parent in line.parents if parent in seqs]
        if len(known) < len(line.parents):
            codes.add("missing-parent")
        elif known and line.seq != 1 + max(known):
            codes.add("bad-seq")
    return codes, set(seqs) - {parent for line in sound for parent in line.parents}


def chained(segments: Mapping[str, list[bytes]]) -> Chain:
    chain = Chain()
    for name, held in segments.items():
        chain.segment(name, held)
    chain.finish(lambda name: segments[name])
    return chain


def alike(codes: set[str]) -> set[str]:
    """Take as one what a parent may be that is not older than its child: there, and not where a parent can be."""
    return {"bad-parent" if code in ("missing-parent", "bad-seq") else code for code in codes}


def runs(segments: Mapping[str, list[bytes]]) -> int:
    """Return how many lines do not just follow the line before them in their segment."""
    pairs = (pair for held in segments.values() for pair in zip([None, *held], held, strict=False))
    return sum(before is None or scan(raw).parents != (sha256(before[:-75]).hexdigest(),) for before, raw in pairs)


@MANY
@given(st.randoms(use_true_random=False), st.integers(1, 24))
def test_a_sound_log_of_any_shape_has_no_finding_and_the_same_heads(order: random.Random, size: int) -> None:
    segments = grown(order, size)
    chain = chained(segments)
    assert naive(segments) == (set(), set(chain.heads))
    assert (chain.findings, chain.entries, chain.roots) == ([], size, 1)
    assert len(chain.starts) == runs(segments)


@MANY
@given(st.randoms(use_true_random=False), st.integers(1, 24))
def test_a_harmed_log_gives_the_findings_that_a_naive_reader_has(order: random.Random, size: int) -> None:
    segments = harmed(grown(order, size), order)
    chain = chained(segments)
    codes, heads = naive(segments)
    assert alike({one.code for one in chain.findings}) == alike(codes)
    if "bad-order" not in codes:
        assert set(chain.heads) == heads


def test_a_long_run_is_kept_as_its_first_line() -> None:
    held = [made(1, (), 0)]
    for seq in range(2, 400):
        held.append(made(seq, (scan(held[-1]).hash,), 0))
    cut = {"s0": held[:150], "s1": held[150:151], "s2": held[151:]}
    chain = chained(cut)
    assert (len(chain.starts), len(chain.ends), chain.findings) == (3, 3, [])
