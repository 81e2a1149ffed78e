from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helixctl.core import record
from helixctl.core.integrity import CODES
from helixctl.storage import verification
from tests.conftest import BECAUSE, OVERRIDE, Place
from tests.storage.conftest import Git, segments

Branch = Callable[[str, Callable[[], object]], None]
Harm = Callable[[Place], object]


def found(place: Place) -> set[str]:
    return {one.code for one in place.registry.verify().findings}


def lines(place: Place) -> list[bytes]:
    return segments(place)[0].read_bytes().splitlines(keepends=True)


def put(place: Place, kept: list[bytes]) -> None:
    segments(place)[0].write_bytes(b"".join(kept))


def sealed(raw: bytes, *changes: tuple[bytes, bytes]) -> bytes:
    """Return a line changed by somebody who knows how to hash it."""
    body = raw[: raw.rindex(b',"hash":"')]
    for old, new in changes:
        assert old in body
        body = body.replace(old, new, 1)
    return body + f',"hash":"{hashlib.sha256(body).hexdigest()}"}}\n'.encode()


def edited(place: Place, ref: str, old: bytes, new: bytes) -> None:
    raw = place.path(ref).read_bytes()
    assert old in raw
    place.path(ref).write_bytes(raw.replace(old, new))


def forge(place: Place, *changes: tuple[bytes, bytes]) -> None:
    put(place, [*lines(place)[:-1], sealed(lines(place)[-1], *changes)])


def new_root(place: Place) -> None:
    entry = json.loads(lines(place)[0])
    first = sealed(lines(place)[0], (entry["id"].encode(), b"00000000-0000-7000-8000-000000000000"))
    (segments(place)[0].with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl")).write_bytes(first)


HARMS: dict[str, Harm] = {
    "bad-line": lambda place: put(place, [*lines(place)[:-1], lines(place)[-1].replace(b"alice", b"mally")]),
    "bad-order": lambda place: put(place, [lines(place)[0], lines(place)[2], lines(place)[1], lines(place)[3]]),
    "bad-seq": lambda place: forge(place, (b'"seq":4', b'"seq":9')),
    "second-root": new_root,
    "no-root": lambda place: put(place, lines(place)[1:]),
    "foreign-entry": lambda place: forge(
        place, (place.registry.store.settings().id.encode(), b"00000000-0000-7000-8000-000000000000")
    ),
    "stray-file": lambda place: (place.root / "audit/2026/notes.txt").write_text("mine"),
    "missing-parent": lambda place: put(place, [*lines(place)[:2], *lines(place)[3:]]),
    "changed-file": lambda place: edited(place, "m@1.0.0", b"1.00", b"9.00"),
    "unknown-file": lambda place: place.path("m@7.0.0").write_bytes(
        place.path("m@2.0.0").read_bytes().replace(b'"2.0.0"', b'"7.0.0"')
    ),
    "missing-file": lambda place: place.path("m@1.0.0").unlink(),
    "damaged-file": lambda place: place.path("m@1.0.0").write_bytes(b"schema = "),
    "merge-markers": lambda place: edited(place, "m@1.0.0", b"[cost]", b"<<<<<<< HEAD\n[cost]\n=======\n>>>>>>> x"),
    "two-active": lambda place: edited(place, "m@2.0.0", b'"inactive"', b'"active"'),
    "unrecorded": lambda place: (place.root / "policies/default.toml").write_text(
        'schema = 1\nname = "none"\nrule = []\n'
    ),
}
FROM_GIT = {"torn-tail", "empty-segment", "forked-file", "two-canaries"}
ANCHORED = {
    *("lost-segment", "changed-segment", "lost-entry", "late-entry", "unaccounted-file"),
    *("bad-note", "bad-signature", "unchecked-signature", "unsigned-segment", "other-actor"),
    *("illegal-transition", "unjudged-change", "policy-fails"),
}
"""Codes that need an anchor, a signature or an addition: tests/endtoend/test_tampers.py and test_custody.py."""


@pytest.fixture
def small(place: Place) -> Place:
    """Four entries: the registry, and m@1.0.0 in service beside m@2.0.0."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    assert place.registry.verify().findings == ()
    return place


@pytest.mark.parametrize("code", HARMS)
def test_each_harm_is_found_and_has_its_outcome(small: Place, code: str) -> None:
    HARMS[code](small)
    verified = small.registry.verify()
    assert code in {one.code for one in verified.findings}
    worst = max(
        (CODES[one.code] for one in verified.findings),
        key=["ok", "incomplete", "drift", "needs_reconcile", "tampered"].index,
    )
    assert verified.outcome == worst
    if code not in ("no-root", "missing-parent"):  # cutting the log out shows in the files too
        assert CODES[code] == worst


def test_every_code_has_a_case_here() -> None:
    assert set(HARMS) | FROM_GIT | ANCHORED == set(CODES)


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        ("audit/notes.txt", {"stray-file"}),
        ("audit/2026/03/notes.jsonl.bak", {"stray-file"}),
        ("audit/2026/03/deep/x.jsonl", {"stray-file"}),
        ("audit/2026/03/lonely.jsonl.sig", {"stray-file"}),
        ("audit/checkpoints/x.note", {"bad-note"}),
    ],
)
def test_what_is_no_segment_has_no_place_in_the_log(small: Place, name: str, codes: set[str]) -> None:
    (small.root / name).parent.mkdir(parents=True, exist_ok=True)
    (small.root / name).write_text("x")
    assert found(small) == codes


def test_a_signature_beside_its_segment_is_no_stray(small: Place) -> None:
    segment = segments(small)[0]
    segment.with_name(f"{segment.name}.sig").write_text("x")
    assert found(small) == {"unchecked-signature"}


def test_a_link_in_place_of_a_segment_is_no_segment(small: Place, tmp_path: Path) -> None:
    segment = segments(small)[0]
    segment.rename(tmp_path / "elsewhere")
    segment.symlink_to(tmp_path / "elsewhere")
    assert "stray-file" in found(small)


def test_a_copied_segment_is_found_out(place: Place) -> None:
    place.register("m@1.0.0")
    assert not place.registry.activate("m@1.0.0").allowed
    raw = lines(place)[-1]  # a denial changes no file, so nothing else would show that it stands twice
    segments(place)[0].with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl").write_bytes(raw)
    assert place.registry.verify(log_only=True).outcome == "tampered"


@pytest.mark.parametrize("marker", [b"<<<<<<< HEAD\n", b"=======\n", b">>>>>>> other\n"])
def test_conflict_markers_in_the_log_are_tampering(small: Place, marker: bytes) -> None:
    put(small, [*lines(small), marker])
    (finding,) = small.registry.verify(log_only=True).findings
    assert (finding.code, finding.line, finding.message) == ("bad-line", 5, "a conflict marker of git")


def test_a_log_in_crlf_is_tampering(small: Place) -> None:
    put(small, [raw.replace(b"\n", b"\r\n") for raw in lines(small)])
    assert "ends in CRLF" in small.registry.verify().findings[0].message


@pytest.mark.parametrize("place_of_change", range(0, 2000, 97))
def test_any_changed_byte_of_the_log_is_found(small: Place, place_of_change: int) -> None:
    raw = bytearray(segments(small)[0].read_bytes())
    raw[place_of_change] ^= 1
    segments(small)[0].write_bytes(raw)
    assert small.registry.verify(log_only=True).outcome == "tampered"


@pytest.mark.parametrize("tail", [b"", b"{", b"\0\0\0"], ids=["empty", "torn", "zeros"])
def test_an_end_that_only_an_open_segment_may_have_is_tampering_once_git_tracks_it(
    small: Place, git: Git, tail: bytes
) -> None:
    segment = segments(small)[0].with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl")
    segment.write_bytes(tail)
    assert small.registry.verify().outcome == "ok"
    git("add", "-A")
    assert small.registry.verify().outcome == "tampered"
    assert found(small) == {"torn-tail" if tail else "empty-segment"}


def test_clean_branches_merge_to_ok(place: Place, git: Git, on_branch: Branch) -> None:
    on_branch("one", lambda: place.serve("m@1.0.0"))
    on_branch("two", lambda: place.serve("n@1.0.0"))
    git("merge", "-q", "one")
    git("merge", "-q", "two")
    verified = place.registry.verify()
    assert (verified.outcome, len(verified.heads), verified.findings) == ("ok", 2, ())


def test_a_cherry_pick_is_incomplete_and_heals_with_the_merge(place: Place, git: Git, on_branch: Branch) -> None:
    on_branch("one", lambda: place.register("m@1.0.0"))
    git("checkout", "-q", "one")
    place.register("n@1.0.0")
    git("add", "-A")
    git("commit", "-qm", "second")
    git("checkout", "-q", "main")
    git("cherry-pick", "one")
    assert place.registry.verify().outcome == "incomplete"
    assert found(place) == {"missing-parent"}
    place.register("o@1.0.0")  # writes stay possible
    git("add", "-A")
    git("commit", "-qm", "third")
    assert place.registry.verify().outcome == "incomplete"
    git("merge", "-q", "-m", "join", "one")
    assert place.registry.verify().findings == ()


def test_two_branches_that_each_activate_a_version_need_reconciling(place: Place, git: Git, on_branch: Branch) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    git("add", "-A")
    git("commit", "-qm", "registered")
    for version in ("1.0.0", "2.0.0"):
        on_branch(
            version,
            lambda ref=f"m@{version}": place.registry.activate(ref, overrides=OVERRIDE, reason=BECAUSE),  # type: ignore[misc]
        )
    git("merge", "-q", "1.0.0")
    git("merge", "-q", "2.0.0")
    assert place.registry.verify().outcome == "needs_reconcile"
    assert found(place) == {"two-active"}


def test_two_canaries_need_reconciling(small: Place) -> None:
    for ref, status in (("m@1.0.0", b'"active"'), ("m@2.0.0", b'"inactive"')):
        edited(small, ref, status, b'"canary"')
    assert "two-canaries" in found(small)
    assert small.registry.verify().outcome == "needs_reconcile"


def test_two_branches_that_change_one_file_need_reconciling(small: Place, git: Git, on_branch: Branch) -> None:
    on_branch("one", lambda: small.registry.update("m@2.0.0", {"description": "one"}))
    on_branch("two", lambda: small.registry.promote("m@2.0.0", "testing"))
    git("merge", "-q", "one")
    git("merge", "-q", "two")  # git merges the text of both; no entry knows the result
    assert "forked-file" in found(small)
    assert small.registry.verify().outcome == "needs_reconcile"


def test_two_branches_that_conflict_in_one_file_leave_markers_that_are_named(
    small: Place, git: Git, on_branch: Branch
) -> None:
    for number in ("one", "two"):
        on_branch(number, lambda text=number: small.registry.update("m@2.0.0", {"description": text}))  # type: ignore[misc]
    git("merge", "-q", "one")
    git("merge", "-q", "two", fails=True)
    assert {"merge-markers", "forked-file"} <= found(small)
    assert small.registry.verify().outcome == "needs_reconcile"


def test_the_progress_of_verify_goes_on_as_files_are_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("a@1.0.0", "b@1.0.0", "c@1.0.0")
    read: list[bytes] = []
    told: list[tuple[int, int, int]] = []
    decode = record.decode

    def decoded(raw: bytes) -> record.Record:
        read.append(raw)
        return decode(raw)

    monkeypatch.setattr(record, "decode", decoded)
    store = place.registry.store._replace(tell=lambda done, total: told.append((done, total, len(read))))
    assert verification.verify(store).outcome == "ok"
    assert told[-3:] == [(0, 3, 0), (1, 3, 1), (2, 3, 2)]
