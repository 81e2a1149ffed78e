from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Place, Ran
from tests.endtoend.outside import NOBODY, as_nobody, everything, payload, process, reachable

Cli = Callable[..., Ran]
READS = (
    ("list", 0),
    ("show m@active", 0),
    ("status", 0),
    ("history m", 0),
    ("audit log", 0),
    ("audit export", 0),
    ("audit verify", 0),
    ("verify", 0),
    ("check m@2.0.0 --for activate", 7),
    ("check m --for rollback", 0),
    ("activate m@2.0.0 --dry-run", 7),
    ("rollback m --dry-run", 0),
    ("block m@2.0.0 --dry-run", 0),
    ("sweep --dry-run --as-of 2027-01-01", 0),
)

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


def git(folder: Path, *words: str) -> str:
    person = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *person, *words], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def repository(full: Place) -> Path:
    """A git repository with the registry committed in a sub-folder."""
    top = full.root.parent
    git(top, "init", "-q")
    git(top, "add", "registry")
    git(top, "commit", "-qm", "registry")
    return top


def segments(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in (root / "audit").rglob("*.jsonl"))


def test_nothing_is_committed_or_staged_by_the_command(full: Place, repository: Path, cli: Cli) -> None:
    head, index = git(repository, "rev-parse", "HEAD"), git(repository, "ls-files", "-s")
    refs, config = git(repository, "for-each-ref"), (repository / ".git" / "config").read_bytes()
    assert cli("block", "m@2.0.0").code == 0
    assert cli("unblock", "m@2.0.0").code == 0
    assert cli("verify").code == 0
    assert (git(repository, "rev-parse", "HEAD"), git(repository, "ls-files", "-s")) == (head, index)
    assert (git(repository, "for-each-ref"), (repository / ".git" / "config").read_bytes()) == (refs, config)


def test_a_committed_segment_is_never_appended_to_and_an_open_one_is(full: Place, repository: Path, cli: Cli) -> None:
    (committed,) = segments(full.root)
    before = (full.root / committed).read_bytes()
    assert cli("block", "m@2.0.0").code == 0
    assert cli("unblock", "m@2.0.0").code == 0
    assert (full.root / committed).read_bytes() == before
    (opened,) = set(segments(full.root)) - {committed}
    assert (full.root / opened).read_bytes().count(b"\n") == 2
    git(repository, "add", "-A")
    assert cli("block", "m@2.0.0").code == 0
    assert (full.root / opened).read_bytes().count(b"\n") == 2
    assert len(segments(full.root)) == 3
    assert cli("verify").code == 0


def test_only_what_belongs_into_git_is_seen_by_it(full: Place, repository: Path, cli: Cli) -> None:
    assert cli("record", "m@2.0.0", "--latency-ms", "5").code == 0
    assert cli("block", "m@2.0.0").code == 0
    changed = git(repository, "status", "--porcelain", "--untracked-files=all").splitlines()
    paths = sorted(line.split()[-1].partition("/")[2] for line in changed)
    (new,) = set(segments(full.root)) - set(git(full.root, "ls-files", "audit").splitlines())
    assert paths == [new, "models/m/2.0.0.toml"]


def test_a_fresh_clone_verifies_though_git_converts_line_ends(full: Place, repository: Path, cli: Cli) -> None:
    copy = repository.parent / "clone"
    subprocess.run(
        [
            "git",
            "-c",
            "core.autocrlf=true",
            "clone",
            "-q",
            "-c",
            "core.autocrlf=true",
            "-c",
            "core.eol=crlf",
            repository,
            copy,
        ],
        check=True,
    )
    ran = cli("verify", "-o", "json", "-C", str(copy / "registry"))
    assert (ran.code, payload(ran)["findings"]) == (0, [])
    assert everything(copy / "registry").items() <= everything(full.root).items()


def test_a_worktree_is_a_registry_of_its_own(full: Place, repository: Path, cli: Cli) -> None:
    other = repository.parent / "worktree"
    git(repository, "worktree", "add", "-q", str(other), "-b", "other")
    root = str(other / "registry")
    assert cli("block", "m@2.0.0", "-C", root).code == 0
    assert len(segments(Path(root))) == 2
    assert cli("verify", "-C", root).code == 0
    assert full.registry.show("m@2.0.0").blocked is None


def test_the_registry_is_found_from_any_folder_below_it(full: Place, helix: Callable[..., Ran]) -> None:
    ran = helix("list", "--fields", "model,version", "-o", "csv", cwd=full.root / "models" / "m")
    assert ran.out.splitlines() == ["model,version", "m,1.0.0", "m,1.1.0", "m,2.0.0", "other,1.0.0"]
    ran = helix("list", cwd=full.root.parent)
    assert ran.code == 4
    assert helix("list", cwd=full.root.parent, HELIX_REGISTRY="registry").code == 0
    ran = helix("list", "-C", "nowhere", cwd=full.root.parent, HELIX_REGISTRY="registry")
    assert ran.code == 4


@pytest.mark.parametrize("tracked", [True, False])
def test_reads_and_dry_runs_create_nothing_in_a_fresh_checkout(
    full: Place, repository: Path, cli: Cli, tracked: bool
) -> None:
    root = full.root
    if tracked:
        git(repository, "clone", "-q", ".", "clone")
        root = repository / "clone" / "registry"
    before = everything(root)
    names = sorted(path.name for path in root.rglob("*"))
    for words, code in READS:
        ran = cli(*words.split(), "-C", str(root))
        assert (words, ran.code) == (words, code)
    assert everything(root) == before
    assert sorted(path.name for path in root.rglob("*")) == names


@as_nobody
def test_reads_and_dry_runs_work_where_nothing_may_be_written(full: Place) -> None:
    reachable(full.root)
    before = everything(full.root)
    for words, code in (READS[0], READS[7], READS[8], READS[10]):
        assert (words, process(tuple(words.split()), full.root, NOBODY).code) == (words, code)
    assert everything(full.root) == before


def test_two_branches_that_change_two_models_merge_and_verify(full: Place, repository: Path, cli: Cli) -> None:
    git(repository, "switch", "-qc", "one")
    assert cli("block", "other@1.0.0").code == 0
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "one")
    git(repository, "switch", "-q", "main")
    assert cli("block", "m@2.0.0").code == 0
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "two")
    git(repository, "merge", "-q", "--no-edit", "one")
    told = cli("verify", "-o", "json")
    assert (told.code, len(payload(told)["heads"])) == (0, 2)
    assert cli("unblock", "m@2.0.0").code == 0
    told = cli("verify", "-o", "json")
    assert (told.code, len(payload(told)["heads"])) == (0, 1)


def test_without_git_on_the_path_a_write_opens_a_new_segment(
    full: Place, repository: Path, helix: Callable[..., Ran]
) -> None:
    (committed,) = segments(full.root)
    before = (full.root / committed).read_bytes()
    assert helix("block", "m@2.0.0", cwd=full.root, PATH="/nowhere").code == 0
    assert (full.root / committed).read_bytes() == before
    assert len(segments(full.root)) == 2
