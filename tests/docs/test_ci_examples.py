from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
import yaml

from tests.cli.test_ci import valid
from tests.conftest import Place

EXAMPLES = Path(__file__).parent.parent.parent / "docs" / "ci"
OWN = 'schema = 1\nname = "own"\n[[rule]]\nid = "own"\nenforcement = "mandatory"\nexpr = "model.provider == \'in-house\'"\n'
CASE = (
    'schema = 1\n[[case]]\nname = "ours"\naction = "retire"\nexpect = "allowed"\nat = 2026-03-01T12:00:00Z\n'
    'findings = { own = "pass" }\n[case.given]\nprovider = "in-house"\n'
)


def load(name: str) -> Any:
    return yaml.safe_load((EXAMPLES / name).read_text())


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def clone(place: Place, tmp_path: Path) -> Path:
    """A clone whose branch adds a version, an expression and a case to what its origin has."""
    place.serve("m@1.0.0")
    git(place.root, "init")
    git(place.root, "add", "-A")
    git(place.root, "commit", "-m", "first")
    git(tmp_path, "clone", str(place.root), "clone")
    folder = tmp_path / "clone"
    git(folder, "checkout", "-b", "change")
    (folder / "policies" / "own.toml").write_text(OWN)
    (folder / "policies" / "tests").mkdir()
    (folder / "policies" / "tests" / "own.toml").write_text(CASE)
    ran = run(folder, "helixctl register m@2.0.0 --provider in-house --set cost.input_per_mtok=1", {})
    assert ran.returncode == 0, ran.stderr
    git(folder, "add", "-A")
    git(folder, "commit", "-m", "change")
    return folder


def run(folder: Path, line: str, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a line as a runner does, with the installed command on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    known = {**os.environ, "PATH": path, "HELIX_ACTOR": "ci", **variables}
    return subprocess.run(
        ["bash", "-eo", "pipefail", "-c", line], cwd=folder, env=known, capture_output=True, text=True
    )


def codes(folder: Path, lines: list[str], variables: Mapping[str, str]) -> dict[str, int]:
    """Run the lines of a job but for the installation; return the exit code of each."""
    assert any(line.startswith("pip install 'helixctl") for line in lines)
    return {
        line: run(folder, line, variables).returncode for line in lines if not line.startswith("pip install 'helixctl")
    }


def test_the_workflow_of_github_passes_what_is_sound_and_stops_what_is_denied(clone: Path, tmp_path: Path) -> None:
    jobs = load("github.yml")["jobs"]
    lines = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    summary = tmp_path / "summary.md"
    variables = {"GITHUB_STEP_SUMMARY": str(summary), "REF": "m@2.0.0"}
    assert set(codes(clone, lines["registry"], variables).values()) == {0}
    assert jobs["gate"]["env"] == {"REF": "${{ inputs.ref }}"}
    assert list(codes(clone, lines["gate"], variables).values()) == [3]
    said = re.findall(r"^\*\*(helixctl [a-z ]+)\*\*", summary.read_text(), re.MULTILINE)
    assert said == ["helixctl policy lint", "helixctl policy test", "helixctl verify", "helixctl check"]
    assert "tested" in summary.read_text()
    again = {**variables, "REF": "m@1.0.0"}
    assert list(codes(clone, lines["gate"], again).values()) == [0]


def test_no_input_of_the_workflow_stands_in_a_script() -> None:
    for job in load("github.yml")["jobs"].values():
        assert all("${{" not in step.get("run", "") for step in job["steps"])


def test_the_jobs_of_gitlab_leave_their_reports_and_stop_what_is_denied(clone: Path) -> None:
    found = load("gitlab.yml")
    before = found["default"]["before_script"]
    ran = codes(clone, [*before, *found["registry"]["script"]], {"CI_DEFAULT_BRANCH": "main"})
    assert set(ran.values()) == {0}
    report = Xml.parse(clone / found["registry"]["artifacts"]["reports"]["junit"]).getroot()
    assert (report.get("tests"), report.get("failures")) == ("1", "0")
    assert list(codes(clone, [*before, *found["gate"]["script"]], {"MODEL_REF": "m@2.0.0"}).values()) == [3]
    told = valid((clone / found["gate"]["artifacts"]["reports"]["codequality"]).read_text(), "gitlab.json")
    assert {one["check_name"] for one in told} >= {"tested-first", "cost-cap"}


@pytest.mark.parametrize("given", ["--help", "-h", ""])
def test_no_input_that_is_an_option_passes_a_gate(clone: Path, given: str) -> None:
    lines = {
        "REF": load("github.yml")["jobs"]["gate"]["steps"][-1]["run"],
        "MODEL_REF": load("gitlab.yml")["gate"]["script"][0],
    }
    for name, line in lines.items():
        assert run(clone, line, {name: given, "GITHUB_STEP_SUMMARY": os.devnull}).returncode == 2


def hooks() -> Iterator[Mapping[str, Any]]:
    (local,) = load("pre-commit.yaml")["repos"]
    assert local["repo"] == "local"
    yield from local["hooks"]


def hooked(folder: Path) -> dict[str, int]:
    """Run each hook as pre-commit does on all files."""
    files = subprocess.run(["git", "ls-files"], cwd=folder, capture_output=True, text=True, check=True).stdout.split()
    ran = {}
    for hook in hooks():
        matching = [name for name in files if re.search(hook.get("files", ""), name)]
        assert matching, hook["id"]
        named = matching if hook.get("pass_filenames", True) else []
        ran[hook["id"]] = run(folder, shlex.join([*shlex.split(hook["entry"]), *named]), {}).returncode
    return ran


def test_the_hooks_pass_what_is_sound_and_stop_what_is_not(clone: Path) -> None:
    assert hooked(clone) == {"policy-lint": 0, "policy-test": 0, "verify": 0}
    policy = clone / "policies" / "own.toml"
    policy.write_text(OWN.replace("==", "!="))
    assert hooked(clone) == {"policy-lint": 0, "policy-test": 3, "verify": 0}
    policy.write_text(OWN.replace("mandatory", "hard"))
    assert hooked(clone) == {"policy-lint": 2, "policy-test": 2, "verify": 2}


def test_a_deleted_file_is_found_though_a_commit_hands_its_name_to_no_hook(clone: Path) -> None:
    (clone / "models/m/2.0.0.toml").unlink()
    always = [hook for hook in hooks() if hook.get("always_run")]
    assert [run(clone, hook["entry"], {}).returncode for hook in always] == [6]


def test_a_check_in_ci_writes_nothing(clone: Path) -> None:
    before = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout
    for output in ("github", "gitlab", "junit", "sarif", "markdown", "json"):
        ran = run(clone, f"helixctl check m@2.0.0 -o {output}", {})
        assert (ran.returncode, bool(ran.stdout)) == (3, True)
        if output in ("gitlab", "sarif", "json"):
            json.loads(ran.stdout)
    after = subprocess.run(["git", "status", "--porcelain"], cwd=clone, capture_output=True, check=True).stdout
    assert after == before == b""


def test_the_examples_are_those_that_the_page_names() -> None:
    named = set(re.findall(r"\]\(([^)]+)\)", (EXAMPLES / "README.md").read_text()))
    assert named == {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
