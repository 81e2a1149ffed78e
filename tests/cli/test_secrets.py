from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
CANARY = "c4n4ry-s3cr3t"
"""A secret that must be found nowhere but where the user put it."""


def leaks(place: Place) -> set[str]:
    """Return the files of the log and of helixctl's own folder that hold the secret."""
    return {
        str(path.relative_to(place.root))
        for folder in ("audit", ".helix")
        for path in (place.root / folder).rglob("*")
        if path.is_file() and CANARY.encode() in path.read_bytes()
    }


def test_the_environment_is_never_kept_or_shown(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    secret = {"AWS_SECRET_ACCESS_KEY": CANARY, "HELIX_TOKEN": CANARY, "GITHUB_TOKEN": CANARY}
    for words in ("block m@1.0.0", "unblock m@1.0.0", "activate m@1.0.0", "show m@9.0.0", "frobnicate", "list -o json"):
        ran = cli(*words.split(), **secret)
        assert CANARY not in ran.out + ran.err
    assert leaks(place) == set()


@pytest.mark.parametrize(
    "words",
    [
        ["block", "m@1.0.0", "--token", CANARY],
        ["block", "m@1.0.0", f"--token={CANARY}"],
        ["promote", "m@1.0.0", "--weight", CANARY],
        ["update", "m@1.0.0", "--set", f"cost.input_per_mtok={CANARY}"],
        ["update", "m@1.0.0", "--set", f"configuration.n={{ key = '{CANARY}', at = 10:00:00 }}"],
    ],
)
def test_an_argument_that_is_refused_is_not_kept(place: Place, cli: Cli, words: list[str]) -> None:
    place.register("m@1.0.0")
    assert cli(*words).code == 2
    assert leaks(place) == set()
    assert not [name for name, raw in place.files().items() if CANARY.encode() in raw]


def test_values_of_the_configuration_stay_in_the_versions_own_file(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0", extra=f'[configuration]\napi_key = "{CANARY}"\n')
    assert cli("update", "m@1.0.0", "--set", f"configuration.other={CANARY}").code == 0
    edited = place.path("m@1.0.0").read_text().replace("output_per_mtok = 2.00", "output_per_mtok = 3.00")
    place.path("m@1.0.0").write_text(edited)
    assert cli("adopt", "m@1.0.0", "--reason", "prices").code == 0
    assert cli("promote", "m@1.0.0", "--to", "testing").code == 0
    for words in (
        "activate m@1.0.0",
        "list",
        "history m",
        "audit export",
        "audit log -v",
        "verify",
        "check m@1.0.0 -v",
    ):
        ran = cli(*words.split())
        if words != "list":
            assert CANARY not in ran.out + ran.err, words
    assert leaks(place) == set()
    assert [name for name, raw in place.files().items() if CANARY.encode() in raw] == ["models/m/1.0.0.toml"]


@pytest.mark.parametrize(
    "text",
    [
        f'[configuration]\nkey = "{CANARY}"\nbroken = \n',
        f'[configuration]\nkey = "{CANARY}"\nat = 10:00:00\n',
        f'[configuration]\nkey = "{CANARY}"\n[cost]\ninput_per_mtok = -1\n',
        f'[configuration]\nkey = "{CANARY}\n',
    ],
)
def test_a_file_that_is_refused_is_not_quoted(place: Place, cli: Cli, text: str) -> None:
    head = 'schema = 1\nmodel = "m"\nversion = "1.0.0"\nprovider = "x"\n'
    ran = cli("register", "-f", "-", stdin=(head + text).encode())
    assert ran.code == 2
    assert CANARY not in ran.err
    assert leaks(place) == set()


LINES = {
    "an unknown field": f'{{"success":true,"latency_ms":1,"prompt":"{CANARY}","user":"{CANARY}"}}\n',
    "the text of an error": f'{{"success":false,"latency_ms":null,"error":"Timeout: {CANARY}"}}\n',
    "an error that is only text": f'{{"success":false,"latency_ms":null,"error":"{CANARY}"}}\n',
    "a malformed line": f'{{"success":true,"latency_ms":"{CANARY}"}}\n',
    "a line that is no json": f"{CANARY}\n",
    "a region that is no name": f'{{"success":true,"latency_ms":1,"region":"{CANARY} {CANARY}"}}\n',
    "a time that is none": f'{{"success":true,"latency_ms":1,"ts":"{CANARY}"}}\n',
    "a key twice": f'{{"success":true,"latency_ms":1,"{CANARY}":1,"{CANARY}":2}}\n',
    "another model": f'{{"model":"{CANARY}","success":true,"latency_ms":1}}\n',
}


@pytest.mark.parametrize("what", LINES)
def test_what_inferences_say_is_neither_kept_nor_shown(place: Place, cli: Cli, what: str) -> None:
    place.register("m@1.0.0")
    lines = LINES[what].encode() * 100 + b'{"success":true,"latency_ms":1}\n' * 100
    for words in ("record m@1.0.0", "evaluate m@1.0.0 --from -", "evaluate m@1.0.0", "show m@1.0.0 -o json", "status"):
        ran = cli(*words.split(), stdin=lines)
        assert "Traceback" not in ran.err
        assert CANARY not in ran.out + ran.err, words
    assert leaks(place) == set()
    assert CANARY.encode() not in place.path("m@1.0.0").read_bytes()


def test_an_unexpected_failure_shows_no_values(place: Place, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        hidden = CANARY
        raise RuntimeError(hidden)

    place.register("m@1.0.0")
    monkeypatch.setattr("helixctl.core.planning.plan", broken)
    ran = cli("block", "m@1.0.0")
    assert ran.code == 1
    assert CANARY not in ran.err
    assert leaks(place) == set()
