from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helixctl.cli import menu
from helixctl.cli.completion import FILES, script, words
from helixctl.cli.words import answer
from tests.conftest import Place

BREAKS = " \t\n\"'@><=;|&(:"
REFS = {
    "helixctl show m@": ["m@1.0.0", "m@1.1.0", "m@active", "m@canary", "m@latest", "m@previous"],
    "helixctl show m@1.": ["m@1.0.0", "m@1.1.0"],
    "helixctl activate m@l": ["m@latest"],
    "helixctl show openai/g": ["openai/gpt", "openai/gpt@"],
    "helixctl rollback ope": ["openai/gpt"],
    "helixctl list openai/gpt@": [],
    "helixctl show openai/gpt@2": ["openai/gpt@2.0.0"],
    "helixctl check --for activate m@1.1": ["m@1.1.0"],
    "helixctl show --color never -q m@1.1": ["m@1.1.0"],
    "helixctl audit log --model ope": ["openai/gpt"],
    "helixctl evaluate m@1.1.0 --baseline m@a": ["m@active"],
    "helixctl show --color=never m@1.1": ["m@1.1.0"],
    "helixctl show nothing@": [],
}
WORDS = {
    "helixctl act": ["activate"],
    "helixctl audit ": ["archive", "checkpoint", "export", "log", "report", "restore-archive", "verify"],
    "helixctl audit e": ["export"],
    "helixctl show --out": ["--output"],
    "helixctl list -o ": ["csv", "json", "ndjson", "plain", "text"],
    "helixctl audit export -o j": ["json"],
    "helixctl check m@1.0.0 --for act": ["activate"],
    "helixctl promote m@1.0.0 --to ": ["active", "canary", "testing"],
    "helixctl audit log --severity w": ["warning"],
    "helixctl list --color a": ["always", "auto"],
    "helixctl list --color=a": ["always", "auto"],
    "helixctl audit log --model=ope": ["openai/gpt"],
    "helixctl completion z": ["zsh"],
    "helixctl help roll": ["rollback"],
    "helixctl help HX6": ["HX601", "HX602", "HX603"],
    "helixctl evaluate m@1.0.0 --engine d": ["duckdb"],
    "helixctl evaluate m@1.0.0 --format la": ["langfuse"],
    "helixctl audit report --framework s": ["soc2"],
    "helixctl update m@1.0.0 --set ": [],
    "helixctl update m@1.0.0 --reason m": [],
    "helixctl show m@1.0.0 m": [],
    "helixctl nonsense m": [],
}


@pytest.fixture
def offered(place: Place) -> Place:
    place.register("m@1.0.0", "m@1.1.0", "openai/gpt@2.0.0")
    return place


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], "source <(helixctl completion bash)"),
    "bash, @ begins a host": (
        ["bash", "--norc", "--noprofile", "-i"],
        "shopt -s hostcomplete; source <(helixctl completion bash)",
    ),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; source <(helixctl completion zsh)"),
}


@pytest.mark.parametrize("shell", SHELLS)
def test_a_tab_in_a_real_terminal_completes_a_reference_whole(offered: Place, shell: str) -> None:
    words, begins = SHELLS[shell]
    if shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed")
    elsewhere = offered.root.parent / "a folder"
    shutil.move(offered.root, elsewhere)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(elsewhere.parent)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.execvpe(words[0], words, {"PATH": path, "PS1": "", "TERM": "dumb", "HISTFILE": ""})
    os.write(terminal, f"{begins}; echo rea''dy\n".encode())
    typed_by(terminal, b"ready")
    for line, rest in (
        ("show --registry=a\\ folder m@c", "anary"),
        ("list --color=n", "ever"),
        ("list --color ne", "ver"),
    ):
        os.write(terminal, f"\x15helixctl {line}\t".encode())
        typed_by(terminal, rest.encode())
        os.write(terminal, b"\x01echo \n")
        whole = f"helixctl {line}{rest}".replace("\\", "")
        assert whole.encode() in typed_by(terminal, f"\n{whole}".encode())
    os.write(terminal, b"exit\n")
    os.close(terminal)
    os.waitpid(pid, 0)


def typed_by(terminal: int, wanted: bytes) -> bytes:
    """Return what a terminal prints, up to and with what is wanted, or what it printed within ten seconds."""
    seen = b""
    while wanted not in seen and select.select([terminal], [], [], 10)[0]:
        seen += os.read(terminal, 4096)
    return seen


def bash(line: str, breaks: str, cwd: Path, programs: Path = Path(sys.executable).parent) -> list[str]:
    """Return what bash would offer at the end of a line, with the script sourced in a real bash."""
    asks = 'source /dev/stdin; COMP_POINT=${#COMP_LINE}; _helixctl; printf "%s\\n" "${COMPREPLY[@]}"'
    path = f"{programs}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", f"shopt -u hostcomplete; COMP_WORDBREAKS=$BREAKS; {asks}"],
        input=script("bash"),
        env={**os.environ, "COMP_LINE": line, "BREAKS": breaks, "PATH": path},
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return sorted(word for word in done.stdout.splitlines() if word)


@pytest.mark.parametrize("line", [*REFS, *WORDS])
def test_bash_offers_what_may_come_next(offered: Place, line: str) -> None:
    expected = {**REFS, **WORDS}[line]
    assert bash(line, BREAKS.replace("@", ""), offered.root) == expected


@pytest.mark.parametrize("line", [line for line in REFS if "@" in line])
def test_bash_offers_the_part_behind_the_at_where_it_splits_words_there(offered: Place, line: str) -> None:
    offers = bash(line, BREAKS, offered.root)
    assert offers == [word.partition("@")[2] for word in REFS[line]]


@pytest.mark.parametrize("named", ["-C {}", "--registry {}", "--registry={}"])
@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_the_versions_are_those_of_the_registry_that_the_line_names(offered: Place, named: str, shell: str) -> None:
    elsewhere = offered.root.parent / "else where"
    shutil.copytree(offered.root, elsewhere / "its registry")
    line = f"helixctl show {named} openai/gpt@2".format("its\\ registry")
    asked = bash if shell == "bash" else fish
    assert [*asked(line, "", elsewhere)] == ["openai/gpt@2.0.0"]
    assert [*asked("helixctl show openai/gpt@2", "", elsewhere)] == []


def test_bash_knows_the_home_folder(offered: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(offered.root.parent))
    assert bash(f"helixctl show -C ~/{offered.root.name} openai/gpt@2", "", Path("/")) == ["openai/gpt@2.0.0"]


FILES_TO = {
    "register -f its": ["its file"],
    "register --file=its": ["its file"],
    "audit log -f its": [],
    "policy test its": ["its file"],
    "init its": ["its folder"],
    "show -C its": ["its folder"],
    "update m@1.0.0 --reason its": [],
}


@pytest.mark.parametrize("line", FILES_TO)
def test_files_and_folders_are_offered_where_they_are_meant(tmp_path: Path, line: str) -> None:
    (tmp_path / "its file").touch()
    (tmp_path / "its folder").mkdir()
    offers = bash(f"helixctl {line}", "", tmp_path)
    wanted = FILES_TO[line] + ["its folder"] * (FILES_TO[line] == ["its file"])
    assert offers == sorted(wanted)
    if "=" not in line:
        assert {one.rstrip("/") for one in fish(f"helixctl {line}", "", tmp_path)} == set(wanted)


def test_bash_keeps_the_option_where_it_does_not_split_words_at_the_equals_sign(offered: Place) -> None:
    assert bash("helixctl list --color=a", "", offered.root) == ["--color=always", "--color=auto"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_one_that_its_shell_can_read(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run([shell, "-n"], input=script(shell), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def fish(line: str, _breaks: str, cwd: Path) -> set[str]:
    """Return what fish would offer at the end of a line, with the script sourced in a real fish."""
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    done = subprocess.run(
        ["fish", "--no-config", "-c", "source; complete -C $LINE"],
        input=script("fish"),
        env={**os.environ, "LINE": line, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    return {word.partition("\t")[0] for word in done.stdout.splitlines()}


@pytest.mark.parametrize("line", [*REFS, "helixctl act", "helixctl list -o "])
def test_fish_offers_what_may_come_next(offered: Place, line: str) -> None:
    assert fish(line, "", offered.root) >= set({**REFS, **WORDS}[line])


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_knows_the_command_once_the_script_is_sourced() -> None:
    asks = "autoload -Uz compinit && compinit -u -D && source /dev/stdin && print -r -- $_comps[helixctl]"
    done = subprocess.run(["zsh", "-f", "-c", asks], input=script("zsh"), capture_output=True, text=True)
    assert done.stdout.strip() == "_helixctl"


@pytest.mark.parametrize("shell", FILES)
def test_every_script_knows_every_command_and_every_long_option(shell: str) -> None:
    text = script(shell)
    assert text.endswith("\n")
    for one in words():
        assert all(word in text for word in one.path)
        for name, _ in one.options:
            in_fish = f"-l {name[2:]} " if name.startswith("--") else f"-s {name[1:]} "
            assert (in_fish if shell == "fish" else name) in text
    assert script(shell) == text


def test_the_words_cover_the_whole_tree() -> None:
    names = {one.name for one in words()}
    inner = {f"{group} {name}" for group, table in menu.GROUPS.items() for name in table}
    assert names == {*menu.COMMANDS, *inner} - set(menu.GROUPS)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("", ["m", "m@", "openai/gpt", "openai/gpt@"]),
        ("m@1.1", ["m@1.1.0"]),
        ("x", []),
        ("../registry/models/m@", []),
        ("/etc@", []),
    ],
)
def test_references_are_found_by_listing_folders(
    offered: Place, capsys: pytest.CaptureFixture[str], typed: str, expected: list[str]
) -> None:
    assert answer(["-C", str(offered.root), typed]) == 0
    assert capsys.readouterr().out.splitlines() == expected


def test_no_registry_means_nothing_to_offer_and_no_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in ([], ["m"], ["-C", str(tmp_path / "nowhere"), "m"]):
        assert answer(arguments) == 0
    monkeypatch.setenv("HELIX_REGISTRY", str(tmp_path / "nowhere"))
    assert answer(["m"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name", ["z\x1b[31m", "z$(touch pwned)", "z`touch pwned`", "z;touch pwned", "z*", "z\ny", "zé"]
)
def test_a_name_that_a_terminal_or_shell_would_obey_is_not_offered(
    offered: Place, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    folder = offered.root / "models" / name
    folder.mkdir()
    (folder / "1.0.0.toml").touch()
    (offered.root / "models/m/1.2.0$(touch pwned).toml").touch()
    assert answer(["-C", str(offered.root), "z"]) == 0
    assert capsys.readouterr().out == ""
    assert bash("helixctl show z", "", offered.root) == []
    assert bash("helixctl show m@1.2", "", offered.root) == []
    assert not (offered.root / "pwned").exists()


def test_bash_obeys_nothing_that_is_offered_to_it(offered: Place) -> None:
    program = offered.root / "bin/helixctl"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nprintf '%s\\n' 'z$(touch${IFS}pwned)' 'z`touch${IFS}pwned`' 'z*'\n")
    program.chmod(0o755)
    assert len(bash("helixctl show z", "", offered.root, program.parent)) == 3
    assert not (offered.root / "pwned").exists()


def test_of_many_folders_those_are_offered_that_the_next_letters_choose_among(
    offered: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    models = offered.root / "models"
    for number in range(21):
        (models / f"org-{number}" / "x").mkdir(parents=True)
        (models / f"org-{number}" / "x" / "1.0.0.toml").touch()
    for number in range(1001):
        (models / f"flat-{number}").mkdir()
    offers = {
        "org-": [f"org-{number}/" for number in range(21)],
        "org-2": ["org-2/x", "org-2/x@", "org-20/x", "org-20/x@"],
        "org-2/": ["org-2/x", "org-2/x@"],
        "flat-": [f"flat-{number}" for number in range(1001)],
        "flat-100": [],
    }
    for typed, expected in offers.items():
        assert answer(["-C", str(offered.root), typed]) == 0
        assert capsys.readouterr().out.splitlines() == sorted(expected)
