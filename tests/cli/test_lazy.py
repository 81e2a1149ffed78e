from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import Place

ASKS = """
import json, sys
from helixctl.__main__ import main
sys.argv = ["helixctl", *sys.argv[1:]]
code = main()
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""
APPROVING = {"helixctl.core.approvals", "helixctl.core.people", "helixctl.storage.statements"}
HEAVY = {"rich", "pydantic", "sqlite3", "semver", "tomli_w", "asyncio", "importlib.metadata"}


def imported(place: Place, *words: str) -> set[str]:
    """Return the modules that a fresh process has imported once a command has run."""
    done = subprocess.run([sys.executable, "-c", ASKS, *words], cwd=place.root, capture_output=True, text=True)
    code, modules = json.loads(done.stderr)
    assert code == 0
    assert done.stdout or words[0] == "diff"
    return set(modules)


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "helixctl"}


def test_show_imports_no_more_than_it_needs(place: Place) -> None:
    place.register("m@1.0.0")
    found = imported(place, "show", "m@1.0.0")
    assert found & HEAVY == set()
    absent = {"helixctl.gate", "helixctl.core.policy", "helixctl.core.planning", "helixctl.storage.ledger"}
    absent |= {"helixctl.storage.commit", "helixctl.core.judge", "helixctl.engines", "helixctl.cli.completion"}
    assert found & absent == set()
    assert not any(name.startswith(("helixctl.cli.commands.", "typer")) for name in found)


BUDGETS = {
    "show m@1.0.0": 34,
    "show m@latest": 40,
    "list": 39,
    "diff m@1.0.0 m@latest": 42,
    "status": 49,
    "history m": 46,
    "check m@1.0.0 --for block": 56,
    "verify": 63,
    "block m@1.0.0": 63,
    "help 3": 18,
    "--help": 13,
}
"""How many modules of its own a command may import: each costs start-up time, whatever the machine."""


@pytest.mark.parametrize("line", BUDGETS)
def test_a_command_imports_no_more_modules_than_it_may(place: Place, line: str) -> None:
    place.register("m@1.0.0")
    found = own(imported(place, *line.split()))
    assert len(found) <= BUDGETS[line], sorted(found)


def test_list_imports_no_gate_and_nothing_heavy(place: Place) -> None:
    place.register("m@1.0.0")
    found = imported(place, "list")
    assert found & (HEAVY - {"semver"}) == set()
    assert "helixctl.gate" not in found


def test_check_imports_neither_rich_nor_pydantic(place: Place) -> None:
    place.register("m@1.0.0")
    found = imported(place, "check", "m@1.0.0", "--for", "block")
    assert found & {"rich", "pydantic", "tomli_w", "asyncio"} == set()
    assert "helixctl.storage.transaction" not in found
    assert found & APPROVING == set()


def test_only_a_rule_about_approvals_brings_in_what_counts_them(place: Place) -> None:
    place.serve("m@1.0.0")
    assert imported(place, "deactivate", "m@1.0.0") & APPROVING == set()
    rule = 'schema = 1\nname = "p"\n[[rule]]\nid = "a"\nenforcement = "advisory"\nactions = ["block"]\n'
    (place.root / "policies/default.toml").write_text(f"{rule}approvals = {{ required = 1 }}\n")
    assert imported(place, "check", "m@1.0.0", "--for", "unblock") & APPROVING == set()
    found = imported(place, "check", "m@1.0.0", "--for", "block")
    assert found >= APPROVING
    assert "helixctl.storage.ssh" not in found


@pytest.mark.parametrize(
    ("words", "most"),
    [
        (["--version"], {"helixctl.__main__"}),
        (["__complete", "m"], {"helixctl.__main__", "helixctl.cli", "helixctl.cli.words"}),
    ],
)
def test_what_is_answered_first_imports_no_typer(place: Place, words: list[str], most: set[str]) -> None:
    place.register("m@1.0.0")
    found = imported(place, *words)
    assert found & {"typer", "re", "json", "dataclasses", "datetime", "tomllib"} <= {"json", "re"}
    assert own(found) == {"helixctl", *most}


def test_help_imports_no_command(place: Place) -> None:
    found = imported(place, "--help")
    assert {name for name in own(found) if name.startswith(("helixctl.cli.commands.", "helixctl.api"))} == set()
    assert found & HEAVY == set()


def test_the_package_is_imported_without_its_parts() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, helixctl; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert own(set(done.stdout.split())) == {"helixctl"}


EXPRESSION = 'schema = 1\nname = "cel"\n[[rule]]\nid = "r"\nenforcement = "advisory"\nactions = ["{}"]\nexpr = "true"\n'
FREEZE = """\
[[freeze]]
name = "f"
enforcement = "advisory"
timezone = "UTC"
from = 2026-01-01
until = 2026-01-02
"""


@pytest.mark.parametrize(("action", "is_loaded"), [("block", True), ("retire", False)])
def test_cel_is_loaded_only_where_an_expression_matches(place: Place, action: str, is_loaded: bool) -> None:
    place.register("m@1.0.0")
    (place.root / "policies" / "cel.toml").write_text(EXPRESSION.format(action))
    found = imported(place, "check", "m@1.0.0", "--for", "block")
    assert ("cel_expr_python" in found) is is_loaded
    assert "zoneinfo" not in found


def test_zones_are_loaded_only_where_there_is_a_freeze(place: Place) -> None:
    place.register("m@1.0.0")
    (place.root / "policies" / "cel.toml").write_text(EXPRESSION.format("retire") + FREEZE)
    assert "zoneinfo" in imported(place, "check", "m@1.0.0", "--for", "block")


def test_check_imports_what_it_rests_on_and_no_more(place: Place) -> None:
    place.register("m@1.0.0")
    found = imported(place, "check", "m@1.0.0", "--for", "block")
    absent = {"api.policies", "core.expressions", "core.freezes", "core.linting", "core.notes", "render.policies"}
    assert {name for name in own(found) if name.endswith(tuple(absent))} == set()
    assert found & {"hashlib", "_hashlib"} == set()
