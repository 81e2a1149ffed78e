from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "helixctl"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if "sample_registry" not in path.parts
}
LAYERS = {
    "entry": {"cli", "helixctl"},
    "cli": {"api", "gate", "storage", "engines", "core", "errors", "helixctl"},
    "api": {"gate", "storage", "engines", "core", "errors", "helixctl"},
    "gate": {"storage", "core", "errors", "helixctl"},
    "storage": {"core", "errors", "helixctl"},
    "engines": {"core", "errors", "helixctl"},
    "core": {"errors"},
    "errors": set[str](),
    "helixctl": {"api"},
}
"""What each room may import besides itself; `helixctl` is the package's own file, which holds the version."""

PURE = {
    *(
        "os",
        "pathlib",
        "time",
        "random",
        "logging",
        "subprocess",
        "socket",
        "shutil",
        "tempfile",
        "sys",
        "io",
        "secrets",
    ),
    *("typer", "rich", "click"),
}
THIRD_PARTY = {
    "typer": "cli",
    "rich": "cli",
    "tomli_w": "core",
    "semver": "core",
    "cel_expr_python": "core",
    "duckdb": "engines",
    "ibis": "engines",
    "pyspark": "engines",
    "zstandard": "engines",
}
WRITES = {
    *("fsync", "fdatasync", "ftruncate", "truncate", "unlink", "remove", "rename", "replace", "rmdir", "mkdir"),
    *(
        "makedirs",
        "link",
        "symlink",
        "removedirs",
        "write_text",
        "write_bytes",
        "copyfile",
        "copytree",
        "copy",
        "rmtree",
    ),
    *("chmod", "utime", "mkstemp", "mkdtemp", "NamedTemporaryFile", "TemporaryDirectory"),
}
WRITERS = {
    "helixctl.storage.disk": "the one module that writes",
    "helixctl.storage.ledger": "the index, by sqlite3",
    "helixctl.cli.tour": "the demo's copy of the sample registry",
}
READS_ENVIRONMENT = {
    "helixctl.storage.ssh",
    *("helixctl.cli.session", "helixctl.cli.actor", "helixctl.cli.words", "helixctl.cli.errors"),
    "helixctl.storage.git",  # hands it on to git without the variables of a hook
}


@pytest.fixture(autouse=True)
def alone() -> None:
    """Nothing to keep away from: these tests read the package's source only."""


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def room(module: str) -> str:
    parts = module.split(".")
    if module == "helixctl.__main__":
        return "entry"
    return parts[1] if len(parts) > 1 else "helixctl"


def imports(module: str, *, at_run_time: bool = True, lazy: bool = True) -> Iterator[str]:
    """Yield the modules that a module imports: those of `TYPE_CHECKING` unless `at_run_time`, of functions if `lazy`."""
    skipped: set[ast.AST] = set()
    for node in ast.walk(tree(module)):
        if node in skipped:
            continue
        if at_run_time and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            skipped.update(inner for part in node.body for inner in ast.walk(part))
        elif not lazy and isinstance(node, ast.FunctionDef):
            skipped.update(ast.walk(node))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def in_rooms(*rooms: str) -> list[str]:
    return [module for module in MODULES if room(module) in rooms]


def functions(module: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(module)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize(
    "module",
    ["gate", "core.request", "core.audit", "core.policy", "core.settings", "core.snapshot", "core.plan", "core.case"],
)
def test_named_tuples_on_the_way_of_every_command_are_made_of_annotations_that_are_no_text(module: str) -> None:
    assert "__future__" not in set(imports(f"helixctl.{module}"))


def test_there_are_modules_in_every_room() -> None:
    assert {room(module) for module in MODULES} == set(LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_the_rooms_below_it(module: str) -> None:
    allowed = LAYERS[room(module)] | {room(module)}
    own = [name for name in imports(module, at_run_time=False) if name.split(".")[0] == "helixctl"]
    assert [name for name in own if room(name) not in allowed] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_library_is_imported_in_its_room_only(module: str) -> None:
    known = sys.stdlib_module_names | {"helixctl"}
    foreign = {name.split(".")[0] for name in imports(module)} - known
    assert {name for name in foreign if THIRD_PARTY.get(name) != room(module)} == set()


@pytest.mark.parametrize("module", in_rooms("core"))
def test_the_core_is_pure(module: str) -> None:
    assert {name.split(".")[0] for name in imports(module, at_run_time=False)} & PURE == set()
    called = {name for name, _ in calls(module)}
    assert called & {"open", "print", "input", "exec", "eval", "breakpoint"} == set()
    assert {name for name in called if name.rpartition(".")[2] in ("now", "utcnow", "today", "uuid4", "uuid1")} == set()


def test_the_entry_and_the_errors_import_nothing_heavy() -> None:
    assert set(imports("helixctl.errors")) == {"__future__"}
    top = [node for node in tree("helixctl.__main__").body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert [ast.unparse(node) for node in top] == ["import sys"]


def graph(*, lazy: bool) -> dict[str, set[str]]:
    names = [module for module in MODULES if module != "helixctl"]
    return {
        module: {name for name in imports(module, lazy=lazy) if name in names and name != module} for module in names
    }


def test_no_module_imports_itself_through_others() -> None:
    assert strongly_connected(graph(lazy=False)) == []


def test_no_module_imports_itself_through_others_even_later() -> None:
    assert strongly_connected(graph(lazy=True)) == []


def strongly_connected(graph: dict[str, set[str]]) -> list[frozenset[str]]:
    reachable = {name: reached(graph, name) for name in graph}
    loops = {
        frozenset({name, *(other for other in reachable[name] if name in reachable[other])})
        for name in graph
        if name in reachable[name]
    }
    return sorted(loops, key=sorted)


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    rest = list(graph[start])
    while rest:
        name = rest.pop()
        if name not in seen:
            seen.add(name)
            rest += graph.get(name, ())
    return seen


def test_a_loop_of_imports_would_be_found() -> None:
    assert strongly_connected({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [frozenset("abc")]


@pytest.mark.parametrize("module", sorted(set(MODULES) - set(WRITERS)))
def test_only_one_module_writes_to_the_disk(module: str) -> None:
    found = []
    for name, call in calls(module):
        owner, _, leaf = name.rpartition(".")
        if owner in ("os", "os.path", "shutil", "tempfile", "pathlib") and leaf in WRITES:
            found.append(ast.unparse(call))
        if leaf == "open" and owner in ("", "os", "io") and not _reads(call):
            found.append(ast.unparse(call))
    assert found == []


def _reads(call: ast.Call) -> bool:
    if ast.unparse(call.args[0]) == "os.devnull":
        return True
    mode = call.args[1] if len(call.args) > 1 else next((k.value for k in call.keywords if k.arg == "mode"), None)
    if isinstance(mode, ast.Constant):
        return mode.value in ("r", "rb")
    return mode is None or ast.unparse(mode) in ("os.O_RDONLY", "os.O_RDWR | os.O_CREAT")


def test_only_the_lock_is_created_beside_the_one_module_that_writes() -> None:
    creators = {
        module
        for module in set(MODULES) - {"helixctl.storage.disk"}
        for name, call in calls(module)
        if name == "os.open" and "O_CREAT" in ast.unparse(call)
    }
    assert creators == {"helixctl.storage.lock"}


def test_sqlite_is_used_for_the_index_only() -> None:
    assert {module for module in MODULES if "sqlite3" in imports(module)} == {"helixctl.storage.ledger"}


@pytest.mark.parametrize("module", sorted(set(MODULES) - READS_ENVIRONMENT))
def test_only_the_edge_reads_the_environment(module: str) -> None:
    read = {ast.unparse(node) for node in ast.walk(tree(module)) if isinstance(node, ast.Attribute)}
    assert read & {"os.environ", "os.environb", "os.getenv", "sys.argv", "os.getuid"} <= (
        {"sys.argv"} if module == "helixctl.__main__" else set()
    )


def test_the_session_is_used_by_the_command_line_only() -> None:
    users = {module for module in MODULES if "helixctl.cli.session" in imports(module)}
    assert {room(module) for module in users} == {"cli"}


@pytest.mark.parametrize("module", in_rooms("storage", "gate", "api", "engines"))
def test_nothing_below_the_command_line_prints_or_exits(module: str) -> None:
    assert {name for name, _ in calls(module)} & {"print", "sys.exit", "exit", "os._exit", "sys.stdout.write"} == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_function_has_at_most_fifty_lines(module: str) -> None:
    long = {one.name: size for one in functions(module) if (size := (one.end_lineno or 0) - one.lineno + 1) > 50}
    assert long == {}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_at_most_four_hundred_lines(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= 400


def test_the_edge_alone_catches_whatever_is_left() -> None:
    broad = [
        f"{module}:{node.lineno}"
        for module in MODULES
        for node in ast.walk(tree(module))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
    ]
    assert [place.partition(":")[0] for place in broad] == ["helixctl.cli.edge"]


@pytest.mark.parametrize("module", MODULES)
def test_every_refusal_says_what_to_do(module: str) -> None:
    from helixctl import errors

    leaves = {name for name, value in vars(errors).items() if isinstance(value, type) and issubclass(value, Exception)}
    made = [call for name, call in calls(module) if name in leaves and name != "HelixError"]
    assert [f"line {call.lineno}" for call in made if not any(word.arg == "hint" for word in call.keywords)] == []


def test_every_kind_of_refusal_has_a_code_and_an_exit_code_of_its_own_family() -> None:
    from helixctl import errors

    leaves = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.HelixError) and value is not errors.HelixError
    ]
    codes = [leaf.code for leaf in leaves]
    assert len(set(codes)) == len(codes)
    assert {leaf.code[:3] for leaf in leaves} == {f"HX{leaf.exit_code}" for leaf in leaves}
    assert all(leaf.code.startswith(f"HX{leaf.exit_code}") for leaf in leaves)


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_a_drawer_for_odds_and_ends(module: str) -> None:
    assert module.rpartition(".")[2] not in {"utils", "helpers", "common", "base", "manager", "misc"}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_in_one_line_what_lives_in_it(module: str) -> None:
    purpose = ast.get_docstring(tree(module))
    assert purpose
    assert len(purpose.splitlines()[0]) <= 120
