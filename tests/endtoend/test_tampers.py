"""Every tamper that we know of, and which anchor finds it: nothing, a git commit, a checkpoint kept elsewhere, signatures."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helixctl.api import Registry
from helixctl.core.integrity import CODES, NOT_ANCHORED
from tests.conftest import ALICE, BECAUSE, OVERRIDE, Clock, Place

pytestmark = pytest.mark.skipif(
    shutil.which("git") is None or shutil.which("ssh-keygen") is None, reason="needs git and ssh-keygen"
)
Tamper = Callable[[Path], object]
Entry = dict[str, Any]


def git(root: Path, *words: str) -> str:
    known = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *known, *words], cwd=root, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(root: Path, message: str) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-qm", message)


class World(NamedTuple):
    """A registry, signed or not, and what is kept of it elsewhere."""

    root: Path
    note: Path


def build(folder: Path, key: Path | None) -> World:
    """Make a registry of three segments in git, the last entry a denied attempt; then a checkpoint kept elsewhere."""
    root = folder / "registry"
    place = Place(Registry.create(root, name="test", actor=ALICE, clock=Clock(), random=random.Random(1).randbytes)[0])
    settings = f"\n[audit]\nmax_entries = 4\nsign = {'true' if key else 'false'}\n"
    with (root / "helix.toml").open("a") as handle:
        handle.write(settings)
    if key is not None:
        kind, blob = key.with_suffix(".pub").read_text().split()[:2]
        (root / "trust").mkdir()
        (root / "trust/allowed_signers").write_text(f"alice@example.com {kind} {blob}\n")
    store = place.registry.store._replace(key=lambda: str(key) if key else None)
    place.registry = Registry(store, place.registry.who)
    git(root, "init", "-q")
    place.serve("m@1.0.0")
    if key is not None:
        place.registry.log.checkpoint()
    commit(root, "old")
    git(root, "tag", "old")
    place.serve("m@2.0.0", "m@3.0.0")
    place.register("m@4.0.0", "m@5.0.0")
    assert not place.registry.activate("m@4.0.0").allowed
    commit(root, "base")
    git(root, "tag", "base")
    other = folder / "other"
    shutil.copytree(root, other)
    Registry(store._replace(root=str(other)), place.registry.who).log.checkpoint(signed=key is not None)
    for path in other.glob("audit/checkpoints/*"):
        shutil.copy(path, folder)
    return World(root, max(folder.glob("*.note")))


@pytest.fixture(scope="session")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, World]:
    folder = tmp_path_factory.mktemp("worlds")
    key = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    for name in ("plain", "signed"):
        (folder / name).mkdir()
    return {"plain": build(folder / "plain", None), "signed": build(folder / "signed", key)}


def segments(root: Path) -> list[Path]:
    return sorted(root.glob("audit/*/*/*.jsonl"))


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def put(path: Path, kept: list[bytes]) -> None:
    path.write_bytes(b"".join(kept))


def sealed(entry: Entry) -> tuple[bytes, str]:
    """Return an entry's line by somebody who knows how to hash it."""
    body = json.dumps({key: value for key, value in entry.items() if key != "hash"}, separators=(",", ":"))[:-1]
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body},"hash":"{digest}"}}\n'.encode(), digest


def rehash(root: Path, change: Callable[[Entry], None], since: int = 1) -> None:
    """Change entries from a `seq` on, and hash all that follows anew."""
    known: dict[str, str] = {}
    rows = sorted((json.loads(raw)["seq"], path, n) for path in segments(root) for n, raw in enumerate(lines(path)))
    for seq, path, number in rows:
        kept = lines(path)
        entry = json.loads(kept[number])
        entry["parents"] = sorted(known.get(parent, parent) for parent in entry["parents"])
        if seq >= since:
            change(entry)
        kept[number], known[entry["hash"]] = sealed(entry)
        put(path, kept)


def added(root: Path, parent: Entry, **changes: Any) -> None:
    """Add a well-formed entry on top of another, in a segment of its own."""
    newest = json.loads(lines(segments(root)[-1])[-1])
    entry = newest | {
        "seq": parent["seq"] + 1,
        "parents": [parent["hash"]],
        "id": "00000000-0000-7000-8000-000000000001",
    }
    path = segments(root)[-1].with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl")
    path.write_bytes(sealed(entry | changes)[0])


def edit(root: Path) -> None:
    path = segments(root)[1]
    put(path, [raw.replace(b"alice@", b"mally@") for raw in lines(path)])


def delete_an_entry(root: Path) -> None:
    path = segments(root)[1]
    put(path, [lines(path)[0], *lines(path)[2:]])


def insert(root: Path) -> None:
    path = segments(root)[1]
    kept = lines(path)
    before = json.loads(kept[0])
    entry = json.loads(kept[1]) | {"id": "00000000-0000-7000-8000-000000000001", "parents": [before["hash"]]}
    put(path, [kept[0], sealed(entry)[0], *kept[1:]])


def reorder(root: Path) -> None:
    path = segments(root)[1]
    put(path, [lines(path)[1], lines(path)[0], *lines(path)[2:]])


def duplicate_a_line(root: Path) -> None:
    path = segments(root)[1]
    put(path, [lines(path)[0], *lines(path)])


def copy_a_segment(root: Path) -> None:
    shutil.copy(segments(root)[1], segments(root)[1].with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl"))


def copy_a_part(root: Path) -> None:
    put(segments(root)[1].with_name("20270101T000000000Z-aaaaaaaaaaaa.jsonl"), lines(segments(root)[1])[1:3])


def truncate(root: Path) -> None:
    path = segments(root)[-1]
    put(path, lines(path)[:-1])


def replay(root: Path) -> None:
    other = root.parent / "replayed"
    place = Place(
        Registry.create(other, name="other", actor=ALICE, clock=Clock(), random=random.Random(9).randbytes)[0]
    )
    place.serve("m@1.0.0", "m@2.0.0", "m@3.0.0")
    shutil.rmtree(root / "audit")
    shutil.copytree(other / "audit", root / "audit")


def swap_names(root: Path) -> None:
    one, two = segments(root)[:2]
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)


def backdated_fork(root: Path) -> None:
    early = json.loads(lines(segments(root)[0])[1])
    added(root, early, ts=early["ts"])


def rewrite_the_tail(root: Path) -> None:
    last = json.loads(lines(segments(root)[-1])[-1])["seq"]
    rehash(root, lambda entry: entry.update(reason="nothing happened"), since=last)


def change_an_actor(root: Path) -> None:
    rehash(root, lambda entry: entry["actor"].update(id="mally@example.com"), since=5)


def rehash_all(root: Path) -> None:
    rehash(root, lambda entry: entry.update(tool="9.9.9"))


def delete_a_segment(root: Path) -> None:
    segments(root)[1].unlink()


def restore_an_old_registry(root: Path) -> None:
    git(root, "checkout", "-q", "old")
    git(root, "switch", "-q", "-c", "elsewhere")


def revert(root: Path) -> None:
    git(root, "revert", "--no-edit", "HEAD")


def reset(root: Path) -> None:
    git(root, "reset", "-q", "--hard", "old")


FINE = "ok"
TAMPERS: dict[str, tuple[Tamper, str, str, str, str]] = {
    "an edited entry": (edit, "bad-line", "changed-segment", "changed-segment", "bad-signature"),
    "a deleted entry": (delete_an_entry, "missing-parent", "changed-segment", "changed-segment", "bad-signature"),
    "an inserted entry": (insert, "any", "changed-segment", "changed-segment", "bad-signature"),
    "reordered entries": (reorder, "bad-order", "changed-segment", "changed-segment", "bad-signature"),
    "a duplicated entry": (duplicate_a_line, "bad-order", "changed-segment", "changed-segment", "bad-signature"),
    "a copied segment": (copy_a_segment, "bad-order", "bad-order", "bad-order", "unsigned-segment"),
    "a copied part of a segment": (copy_a_part, "bad-order", "bad-order", "bad-order", "unsigned-segment"),
    "a truncated tail": (truncate, FINE, "changed-segment", "changed-segment", "bad-signature"),
    "a log replayed from another registry": (
        replay,
        "foreign-entry",
        "lost-segment",
        "lost-segment",
        "unsigned-segment",
    ),
    "two segments with exchanged names": (swap_names, FINE, "changed-segment", "changed-segment", "bad-signature"),
    "a backdated fork": (backdated_fork, FINE, "late-entry", "late-entry", "unsigned-segment"),
    "a rewritten tail": (rewrite_the_tail, FINE, "changed-segment", "changed-segment", "bad-signature"),
    "a changed actor, all hashed anew": (change_an_actor, FINE, "changed-segment", "changed-segment", "bad-signature"),
    "a chain hashed anew": (rehash_all, FINE, "changed-segment", "changed-segment", "bad-signature"),
    "a deleted segment": (delete_a_segment, "missing-parent", "lost-segment", "lost-segment", "missing-parent"),
    "an old registry restored": (restore_an_old_registry, FINE, "lost-segment", "lost-segment", FINE),
    "git revert": (revert, FINE, "lost-segment", "lost-segment", FINE),
    "git reset --hard": (reset, FINE, "lost-segment", "lost-segment", FINE),
}
"""What finds each: nothing but the log and the files; a commit; a checkpoint kept elsewhere; signed segments."""
ANCHORS = ("none", "commit", "checkpoint", "signatures")


@pytest.mark.parametrize("anchor", ANCHORS)
@pytest.mark.parametrize("name", TAMPERS)
def test_each_tamper_is_found_by_what_is_said_to_find_it(
    worlds: dict[str, World], tmp_path: Path, name: str, anchor: str
) -> None:
    tamper, *expected = TAMPERS[name]
    world = worlds["signed" if anchor == "signatures" else "plain"]
    root = tmp_path / "registry"
    shutil.copytree(world.root, root)
    tamper(root)
    against = {"commit": ["base"], "checkpoint": [str(world.note)]}.get(anchor, [])
    said = Registry.open(root, clock=Clock()).verify(against)
    codes = {one.code for one in said.findings}
    wanted = expected[ANCHORS.index(anchor)]
    if wanted == FINE:
        assert (said.outcome, codes) == ("ok", set())
        assert anchor == "signatures" or said.anchor == NOT_ANCHORED
    elif wanted == "any":
        assert said.outcome != "ok" or said.anchor == NOT_ANCHORED
    else:
        assert wanted in codes
        assert said.outcome != "ok" or CODES[wanted] == "ok"


def test_no_tamper_escapes_every_anchor() -> None:
    assert all(any(found not in (FINE, "any") for found in row[2:]) for row in TAMPERS.values())


def test_an_honest_registry_is_ok_against_everything(worlds: dict[str, World]) -> None:
    for world in worlds.values():
        for against in ([], ["base"], ["old"], ["old", "base"], [str(world.note)]):
            said = Registry.open(world.root, clock=Clock()).verify(against)
            assert said.outcome == "ok", said.findings
            assert (said.anchor == NOT_ANCHORED) == (world is worlds["plain"] and not against)


def decided(entry: Entry, **changes: Any) -> Entry:
    return entry | changes


FORGERIES: dict[str, tuple[Callable[[Entry], dict[str, Any]], str]] = {
    "a step that the lifecycle lacks": (
        lambda entry: {"effects": [entry["effects"][0] | {"from": "retired", "to": "active"}]},
        "illegal-transition",
    ),
    "an activation without a decision": (lambda _: {"data": {}}, "unjudged-change"),
    "a decision that cannot be read": (lambda _: {"data": {"decision": []}}, "unjudged-change"),
    "a decision by a policy that nobody logged": (
        lambda entry: {
            "data": {"decision": entry["data"]["decision"] | {"policies": [{"name": "mine", "digest": "0" * 64}]}}
        },
        "unjudged-change",
    ),
    "a decision that was a denial": (
        lambda entry: {"data": {"decision": entry["data"]["decision"] | {"allowed": False}}},
        "unjudged-change",
    ),
    "an override of a mandatory rule": (
        lambda entry: {
            "data": {
                "decision": entry["data"]["decision"]
                | {
                    "findings": [
                        {"rule": "r", "enforcement": "mandatory", "outcome": "overridden", "message": "", "fix": None}
                    ]
                }
            }
        },
        "unjudged-change",
    ),
    "a status that the file does not have": (
        lambda entry: {"effects": [entry["effects"][0] | {"from": "inactive", "to": "testing"}]},
        "illegal-transition",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_entry_is_found_by_the_guard(worlds: dict[str, World], tmp_path: Path, name: str) -> None:
    forge, code = FORGERIES[name]
    root = tmp_path / "registry"
    shutil.copytree(worlds["plain"].root, root)
    activation = next(
        entry
        for path in segments(root)
        for raw in lines(path)
        if (entry := json.loads(raw))["action"] == "version.activated"
    )
    newest = json.loads(lines(segments(root)[-1])[-1])
    added(root, newest, **(activation | {"changes": [], "ts": newest["ts"]} | forge(activation) | _place(newest)))
    said = Registry.open(root, clock=Clock()).verify(["base"])
    assert code in {one.code for one in said.findings}
    assert said.outcome == "tampered"


def _place(newest: Entry) -> dict[str, Any]:
    return {"seq": newest["seq"] + 1, "parents": [newest["hash"]], "id": "00000000-0000-7000-8000-000000000001"}


def test_ordinary_work_on_a_branch_passes_the_guard(worlds: dict[str, World], tmp_path: Path) -> None:
    root = tmp_path / "registry"
    shutil.copytree(worlds["plain"].root, root)
    clock = Clock()
    clock.pass_by(days=1)
    place = Place(Registry.open(root, actor=ALICE, clock=clock), clock)
    place.register("m@6.0.0", "n@1.0.0")
    registry = place.registry
    assert registry.promote("m@6.0.0", "testing").changed
    registry.evaluate("m@6.0.0", [str(place.inferences())])
    assert registry.activate("m@6.0.0").changed
    assert registry.rollback("m").changed
    assert registry.retire("m@1.0.0").changed
    assert registry.block("n@1.0.0").changed
    assert registry.unblock("n@1.0.0").changed
    assert registry.promote("n@1.0.0", "testing").changed
    assert registry.promote("n@1.0.0", "canary", overrides=("evaluation",), reason=BECAUSE).changed
    assert registry.activate("n@1.0.0", overrides=OVERRIDE[1:], reason=BECAUSE).changed
    said = registry.verify(["base"])
    assert (said.outcome, said.findings) == ("ok", ())


def test_a_policy_that_fails_now_is_denied(worlds: dict[str, World], tmp_path: Path) -> None:
    root = tmp_path / "registry"
    shutil.copytree(worlds["plain"].root, root)
    place = Place(Registry.open(root, actor=ALICE, clock=(clock := Clock())), clock)
    clock.pass_by(days=1)
    place.serve("m@7.0.0")
    policy = root / "policies/default.toml"
    policy.write_text(policy.read_text().replace('id = "evaluation"', 'id = "evaluated-anew"'))
    assert {one.code for one in place.registry.verify(["base"]).findings} == {"policy-fails", "unaccounted-file"}
    assert place.registry.log.reconcile().audit is not None
    said = place.registry.verify(["base"])
    assert (said.outcome, {one.code for one in said.findings}) == ("denied", {"policy-fails"})
