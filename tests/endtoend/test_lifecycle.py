from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from helixctl.core import audit
from tests.conftest import BECAUSE, SPECIFICATION, Place, Ran
from tests.endtoend.outside import everything, is_refusal, payload

Cli = Callable[..., Ran]
Helix = Callable[..., Ran]
OVERRIDES = ("--override", "tested-first", "--override", "evaluation", "--reason", BECAUSE)
PRICES = ("--set", "cost.input_per_mtok=1", "--set", "cost.output_per_mtok=2")
RESULT = {
    *("schema_version", "kind", "action", "ref", "changed", "dry_run", "changes", "decision", "audit"),
    *("undo", "warnings"),
}


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def entries(place: Place) -> list[dict[str, Any]]:
    return list(place.registry.audit())


def test_the_installed_command_carries_a_version_from_registration_to_retirement(helix: Helix, tmp_path: Path) -> None:
    root = tmp_path / "registry"
    good = tmp_path / "good.jsonl"
    good.write_text('{"ts":"2026-01-01T10:00:00Z","success":true,"latency_ms":9,"confidence":0.9}\n' * 60)
    (tmp_path / "two.toml").write_text(SPECIFICATION.format(model="m", version="2.0.0"))
    three = SPECIFICATION.format(model="m", version="3.0.0").encode()
    story: list[tuple[int, str, bytes]] = [
        (0, f"init {root}", b""),
        (0, f"register m@1.0.0 --provider in-house {' '.join(PRICES)}", b""),
        (0, "register -f ../two.toml", b""),
        (0, "register -f -", three),
        (0, "promote m@1.0.0 --to testing", b""),
        (7, "check m@1.0.0 --for activate", b""),
        (7, "activate m@1.0.0", b""),
        (0, f"evaluate m@1.0.0 --from {good}", b""),
        (0, "activate m@1.0.0", b""),
        (0, "activate m@1.0.0", b""),
        (0, "promote m@2.0.0 --to testing", b""),
        (0, "record m@2.0.0", good.read_bytes()),
        (0, "evaluate m@2.0.0", b""),
        (0, "promote m@2.0.0 --to canary --weight 0.1", b""),
        (0, "activate m@2.0.0 --expect canary", b""),
        (0, "rollback m --reason worse", b""),
        (3, "activate m@2.0.0", b""),
        (0, "deprecate m@active --eol 2099-12-31 --replacement m@3.0.0", b""),
        (9, "retire m@1.0.0", b""),
        (0, "retire m@1.0.0 --yes", b""),
        (0, "verify", b""),
        (0, "audit verify", b""),
    ]
    for code, words, stdin in story:
        ran = helix(*words.split(), stdin=stdin, cwd=root if root.exists() else tmp_path)
        assert (words, ran.code) == (words, code), ran
        assert "Traceback" not in ran.err
    ran = helix("list", "-o", "csv", "--fields", "version,status", cwd=root)
    assert ran.out.splitlines() == ["version,status", "1.0.0,retired", "2.0.0,inactive", "3.0.0,inactive"]


def test_the_script_that_is_installed_is_the_same_command(full: Place, helix: Helix) -> None:
    script = Path(sys.executable).parent / "helixctl"
    done = subprocess.run([script, "list", "-C", full.root], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, helix("list", cwd=full.root).out)


def test_versions_are_registered_alike_from_options_a_file_and_stdin(place: Place, cli: Cli, tmp_path: Path) -> None:
    words = ("--provider", "p", "--provider-model-id", "wire", "--display-name", "N", "--tag", "a", "--tag", "b")
    assert cli("register", "one@1.0.0", *words, "--set", "limits.context_window=8192").code == 0
    text = (
        'schema = 1\nmodel = "{}"\nversion = "1.0.0"\nprovider = "p"\nprovider_model_id = "wire"\n'
        'display_name = "N"\ntags = ["a", "b"]\n[limits]\ncontext_window = 8_192 # eight thousand\n'
    )
    (tmp_path / "two.toml").write_text(text.format("two"))
    assert cli("register", "-f", str(tmp_path / "two.toml")).code == 0
    assert cli("register", "three@1.0.0", "-f", "-", stdin=text.format("three").encode()).code == 0
    one, two, three = (place.registry.show(f"{name}@1.0.0") for name in ("one", "two", "three"))
    assert [dict(found.spec) | {"model": ""} for found in (one, two)] == [dict(three.spec) | {"model": ""}] * 2
    assert place.path("two@1.0.0").read_text().startswith(text.format("two"))
    assert is_refusal(cli("register", "other@1.0.0", "-f", str(tmp_path / "two.toml")), 2)


def test_init_makes_a_registry_once_and_registers_the_defaults_that_are_missing(cli: Cli, tmp_path: Path) -> None:
    root = str(tmp_path / "fresh")
    assert payload(cli("init", root, "-o", "json"))["changed"] is True
    before = everything(tmp_path / "fresh")
    again = cli("init", root, "-o", "json")
    assert (again.code, payload(again)["changed"]) == (0, False)
    assert everything(tmp_path / "fresh") == before
    added = payload(cli("init", root, "--with-defaults", "-o", "json"))
    assert len(added["changes"]) >= 5
    assert {change["to"] for change in added["changes"]} == {"inactive"}
    assert payload(cli("init", root, "--with-defaults", "-o", "json"))["changed"] is False
    assert cli("verify", "-C", root).code == 0


def test_a_change_says_what_it_did_in_the_promised_shape(full: Place, cli: Cli) -> None:
    told = payload(cli("activate", "m@2.0.0", *OVERRIDES, "-o", "json"))
    assert set(told) == RESULT
    assert (told["schema_version"], told["kind"], told["action"], told["ref"]) == (1, "result", "activate", "m@2.0.0")
    assert (told["changed"], told["dry_run"]) == (True, False)
    assert told["changes"] == [
        {"ref": "m@2.0.0", "from": "testing", "to": "active"},
        {"ref": "m@1.1.0", "from": "active", "to": "deprecated"},
    ]
    last = entries(full)[-1]
    assert told["audit"] == {"id": last["id"], "seq": last["seq"], "hash": last["hash"]}
    decision = told["decision"]
    assert decision["allowed"] is True
    assert {frozenset(one) for one in decision["policies"]} == {frozenset({"name", "digest"})}
    keys = frozenset({"rule", "enforcement", "outcome", "message", "fix"})
    assert {frozenset(one) for one in decision["findings"]} == {keys}
    assert {one["rule"]: one["outcome"] for one in decision["findings"]}["evaluation"] == "overridden"
    assert last["data"]["decision"] == decision
    assert told["undo"] == "helixctl rollback m"


def test_a_change_that_is_so_already_says_so_and_logs_nothing(full: Place, cli: Cli) -> None:
    before = everything(full.root)
    told = payload(cli("activate", "m@1.1.0", "-o", "json"))
    assert (told["changed"], told["changes"], told["audit"]) == (False, [], None)
    assert "unchanged" in cli("activate", "m@1.1.0").out
    assert everything(full.root) == before


def test_a_denied_change_is_a_result_with_its_reasons_and_an_entry(full: Place, cli: Cli) -> None:
    before = full.status("m@2.0.0")
    ran = cli("activate", "m@2.0.0", "-o", "json")
    told = payload(ran)
    assert (ran.code, told["changed"], told["changes"]) == (7, False, [])
    assert told["decision"]["allowed"] is False
    last = entries(full)[-1]
    assert (last["action"], last["outcome"], last["severity"]) == ("deployment.denied", "denied", "warning")
    assert (last["changes"], last["effects"], told["audit"]["hash"]) == ([], [], last["hash"])
    assert full.status("m@2.0.0") == before


@pytest.mark.parametrize(
    "words", ["activate m@2.0.0", "rollback m", "block m@2.0.0", "retire m@2.0.0", "deactivate m@2.0.0"]
)
def test_a_dry_run_ends_as_the_real_run_and_writes_nothing(full: Place, cli: Cli, words: str) -> None:
    before = everything(full.root)
    dry = cli(*words.split(), "--dry-run", "-o", "json")
    told = payload(dry)
    assert (told["dry_run"], told["audit"]) == (True, None)
    assert everything(full.root) == before
    real = cli(*words.split(), "-o", "json", *(["--yes"] if words.startswith("retire") else []))
    assert real.code == dry.code
    assert [payload(real)[key] for key in ("ref", "changed", "changes")] == [
        told[key] for key in ("ref", "changed", "changes")
    ]


def test_a_check_answers_as_the_change_would_and_writes_nothing(full: Place, cli: Cli) -> None:
    before = everything(full.root)
    ran = cli("check", "m@2.0.0", "--for", "activate", "-o", "json")
    told = payload(ran)
    assert (ran.code, set(told)) == (7, {"schema_version", "kind", "action", "ref", "decision"})
    assert (told["kind"], told["action"], told["ref"]) == ("check", "activate", "m@2.0.0")
    assert everything(full.root) == before
    assert payload(cli("activate", "m@2.0.0", "-o", "json"))["decision"] == told["decision"]
    assert payload(cli("check", "m", "--for", "rollback", "-o", "json"))["ref"] == "m@1.0.0"
    assert cli("check", "m@1.0.0", "--for", "block").code == 0


def test_a_missing_price_is_a_denial_and_a_missing_evaluation_is_inconclusive(full: Place, cli: Cli) -> None:
    assert cli("check", "m@2.0.0").code == 7
    assert cli("update", "m@2.0.0", "--unset", "cost").code in (0, 2)
    assert cli("update", "m@2.0.0", "--unset", "cost.input_per_mtok").code == 0
    assert cli("check", "m@2.0.0").code == 3


def test_rollback_goes_back_blocks_what_it_left_and_never_goes_to_and_fro(full: Place, cli: Cli) -> None:
    assert cli("activate", "m@2.0.0", *OVERRIDES).code == 0
    told = payload(cli("rollback", "m", "--reason", "errors doubled", "-o", "json"))
    assert told["changes"] == [
        {"ref": "m@1.1.0", "from": "deprecated", "to": "active"},
        {"ref": "m@2.0.0", "from": "active", "to": "inactive"},
    ]
    left = payload(cli("show", "m@2.0.0", "-o", "json"))
    assert left["lifecycle"]["blocked"]["reason"] == "errors doubled"
    assert "deprecation" not in payload(cli("show", "m@active", "-o", "json"))["lifecycle"]
    assert cli("activate", "m@2.0.0", *OVERRIDES).code == 3
    assert payload(cli("rollback", "m", "-o", "json"))["ref"] == "m@1.0.0"
    assert is_refusal(cli("rollback", "m"), 5)
    assert cli("unblock", "m@1.1.0").code == 0
    assert cli("verify").code == 0


def test_a_retirement_needs_a_confirmation_and_says_which(full: Place, cli: Cli) -> None:
    ran = cli("retire", "m@2.0.0")
    assert is_refusal(ran, 9)
    assert "--yes" in ran.err
    ran = cli("retire", "m@1.1.0", "--yes")
    assert is_refusal(ran, 9)
    assert "--confirm=m@1.1.0" in ran.err
    assert cli("retire", "m@2.0.0", "--yes").code == 0
    assert cli("retire", "m@2.0.0").out.endswith("unchanged\n")
    denied = cli("retire", "m@1.1.0", "--confirm=m@1.1.0")
    assert denied.code == 3
    assert "retire-in-service" in denied.out
    forced = cli("retire", "m@1.1.0", "--confirm=m@1.1.0", "--override", "retire-in-service", "--reason", BECAUSE)
    assert forced.code == 0
    assert [one["action"] for one in entries(full)[-1]["effects"]] == ["version.retired", "override.used"]
    assert is_refusal(cli("activate", "m@1.1.0"), 5)


def test_a_block_bars_and_an_unblock_frees(full: Place, cli: Cli) -> None:
    assert cli("block", "m@2.0.0", "--reason", "leaks").code == 0
    for words in (["promote", "m@2.0.0", "--to", "canary"], ["activate", "m@2.0.0", *OVERRIDES]):
        ran = cli(*words)
        assert ran.code == 3
        assert "leaks" in ran.out
    assert payload(cli("status", "-o", "json"))["models"][0]["blocked"] == ["2.0.0"]
    assert cli("unblock", "m@2.0.0").code == 0
    assert cli("activate", "m@2.0.0", *OVERRIDES).code == 0


def test_a_hand_edit_is_taken_in_by_adopt(full: Place, cli: Cli) -> None:
    edit(full.path("m@2.0.0"), "output_per_mtok = 2.00", "output_per_mtok = 2.50 # new price list")
    assert payload(cli("verify", "-o", "json"))["outcome"] == "drift"
    told = payload(cli("adopt", "m@2.0.0", "--reason", "new price list", "-o", "json"))
    assert (told["action"], told["changed"]) == ("adopt", True)
    assert full.status("m@2.0.0") == "testing"
    assert "# new price list" in full.path("m@2.0.0").read_text()
    assert cli("verify").code == 0
    assert cli("adopt", "m@2.0.0").out.endswith("unchanged\n")


def test_a_hand_edit_of_what_serves_sends_a_version_back_or_is_refused(full: Place, cli: Cli) -> None:
    edit(full.path("m@2.0.0"), 'provider = "in-house"', 'provider = "elsewhere"')
    edit(full.path("m@1.1.0"), 'provider = "in-house"', 'provider = "elsewhere"')
    assert cli("adopt", "m@2.0.0", "--reason", "moved").code == 0
    assert full.status("m@2.0.0") == "inactive"
    assert is_refusal(cli("adopt", "m@1.1.0", "--reason", "moved"), 5)


def ending(place: Place, ref: str, day: str) -> None:
    place.register(ref, extra=f"[availability]\nend_of_life = {day}\n")


def swept(cli: Cli, day: str, *words: str) -> dict[str, Any]:
    return payload(cli("sweep", "--as-of", day, *words, "-o", "json"))


def warned(told: dict[str, Any]) -> list[tuple[str, int]]:
    return [(one["ref"], one["days"]) for one in told["warned"]]


def test_a_sweep_warns_at_thirty_and_seven_days_once_each_and_then_retires(place: Place, cli: Cli) -> None:
    ending(place, "m@1.0.0", "2026-12-31")
    seen = [(warned(told), told["changes"]) for day in DAYS for told in (swept(cli, day),)]
    assert seen == [
        ([], []),
        ([("m@1.0.0", 30)], []),
        ([], []),
        ([("m@1.0.0", 7)], []),
        ([], []),
        ([], [{"ref": "m@1.0.0", "from": "inactive", "to": "retired"}]),
        ([], []),
    ]
    actions = [entry["action"] for entry in entries(place)]
    assert actions[-3:] == ["eol.warned", "eol.warned", "version.retired"]
    assert cli("verify").code == 0


DAYS = ("2026-11-30", "2026-12-01", "2026-12-20", "2026-12-24", "2026-12-30", "2026-12-31", "2027-06-01")


def test_a_dry_sweep_says_the_same_and_writes_nothing(place: Place, cli: Cli) -> None:
    ending(place, "m@1.0.0", "2026-12-31")
    before = everything(place.root)
    told = swept(cli, "2027-01-01", "--dry-run")
    assert (told["dry_run"], [one["to"] for one in told["changes"]]) == (True, ["retired"])
    assert everything(place.root) == before


def test_a_sweep_flags_an_active_version_past_its_end_and_leaves_it(place: Place, cli: Cli) -> None:
    ending(place, "m@1.0.0", "2026-12-31")
    assert cli("activate", "m@1.0.0", *OVERRIDES).code == 0
    told = swept(cli, "2027-01-01")
    assert warned(told) == [("m@1.0.0", 0)]
    assert entries(place)[-1]["severity"] == "critical"
    assert place.status("m@1.0.0") == "active"
    assert warned(swept(cli, "2027-01-02")) == []


def test_a_sweep_retires_an_active_version_where_the_settings_say_so(place: Place, cli: Cli) -> None:
    ending(place, "m@1.0.0", "2026-12-31")
    assert cli("activate", "m@1.0.0", *OVERRIDES).code == 0
    with (place.root / "helix.toml").open("a") as settings:
        settings.write("\n[lifecycle]\nretire_active = true\n")
    assert [one["to"] for one in swept(cli, "2027-01-01")["changes"]] == ["retired"]
    assert cli("verify").code == 0


def test_a_sweep_never_takes_away_what_a_rollback_would_restore_on_an_activations_date(full: Place, cli: Cli) -> None:
    told = swept(cli, "2030-01-01")
    assert (told["changes"], full.status("m@1.0.0")) == ([], "deprecated")
    assert cli("activate", "m@2.0.0", *OVERRIDES).code == 0
    assert [one["ref"] for one in swept(cli, "2030-01-01")["changes"]] == ["m@1.0.0"]
    assert payload(cli("rollback", "m", "-o", "json"))["ref"] == "m@1.1.0"


def test_a_sweep_retires_the_previous_version_on_a_date_that_an_operator_set(full: Place, cli: Cli) -> None:
    assert cli("deprecate", "m@1.0.0", "--eol", "2026-06-01").code == 0
    assert [one["ref"] for one in swept(cli, "2026-06-01")["changes"]] == ["m@1.0.0"]


def test_a_deprecation_is_announced_changed_and_cancelled(full: Place, cli: Cli) -> None:
    assert cli("deprecate", "m@1.1.0", "--grace-days", "10", "--replacement", "m@2.0.0", "--reason", "old").code == 0
    held = payload(cli("show", "m@1.1.0", "-o", "json"))["lifecycle"]["deprecation"]
    assert (held["replacement"], held["reason"], held["source"]) == ("m@2.0.0", "old", "operator")
    assert held["grace_period_days"] == 10
    days = datetime.fromisoformat(held["end_of_life"]) - datetime.fromisoformat(held["announced_at"])
    assert days.days == 10
    assert cli("deprecate", "m@1.1.0", "--eol", "2027-01-01").code == 0
    assert payload(cli("show", "m@1.1.0", "-o", "json"))["effective_end_of_life"] == "2027-01-01T00:00:00Z"
    assert cli("deprecate", "m@1.1.0", "--cancel").code == 0
    assert full.status("m@1.1.0") == "inactive"


def test_inferences_are_recorded_one_by_options_and_many_by_lines(full: Place, cli: Cli) -> None:
    one = ("--latency-ms", "812.2", "--confidence", "0.93", "--input-tokens", "100", "--output-tokens", "50")
    told = payload(cli("record", "m@2.0.0", *one, "--cost", "0.0025", "-o", "json"))
    assert (told["kind"], told["recorded"], told["malformed"], told["audit"]) == ("recording", 1, 0, None)
    assert payload(cli("record", "m@2.0.0", "--error", "Timeout: secret", "-o", "json"))["recorded"] == 1
    lines = b'{"success":true,"latency_ms":5}\nnonsense\n{"success":true,"latency_ms":5}\n'
    many = cli("record", "m@2.0.0", "-o", "json", stdin=lines)
    assert (many.code, payload(many)["recorded"], payload(many)["malformed"]) == (0, 2, 1)
    assert "standard input, line 2: not JSON" in many.err
    (kept,) = (full.root / ".helix" / "inferences").rglob("*.jsonl")
    assert kept.read_text().count("\n") == 4
    assert "secret" not in kept.read_text()
    told = payload(cli("evaluate", "m@2.0.0", "-o", "json"))
    assert (told["samples"], told["verdict"]) == (4, "inconclusive")


def test_a_hundred_recorded_inferences_refresh_the_rolling_metrics(full: Place, cli: Cli) -> None:
    line = b'{"success":true,"latency_ms":5,"confidence":0.9}\n'
    before = len(entries(full))
    assert payload(cli("record", "m@1.1.0", "-o", "json", stdin=line * 99))["verdict"] is None
    told = payload(cli("record", "m@1.1.0", "-o", "json", stdin=line))
    assert told["verdict"] == "passed"
    assert [entry["action"] for entry in entries(full)[before:]] == ["metrics.updated"]
    assert payload(cli("show", "m@1.1.0", "-o", "json"))["rolling"]["samples"] == 100
    assert "metrics" not in payload(cli("show", "m@1.1.0", "-o", "json"))
    bad = cli("record", "m@1.1.0", stdin=b'{"success":false,"latency_ms":null}\n' * 100)
    assert bad.code == 0
    assert [one["action"] for one in entries(full)[-1]["effects"]] == [
        "metrics.updated",
        "threshold.violated",
        "quality.degraded",
    ]
    assert payload(cli("status", "m", "-o", "json"))["models"][0]["rolling"]["verdict"] == "failed"


def test_an_evaluation_has_the_promised_shape_and_exit_code(full: Place, cli: Cli) -> None:
    cases = ((60, 0, 0, "passed"), (60, 30, 3, "failed"), (10, 0, 7, "inconclusive"))
    for count, failures, code, verdict in cases:
        ran = cli("evaluate", "m@2.0.0", "--from", str(full.inferences(count, failures)), "-o", "json")
        told = payload(ran)
        assert (ran.code, told["kind"], told["verdict"], told["samples"]) == (code, "evaluation", verdict, count)
        assert {"proven", "metrics", "thresholds", "recommendations", "audit"} <= set(told)
        keys = {"name", "metric", "value", "limit", "severity", "outcome", "proven"}
        assert {frozenset(one) for one in told["thresholds"]} == {frozenset(keys)}
        assert entries(full)[-1]["hash"] == told["audit"]["hash"]
        assert payload(cli("show", "m@2.0.0", "-o", "json"))["metrics"]["verdict"] == verdict
    assert bool(told["recommendations"])
    actions = [entry["action"] for entry in entries(full)[-3:]]
    assert actions == ["evaluation.completed", "evaluation.failed", "evaluation.completed"]


def test_show_list_and_status_have_the_promised_shape(full: Place, cli: Cli) -> None:
    shown = payload(cli("show", "m@1.1.0", "-o", "json"))
    assert (shown["schema_version"], shown["kind"], shown["model"], shown["version"]) == (1, "version", "m", "1.1.0")
    assert (shown["status"], shown["cost"]["input_per_mtok"]) == ("active", 1.0)
    listed = payload(cli("list", "-o", "json"))
    assert (listed["schema_version"], listed["kind"]) == (1, "list")
    refs = [(one["model"], one["version"], one["status"]) for one in listed["versions"]]
    assert refs == [
        ("m", "1.0.0", "deprecated"),
        ("m", "1.1.0", "active"),
        ("m", "2.0.0", "testing"),
        ("other", "1.0.0", "inactive"),
    ]
    assert {**listed["versions"][1], "schema_version": 1, "kind": "version"} == shown
    status = payload(cli("status", "-o", "json"))
    assert (status["schema_version"], status["kind"]) == (1, "status")
    model = status["models"][0]
    assert (model["model"], model["active"], model["canary"], model["previous"]) == ("m", "1.1.0", None, "1.0.0")


def test_a_list_is_sorted_by_precedence_and_not_by_text(place: Place, cli: Cli) -> None:
    place.register("m@1.10.0", "m@1.9.0", "m@1.10.0-rc.1", "m@2.0.0-1", "a/m@1.0.0")
    rows = cli("list", "-o", "ndjson").out.splitlines()
    assert [json.loads(row)["version"] for row in rows] == ["1.0.0", "1.9.0", "1.10.0-rc.1", "1.10.0", "2.0.0-1"]
    assert payload(cli("show", "m@latest", "-o", "json"))["version"] == "1.10.0"


def test_fields_choose_what_is_shown_in_every_format(full: Place, cli: Cli) -> None:
    wanted = ("--fields", "version, status,cost.input_per_mtok")
    assert (
        cli("list", "other", *wanted, "-o", "csv").out == "version,status,cost.input_per_mtok\r\n1.0.0,inactive,1.0\r\n"
    )
    row = {"version": "1.0.0", "status": "inactive", "cost.input_per_mtok": 1.0}
    head = {"schema_version": 1, "kind": "version"}
    assert json.loads(cli("list", "other", *wanted, "-o", "ndjson").out) == head | row
    assert payload(cli("list", "other", *wanted, "-o", "json")) == {
        "schema_version": 1,
        "kind": "list",
        "versions": [row],
        "warnings": [],
    }
    assert cli("show", "other@1.0.0", *wanted).out.split() == [
        *("VERSION", "STATUS", "COST.INPUT_PER_MTOK"),
        *("1.0.0", "inactive", "1.0"),
    ]
    ran = cli("list", "--fields", "statuss")
    assert is_refusal(ran, 2)
    assert "did you mean 'status'?" in ran.err
    assert "hint: fields: ref, model, version, status" in ran.err


def test_history_and_log_are_newest_first_and_the_export_oldest_first(full: Place, cli: Cli) -> None:
    history = payload(cli("history", "m@1.0.0", "-o", "json"))
    assert (history["schema_version"], history["kind"]) == (1, "entries")
    assert [one["action"] for one in history["entries"]] == [
        "version.activated",
        "version.activated",
        "version.registered",
    ]
    logged = [one["seq"] for one in payload(cli("audit", "log", "-o", "json"))["entries"]]
    assert logged == sorted(logged, reverse=True)
    assert logged[:2] == [one["seq"] for one in payload(cli("audit", "log", "-n", "2", "-o", "json"))["entries"]]
    raw = b"".join(path.read_bytes() for path in sorted((full.root / "audit").rglob("*.jsonl")))
    assert cli("audit", "export").out.encode() == raw
    exported = payload(cli("audit", "export", "-o", "json"))
    assert exported["entries"] == [json.loads(line) for line in raw.splitlines()]
    assert (exported["schema_version"], exported["kind"]) == (1, "entries")


def test_every_exported_line_verifies_on_its_own(full: Place, cli: Cli) -> None:
    lines = [audit.scan(line.encode()) for line in cli("audit", "export").out.splitlines()]
    known: set[str] = set()
    for line in lines:
        assert set(line.parents) <= known
        known.add(line.hash)
    assert len(known) == len(lines) == len(entries(full))


@pytest.mark.parametrize(
    ("words", "seqs"),
    [
        ("--model other", [7]),
        ("--version 1.1.0", [4, 5]),
        ("--model m --version 2.0.0", [6, 8]),
        ("--action version.deprecated", [5]),
        ("--action override.used", [3, 5]),
        ("--action version.promoted --action registry.initialized", [1, 8]),
        ("--severity warning", [3, 5]),
        ("--outcome denied", []),
        ("--actor alice@example.com", [1, 2, 3, 4, 5, 6, 7, 8]),
        ("--actor alice", []),
        ("--since 2026-03-02", []),
        ("--until 2026-03-01T12:00:03Z", [1, 2]),
        ("--model m --action override.used", [3, 5]),
    ],
)
def test_the_log_is_filtered_by_what_its_effects_say(full: Place, cli: Cli, words: str, seqs: list[int]) -> None:
    exported = cli("audit", "export", *words.split())
    assert exported.code == 0
    assert [json.loads(line)["seq"] for line in exported.out.splitlines()] == seqs
    logged = payload(cli("audit", "log", *words.split(), "-o", "json"))["entries"]
    assert [one["seq"] for one in logged] == seqs[::-1]


def test_csv_defuses_formulas_and_quotes_as_rfc_4180(place: Place, cli: Cli) -> None:
    formulas = ("=cmd()", "+1", "-1", "@sum", "\tx", "\rx", 'a"b,c\nd', "plain")
    for number, text in enumerate(formulas):
        place.registry.register({"model": "m", "version": f"{number}.0.0", "provider": "x", "display_name": text})
    assert cli("block", "m@0.0.0", "--reason", "=HYPERLINK(1)").code == 0
    rows = list(csv.DictReader(io.StringIO(cli("list", "-o", "csv").out, newline="")))
    spelt = [text.replace("\rx", r"\rx") for text in formulas]
    assert [row["display_name"] for row in rows] == [*(f"'{text}" for text in spelt[:6]), *spelt[6:]]
    rows = list(csv.DictReader(io.StringIO(cli("audit", "export", "-o", "csv").out, newline="")))
    assert [row["reason"] for row in rows][-1] == "'=HYPERLINK(1)"
    assert [int(row["seq"]) for row in rows] == [entry["seq"] for entry in entries(place)]
    assert json.loads(rows[-1]["effects"]) == entries(place)[-1]["effects"]


def test_a_verification_has_the_promised_shape(full: Place, cli: Cli) -> None:
    told = payload(cli("verify", "-o", "json"))
    assert {"schema_version", "kind", "outcome", "anchor", "findings"} <= set(told)
    assert (told["kind"], told["outcome"], told["findings"]) == ("verification", "ok", [])
    assert told["anchor"] == "self-consistent, not anchored"
    full.path("m@2.0.0").unlink()
    ran = cli("verify", "-o", "json")
    (finding,) = payload(ran)["findings"]
    assert (ran.code, payload(ran)["outcome"]) == (6, "drift")
    assert set(finding) == {"code", "path", "line", "message"}
    assert (finding["code"], finding["path"]) == ("missing-file", "models/m/2.0.0.toml")
    assert cli("audit", "verify").code == 0


def test_one_flipped_byte_of_the_log_is_tampering(full: Place, cli: Cli) -> None:
    (segment,) = (full.root / "audit").rglob("*.jsonl")
    raw = segment.read_bytes()
    segment.write_bytes(raw.replace(b"alice@example.com", b"carol@example.com", 1))
    for words in (["verify"], ["audit", "verify"]):
        ran = cli(*words, "-o", "json")
        assert (ran.code, payload(ran)["outcome"]) == (6, "tampered")
    (full.root / ".helix" / "index.db").unlink()  # a write trusts the index for what it has read before
    assert is_refusal(cli("block", "m@2.0.0"), 6)


def test_an_update_keeps_comments_and_sends_a_tested_version_back_when_it_serves_otherwise(
    full: Place, cli: Cli
) -> None:
    assert cli("update", "m@2.0.0", "--set", "cost.input_per_mtok=2.50").code == 0
    assert "# kept as it is" in full.path("m@2.0.0").read_text()
    assert full.status("m@2.0.0") == "testing"
    assert cli("update", "m@2.0.0", "--set", "configuration.temperature=0.2").code == 0
    assert full.status("m@2.0.0") == "inactive"
    assert cli("verify").code == 0


def test_settings_that_people_edit_are_recorded_by_the_next_write(full: Place, cli: Cli) -> None:
    with (full.root / "helix.toml").open("a") as settings:
        settings.write("\n[evaluation]\nmin_samples = 60\n")
    edit(full.root / "policies" / "default.toml", "max_per_request = 0.10", "max_per_request = 0.20")
    told = payload(cli("verify", "-o", "json"))
    assert (told["outcome"], {one["code"] for one in told["findings"]}) == ("ok", {"unrecorded"})
    assert cli("block", "m@2.0.0").code == 0
    effects = [one["action"] for one in entries(full)[-1]["effects"]]
    assert effects == ["version.blocked", "config.updated", "thresholds.updated", "policy.updated"]
    assert payload(cli("verify", "-o", "json"))["findings"] == []


def test_expect_compares_before_it_sets(full: Place, cli: Cli) -> None:
    assert is_refusal(cli("activate", "m@2.0.0", "--expect", "inactive"), 5)
    assert is_refusal(cli("rollback", "m", "--expect", "2.0.0"), 5)
    assert cli("block", "m@2.0.0", "--expect", "testing").code == 0
    assert cli("rollback", "m", "--expect", "1.1.0").code == 0


def test_the_clock_of_the_process_is_utc_whatever_the_zone(full: Place, helix: Helix) -> None:
    before = datetime.now(UTC)
    assert helix("block", "m@2.0.0", cwd=full.root, TZ="Pacific/Kiritimati").code == 0
    last = datetime.fromisoformat(entries(full)[-1]["ts"])
    assert before <= last <= datetime.now(UTC)
    assert entries(full)[-1]["actor"] == {"id": "alice@example.com", "type": "user", "via": "environment"}
    assert "HOME" in os.environ
