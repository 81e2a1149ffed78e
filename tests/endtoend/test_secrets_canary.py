"""A secret planted wherever one may end up by mistake; every command must neither keep nor show it.

tests/cli/test_secrets.py has what single commands do with an argument or a file; here it is the program as installed.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helixctl.cli import menu
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
connect = "{URL}"
where = {{ token = "{CANARY}" }}

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
    "schedule list": (["schedule", "list"], ["schedule", "list", "--fields", "nothing"]),
    "schedule cancel": (["schedule", "cancel", "nothing", "--dry-run"], ["schedule", "cancel", "nothing"]),
    "help": (["help", "7"], ["help", "nothing"]),
    "policy list": (["policy", "list"], ["policy", "list", "--fields", "nothing"]),
    "policy lint": (["policy", "lint"], ["policy", "lint", "nowhere.toml"]),
    "policy explain": (["policy", "explain", "m@2.0.0"], ["policy", "explain", "m@9.0.0"]),
    "policy test": (["policy", "test"], ["policy", "test", "nowhere.toml"]),
    "diff": (["diff", "m@1.0.0", "m@2.0.0"], ["diff", "m@1.0.0", "m@9.0.0"]),
    "check": (["check", "m", "--for", "rollback"], ["check", "m@2.0.0"]),
    "approve": (["approve", "m@2.0.0", "--for", "canary"], ["approve", "m@2.0.0", "--expires", "never"]),
    "reject": (["reject", "m@2.0.0"], ["reject", "m@9.0.0"]),
    "withdraw": (["withdraw", "other@1.0.0"], ["withdraw", "m@2.0.0"]),
    "approvals": (["approvals", "m@2.0.0"], ["approvals", "nothing@1.0.0"]),
    "override list": (["override", "list"], ["override", "list", "--fields", "nothing"]),
    "override review": (["override", "review", "019"], ["override", "review", "nothing"]),
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


def leaves() -> Iterator[tuple[str, menu.Entry]]:
    for name, entry in menu.COMMANDS.items():
        if name in menu.GROUPS:
            yield from ((f"{name} {inner}", one) for inner, one in menu.GROUPS[name].items())
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
    assert full.registry.approvals.reject("other@1.0.0").changed
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


REFUSED: tuple[tuple[list[str], int], ...] = (
    (["block", "m@2.0.0", f"--token={CANARY}"], 2),
    (["block", "m@2.0.0", "--token", CANARY], 2),
    (["block", "m@2.0.0", CANARY], 2),
    (["block", "m@2.0.0", "m@1.0.0", CANARY], 2),
    (["block", "m@2.0.0", "--dry-run", CANARY], 2),
    (["completion", CANARY], 2),
    (["promote", "m@2.0.0", "--to", CANARY], 2),
    (["promote", "m@2.0.0", "--to", "canary", "--weight", CANARY], 2),
    (["record", "m@2.0.0", "--latency-ms", CANARY], 2),
    (["audit", "log", "-n", CANARY], 2),
    (["update", "m@2.0.0", "--set", f"cost.input_per_mtok={CANARY}"], 2),
    (["update", "m@2.0.0", "--set", f"secret={CANARY}"], 2),
    (["update", "m@2.0.0", "--set", f"cost={CANARY}"], 2),
    (["register", "new@1.0.0", "--provider", "x", "--set", f"cost.tier={CANARY}"], 2),
    (["register", "new@1.0.0", "--provider", "x", "--set", f"cost.input_per_mtok={CANARY}"], 2),
)
"""Values where none, or another kind, belongs: neither kept nor shown."""
NAMED: tuple[tuple[list[str], int], ...] = (
    (["activate", "m@2.0.0", "--expect", CANARY], 2),
    (["activate", "m@2.0.0", "--override", CANARY], 2),
    (["activate", "m@2.0.0", "--override", CANARY, "--reason", BECAUSE], 2),
    (["update", "m@2.0.0", "--set", CANARY], 2),
    (["deprecate", "m@2.0.0", "--eol", CANARY], 2),
    (["sweep", "--as-of", CANARY], 2),
    (["audit", "log", "--since", CANARY], 2),
    (["list", "--color", CANARY], 2),
    (["list", "-o", CANARY], 2),
    (["list", "--fields", CANARY], 2),
    (["check", "m@2.0.0", "--for", CANARY], 2),
    (["show", f"{CANARY} {CANARY}"], 2),
    (["show", f"m@{CANARY}"], 2),
    (["show", CANARY], 4),
    (["list", CANARY], 4),
    (["show", f"{CANARY}@1.0.0"], 4),
    (["block", f"{CANARY}@1.0.0"], 4),
    (["activate", f"m@2.0.0-{CANARY}"], 4),
    (["rollback", CANARY], 4),
    (["rollback", "m", "--to", CANARY], 2),
    (["history", CANARY], 4),
    (["verify", "--against", CANARY], 4),
    (["verify", "-C", CANARY], 4),
    (["evaluate", "m@2.0.0", "--from", CANARY], 4),
    ([f"--{CANARY}"], 2),
    ([CANARY], 2),
)
"""Words that name something, which an error repeats on stderr so that a mistyped one is seen: not kept."""


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize(
    ("words", "code"), REFUSED + NAMED, ids=lambda one: " ".join(one) if isinstance(one, list) else ""
)
def test_an_argument_that_is_refused_is_not_kept(
    full: Place, helix: Helix, words: list[str], code: int, output: str
) -> None:
    asked = [] if "-o" in words or len(words) == 1 else ["-o", output]
    ran = helix(*words, *asked, cwd=full.root)
    assert (ran.code, ran.out) == (code, "")
    assert not shows(ran) or (words, code) in NAMED
    assert holders(full.root.parent) == set()
    assert helix("verify", cwd=full.root).code == 0


BAD_LINES = {
    "no json": f"{CANARY}\n",
    "a number that is a text": f'{{"success":true,"latency_ms":"{CANARY}"}}\n',
    "a text that is a table": f'{{"success":false,"latency_ms":null,"error":{{"message":"{CANARY}"}}}}\n',
    "another model": f'{{"model":"{CANARY}","success":true,"latency_ms":1}}\n',
    "a time that is none": f'{{"success":true,"latency_ms":1,"ts":"{CANARY}"}}\n',
    "a region that is none": f'{{"success":true,"latency_ms":1,"region":"{CANARY} {CANARY}"}}\n',
    "a key twice": f'{{"success":true,"latency_ms":1,"{CANARY}":1,"{CANARY}":2}}\n',
    "no end": f'{{"success":true,"prompt":"{CANARY}\n',
    "bytes that are no text": f'{{"success":true,"prompt":"{CANARY}\udcff"}}\n',
    "another object": f'["{CANARY}"]\n',
}
KEPT = {"ts", "region", "success", "latency_ms", "input_tokens", "output_tokens", "cost", "confidence", "error"}


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("what", BAD_LINES)
def test_what_a_bad_line_of_inferences_says_is_neither_kept_nor_shown(
    full: Place, helix: Helix, what: str, output: str
) -> None:
    lines = BAD_LINES[what].encode(errors="surrogateescape") * 3 + INFERENCES
    (full.root.parent / "inferences.jsonl").write_bytes(lines)
    source = ("--from", "../inferences.jsonl")
    for words in (
        ("record", "m@2.0.0"),
        ("evaluate", "m@2.0.0", *source),
        ("evaluate", "m@2.0.0"),
        ("compare", "m@2.0.0", "m@active", *source, "--baseline-from", "-"),
        ("show", "m@2.0.0"),
    ):
        ran = helix(*words, "-o", output, "-v", stdin=lines, cwd=full.root)
        assert not shows(ran), words
    assert holders(full.root.parent) == {"inferences.jsonl"}


def test_of_an_inference_only_known_fields_are_kept(planted: Place, helix: Helix) -> None:
    assert helix("record", "m@2.0.0", stdin=INFERENCES, cwd=planted.root).code == 0
    (kept,) = (planted.root / ".helix" / "inferences" / "m" / "2.0.0").rglob("*.jsonl")
    rows = [json.loads(line) for line in kept.read_text().splitlines()]
    assert len(rows) == INFERENCES.count(b"\n")
    assert {name for row in rows for name in row} <= KEPT
    assert {row.get("error") for row in rows} == {None, "client"}


def test_a_line_of_an_export_that_is_no_entry_is_not_quoted(full: Place, helix: Helix) -> None:
    exported = helix("audit", "export", cwd=full.root).out
    for bad in (CANARY, f'{{"v":1,"seq":1,"token":"{CANARY}"}}', exported.splitlines()[0].replace("alice", CANARY)):
        for output in menu.AUDIT["verify"].formats:
            ran = helix(
                "audit", "verify", "--file", "-", "-o", output, stdin=f"{exported}{bad}\n".encode(), cwd=full.root
            )
            assert (ran.code, shows(ran)) == (6, False), (bad, ran)


@pytest.mark.parametrize(
    "key", [CANARY, f"/{CANARY}", f"ssh-ed25519 {CANARY}", f"key::{CANARY}", f"-----BEGIN {CANARY}"]
)
def test_a_signing_key_that_is_put_where_its_path_belongs_is_neither_kept_nor_shown(
    full: Place, helix: Helix, key: str
) -> None:
    with (full.root / "helix.toml").open("a") as file:
        file.write("\n[audit]\nsign = true\n")
    for words in (["audit", "checkpoint", "--sign"], ["block", "m@2.0.0"], ["verify"]):
        for output in ("text", "json"):
            assert not shows(helix(*words, "-o", output, cwd=full.root, HELIX_SIGNING_KEY=key)), words
    assert holders(full.root.parent) == set()


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_what_the_configuration_of_git_holds_is_neither_kept_nor_shown(full: Place, helix: Helix) -> None:
    top = full.root.parent
    for words in (
        ["init", "-q"],
        ["remote", "add", "origin", URL],
        ["config", "http.extraHeader", f"Authorization: {CANARY}"],
        ["config", "user.name", CANARY],
        ["config", "user.email", "alice@example.com"],
        ["add", "registry"],
    ):
        subprocess.run(["git", *words], cwd=top, check=True)
    for line in (
        "block m@2.0.0",
        "verify --against origin/main",
        "reconcile --yes",
        "audit checkpoint",
        "audit log -v",
    ):
        for output in ("text", "json"):
            ran = helix(*line.split(), "-o", output, cwd=full.root, HELIX_ACTOR="")
            assert not shows(ran), line
    assert holders(full.root) == set()


HEAD = 'schema = 1\nmodel = "new"\nversion = "1.0.0"\nprovider = "x"\n'
SPECIFICATIONS = {
    "an unknown key": f'token = "{CANARY}"\n',
    "a key of another kind": f'tags = "{CANARY}"\n',
    "a number that is a text": f'[cost]\ninput_per_mtok = "{CANARY}"\n',
    "a text that is a table": f'[description]\ntext = "{CANARY}"\n',
    "a table that is a text": f'cost = "{CANARY}"\n',
    "a table that is not there": f'[secrets]\nkey = "{CANARY}"\n',
    "a word of a closed set": f'[cost]\ntier = "{CANARY}"\n',
    "another schema": f'schema = "{CANARY}"\n',
    "an element of another kind": f'tags = ["a", {{ key = "{CANARY}" }}]\n',
    "a date that is a text": f'release_date = "{CANARY}"\n',
    "a value that has no end": f'description = "{CANARY}\n',
    "a value without quotes": f"description = {CANARY}\n",
    "a line that is none": f"{CANARY}\n",
    "a key twice": f'description = "{CANARY}"\ndescription = "{CANARY}"\n',
    "a table twice": f'[cost]\ntier = "{CANARY}"\n[cost]\n',
    "a control character": f'description = "{CANARY}\x07"\n',
    "an escape that is none": f'description = "\\q{CANARY}"\n',
    "a comment beside a mistake": f"# {CANARY}\nx x\n",
    "a mistake after a good value": f'description = "{CANARY}"\nx x\n',
    "an array without an end": f'tags = ["{CANARY}", \n',
    "a table of the lifecycle": f'[lifecycle]\nstatus = "{CANARY}"\n',
}
SETTINGS_REFUSED = {
    "an unknown key": f'token = "{CANARY}"\n',
    "a table that is not there": f'[secrets]\nkey = "{CANARY}"\n',
    "a number that is a text": f'[lifecycle]\ngrace_days = "{CANARY}"\n',
    "a boolean that is a text": f'[audit]\nsign = "{CANARY}"\n',
    "a list that is a text": f'[evaluation]\nwarn = "{CANARY}"\n',
    "a word of a closed set": f'[evaluation]\nwarn = ["{CANARY}"]\n',
    "sources that are a text": f'sources = "{CANARY}"\n',
    "outputs that are a list": f'outputs = ["{CANARY}"]\n',
    "notify that is a table": f'[notify]\nurl = "{URL}"\n',
    "a source with a local time": f'[sources.a]\nkey = "{CANARY}"\nat = 10:00:00\n',
    "a broken line": f'[sources.a]\nkey = "{CANARY}\n',
    "a broken line after others": f'[[notify]]\nwebhook = "{URL}"\nx x\n',
}
RULE = 'schema = 1\nname = "a"\n[[rule]]\nid = "a"\n'
POLICIES_REFUSED = {
    "an unknown key": f'token = "{CANARY}"\n{RULE}enforcement = "advisory"\nnot_deprecated = true\n',
    "a key of a rule that is not there": f'{RULE}enforcement = "advisory"\ntoken = "{CANARY}"\n',
    "a word of a closed set": f'{RULE}not_deprecated = true\nenforcement = "{CANARY}"\n',
    "a parameter of another kind": f'{RULE}enforcement = "advisory"\nnot_deprecated = "{CANARY}"\n',
    "a price that is a text": f'{RULE}enforcement = "advisory"\ncost = {{ max_per_request = "{CANARY}", input_tokens = 1, output_tokens = 1 }}\n',
    "a duration that is none": f'{RULE}enforcement = "advisory"\neol_headroom = "{CANARY}"\n',
    "an action that is not there": f'{RULE}enforcement = "advisory"\nnot_deprecated = true\nactions = ["{CANARY}"]\n',
    "a broken line": f'{RULE}enforcement = "{CANARY}\n',
}
READS = ("list", "show new@1.0.0", "verify", "audit log", "check m@2.0.0")
WRITES = ("block m@2.0.0", "adopt new@1.0.0 --reason x", "update new@1.0.0 --set cost.x=1")


def told(helix: Helix, root: Path, *lines: str) -> Iterator[tuple[str, Ran]]:
    """Run command lines, in the format for people and in another one by turns."""
    for number, line in enumerate(lines):
        offered = dict(leaves())[" ".join(line.split()[: 2 if line.startswith("audit") else 1])].formats
        output = offered[number % len(offered)]
        yield f"{line} -o {output}", helix(*line.split(), "-o", output, cwd=root)


@pytest.mark.parametrize("what", SPECIFICATIONS)
def test_a_specification_that_is_refused_is_neither_quoted_nor_kept(full: Place, helix: Helix, what: str) -> None:
    text = HEAD + SPECIFICATIONS[what]
    if what == "another schema":
        text = text.removeprefix("schema = 1\n")
    for output in ("text", "json"):
        ran = helix("register", "-f", "-", "-o", output, stdin=text.encode(), cwd=full.root)
        assert (ran.code, ran.out, shows(ran)) == (2, "", False), ran.err
    assert holders(full.root.parent) == set()


@pytest.mark.parametrize("what", SPECIFICATIONS)
def test_a_version_file_with_a_mistake_in_it_is_not_quoted(full: Place, helix: Helix, what: str) -> None:
    full.register("new@1.0.0")
    path = full.path("new@1.0.0")
    path.write_text(path.read_text().replace("provider =", f"{SPECIFICATIONS[what]}provider ="))
    for line, ran in told(helix, full.root, *READS, *WRITES):
        assert not shows(ran), (line, ran)
    assert holders(full.root.parent) == {"registry/models/new/1.0.0.toml"}


@pytest.mark.parametrize(
    ("path", "text"),
    [("helix.toml", text) for text in SETTINGS_REFUSED.values()]
    + [("policies/secret.toml", text) for text in POLICIES_REFUSED.values()],
    ids=[*(f"settings: {what}" for what in SETTINGS_REFUSED), *(f"policies: {what}" for what in POLICIES_REFUSED)],
)
def test_settings_and_policies_that_are_refused_are_not_quoted(full: Place, helix: Helix, path: str, text: str) -> None:
    file = full.root / path
    file.parent.mkdir(exist_ok=True)
    before = file.read_text() if file.exists() else ""
    head, _, rest = before.partition("\n[")
    file.write_text(f"{head}\n{text}[{rest}" if text[0] != "[" and rest else before + text)
    codes = set()
    for line, ran in told(helix, full.root, *READS, *WRITES):
        assert not shows(ran), (line, ran)
        codes.add(ran.code)
    assert 2 in codes
    assert holders(full.root.parent) == {f"registry/{path}"}
