from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing

import pytest

from helixctl.core.names import Ref
from helixctl.core.snapshot import Snapshot
from helixctl.errors import BadSettings, Damaged, Drift, Duplicate, NotFound
from helixctl.storage import ledger, lock
from tests.conftest import BECAUSE, OVERRIDE, SPECIFICATION, Place


def snapshot(place: Place, model: str) -> Snapshot:
    with closing(ledger.load(str(place.root))) as book:
        return place.registry.store.snapshot(model, place.clock(), book)


def rewritten(place: Place, ref: str, old: bytes, new: bytes) -> None:
    raw = place.path(ref).read_bytes()
    assert old in raw
    place.path(ref).write_bytes(raw.replace(old, new))


def specification(ref: str) -> bytes:
    model, version = ref.split("@")
    return SPECIFICATION.format(model=model, version=version).encode()


def test_a_snapshot_holds_one_model_with_its_settings_and_policies(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("m/below@1.0.0", "other@1.0.0")
    now = snapshot(place, "m")
    assert sorted(now.records) == ["1.0.0", "2.0.0"]
    assert [policy.name for policy in now.policies] == ["default"]
    assert (now.settings.name, now.drifted) == ("test", {})


@pytest.mark.parametrize(
    ("harm", "kind"),
    [
        (lambda place: rewritten(place, "m@1.0.0", b"1.00", b"9.00"), "specification"),
        (lambda place: rewritten(place, "m@1.0.0", b"# kept as it is", b"# kept"), "specification"),
        (lambda place: rewritten(place, "m@1.0.0", b'"inactive"', b'"active"'), "lifecycle or metrics"),
        (lambda place: place.path("m@1.0.0").unlink(), "deleted"),
    ],
    ids=["value", "comment", "lifecycle", "deleted"],
)
def test_a_hand_edit_is_drift_of_its_kind(place: Place, harm: Callable[[Place], None], kind: str) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    harm(place)
    assert snapshot(place, "m").drifted == {"1.0.0": kind}


def test_a_file_that_the_log_does_not_know_is_drift(place: Place) -> None:
    place.register("m@1.0.0")
    raw = place.path("m@1.0.0").read_bytes()
    place.path("m@3.0.0").write_bytes(raw.replace(b'"1.0.0"', b'"3.0.0"'))
    assert snapshot(place, "m").drifted == {"3.0.0": "the log does not know it"}


def test_a_drifted_version_refuses_to_be_written_and_its_siblings_do_not(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    rewritten(place, "m@1.0.0", b"1.00", b"9.00")
    with pytest.raises(Drift, match="specification"):
        place.registry.promote("m@1.0.0", "testing")
    assert place.registry.promote("m@2.0.0", "testing").changed


def test_drift_of_a_predecessor_stops_the_activation_that_would_rewrite_it(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    rewritten(place, "m@1.0.0", b"1.00", b"9.00")
    before = place.files()
    with pytest.raises(Drift):
        place.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE)
    assert place.files() == before


def test_a_damaged_file_of_another_model_stops_no_write(place: Place) -> None:
    place.register("broken@1.0.0", "m@1.0.0")
    place.path("broken@1.0.0").write_bytes(b"<<<<<<< HEAD\n")
    assert place.registry.promote("m@1.0.0", "testing").changed
    with pytest.raises(Damaged) as refused:
        place.registry.promote("broken@1.0.0", "testing")
    assert (refused.value.path, refused.value.exit_code) == ("models/broken/1.0.0.toml", 6)


def test_a_damaged_file_hides_no_other(place: Place) -> None:
    place.register("a@1.0.0", "b@1.0.0", "c@1.0.0")
    place.path("b@1.0.0").write_bytes(b"schema = ")
    found = place.registry.list()
    assert [str(one.ref) for one in found.records] == ["a@1.0.0", "c@1.0.0"]
    assert [one.path for one in found.broken] == ["models/b/1.0.0.toml"]


def test_a_file_that_says_another_name_is_damaged(place: Place) -> None:
    place.register("m@1.0.0")
    shutil.copy(place.path("m@1.0.0"), place.path("m@2.0.0"))
    with pytest.raises(Damaged, match=r"says it is m@1\.0\.0"):
        place.registry.store.record(Ref("m", "2.0.0"))
    with pytest.raises(NotFound):
        place.registry.store.record(Ref("m", "9.0.0"))


@pytest.mark.parametrize("path", ["helix.toml", "policies/default.toml"])
def test_settings_or_a_policy_that_do_not_load_stop_every_write_and_name_the_line(place: Place, path: str) -> None:
    place.register("m@1.0.0")
    with (place.root / path).open("a") as handle:
        handle.write("\nbroken =\n")
    before = place.files()
    with pytest.raises(BadSettings) as refused:
        place.registry.promote("m@1.0.0", "testing")
    assert (refused.value.path, refused.value.exit_code) == (path, 2)
    assert refused.value.line == len((place.root / path).read_text().splitlines())
    assert place.files() == before


def test_a_folder_that_is_no_model_id_is_told_and_hides_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    (place.root / "models/a b").mkdir()
    shutil.copy(place.path("m@1.0.0"), place.root / "models/a b/1.0.0.toml")
    found = place.registry.list()
    assert [str(one.ref) for one in found.records] == ["m@1.0.0"]
    assert [one.path for one in found.broken] == ["models/a b"]


def test_reads_of_a_checkout_without_its_private_folder_create_nothing(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    shutil.rmtree(place.root / ".helix")
    before = sorted(place.root.rglob("*"))
    place.registry.list()
    place.registry.status()
    place.registry.show("m@active")
    place.registry.verify()
    place.registry.check("m@2.0.0", "activate")
    assert not place.registry.activate("m@2.0.0", dry_run=True).allowed
    assert sorted(place.root.rglob("*")) == before


def test_an_id_that_differs_by_case_is_refused_even_where_the_other_came_first_to_the_lock(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = lock.exclusive

    def second_comes_first(root: str) -> object:
        monkeypatch.setattr(lock, "exclusive", real)
        place.register("gpt@1.0.0")
        return real(root)

    monkeypatch.setattr(lock, "exclusive", second_comes_first)
    with pytest.raises(Duplicate):
        place.registry.register(specification("GPT@1.0.0"))


def test_a_repair_that_one_model_refuses_stops_no_write_of_another(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from helixctl.storage import disk

    place.register("m@1.0.0", "other@1.0.0")

    def refuse(_source: str, _target: str) -> None:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "move", refuse)
        place.registry.promote("m@1.0.0", "testing")
    with place.path("m@1.0.0").open("ab") as handle:
        handle.write(b"# mine\n")
    assert place.registry.promote("other@1.0.0", "testing").changed
    with pytest.raises(Drift):
        place.registry.promote("m@1.0.0", "canary", overrides=OVERRIDE, reason=BECAUSE)
