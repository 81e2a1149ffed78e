"""A secret planted wherever one may end up by mistake; every command must neither keep nor show it.

tests/cli/test_secrets.py has what single commands do with an argument or a file; here it is the program as installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helixctl.cli import app
from tests.conftest import BECAUSE, OVERRIDE, Place, Ran

Helix = Callable[..., Ran]
CANARY = "c4n4ry-s3cr3t"
URL = f"https://user:{CANARY}@example.com/{CANARY}?key={CANARY}"
ENVIRONMENT = {
    **dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AZURE_CLIENT_SECRET", "HF_TOKEN", "PASSWORD"), CANARY),
    **dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), CANARY),
    **dict.fromkeys(("GITHUB_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "CI_JOB_TOKEN", "CI_JOB_JWT", "NPM_TOKEN"), CANARY),
    **dict.fromkeys(("HELIX_TOKEN", "HELIX_PASSWORD", "HELIX_API_KEY", "HELIX_SECRET", "HELIXCTL_TOKEN"), CANARY),
    **dict.fromkeys(("GIT_PASSWORD", "GIT_ASKPASS", "SSH_ASKPASS", "SSH_AUTH_SOCK", "EDITOR", "PAGER"), CANARY),
    **dict.fromkeys(("DATABASE_URL", "HTTPS_PROXY", "HTTP_PROXY", "HELIX_WEBHOOK_URL", "SENTRY_DSN"), URL),
}
SETTINGS = f"""
[sources.production]
url = "{URL}"
token = "{CANARY}"

[outputs.warehouse]
password = "{CANARY}"

[[notify]]
webhook = "{URL}"
headers = {{ Authorization = "Bearer {CANARY}" }}
# {CANARY}
"""
LINE = f'{{"success":true,"latency_ms":5,"prompt":"{CANARY}","response":"{CANARY}","headers":{{"key":"{CANARY}"}}}}\n'
FAILED = f'{{"success":false,"latency_ms":null,"error":"401 Unauthorized: {CANARY}","url":"{URL}"}}\n'
INFERENCES = (LINE * 60 + FAILED).encode()
OVERRIDES = [word for rule in OVERRIDE for word in ("--override", rule)] + ["--reason", BECAUSE]
COMMANDS: dict[str, tuple[list[str], list[str]]] = {
    "init": (["init", "new"], ["init", "helix.toml/x"]),
    "demo": (["demo", "sample"], ["demo", "models"]),
    "completion": (["completion", "bash"], ["completion", "tcsh"]),
    "register": (
        ["register", "new@1.0.0", "--provider", "x"],
        ["register", "m@1.0.0", "--provider", "y", "--set", "cost=1"],
    ),
    "update": (["update", "other@1.0.0", "--set", "cost.tier=premium"], ["update", "m@9.0.0", "--set", "cost.tier=x"]),
    "promote": (["promote", "other@1.0.0", "--to", "testing"], ["promote", "m@1.0.0", "--to", "canary"]),
    "activate": (["activate", "m@2.0.0", *OVERRIDES], ["activate", "m@2.0.0"]),
    "deactivate": (["deactivate", "m@2.0.0", "--reason", "later"], ["deactivate", "other@1.0.0", "--expect", "active"]),
    "rollback": (["rollback", "m"], ["rollback", "other"]),
    "deprecate": (["deprecate", "m@2.0.0"], ["deprecate", "m@2.0.0", "--eol", "never"]),
    "retire": (["retire", "m@2.0.0", "--yes"], ["retire", "m@2.0.0"]),
    "block": (["block", "m@2.0.0"], ["block", "m@9.0.0"]),
    "unblock": (["unblock", "m@2.0.0"], ["unblock", "nothing@1.0.0"]),
    "adopt": (["adopt", "m@2.0.0", "--reason", "none"], ["adopt", "m@9.0.0"]),
    "sweep": (["sweep"], ["sweep", "--as-of", "never"]),
    "check": (["check", "m", "--for", "rollback"], ["check", "m@2.0.0"]),
    "record": (["record", "m@2.0.0"], ["record", "m@9.0.0"]),
    "evaluate": (["evaluate", "m@2.0.0", "--from", "-"], ["evaluate", "m@2.0.0", "--from", "nowhere.jsonl"]),
    "compare": (
        ["compare", "m@2.0.0", "m@active", "--from", "-", "--baseline-from", "../inferences.jsonl"],
        ["compare", "m@2.0.0", "m@active"],
    ),
    "list": (["list"], ["list", "--fields", "nothing"]),
    "show": (["show", "m@active"], ["show", "m@9.0.0"]),
    "status": (["status"], ["status", "nothing"]),
    "history": (["history", "m"], ["history", "nothing"]),
    "verify": (["verify"], ["verify", "--against", "nothing"]),
    "reconcile": (["reconcile", "--yes"], ["reconcile", "nothing"]),
    "audit log": (["audit", "log", "-v"], ["audit", "log", "--since", "never"]),
    "audit export": (["audit", "export"], ["audit", "export", "--since", "never"]),
    "audit verify": (["audit", "verify"], ["audit", "verify", "--file", "-"]),
    "audit report": (["audit", "report"], ["audit", "report", "--since", "never"]),
    "audit checkpoint": (["audit", "checkpoint"], ["audit", "checkpoint", "--sign"]),
    "audit archive": (["audit", "archive", "--to", "../archive", "--yes"], ["audit", "archive"]),
    "audit restore-archive": (["audit", "restore-archive", "../archive"], ["audit", "restore-archive", "nowhere"]),
}
"""A line that may succeed and one that is refused, by command; both get the secret on stdin and in the environment."""


def leaves() -> Iterator[tuple[str, app.Entry]]:
    for name, entry in app.COMMANDS.items():
        if name in app.GROUPS:
            yield from ((f"{name} {inner}", one) for inner, one in app.GROUPS[name].items())
        else:
            yield name, entry


FORMATS = [(name, output) for name, entry in leaves() for output in entry.formats]


def holders(folder: Path) -> set[str]:
    """Return the files below a folder that hold the secret, in their bytes or in their name."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if CANARY in path.name or (path.is_file() and CANARY.encode() in path.read_bytes())
    }


def shows(ran: Ran) -> bool:
    """Tell whether a command printed the secret; one that hit a bug shows nothing, but is no proof either."""
    assert ran.code != 1, ran
    return CANARY in (ran.out + ran.err).lower()


@pytest.fixture
def planted(full: Place) -> Place:
    """A registry whose settings hold the secret where values are free, and inferences that do beside it."""
    with (full.root / "helix.toml").open("a") as file:
        file.write(SETTINGS)
    (full.root.parent / "inferences.jsonl").write_bytes(INFERENCES)
    return full


def test_every_command_is_tried() -> None:
    assert sorted(COMMANDS) == sorted(name for name, _ in leaves())


@pytest.mark.parametrize(("name", "output"), FORMATS)
def test_no_command_keeps_or_shows_what_the_environment_the_settings_and_stdin_hold(
    planted: Place, helix: Helix, name: str, output: str
) -> None:
    before = holders(planted.root.parent)
    good, bad = COMMANDS[name]
    for words in (bad, good):
        ran = helix(*words, "-o", output, stdin=INFERENCES, cwd=planted.root, **ENVIRONMENT)
        assert not shows(ran), words
    assert ran.code != 2
    assert holders(planted.root.parent) == before == {"registry/helix.toml", "inferences.jsonl"}


@pytest.mark.parametrize(
    ("marker", "name"),
    [
        ({"GITHUB_ACTIONS": "true"}, "GITHUB_TRIGGERING_ACTOR"),
        ({"GITLAB_CI": "true"}, "GITLAB_USER_LOGIN"),
        ({"JENKINS_URL": URL}, "BUILD_USER_ID"),
        ({"BUILDKITE": "true"}, "BUILDKITE_BUILD_CREATOR_EMAIL"),
        ({"CI": "true"}, ""),
    ],
)
def test_of_the_variables_of_a_ci_system_only_the_id_is_kept(
    planted: Place, helix: Helix, marker: dict[str, str], name: str
) -> None:
    secret = ("GITHUB_EVENT_PATH", "GITHUB_TOKEN", "CI_REPOSITORY_URL", "CI_JOB_TOKEN", "GITLAB_USER_NAME", "BUILD_URL")
    known = {**ENVIRONMENT, **dict.fromkeys(secret, URL), **marker, **({name: "bot-7"} if name else {})}
    ran = helix("block", "m@2.0.0", cwd=planted.root, HELIX_ACTOR="", **known)
    assert (ran.code, shows(ran)) == (0, False)
    ran = helix("audit", "log", "-n", "1", "-o", "json", cwd=planted.root, **known)
    assert json.loads(ran.out)["entries"][0]["actor"]["id"] == ("bot-7" if name else "unknown")
    assert not shows(ran)
    assert holders(planted.root) == {"helix.toml"}


REFUSED = (
    (["block", "m@2.0.0", f"--token={CANARY}"], 2),
    (["block", "m@2.0.0", "--token", CANARY], 2),
    (["block", "m@2.0.0", "m@1.0.0", CANARY], 2),
    (["promote", "m@2.0.0", "--to", "canary", "--weight", CANARY], 2),
    (["update", "m@2.0.0", "--set", f"cost.input_per_mtok={CANARY}"], 2),
    (["update", "m@2.0.0", "--set", f"secret={CANARY}"], 2),
    (["update", "m@2.0.0", "--set", f"cost={CANARY}"], 2),
    (["register", "new@1.0.0", "--provider", "x", "--set", f"cost.tier={CANARY}"], 2),
    (["activate", "m@2.0.0", "--expect", CANARY], 2),
    (["activate", "m@2.0.0", "--override", CANARY], 2),
    (["activate", "m@2.0.0", "--override", CANARY, "--reason", "x"], 2),
    (["deprecate", "m@2.0.0", "--eol", CANARY], 2),
    (["sweep", "--as-of", CANARY], 2),
    (["audit", "log", "--since", CANARY], 2),
    (["list", "--color", CANARY], 2),
    (["list", "-o", CANARY], 2),
    (["list", "--fields", CANARY], 2),
    (["check", "m@2.0.0", "--for", CANARY], 2),
    (["show", f"{CANARY} {CANARY}"], 2),
    (["show", f"m@{CANARY}"], 2),
    (["show", CANARY], 2),
    (["show", f"{CANARY}@1.0.0"], 4),
    (["rollback", CANARY], 4),
    (["history", CANARY], 4),
    (["verify", "--against", CANARY], 4),
    (["verify", "-C", CANARY], 4),
    ([CANARY], 2),
)


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(("words", "code"), REFUSED, ids=lambda one: " ".join(one) if isinstance(one, list) else "")
def test_an_argument_that_is_refused_is_not_kept(
    full: Place, helix: Helix, words: list[str], code: int, output: str
) -> None:
    ran = helix(*words, *(["-o", output] if "-o" not in words and len(words) > 1 else []), cwd=full.root)
    print(ran)
    assert ran.out == ""
    assert holders(full.root.parent) == set()
