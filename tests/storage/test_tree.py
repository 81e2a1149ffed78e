from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from helixctl.core.names import Ref
from helixctl.core.toml import MAX_BYTES
from helixctl.errors import Damaged, Duplicate, NotFound, StorageRefused
from helixctl.storage import tree
from tests.conftest import SPECIFICATION, Place


def specification(ref: str) -> bytes:
    model, version = ref.split("@")
    return SPECIFICATION.format(model=model, version=version).encode()


def make(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x")


def test_the_root_is_the_nearest_folder_above_that_holds_the_marker(tmp_path: Path) -> None:
    make(tmp_path, "helix.toml", "inner/helix.toml", "inner/deep/er/file")
    assert tree.find_root(None, str(tmp_path / "inner/deep/er")) == str(tmp_path / "inner")
    assert tree.find_root(None, str(tmp_path)) == str(tmp_path)


def test_a_folder_that_is_named_is_taken_and_none_above_it(tmp_path: Path) -> None:
    make(tmp_path, "helix.toml", "inner/file")
    assert tree.find_root(str(tmp_path)) == str(tmp_path)
    with pytest.raises(NotFound, match=r"holds no helix\.toml"):
        tree.find_root(str(tmp_path / "inner"))


def test_without_a_marker_anywhere_there_is_no_registry(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no registry here") as refused:
        tree.find_root(None, str(tmp_path))
    assert refused.value.exit_code == 4


@pytest.mark.parametrize(("model", "path"), [("m", "models/m/1.0.0.toml"), ("a/b/c", "models/a/b/c/1.0.0.toml")])
def test_a_version_has_its_path_by_its_name(model: str, path: str) -> None:
    assert tree.path_of(Ref(model, "1.0.0")) == path


def test_models_are_found_three_deep(tmp_path: Path) -> None:
    make(tmp_path, *(f"models/{model}/1.0.0.toml" for model in ("m", "a/b", "a/b/c", "p/q/r/too-far")))
    make(tmp_path, "models/empty/readme.md")
    assert list(tree.models(str(tmp_path), {})) == ["a/b", "a/b/c", "m"]


def test_a_model_nested_in_another_is_one_of_its_own(place: Place) -> None:
    place.register("a@1.0.0", "a/b@1.0.0", "a/b/c@1.0.0")
    assert place.registry.store.models() == ["a", "a/b", "a/b/c"]
    assert tree.versions(str(place.root), "a", {}) == ["1.0.0"]
    assert place.registry.verify().outcome == "ok"


def test_pending_files_count_as_models_and_versions(tmp_path: Path) -> None:
    make(tmp_path, "models/m/1.0.0.toml", "pending")
    overlay = {"models/m/2.0.0.toml": str(tmp_path / "pending"), "models/n/o/1.0.0.toml": str(tmp_path / "pending")}
    assert list(tree.models(str(tmp_path), overlay)) == ["m", "n/o"]
    assert tree.versions(str(tmp_path), "m", overlay) == ["1.0.0", "2.0.0"]
    assert tree.versions(str(tmp_path), "n", overlay) == []
    assert tree.read(str(tmp_path), "models/m/2.0.0.toml", overlay) == b"x"


def test_a_file_too_large_to_be_a_version_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"#" * MAX_BYTES)
    assert len(tree.read(str(tmp_path), "big", {})) == MAX_BYTES
    (tmp_path / "big").write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(Damaged, match="larger than"):
        tree.read(str(tmp_path), "big", {})


@pytest.mark.parametrize("linked", ["models", "models/a", "models/a/b", "models/a/b/1.0.0.toml"])
def test_no_link_below_the_root_is_followed(tmp_path: Path, linked: str) -> None:
    make(tmp_path / "outside", "models/a/b/1.0.0.toml")
    root = tmp_path / "root"
    (root / linked).parent.mkdir(parents=True)
    (root / linked).symlink_to(tmp_path / "outside" / linked)
    with pytest.raises(Damaged, match="symbolic link") as refused:
        tree.read(str(root), "models/a/b/1.0.0.toml", {})
    assert refused.value.path == linked


def test_nothing_is_registered_behind_a_link(place: Place, tmp_path: Path) -> None:
    (place.root / "models").mkdir()
    (tmp_path / "outside").mkdir()
    (place.root / "models/m").symlink_to(tmp_path / "outside")
    with pytest.raises(Damaged, match="symbolic link"):
        place.registry.register(specification("m@1.0.0"))
    assert list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("near", ["M@1.0.0", "Org/m@1.0.0", "org/M@2.0.0"])
def test_an_id_that_differs_only_by_case_is_a_duplicate(place: Place, near: str) -> None:
    place.register("m@1.0.0", "org/m@1.0.0")
    with pytest.raises(Duplicate, match="only by case"):
        place.registry.register(specification(near))


def test_a_policy_folder_that_is_not_there_holds_no_policies(tmp_path: Path) -> None:
    assert tree.policy_paths(str(tmp_path)) == []
    make(tmp_path, "policies/b.toml", "policies/a.toml", "policies/notes.md", "trust/approvers.toml")
    assert tree.config_paths(str(tmp_path)) == [
        "helix.toml",
        "policies/a.toml",
        "policies/b.toml",
        "trust/approvers.toml",
    ]


@pytest.mark.parametrize("folder", ["policies", "trust"])
def test_a_file_in_place_of_a_folder_is_no_lack_of_what_it_holds(place: Place, folder: str) -> None:
    place.register("m@1.0.0")
    shutil.rmtree(place.root / folder, ignore_errors=True)
    (place.root / folder).write_text("../shared/policies")
    with pytest.raises(StorageRefused, match=f"cannot read {folder}: not a directory"):
        place.registry.promote("m@1.0.0", "testing")


@pytest.mark.skipif(sys.platform != "linux", reason="needs a disk that keeps any bytes as a name")
@pytest.mark.parametrize("name", [b"policies/\xff.toml", b"trust/\xff"])
def test_a_name_that_the_log_cannot_tell_is_refused(place: Place, name: bytes) -> None:
    place.register("m@1.0.0")
    full = os.path.join(os.fsencode(place.root), name)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    shutil.copy(os.fsencode(place.root / "policies/default.toml"), full)
    for ask in (lambda: place.registry.promote("m@1.0.0", "testing"), place.registry.verify):
        with pytest.raises(Damaged, match="the name of the file is not UTF-8"):
            ask()


def test_what_is_neither_file_nor_folder_is_not_waited_for(place: Place) -> None:
    place.register("m@1.0.0")
    os.mkfifo(place.root / "policies/pipe.toml")
    with pytest.raises(Damaged, match="neither a file nor a folder"):
        place.registry.check("m@1.0.0", "activate")
