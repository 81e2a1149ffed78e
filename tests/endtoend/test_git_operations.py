"""What git does to a registry, and what verify says of it; see test_git.py for what a command does in a work tree."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from helixctl.core.integrity import CODES
from tests.conftest import BECAUSE, OVERRIDE, Place, Ran
from tests.endtoend.outside import payload

Cli = Callable[..., Ran]
OVERRIDES = [word for rule in OVERRIDE for word in ("--override", rule)] + ["--reason", BECAUSE]
ISOLATED = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_EDITOR": "true",
    **{
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "Alice"), ("EMAIL", "a@x"))
    },
}
DOCS = Path(__file__).resolve().parents[2] / "docs"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@dataclass
class Repo:
    """A git work tree with a registry in a sub-folder, and every segment as it was last written."""

    top: Path
    cli: Cli
    written: dict[str, bytes] = field(default_factory=dict)

    @property
    def root(self) -> Path:
        return self.top / "registry"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run git, whatever becomes of it."""
        known = {**os.environ, **ISOLATED}
        return subprocess.run(["git", *words], cwd=self.top, capture_output=True, text=True, env=known)

    def git(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def on(self, branch: str) -> None:
        self.git("switch", "-q", branch)

    def commit(self) -> str:
        """Commit all there is, and return the commit's id."""
        self.git("add", "-A")
        self.git("commit", "-qm", "work")
        return self.git("rev-parse", "HEAD")

    def write(self, *words: str) -> None:
        """Change the registry, and leave the change in the work tree."""
        ran = self.cli(*words, "-C", str(self.root))
        assert ran.code == 0, ran
        self.written |= self.segments()

    def change(self, *words: str) -> str:
        """Change the registry, and commit that."""
        self.write(*words)
        return self.commit()

    def segments(self) -> dict[str, bytes]:
        found = sorted((self.root / "audit").rglob("*.jsonl"))
        return {str(path.relative_to(self.root)): path.read_bytes() for path in found}

    def verify(self, *words: str) -> dict[str, Any]:
        ran = self.cli("verify", "-o", "json", "-C", str(self.root), *words)
        told = payload(ran)
        assert ran.code == (0 if told["outcome"] == "ok" else 6)
        return told

    def unmerged(self) -> set[str]:
        """Return the paths that git left in conflict."""
        rows = self.git("ls-files", "-u").splitlines()
        return {row.partition("\t")[2].removeprefix("registry/") for row in rows}

    def settle(self, side: str) -> None:
        """End a merge by taking one side of every file in conflict; no segment may be one."""
        assert self.unmerged()
        assert all(path.startswith("models/") for path in self.unmerged())
        self.git("checkout", f"--{side}", ".")
        self.commit()


@pytest.fixture
def repo(full: Place, cli: Cli) -> Repo:
    """Three branches: `one` blocks `other`, `two` blocks m@2.0.0 and then registers `fourth`, `three` registers `third`."""
    full.register("other@2.0.0", "fifth@1.0.0")
    made = Repo(full.root.parent / "work", cli)
    shutil.copytree(full.root, made.root)
    made.git("init", "-q", "-b", "main")
    made.commit()
    made.written |= made.segments()
    for branch, commands in BRANCHES.items():
        made.git("switch", "-qc", branch, "main")
        for words in commands:
            made.change(*words)
    made.on("main")
    return made


def register(ref: str) -> list[str]:
    prices = ["--set", "cost.input_per_mtok=1", "--set", "cost.output_per_mtok=1"]
    return ["register", ref, "--provider", "x", *prices]


BRANCHES = {
    "one": [["block", "other@1.0.0"]],
    "two": [["block", "m@2.0.0"], register("fourth@1.0.0")],
    "three": [register("third@1.0.0")],
}


def fast_forward(repo: Repo) -> None:
    repo.git("merge", "-q", "--ff-only", "two")


def merge(repo: Repo) -> None:
    repo.git("merge", "-q", "one")
    repo.git("merge", "-q", "--no-edit", "two")


def merge_after_a_write_here(repo: Repo) -> None:
    repo.change("block", "fifth@1.0.0")
    repo.git("merge", "-q", "--no-edit", "one")


def criss_cross(repo: Repo) -> None:
    before = repo.git("rev-parse", "one")
    repo.on("one")
    repo.git("merge", "-q", "--no-edit", "three")
    repo.change("unblock", "other@1.0.0")
    repo.on("three")
    repo.git("merge", "-q", "--no-edit", before)
    repo.change("block", "third@1.0.0")
    repo.git("merge", "-q", "--no-edit", "one")


def octopus(repo: Repo) -> None:
    repo.change("block", "fifth@1.0.0")
    repo.git("merge", "-q", "--no-edit", "one", "two", "three")
    assert len(repo.git("rev-list", "--parents", "-1", "HEAD").split()) == 5


def rebase(repo: Repo) -> None:
    repo.git("merge", "-q", "one")
    repo.on("two")
    repo.git("rebase", "-q", "main")


def rebase_that_squashes(repo: Repo) -> None:
    repo.git("merge", "-q", "one")
    repo.on("two")
    repo.git("-c", "sequence.editor=sed -i.old 2s/pick/fixup/", "rebase", "-qi", "main")
    assert repo.git("rev-list", "--count", "main..HEAD") == "1"


def rebase_that_drops(repo: Repo) -> None:
    repo.git("merge", "-q", "one")
    repo.on("two")
    repo.git("-c", "sequence.editor=sed -i.old 1d", "rebase", "-qi", "main")
    assert repo.git("rev-list", "--count", "main..HEAD") == "1"


def rebase_that_reorders(repo: Repo) -> None:
    repo.on("two")
    repo.git("-c", "sequence.editor=sed -i.old '1{h;d;};2G'", "rebase", "-qi", "main")


def amend(repo: Repo) -> None:
    repo.on("one")
    repo.write("unblock", "other@1.0.0")
    repo.git("add", "-A")
    repo.git("commit", "-q", "--amend", "--no-edit")


def cherry_pick(repo: Repo) -> None:
    repo.git("cherry-pick", "two")


def cherry_pick_of_all(repo: Repo) -> None:
    repo.git("cherry-pick", "main..two")


def cherry_pick_and_merge(repo: Repo) -> None:
    cherry_pick(repo)
    repo.git("merge", "-q", "--no-edit", "two")


def mailed_patches(repo: Repo) -> None:
    repo.change("block", "fifth@1.0.0")
    folder = repo.top.parent / "patches"
    repo.git("format-patch", "-q", "-o", str(folder), "main~1..two")
    repo.git("am", "-q", *map(str, sorted(folder.iterdir())))


def squash(repo: Repo) -> None:
    repo.change("block", "fifth@1.0.0")
    repo.git("merge", "-q", "--squash", "two")
    repo.commit()


def squash_and_merge(repo: Repo) -> None:
    squash(repo)
    repo.git("merge", "-q", "--no-edit", "two")


def revert_of_the_last(repo: Repo) -> None:
    fast_forward(repo)
    repo.git("revert", "--no-edit", "HEAD")


def revert_of_all(repo: Repo) -> None:
    fast_forward(repo)
    repo.git("revert", "--no-edit", "HEAD", "HEAD~1")


def revert_of_one_before(repo: Repo) -> None:
    fast_forward(repo)
    repo.git("revert", "--no-edit", "HEAD~1")


def revert_of_a_merge(repo: Repo) -> None:
    repo.git("merge", "-q", "--no-ff", "--no-edit", "one")
    repo.git("revert", "--no-edit", "-m", "1", "HEAD")


def revert_of_a_revert(repo: Repo) -> None:
    revert_of_the_last(repo)
    repo.git("revert", "--no-edit", "HEAD")


def reset_hard(repo: Repo) -> None:
    fast_forward(repo)
    repo.git("reset", "-q", "--hard", "HEAD~1")


def reset_soft(repo: Repo) -> None:
    fast_forward(repo)
    repo.git("reset", "-q", "--soft", "HEAD~2")


def merge_that_keeps_ours(repo: Repo) -> None:
    repo.git("merge", "-q", "--no-edit", "-s", "ours", "two")


def stash(repo: Repo) -> None:
    repo.write("block", "fifth@1.0.0")
    repo.git("stash", "-q", "-u")


def stash_and_pop(repo: Repo) -> None:
    stash(repo)
    repo.git("stash", "pop", "-q")


def stash_and_pop_elsewhere(repo: Repo) -> None:
    stash(repo)
    repo.on("two")
    repo.git("stash", "pop", "-q")


def stash_of_tracked_files_only(repo: Repo) -> None:
    repo.write("block", "fifth@1.0.0")
    repo.git("stash", "-q")


def stash_of_tracked_files_only_and_pop(repo: Repo) -> None:
    stash_of_tracked_files_only(repo)
    repo.git("stash", "pop", "-q")


def clean(repo: Repo) -> None:
    repo.write("block", "fifth@1.0.0")
    repo.git("clean", "-qfd")


def checkout_of_one_file(repo: Repo) -> None:
    fast_forward(repo)
    repo.git("checkout", "-q", "one", "--", "registry/models/other")


def switch_to_and_fro(repo: Repo) -> None:
    for branch in ("two", "one", "three", "main", "two"):
        repo.on(branch)
        assert repo.verify()["outcome"] == "ok"


def switch_with_a_write_not_committed(repo: Repo) -> None:
    repo.write("block", "fifth@1.0.0")
    repo.on("two")


def checkout_that_converts_line_ends(repo: Repo) -> None:
    repo.git("config", "core.autocrlf", "true")
    repo.git("config", "core.eol", "crlf")
    repo.on("two")
    repo.git("rm", "-rq", "--cached", "registry")
    repo.git("reset", "-q", "--hard")


def checkout_that_converts_line_ends_of_the_log(repo: Repo) -> None:
    (repo.root / ".gitattributes").unlink()
    repo.commit()
    repo.written.clear()
    repo.git("config", "core.autocrlf", "true")
    shutil.rmtree(repo.root / "audit")
    repo.git("checkout", "-q", ".")


def merge_from_two_worktrees(repo: Repo) -> None:
    for branch, ref in (("east", "fifth@1.0.0"), ("west", "other@1.0.0")):
        folder = repo.top.parent / branch
        repo.git("worktree", "add", "-q", str(folder), "-b", branch)
        other = Repo(folder, repo.cli)
        other.change("block", ref)
        repo.written |= other.written
    repo.git("merge", "-q", "--no-edit", "east", "west")


def committed_edit_of_a_segment(repo: Repo) -> None:
    path = repo.root / next(iter(repo.segments()))
    path.write_bytes(path.read_bytes().replace(b"alice@", b"mallory@"))
    repo.commit()
    repo.written.clear()


def committed_edit_of_a_version(repo: Repo) -> None:
    path = repo.root / "models" / "m" / "2.0.0.toml"
    path.write_text(path.read_text().replace("input_per_mtok = 1.00", "input_per_mtok = 9.00"))
    repo.commit()


def both_activate(repo: Repo, *versions: str) -> None:
    """Activate a version of a model on each of two branches, and begin the merge."""
    for number, version in enumerate(versions):
        repo.git("switch", "-qc", f"side-{number}", "main")
        repo.change("activate", version, *OVERRIDES)
    repo.run("merge", "--no-edit", "side-0")


def two_activations_of_a_new_model(repo: Repo) -> None:
    both_activate(repo, "other@1.0.0", "other@2.0.0")
    assert repo.unmerged() == set()


def two_activations_with_one_predecessor(repo: Repo) -> None:
    repo.change(*register("m@3.0.0"))
    both_activate(repo, "m@2.0.0", "m@3.0.0")
    assert repo.unmerged() == {"models/m/1.1.0.toml"}
    repo.settle("ours")  # whose entry is the last of the two, by their hashes


def one_activation_twice(repo: Repo) -> None:
    both_activate(repo, "other@1.0.0", "other@1.0.0")
    repo.settle("ours")


def two_changes_of_one_version(repo: Repo) -> None:
    repo.on("two")
    repo.git("switch", "-qc", "side", "main")
    repo.change("deactivate", "m@2.0.0", "--reason", "later")
    repo.git("merge", "-q", "--no-edit", "two")


def two_changes_of_one_version_not_settled(repo: Repo) -> None:
    both_activate(repo, "other@1.0.0", "other@1.0.0")
    assert repo.unmerged() == {"models/other/1.0.0.toml"}


def two_canaries(repo: Repo) -> None:
    for number, version in enumerate(("other@1.0.0", "other@2.0.0")):
        repo.git("switch", "-qc", f"side-{number}", "main")
        repo.change("promote", version, "--to", "testing")
        repo.change("promote", version, "--to", "canary", *OVERRIDES)
    repo.git("merge", "-q", "--no-edit", "side-0")


class Said(NamedTuple):
    """What verify says: the outcome, the codes of all findings, and how many heads the log has."""

    outcome: str
    codes: set[str]
    heads: int


OK = "ok"
OPERATIONS: dict[Callable[[Repo], None], Said] = {
    fast_forward: Said(OK, set(), 1),
    merge: Said(OK, set(), 2),
    merge_after_a_write_here: Said(OK, set(), 2),
    criss_cross: Said(OK, set(), 2),
    octopus: Said(OK, set(), 4),
    rebase: Said(OK, set(), 2),
    rebase_that_squashes: Said(OK, set(), 2),
    rebase_that_drops: Said("incomplete", {"missing-parent"}, 2),
    rebase_that_reorders: Said(OK, set(), 1),
    amend: Said(OK, set(), 1),
    cherry_pick: Said("incomplete", {"missing-parent"}, 2),
    cherry_pick_of_all: Said(OK, set(), 1),
    cherry_pick_and_merge: Said(OK, set(), 1),
    mailed_patches: Said(OK, set(), 2),
    squash: Said(OK, set(), 2),
    squash_and_merge: Said(OK, set(), 2),
    revert_of_the_last: Said(OK, set(), 1),
    revert_of_all: Said(OK, set(), 1),
    revert_of_one_before: Said("incomplete", {"missing-parent"}, 2),
    revert_of_a_merge: Said(OK, set(), 1),
    revert_of_a_revert: Said(OK, set(), 1),
    reset_hard: Said(OK, set(), 1),
    reset_soft: Said(OK, set(), 1),
    merge_that_keeps_ours: Said(OK, set(), 1),
    stash: Said(OK, set(), 1),
    stash_and_pop: Said(OK, set(), 1),
    stash_and_pop_elsewhere: Said(OK, set(), 2),
    stash_of_tracked_files_only: Said("drift", {"changed-file"}, 1),
    stash_of_tracked_files_only_and_pop: Said(OK, set(), 1),
    clean: Said("drift", {"changed-file"}, 1),
    checkout_of_one_file: Said("drift", {"changed-file"}, 1),
    switch_to_and_fro: Said(OK, set(), 1),
    switch_with_a_write_not_committed: Said(OK, set(), 2),
    checkout_that_converts_line_ends: Said(OK, set(), 1),
    checkout_that_converts_line_ends_of_the_log: Said("tampered", {"bad-line", "no-root"}, 0),
    merge_from_two_worktrees: Said(OK, set(), 2),
    committed_edit_of_a_segment: Said("tampered", {"bad-line", "no-root"}, 0),
    committed_edit_of_a_version: Said("drift", {"changed-file"}, 1),
    two_activations_of_a_new_model: Said("needs_reconcile", {"two-active"}, 2),
    two_activations_with_one_predecessor: Said("needs_reconcile", {"two-active", "forked-file"}, 2),
    one_activation_twice: Said("needs_reconcile", {"forked-file", "changed-file"}, 2),
    two_changes_of_one_version: Said("needs_reconcile", {"forked-file", "changed-file"}, 2),
    two_changes_of_one_version_not_settled: Said(
        "needs_reconcile", {"merge-markers", "forked-file", "changed-file"}, 2
    ),
    two_canaries: Said("needs_reconcile", {"two-canaries"}, 2),
}


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.__name__.replace("_", "-"))
def test_verify_tells_what_an_operation_of_git_left(repo: Repo, operation: Callable[[Repo], None]) -> None:
    operation(repo)
    told = repo.verify()
    codes = {one["code"] for one in told["findings"]}
    assert Said(told["outcome"], codes, len(told["heads"])) == OPERATIONS[operation], told
    assert told["anchor"] == "self-consistent, not anchored"
    if repo.written:
        assert repo.segments().items() <= repo.written.items()
    if told["outcome"] in ("ok", "incomplete"):
        repo.change(*register("sixth@1.0.0"))
        after = repo.verify()
        assert (after["outcome"], len(after["heads"]), after["entries"]) == (told["outcome"], 1, told["entries"] + 1)


ANCHORED: list[tuple[Callable[[Repo], None], str, str, set[str]]] = [
    (fast_forward, "main@{1}", "ok", set()),
    (merge, "one", "ok", set()),
    (merge, "two", "ok", set()),
    (octopus, "HEAD^4", "ok", set()),
    (rebase, "main", "ok", set()),
    (rebase, "two@{1}", "ok", set()),
    (squash, "two", "ok", set()),
    (cherry_pick, "main@{1}", "incomplete", {"missing-parent"}),
    (stash_and_pop, "main", "ok", set()),
    (checkout_that_converts_line_ends, "two", "ok", set()),
    (amend, "one@{1}", "ok", set()),
    (rebase_that_drops, "two@{1}", "tampered", {"lost-segment", "missing-parent"}),
    (revert_of_the_last, "two", "tampered", {"lost-segment"}),
    (revert_of_all, "two", "tampered", {"lost-segment"}),
    (revert_of_a_merge, "one", "tampered", {"lost-segment"}),
    (revert_of_a_revert, "two", "ok", set()),
    (reset_hard, "two", "tampered", {"lost-segment"}),
    (reset_hard, "main@{1}", "tampered", {"lost-segment"}),
    (merge_that_keeps_ours, "HEAD^1", "ok", set()),
    (merge_that_keeps_ours, "HEAD^2", "tampered", {"lost-segment"}),
]


@pytest.mark.parametrize(
    ("operation", "anchor", "outcome", "codes"),
    ANCHORED,
    ids=lambda one: one.__name__.replace("_", "-") if callable(one) else str(one) if isinstance(one, str) else "",
)
def test_an_anchor_finds_what_an_operation_took_away(
    repo: Repo, operation: Callable[[Repo], None], anchor: str, outcome: str, codes: set[str]
) -> None:
    operation(repo)
    told = repo.verify("--against", anchor)
    found = {one["code"] for one in told["findings"] if CODES[one["code"]] != "ok"}
    assert (told["outcome"], found) == (outcome, codes), told
    assert told["anchor"].startswith(f"{anchor} ({repo.git('rev-parse', anchor)[:12]})")


@pytest.mark.parametrize(
    ("operation", "is_seen"),
    [
        (merge, False),
        (octopus, False),
        (rebase, False),
        (squash_and_merge, False),
        (cherry_pick_and_merge, False),
        (revert_of_the_last, True),
        (committed_edit_of_a_segment, True),
    ],
)
def test_git_alone_tells_whether_a_segment_was_ever_changed(
    repo: Repo, operation: Callable[[Repo], None], is_seen: bool
) -> None:
    operation(repo)
    assert bool(repo.git("log", "--diff-filter=MDRTX", "--format=%h", "--", "registry/audit")) == is_seen


def test_a_write_after_entries_were_taken_away_grows_from_what_is_left(repo: Repo) -> None:
    reset_hard(repo)
    before = repo.verify()
    repo.change("unblock", "m@2.0.0")
    after = repo.verify("--against", "HEAD~1")
    assert (after["outcome"], after["entries"], len(after["heads"])) == ("ok", before["entries"] + 1, 1)
    assert repo.verify("--against", "two")["outcome"] == "tampered"


def test_a_merge_that_waits_for_its_conflicts_takes_no_write_of_that_model_and_is_settled_by_reconcile(
    repo: Repo,
) -> None:
    two_activations_with_one_predecessor(repo)
    arguments = ["-C", str(repo.root)]
    ran = repo.cli("reconcile", "m", "--keep", "m@2.0.0", "--yes", *arguments)
    assert ran.code == 0, ran
    repo.commit()
    told = repo.verify("--against", "HEAD^^1", "--against", "HEAD^^2")
    assert (told["outcome"], len(told["heads"])) == ("ok", 1)
    assert payload(repo.cli("show", "m@active", "-o", "json", *arguments))["version"] == "2.0.0"


def test_a_shallow_clone_verifies_and_says_what_an_anchor_needs(repo: Repo) -> None:
    merge(repo)
    folder = repo.top.parent / "shallow"
    repo.git("clone", "-q", "--depth", "1", f"file://{repo.top}", str(folder))
    shallow = Repo(folder, repo.cli)
    assert shallow.git("rev-parse", "--is-shallow-repository") == "true"
    assert shallow.verify()["outcome"] == "ok"
    ran = repo.cli("verify", "--against", "origin/main~1", "-C", str(shallow.root))
    assert (ran.code, ran.out) == (4, "")
    assert "fetch-depth: 0" in ran.err
    shallow.change("unblock", "m@2.0.0")
    assert shallow.verify("--against", "origin/main")["outcome"] == "ok"
    shallow.git("fetch", "-q", "--unshallow")
    assert shallow.verify("--against", "origin/main~1")["outcome"] == "ok"


def test_clones_that_push_to_one_branch_lose_nothing(repo: Repo) -> None:
    middle = repo.top.parent / "middle.git"
    repo.git("clone", "-q", "--bare", str(repo.top), str(middle))
    clones = []
    for name, ref in (("east", "fifth@1.0.0"), ("west", "other@1.0.0"), ("south", "m@2.0.0")):
        repo.git("clone", "-q", str(middle), str(repo.top.parent / name))
        clones.append(Repo(repo.top.parent / name, repo.cli))
        clones[-1].change("block", ref)
    for number, clone in enumerate(clones):
        clone.git("pull", "-q", "--no-edit", "--rebase" if number == 1 else "--no-rebase")
        clone.git("push", "-q")
    last = clones[-1].verify("--against", "origin/main")
    assert (last["outcome"], len(last["heads"])) == ("ok", 3)
    assert last["entries"] == repo.verify()["entries"] + 3


def jobs() -> list[str]:
    """Return the lines of the jobs in the documentation that run helixctl."""
    blocks = re.findall(r"```yaml\n(.*?)```", (DOCS / "audit.md").read_text(), re.DOTALL)
    return [line for block in blocks for line in re.findall(r"(?:- |run: )(helixctl .*)", block)]


@pytest.mark.parametrize("line", jobs())
def test_a_job_of_the_documentation_tells_a_good_pull_request_from_a_bad_one(repo: Repo, line: str) -> None:
    folder = repo.top.parent / "checkout"
    repo.git("clone", "-q", str(repo.top), str(folder))
    checkout = Repo(folder, repo.cli)
    checkout.git("switch", "-qc", "request")
    checkout.change("block", "fifth@1.0.0")
    line = line.replace("$GITHUB_STEP_SUMMARY", str(repo.top.parent / "summary.md"))
    words = [*shlex.split(line.partition(" >")[0])[1:], "-C", str(checkout.root)]
    good = repo.cli(*words)
    assert (good.code, good.err) == (0, "")
    committed_edit_of_a_segment(checkout)
    assert repo.cli(*words).code == 6


def test_the_documentation_has_a_job_for_github_and_one_for_gitlab() -> None:
    formats = [found[1] for line in jobs() if (found := re.search(r"-o (\w+)", line))]
    assert formats == ["github", "gitlab"]
