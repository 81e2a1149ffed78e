from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from helixctl.errors import BrokenLog, Changed, Drift
from helixctl.storage import commit, disk, ledger
from helixctl.storage.transaction import begin
from tests.conftest import BECAUSE, OVERRIDE, Place
from tests.storage.conftest import Git, segments


class Stopped(BaseException):
    """Ends a command where a death would."""


class Trace:
    """Stands for `os` in storage/disk.py, and writes down the names of what is written, synced and renamed."""

    def __init__(self, root: Path) -> None:
        self.root, self.steps = root, list[str]()
        self.open_files: dict[int, str] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def _named(self, path: str) -> str:
        parts = os.path.relpath(path, self.root).split("/")
        return "/".join("ID" if len(part) == 36 else "SEGMENT" if part.endswith(".jsonl") else part for part in parts)

    def open(self, path: str, flags: int, mode: int = 0o777) -> int:
        handle = os.open(path, flags, mode)
        self.open_files[handle] = self._named(path)
        return handle

    def write(self, handle: int, data: bytes) -> int:
        self.steps.append(f"write {self.open_files[handle]}")
        return os.write(handle, data)

    def fsync(self, handle: int) -> None:
        self.steps.append(f"sync {self.open_files[handle]}")
        os.fsync(handle)

    def mkdir(self, path: str, mode: int = 0o777) -> None:
        self.steps.append(f"mkdir {self._named(path)}")
        os.mkdir(path, mode)

    def replace(self, source: str, target: str) -> None:
        self.steps.append(f"rename {self._named(source)} {self._named(target)}")
        os.replace(source, target)

    def rmdir(self, path: str) -> None:
        self.steps.append(f"rmdir {self._named(path)}")
        os.rmdir(path)


def activate(place: Place, ref: str) -> None:
    place.registry.activate(ref, overrides=OVERRIDE, reason=BECAUSE)


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str, work: Callable[[], object]) -> None:
    """Do some work as far as its first use of a function of storage/disk.py."""

    def stop(*_given: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch, suppress(Stopped):
        patch.setattr(disk, name, stop)
        work()
        pytest.fail(f"{name} was not used")


@pytest.fixture
def served(place: Place) -> Place:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    return place


@pytest.fixture
def committed(served: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A registry in which an activation died behind its commit point, before its first rename."""
    stop_at(monkeypatch, "move", lambda: activate(served, "m@2.0.0"))
    return served


def test_every_step_is_synced_before_the_next_as_the_protocol_says(
    served: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(served.root)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", trace)
        activate(served, "m@2.0.0")
    assert trace.steps == [
        "mkdir .helix/pending/ID",
        "sync .helix/pending",
        "write .helix/pending/ID/0",
        "sync .helix/pending/ID/0",
        "write .helix/pending/ID/1",
        "sync .helix/pending/ID/1",
        "sync .helix/pending/ID",
        "write audit/2026/03/SEGMENT",
        "sync audit/2026/03/SEGMENT",  # the commit point
        "rename .helix/pending/ID/0 models/m/2.0.0.toml",
        "rename .helix/pending/ID/1 models/m/1.0.0.toml",
        "sync models/m",
        "rmdir .helix/pending/ID",
    ]


def test_what_the_index_does_not_have_is_synced_before_anything_else(
    served: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served.root / ledger.INDEX).unlink()  # whoever wrote the log may have died
    (served.root / commit.PENDING).rmdir()
    trace = Trace(served.root)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", trace)
        activate(served, "m@2.0.0")
    assert trace.steps[: trace.steps.index("mkdir .helix/pending/ID")] == [
        "mkdir .helix/pending",
        "sync .helix",
        "sync audit/2026/03/SEGMENT",
        *(f"sync {path}" for path in ("audit/2026/03", "audit/2026", "audit", ".", ".helix/pending", ".helix")),
    ]


def test_a_new_segment_and_new_folders_are_synced_into_the_folders_above(
    place: Place, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(place.root)
    place.clock.pass_by(days=60)
    with monkeypatch.context() as patch:
        patch.setattr(disk, "os", trace)
        place.register("a/b@1.0.0")
    steps = trace.steps
    assert [step for step in steps if "audit" in step] == [
        "mkdir audit/2026/04",
        "sync audit/2026",
        "write audit/2026/04/SEGMENT",
        "sync audit/2026/04/SEGMENT",
        *(f"sync {path}" for path in ("audit/2026/04", "audit/2026", "audit")),
    ]
    assert steps[-5:] == ["sync models/a/b", "sync models/a", "sync models", "sync .", "rmdir .helix/pending/ID"]
    assert steps[steps.index("mkdir models") :][:7] == [
        "mkdir models",
        "sync .",
        "mkdir models/a",
        "sync models",
        "mkdir models/a/b",
        "sync models/a",
        "mkdir audit/2026/04",
    ]
    assert steps.index("rename .helix/pending/ID/0 models/a/b/1.0.0.toml") > steps.index("sync audit/2026/04")


def test_before_the_commit_point_nothing_happened(served: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = served.files()
    stop_at(monkeypatch, "append_line", lambda: activate(served, "m@2.0.0"))
    assert list((served.root / commit.PENDING).iterdir())
    assert commit.overlay(str(served.root)) == {}
    assert (served.status("m@1.0.0"), served.status("m@2.0.0")) == ("active", "inactive")
    assert served.registry.verify().outcome == "ok"
    with begin(served.registry.store):
        assert not list((served.root / commit.PENDING).iterdir())
    assert served.files() == before


def test_behind_the_commit_point_a_reader_sees_the_change_before_it_is_in_place(committed: Place) -> None:
    before = committed.files()
    assert sorted(commit.overlay(str(committed.root))) == ["models/m/1.0.0.toml", "models/m/2.0.0.toml"]
    assert b'status = "active"' in committed.path("m@1.0.0").read_bytes()
    assert (committed.status("m@1.0.0"), committed.status("m@2.0.0")) == ("deprecated", "active")
    assert committed.registry.show("m@active").version == "2.0.0"
    assert [str(one.status) for one in committed.registry.list("m").records] == ["deprecated", "active"]
    assert committed.registry.verify().outcome == "ok"
    assert committed.files() == before


def test_the_next_write_puts_the_files_in_place(committed: Place) -> None:
    committed.register("m@3.0.0")
    assert commit.overlay(str(committed.root)) == {}
    assert b'status = "deprecated"' in committed.path("m@1.0.0").read_bytes()
    assert b'status = "active"' in committed.path("m@2.0.0").read_bytes()
    assert not list((committed.root / commit.PENDING).iterdir())
    assert committed.registry.verify().findings == ()


def test_a_file_edited_between_the_crash_and_its_repair_is_not_overwritten(committed: Place) -> None:
    with committed.path("m@2.0.0").open("ab") as handle:
        handle.write(b"# mine\n")
    committed.register("m@3.0.0")
    with pytest.raises(Drift, match="changed outside helixctl") as refused:
        committed.registry.block("m@2.0.0")
    assert (refused.value.path, refused.value.exit_code) == ("models/m/2.0.0.toml", 6)
    assert committed.path("m@2.0.0").read_bytes().endswith(b"# mine\n")
    assert list((committed.root / commit.PENDING).iterdir())


@pytest.fixture
def adopted(place: Place, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A registry where a change of a file waits, and the file was edited since, and adopted; gives what it was before."""
    place.register("m@1.0.0")
    place.registry.update("m@1.0.0", {"description": "X"})
    path = place.path("m@1.0.0")
    before = path.read_bytes()
    stop_at(monkeypatch, "move", lambda: place.registry.update("m@1.0.0", {"description": "Y"}))
    path.write_bytes(before.replace(b'"X"', b'"Z"'))
    assert place.registry.adopt("m@1.0.0", reason="by hand").changed
    return before


def test_what_a_later_entry_changed_again_is_never_put_in_place(place: Place, adopted: bytes) -> None:
    place.registry.update("m@1.0.0", {"description": "X"})
    assert place.path("m@1.0.0").read_bytes() == adopted
    assert place.registry.show("m@1.0.0").spec["description"] == "X"
    place.register("n@1.0.0")
    assert place.path("m@1.0.0").read_bytes() == adopted
    assert not list((place.root / commit.PENDING).iterdir())
    assert place.registry.verify().findings == ()


def test_a_reader_does_not_take_what_a_later_entry_changed_again(place: Place, adopted: bytes) -> None:
    place.path("m@1.0.0").write_bytes(adopted)  # drifted from what was adopted, and as it was before what waits
    assert commit.overlay(str(place.root)) == {}
    assert place.registry.verify().outcome != "ok"
    place.register("n@1.0.0")
    assert place.path("m@1.0.0").read_bytes() == adopted


def test_where_the_log_is_broken_a_reader_still_gets_to_say_so(committed: Place) -> None:
    (segment,) = segments(committed)
    segment.write_bytes(b"x\n" + segment.read_bytes())
    (committed.root / ".helix/index.db").unlink(missing_ok=True)
    assert committed.registry.verify().outcome != "ok"


def test_a_file_that_cannot_be_put_in_place_is_committed_all_the_same(
    served: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_source: str, _target: str) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "move", refuse)
        result = served.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert result.changed
    assert any("put in place by the next command" in warning for warning in result.warnings)
    assert served.status("m@2.0.0") == "active"


@pytest.mark.parametrize("tail", [b'{"v":1,"seq":4,"ts"', b"\0" * 300, b'{"v":1,' + b"\0" * 50, b"\0" * 20 + b"\n"])
def test_an_unfinished_end_of_the_open_segment_is_cut_by_the_next_write(place: Place, tail: bytes) -> None:
    place.register("m@1.0.0")
    (segment,) = segments(place)
    whole = segment.read_bytes()
    segment.write_bytes(whole + tail)
    with begin(place.registry.store):
        assert segment.read_bytes() == whole
    place.register("m@2.0.0")
    assert segment.read_bytes().startswith(whole)
    assert place.registry.verify().outcome == "ok"


def test_an_unfinished_end_is_no_matter_to_a_reader(place: Place) -> None:
    place.register("m@1.0.0")
    (segment,) = segments(place)
    segment.write_bytes(segment.read_bytes() + b'{"v":1,"seq"')
    torn = segment.read_bytes()
    assert place.registry.verify().outcome == "ok"
    assert len(list(place.registry.audit())) == 2
    assert place.registry.check("m@1.0.0", "activate").allowed is False
    assert segment.read_bytes() == torn


def test_an_unfinished_end_of_a_segment_that_git_tracks_is_never_cut(place: Place, git: Git) -> None:
    (segment,) = segments(place)
    segment.write_bytes(segment.read_bytes() + b'{"v":1,"seq"')
    torn = segment.read_bytes()
    with pytest.raises(BrokenLog, match="git tracks") as refused:
        place.register("m@1.0.0")
    assert (refused.value.line, refused.value.exit_code) == (2, 6)
    assert segment.read_bytes() == torn
    assert [one.code for one in place.registry.verify().findings] == ["torn-tail"]


def test_a_file_that_changed_since_it_was_read_stops_the_commit(served: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real, entries = commit.commit, served.registry.verify().entries

    def edited_first(*given: Any) -> commit.Receipt:
        with served.path("m@2.0.0").open("ab") as handle:
            handle.write(b"# in between\n")
        return real(*given)

    monkeypatch.setattr(commit, "commit", edited_first)
    with pytest.raises(Changed, match="changed while the command ran") as refused:
        activate(served, "m@2.0.0")
    assert refused.value.exit_code == 5
    assert served.registry.verify(log_only=True).entries == entries
    assert not list((served.root / commit.PENDING).iterdir())
