from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import OVERRIDE, Place

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "sweep.md").read_text()
PUSH = re.compile(r'git push "https://.*" HEAD:\$CI_COMMIT_BRANCH')


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def due(place: Place) -> Place:
    """A registry with an activation that has been due for long, whatever the clock says."""
    place.register("m@1.0.0")
    place.clock.now = datetime(2001, 1, 1, tzinfo=UTC)
    at, end = datetime(2001, 1, 2, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
    place.registry.schedule.add("m@1.0.0", at, end, overrides=OVERRIDE, reason="the page of the documentation")
    return place


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A search path on which the installed command is found, and a pip that has nothing to do."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "helixctl").symlink_to(Path(sys.executable).with_name("helixctl"))
    (folder / "pip").symlink_to("/bin/true")
    return f"{folder}:{os.environ['PATH']}"


def shell(script: str, folder: Path, path: str, **variables: str) -> int:
    """Run lines as CI and cron do: each must succeed."""
    known = {"PATH": path, "HOME": str(folder), "HELIX_ACTOR": "sweep", **variables}
    return subprocess.run(["/bin/sh", "-ec", script], cwd=folder, env=known, capture_output=True).returncode


def test_the_crontab_line_has_five_fields_and_a_command_that_sweeps(due: Place, path: str) -> None:
    (block,) = blocks("crontab")
    *fields, command = block.strip().split(maxsplit=5)
    assert len(fields) == 5
    assert all(re.fullmatch(r"\*|\d+", field) for field in fields)
    assert "%" not in command, "cron ends a command there"
    assert shell(command.replace("/srv/registry", str(due.root)), due.root.parent, path) == 0
    assert due.status("m@1.0.0") == "active"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="apt-get install systemd")
def test_systemd_takes_the_units_and_the_service_sweeps(due: Place, path: str, tmp_path: Path) -> None:
    service, timer = blocks("systemd")
    program = str(Path(path.partition(":")[0]) / "helixctl")
    service = service.replace("/usr/local/bin/helixctl", program).replace("User=registry", "User=daemon")
    service = service.replace("/srv/registry", str(due.root))
    files = [tmp_path / f"helixctl-sweep.{kind}" for kind in ("service", "timer")]
    for file, text in zip(files, (service, timer), strict=True):
        file.write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *files], capture_output=True, text=True)
    assert (done.returncode, "helixctl-sweep" in done.stderr) == (0, False), done.stderr
    (when,) = re.findall(r"OnCalendar=(.*)", timer)
    assert subprocess.run(["systemd-analyze", "calendar", when], capture_output=True).returncode == 0
    (command,) = re.findall(r"ExecStart=(.*)", service)
    assert shell(command, tmp_path, path) == 0
    assert due.status("m@1.0.0") == "active"


def steps(job: str) -> list[str]:
    """Return the scripts of a job, each with its lines, in their order."""
    inline = [found[1] for found in re.finditer(r"- (?:run: )?((?:helixctl|pip|git) .*)", job)]
    block = re.search(r"run: \|\n((?: {10}.*\n)+)", job)
    return inline + ([re.sub(r"^ {10}", "", block[1], flags=re.MULTILINE)] if block else [])


@pytest.mark.parametrize("which", [0, 1], ids=["github", "gitlab"])
def test_the_job_of_a_ci_system_sweeps_and_pushes_what_it_did(
    due: Place, path: str, tmp_path: Path, which: int
) -> None:
    job = blocks("yaml")[which]
    remote, work = tmp_path / "remote.git", tmp_path / "work"
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q", "--bare", str(remote)], check=True)
    subprocess.run([*git, "clone", "-q", str(remote), str(work)], check=True, capture_output=True)
    shutil.copytree(due.root, work / "registry")
    subprocess.run([*git, "checkout", "-qB", "main"], cwd=work, check=True)
    subprocess.run([*git, "add", "-A"], cwd=work, check=True)
    subprocess.run([*git, "commit", "-qm", "start"], cwd=work, check=True)
    subprocess.run([*git, "push", "-qu", "origin", "main"], cwd=work, check=True)
    scripts = [PUSH.sub("git push origin HEAD:$CI_COMMIT_BRANCH", script) for script in steps(job)]
    assert [script.split()[0] for script in scripts][:3] == ["pip", "helixctl", "git"]
    for _ in range(2):  # the second one has nothing to do, and nothing to commit
        assert [shell(script, work, path, CI_COMMIT_BRANCH="main") for script in scripts] == [0] * len(scripts)
    told = subprocess.run([*git, "log", "--format=%s", "main"], cwd=remote, check=True, capture_output=True, text=True)
    assert told.stdout == "Sweep\nstart\n"
    shown = subprocess.run([*git, "show", "main:registry/models/m/1.0.0.toml"], cwd=remote, capture_output=True)
    assert b'status = "active"' in shown.stdout
