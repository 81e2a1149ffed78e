"""What somebody may try in order to pass a rule that asks for approvals: each is denied or refused, with its reason."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Place, Ran

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None or shutil.which("git") is None, reason="needs ssh-keygen (OpenSSH) and git"
)
Cli = Callable[..., Ran]
REF = "m@1.0.0"
NAMES = {"ada": "ed25519", "bob": "rsa", "eve": "ecdsa"}
APPROVERS = """\
schema = 1
[people]
ada = ["ada@example.com", "ada@home.example"]
bob = ["bob@example.com"]
eve = ["eve@example.com"]
alice = ["alice@example.com"]
[groups]
security = ["ada"]
platform = ["ada", "bob"]
"""
POLICY = """\
schema = 1
name = "four-eyes"
[match]
actions = ["activate", "canary"]
[[rule]]
id = "approvals"
enforcement = "mandatory"
approvals = {{ {} }}
"""
SIGNED = "required = 1, signed = true"


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    for name, kind in NAMES.items():
        words = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", name, "-f", str(folder / name)]
        subprocess.run(words, check=True)
    return {name: folder / name for name in NAMES}


def line(key: Path, principal: str, options: str = 'namespaces="helixctl-approval@v1"') -> str:
    kind, blob = key.with_suffix(".pub").read_text().split()[:2]
    return f"{principal} {options} {kind} {blob}\n"


class Town:
    """A registry with a rule that asks for approvals, its people and their keys."""

    def __init__(self, place: Place, cli: Cli, keys: dict[str, Path]) -> None:
        self.place, self.cli, self.keys, self.root = place, cli, keys, place.root
        (self.root / "policies/default.toml").unlink()
        (self.root / "trust").mkdir()
        self.trust(APPROVERS)
        self.signers({name: f"{name}@example.com" for name in NAMES})
        self.rule(SIGNED)
        place.register(REF)

    def rule(self, parameters: str) -> None:
        (self.root / "policies/four-eyes.toml").write_text(POLICY.format(parameters))

    def trust(self, text: str) -> None:
        (self.root / "trust/approvers.toml").write_text(text)

    def signers(self, principals: dict[str, str], options: str = 'namespaces="helixctl-approval@v1"') -> None:
        lines = [line(self.keys[name], principal, options) for name, principal in principals.items()]
        (self.root / "trust/allowed_signers").write_text("".join(lines))

    def by(self, name: str, *words: str, key: str | None = None, actor: str | None = None) -> Ran:
        """Run a command as one of the people, with their key."""
        environment = {"HELIX_SIGNING_KEY": str(self.keys[key or name])} if (key or name) in self.keys else {}
        return self.cli(*words, HELIX_ACTOR=actor or f"{name}@example.com", **environment)

    def approve(self, name: str, *words: str, **more: str) -> Ran:
        ran = self.by(name, "approve", REF, *words, **more)
        assert ran.code == 0, ran.err
        return ran

    def refused(self, ran: Ran, fact: str, code: int = 2) -> None:
        assert (ran.code, ran.out) == (code, ""), ran
        assert fact in ran.err, ran.err
        assert "hint: " in ran.err

    def denied(self, fact: str, action: str = "activate") -> None:
        """Assert that nobody gets past, that each is told why, and that no file changes but the log."""
        before = {path: raw for path, raw in self.place.files().items() if not path.startswith("audit/")}
        ran = self.cli("check", REF, "--for", action)
        assert ran.code == 3, ran
        assert fact in ran.out, ran.out
        words = ("activate", REF) if action == "activate" else ("promote", REF, "--to", action)
        ran = self.by("dan", *words)
        assert (ran.code, "error" in ran.err) == (3, False), ran
        assert fact in ran.out, ran.out
        assert {path: raw for path, raw in self.place.files().items() if not path.startswith("audit/")} == before
        assert self.place.status(REF) == "inactive"

    def allowed(self) -> None:
        ran = self.by("dan", "activate", REF)
        assert ran.code == 0, ran.out
        assert self.place.status(REF) == "active"

    def statements(self) -> list[Path]:
        return sorted((self.root / "approvals/m/1.0.0").glob("*.toml"))

    def unwritten(self) -> Callable[[], bool]:
        before = self.place.files()
        return lambda: self.place.files() == before

    def sign(self, path: Path, key: str, namespace: str = "helixctl-approval@v1") -> None:
        """Put a signature beside a statement, as somebody with a key and without helixctl would."""
        words = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.keys[key]), "-n", namespace]
        done = subprocess.run(words, input=path.read_bytes(), capture_output=True, check=True)
        path.with_name(f"{path.name}.sig").write_bytes(done.stdout)


@pytest.fixture
def town(place: Place, cli: Cli, keys: dict[str, Path]) -> Town:
    return Town(place, cli, keys)


@pytest.mark.parametrize("name", NAMES)
def test_an_approval_signed_by_any_kind_of_key_counts(town: Town, name: str) -> None:
    town.denied("0 of 1 approvals")
    town.approve(name, "--sign")
    town.allowed()
    assert town.place.registry.verify().outcome == "ok"


# what is signed


def test_a_signature_of_another_namespace_does_not_count(town: Town) -> None:
    town.rule("required = 1")
    town.approve("ada")
    town.rule(SIGNED)
    town.sign(town.statements()[0], "ada", "git")
    town.denied("ada is not vouched for: the signature was made for something else than approvals: another namespace")
    town.sign(town.statements()[0], "ada")
    town.signers({"ada": "ada@example.com"}, 'namespaces="git"')
    town.denied("may not sign approvals")


def test_a_forged_name_is_refused_and_does_not_count(town: Town) -> None:
    unwritten = town.unwritten()
    ran = town.by("eve", "approve", REF, "--sign", actor="ada@example.com")
    town.refused(ran, "is signed by the key of eve@example.com, not of ada@example.com")
    assert unwritten()
    town.rule("required = 1")
    town.approve("eve", actor="ada@example.com")
    town.rule(SIGNED)
    town.denied("that of ada is not signed")
    town.sign(town.statements()[0], "eve")
    town.denied("that of ada is signed by the key of eve@example.com, not of ada@example.com")


def test_an_unsigned_approval_is_refused_where_signed_is_asked(town: Town) -> None:
    unwritten = town.unwritten()
    town.refused(town.by("ada", "approve", REF), "it is not signed")
    assert unwritten()


@pytest.mark.parametrize(
    "variables",
    [
        {"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada@example.com", "GITHUB_TRIGGERING_ACTOR": "ada@example.com"},
        {"GITLAB_CI": "true", "GITLAB_USER_LOGIN": "ada@example.com"},
    ],
)
def test_variables_of_a_ci_system_are_no_signature(town: Town, variables: dict[str, str]) -> None:
    unwritten = town.unwritten()
    ran = town.cli("approve", REF, HELIX_ACTOR="", **variables)
    town.refused(ran, "it is not signed")
    assert unwritten()


def test_a_revoked_key_is_refused_and_does_not_count(town: Town) -> None:
    town.approve("ada", "--sign")
    public = town.keys["ada"].with_suffix(".pub")
    (town.root / "trust/revoked_keys").write_bytes(public.read_bytes())
    town.denied("that of ada is not vouched for: the key of 'ada@example.com' is revoked")
    unwritten = town.unwritten()
    town.refused(town.by("ada", "approve", REF, "--sign"), "is revoked")
    assert unwritten()


@pytest.mark.parametrize(
    "options",
    [
        'valid-before="20260101"',
        'namespaces="helixctl-approval@v1",valid-before="20260101"',
        'valid-before="20260101",namespaces="helixctl-approval@v1"',
    ],
)
def test_a_lapsed_key_is_refused_and_does_not_count(town: Town, options: str) -> None:
    town.approve("ada", "--sign")
    town.signers({"ada": "ada@example.com"}, options)
    town.denied("was not valid at 2026-03-01")
    unwritten = town.unwritten()
    town.refused(town.by("ada", "approve", REF, "--sign"), "was not valid at 2026-03-01")
    assert unwritten()


def test_a_key_that_lapsed_since_vouches_for_what_it_signed_before(town: Town) -> None:
    town.signers({"ada": "ada@example.com"}, 'valid-before="20260303"')
    town.approve("ada", "--sign")
    town.place.clock.pass_by(days=5)
    town.refused(town.by("ada", "approve", REF, "--sign"), "was not valid at 2026-03-06")
    town.allowed()


@pytest.mark.parametrize("principal", ["*@example.com", '"x y,*"', 'x" y,ada?example.com"', "!ada@example.com"])
def test_a_wildcard_principal_stops_every_decision_that_needs_a_signature(town: Town, principal: str) -> None:
    town.approve("ada", "--sign")
    town.signers({"eve": principal, "ada": "ada@example.com"})
    unwritten = town.unwritten()
    for ran in (town.cli("check", REF), town.by("dan", "activate", REF), town.by("eve", "approve", REF, "--sign")):
        town.refused(ran, "trust/allowed_signers:1: a pattern vouches for nobody in particular")
    assert unwritten()


REVOKED = {
    "garbage": (b"# gone\n\nnot a key\n", 3),
    "half a key": (b"ssh-ed25519 AAAA\n", 1),
    "base64 of nothing": (b"ssh-ed25519 !\n", 1),
    "half a KRL": (b"SSHKRL\n\0\0\0", 1),
    "zeros": (b"\0" * 40, 1),
}


@pytest.mark.parametrize("what", REVOKED)
def test_revoked_keys_that_cannot_be_read_stop_every_decision_and_are_not_told_as_revoked(
    town: Town, what: str
) -> None:
    town.approve("ada", "--sign")
    raw, number = REVOKED[what]
    (town.root / "trust/revoked_keys").write_bytes(raw)
    unwritten = town.unwritten()
    for ran in (town.cli("check", REF), town.by("dan", "activate", REF), town.by("ada", "approve", REF, "--sign")):
        town.refused(ran, f"error[HX203]: trust/revoked_keys:{number}: neither a list of public keys nor a KRL")
    assert unwritten()


def test_a_list_of_revoked_keys_with_comments_and_a_krl_are_read(town: Town, tmp_path: Path) -> None:
    town.approve("ada", "--sign")
    others = town.keys["bob"].with_suffix(".pub").read_text()
    revoked = town.root / "trust/revoked_keys"
    revoked.write_text(f"# left in March\n\n  {others}")
    assert town.cli("check", REF).code == 0
    public = str(town.keys["ada"].with_suffix(".pub"))
    revoked.unlink()
    subprocess.run(["ssh-keygen", "-q", "-k", "-f", str(revoked), public], check=True, capture_output=True)
    town.denied("the key of 'ada@example.com' is revoked")


# what is approved


def test_an_approval_of_another_registry_does_not_count(town: Town) -> None:
    town.approve("ada", "--sign")
    marker = town.root / "helix.toml"
    marker.write_text(marker.read_text().replace('id = "', 'id = "x'))
    town.denied("that of ada is of another registry")


def test_an_approval_of_another_specification_does_not_count(town: Town) -> None:
    town.approve("ada", "--sign")
    assert town.by("eve", "update", REF, "--set", "cost.input_per_mtok=0.5").code == 0
    town.denied("that of ada is of another specification: a value was changed since")
    assert town.by("eve", "update", REF, "--set", "cost.input_per_mtok=1.00").code == 0
    town.allowed()


def test_a_comment_and_a_change_of_status_leave_an_approval_as_it_is(town: Town) -> None:
    town.approve("ada", "--sign")
    path = town.place.path(REF)
    path.write_text(path.read_text().replace("# kept as it is", "# another comment"))
    assert town.by("eve", "adopt", REF, "--reason", "a comment").code == 0
    assert town.by("eve", "promote", REF, "--to", "testing").code == 0
    town.allowed()


def test_an_approval_of_another_action_does_not_count(town: Town) -> None:
    town.approve("ada", "--for", "canary", "--sign")
    town.denied("that of ada is for canary, not for activate")


def test_an_approval_of_another_version_does_not_count_when_it_is_copied(town: Town) -> None:
    town.place.register("m@2.0.0")
    assert town.by("ada", "approve", "m@2.0.0", "--sign").code == 0
    (town.root / "approvals/m/1.0.0").mkdir()
    for path in (town.root / "approvals/m/2.0.0").iterdir():
        shutil.copy(path, town.root / "approvals/m/1.0.0" / path.name)
    town.denied("that of ada is not in the log: it was put there outside helixctl")


# when


def test_an_approval_dated_in_the_future_does_not_count(town: Town) -> None:
    town.place.clock.pass_by(days=2)
    town.approve("ada", "--sign")
    town.place.clock.pass_by(days=-2)
    town.denied("that of ada is dated in the future (2026-03-03T12:00")


def test_an_expired_approval_does_not_count(town: Town) -> None:
    town.approve("ada", "--sign", "--expires", "2d")
    town.place.clock.pass_by(days=2)
    town.denied("that of ada expired 2026-03-03T12:00")


def test_an_approval_older_than_policy_wants_does_not_count(town: Town) -> None:
    town.rule(f'{SIGNED}, max_age = "1d"')
    town.approve("ada", "--sign")
    town.place.clock.pass_by(days=1)
    town.denied("that of ada is older than 1d")


def test_a_withdrawn_approval_does_not_count_however_often_it_is_put_back(town: Town) -> None:
    town.approve("ada", "--sign")
    (path,) = town.statements()
    kept = {one: one.read_bytes() for one in path.parent.iterdir()}
    assert town.by("ada", "withdraw", REF).code == 0
    town.denied("that of ada was withdrawn")
    for one, raw in kept.items():
        one.write_bytes(raw)
    town.denied("that of ada was withdrawn")
    for one in set(town.statements()) - {path}:
        one.unlink()
    town.denied("was deleted outside helixctl")
    assert {one.code for one in town.place.registry.verify().findings} == {"missing-file"}


def test_an_approval_counts_once(town: Town) -> None:
    town.approve("ada", "--sign")
    town.allowed()
    assert town.by("eve", "deactivate", REF).code == 0
    town.denied("that of ada was used already")
    town.approve("ada", "--sign")
    town.allowed()


def test_an_approval_from_before_a_block_does_not_count(town: Town) -> None:
    town.approve("ada", "--sign")
    assert town.by("eve", "block", REF).code == 0
    assert town.by("eve", "unblock", REF).code == 0
    town.denied("that of ada is older than the block of 2026-03-01")


# files


def test_a_copy_under_another_name_does_not_count_twice(town: Town) -> None:
    town.rule("required = 2")
    town.approve("ada")
    (path,) = town.statements()
    copied = path.with_name(path.name.replace("20260301", "20260302"))
    copied.write_bytes(path.read_bytes())
    town.denied("1 of 2 approvals (ada)")
    edited = copied.read_text().replace("20260301T", "20260302T").replace("ada@example.com", "bob@example.com")
    copied.write_text(edited)
    town.denied("that of bob is not in the log: it was put there outside helixctl")


@pytest.mark.parametrize(
    ("old", "new"), [('action = "activate"', 'action = "canary"'), ("eve@example.com", "ada@example.com")]
)
def test_an_edited_approval_denies(town: Town, old: str, new: str) -> None:
    town.rule("required = 1")
    town.approve("eve")
    (path,) = town.statements()
    path.write_text(path.read_text().replace(old, new))
    town.denied(f"{path.relative_to(town.root)} was changed outside helixctl")
    assert {one.code for one in town.place.registry.verify().findings} == {"changed-file"}
    assert town.cli("approvals", REF).code == 6


def test_a_rejection_that_was_edited_into_an_approval_denies(town: Town) -> None:
    town.rule("required = 1")
    assert town.by("ada", "reject", REF).code == 0
    (path,) = town.statements()
    path.write_text(
        path.read_text().replace('"rejection"', '"approval"') + 'action = "activate"\nexpires = 2027-01-01T00:00:00Z\n'
    )
    town.denied("was changed outside helixctl")


def test_a_rejection_that_was_deleted_denies(town: Town) -> None:
    town.rule("required = 1")
    assert town.by("ada", "reject", REF).code == 0
    town.approve("bob")
    for path in town.statements():
        if "rejection" in path.read_text():
            path.unlink()
    town.denied("was deleted outside helixctl")
    ran = town.cli("approvals", REF)
    assert ran.code == 6
    assert "  cannot be told: approvals/" in ran.out


@pytest.mark.parametrize("action", [b"approval.rejected", b"version.activated"])
def test_a_rejection_or_a_use_that_was_taken_out_of_the_log_denies(town: Town, action: bytes) -> None:
    town.rule("required = 1")
    town.approve("ada")
    if action == b"approval.rejected":
        assert town.by("eve", "reject", REF).code == 0
    else:
        town.allowed()
        assert town.by("dan", "deactivate", REF).code == 0
    town.approve("ada", "--for", "testing")
    (segment,) = town.root.glob("audit/*/*/*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(line for line in lines if b'"action":"%s"' % action not in line[:300]))
    for path in town.statements():
        if "rejection" in path.read_text():
            path.unlink()
    town.denied("could not be evaluated: the log lacks entries that others follow")


@pytest.mark.parametrize("is_gap", [True, False])
def test_while_statements_may_be_lost_only_what_lets_a_change_pass_is_refused(town: Town, is_gap: bool) -> None:
    with (town.root / "helix.toml").open("a") as handle:
        handle.write("\n[audit]\nmax_entries = 2\n")
    town.rule("required = 1")
    town.approve("bob")
    assert town.by("eve", "reject", REF).code == 0
    rule = '[[rule]]\nid = "r"\nenforcement = "overridable"\nevaluation = { verdict = ["passed"] }\n'
    (town.root / "policies/other.toml").write_text(f'schema = 1\nname = "o"\n[match]\nactions = ["testing"]\n{rule}')
    town.place.register("other@1.0.0")
    over = ("promote", "other@1.0.0", "--to", "testing", "--override", "r", "--reason", "the outage cannot wait for it")
    assert town.by("dan", *over).code == 0
    for _ in range(3):
        town.approve("ada", "--for", "testing")
    lost = sorted(town.root.glob("audit/*/*/*.jsonl"))[-2] if is_gap else town.statements()[-1]
    lost.unlink()
    fact = "the log lacks entries that others follow" if is_gap else "was deleted outside helixctl"
    unwritten = town.unwritten()
    for ran in (town.by("ada", "approve", REF), town.by("eve", "withdraw", REF)):
        town.refused(ran, fact, 6)
    assert unwritten()
    ran = town.cli("approvals", REF)
    assert (ran.code, "cannot be told: " in ran.out, fact in ran.out) == (6, True, True)
    town.denied(fact)
    for name, *words in (("ada", "reject", REF), ("bob", "withdraw", REF), ("bob", "approve", REF, "--for", "testing")):
        assert town.by(name, *words).code == 0, words
    (used,) = town.place.registry.approvals.overrides().waiting
    assert town.by("bob", "override", "review", used.entry).code == 0
    town.denied(fact)


def test_a_file_without_an_entry_does_not_count(town: Town) -> None:
    from helixctl.core import statement

    record, at = town.place.registry.show(REF), datetime(2026, 3, 1, 12, tzinfo=UTC)
    place = "20260301T120000000000Z-0123456789ab", town.place.registry.store.settings().id, record.ref
    forged = statement.Statement(
        "approval",
        *place,
        record.specification_digest,
        "ada@example.com",
        at,
        action="activate",
        expires=at + timedelta(days=9),
    )
    path = town.root / forged.path
    path.parent.mkdir(parents=True)
    path.write_bytes(statement.encode(forged))
    town.sign(path, "ada")
    town.denied("that of ada is not in the log: it was put there outside helixctl")
    found = {one.code for one in town.place.registry.verify().findings}
    assert found == {"unknown-file"}


@pytest.mark.parametrize("name", ["0.toml", "zzz.toml"])
@pytest.mark.parametrize("parameters", ["required = 1", SIGNED])
def test_a_forged_file_with_the_id_of_a_rejection_neither_takes_it_back_nor_hides_it(
    town: Town, name: str, parameters: str
) -> None:
    town.rule(parameters)
    town.approve("ada", "--sign")
    assert town.by("bob", "reject", REF, "--sign").code == 0
    (path,) = [one for one in town.statements() if 'kind = "rejection"' in one.read_text()]
    text = path.read_text().replace('"rejection"', '"approval"').replace("bob@example.com", "eve@example.com")
    forged = path.with_name(name)
    forged.write_text(text + 'action = "activate"\nexpires = 2027-01-01T00:00:00Z\n')
    town.refused(town.by("eve", "withdraw", REF, path.stem, "--sign"), "is by 'bob@example.com': only its author")
    town.refused(town.by("eve", "withdraw", REF), "no approval or rejection", 4)
    town.denied("rejected by bob")
    assert town.by("bob", "withdraw", REF, path.stem, "--sign").code == 0
    town.allowed()


@pytest.mark.parametrize("text", ["", "x", "schema = 2\n", 'schema = 1\nkind = "approval"\n', "\0"])
def test_a_file_that_is_no_statement_does_not_count_and_is_told(town: Town, text: str) -> None:
    path = town.root / "approvals/m/1.0.0/20260301T120000000000Z-0123456789ab.toml"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    town.denied("0 of 1 approvals")
    ran = town.cli("approvals", REF)
    assert (ran.code, path.name in ran.err) == (6, True)


# who


def test_who_registered_it_is_refused(town: Town) -> None:
    unwritten = town.unwritten()
    town.rule("required = 1")
    town.refused(town.by("alice", "approve", REF), "it is by one who registered or edited the version")
    (town.root / "policies/four-eyes.toml").write_text(POLICY.format(SIGNED))
    assert unwritten()


def test_who_edited_it_is_refused_and_a_second_edit_does_not_launder_the_first(town: Town) -> None:
    town.rule("required = 1")
    town.place.clock.pass_by(minutes=1)
    assert town.by("ada", "update", REF, "--set", "description=better", actor="ada@home.example").code == 0
    for edit in ("description=best", "description=better", "description=worst"):
        unwritten = town.unwritten()
        town.refused(town.by("ada", "approve", REF), "it is by one who registered or edited the version")
        assert unwritten()
        assert town.by("bob", "update", REF, "--set", edit).code == 0
    town.refused(town.by("bob", "approve", REF), "it is by one who registered or edited the version")
    town.approve("eve")
    town.allowed()


def test_an_approval_stops_to_count_once_its_author_edits_the_version_though_another_puts_all_back(town: Town) -> None:
    town.rule("required = 1")
    town.approve("ada")
    assert town.by("ada", "update", REF, "--set", "description=worse").code == 0
    assert town.by("eve", "update", REF, "--unset", "description").code == 0
    town.denied("that of ada is by one who registered or edited the version")


def test_who_adopted_an_edit_is_one_who_edited_it(town: Town) -> None:
    town.rule("required = 1")
    path = town.root / "models/m/1.0.0.toml"
    path.write_text(path.read_text().replace("schema = 1\n", 'schema = 1\ndescription = "x"\n', 1))
    assert town.by("ada", "adopt", REF, "--reason", "it was to be so").code == 0
    assert town.by("eve", "update", REF, "--set", "description=y").code == 0
    town.refused(town.by("ada", "approve", REF), "it is by one who registered or edited the version")


def test_what_an_update_makes_is_not_approved_before_it_is_made(town: Town) -> None:
    policy = town.root / "policies/four-eyes.toml"
    policy.write_text(policy.read_text().replace('"canary"', '"register", "update"'))
    fact = "makes cannot be approved before it is made"
    town.refused(town.by("ada", "approve", REF, "--for", "update", "--sign"), f"is for update: what that {fact}")
    for words in (
        ("check", REF, "--for", "update"),
        ("update", REF, "--set", "description=x"),
        ("register", "m@2.0.0", "--set", "provider=x"),
    ):
        ran = town.by("dan", *words)
        assert (ran.code, fact in ran.out, "helixctl approve" in ran.out) == (3, True, False), ran


def test_who_asks_for_the_change_does_not_count(town: Town) -> None:
    town.rule("required = 1")
    town.approve("ada")
    ran = town.by("ada", "activate", REF, actor="ada@home.example")
    assert ran.code == 3
    assert "that of ada is by who asks for the change" in ran.out
    town.allowed()


def test_self_approval_counts_only_where_the_rule_says_so(town: Town) -> None:
    town.rule("required = 1, self_approval = true")
    town.approve("alice")
    assert town.by("alice", "activate", REF).code == 0


def test_one_person_with_two_identities_counts_once(town: Town) -> None:
    town.rule("required = 2")
    town.approve("ada")
    town.approve("ada", actor="ada@home.example")
    town.approve("ada", actor="ADA@example.com")
    town.denied("1 of 2 approvals (ada)")


def test_an_unknown_approver_is_refused_and_does_not_count(town: Town) -> None:
    town.rule("required = 1")
    unwritten = town.unwritten()
    for words in (("approve", REF), ("reject", REF), ("withdraw", REF, "20260301T120000000000Z-0123456789ab")):
        town.refused(town.by("zoe", *words), "'zoe@example.com' is not in trust/approvers.toml")
    assert unwritten()
    town.approve("eve")
    town.trust(APPROVERS.replace('eve = ["eve@example.com"]\n', ""))
    town.denied("is by eve@example.com, who is not in trust/approvers.toml")


def test_a_rejection_vetoes_until_its_author_withdraws_it(town: Town) -> None:
    town.rule("required = 1")
    town.approve("ada")
    assert town.by("eve", "reject", REF, "--reason", "it leaks").code == 0
    town.denied("rejected by eve: it leaks")
    unwritten = town.unwritten()
    (rejection,) = [one.stem for one in town.statements() if 'kind = "rejection"' in one.read_text()]
    town.refused(town.by("ada", "withdraw", REF, rejection), "is by 'eve@example.com': only its author")
    town.refused(town.by("eve", "approve", REF), "you rejected it, and that stands")
    assert unwritten()
    assert town.by("bob", "update", REF, "--set", "description=other").code == 0
    town.approve("ada")
    town.denied("rejected by eve: it leaks")
    assert town.by("eve", "withdraw", REF).code == 0
    town.allowed()


def test_a_veto_outlasts_that_its_author_is_taken_out_of_the_people(town: Town) -> None:
    town.rule("required = 1")
    town.approve("ada")
    assert town.by("eve", "reject", REF).code == 0
    town.trust(APPROVERS.replace('eve = ["eve@example.com"]\n', ""))
    town.denied("rejected by eve@example.com")
    town.refused(town.by("eve", "withdraw", REF), "'eve@example.com' is not in trust/approvers.toml")
    town.trust(APPROVERS.replace("eve = [", "zoe = ['zoe@example.com', "))
    town.denied("rejected by zoe")
    assert town.by("zoe", "withdraw", REF).code == 0
    town.allowed()


def test_a_signed_rule_lets_only_a_signature_lift_a_veto(town: Town) -> None:
    town.approve("ada", "--sign")
    assert town.by("eve", "reject", REF).code == 0
    unwritten = town.unwritten()
    town.refused(town.by("eve", "withdraw", REF), "needs a signature here")
    assert unwritten()
    town.rule("required = 1")
    assert town.by("eve", "withdraw", REF).code == 0
    town.rule(SIGNED)
    town.denied("rejected by eve")


def test_one_approval_satisfies_two_groups(town: Town) -> None:
    town.rule("required = 1, groups = { security = 1, platform = 1 }, signed = true")
    town.approve("bob", "--sign")
    town.denied("1 of 1 approvals (bob); 0 of 1 from group security; 1 of 1 from group platform")
    town.approve("ada", "--sign")
    town.allowed()


def test_a_group_that_is_not_there_denies(town: Town) -> None:
    town.rule("groups = { nobody = 1 }")
    town.refused(town.by("ada", "approve", REF), "somebody in none of the groups that count: nobody")
    town.denied("could not be evaluated: group nobody is not in trust/approvers.toml")


def test_without_a_file_of_people_each_identity_is_one_and_there_are_no_groups(town: Town) -> None:
    (town.root / "trust/approvers.toml").unlink()
    town.rule("required = 2")
    town.approve("zoe")
    town.approve("ada")
    town.allowed()
    town.rule("groups = { security = 1 }")
    assert town.by("eve", "deactivate", REF).code == 0
    town.denied("group security is not in trust/approvers.toml")


BAD_PEOPLE = {
    "no TOML": ("people = [", "not TOML"),
    "one identity, two people": ('schema = 1\n[people]\na = ["x"]\nb = ["X"]\n', "'X' is 'a' already"),
    "a pattern": ('schema = 1\n[people]\na = ["*@example.com"]\n', "is a pattern"),
    "a group of nobody": ('schema = 1\n[people]\nada = ["x"]\n[groups]\ng = ["adda"]\n', "did you mean 'ada'?"),
    "no people": ("schema = 1\n", "key 'people' is missing"),
    "an unknown key": ("schema = 1\ngroup = 1\n[people]\n", "unknown key 'group' (did you mean 'groups'?)"),
}


@pytest.mark.parametrize("what", BAD_PEOPLE)
def test_people_that_do_not_load_stop_every_decision_about_approvals(town: Town, what: str) -> None:
    text, fact = BAD_PEOPLE[what]
    town.trust(text)
    unwritten = town.unwritten()
    for ran in (town.cli("check", REF), town.by("dan", "activate", REF), town.by("ada", "approve", REF, "--sign")):
        town.refused(ran, fact)
        assert "trust/approvers.toml" in ran.err
    assert unwritten()
    assert town.cli("list").code == 0


def test_a_name_with_a_comma_is_one_name_and_no_list_of_signers(town: Town) -> None:
    jane, both = "CN=jane,OU=ops", "ada@example.com,eve@example.com"
    town.trust(f'schema = 1\n[people]\njane = ["{jane}"]\nx = ["{both}"]\n')
    town.signers({"bob": jane, "ada": both})
    for name, key, first in ((jane, "bob", "CN=jane"), (both, "ada", "ada@example.com")):
        ran = town.by("jane", "approve", REF, "--sign", key=key, actor=name)
        town.refused(ran, f"is signed by the key of {first}, not of {name}")
    town.refused(town.by("ada", "approve", REF, "--sign"), "is not in trust/approvers.toml")
    town.trust(f'schema = 1\n[people]\njane = ["{jane}", "jane-key"]\n')
    town.signers({"bob": "jane-key"})
    town.approve("jane", "--sign", key="bob", actor=jane)
    town.allowed()


def test_a_folder_in_place_of_the_people_is_named_where_no_rule_asks_for_them(town: Town) -> None:
    rule = '[[rule]]\nid = "r"\nenforcement = "advisory"\nnot_blocked = true\n'
    (town.root / "policies/four-eyes.toml").write_text(f'schema = 1\nname = "n"\n{rule}')
    (town.root / "trust/approvers.toml").unlink()
    (town.root / "trust/approvers.toml").mkdir()
    unwritten = town.unwritten()
    town.refused(town.by("dan", "activate", REF), "trust/approvers.toml: is a directory", 8)
    assert unwritten()


# where trust is read


def git(place: Place, *words: str) -> None:
    known = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *known, *words], cwd=place.root, check=True, capture_output=True)


def on_a_branch(town: Town) -> None:
    """Commit the registry to main, have it read trust from there, and go on on a branch."""
    with (town.root / "helix.toml").open("a") as handle:
        handle.write('\n[trust]\nref = "main"\n')
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "all"), ("switch", "-qc", "branch")):
        git(town.place, *words)


def test_an_edit_of_trust_on_a_branch_does_not_count(town: Town) -> None:
    town.rule("required = 1, groups = { security = 1 }, signed = true")
    on_a_branch(town)
    town.trust(APPROVERS.replace('security = ["ada"]', 'security = ["eve"]'))
    town.signers({"eve": "ada@example.com"})
    town.refused(town.by("eve", "approve", REF, "--sign", actor="ada@example.com"), "not of ada@example.com")
    town.approve("eve", "--sign")
    town.denied("1 of 1 approvals (eve); 0 of 1 from group security")
    town.approve("ada", "--sign")
    town.allowed()


def test_a_branch_that_git_does_not_know_denies_by_refusing(town: Town) -> None:
    on_a_branch(town)
    git(town.place, "branch", "-D", "main")
    unwritten = town.unwritten()
    town.refused(town.by("dan", "activate", REF), "git knows no commit 'main'", 4)
    assert unwritten()


@pytest.mark.parametrize("name", ["revoked_keys", "approvers.toml", "allowed_signers"])
def test_a_folder_in_place_of_a_file_of_trust_is_no_lack_of_it(town: Town, name: str) -> None:
    town.approve("ada", "--sign")
    (town.root / "trust" / name).unlink(missing_ok=True)
    (town.root / "trust" / name / "inner").mkdir(parents=True)
    (town.root / "trust" / name / "inner/file").write_text("x\n")
    on_a_branch(town)
    unwritten = town.unwritten()
    town.refused(town.by("dan", "activate", REF), f"trust/{name}: a folder lies in its place in the commit")
    assert unwritten()


def test_what_a_branch_activated_is_judged_again_by_whom_the_base_trusts(town: Town) -> None:
    on_a_branch(town)
    town.approve("ada", "--sign")
    town.allowed()
    assert [one.message for one in town.place.registry.verify(["main"]).findings] == []
    (town.root / "trust/revoked_keys").write_bytes(town.keys["ada"].with_suffix(".pub").read_bytes())
    assert {one.code for one in town.place.registry.verify(["main"]).findings} == {"unaccounted-file"}
    (town.root / "trust/revoked_keys").unlink()
    assert town.by("ada", "withdraw", REF, town.statements()[0].stem).code == 0
    found = town.place.registry.verify(["main"]).findings
    assert [one.message for one in found if one.code == "policy-fails"] == [
        "activate: approvals: 0 of 1 approvals; that of ada was withdrawn"
    ]


def test_an_attempt_that_another_rule_denied_spends_no_approval(town: Town) -> None:
    with (town.root / "policies/four-eyes.toml").open("a") as handle:
        handle.write('[[rule]]\nid = "tested"\nenforcement = "mandatory"\nthrough = ["testing"]\n')
    on_a_branch(town)
    town.approve("ada", "--sign")
    assert town.by("dan", "activate", REF).code == 3
    assert town.by("dan", "promote", REF, "--to", "testing").code == 0
    town.allowed()
    assert [one.message for one in town.place.registry.verify(["main"]).findings] == []


def test_a_schedule_that_fires_is_judged_again_as_asked_by_who_made_it(town: Town) -> None:
    town.rule("required = 1")
    on_a_branch(town)
    town.approve("ada")
    at = town.place.clock() + timedelta(hours=1)
    ran = town.by("bob", "activate", REF, "--at", f"{at:%Y-%m-%dT%H:%M:%SZ}")
    assert ran.code == 0, ran
    town.place.clock.pass_by(hours=2)
    assert town.by("ada", "sweep").code == 0
    assert town.place.status(REF) == "active"
    assert [one.message for one in town.place.registry.verify(["main"]).findings] == []


def test_what_a_branch_activated_with_approvals_of_its_own_is_found(town: Town) -> None:
    on_a_branch(town)
    marker = town.root / "helix.toml"
    marker.write_text(marker.read_text().replace('\n[trust]\nref = "main"\n', ""))
    town.signers({"eve": "ada@example.com"})
    assert town.by("eve", "approve", REF, "--sign", actor="ada@example.com").code == 0
    town.allowed()
    said = town.place.registry.verify(["main"])
    assert said.outcome == "denied"
    assert [one.code for one in said.findings if one.code == "policy-fails"] == ["policy-fails"]


# what an archive keeps


def archive(town: Town) -> None:
    """Let a year pass, and archive all that was logged before."""
    with (town.root / "helix.toml").open("a") as handle:
        handle.write("\n[audit]\nmax_entries = 3\nretention_days = 183\n")
    town.place.clock.pass_by(days=400)
    for number in range(2, 6):
        town.place.register(f"m@{number}.0.0")
    there = set(town.root.glob("audit/2026/03/*.jsonl"))
    ran = town.cli("audit", "archive", "--to", str(town.root.parent / "store"), "--yes")
    assert ran.code == 0, ran
    assert there - set(town.root.glob("audit/2026/03/*.jsonl"))


def test_an_approval_that_was_used_stays_so_when_its_use_is_archived(town: Town) -> None:
    town.approve("ada", "--sign", "--expires", "3650d")
    town.allowed()
    assert town.by("eve", "deactivate", REF).code == 0
    archive(town)
    town.denied("that of ada was used already")
    shutil.rmtree(town.root / ".helix")
    town.denied("that of ada was used already")


def test_who_made_a_version_is_known_when_its_registration_is_archived(town: Town) -> None:
    town.rule("required = 1")
    assert town.by("eve", "update", REF, "--set", "description=better").code == 0
    archive(town)
    for name in ("eve", "alice"):
        town.refused(town.by(name, "approve", REF), "it is by one who registered or edited the version")
    on_a_branch(town)
    assert town.cli("audit", "checkpoint").code == 0
    (note,) = town.root.glob("audit/checkpoints/*.note")
    town.approve("ada")
    town.allowed()
    for against in ("main", str(note)):
        assert [one.message for one in town.place.registry.verify([against]).findings] == []
    assert town.cli("audit", "restore-archive", str(town.root.parent / "store")).code == 0
    assert [one.message for one in town.place.registry.verify(["main"]).findings] == []


def test_an_override_waits_for_its_review_when_its_use_is_archived(town: Town) -> None:
    path = town.root / "policies/four-eyes.toml"
    path.write_text(path.read_text().replace("mandatory", "overridable"))
    assert town.by("dan", "activate", REF, "--override", "approvals", "--reason", "an outage of the provider").code == 0
    archive(town)
    assert "an outage of the provider" in town.cli("override", "list").out
    assert [one["by"] for one in json.loads(town.cli("override", "list", "-o", "json").out)["overrides"]] == [
        "dan@example.com"
    ]


def test_a_tombstone_without_a_fact_that_it_kept_is_found(town: Town) -> None:
    town.approve("ada", "--sign", "--expires", "3650d")
    town.allowed()
    archive(town)
    (tomb,) = town.root.glob("audit/archived/*.note")
    lines = tomb.read_bytes().splitlines(keepends=True)
    tomb.write_bytes(b"".join(one for one in lines if not one.startswith(b"fact spent")))
    assert {one.code for one in town.place.registry.verify().findings} == {"changed-file"}


# signing


def test_a_key_with_a_passphrase_and_no_terminal_fails_cleanly(town: Town, tmp_path: Path) -> None:
    locked = tmp_path / "locked"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(locked)], check=True)
    unwritten = town.unwritten()
    ran = town.cli("approve", REF, "--sign", HELIX_ACTOR="ada@example.com", HELIX_SIGNING_KEY=str(locked))
    town.refused(ran, "cannot sign with", 8)
    ran = town.cli("approve", REF, "--sign", HELIX_ACTOR="ada@example.com", GIT_CONFIG_GLOBAL="/dev/null")
    town.refused(ran, "--sign, and there is no key to sign with", 8)
    assert unwritten()


def test_without_ssh_keygen_one_is_told_what_to_install(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town.approve("ada", "--sign")
    monkeypatch.setenv("PATH", "/nowhere")
    town.denied("ssh-keygen cannot be run, so the signature is not checked: install OpenSSH")
    unwritten = town.unwritten()
    ran = town.by("ada", "approve", REF, "--sign")
    town.refused(ran, "ssh-keygen cannot be run", 8)
    assert "install OpenSSH" in ran.err
    assert unwritten()


def test_nothing_is_written_by_a_dry_run(town: Town) -> None:
    unwritten = town.unwritten()
    ran = town.by("ada", "approve", REF, "--sign", "--dry-run", "-o", "json")
    assert ran.code == 0
    assert json.loads(ran.out)["dry_run"]
    town.refused(town.by("zoe", "approve", REF, "--dry-run"), "is not in trust/approvers.toml")
    town.refused(town.by("ada", "approve", REF, "--sign", "--expect", "active"), "expected active", 5)
    for bad in ("0x", "14", "999999w", ""):
        town.refused(town.by("ada", "approve", REF, "--sign", "--expires", bad), "is no duration")
    assert unwritten()
