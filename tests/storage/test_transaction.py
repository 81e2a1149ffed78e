from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from helixctl.api import Registry
from helixctl.errors import Changed
from tests.conftest import ALICE, BECAUSE, OVERRIDE, Place
from tests.storage.conftest import Git, segments

Branch = Callable[[str, Callable[[], object]], None]


def entries(place: Place) -> list[dict[str, Any]]:
    return list(place.registry.audit())


def test_a_new_registry_is_one_entry_that_verifies(place: Place) -> None:
    (entry,) = entries(place)
    assert (entry["action"], entry["seq"], entry["parents"]) == ("registry.initialized", 1, [])
    assert {"helix.toml", "policies/default.toml"} <= {change["path"] for change in entry["changes"]}
    assert place.registry.verify().findings == ()
    assert (place.root / ".gitattributes").read_text().splitlines()[1:] == ["* -text", "audit/** -text -merge"]


def test_a_folder_is_made_a_registry_once(place: Place) -> None:
    before = place.files()
    _, created = Registry.create(place.root, actor=ALICE, clock=place.clock)
    assert not created
    assert place.files() == before


def test_files_that_are_there_already_are_kept(place: Place, tmp_path: Any) -> None:
    root = tmp_path / "other"
    root.mkdir()
    (root / ".gitignore").write_text("mine\n")
    registry, created = Registry.create(root, actor=ALICE, clock=place.clock)
    assert created
    assert (root / ".gitignore").read_text() == "mine\n"
    assert registry.verify().outcome == "ok"


def test_a_denied_attempt_is_an_entry_that_changes_nothing(place: Place) -> None:
    place.register("m@1.0.0")
    before = place.files()
    result = place.registry.activate("m@1.0.0")
    assert not result.allowed
    entry = entries(place)[-1]
    assert (entry["action"], entry["outcome"], entry["severity"]) == ("deployment.denied", "denied", "warning")
    assert (entry["changes"], entry["effects"]) == ([], [])
    assert entry["data"]["decision"]["allowed"] is False
    changed = {path for path, raw in place.files().items() if before.get(path) != raw}
    assert changed == {str(segments(place)[0].relative_to(place.root))}


@pytest.mark.parametrize("minutes", [3, 9])
def test_a_clock_a_little_behind_the_newest_entry_turns_no_order_around(place: Place, minutes: int) -> None:
    place.register("m@1.0.0")
    place.registry.promote("m@1.0.0", to="testing")
    place.registry.evaluate("m@1.0.0", [str(place.inferences())])
    place.clock.pass_by(minutes=-minutes)
    place.registry.block("m@1.0.0", reason="a fault was found")
    place.clock.pass_by(minutes=20)
    place.registry.unblock("m@1.0.0", reason="mended")
    (said,) = (one for one in place.registry.check("m@1.0.0", "activate").findings if "evaluation" in one.rule)
    assert (said.outcome != "pass") == (minutes < 5)
    times = [one["ts"] for one in entries(place)]
    assert (times == sorted(times)) == (minutes < 5)


def test_each_entry_has_the_heads_before_it_as_parents(place: Place) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    chain = entries(place)
    assert [entry["parents"] for entry in chain] == [[], *([entry["hash"]] for entry in chain[:-1])]
    assert [entry["seq"] for entry in chain] == [1, 2, 3, 4, 5]


def test_a_full_segment_is_followed_by_a_new_one(place: Place) -> None:
    with (place.root / "helix.toml").open("a") as settings:
        settings.write("\n[audit]\nmax_entries = 3\n")
    place.register(*(f"m@{major}.0.0" for major in range(1, 8)))
    assert [len(one.read_bytes().splitlines()) for one in segments(place)] == [3, 3, 2]
    assert place.registry.verify().outcome == "ok"


def test_without_git_one_segment_is_appended_to(place: Place) -> None:
    place.register("m@1.0.0", "m@2.0.0")
    assert [len(one.read_bytes().splitlines()) for one in segments(place)] == [3]


@pytest.mark.parametrize("commits", [False, True], ids=["added", "committed"])
def test_a_segment_that_git_tracks_is_never_appended_to(place: Place, git: Git, *, commits: bool) -> None:
    place.register("m@1.0.0")
    place.register("m@2.0.0")
    assert [len(one.read_bytes().splitlines()) for one in segments(place)] == [1, 2]
    git("add", "-A")
    if commits:
        git("commit", "-qm", "second")
    kept = {one: one.read_bytes() for one in segments(place)}
    place.register("m@3.0.0")
    assert {one: one.read_bytes() for one in kept} == kept
    assert len(segments(place)) == 3
    assert place.registry.verify().outcome == "ok"


def test_add_append_commit_append_commit_changes_no_committed_segment(place: Place, git: Git) -> None:
    place.register("m@1.0.0")
    git("add", "-A")
    place.register("m@2.0.0")
    git("commit", "-qm", "what was added")
    place.register("m@3.0.0")
    git("add", "-A")
    git("commit", "-qm", "the rest")
    place.register("m@4.0.0")
    git("add", "-A")
    git("commit", "-qm", "the last")
    assert git("log", "--diff-filter=MDRTX", "--name-only", "--format=", "--", "audit") == ""
    assert place.registry.verify().findings == ()


@pytest.mark.parametrize("broken", ["index", "HEAD"])
def test_a_git_that_does_not_answer_opens_a_new_segment(place: Place, git: Git, broken: str) -> None:
    (place.root / ".git" / broken).write_bytes(b"damaged")
    place.register("m@1.0.0", "m@2.0.0")
    assert [len(one.read_bytes().splitlines()) for one in segments(place)] == [1, 1, 1]


def test_a_missing_git_opens_a_new_segment(place: Place, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(place.root))
    place.register("m@1.0.0", "m@2.0.0")
    assert len(segments(place)) == 3


def test_the_next_entry_joins_the_heads_that_a_merge_left(place: Place, git: Git, on_branch: Branch) -> None:
    on_branch("one", lambda: place.register("m@1.0.0"))
    on_branch("two", lambda: place.register("n@1.0.0", "n@2.0.0"))
    git("merge", "-q", "one")
    git("merge", "-q", "two")
    heads = place.registry.verify().heads
    assert len(heads) == 2
    place.register("o@1.0.0")
    entry = entries(place)[-1]
    assert entry["parents"] == sorted(heads)
    assert entry["seq"] == 4
    verified = place.registry.verify()
    assert (verified.outcome, verified.heads) == ("ok", (entry["hash"],))


def test_a_clock_set_back_a_day_is_warned_about_and_keeps_the_order(place: Place) -> None:
    place.register("m@1.0.0")
    place.clock.pass_by(days=-1)
    text = b'schema = 1\nmodel = "m"\nversion = "2.0.0"\nprovider = "x"\n'
    result = place.registry.register(text)
    assert any("clock" in warning for warning in result.warnings)
    assert [entry["seq"] for entry in entries(place)] == [1, 2, 3]
    assert place.registry.verify().outcome == "ok"


@pytest.mark.parametrize(
    ("path", "text", "actions"),
    [
        ("helix.toml", "\n[lifecycle]\ngrace_days = 30\n", ["config.updated"]),
        ("helix.toml", "\n[evaluation]\nmin_samples = 10\n", ["config.updated", "thresholds.updated"]),
        ("policies/default.toml", "# said better\n", ["policy.updated"]),
        (
            "policies/more.toml",
            'schema = 1\nname = "more"\n[[rule]]\nid = "x"\nenforcement = "advisory"\nnot_blocked = true\n',
            ["policy.updated"],
        ),
        ("trust/approvers.toml", "schema = 1\n", ["config.updated"]),
    ],
)
def test_an_edit_by_people_is_unrecorded_until_the_next_write_records_it(
    place: Place, path: str, text: str, actions: list[str]
) -> None:
    place.register("m@1.0.0")
    (place.root / path).parent.mkdir(exist_ok=True)
    with (place.root / path).open("a") as handle:
        handle.write(text)
    unrecorded = place.registry.verify()
    assert unrecorded.outcome == "ok"
    assert [(one.code, one.path) for one in unrecorded.findings] == [("unrecorded", path)]
    place.register("m@2.0.0")
    entry = entries(place)[-1]
    assert [effect["action"] for effect in entry["effects"]] == ["version.registered", *actions]
    assert [change["path"] for change in entry["changes"]] == ["models/m/2.0.0.toml", path]
    assert place.registry.verify().findings == ()


def test_a_policy_that_was_deleted_is_recorded_as_gone(place: Place) -> None:
    (place.root / "policies/default.toml").unlink()
    place.register("m@1.0.0")
    entry = entries(place)[-1]
    assert entry["changes"][-1]["after"] is None
    assert entry["effects"][-1]["action"] == "policy.updated"
    assert place.registry.verify().findings == ()


def test_a_denial_records_no_edit(place: Place) -> None:
    place.register("m@1.0.0")
    with (place.root / "policies/default.toml").open("a") as handle:
        handle.write("# said better\n")
    assert not place.registry.activate("m@1.0.0").allowed
    assert [one.code for one in place.registry.verify().findings] == ["unrecorded"]
    assert place.registry.activate("m@1.0.0", overrides=OVERRIDE, reason=BECAUSE).changed
    assert place.registry.verify().findings == ()


def test_the_line_of_an_entry_has_its_keys_in_the_order_of_the_contract(place: Place) -> None:
    raw = segments(place)[0].read_text()
    order = "v seq ts id registry action severity outcome actor model version reason changes effects data tool parents"
    assert list(json.loads(raw)) == [*order.split(), "hash"]


@pytest.mark.parametrize(
    ("path", "more"),
    [
        ("policies/default.toml", b"# edited\n"),
        ("helix.toml", b"[audit]\nsign = true\n"),
        ("trust/approvers.toml", b"# edited\n"),
        ("trust/allowed_signers", b"ada ssh-ed25519 AAAA\n"),
        ("trust/revoked_keys", b"# none\n"),
    ],
)
def test_what_decided_and_was_edited_before_the_commit_stops_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, path: str, more: bytes
) -> None:
    from helixctl import gate

    place.register("m@1.0.0")
    (place.root / "policies/eyes.toml").write_text(
        'schema = 1\nname = "p"\n[[rule]]\nid = "eyes"\nenforcement = "advisory"\napprovals = { required = 1 }\n'
    )
    (place.root / "trust").mkdir()
    (place.root / "trust/approvers.toml").write_text('schema = 1\n[people]\nada = ["ada"]\n')
    real, edited = gate.judge, place.root / path

    def judge(*given: Any) -> Any:
        found = real(*given)
        edited.write_bytes((edited.read_bytes() if edited.exists() else b"") + more)
        return found

    monkeypatch.setattr(gate, "judge", judge)
    before = place.path("m@1.0.0").read_bytes()
    with pytest.raises(Changed, match="changed while the command ran"):
        place.registry.promote("m@1.0.0", "testing")
    assert place.path("m@1.0.0").read_bytes() == before
    assert len(list(place.registry.audit())) == 2
