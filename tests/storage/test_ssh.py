from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from helixctl.errors import BadSettings, StorageRefused
from helixctl.storage import ssh
from helixctl.storage.ssh import BadSignature, Trust

pytestmark = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not installed")

DATA = b"what was signed\n"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def keygen(*words: str) -> None:
    subprocess.run(["ssh-keygen", "-q", *words], check=True, stdin=subprocess.DEVNULL, capture_output=True)


def key_of(folder: Path, name: str, kind: str = "ed25519", passphrase: str = "") -> Path:
    keygen("-t", kind, "-N", passphrase, "-C", name, "-f", str(folder / name))
    return folder / name


def allowed(key: Path, principal: str = "ada@example.com", options: str = "") -> bytes:
    kind, blob = key.with_suffix(".pub").read_text().split()[:2]
    return f"{principal} {options}{' ' if options else ''}{kind} {blob}\n".encode()


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: key_of(folder, name) for name in ("ada", "eve")}


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_who_signed_is_told_for_every_kind_of_key(tmp_path: Path, kind: str) -> None:
    key = key_of(tmp_path, "k", kind)
    assert ssh.vouch(DATA, ssh.sign(DATA, str(key)), Trust(allowed(key)), AT) == "ada@example.com"


@pytest.mark.parametrize(
    "options",
    [
        "",
        'namespaces="helixctl-audit@v1"',
        'valid-before="20260401"',
        'valid-after="20260101",valid-before="20260401"',
        'namespaces="git,helixctl-audit@v1"',
    ],
)
def test_a_key_that_was_valid_then_holds_though_it_expired_since(keys: dict[str, Path], options: str) -> None:
    signature = ssh.sign(DATA, str(keys["ada"]))
    assert ssh.vouch(DATA, signature, Trust(allowed(keys["ada"], options=options)), AT) == "ada@example.com"


def edited(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA + b"x", ssh.sign(DATA, str(keys["ada"])), Trust(allowed(keys["ada"]))


def swapped(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(b"another file", str(keys["ada"])), Trust(allowed(keys["ada"]))


def unknown(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(DATA, str(keys["eve"])), Trust(allowed(keys["ada"]))


def nobody(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(DATA, str(keys["ada"])), Trust(b"")


def expired(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(DATA, str(keys["ada"])), Trust(allowed(keys["ada"], options='valid-before="20260101"'))


def early(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(DATA, str(keys["ada"])), Trust(allowed(keys["ada"], options='valid-after="20260401"'))


def elsewhere(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(DATA, str(keys["ada"])), Trust(allowed(keys["ada"], options='namespaces="git"'))


def revoked(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    public = keys["ada"].with_suffix(".pub").read_bytes()
    return DATA, ssh.sign(DATA, str(keys["ada"])), Trust(allowed(keys["ada"]), public)


def revoked_by_list(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    listed = keys["ada"].with_suffix(".krl")
    if not listed.exists():
        keygen("-k", "-f", str(listed), str(keys["ada"].with_suffix(".pub")))
    return DATA, ssh.sign(DATA, str(keys["ada"])), Trust(allowed(keys["ada"]), listed.read_bytes())


def other_namespace(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    done = subprocess.run(
        ["ssh-keygen", "-Y", "sign", "-f", str(keys["ada"]), "-n", "git"], input=DATA, capture_output=True, check=True
    )
    return DATA, done.stdout, Trust(allowed(keys["ada"]))


def garbage(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, b"not a signature\n", Trust(allowed(keys["ada"]))


def empty(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, b"", Trust(allowed(keys["ada"]))


def truncated(keys: dict[str, Path]) -> tuple[bytes, bytes, Trust]:
    return DATA, ssh.sign(DATA, str(keys["ada"]))[:-40], Trust(allowed(keys["ada"]))


@pytest.mark.parametrize(
    ("made", "fact"),
    [
        (edited, "does not match the bytes"),
        (swapped, "does not match the bytes"),
        (other_namespace, "was made for something else than audit logs"),
        (garbage, "does not match the bytes"),
        (empty, "does not match the bytes"),
        (truncated, "does not match the bytes"),
        (unknown, "is not in trust/allowed_signers"),
        (nobody, "is not in trust/allowed_signers"),
        (expired, "was not valid at 2026-03-01 12:00"),
        (early, "was not valid at 2026-03-01 12:00"),
        (elsewhere, "may not sign audit logs"),
        (revoked, "is revoked"),
        (revoked_by_list, "is revoked"),
    ],
)
def test_a_signature_that_does_not_hold_says_why(
    keys: dict[str, Path], made: Callable[[dict[str, Path]], tuple[bytes, bytes, Trust]], fact: str
) -> None:
    with pytest.raises(BadSignature, match=fact):
        ssh.vouch(*made(keys), AT)


def test_revoking_another_key_leaves_this_one(keys: dict[str, Path]) -> None:
    trust = Trust(allowed(keys["ada"]), keys["eve"].with_suffix(".pub").read_bytes())
    assert ssh.vouch(DATA, ssh.sign(DATA, str(keys["ada"])), trust, AT) == "ada@example.com"


def test_the_first_of_several_principals_is_told(keys: dict[str, Path]) -> None:
    trust = Trust(allowed(keys["eve"], "eve") + allowed(keys["ada"], "ada@example.com,ada@example.org"))
    assert ssh.vouch(DATA, ssh.sign(DATA, str(keys["ada"])), trust, AT) == "ada@example.com"


def test_no_key_and_a_key_that_asks_for_a_passphrase_are_refused(tmp_path: Path) -> None:
    for name in (str(tmp_path / "missing"), str(key_of(tmp_path, "locked", passphrase="open sesame"))):
        with pytest.raises(StorageRefused, match="cannot sign with") as refusal:
            ssh.sign(DATA, name)
        assert "PRIVATE KEY" not in str(refusal.value)


@pytest.mark.parametrize("given", ["ssh-ed25519 AAAA", "key::ssh-ed25519 AAAA"])
def test_a_key_that_is_written_out_is_refused(tmp_path: Path, given: str) -> None:
    with pytest.raises(StorageRefused, match="not a file"):
        ssh.signing_key(str(tmp_path), {"HELIX_SIGNING_KEY": given})


def test_the_key_is_named_by_the_environment_then_by_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ssh.signing_key(str(tmp_path), {"HELIX_SIGNING_KEY": "/k/mine"}) == "/k/mine"
    assert ssh.signing_key(str(tmp_path), {}) is None
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for name, value in (("user.signingkey", "~/key.pub"), ("gpg.format", "ssh")):
        assert ssh.signing_key(str(tmp_path), {}) is None
        subprocess.run(["git", "-C", str(tmp_path), "config", name, value], check=True)
    assert ssh.signing_key(str(tmp_path), {}) == str(tmp_path / "key.pub")


def test_a_signature_of_an_approval_is_none_of_a_log_nor_the_other_way(keys: dict[str, Path]) -> None:
    key, anyone = str(keys["ada"]), allowed(keys["ada"])
    signature = ssh.sign(DATA, key, ssh.APPROVAL)
    assert ssh.vouch(DATA, signature, Trust(anyone, None, ssh.APPROVAL), AT) == "ada@example.com"
    for wrong, trust in ((signature, Trust(anyone)), (ssh.sign(DATA, key), Trust(anyone, None, ssh.APPROVAL))):
        with pytest.raises(BadSignature, match="was made for something else than"):
            ssh.vouch(DATA, wrong, trust, AT)
    only_logs = allowed(keys["ada"], options='namespaces="helixctl-audit@v1"')
    with pytest.raises(BadSignature, match="may not sign approvals"):
        ssh.vouch(DATA, signature, Trust(only_logs, None, ssh.APPROVAL), AT)


@pytest.mark.parametrize("made", ["# revoked\r{}\r", "{}\r# more\r\n", "# a\r{}\n"])
def test_revoked_keys_behind_a_lone_carriage_return_stop_the_check(keys: dict[str, Path], made: str) -> None:
    public = keys["ada"].with_suffix(".pub").read_text().strip()
    trust = Trust(allowed(keys["ada"]), made.format(public).encode())
    with pytest.raises(BadSettings, match="public keys"):
        ssh.vouch(DATA, ssh.sign(DATA, str(keys["ada"])), trust, AT)


@pytest.mark.parametrize("made", ["# bob\r\n{}\r\n", "\t{}  \n\n"])
def test_revoked_keys_with_lines_of_windows_or_blanks_around_them_are_read(keys: dict[str, Path], made: str) -> None:
    public = keys["ada"].with_suffix(".pub").read_text().strip()
    trust = Trust(allowed(keys["ada"]), made.format(public).encode())
    with pytest.raises(BadSignature, match="is revoked"):
        ssh.vouch(DATA, ssh.sign(DATA, str(keys["ada"])), trust, AT)
