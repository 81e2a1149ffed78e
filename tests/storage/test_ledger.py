from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from helixctl.core.audit import Actor
from helixctl.errors import BrokenLog
from helixctl.storage import ledger
from tests.conftest import Place
from tests.storage.conftest import Git, segments

Branch = Callable[[str, Callable[[], object]], None]


def facts(place: Place) -> dict[str, Any]:
    """Return what the ledger says of the log, in a form that does not tell how it was built."""
    with closing(ledger.load(str(place.root))) as book:
        return {
            "segments": {path: (one.size, one.lines, one.last, one.torn) for path, one in book.segments.items()},
            "heads": book.heads,
            "missing": book.missing,
            "logged": [book.logged_below(prefix) for prefix in ("models/", "policies/", "trust/")],
            "settings": book.logged("helix.toml"),
            "facts": {kind: book.noted(kind) for kind in ("author", "spent", "override", "review", "warned")},
        }


def warm(place: Place) -> None:
    with closing(ledger.load(str(place.root))) as book:
        ledger.save(book)


def cold(place: Place) -> dict[str, Any]:
    index = place.root / ledger.INDEX
    kept = index.read_bytes() if index.exists() else None
    index.unlink(missing_ok=True)
    found = facts(place)
    if kept is not None:
        index.write_bytes(kept)
    return found


def expect_same(place: Place) -> dict[str, Any]:
    """Assert that the index, read as it lies and brought up to date, says what the log says."""
    truth = cold(place)
    assert facts(place) == truth
    warm(place)
    assert facts(place) == truth
    with closing(ledger.load(str(place.root))) as book:
        assert not book.touched
    return truth


def test_the_index_says_what_the_log_says_as_it_grows(place: Place) -> None:
    for ref in ("m@1.0.0", "m@2.0.0", "n@1.0.0"):
        place.serve(ref)
        expect_same(place)
    found = cold(place)
    assert len(found["heads"]) == 1
    assert sorted(found["logged"][0]) == ["models/m/1.0.0.toml", "models/m/2.0.0.toml", "models/n/1.0.0.toml"]


def test_a_ledger_reads_only_what_was_added(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    index = place.root / ledger.INDEX
    kept = index.read_bytes()
    place.register("m@3.0.0")
    index.write_bytes(kept)
    added: list[bytes] = []
    real = ledger.Ledger.add

    def add(self: ledger.Ledger, path: str, number: int, raw: bytes, *more: Any) -> str:
        added.append(raw)
        return real(self, path, number, raw, *more)

    monkeypatch.setattr(ledger.Ledger, "add", add)
    ledger.load(str(place.root)).close()
    assert added == [segments(place)[0].read_bytes().splitlines()[-1]]


def test_a_write_leaves_nothing_for_the_next_command_to_read(place: Place) -> None:
    place.register("m@1.0.0")
    with closing(ledger.load(str(place.root))) as book:
        assert not book.touched


def test_a_segment_that_shrank_makes_the_index_be_built_anew(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    warm(place)
    segment = segments(place)[0]
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:-1]))
    assert list(expect_same(place)["logged"][0]) == ["models/m/1.0.0.toml"]


def test_a_segment_that_was_changed_in_its_midst_is_read_again(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    warm(place)
    segment = segments(place)[0]
    raw = segment.read_bytes()
    segment.write_bytes(raw.replace(b"success", b"succesS", 1))
    os.utime(segment, ns=(0, 1))
    assert place.registry.status().integrity != "ok"
    segment.write_bytes(raw)
    os.utime(segment, ns=(0, 2))
    assert place.registry.status().integrity == "ok"


def test_a_segment_that_shrank_and_grew_otherwise_makes_the_index_be_built_anew(place: Place) -> None:
    place.register("m@1.0.0")
    first = segments(place)[0].read_bytes()
    place.register("m@2.0.0")
    warm(place)
    segments(place)[0].write_bytes(first)
    (place.root / ledger.INDEX).rename(place.root / "kept")
    place.path("m@2.0.0").unlink()
    place.register("other@1.0.0", "other@2.0.0")
    (place.root / "kept").rename(place.root / ledger.INDEX)
    assert "models/m/2.0.0.toml" not in expect_same(place)["logged"][0]


def test_a_segment_that_vanished_makes_the_index_be_built_anew(place: Place, git: Git) -> None:
    place.register("m@1.0.0")
    warm(place)
    segments(place)[-1].unlink()
    assert expect_same(place)["logged"][0] == {}


def test_a_segment_that_was_added_joins_what_the_index_knows(place: Place, git: Git, on_branch: Branch) -> None:
    on_branch("one", lambda: place.register("m@1.0.0"))
    warm(place)
    git("merge", "-q", "one")
    assert list(expect_same(place)["logged"][0]) == ["models/m/1.0.0.toml"]


def test_two_merged_branches_leave_two_heads_and_the_next_entry_joins_them(
    place: Place, git: Git, on_branch: Branch
) -> None:
    on_branch("one", lambda: place.register("m@1.0.0"))
    on_branch("two", lambda: place.register("n@1.0.0", "n@2.0.0"))
    git("merge", "-q", "one")
    warm(place)
    git("merge", "-q", "two")  # its first parent lost its place as a head to an entry of the other segment
    found = expect_same(place)
    assert (len(found["heads"]), found["missing"]) == (2, set())
    place.register("o@1.0.0")
    joined = expect_same(place)
    [(seq, _)] = joined["heads"].values()
    assert seq == 1 + max(seq for seq, _ in found["heads"].values())


@pytest.mark.parametrize("step_by_step", [False, True])
def test_parents_may_be_missing_and_arrive_later(
    place: Place, git: Git, on_branch: Branch, *, step_by_step: bool
) -> None:
    first = segments(place)
    on_branch("one", lambda: place.register("m@1.0.0"))
    git("checkout", "-q", "one")
    (late,) = set(segments(place)) - set(first)
    place.register("m@2.0.0")
    kept = late.read_bytes()
    late.unlink()
    if step_by_step:
        warm(place)
    incomplete = expect_same(place)
    assert len(incomplete["missing"]) == 1
    late.write_bytes(kept)
    healed = expect_same(place)
    assert (len(healed["heads"]), healed["missing"]) == (1, set())


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"no database at all" * 100),
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.write_bytes(path.read_bytes()[:4096] + bytes(len(path.read_bytes()) - 4096)),
    ],
    ids=["deleted", "empty", "foreign", "cut", "zeroed"],
)
def test_a_deleted_or_damaged_index_is_built_anew(place: Place, harm: Callable[[Any], object]) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    harm(place.root / ledger.INDEX)
    expect_same(place)
    place.register("m@3.0.0")
    assert place.registry.verify().outcome == "ok"


def test_an_index_that_cannot_be_kept_is_no_failure(place: Place) -> None:
    (place.root / ledger.INDEX).unlink(missing_ok=True)
    (place.root / ledger.INDEX).mkdir()
    place.register("m@1.0.0")
    assert place.registry.verify().outcome == "ok"


def test_loading_creates_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    shutil.rmtree(place.root / ".helix")
    facts(place)
    assert not (place.root / ".helix").exists()


def test_a_folder_whose_name_means_something_to_sqlite_holds_an_index_all_the_same(place: Place) -> None:
    moved = place.root.with_name("a?b#c%20d")
    os.rename(place.root, moved)
    (moved / ledger.INDEX).unlink()
    with closing(ledger.load(str(moved))) as book:
        ledger.save(book)
    with closing(ledger.load(str(moved))) as again:
        assert again.base is not None
        assert not again.touched


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        (b"<<<<<<< HEAD", "conflict marker"),
        (b"", "empty line"),
        (b"{}", "not an entry"),
        (b'{"v":2,"seq":1}', "newer than this program"),
    ],
)
def test_a_line_that_is_no_entry_is_named(place: Place, line: bytes, fact: str) -> None:
    segment = segments(place)[0]
    with segment.open("ab") as handle:
        handle.write(line + b"\n")
    with pytest.raises(BrokenLog, match=fact) as refused:
        ledger.load(str(place.root))
    assert (refused.value.path, refused.value.line) == (str(segment.relative_to(place.root)), 2)


def test_a_link_in_place_of_a_segment_is_refused(place: Place) -> None:
    segment = segments(place)[0]
    segment.rename(place.root.parent / "elsewhere")
    segment.symlink_to(place.root.parent / "elsewhere")
    with pytest.raises(BrokenLog, match="link"):
        cold(place)


def test_the_ledger_knows_who_made_a_specification_and_which_overrides_wait(place: Place) -> None:
    place.serve("m@1.0.0")
    bob = Actor("bob@example.com", "user", "test")
    place.registry.update("m@1.0.0", {"description": "better"}, actor=bob)
    for _ in range(2):
        with closing(ledger.load(str(place.root))) as book:
            assert book.noted("author", "m@1.0.0") == {"alice@example.com", "bob@example.com"}
            (told,) = book.noted("override", "m")
            assert json.loads(told)["rules"] == ["tested-first", "evaluation"]
            assert book.noted("override", "n") == set()
            ledger.save(book)
    expect_same(place)


def test_an_index_of_another_form_is_built_anew(place: Place) -> None:
    place.serve("m@1.0.0")
    truth = expect_same(place)
    with closing(sqlite3.connect(place.root / ledger.INDEX)) as base, base:
        base.execute("delete from meta where key = 'form'")
        base.execute("drop table fact")
    assert facts(place) == truth
    place.register("m@2.0.0")
    expect_same(place)


@pytest.mark.parametrize("lock", ["own", "", None])
def test_an_index_that_came_with_a_copy_says_nothing(place: Place, lock: str | None) -> None:
    place.serve("m@1.0.0")
    with closing(sqlite3.connect(place.root / ledger.INDEX)) as base, base:
        base.execute("delete from fact")
        if lock != "own":
            base.execute("update meta set value = ? where key = 'lock'", (lock,))
            (place.root / ".helix/lock").unlink()
    copy = place.root.with_name("copy")
    shutil.copytree(place.root, copy)
    with closing(ledger.load(str(copy))) as found:
        assert found.noted("author", "m@1.0.0")
        assert found.base is None


def test_a_ledger_about_one_model_says_of_it_what_the_whole_one_says(place: Place) -> None:
    for name in ("acme/one", "acme/two"):
        for version in ("1.0.0", "2.0.0"):
            place.serve(f"{name}@{version}")
        place.registry.rollback(name)
    (place.root / "policies/default.toml").unlink()
    place.register("acme/two@3.0.0")
    (place.root / ledger.INDEX).unlink()
    with closing(ledger.load(str(place.root))) as whole, closing(ledger.load(str(place.root), "acme/one")) as part:
        assert (part.heads, part.missing, part.segments) == (whole.heads, whole.missing, whole.segments)
        assert part.logged_below("models/acme/one/") == whole.logged_below("models/acme/one/") != {}
        assert [part.logged_below("policies/"), part.logged("helix.toml")] == [
            whole.logged_below("policies/"),
            whole.logged("helix.toml"),
        ]
        for kind, key in (("author", "acme/one@1.0.0"), ("override", "acme/one")):
            assert part.noted(kind, key) == whole.noted(kind, key) != set()
        assert part.logged("models/acme/two/1.0.0.toml") != whole.logged("models/acme/two/1.0.0.toml")
        with pytest.raises(AssertionError):
            ledger.save(part)


def test_an_author_that_an_older_tombstone_names_with_a_digest_is_an_author_of_the_version(place: Place) -> None:
    book = ledger.Ledger(str(place.root))
    book.learn({}, [("author", f"m@1.0.0 {'a' * 64}", "bob@example.com"), ("author", "m@1.0.0", "ann@example.com")])
    assert book.noted("author", "m@1.0.0") == {"bob@example.com", "ann@example.com"}
