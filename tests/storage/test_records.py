from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helixctl import __version__
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.errors import Damaged
from helixctl.storage import records
from helixctl.storage.registry import Store
from tests.conftest import BECAUSE, OVERRIDE, Place
from tests.storage.conftest import Git

VERSIONS = [f"1.{number}.0" for number in range(4)]


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep rows for a model of any size, and of files that were changed just now."""
    monkeypatch.setattr(records, "FEWEST", 1)
    monkeypatch.setattr(records, "SETTLED_NS", -(10**18))


@pytest.fixture
def model(place: Place) -> Place:
    """A registry with four versions of a model, the rows of which are kept."""
    place.register(*(f"m@{version}" for version in VERSIONS))
    place.registry.list()
    return place


def rows(place: Place) -> Path:
    return place.root / ".helix/records/m"


def decoded(place: Place, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the versions that a list decodes from their files, and that it gives what the files hold."""
    read: list[str] = []
    real = records._decoded

    def told(store: Store, ref: Ref) -> records.Found:
        read.append(str(ref.version))
        return real(store, ref)

    monkeypatch.setattr(records, "_decoded", told)
    found = place.registry.list()
    monkeypatch.setattr(records, "_decoded", real)
    shutil.rmtree(place.root / ".helix/records", ignore_errors=True)
    again = place.registry.list()
    assert (found.records, list(map(str, found.broken))) == (again.records, list(map(str, again.broken)))
    return read


def test_what_was_decoded_once_is_not_decoded_again(model: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    before = model.registry.list().records
    assert all(isinstance(one, Record) for one in before)
    assert model.registry.list().records == before
    assert decoded(model, monkeypatch) == []


def edited_secretly(place: Place) -> None:
    """Edit a file to the same length, and set its time back."""
    path = place.path("m@1.1.0")
    stat = path.stat()
    path.write_bytes(path.read_bytes().replace(b"1.00", b"9.00"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"], ids=["the active one", "the subject"])
def test_a_row_that_was_altered_passes_no_gate(model: Place, version: str) -> None:
    model.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE)
    model.registry.list()
    text = rows(model).read_text()
    rows(model).write_text(
        "\n".join(
            line.replace("in-house", "my-house") if line.startswith(f"{version}\t") else line
            for line in text.split("\n")
        )
    )
    assert rows(model).read_text() != text
    before = len(list(model.registry.audit()))
    for work in (
        lambda: model.registry.check("m@1.1.0", "activate"),
        lambda: model.registry.activate("m@1.1.0", dry_run=True),
        lambda: model.registry.activate("m@1.1.0", overrides=OVERRIDE, reason=BECAUSE),
    ):
        with pytest.raises(Damaged, match="is not what its file holds") as refused:
            work()
        assert refused.value.path == ".helix/records/m"
    assert len(list(model.registry.audit())) == before
    rows(model).unlink()
    assert model.registry.activate("m@1.1.0", overrides=OVERRIDE, reason=BECAUSE).changed


CHANGES: dict[str, tuple[Callable[[Place], object], list[str]]] = {
    "edited": (edited_secretly, ["1.1.0"]),
    "touched": (lambda place: place.path("m@1.2.0").touch(), ["1.2.0"]),
    "replaced": (
        lambda place: os.replace(shutil.copy2(place.path("m@1.3.0"), place.root / "x"), place.path("m@1.3.0")),
        ["1.3.0"],
    ),
    "damaged": (lambda place: place.path("m@1.0.0").write_bytes(b"schema ="), ["1.0.0"]),
    "removed": (lambda place: place.path("m@1.0.0").unlink(), []),
    "activated": (
        lambda place: place.registry.activate("m@1.1.0", overrides=OVERRIDE, reason=BECAUSE),
        ["1.1.0"],
    ),
    "rows cut short": (lambda place: rows(place).write_bytes(rows(place).read_bytes()[:-40]), ["1.3.0"]),
    "rows zeroed": (lambda place: rows(place).write_bytes(bytes(rows(place).stat().st_size)), VERSIONS),
    "rows of no text": (lambda place: rows(place).write_bytes(b"\xff\n"), VERSIONS),
    "rows of another release": (
        lambda place: rows(place).write_text(rows(place).read_text().replace(__version__, "0.0.0")),
        VERSIONS,
    ),
    "rows that are none": (
        lambda place: rows(place).write_text(rows(place).read_text().replace('{"schema"', '["schema"')),
        VERSIONS,
    ),
    "rows gone": (lambda place: rows(place).unlink(), VERSIONS),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_changed_since_is_read_anew_and_nothing_else(
    model: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    change, expected = CHANGES[name]
    change(model)
    assert decoded(model, monkeypatch) == expected


def test_a_checkout_is_read_anew(model: Place, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    model.registry.activate("m@1.1.0", overrides=OVERRIDE, reason=BECAUSE)
    model.registry.list()
    git("checkout", "-q", "--", "models")
    assert decoded(model, monkeypatch) == ["1.1.0"]
    assert model.status("m@1.1.0") == "inactive"


def test_a_file_that_was_changed_just_now_is_not_kept_yet(model: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "SETTLED_NS", 60 * 10**9)
    rows(model).unlink()
    model.registry.list()
    assert not rows(model).exists()
    later = time.time_ns() + 61 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: later)
    model.registry.list()
    assert rows(model).exists()


def test_verify_and_the_commit_do_not_trust_the_rows(model: Place) -> None:
    text = rows(model).read_text()
    assert '"inactive"' in text
    rows(model).write_text(text.replace('"inactive"', '"retired"'))
    assert {str(one.status) for one in model.registry.list().records} == {"retired"}
    assert model.registry.verify().outcome == "ok"
    model.path("m@1.2.0").write_bytes(model.path("m@1.2.0").read_bytes().replace(b"1.00", b"9.00"))
    assert model.registry.verify().outcome == "drift"


def test_a_registry_without_a_place_for_what_is_derived_is_left_as_it_is(model: Place) -> None:
    shutil.rmtree(model.root / ".helix")
    assert len(model.registry.list().records) == 4
    assert model.registry.check("m@1.0.0", "testing").allowed
    assert not (model.root / ".helix").exists()


def test_rows_are_written_through_no_link(model: Place, tmp_path: Path) -> None:
    shutil.rmtree(model.root / ".helix/records")
    (outside := tmp_path / "outside").mkdir()
    (model.root / ".helix/records").symlink_to(outside)
    assert len(model.registry.list().records) == 4
    assert list(outside.iterdir()) == []


def test_readers_and_a_writer_at_once_see_whole_records(model: Place) -> None:
    def read(_: int) -> set[str]:
        return {str(one.status) for one in model.registry.list().records}

    def write(number: int) -> set[str]:
        model.registry.promote(f"m@1.{number % 4}.0", "testing")
        model.registry.deactivate(f"m@1.{number % 4}.0")
        return set()

    with ThreadPoolExecutor(6) as pool:
        seen = set().union(*pool.map(read, range(60)), *pool.map(write, range(4)))
    assert seen <= {"inactive", "testing"}
    assert model.registry.verify().outcome == "ok"
