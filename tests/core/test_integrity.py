from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest

from helixctl.core.audit import Actor, Change, Entry, encode, scan
from helixctl.core.chain import Chain
from helixctl.core.integrity import CODES, OUTCOMES, Finding, Fold, Verification, as_data, compare, holders
from tests.core.making import AT

A, B, C = "a" * 64, "b" * 64, "c" * 64
SEGMENT = "audit/2026/03/x.jsonl"


def line(
    seq: int, *parents: bytes, action: str = "version.updated", changes: tuple[Change, ...] = (), registry: str = "r"
) -> bytes:
    """Return a well-formed line whose parents are these lines."""
    hashes = tuple(sorted(scan(parent).hash for parent in parents))
    entry = Entry(AT, action, Actor("a", "user", "test"), changes=changes, registry=registry, seq=seq, parents=hashes)
    return encode(entry._replace(id=f"01aa0a3b-6d23-7000-8000-{seq:012x}"))[0].removesuffix(b"\n")


def found(*segments: Sequence[bytes]) -> list[tuple[str, str, int | None]]:
    return [(one.code, one.path, one.line) for one in chained(*segments).findings]


def chained(*segments: Sequence[bytes]) -> Chain:
    chain = Chain()
    for number, lines in enumerate(segments):
        chain.segment(f"s{number}", lines)
    chain.finish(lambda path: segments[int(path[1:])])
    return chain


ONE = line(1)
TWO = line(2, ONE)
THREE = line(3, TWO)
FORK = line(3, TWO, action="version.blocked")
JOIN = line(4, THREE, FORK)


def in_order(*lines: bytes) -> list[bytes]:
    return sorted(lines, key=lambda raw: (scan(raw).seq, scan(raw).hash))


@pytest.mark.parametrize(
    ("segments", "heads"),
    [
        ([[ONE]], [ONE]),
        ([[ONE, TWO, THREE]], [THREE]),
        ([[ONE], [TWO], [THREE]], [THREE]),
        ([[THREE], [TWO], [ONE]], [THREE]),
        ([[ONE, TWO], in_order(THREE, FORK)], [THREE, FORK]),
        ([[ONE, TWO, THREE], [FORK]], [THREE, FORK]),
        ([[ONE, TWO, THREE], [FORK, JOIN]], [JOIN]),
        ([[JOIN], [FORK], [ONE, TWO, THREE]], [JOIN]),
    ],
)
def test_a_whole_log_has_no_findings_in_whatever_segments_it_lies(
    segments: list[list[bytes]], heads: list[bytes]
) -> None:
    chain = chained(*segments)
    assert chain.findings == []
    assert set(chain.heads) == {scan(head).hash for head in heads}
    assert chain.entries == sum(map(len, segments))


@pytest.mark.parametrize(
    ("segments", "findings"),
    [
        ([[ONE, b"", TWO]], [("bad-line", "s0", 2)]),
        ([[ONE, TWO[:-1]]], [("bad-line", "s0", 2)]),
        ([[ONE, TWO + b"\r"]], [("bad-line", "s0", 2)]),
        ([[ONE, b"<<<<<<< HEAD", TWO]], [("bad-line", "s0", 2)]),
        ([[ONE, TWO.replace(b"updated", b"blocked"), THREE]], [("bad-line", "s0", 2), ("missing-parent", "s0", 3)]),
        ([[ONE, THREE, TWO]], [("bad-order", "s0", 3)]),
        ([[TWO, ONE]], [("bad-order", "s0", 2)]),
        ([[ONE, TWO, *reversed(in_order(THREE, FORK))]], [("bad-order", "s0", 4)]),
        ([[ONE, ONE, TWO]], [("bad-order", "s0", 2), ("second-root", "s0", 2)]),
        ([[ONE, TWO], [TWO]], [("bad-order", "s0", 2), ("bad-order", "s1", 1)]),
        ([[ONE, line(3, ONE)]], [("bad-seq", "s0", 2)]),
        ([[ONE, TWO, line(2, TWO)]], [("bad-order", "s0", 3), ("bad-seq", "s0", 3)]),
        ([[ONE, TWO, line(3, ONE, TWO), line(3, ONE)]], None),
        ([[ONE, line(1, action="version.blocked")]], None),
        ([[ONE, TWO, line(3)]], [("second-root", "s0", 3)]),
        ([[line(2)]], [("second-root", "s0", 1)]),
        ([[TWO]], [("missing-parent", "s0", 1), ("no-root", "s0", 1)]),
        ([[ONE, THREE]], [("missing-parent", "s0", 2)]),
        ([[ONE, TWO, THREE], [JOIN]], [("missing-parent", "s1", 1)]),
    ],
)
def test_a_damaged_log_says_what_is_wrong_and_where(
    segments: list[list[bytes]], findings: list[tuple[str, str, int]] | None
) -> None:
    said = found(*segments)
    if findings is not None:
        assert sorted(said) == sorted(findings)
    assert {CODES[code] for code, *_ in said} & {"tampered", "incomplete"}


def test_a_parent_that_is_not_there_is_incomplete_and_all_else_in_the_log_is_tampering() -> None:
    assert Verification(1, 1, (), tuple(chained([ONE, THREE]).findings)).outcome == "incomplete"
    assert Verification(1, 1, (), tuple(chained([TWO]).findings)).outcome == "tampered"


def changed(
    path: str, before: str | None, after: str | None, action: str = "version.updated", registry: str = "r"
) -> bytes:
    return line(1, action=action, changes=(Change(path, before, after, C),), registry=registry)


def folded(*lines: bytes) -> Fold:
    fold = Fold("r")
    for number, raw in enumerate(lines, 1):
        fold.add(SEGMENT, number, raw)
    return fold


def test_the_log_folds_to_the_last_digest_and_state_of_each_path() -> None:
    fold = folded(changed("x", None, A), changed("y", None, B), changed("x", A, B), changed("y", B, None))
    assert fold.findings == []
    assert fold.files == {"x": (B, C), "y": (None, C)}


def test_a_file_changed_on_two_sides_of_a_merge_needs_a_reconciliation() -> None:
    path = "models/m/1.0.0.toml"
    sides = changed(path, None, A), changed(path, A, B), changed(path, A, C)
    forks = folded(*sides).forks
    assert [(one.code, one.path) for one in forks.values()] == [("forked-file", path)]
    assert f"{SEGMENT}:3" in forks[path].message
    assert folded(*sides, changed(path, C, A, "version.adopted")).forks == {}


def test_settings_and_policies_that_two_branches_recorded_are_no_fork() -> None:
    path = "policies/default.toml"
    assert folded(changed(path, None, A), changed(path, A, B), changed(path, A, B)).forks == {}


def test_a_log_that_is_gone_is_not_whole() -> None:
    nothing: tuple[list[list[bytes]], ...] = ([], [[]])
    for segments in nothing:
        assert [(one.code, one.path) for one in chained(*segments).findings] == [("no-root", "audit")]


@pytest.mark.parametrize("action", ["version.adopted", "registry.reconciled", "registry.restored"])
def test_an_entry_that_takes_over_what_lies_there_may_start_from_any_digest(action: str) -> None:
    path = "models/m/1.0.0.toml"
    assert folded(changed(path, None, A), changed(path, B, C, action)).forks == {}


def test_an_entry_of_another_registry_is_foreign() -> None:
    fold = folded(changed("x", None, A, registry="other"))
    assert [(one.code, one.path, one.line) for one in fold.findings] == [("foreign-entry", SEGMENT, 1)]


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b"not json",
        b'{"changes":[],"registry":"r"}',
        b'{"changes":1,"registry":"r","action":"x"}',
        b'{"changes":["x"],"registry":"r","action":"x"}',
        b'{"changes":[{"path":"x"}],"registry":"r","action":"x"}',
        b'{"changes":[{"path":[],"before":null,"after":null,"state":null}],"registry":"r","action":"x"}',
        b'{"changes":[{"path":1,"before":null,"after":null,"state":null}],"registry":"r","action":"x"}',
    ],
)
def test_a_line_that_lacks_what_an_entry_has_is_a_finding_and_not_a_failure(raw: bytes) -> None:
    fold = folded(raw)
    assert [(one.code, one.line) for one in fold.findings] == [("bad-line", 1)]
    assert compare(fold.files, {}) == []


@pytest.mark.parametrize(
    ("logged", "disk", "codes"),
    [
        ({}, {}, []),
        ({"models/m/1.toml": A}, {"models/m/1.toml": A}, []),
        ({"models/m/1.toml": A}, {"models/m/1.toml": B}, ["changed-file"]),
        ({"models/m/1.toml": A}, {}, ["missing-file"]),
        ({}, {"models/m/1.toml": A}, ["unknown-file"]),
        ({"models/m/1.toml": None}, {}, []),
        ({"models/m/1.toml": None}, {"models/m/1.toml": A}, ["unknown-file"]),
        ({"policies/p.toml": A, "helix.toml": A}, {}, []),
        (
            {"models/a/1.toml": A, "models/b/1.toml": A},
            {"models/b/1.toml": B, "models/c/1.toml": A},
            ["missing-file", "changed-file", "unknown-file"],
        ),
    ],
)
def test_version_files_are_compared_with_what_the_log_says(
    logged: dict[str, str | None], disk: dict[str, str], codes: list[str]
) -> None:
    findings = compare({path: (after, None) for path, after in logged.items()}, disk)
    assert [one.code for one in findings] == codes
    assert all(one.path in {*logged, *disk} and one.message for one in findings)


def test_two_holders_of_active_or_canary_are_named_by_model() -> None:
    statuses = [
        ("b", "1.0.0", "active"),
        ("b", "2.0.0", "active"),
        ("a", "1.0.0", "canary"),
        ("a", "2.0.0", "canary"),
        ("a", "3.0.0", "active"),
        ("c", "1.0.0", "active"),
        ("c", "2.0.0", "deprecated"),
        ("c", "3.0.0", "deprecated"),
    ]
    assert holders(statuses) == [
        Finding("two-canaries", "models/a", None, "1.0.0, 2.0.0 are all canary"),
        Finding("two-active", "models/b", None, "1.0.0, 2.0.0 are all active"),
    ]


def outcome(*codes: str) -> str:
    return Verification(0, 0, (), tuple(Finding(code, "p", None, "m") for code in codes)).outcome


def test_the_worst_finding_gives_the_outcome() -> None:
    assert outcome() == outcome("unrecorded") == "ok"
    for one, other in combinations(CODES, 2):
        worst = max(CODES[one], CODES[other], key=OUTCOMES.index)
        assert outcome(one, other) == outcome(other, one) == worst
    assert [outcome(code) for code in ("policy-fails", "missing-parent", "changed-file", "two-active", "bad-line")] == [
        *OUTCOMES[1:]
    ]
    assert set(CODES.values()) == set(OUTCOMES)


def test_a_verification_as_data_has_the_fields_of_the_contract() -> None:
    verification = Verification(3, 1, (A,), (Finding("bad-line", "p", 2, "m"),))
    data = as_data(verification)
    assert data["outcome"] == "tampered"
    assert data["anchor"] == "self-consistent, not anchored"
    assert data["findings"] == [{"code": "bad-line", "path": "p", "line": 2, "message": "m"}]
    assert (data["entries"], data["segments"], data["heads"]) == (3, 1, [A])
