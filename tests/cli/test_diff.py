from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

import pytest

from tests.conftest import Place, Ran

Cli = Callable[..., Ran]


@pytest.fixture
def two(place: Place) -> Place:
    """Two versions, of which one serves and has another price and a name with a control character."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    place.registry.update("m@2.0.0", {"cost.input_per_mtok": 9, "display_name": "a\x1b[31m"})
    return place


def test_a_diff_reads_as_that_of_git(two: Place, cli: Cli) -> None:
    ran = cli("diff", "m@active", "m@latest")
    lines = ran.out.splitlines()
    assert (ran.code, lines[:2]) == (0, ["--- m@1.0.0", "+++ m@2.0.0"])
    assert lines[2:7] == [
        "@@ [cost] @@",
        "-input_per_mtok = 1.0",
        "+input_per_mtok = 9.0",
        "@@ [lifecycle] @@",
        "-status = active",
    ]
    assert "+display_name = a\\x1b[31m" in lines
    heads = [line for line in lines if line.startswith("@@")]
    assert len(heads) == len(set(heads))  # a table stands once
    assert "\x1b[38;5;160m-status = active\x1b[0m" in cli("diff", "m@active", "m@latest", "--color", "always").out


def test_a_diff_of_equal_versions_prints_nothing(two: Place, cli: Cli) -> None:
    assert cli("diff", "m@active", "m@1.0.0", "--exit-code") == Ran(0, "", "")


def test_the_exit_code_tells_of_differences_only_where_asked(two: Place, cli: Cli) -> None:
    assert cli("diff", "m@active", "m@latest").code == 0
    assert cli("diff", "m@active", "m@latest", "--exit-code").code == 10
    assert cli("diff", "m@active", "m@3.0.0", "--exit-code").code == 4


def test_a_diff_in_other_formats_has_a_row_for_each_key(two: Place, cli: Cli) -> None:
    found = json.loads(cli("diff", "m@active", "m@latest", "-o", "json").out)
    assert (found["kind"], found["from"], found["to"]) == ("diff", "m@1.0.0", "m@2.0.0")
    assert {"key": "cost.input_per_mtok", "from": 1.0, "to": 9.0} in found["changes"]
    rows = list(csv.DictReader(io.StringIO(cli("diff", "m@active", "m@latest", "-o", "csv").out)))
    assert [row["key"] for row in rows] == [one["key"] for one in found["changes"]]
    assert cli("diff", "m@active", "m@latest", "--fields", "key", "-o", "ndjson").out.count("\n") == len(rows)


def test_a_history_reads_as_the_log_of_git(two: Place, cli: Cli) -> None:
    ran = cli("history", "m@1.0.0", "-n", "1")
    head, actor, date, empty, *body = ran.out.splitlines()
    assert (head, actor) == ("entry 3  version.activated  m@1.0.0", "Actor:  alice@example.com (test)")
    assert date.startswith("Date:   2026-03-01T")
    assert (empty, body) == (
        "",
        [
            "    m@1.0.0: inactive -> active",
            "    reason: already serves in production",
            "    overridden: tested-first, evaluation",
            "",
        ],
    )
