"""What keeps a log for years: signed segments, checkpoints, archives; and what a merge left, settled."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helixctl.api import Registry
from helixctl.core.audit import Actor
from helixctl.errors import BadSettings, Damaged, Drift, StorageRefused, Unconfirmed, Usage
from tests.conftest import ALICE, BECAUSE, OVERRIDE, Place, Ran

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or shutil.which("ssh-keygen") is None, reason="needs git and ssh-keygen"
)
Cli = Callable[..., Ran]
SERVE = [word for rule in OVERRIDE for word in ("--override", rule)] + ["--reason", BECAUSE]


def git(place: Place, *words: str, fails: bool = False) -> str:
    known = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *known, *words], cwd=place.root, capture_output=True, text=True)
    assert bool(done.returncode) == fails, done.stderr + done.stdout
    return done.stdout


def commit(place: Place, message: str) -> None:
    git(place, "add", "-A")
    git(place, "commit", "-qm", message)


def codes(place: Place, *against: str) -> set[str]:
    return {one.code for one in place.registry.verify(against).findings}


def segments(place: Place) -> list[Path]:
    return sorted(place.root.glob("audit/2*/*/*.jsonl"))


def configure(place: Place, text: str) -> None:
    with (place.root / "helix.toml").open("a") as handle:
        handle.write(f"\n[audit]\n{text}\n")


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("alice", "mallory"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    return {name: folder / name for name in ("alice", "mallory")}


def allow(place: Place, key: Path, options: str = "") -> None:
    kind, blob = key.with_suffix(".pub").read_text().split()[:2]
    (place.root / "trust").mkdir(exist_ok=True)
    (place.root / "trust/allowed_signers").write_text(f"alice@example.com {options}{kind} {blob}\n")


def with_key(place: Place, key: Path | None) -> Place:
    store = place.registry.store._replace(key=lambda: str(key) if key else None)
    return Place(Registry(store, place.registry.who), place.clock)


@pytest.fixture
def signing(place: Place, keys: dict[str, Path]) -> Place:
    """A registry whose writes are signed by alice, and whose past a signed checkpoint vouches for."""
    configure(place, "sign = true")
    allow(place, keys["alice"])
    signed = with_key(place, keys["alice"])
    signed.register("m@1.0.0")
    signed.registry.log.checkpoint()
    return signed


def test_each_write_signs_its_segment_and_verify_says_who_vouches(signing: Place) -> None:
    signing.register("m@2.0.0", "m@3.0.0")
    said = signing.registry.verify()
    assert (said.outcome, said.findings) == ("ok", ())
    signed = {one.path: one.entries for one in said.vouchers if one.path.endswith(".jsonl")}
    assert signed == {str(segments(signing)[0].relative_to(signing.root)): 5}
    assert "alice@example.com signed 1 of 1 segments" in said.anchor
    assert "alice@example.com signed a checkpoint of 2 entries" in said.anchor


def test_another_actor_opens_a_segment_of_their_own(signing: Place, keys: dict[str, Path]) -> None:
    before = len(segments(signing))
    bob = Place(Registry(signing.registry.store, lambda: Actor("bob@example.com", "user", "test")), signing.clock)
    bob.register("m@2.0.0")
    bob.register("m@3.0.0")
    signing.register("m@4.0.0")
    assert len(segments(signing)) == before + 2
    assert codes(signing) == {"other-actor"}
    assert signing.registry.verify().outcome == "ok"


def test_a_write_without_a_key_is_refused_and_writes_nothing(signing: Place) -> None:
    before = signing.files()
    with pytest.raises(StorageRefused, match="no key to sign with"):
        with_key(signing, None).register("m@2.0.0")
    with pytest.raises(StorageRefused, match="cannot sign with"):
        with_key(signing, signing.root / "missing").register("m@2.0.0")
    assert signing.files() == before
    assert list((signing.root / ".helix/pending").glob("*")) == []


def test_a_stripped_signature_is_missed_unless_a_signed_checkpoint_covers_the_segment(signing: Place) -> None:
    assert codes(signing) == set()
    Path(f"{segments(signing)[-1]}.sig").unlink()
    assert codes(signing) == {"unsigned-segment"}
    assert signing.registry.verify().outcome == "incomplete"
    commit_less = signing.registry.log.checkpoint()
    assert commit_less.audit is not None
    assert {one.path for one in signing.registry.verify().findings} <= {
        str(segments(signing)[-1].relative_to(signing.root))
    }


@pytest.mark.parametrize("options", ['valid-before="20260101" ', 'namespaces="git" '])
def test_a_key_that_may_not_have_signed_is_a_finding(signing: Place, keys: dict[str, Path], options: str) -> None:
    allow(signing, keys["alice"], options)
    said = signing.registry.verify()
    assert {"bad-signature"} <= {one.code for one in said.findings}
    assert {one.path.rpartition(".")[2] for one in said.findings if one.code == "bad-signature"} == {"jsonl", "note"}
    assert said.outcome == "tampered"


def test_an_unknown_and_a_revoked_key_are_findings(signing: Place, keys: dict[str, Path]) -> None:
    allow(signing, keys["mallory"])
    assert any("is not in trust/allowed_signers" in one.message for one in signing.registry.verify().findings)
    allow(signing, keys["alice"])
    (signing.root / "trust/revoked_keys").write_bytes(keys["alice"].with_suffix(".pub").read_bytes())
    assert any("is revoked" in one.message for one in signing.registry.verify().findings)


@pytest.mark.parametrize(
    ("name", "text", "fact"),
    [
        ("allowed_signers", "*@example.com {}", "a pattern vouches for nobody in particular"),
        ("revoked_keys", "alice", "neither a list of public keys nor a KRL"),
    ],
)
def test_trust_that_does_not_load_vouches_for_no_log(
    signing: Place, keys: dict[str, Path], name: str, text: str, fact: str
) -> None:
    key = keys["alice"].with_suffix(".pub").read_text()
    (signing.root / "trust" / name).write_text(text.format(key))
    with pytest.raises(BadSettings, match=fact) as refused:
        signing.registry.verify()
    assert refused.value.path == f"trust/{name}"


def test_a_branch_cannot_add_its_own_signer(signing: Place, keys: dict[str, Path]) -> None:
    git(signing, "init", "-q")
    commit(signing, "base")
    git(signing, "tag", "base")
    allow(signing, keys["mallory"])
    mallory = with_key(signing, keys["mallory"])
    mallory.register("m@9.0.0")
    assert any(one.code == "bad-signature" for one in mallory.registry.verify(["base"]).findings)


def test_a_checkpoint_is_signed_where_there_is_a_key_and_as_asked(
    place: Place, cli: Cli, keys: dict[str, Path]
) -> None:
    env = {"HELIX_SIGNING_KEY": str(keys["alice"])}
    assert cli("audit", "checkpoint", "--dry-run", **env).code == 0
    assert not (place.root / "audit/checkpoints").exists()
    for words, known, signed in (
        (["--no-sign"], env, False),
        ([], {}, False),
        ([], env, True),
        (["--sign"], env, True),
    ):
        ran = cli("audit", "checkpoint", "-o", "json", *words, **known)
        assert ran.code == 0, ran.err
        newest = max(place.root.glob("audit/checkpoints/*.note"), key=lambda path: path.stat().st_mtime_ns)
        assert Path(f"{newest}.sig").exists() == signed
    assert cli("audit", "checkpoint", "--sign").code == 8
    assert codes(place) == {"unchecked-signature"}
    assert place.registry.verify().anchor == "self-consistent, not anchored"
    allow(place, keys["mallory"])
    assert cli("verify").code == 6
    allow(place, keys["alice"])
    assert cli("verify").code == 0
    assert "signed a checkpoint" in place.registry.verify().anchor


def test_no_checkpoint_is_made_of_a_log_that_is_not_whole(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    raw = segments(place)[0].read_bytes()
    segments(place)[0].write_bytes(raw.replace(b"alice@", b"mally@"))
    ran = cli("audit", "checkpoint")
    assert (ran.code, ran.out) == (6, "")
    assert not (place.root / "audit/checkpoints").exists()


def test_a_checkpoint_still_holds_when_its_open_segment_grew(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    assert cli("audit", "checkpoint").code == 0
    (note,) = place.root.glob("audit/checkpoints/*.note")
    kept = place.root.parent / note.name
    shutil.copy(note, kept)
    place.register("m@2.0.0")
    for name in (note.name, str(kept), f"audit/checkpoints/{note.name}"):
        for command in (["audit", "verify"], ["verify"]):
            ran = cli(*command, "--against", name, "-o", "json")
            assert (ran.code, json.loads(ran.out)["entries"]) == (0, 4), ran.out
    kept.write_bytes(kept.read_bytes().replace(b"entries 2", b"entries two"))
    ran = cli("verify", "--against", str(kept), "-o", "json")
    assert (ran.code, json.loads(ran.out)["findings"][0]["line"]) == (6, 4)
    assert cli("verify", "--against", "missing.note").code == 4


@pytest.fixture
def years(place: Place) -> Place:
    """A log of seven segments, the last one young."""
    configure(place, "max_entries = 3\nretention_days = 183")
    place.serve("m@1.0.0")
    for number in range(2, 9):
        place.register(f"m@{number}.0.0")
        place.clock.pass_by(days=30)
    place.clock.pass_by(days=200)
    place.register("m@9.0.0")
    return place


def test_old_segments_move_away_and_the_log_still_verifies(years: Place, cli: Cli) -> None:
    due = cli("audit", "archive", "--check", "-o", "json")
    assert due.code == 10
    assert len(json.loads(due.out)["due"]) == len(segments(years)) - 1 == 3
    before, store = years.files(), years.root.parent / "store"
    assert cli("audit", "archive", "--to", str(store)).code == 9
    assert cli("audit", "archive", "--yes").code == 2
    (linked := years.root.parent / "linked").symlink_to(years.root)
    for own in (years.root / "audit/x", years.root, linked):
        assert cli("audit", "archive", "--to", str(own), "--yes").code == 2
    assert cli("audit", "archive", "--to", str(store), "--dry-run").code == 0
    assert years.files() == before
    ran = cli("audit", "archive", "--to", str(store), "--yes", "--reason", "retention")
    assert ran.code == 0, ran.err
    assert len(segments(years)) == 1
    said = years.registry.verify()
    assert (said.outcome, said.findings) == ("ok", ())
    assert (said.entries, "9 entries are archived" in said.anchor) == (12, True)
    assert cli("audit", "archive", "--check").code == 0
    shutil.rmtree(years.root / ".helix")
    years.register("m@10.0.0")
    assert codes(years) == set()
    years.path("m@1.0.0").write_bytes(years.path("m@1.0.0").read_bytes().replace(b"1.00", b"9.00"))
    assert codes(years) == {"changed-file"}


def test_what_was_archived_comes_back_byte_for_byte(years: Place, cli: Cli) -> None:
    store = years.root.parent / "store"
    originals = {path.name: path.read_bytes() for path in segments(years)[:-1]}
    assert cli("audit", "archive", "--to", str(store), "--yes").code == 0
    victim = next(store.glob("audit/*/*/*.jsonl"))
    raw = victim.read_bytes()
    victim.write_bytes(raw[:-2] + b"\n")
    assert cli("audit", "restore-archive", str(store)).code == 6
    victim.unlink()
    assert cli("audit", "restore-archive", str(store)).code == 4
    victim.write_bytes(raw)
    assert len(segments(years)) == 1
    assert cli("audit", "restore-archive", str(store)).code == 0
    assert originals.items() <= {path.name: path.read_bytes() for path in segments(years)}.items()
    assert codes(years) == set()
    assert cli("audit", "restore-archive", str(store)).code == 0
    kept = [raw.splitlines() for raw in originals.values()]
    segments(years)[0].unlink()  # as a crash may leave it: a tombstone, and a part of the segments
    assert codes(years) == set()
    assert cli("audit", "archive", "--to", str(store), "--yes").code == 0
    assert cli("audit", "archive", "--check").code == 0
    assert years.registry.verify().entries == len(list(years.registry.audit())) + sum(map(len, kept))
    assert (originals.keys() & {path.name for path in segments(years)}, codes(years)) == (set(), set())
    segments(years)[0].unlink()
    assert years.registry.verify().outcome != "ok"


def test_an_edit_of_a_version_whose_status_is_archived_stops_no_other(years: Place, cli: Cli) -> None:
    assert cli("audit", "archive", "--to", str(years.root.parent / "store"), "--yes").code == 0
    assert years.registry.activate("m@9.0.0", overrides=OVERRIDE, reason=BECAUSE).changed
    years.path("m@1.0.0").write_bytes(years.path("m@1.0.0").read_bytes().replace(b"1.00", b"9.00"))
    assert cli("promote", "m@2.0.0", "--to", "testing").code == 0
    assert cli("check", "m@2.0.0", "--for", "activate").code == 7
    years.path("m@9.0.0").write_bytes(years.path("m@9.0.0").read_bytes().replace(b"1.00", b"9.00"))
    assert cli("check", "m@2.0.0", "--for", "activate").code == 6


def test_an_end_of_life_is_not_told_again_when_its_warning_is_archived(place: Place, cli: Cli) -> None:
    configure(place, "max_entries = 3\nretention_days = 183")
    place.register("m@1.0.0", extra="\n[availability]\nend_of_life = 2026-03-20\n")
    assert place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE).changed
    place.clock.pass_by(days=30)
    assert [len(place.registry.sweep().warned) for _ in range(2)] == [1, 0]
    place.register("m@2.0.0", "m@3.0.0", "m@4.0.0")
    place.clock.pass_by(days=400)
    place.register("m@5.0.0", "m@6.0.0", "m@7.0.0")
    assert cli("audit", "archive", "--to", str(place.root.parent / "store"), "--yes").code == 0
    assert not any(b"eol.warned" in path.read_bytes() for path in segments(place))
    assert place.registry.sweep().warned == ()


def test_an_archive_is_no_loss_to_whoever_holds_an_anchor(years: Place, cli: Cli) -> None:
    git(years, "init", "-q")
    commit(years, "base")
    assert cli("audit", "checkpoint").code == 0
    (note,) = years.root.glob("audit/checkpoints/*.note")
    assert cli("audit", "archive", "--to", str(years.root.parent / "store"), "--yes").code == 0
    for against in (["main"], [str(note)], ["main", str(note)]):
        assert codes(years, *against) == set()
    tomb = next(years.root.glob("audit/archived/*.note"))
    tomb.write_bytes(tomb.read_bytes().replace(b"segment ", b"segment 0", 1))
    assert years.registry.verify(["main"]).outcome == "tampered"


def test_a_retention_below_six_months_is_refused(place: Place, cli: Cli) -> None:
    configure(place, "retention_days = 182")
    ran = cli("audit", "archive", "--check")
    assert ran.code == 2
    assert "183" in ran.err


@pytest.fixture
def merged(place: Place) -> Place:
    """Two branches that each put a version in service, merged; the file of the predecessor is in conflict."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0", "m@3.0.0")
    git(place, "init", "-q")
    commit(place, "base")
    git(place, "checkout", "-qb", "side")
    assert place.registry.activate("m@2.0.0", overrides=OVERRIDE, reason=BECAUSE).changed
    commit(place, "side")
    git(place, "checkout", "-q", "main")
    assert place.registry.activate("m@3.0.0", overrides=OVERRIDE, reason=BECAUSE).changed
    commit(place, "main")
    git(place, "merge", "-q", "side", fails=True)
    return place


def test_two_versions_in_service_and_a_file_in_conflict_are_settled_by_naming_the_one_to_keep(merged: Place) -> None:
    assert {"two-active", "merge-markers", "forked-file"} <= codes(merged)
    with pytest.raises(Damaged):
        merged.registry.evaluate("m@3.0.0", [str(merged.inferences())])
    result = merged.registry.log.reconcile("m", ["m@3.0.0"], reason="main was first")
    assert (result.changed, str(result.ref)) == (True, "m@3.0.0")
    assert [merged.status(f"m@{n}.0.0") for n in (1, 2, 3)] == ["deprecated", "deprecated", "active"]
    commit(merged, "merged")
    for against in ([], ["main"], ["main^1", "main^2"]):
        assert codes(merged, *against) == set()
    entry = max(merged.registry.audit(), key=lambda one: one["seq"])
    assert (entry["action"], entry["severity"]) == ("registry.reconciled", "critical")
    assert (entry["data"]["kept"], entry["data"]["accepted"]) == ("3.0.0", [])
    assert str(merged.registry.rollback("m").ref) == "m@2.0.0"
    assert codes(merged) == set()


@pytest.mark.parametrize("keep", [["side", "m@2.0.0"], ["m@2.0.0"], ["side"]])
def test_the_other_side_may_be_kept_by_branch_or_by_version(merged: Place, keep: list[str]) -> None:
    assert merged.registry.log.reconcile("m", keep).changed
    assert merged.status("m@2.0.0") == "active"
    theirs = git(merged, "show", "side:models/m/1.0.0.toml").encode()
    assert merged.path("m@1.0.0").read_bytes() == theirs
    commit(merged, "merged")
    assert codes(merged) == set()


def test_a_side_may_be_named_by_its_entry(merged: Place) -> None:
    one = next(one for one in merged.registry.log.conflicts("m") if one.ref.version)
    assert len(one.sides) == 2
    for name, says in one.choices:
        assert len(name) == 12
        assert "version.activated by alice@example.com" in says
    assert merged.registry.log.reconcile(None, [one.sides[1].name, "m@2.0.0"]).changed


def test_what_to_keep_is_asked_for_or_named_and_never_guessed(merged: Place, cli: Cli) -> None:
    before = merged.files()
    assert cli("check", "m@3.0.0", "--for", "reconcile").out.startswith("ALLOWED  reconcile m@3.0.0\n")
    assert cli("check", "m@1.0.0", "--for", "reconcile").code == 9  # as the write that keeps it
    ran = cli("reconcile", "m", "--no-input")
    assert ran.code == 9
    assert "--keep" in ran.err
    assert cli("reconcile", "m", "--keep", "m@3.0.0", "--no-input").code == 9  # not confirmed
    assert cli("reconcile", "m", "--keep", "nowhere", "--yes").code == 4
    assert cli("reconcile", "m", "--keep", "main~1", "--keep", "m@3.0.0", "--yes").code == 2
    assert cli("reconcile", "m", "--keep", "m@3.0.0", "--keep", "m@9.9.9", "--dry-run").code == 0
    with pytest.raises(Unconfirmed):
        merged.registry.log.reconcile("m")
    with pytest.raises(Usage):
        merged.registry.log.reconcile("m", ["m@1.0.0", "main"])
    with pytest.raises(Usage):
        merged.registry.log.reconcile("m", ["m@3.0.0", "main~1"])
    assert merged.files() == before
    ran = cli("reconcile", "--keep", "m@3.0.0", "--yes", "-o", "json")
    assert (ran.code, json.loads(ran.out)["changed"]) == (0, True)
    again = cli("reconcile", "m", "--yes", "-o", "json")
    assert (again.code, json.loads(again.out)["changed"]) == (0, False)


def test_bytes_that_exist_nowhere_are_taken_as_they_lie_and_the_entry_says_so(place: Place) -> None:
    place.register("m@1.0.0")
    git(place, "init", "-q")
    commit(place, "base")
    git(place, "checkout", "-qb", "side")
    place.registry.evaluate("m@1.0.0", [str(place.inferences(60))])
    commit(place, "side")
    git(place, "checkout", "-q", "main")
    place.registry.evaluate("m@1.0.0", [str(place.inferences(70))])
    place.registry.evaluate("m@1.0.0", [str(place.inferences(80))])
    commit(place, "main")
    git(place, "merge", "-q", "-X", "ours", "side")
    assert codes(place) == {"forked-file"}
    lies = place.path("m@1.0.0").read_bytes()
    place.path("m@1.0.0").write_bytes(lies.replace(b"samples = 80", b"samples = 81"))
    git(place, "checkout", "-q", "--orphan", "alone")
    commit(place, "all anew")
    for branch in ("main", "side"):
        git(place, "branch", "-qD", branch)
    sides = next(iter(place.registry.log.conflicts("m"))).sides
    assert place.registry.log.reconcile("m", [sides[0].name]).changed
    entry = max(place.registry.audit(), key=lambda one: one["seq"])
    assert entry["data"]["accepted"] == ["1.0.0"]
    assert codes(place) == set()


def test_an_edit_by_hand_is_no_merge_and_stays_drift(place: Place) -> None:
    place.register("m@1.0.0")
    raw = place.path("m@1.0.0").read_bytes()
    place.path("m@1.0.0").write_bytes(raw.replace(b'"inactive"', b'"active"'))
    assert place.registry.log.conflicts() == ()
    assert not place.registry.log.reconcile("m").changed
    assert codes(place) == {"changed-file"}


@pytest.mark.parametrize("status", ["active", "canary"])
def test_an_edit_by_hand_is_not_put_in_service_by_reconciling(place: Place, status: str) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    place.registry.promote("m@1.0.0", status, overrides=OVERRIDE, reason=BECAUSE)
    raw = place.path("m@2.0.0").read_bytes()
    place.path("m@2.0.0").write_bytes(raw.replace(b'"inactive"', f'"{status}"'.encode()))
    before = place.files()
    for kept in ("m@2.0.0", "m@1.0.0"):
        with pytest.raises(Drift, match=r"m@2\.0\.0 was changed outside helixctl: lifecycle or metrics"):
            place.registry.log.reconcile("m", [kept])
    assert place.files() == before


def test_edits_of_policies_are_recorded_where_there_is_nothing_to_settle(place: Place, cli: Cli) -> None:
    policy = place.root / "policies/default.toml"
    policy.write_text(policy.read_text() + "# reviewed\n")
    assert codes(place) == {"unrecorded"}
    ran = cli("reconcile", "-o", "json")
    assert (ran.code, json.loads(ran.out)["changed"]) == (0, True), ran.err
    assert codes(place) == set()
    assert max(place.registry.audit(), key=lambda one: one["seq"])["action"] == "policy.updated"


def test_a_log_exported_verifies_on_its_own(merged: Place, cli: Cli) -> None:
    assert merged.registry.log.reconcile("m", ["m@3.0.0"]).changed
    exported = cli("audit", "export").out.encode()
    assert cli("audit", "verify", "--file", "-", stdin=exported).code == 0
    path = merged.root.parent / "export.ndjson"
    path.write_bytes(exported)
    assert cli("audit", "verify", "--file", str(path), "--against", "main").code == 2
    assert cli("audit", "verify", "--file", str(path)).code == 0
    for raw, outcome in (
        (exported[:-1], "tampered"),
        (exported.replace(b"alice@", b"mally@", 1), "tampered"),
        (b"".join(exported.splitlines(keepends=True)[3:]), "incomplete"),
        (b"", "ok"),
    ):
        ran = cli("audit", "verify", "--file", "-", "-o", "json", stdin=raw)
        assert json.loads(ran.out)["outcome"] == outcome
    assert cli("audit", "verify", "--file", "missing").code == 4


def test_who_acts_on_the_log_is_the_actor(place: Place) -> None:
    assert place.registry.log.checkpoint().audit is not None
    entry = max(place.registry.audit(), key=lambda one: one["seq"])
    assert (entry["actor"]["id"], entry["model"], entry["action"]) == (ALICE.id, None, "audit.checkpointed")
