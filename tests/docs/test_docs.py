from __future__ import annotations

import importlib.util
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from helixctl.cli import app, menu
from helixctl.core import people, policy_file, settings
from tests.conftest import Ran

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def make() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make", ROOT / "docs" / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_has_two_set_up_lines_and_the_ci_script_runs_them() -> None:
    lines = re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)
    assert [line.rpartition("&& ")[2] for line in lines] == [".venv/bin/helixctl demo", ".venv/bin/python -m pytest"]
    assert "grep '^python3 -m venv' README.md" in (ROOT / ".ci" / "run").read_text()


def test_what_is_generated_is_up_to_date(make: ModuleType) -> None:
    for path, text in make.targets().items():
        assert path.read_text() == text, f"{path.relative_to(ROOT)}: run python docs/make.py"


def test_the_readme_session_prints_what_the_readme_says(helix: Callable[..., Ran], tmp_path: Path) -> None:
    (session,) = blocks(README, "console")
    good = '{"success": true, "latency_ms": 412, "confidence": 0.93}\n'
    (tmp_path / "registry").mkdir()
    (tmp_path / "registry" / "test-run.jsonl").write_text(good * 400)
    folder, said = tmp_path, ""
    for line, expected in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", session, re.MULTILINE):
        if line.startswith("cd "):
            folder = folder / line[3:]
            continue
        command, _, source = line.partition(" < ")
        stdin = (folder / source).read_bytes() if source else b""
        ran = helix(*shlex.split(command)[1:], stdin=stdin, cwd=folder, GIT_CEILING_DIRECTORIES=str(tmp_path))
        printed = re.sub(r"^  entry .*\n", "", ran.out, flags=re.MULTILINE).replace(f"{tmp_path}/", "")
        said += f"$ {line}\n" + printed + (f"(exit {ran.code})\n" if ran.code else "")
        assert printed + (f"(exit {ran.code})\n" if ran.code else "") == expected, line
    assert said.count("$ ") == session.count("$ ") - 1


def test_the_readme_python_block_runs(helix: Callable[..., Ran], tmp_path: Path) -> None:
    helix("init", "registry")
    prices = ("--set", "cost.input_per_mtok=1", "--set", "cost.output_per_mtok=1")
    assert helix("register", "triage@1.0.0", "--provider", "p", *prices, "-C", "registry").code == 0
    (block,) = blocks(README, "python")
    names: dict[str, object] = {}
    exec(compile(block, "README.md", "exec"), names)
    assert not getattr(names["result"], "allowed")  # noqa: B009 - a denial is a value


def commands_in(text: str) -> Iterator[str]:
    for line in re.sub(r"\\\\?\n\s*", " ", text).splitlines():
        found = re.search(r"(?:^|[\s(|$])(helixctl .*)", line)
        if found and line.startswith((" ", "$", "helixctl", "source", "cat", "tail")):
            yield found[1]


def typed() -> list[str]:
    shown = [
        block for page in PAGES for block in re.findall(r"```(?:sh|console)\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    helps = [app.command(name, entry).help or "" for name, entry in leaves()]
    examples = [text.partition("Examples:")[2].partition("Exit codes")[0] for text in helps]
    return [line for text in (*shown, *examples) for line in commands_in(text)]


def leaves() -> Iterator[tuple[str, menu.Entry]]:
    for name, entry in menu.COMMANDS.items():
        if name in menu.GROUPS:
            yield from ((f"{name} {sub}", inner) for sub, inner in menu.GROUPS[name].items())
        else:
            yield name, entry


@pytest.mark.parametrize("line", typed())
def test_every_command_that_is_shown_can_be_typed(line: str) -> None:
    words = shlex.split(re.split(r" [|<>&]|\)$|  +[a-z]", line)[0], comments=True)[1:]
    known = dict(leaves())
    name = next(name for name in (" ".join(words[:2]), words[0]) if name in known)
    options = {
        option for param in app.command(name, known[name]).params for option in (*param.opts, *param.secondary_opts)
    }
    used = {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}
    assert used <= options | {"-h", "--help"}


def test_every_module_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(helixctl/[^`]*)` \| (.*) \|$", text, re.MULTILINE)
    assert len(rows) == 8
    for folder, holds in rows:
        assert (ROOT / folder).exists(), folder
        for name in re.findall(r"`([a-z_]+(?:\.py|/))`", holds):
            assert (ROOT / folder / name).exists(), f"{folder}{name}"


def test_the_policies_that_are_shown_load_and_the_cases_too() -> None:
    from helixctl.core import policy_file, rehearsal, toml

    shown = re.findall(r"```toml\n(.*?)```", (ROOT / "docs" / "policy.md").read_text(), re.DOTALL)
    loaded = 0
    for text in shown:
        if "[[case]]" in text:
            toml.load(text.encode(), rehearsal.SCHEMA)
        elif "[[" in text:
            head = "" if "schema = 1" in text else 'schema = 1\nname = "shown"\n'
            loaded += len(policy_file.decode((head + text).encode()).rules)
        else:
            assert policy_file.RULE["check"](toml.parse(text.encode())["check"])  # type: ignore[operator]
    assert loaded == 5 + 2 + 1


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_page_names_a_path_of_a_machine() -> None:
    for page in (*PAGES, ROOT / "CHANGELOG.md", ROOT / ".ci" / "run"):
        assert not re.search(r"(?<![\w.-])/(home|root|work)/", page.read_text()), page.name


def test_the_rule_and_the_people_of_the_page_on_approvals_load() -> None:
    rule, who, trust = blocks((ROOT / "docs" / "approvals.md").read_text(), "toml")
    (found,) = policy_file.decode(f'schema = 1\nname = "p"\n{rule}'.encode()).rules
    known = people.decode(who.encode())
    assert {*found.parameters["groups"], *found.override["groups"]} == known.groups.keys()
    assert known.are_same("ADA-gh", "ada@example.com")
    assert settings.decode(f'schema = 1\nregistry = {{ id = "r", name = "r" }}\n{trust}'.encode()).ref == "origin/main"
