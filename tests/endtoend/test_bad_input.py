from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.conftest import Place, Ran
from tests.endtoend.outside import NOBODY, as_nobody, everything, is_refusal, payload, process, reachable

Cli = Callable[..., Ran]
HEAD = 'schema = 1\nmodel = "new"\nversion = "1.0.0"\nprovider = "x"\n'


@pytest.mark.parametrize(
    ("words", "stdin", "told"),
    [
        ("--latency-ms nan", "", ("that is no inference: NaN or Infinity", "record --help")),
        ("--latency-ms inf", "", ("that is no inference: NaN or Infinity", "record --help")),
        ("--confidence 0.5", "", ("that is no inference: latency_ms is missing though success is true", "--failed")),
        ("--latency-ms 5 --region a/b", "", ("that is no inference: region is not a name", "record --help")),
        ("--latency-ms much", "", ("invalid value for '--latency-ms': it is not a valid number", "record --help")),
        (
            "--input-tokens 1.7",
            "",
            ("invalid value for '--input-tokens': it is not a valid whole number", "record --help"),
        ),
        (
            "",
            '{"latency_ms":3}',
            ("no line is an inference: standard input, line 1: success is missing", '"success":true'),
        ),
        ("", "x", ("no line is an inference: standard input, line 1: not JSON", '"latency_ms":812')),
    ],
)
def test_what_is_no_inference_is_refused_in_words_of_who_gave_it(
    full: Place, cli: Cli, words: str, stdin: str, told: tuple[str, str]
) -> None:
    before = everything(full.root)
    ran = cli("record", "m@2.0.0", *words.split(), stdin=stdin.encode())
    assert is_refusal(ran, 2)
    assert all(text in line for text, line in zip(told, ran.err.splitlines(), strict=True))
    assert everything(full.root) == before


@pytest.mark.parametrize(
    "version", ["", "1", "v1", "1.2", "01.2.3", "1.2.3-01", "latest", "2024-01-01", "1.2.3 ", "１.2.3"]
)
def test_a_version_that_is_no_semver_is_refused_everywhere(place: Place, cli: Cli, version: str) -> None:
    before = everything(place.root)
    assert is_refusal(cli("register", f"m@{version}", "--provider", "x"), 2)
    text = HEAD.replace('"1.0.0"', f'"{version}"')
    assert is_refusal(cli("register", "-f", "-", stdin=text.encode()), 2)
    if version != "latest":
        assert is_refusal(cli("show", f"m@{version}"), 2)
        assert is_refusal(cli("activate", f"m@{version}"), 2)
    assert is_refusal(cli("rollback", "m", f"--to={version}"), 2)
    assert everything(place.root) == before


IDS = [
    *("", "a b", "-m", "../x", "a/../b", "m/", "/m", "CON", "con.txt", "a/nul", "COM1", "..", ".", ".hidden", "a//b"),
    *(
        "m.",
        "x.toml",
        "a/x.TOML/b",
        "a/b/c/d",
        "m\\x",
        "m\x1b[31m",
        "m\nn",
        "[bold]m",
        "m\u202e",
        "é",
        "m" * 201,
        "a..b",
    ),
]


@pytest.mark.parametrize("model", IDS, ids=ascii)
def test_a_model_id_that_is_no_safe_path_is_refused_everywhere(place: Place, cli: Cli, model: str) -> None:
    outside = everything(place.root.parent)
    assert is_refusal(cli("register", "--provider", "x", "--", f"{model}@1.0.0"), 2)
    assert is_refusal(cli("show", "--", f"{model}@1.0.0"), 2)
    assert is_refusal(cli("history", "--", f"{model}@1.0.0"), 2)
    text = HEAD.replace('"new"', "'''" + model + "'''")
    assert is_refusal(cli("register", "-f", "-", stdin=text.encode()), 2)
    assert everything(place.root.parent) == outside


def test_an_id_that_begins_with_a_dash_is_refused_as_an_option_too(place: Place, cli: Cli) -> None:
    before = everything(place.root)
    assert is_refusal(cli("register", "-m@1.0.0", "--provider", "x"), 2)
    assert everything(place.root) == before


@pytest.mark.parametrize(("there", "new"), [("Model", "model"), ("openai/gpt", "OpenAI/gpt"), ("a/B/c", "a/b/d")])
def test_an_id_that_differs_by_case_from_one_that_is_there_is_refused(
    place: Place, cli: Cli, there: str, new: str
) -> None:
    place.register(f"{there}@1.0.0")
    before = everything(place.root)
    assert is_refusal(cli("register", f"{new}@1.0.0", "--provider", "x"), 5)
    assert everything(place.root) == before


@pytest.mark.parametrize("command", ["register", "show", "activate", "block"])
def test_a_model_behind_a_symbolic_link_is_neither_read_nor_written(place: Place, cli: Cli, command: str) -> None:
    place.register("real@1.0.0")
    elsewhere = place.root.parent / "elsewhere"
    shutil.copytree(place.root / "models" / "real", elsewhere)
    (place.root / "models" / "linked").symlink_to(elsewhere)
    before = everything(place.root), everything(elsewhere)
    words = {"register": ["linked@2.0.0", "--provider", "x"]}.get(command, ["linked@1.0.0"])
    assert is_refusal(cli(command, *words), 6)
    assert (everything(place.root), everything(elsewhere)) == before


def test_a_version_file_that_is_a_symbolic_link_is_not_followed(place: Place, cli: Cli, tmp_path: Path) -> None:
    place.register("m@1.0.0")
    secret = tmp_path / "secret"
    secret.write_text("password = 1")
    (place.root / "models" / "m" / "2.0.0.toml").symlink_to(secret)
    ran = cli("show", "m@2.0.0")
    assert is_refusal(ran, 6)
    assert "password" not in ran.err


@pytest.mark.parametrize(
    ("there", "new"),
    [
        ("1.0.0", "1.0.0"),
        ("1.0.0", "1.0.0+build"),
        ("1.0.0+one", "1.0.0+two"),
        ("1.0.0-rc.1", "1.0.0-RC.1"),
    ],
)
def test_a_version_that_is_there_under_an_equal_name_is_refused(place: Place, cli: Cli, there: str, new: str) -> None:
    place.register(f"m@{there}")
    before = everything(place.root)
    ran = cli("register", f"m@{new}", "--provider", "x")
    assert is_refusal(ran, 5)
    assert f"m@{there} is registered already" in ran.err
    assert everything(place.root) == before


FAULTS: dict[str, tuple[str, int | None, str]] = {
    "syntax": (HEAD + "tags = [\n", 6, "not TOML"),
    "conflict markers": (HEAD + "<<<<<<< HEAD\n", 5, "not TOML"),
    "unknown key": (HEAD + 'provder_model_id = "x"\n', 5, "did you mean 'provider_model_id'?"),
    "unknown key in a table": (HEAD + "[cost]\ninput_per_mtoken = 1\n", 6, "did you mean 'input_per_mtok'?"),
    "wrong type": (HEAD + "[capabilities]\nvision = 'yes'\n", 6, "expected true or false, found a string"),
    "a table for a value": (HEAD + "[tags]\na = 1\n", 5, "expected an array"),
    "a value for a table": (HEAD + "cost = 1\n", 5, "expected a table"),
    "negative price": (HEAD + "[cost]\ninput_per_mtok = -1.5\n", 6, "-1.5 is negative"),
    "infinite price": (HEAD + "[cost]\ninput_per_mtok = inf\n", 6, "not a finite number"),
    "price of too many digits": (HEAD + "[cost]\ninput_per_mtok = 1.12345678901234567\n", 6, "at most 15 digits"),
    "ends before it began": (
        HEAD + "[availability]\nannounced_at = 2026-02-01\nend_of_life = 2026-01-01\n",
        7,
        "2026-01-01 is before announced_at 2026-02-01",
    ),
    "more out than in": (HEAD + "[limits]\ncontext_window = 10\nmax_output_tokens = 11\n", 7, "11 is more than"),
    "lifecycle": (HEAD + '[lifecycle]\nstatus = "active"\n', 5, "[lifecycle] is written by helixctl alone"),
    "metrics": (HEAD + '[metrics]\nverdict = "passed"\n', 5, "[metrics] is written by helixctl alone"),
    "no provider": (HEAD.replace('provider = "x"\n', ""), None, "key 'provider' is missing"),
    "no schema": (HEAD.replace("schema = 1\n", ""), None, "key 'schema' is missing"),
    "another schema": (HEAD.replace("schema = 1", "schema = 2"), 1, "2 is not supported, expected 1"),
    "a key twice": (HEAD + 'provider = "y"\n', 5, "not TOML"),
    "a date without a meaning": (HEAD + "release_date = 2026-02-30\n", 5, "not TOML"),
    "a local time": (HEAD + "[availability]\nend_of_life = 2026-01-01T10:00:00\n", 6, "a time needs a zone"),
    "control characters": (HEAD + 'display_name = "a\x1bb"\n', 5, "not TOML"),
    "deep arrays": (HEAD + "tags = " + "[" * 100_000, None, "nested too deep"),
    "deep tables": (HEAD + "[configuration]\nx = " + "{a=" * 400 + "1" + "}" * 400, None, "nested"),
    "deep dotted keys": (HEAD + "[configuration]\n" + ".".join("a" * 400) + " = 1\n", None, "nested more than 20 deep"),
    "ten megabytes of nesting": (HEAD + "tags = " + "[" * 10_000_000, None, "more than 1048576 bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_malformed_file_is_refused_with_its_place(place: Place, cli: Cli, tmp_path: Path, fault: str) -> None:
    text, line, fact = FAULTS[fault]
    path = tmp_path / "new.toml"
    path.write_text(text)
    before = everything(place.root)
    ran = cli("register", "-f", str(path))
    assert is_refusal(ran, 2)
    assert fact in ran.err
    assert f"{path}:{line}: " in ran.err if line else str(path) in ran.err
    assert everything(place.root) == before


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(place: Place, cli: Cli) -> None:
    ran = cli("register", "-f", "-", stdin=HEAD.encode() + b'display_name = "\xff"\n')
    assert is_refusal(ran, 2)
    assert "-:5: not UTF-8" in ran.err


@pytest.mark.parametrize(
    "fault", [name for name in FAULTS if name not in ("lifecycle", "metrics", "ten megabytes of nesting")]
)
def test_a_damaged_version_file_hides_no_other_version_and_stops_only_its_own_model(
    full: Place, cli: Cli, fault: str
) -> None:
    path = full.path("m@2.0.0")
    path.write_text(
        FAULTS[fault][0].replace('"new"', '"m"').replace('"1.0.0"', '"2.0.0"') + '\n[lifecycle]\nstatus="testing"\n'
    )
    before = everything(full.root)
    shown = cli("show", "m@2.0.0")
    assert is_refusal(shown, 6)
    assert "models/m/2.0.0.toml" in shown.err
    assert is_refusal(cli("deactivate", "m@1.1.0"), 6)
    listed = cli("list", "-o", "json")
    assert listed.code == 6
    assert [(one["model"], one["version"]) for one in payload(listed)["versions"]] == [
        ("m", "1.0.0"),
        ("m", "1.1.0"),
        ("other", "1.0.0"),
    ]
    assert "models/m/2.0.0.toml" in listed.err
    assert cli("status").code == 6
    assert everything(full.root) == before
    assert cli("promote", "other@1.0.0", "--to", "testing").code == 0
    assert cli("verify").code == 6


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("schema = 1\n[[rule]]\nid = 'x'\n", "policies/own.toml"),
        (
            'schema = 1\nname = "p"\n[[rule]]\nid = "x"\nenforcement = "soft"\nnot_blocked = true\n',
            "policies/own.toml:5",
        ),
        (
            'schema = 1\nname = "p"\n[[rule]]\nid = "x"\nenforcement = "mandatory"\nnot_bloked = true\n',
            "policies/own.toml",
        ),
        ('schema = 1\nname = "p"\n[[rule]]\nid = "x"\nenforcement = "mandatory"\n', "policies/own.toml:3"),
        ("not toml", "policies/own.toml:1"),
    ],
)
def test_a_policy_that_does_not_load_stops_every_write(full: Place, cli: Cli, text: str, where: str) -> None:
    (full.root / "policies" / "own.toml").write_text(text)
    before = everything(full.root)
    for words in (
        ["activate", "m@2.0.0"],
        ["rollback", "m"],
        ["block", "m@1.0.0"],
        ["register", "new@1.0.0", "--provider", "x"],
        ["check", "m@2.0.0"],
        ["evaluate", "m@2.0.0", "--from", str(full.inferences())],
    ):
        ran = cli(*words)
        assert is_refusal(ran, 2)
        assert where in ran.err
    assert everything(full.root) == before
    assert cli("show", "m@2.0.0").code == 0


@pytest.mark.parametrize(
    "text", ["", "schema = 1", "not toml", 'schema = 1\n[registry]\nid = "x"\nname = "y"\n[lifecycle]\ngrace_day = 1\n']
)
def test_settings_that_do_not_load_stop_writes_and_verification(full: Place, cli: Cli, text: str) -> None:
    (full.root / "helix.toml").write_text(text)
    before = everything(full.root)
    for words in (["block", "m@1.0.0"], ["sweep"], ["verify"]):
        ran = cli(*words)
        assert is_refusal(ran, 2)
        assert "helix.toml" in ran.err
    assert everything(full.root) == before


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (2, ["activate", "m"]),
        (2, ["rollback", "m@1.0.0"]),
        (2, ["rollback", "m", "--to", "latest"]),
        (2, ["show", "m@newest"]),
        (2, ["update", "m@2.0.0", "--set", "cost"]),
        (2, ["update", "m@2.0.0", "--set", "cost.input_per_mtok=-1"]),
        (2, ["update", "m@2.0.0", "--set", "cost.input_per_mtok=x"]),
        (2, ["update", "m@2.0.0", "--set", "version=3.0.0"]),
        (2, ["update", "m@2.0.0", "--set", "lifecycle.status=active"]),
        (2, ["update", "m@2.0.0", "--set", "metrics.verdict=passed"]),
        (2, ["update", "m@2.0.0", "--set", "configuration.a=nan"]),
        (2, ["update", "m@2.0.0", "--unset", "provider"]),
        (2, ["update", "m@2.0.0", "--unset", "cots.tier"]),
        (2, ["register", "n@1.0.0"]),
        (2, ["register"]),
        (2, ["register", "n@1.0.0", "--provider", " "]),
        (2, ["register", "n@1.0.0", "-f", "-", "--provider", "x"]),
        (2, ["register", "n@1.0.0", "--provider", "x", "--set", "configuration.a=1", "--set", "configuration.a.b=1"]),
        (2, ["register", "-f", "."]),
        (4, ["register", "-f", "nowhere.toml"]),
        (2, ["promote", "m@2.0.0"]),
        (2, ["promote", "m@2.0.0", "--to", "retired"]),
        (2, ["promote", "m@2.0.0", "--to", "canary", "--weight", "2"]),
        (2, ["deprecate", "m@1.1.0", "--eol", "soon"]),
        (2, ["deprecate", "m@1.1.0", "--eol", "2020-01-01"]),
        (2, ["deprecate", "m@1.1.0", "--grace-days", "99999999999"]),
        (2, ["deprecate", "m@1.1.0", "--replacement", "../x"]),
        (2, ["activate", "m@2.0.0", "--override", "evaluation"]),
        (2, ["activate", "m@2.0.0", "--override", "evaluation", "--reason", "too short"]),
        (2, ["activate", "m@2.0.0", "--override", "evalution", "--reason", "a reason that is long enough"]),
        (2, ["activate", "m@2.0.0", "--actor", "a\nb"]),
        (2, ["activate", "m@2.0.0", "--actor", ""]),
        (2, ["activate", "m@2.0.0", "--reason", "x" * 5000]),
        (2, ["activate", "m@2.0.0", "--reason", "\udcff"]),
        (5, ["activate", "m@2.0.0", "--expect", "canary"]),
        (5, ["activate", "m@2.0.0", "--expect", "1.0.0"]),
        (2, ["check", "m@2.0.0", "--for", "activat"]),
        (2, ["evaluate", "m@2.0.0", "--from", "."]),
        (4, ["evaluate", "m@2.0.0", "--from", "nowhere.jsonl"]),
        (4, ["evaluate", "m@2.0.0", "--from", "nowhere-*.jsonl"]),
        (2, ["record", "m@2.0.0", "--latency-ms", "-1"]),
        (2, ["record", "m@2.0.0", "--latency-ms", "nan"]),
        (2, ["record", "m@2.0.0", "--latency-ms", "1e30"]),
        (2, ["record", "m@2.0.0", "--confidence", "0.5"]),
        (2, ["record", "m@2.0.0", "--latency-ms", "5", "--cost", "inf"]),
        (2, ["audit", "log", "--since", "yesterday"]),
        (2, ["audit", "log", "--since", "9" * 15 + "d"]),
        (2, ["audit", "log", "--since", "2026-03-02", "--until", "2026-03-01"]),
        (2, ["audit", "log", "--action", "version.activatd"]),
        (2, ["audit", "log", "--severity", "loud"]),
        (2, ["audit", "log", "--model", "\udcff"]),
        (2, ["audit", "export", "-o", "text"]),
        (2, ["audit", "log", "-n", "0"]),
        (2, ["sweep", "--as-of", "tomorrow"]),
        (2, ["list", "-o", "yaml"]),
        (2, ["list", "--fields", "nope"]),
        (2, ["list", "--color", "sometimes"]),
        (4, ["show", "m@9.0.0"]),
        (4, ["show", "nothing@1.0.0"]),
        (4, ["show", "m@canary"]),
        (4, ["list", "nothing"]),
        (4, ["status", "nothing"]),
        (4, ["history", "nothing"]),
        (4, ["activate", "nothing@latest"]),
        (5, ["deprecate", "m@2.0.0"]),
        (5, ["promote", "m@1.1.0", "--to", "testing"]),
        (5, ["deactivate", "m@1.0.0"]),
        (5, ["update", "m@1.1.0", "--set", "provider=y"]),
        (5, ["rollback", "other"]),
        (5, ["rollback", "m", "--to", "2.0.0"]),
        (9, ["retire", "m@2.0.0"]),
        (9, ["retire", "m@1.1.0", "--yes"]),
        (9, ["retire", "m@1.1.0", "--confirm=m@1.0.0"]),
        (2, []),
        (2, ["audit"]),
        (2, ["frobnicate"]),
        (2, ["show", "m@1.0.0", "more"]),
    ],
)
def test_what_is_asked_wrongly_is_refused_and_changes_nothing(
    full: Place, cli: Cli, code: int, words: list[str]
) -> None:
    before = everything(full.root)
    assert is_refusal(cli(*words), code)
    assert everything(full.root) == before


BAD_LINES = {
    "not json": b"nonsense\n",
    "an array": b"[]\n",
    "no success": b'{"latency_ms":1}\n',
    "no latency": b'{"success":true}\n',
    "another model": b'{"model":"other","success":true,"latency_ms":1}\n',
    "a key twice": b'{"success":true,"success":false,"latency_ms":1}\n',
    "not a number": b'{"success":true,"latency_ms":NaN}\n',
    "infinite": b'{"success":true,"latency_ms":1,"cost":Infinity}\n',
    "beyond all bounds": b'{"success":true,"latency_ms":1e999}\n',
    "negative latency": b'{"success":true,"latency_ms":-1}\n',
    "negative tokens": b'{"success":true,"latency_ms":1,"output_tokens":-1}\n',
    "negative cost": b'{"success":true,"latency_ms":1,"cost":-0.01}\n',
    "a string for a number": b'{"success":true,"latency_ms":"1"}\n',
    "a string for a claim": b'{"success":"true","latency_ms":1}\n',
    "a part of a token": b'{"success":true,"latency_ms":1,"input_tokens":1.7}\n',
    "a huge integer": b'{"success":true,"latency_ms":1,"input_tokens":' + b"9" * 30 + b"}\n",
    "an integer of 5,000 digits": b'{"success":true,"latency_ms":1,"input_tokens":' + b"9" * 5000 + b"}\n",
    "too sure": b'{"success":true,"latency_ms":1,"confidence":1.01}\n',
    "no time": b'{"ts":"yesterday","success":true,"latency_ms":1}\n',
    "a time without a zone": b'{"ts":"2026-03-01T10:00:00","success":true,"latency_ms":1}\n',
    "a time that nobody lives to see": b'{"ts":"9999-03-01T10:00:00Z","success":true,"latency_ms":1}\n',
    "another version": b'{"version":"9.9.9","success":true,"latency_ms":1}\n',
    "a long line": b'{"success":true,"latency_ms":1,"error":"' + b"x" * 2**26 + b'"}\n',
    "not utf-8": b'{"success":true,"latency_ms":1,"error":"\xff"}\n',
    "deep": b"[" * 100_000 + b"\n",
}


@pytest.mark.parametrize("engine", ["python", "duckdb"])
@pytest.mark.parametrize("fault", BAD_LINES)
def test_malformed_inferences_are_named_by_line_and_nothing_is_judged(
    full: Place, cli: Cli, tmp_path: Path, fault: str, engine: str
) -> None:
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    path = tmp_path / "in.jsonl"
    good = b'{"success":true,"latency_ms":1}\n'
    path.write_bytes(good * 60 + BAD_LINES[fault] + good)
    before = everything(full.root)
    ran = cli("evaluate", "m@2.0.0", "--from", str(path), "--engine", engine)
    assert is_refusal(ran, 2)
    assert f"error[HX202]: 1 malformed line, at most 0 allowed: {path}:61: " in ran.err
    assert everything(full.root) == before


@pytest.mark.parametrize("words", ["evaluate m@2.0.0", "audit log", "audit report"])
def test_a_time_that_is_none_is_told_every_form_that_is_one(full: Place, cli: Cli, words: str) -> None:
    ran = cli(*words.split(), "--since", "foo")
    assert is_refusal(ran, 2)
    assert "write 2026-10-23 or 2026-10-23T08:00:00Z, or 7d for so long ago" in ran.err
    assert "7d" not in cli("sweep", "--as-of", "foo").err


@pytest.mark.parametrize(
    "words",
    [
        *("list", "status", "history", "rollback", "audit log --model", "audit export --model", "audit report --model"),
        *("audit log --actor", "audit log --severity", "audit export --outcome", "audit log --region"),
        *("list --fields", "show m@1.0.0 --fields"),
    ],
)
def test_an_empty_word_such_as_of_a_variable_that_is_not_set_does_not_mean_all(
    full: Place, cli: Cli, words: str
) -> None:
    assert is_refusal(cli(*words.split(), ""), 2)


def test_a_folder_that_cannot_be_made_a_registry_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    ran = cli("init", str(tmp_path / "file"))
    assert is_refusal(ran, 8)
    assert f"cannot lock the registry in {tmp_path / 'file'}: " in ran.err


def test_the_error_object_places_a_malformed_line(full: Place, cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b'{"success":true,"latency_ms":1}\nno\n')
    for words, stdin, where in (
        (("evaluate", "m@2.0.0", "--from", str(path)), b"", (str(path), 2)),
        (("compare", "m@2.0.0", "m@1.0.0", "--from", str(path)), b"", (str(path), 2)),
        (("record", "m@2.0.0"), b"\nno\n", (None, 2)),
    ):
        told = json.loads(cli(*words, "-o", "json", stdin=stdin).err)
        assert (told["path"], told["line"]) == where, told


ODD_FILES = {
    "nothing": (b"", 7, "0 samples"),
    "blank lines": (b"\n \n\n", 7, "0 samples"),
    "one record": (b'{"success":true,"latency_ms":1}\n', 7, "1 of 50 samples"),
    "only failures": (b'{"success":false,"error":"timeout"}\n' * 60, 3, "60 of 60 failures are timeouts"),
    "seconds": (b'{"success":true,"latency_ms":0.9}\n' * 60, 0, "were seconds meant"),
    "microseconds": (b'{"success":true,"latency_ms":3000000}\n' * 60, 3, "were microseconds meant"),
    "nanoseconds": (b'{"success":true,"latency_ms":900000000}\n' * 60, 3, "were nanoseconds meant"),
    "the future": (b'{"ts":"2099-01-01T00:00:00Z","success":true,"latency_ms":9}\n' * 60, 0, "yet to come"),
    "cut short": (gzip.compress(b'{"success":true,"latency_ms":9}\n' * 9000)[:-20], 2, "is broken, or cut short"),
    "two versions": (
        b'{"version":"%d.0.0","success":true,"latency_ms":9}\n' * 60 % ((1, 2) * 30),
        2,
        "another version",
    ),
}


@pytest.mark.parametrize("engine", ["python", "duckdb"])
@pytest.mark.parametrize("case", ODD_FILES)
def test_an_odd_file_is_never_passed_over_in_silence(
    full: Place, cli: Cli, tmp_path: Path, case: str, engine: str
) -> None:
    if engine == "duckdb":
        pytest.importorskip("duckdb")
    raw, code, said = ODD_FILES[case]
    path = tmp_path / "in"
    path.write_bytes(raw)
    ran = cli("evaluate", "m@2.0.0", "--from", str(path), "--engine", engine)
    assert ran.code == code
    assert said in ran.out + ran.err
    assert (ran.out == "") == (code == 2)


def test_records_without_a_time_fail_whatever_asks_how_old_they_are(full: Place, cli: Cli) -> None:
    (full.root / "policies" / "young.toml").write_text(
        'schema = 1\nname = "young"\n[[rule]]\nid = "young"\nenforcement = "mandatory"\nevaluation = { max_age = "7d" }\n'
    )
    good = b'{"success":true,"latency_ms":100}\n' * 80
    assert cli("evaluate", "m@2.0.0", "--from", "-", stdin=good).code == 0
    ran = cli("check", "m@2.0.0", "--for", "activate")
    assert ran.code == 7
    assert "the inferences carry no time" in ran.out


def test_a_registry_that_is_not_there_is_not_found_and_not_made(cli: Cli, tmp_path: Path) -> None:
    before = everything(tmp_path)
    for words in (["list"], ["verify"], ["register", "m@1.0.0", "--provider", "x"], ["audit", "export"]):
        assert is_refusal(cli(*words, "-C", str(tmp_path / "nowhere")), 4)
    assert everything(tmp_path) == before


def test_a_registry_file_that_is_a_folder_is_refused(full: Place, cli: Cli) -> None:
    full.path("m@2.0.0").unlink()
    full.path("m@2.0.0").mkdir()
    ran = cli("show", "m@2.0.0")
    assert ran.code in (6, 8)
    assert is_refusal(ran, ran.code)


@as_nobody
def test_a_registry_that_may_not_be_read_is_refused_by_reads_and_writes(full: Place) -> None:
    reachable(full.root)
    (full.root / "models" / "m").chmod(0o700)
    before = everything(full.root)
    ran = process(("show", "m@1.0.0"), full.root, NOBODY)
    assert is_refusal(ran, 8)
    assert "permission denied" in ran.err
    assert everything(full.root) == before


@as_nobody
def test_a_registry_that_may_not_be_written_refuses_writes_and_serves_reads(full: Place) -> None:
    reachable(full.root)
    before = everything(full.root)
    for words in (
        ("block", "m@1.0.0"),
        ("register", "n@1.0.0", "--provider", "x"),
        ("record", "m@1.0.0", "--latency-ms", "1"),
    ):
        ran = process(words, full.root, NOBODY)
        assert is_refusal(ran, 8)
        assert "permission denied" in ran.err
    for command in ("list", "verify", "deactivate m@2.0.0 --dry-run"):
        assert process(tuple(command.split()), full.root, NOBODY).code == 0
    assert everything(full.root) == before


@as_nobody
def test_a_folder_that_may_not_be_written_becomes_no_registry(tmp_path: Path) -> None:
    reachable(tmp_path)
    assert is_refusal(process(("init", "here"), tmp_path, NOBODY), 8)
    assert everything(tmp_path) == {}


@pytest.mark.parametrize("blocks", [0, 1])
def test_a_disk_that_takes_no_more_leaves_the_old_registry(full: Place, blocks: int) -> None:
    """The limit on the size of a file stands for the full disk: the kernel refuses the write itself."""
    before = everything(full.root)
    limited = ("bash", "-c", f'ulimit -f {blocks}; exec "$@"', "-")
    for words in (("deactivate", "m@2.0.0"), ("register", "new@1.0.0", "--provider", "x"), ("activate", "m@2.0.0")):
        ran = process(words, full.root, limited)
        assert is_refusal(ran, 8)
    assert everything(full.root) == before
    assert full.registry.verify().outcome == "ok"


@pytest.mark.parametrize("at", ["start", "middle", "end"])
def test_an_audit_file_with_conflict_markers_is_named_and_stops_writes(full: Place, cli: Cli, at: str) -> None:
    (segment,) = (full.root / "audit").rglob("*.jsonl")
    lines = segment.read_bytes().splitlines(keepends=True)
    place_of = {"start": 0, "middle": 3, "end": len(lines)}[at]
    lines[place_of:place_of] = [b"<<<<<<< HEAD\n"]
    segment.write_bytes(b"".join(lines))
    name = str(segment.relative_to(full.root))
    before = everything(full.root)
    ran = cli("block", "m@1.0.0")
    assert is_refusal(ran, 6)
    assert f"{name}:{place_of + 1}: a conflict marker of git" in ran.err
    for command in ("verify", "audit verify"):
        told = cli(*command.split(), "-o", "json")
        assert (told.code, payload(told)["outcome"]) == (6, "tampered")
        assert (name, place_of + 1) in {(one["path"], one["line"]) for one in payload(told)["findings"]}
    assert is_refusal(cli("audit", "log"), 6)
    assert cli("show", "m@1.0.0").code == 0
    assert everything(full.root) == before


STRANGE = "a\x1b[31mred\x07[bold]b[/bold]\u202eevil\u2028\x9b\nerror[HX999]: forged"


def test_a_name_of_control_characters_and_markup_is_kept_and_shown_harmless(place: Place, cli: Cli) -> None:
    place.registry.register({"model": "m", "version": "1.0.0", "provider": STRANGE, "display_name": STRANGE})
    assert cli("block", "m@1.0.0", "--reason", STRANGE).code == 0
    for words in (["show", "m@1.0.0"], ["list"], ["history", "m"], ["audit", "log", "-v"], ["check", "m@1.0.0"]):
        ran = cli(*words, "--color", "never")
        assert ran.err == ""
        assert all(line.isprintable() for line in ran.out.split("\n"))
        assert "forged" not in [line[:6] for line in ran.out.split("\n")]
        assert "[bold]b[/bold]" in ran.out
    assert payload(cli("show", "m@1.0.0", "-o", "json"))["display_name"] == STRANGE
    assert cli("verify").code == 0


def test_an_error_about_a_strange_name_is_one_harmless_line(place: Place, cli: Cli) -> None:
    assert "\x1b" not in cli("list", "--fields", STRANGE).out
    place.register("m@1.0.0")
    for words in (
        ["show", STRANGE],
        ["list", "--fields", STRANGE],
        ["block", "m@1.0.0", "--actor", STRANGE],
        [STRANGE],
    ):
        ran = cli(*words)
        assert is_refusal(ran, 2)
    assert is_refusal(cli("list", "-C", f"/nowhere/{STRANGE}"), 4)
    assert is_refusal(cli("register", "-f", f"/nowhere/{STRANGE}"), 4)


def test_a_clock_set_back_a_day_is_warned_of_and_breaks_nothing(full: Place, cli: Cli) -> None:
    full.clock.now -= timedelta(days=1)
    ran = cli("deactivate", "m@2.0.0", "-o", "json")
    assert ran.code == 0
    assert "the clock stands before the newest entry" in ran.err
    entries = [entry["seq"] for entry in full.registry.audit()]
    assert entries == sorted(entries)
    assert payload(ran)["audit"]["seq"] == entries[-1]
    assert cli("verify").code == 0
    assert cli("promote", "m@2.0.0", "--to", "testing").code == 0
    assert cli("verify").code == 0


def test_a_model_folder_with_an_impossible_name_hides_no_other(full: Place, cli: Cli) -> None:
    (full.root / "models" / "a b").mkdir()
    (full.root / "models" / "a b" / "1.0.0.toml").write_text(HEAD)
    listed = cli("list", "-o", "json")
    assert listed.code == 6
    assert len(payload(listed)["versions"]) == 4
    assert "a b" in listed.err
    assert cli("block", "m@1.0.0").code == 0


def test_a_file_under_a_name_that_is_not_its_own_is_damaged(full: Place, cli: Cli) -> None:
    shutil.copy(full.path("m@1.0.0"), full.path("m@3.0.0"))
    assert is_refusal(cli("show", "m@3.0.0"), 6)
    assert cli("list").code == 6


def test_a_hand_edit_is_refused_until_it_is_adopted(full: Place, cli: Cli) -> None:
    path = full.path("m@2.0.0")
    path.write_bytes(path.read_bytes().replace(b"output_per_mtok = 2.00", b"output_per_mtok = 3.00"))
    before = everything(full.root)
    ran = cli("block", "m@2.0.0")
    assert is_refusal(ran, 6)
    assert "adopt" in ran.err
    assert everything(full.root) == before
    assert cli("block", "m@1.0.0").code == 0


def test_a_hand_edit_of_the_lifecycle_cannot_be_adopted(full: Place, cli: Cli) -> None:
    path = full.path("m@2.0.0")
    path.write_bytes(path.read_bytes().replace(b'status = "testing"', b'status = "active"'))
    before = everything(full.root)
    assert is_refusal(cli("adopt", "m@2.0.0", "--reason", "i say so"), 6)
    assert cli("verify").code == 6
    assert everything(full.root) == before


def test_a_deleted_version_file_cannot_be_adopted(full: Place, cli: Cli) -> None:
    full.path("m@2.0.0").unlink()
    ran = cli("adopt", "m@2.0.0", "--reason", "gone")
    assert ran.code in (4, 6)
    assert is_refusal(ran, ran.code)


def test_an_unknown_field_on_a_change_does_not_hide_that_it_was_made(full: Place, cli: Cli) -> None:
    ran = cli("block", "m@2.0.0", "--fields", "nope")
    assert ran.code == 0
    assert "no field 'nope'" in ran.err
    assert ran.out.startswith("block m@2.0.0\n")


def test_errors_are_one_json_object_on_stderr_where_json_is_asked_for(full: Place, cli: Cli) -> None:
    for words in (
        ["show", "m@9.0.0", "-o", "json"],
        ["frobnicate", "--output=json"],
        ["list", "-oxml", "-ojson", "x y"],
        *(["show", "m@9.0.0", *words] for words in (["-qojson"], ["-ondjson"], ["--output=ndjson"], ["-qo", "json"])),
    ):
        ran = cli(*words)
        assert ran.out == ""
        (line,) = ran.err.splitlines()
        told = json.loads(line)
        assert (told["schema_version"], told["kind"], told["exit_code"]) == (1, "error", ran.code)
        assert told["code"].startswith("HX")
        assert told["message"]
        assert told["hint"]


GOOD = b'{"success":true,"latency_ms":5}\n'


@pytest.mark.parametrize(
    ("raw", "words", "hint"),
    [
        (GOOD + GOOD.replace(b"{", b'{"version":"9.0.0",'), (), "leave them out, as by --where version=2.0.0"),
        (GOOD + b"x\n", (), "correct the lines, or raise evaluation.max_malformed"),
        (GOOD, ("--format", "otlp"), "check --format and --map"),
        (GOOD, ("--format", "parquet"), "check the file"),
    ],
)
def test_the_hint_about_malformed_lines_suits_what_is_wrong(
    full: Place, cli: Cli, raw: bytes, words: tuple[str, ...], hint: str
) -> None:
    Path("in.jsonl").write_bytes(raw)
    before = everything(full.root)
    ran = cli("evaluate", "m@2.0.0", "--from", "in.jsonl", *words)
    assert is_refusal(ran, 2)
    assert hint in ran.err
    assert everything(full.root) == before
