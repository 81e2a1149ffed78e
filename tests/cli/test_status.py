from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from shutil import rmtree

from tests.conftest import START, Place, Ran

Cli = Callable[..., Ran]
LONG = "openai/gpt-4o-mini-realtime-preview"


def fill(place: Place) -> None:
    """Let each note be there at once."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0", f"{LONG}@1.0.0", extra="\n[availability]\nend_of_life = 2026-03-20\n")
    place.registry.block(f"{LONG}@1.0.0", reason="wrong answers")
    place.registry.schedule.add("m@2.0.0", START + timedelta(days=1))
    policy = place.root / "policies/default.toml"
    policy.write_bytes(policy.read_bytes() + b"# edited\n")
    path = place.path("m@2.0.0")
    path.write_bytes(path.read_bytes().replace(b"in-house", b"elsewhere"))


def test_notes_stand_beside_their_model_or_below_it_where_the_screen_is_narrow(place: Place, cli: Cli) -> None:
    fill(place)
    wide, narrow = cli("status", COLUMNS="200"), cli("status", COLUMNS="80")
    assert (wide.code, narrow.code) == (0, 0)
    notes = [
        "ends: 2.0.0 on 2026-03-20 (in 18 days)",
        "scheduled: 2.0.0 at 2026-03-02T12:00:00Z",
        "overrides to review: 1",
        "drifted: 2.0.0",
    ]
    assert f"  {'; '.join(notes)}\n" in wide.out
    assert "".join(f"  {note}\n" for note in notes) in narrow.out
    assert max(map(len, narrow.out.splitlines())) <= 80
    for ran in (wide, narrow):
        assert "blocked: 1.0.0" in ran.out
        assert ran.out.endswith(
            "unrecorded: policies/default.toml; the next write records it\nintegrity: drift; helixctl verify says where\n"
        )
    assert [line.split()[0] for line in narrow.out.splitlines() if not line.startswith(" ")][:3] == ["MODEL", "m", LONG]


def test_where_all_is_well_nothing_is_said_of_the_registry_unless_asked(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    assert len(cli("status").out.splitlines()) == 2
    assert cli("status", "-v").out.splitlines()[2].startswith("integrity: each file is what the log says")


def test_a_time_is_told_as_in_the_list(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0", extra="\n[availability]\nend_of_life = 2025-01-30\n")
    assert "ends: 1.0.0 on 2025-01-30 (13 months ago)\n" in cli("status", COLUMNS="80").out
    assert "2025-01-30 (13 months ago)" in cli("list", COLUMNS="80").out


def test_json_holds_what_the_text_says(place: Place, cli: Cli) -> None:
    fill(place)
    told = json.loads(cli("status", "-o", "json").out)
    m, other = told["models"]
    assert (m["active"], m["drifted"], other["blocked"]) == ("1.0.0", ["2.0.0"], ["1.0.0"])
    assert [one["ref"] for one in m["scheduled"]] == ["m@2.0.0"]
    assert (len(m["overrides"]), told["unrecorded"]) == (1, ["policies/default.toml"])
    assert told["integrity"] == {"outcome": "drift", "log": None}
    assert json.loads(cli("show", "m@2.0.0", "-o", "json").out)["scheduled"] == m["scheduled"]
    (waits,) = m["scheduled"]
    assert re.search(rf"  scheduled +{waits['at']} by alice@example\.com, {waits['id']}\n", cli("show", "m@2.0.0").out)
    assert "scheduled" not in json.loads(cli("show", "m@1.0.0", "-o", "json").out)


def test_a_broken_log_is_named_and_the_rest_still_told(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0")
    (segment,) = (place.root / "audit").rglob("*.jsonl")
    segment.write_bytes(b"<<<<<<< ours\n" + segment.read_bytes())
    ran = cli("status")
    assert (ran.code, "m" in ran.out) == (6, True)
    assert ran.out.endswith("integrity: tampered; helixctl verify says where\n")
    assert "conflict marker" in json.loads(cli("status", "-o", "json").out)["integrity"]["log"]


def test_a_log_that_lacks_entries_is_not_ok(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0", "m@1.1.0")
    (segment,) = (place.root / "audit").rglob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:1] + lines[2:]))
    rmtree(place.root / ".helix")
    ran = cli("status", "-o", "json")
    assert (ran.code, json.loads(ran.out)["integrity"]["outcome"]) == (6, "needs_reconcile")
    assert "integrity: needs reconcile" in cli("status").out


def test_a_policy_that_does_not_load_is_told_as_what_stops_writes(place: Place, cli: Cli) -> None:
    place.register("m@1.0.0")
    (place.root / "policies/default.toml").write_text("schema = 1\n")
    ran = cli("status")
    assert ran.code == 0
    assert "warning: no write passes: policies/default.toml: key 'name' is missing" in ran.err
    assert cli("promote", "m@1.0.0", "--to", "testing").code == 2


EYES = """
[[rule]]
id = "eyes"
enforcement = "mandatory"
approvals = { required = 2 }
"""


def test_a_version_on_its_way_that_lacks_approvals_is_named_until_it_has_them(place: Place, cli: Cli) -> None:
    policy = place.root / "policies/default.toml"
    policy.write_bytes(policy.read_bytes() + EYES.encode())
    place.register("m@1.0.0", "m@2.0.0")
    place.registry.promote("m@1.0.0", "testing")
    assert "waits for approvals: 1.0.0: 0 of 2 approvals\n" in cli("status").out
    for name in ("bo", "cy"):
        assert cli("approve", "m@1.0.0", "--actor", name).code == 0
        (m,) = json.loads(cli("status", "-o", "json").out)["models"]
        told = [one["message"] for one in m["awaited"]]
        assert told == (["1 of 2 approvals (bo)"] if name == "bo" else [])


def test_what_serves_is_a_line_a_model_for_scripts(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("n@1.0.0")
    assert cli("status", "-o", "plain").out == "m\t2.0.0\t\t1.0.0\nn\t\t\t\n"
    assert cli("status", "-o", "csv", "--fields", "model,active").out == "model,active\r\nm,2.0.0\r\nn,\r\n"
    header, *rows = cli("status", "-o", "csv").out.splitlines()
    assert (header.startswith("model,active,canary,previous,counts."), len(rows)) == (True, 2)


def test_a_model_stands_as_a_block_where_its_line_does_not_fit(place: Place, cli: Cli) -> None:
    version = "1.0.0-" + "x" * 60
    place.serve(f"{LONG}@{version}")
    told = cli("status", COLUMNS="60").out
    assert told == (
        f"{LONG}\n  ACTIVE    {version}\n  CANARY    -\n  PREVIOUS  -\n  ROLLING   -\n  overrides to review: 1\n"
    )
