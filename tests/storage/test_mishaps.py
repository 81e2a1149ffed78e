from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helixctl.api import Registry
from helixctl.errors import BrokenLog, Damaged, Drift, Duplicate, HelixError, Invalid
from helixctl.storage import disk
from tests.conftest import BECAUSE, OVERRIDE, Place, Ran


def outcome(place: Place) -> str:
    return place.registry.verify().outcome


def test_a_log_that_is_gone_is_tampering_and_no_write_founds_another(place: Place) -> None:
    shutil.rmtree(place.root / "audit")
    assert outcome(place) == "tampered"
    with pytest.raises(BrokenLog, match="the audit log is gone"):
        place.register("m@1.0.0")


def test_a_registry_without_its_marker_is_not_founded_again_beside_its_log(place: Place) -> None:
    (place.root / "helix.toml").unlink()
    with pytest.raises(BrokenLog, match="there is an audit log"):
        Registry.create(place.root)


def test_a_folder_that_has_a_policy_already_can_become_a_registry(tmp_path: Path) -> None:
    policy = tmp_path / "new" / "policies" / "default.toml"
    policy.parent.mkdir(parents=True)
    policy.write_text('schema = 1\nname = "mine"\nrule = []\n')
    registry, created = Registry.create(tmp_path / "new")
    assert created
    assert policy.read_text().startswith("schema = 1\nname")
    assert [one.code for one in registry.verify().findings] == ["unrecorded"]


def test_no_registry_is_made_inside_another(place: Place) -> None:
    with pytest.raises(Duplicate, match="inside the registry"):
        Registry.create(place.root / "models" / "m")
    assert not (place.root / "models").exists()


def test_an_entry_that_no_reader_would_take_is_refused(place: Place) -> None:
    place.register("m@1.0.0")
    before = place.files()
    with pytest.raises(Invalid, match="longer than 1 MiB"):
        place.registry.update("m@1.0.0", {f'configuration."{"é" * 60000}{n}"': n for n in range(4)})
    assert place.files() == before


def stand_in(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Leave a committed promotion whose file could not be put in place; return the pending file."""
    place.register("m@1.0.0")

    def refuse(_source: str, _target: str) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "move", refuse)
        place.registry.promote("m@1.0.0", "testing")
    (pending,) = (place.root / ".helix" / "pending").iterdir()
    return pending / "0"


def test_a_pending_file_stands_for_no_file_that_was_edited_since(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(place, monkeypatch)
    assert (place.status("m@1.0.0"), outcome(place)) == ("testing", "ok")
    with place.path("m@1.0.0").open("ab") as handle:
        handle.write(b"# mine\n")
    assert (place.status("m@1.0.0"), outcome(place)) == ("inactive", "drift")


def test_a_pending_file_that_is_not_what_was_logged_is_never_put_in_place(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(place, monkeypatch).write_bytes(b"junk")
    place.register("other@1.0.0")
    assert b"junk" not in place.path("m@1.0.0").read_bytes()
    with pytest.raises(Drift):
        place.registry.block("m@1.0.0")


def test_a_folder_that_cannot_be_made_is_found_before_the_change_is_logged(place: Place) -> None:
    (place.root / "models").write_bytes(b"")
    before = place.files()
    with pytest.raises(HelixError) as refused:
        place.register("m@1.0.0")
    assert refused.value.exit_code == 8
    assert place.files() == before


@pytest.mark.parametrize("linked", ["audit/2026/04", "audit/2027", ".helix/pending", ".helix/pending/x", ".helix"])
def test_a_link_is_followed_by_no_write(place: Place, tmp_path: Path, linked: str) -> None:
    (outside := tmp_path / "elsewhere" / "folder").mkdir(parents=True)
    for path in (outside / "half.jsonl", outside.parent / "half.jsonl", outside / "file"):
        path.write_text("no end")
    before = {path: path.read_bytes() for path in outside.parent.rglob("*.*")}
    shutil.rmtree(place.root / linked, ignore_errors=True)
    (place.root / linked).parent.mkdir(parents=True, exist_ok=True)
    (place.root / linked).symlink_to(outside if linked.count("/") > 1 else outside.parent)
    for write in (lambda: place.register("m@1.0.0"), lambda: place.registry.deactivate("no@1.0.0")):
        with pytest.raises(HelixError, match="link") as refused:
            write()
        assert (refused.value.exit_code, refused.value.path) == (6, linked)
    assert {path: path.read_bytes() for path in outside.parent.rglob("*.*")} == before
    assert ("stray-file" in [one.code for one in place.registry.verify().findings]) == linked.startswith("audit")


def test_segments_of_others_that_may_be_read_alone_stop_no_write(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: str, flags: int, mode: int = 0o777) -> int:
        if path.endswith(".jsonl") and flags & os.O_WRONLY and not flags & os.O_CREAT:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, mode)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refusing)
        place.register("m@1.0.0")
    assert outcome(place) == "ok"


def test_nothing_is_recorded_through_a_link(place: Place, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    (place.root / ".helix/inferences").symlink_to(tmp_path)
    with pytest.raises(Damaged, match="symbolic link"):
        place.registry.record("m@1.0.0", [{"success": True, "latency_ms": 1}])
    assert not list(tmp_path.glob("m/**/*"))


def test_reconcile_records_a_policy_that_was_deleted(place: Place) -> None:
    place.register("m@1.0.0")
    default = (place.root / "policies/default.toml").read_text()
    (place.root / "policies/two.toml").write_text(default.replace('name = "default"', 'name = "two"'))
    place.registry.log.reconcile()
    (place.root / "policies/two.toml").unlink()
    (place.root / "models/.bad").mkdir()
    (place.root / "models/.bad/1.0.0.toml").touch()
    assert place.registry.log.reconcile().changed
    assert "unrecorded" not in [one.code for one in place.registry.verify().findings]
    assert not place.registry.log.reconcile().changed


def test_an_empty_segment_that_a_crash_left_is_taken_away(place: Place) -> None:
    empty = place.root / "audit" / "2026" / "03" / "20260301T120005000Z-aaaaaaaaaaaa.jsonl"
    empty.touch()
    place.register("m@1.0.0")
    assert not empty.exists()
    place.register("n@1.0.0")
    assert outcome(place) == "ok"


def test_a_folder_among_the_trust_files_stops_nothing(place: Place) -> None:
    (place.root / "trust" / "keys").mkdir(parents=True)
    place.register("m@1.0.0")
    assert outcome(place) == "ok"


def test_two_active_versions_are_told_and_stop_writes_until_one_is_taken_out(
    place: Place, cli: Callable[..., Ran]
) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    path = place.path("m@1.0.0")
    path.write_text(path.read_text().replace('status = "deprecated"', 'status = "active"'))
    told = cli("status")
    assert (told.code, "are all active" in told.err) == (6, True)
    for act in (place.registry.rollback, lambda model: place.registry.block(f"{model}@2.0.0")):
        with pytest.raises(Drift, match="m has 2 active versions"):
            act("m")
    assert place.registry.deactivate("m@2.0.0").changed


def test_a_write_on_a_model_that_is_not_there_finds_nothing(place: Place) -> None:
    with pytest.raises(HelixError) as refused:
        place.registry.rollback("nope")
    assert refused.value.exit_code == 4


def test_the_weight_of_a_canary_can_be_changed(place: Place) -> None:
    from decimal import Decimal

    place.register("m@1.0.0")
    for weight, changed in ((Decimal("0.1"), True), (Decimal("0.5"), True), (Decimal("0.5"), False)):
        terms = {"overrides": OVERRIDE, "reason": BECAUSE} if changed else {}
        assert place.registry.promote("m@1.0.0", "canary", canary_weight=weight, **terms).changed is changed  # type: ignore[arg-type]
    assert place.registry.show("m@1.0.0").lifecycle["canary_weight"] == Decimal("0.5")
