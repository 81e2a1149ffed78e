"""Who runs the command, and how that is known."""

from __future__ import annotations

from collections.abc import Mapping

from helixctl.core.audit import Actor
from helixctl.errors import Usage

MAX_ID = 200


def actor_of(given: str | None, environment: Mapping[str, str]) -> Actor:
    """Return the actor.

    Raises:
        Usage: a name that was given is empty, too long, or holds control characters.
    """
    stated = given if given is not None else environment.get("HELIX_ACTOR")
    if stated is not None and (given is not None or stated):
        if not stated or len(stated) > MAX_ID or not stated.isprintable() or stated != _plain(stated):
            hint = (
                f"give a printable name of at most {MAX_ID} characters, without spaces around it or look-alikes in it"
            )
            raise Usage(f"invalid actor {stated[:40]!a}", hint=hint)
        return Actor(stated, "user", "flag" if given is not None else "environment")
    return _ci(environment) or _git() or _system()


def _ci(environment: Mapping[str, str]) -> Actor | None:
    for marker, names, via in (
        ("GITHUB_ACTIONS", ("GITHUB_TRIGGERING_ACTOR", "GITHUB_ACTOR"), "github"),
        ("GITLAB_CI", ("GITLAB_USER_LOGIN",), "gitlab"),
        ("JENKINS_URL", ("BUILD_USER_ID",), "jenkins"),
        ("BUILDKITE", ("BUILDKITE_BUILD_CREATOR_EMAIL",), "buildkite"),
    ):
        if environment.get(marker):
            found = [environment[name] for name in names if environment.get(name)] or ["unknown"]
            ran = "" if found[-1] == found[0] else f", a run of {_clean(found[-1])}"
            return Actor(_clean(found[0]), "ci", via + ran)
    return Actor("unknown", "ci", "ci") if environment.get("CI") == "true" else None


def _git() -> Actor | None:
    import subprocess

    try:
        done = subprocess.run(
            ["git", "config", "user.email"], capture_output=True, check=False, timeout=10, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    name = _clean(done.stdout.decode(errors="replace").strip())
    return Actor(name, "user", "git") if name and done.returncode == 0 else None


def _system() -> Actor:
    import os

    if not hasattr(os, "getuid"):  # Windows
        return Actor(_clean(os.getlogin()), "user", "os")
    import pwd

    try:
        return Actor(_clean(pwd.getpwuid(os.getuid()).pw_name), "user", "os")
    except KeyError:
        return Actor(f"uid-{os.getuid()}", "user", "os")


def _plain(name: str) -> str:
    """Return a name without what makes another look like it.

    Source: Unicode Standard Annex 15, NFKC.
    """
    if name.isascii():
        return name.strip()
    from unicodedata import normalize

    return normalize("NFKC", name).strip()


def _clean(name: str) -> str:
    return _plain("".join(letter for letter in name if letter.isprintable()))[:MAX_ID]
