from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import pytest

from helixctl.cli.actor import MAX_ID, actor_of
from helixctl.core.audit import Actor
from helixctl.errors import Usage

GITHUB = {"GITHUB_ACTIONS": "true", "GITHUB_TRIGGERING_ACTOR": "octo", "GITHUB_ACTOR": "cat"}


@pytest.fixture
def author(tmp_path: Path) -> str:
    """The working folder is a git repository with an author of its own."""
    for words in (["init", "-q"], ["config", "user.email", "git@example.com"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return "git@example.com"


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("me", {"HELIX_ACTOR": "env", **GITHUB}, Actor("me", "user", "flag")),
        (None, {"HELIX_ACTOR": "env", **GITHUB}, Actor("env", "user", "environment")),
        (None, {"HELIX_ACTOR": "", **GITHUB}, Actor("octo", "ci", "github, a run of cat")),
        (None, GITHUB, Actor("octo", "ci", "github, a run of cat")),
        (None, {**GITHUB, "GITHUB_ACTOR": "octo"}, Actor("octo", "ci", "github")),
        (None, {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "cat"}, Actor("cat", "ci", "github")),
        (None, {"GITHUB_ACTIONS": "true"}, Actor("unknown", "ci", "github")),
        (None, {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "fox"}, Actor("fox", "ci", "gitlab")),
        (None, {"JENKINS_URL": "http://x", "BUILD_USER_ID": "butler"}, Actor("butler", "ci", "jenkins")),
        (None, {"BUILDKITE": "true", "BUILDKITE_BUILD_CREATOR_EMAIL": "k@x"}, Actor("k@x", "ci", "buildkite")),
        (None, {"CI": "true"}, Actor("unknown", "ci", "ci")),
        (None, {"CI": "false"}, Actor("git@example.com", "user", "git")),
        (None, {}, Actor("git@example.com", "user", "git")),
    ],
)
def test_the_first_source_that_knows_the_actor_is_believed(
    author: str, given: str | None, environment: dict[str, str], expected: Actor
) -> None:
    assert actor_of(given, environment) == expected


def test_without_git_the_user_of_the_system_is_the_actor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert actor_of(None, {}) == Actor(getpass.getuser(), "user", "os")


def test_a_git_that_knows_no_author_gives_way_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    assert actor_of(None, {}).via == "os"


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x1b[31m", "\u202e", "x" * (MAX_ID + 1), "\udcff"])
def test_a_name_that_was_given_and_is_none_is_refused(name: str) -> None:
    with pytest.raises(Usage) as refusal:
        actor_of(name, {"HELIX_ACTOR": "env"})
    assert str(refusal.value).isprintable()
    if name:
        with pytest.raises(Usage):
            actor_of(None, {"HELIX_ACTOR": name})


@pytest.mark.parametrize("name", ["Zoë", "a" * MAX_ID, "svc-deploy@example.com", "[bold]", "a b"])
def test_any_printable_name_is_taken_as_it_is(name: str) -> None:
    assert actor_of(name, {}).id == name


def test_a_name_from_elsewhere_is_cleaned_and_cut() -> None:
    found = actor_of(None, {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "a\nb\x1b[31m" + "x" * 300})
    assert found.id.startswith("ab[31mx")
    assert len(found.id) == MAX_ID


@pytest.mark.parametrize("name", [" alice", "alice ", "alice\u00a0", "alice@example\uff0ecom", "\uff41lice"])
def test_a_name_that_looks_like_another_is_refused(name: str) -> None:
    with pytest.raises(Usage, match="invalid actor"):
        actor_of(name, {})
    found = actor_of(None, {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": name})
    assert found.id in ("alice", "alice@example.com")
