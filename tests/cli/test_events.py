from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from helixctl.cli.render import events
from helixctl.core import audit
from helixctl.core.audit import Actor, Change, Effect, Entry
from tests.conftest import Place, Ran

Cli = Callable[..., Ran]
SCHEMAS = Path(__file__).parent / "schemas"
AT = datetime(2026, 11, 22, 10, 15, 0, 123456, tzinfo=UTC)
ALICE = Actor("alice@example.com", "user", "git")
ECS_OF = {
    "keyword": str,
    "match_only_text": str,
    "date": str,
    "long": int,
    "object": dict,
}
ECS_VALUES = {
    "event.kind": {"event"},
    "event.category": {"configuration"},
    "event.type": {"access", "change", "creation", "deletion", "info"},
    "event.outcome": {"success", "failure", "unknown"},
}
"""What Elastic Common Schema 8.17 allows, and expects of the types of category configuration."""


def schema(name: str) -> Any:
    return json.loads((SCHEMAS / name).read_text())


def validate(event: Mapping[str, Any], name: str) -> None:
    """Assert that an event follows a schema, and that the schema is one itself."""
    stated = schema(name)
    Draft202012Validator.check_schema(stated)
    Draft202012Validator(stated).validate(event)


def flat(event: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in event.items():
        if isinstance(value, dict) and prefix + key not in ("labels", "helixctl"):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def validate_ecs(event: Mapping[str, Any]) -> None:
    fields = schema("ecs_fields.json")
    for name, value in flat(event):
        if name == "helixctl":
            continue
        kind = fields[name].removesuffix("[]")
        values = value if fields[name].endswith("[]") else [value]
        assert isinstance(values, list), name
        assert all(type(one) is ECS_OF[kind] for one in values), name
        assert set(values) <= ECS_VALUES[name] if name in ECS_VALUES else True
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z", event["@timestamp"])
    assert all(isinstance(value, str) for value in event["labels"].values())
    assert {"@timestamp", "ecs", "event", "message"} <= set(event)


MOVED = (
    Effect("version.activated", "m", "2.0.0", "testing", "active"),
    Effect("version.deprecated", "m", "1.0.0", "active", "deprecated"),
)
CHANGED = (Change("models/m/2.0.0.toml", "1" * 64, "2" * 64, "3" * 64),)
MADE = {
    "activated": Entry(AT, "version.activated", ALICE, "success", "m", "2.0.0", "better", CHANGED, MOVED),
    "denied": Entry(AT, "deployment.denied", ALICE, "denied", "m", "2.0.0", None),
    "failed": Entry(AT, "evaluation.failed", Actor("ci", "ci", "github"), "failed", "m", "2.0.0", None, CHANGED),
    "registered": Entry(AT, "version.registered", Actor("x", "robot", "y"), "success", "m", "2.0.0", None, CHANGED),
    "initialized": Entry(AT, "registry.initialized", Actor("python", "api", "api"), changes=CHANGED),
    "observed": Entry(AT, "metrics.updated", ALICE, "success", "m", "2.0.0", data={"samples": 5}),
    "past": Entry(AT, "eol.warned", ALICE, "success", "m", "2.0.0", data={"past": "active"}),
    "strange": Entry(AT, "version.blocked", Actor('"\u202e\n\x1b', "user", "git"), model="m", reason='\u2028"}\n{\x00'),
}


def entry(made: Entry) -> tuple[bytes, dict[str, Any]]:
    line, _ = audit.encode(made._replace(registry="0198-test", tool="0.1.0", id="id-1", seq=7, parents=("a" * 64,)))
    return line[:-1], audit.parse(line)


def newer(**changes: Any) -> tuple[bytes, dict[str, Any]]:
    """An entry of a later release, with words and keys that this one does not know."""
    found = {**entry(MADE["activated"])[1], **changes}
    return json.dumps(found, separators=(",", ":")).encode(), found


ENTRIES = {
    **{name: entry(made) for name, made in MADE.items()},
    "unknown words": newer(action="future.word", severity="fatal", outcome="deferred", colour="blue"),
    "a region": newer(data={"region": "eu-west-1"}),
}


@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_is_an_event_of_each_schema(name: str) -> None:
    raw, found = ENTRIES[name]
    validate(json.loads(events.line(events.ocsf(raw, found))), "ocsf_api_activity.json")
    validate(json.loads(events.line(events.cloudevents(raw, found))), "cloudevents.json")
    validate_ecs(json.loads(events.line(events.ecs(raw, found))))


@pytest.mark.parametrize("name", ENTRIES)
def test_every_event_carries_the_line_that_verifies(name: str) -> None:
    raw, found = ENTRIES[name]
    assert json.loads(events.line(events.ecs(raw, found)))["event"]["original"].encode() == raw
    assert json.loads(events.line(events.ocsf(raw, found)))["raw_data"].encode() == raw
    assert b',"data":' + raw + b"}\n" in events.line(events.cloudevents(raw, found))


@pytest.mark.parametrize(
    ("name", "kind", "outcome", "severity"),
    [
        ("activated", "change", "success", 2),
        ("denied", "change", "failure", 3),
        ("failed", "change", "failure", 4),
        ("registered", "creation", "success", 2),
        ("initialized", "creation", "success", 2),
        ("observed", "info", "success", 1),
        ("past", "info", "success", 5),
        ("unknown words", "change", "unknown", 0),
    ],
)
def test_ecs_tells_the_kind_the_outcome_and_the_severity(name: str, kind: str, outcome: str, severity: int) -> None:
    told = events.ecs(*ENTRIES[name])["event"]
    assert (told["type"], told["outcome"], told["severity"]) == ([kind], outcome, severity)


@pytest.mark.parametrize(
    ("name", "activity", "severity", "status", "user"),
    [
        ("activated", 3, 1, 1, 1),
        ("denied", 3, 3, 2, 1),
        ("failed", 3, 4, 2, 4),
        ("registered", 1, 1, 1, 99),
        ("initialized", 1, 1, 1, 4),
        ("observed", 99, 1, 1, 1),
        ("past", 99, 5, 1, 1),
        ("unknown words", 3, 99, 99, 1),
    ],
)
def test_ocsf_tells_activity_severity_status_and_user(
    name: str, activity: int, severity: int, status: int, user: int
) -> None:
    told = events.ocsf(*ENTRIES[name])
    assert (told["activity_id"], told["type_uid"]) == (activity, 600300 + activity)
    assert (told["severity_id"], told["status_id"], told["actor"]["user"]["type_id"]) == (severity, status, user)


def test_an_event_names_who_when_what_and_why() -> None:
    raw, found = ENTRIES["activated"]
    ecs, ocsf, cloud = events.ecs(raw, found), events.ocsf(raw, found), json.loads(events.cloudevents(raw, found))
    assert (ecs["user"]["id"], ecs["event"]["reason"]) == ("alice@example.com", "better")
    assert (ecs["event"]["sequence"], ecs["event"]["hash"]) == (7, found["hash"])
    assert (ecs["labels"]["model"], ecs["helixctl"]["effects"]) == ("m", found["effects"])
    assert ocsf["time"] == 1795342500123
    assert [one["uid"] for one in ocsf["resources"]] == ["m@2.0.0", "m@1.0.0"]
    assert (ocsf["status_detail"], ocsf["unmapped"]["hash"]) == ("better", found["hash"])
    assert cloud["data"] == found
    assert {key: cloud[key] for key in ("id", "source", "type", "subject", "time")} == {
        "id": "id-1",
        "source": "urn:uuid:0198-test",
        "type": "helixctl.version.activated",
        "subject": "m@2.0.0",
        "time": "2026-11-22T10:15:00.123456Z",
    }


def test_what_is_not_there_is_left_out() -> None:
    raw, found = ENTRIES["initialized"]
    assert "subject" not in json.loads(events.cloudevents(raw, found))
    assert not {"resources", "status_detail"} & set(events.ocsf(raw, found))
    assert "reason" not in events.ecs(raw, found)["event"]
    assert set(events.ecs(raw, found)["labels"]) == {"actor_type", "actor_via", "registry", "outcome"}


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"class_uid": 6004}, "ocsf_api_activity.json"),
        ({"severity_id": 7}, "ocsf_api_activity.json"),
        ({"time": "2026-11-22"}, "ocsf_api_activity.json"),
        ({"src_endpoint": {}}, "ocsf_api_activity.json"),
        ({"colour": "blue"}, "ocsf_api_activity.json"),
        ({"specversion": "0.3"}, "cloudevents.json"),
        ({"id": ""}, "cloudevents.json"),
        ({"source": "urn:uuid:a b"}, "cloudevents.json"),
        ({"Some-Key": 1}, "cloudevents.json"),
    ],
)
def test_the_schemas_refuse_what_the_specifications_do(change: dict[str, Any], name: str) -> None:
    raw, found = ENTRIES["activated"]
    event = events.ocsf(raw, found) if name.startswith("ocsf") else json.loads(events.cloudevents(raw, found))
    assert not Draft202012Validator(schema(name)).is_valid({**event, **change})


def test_a_whole_log_is_exported_an_event_a_line(place: Place, cli: Cli) -> None:
    place.serve("m@1.0.0", "m@2.0.0")
    place.register("m@3.0.0")
    assert not place.registry.activate("m@3.0.0").allowed
    place.registry.rollback("m", reason="wrong\nanswers")
    ids = [one["id"] for one in place.registry.audit()]
    ocsf, ecs, cloud = (
        [json.loads(line) for line in cli("audit", "export", "-o", name).out.splitlines()]
        for name in ("ocsf", "ecs", "cloudevents")
    )
    assert [one["metadata"]["uid"] for one in ocsf] == [one["event"]["id"] for one in ecs] == ids
    assert [one["id"] for one in cloud] == ids
    for event in ocsf:
        validate(event, "ocsf_api_activity.json")
    for event in cloud:
        validate(event, "cloudevents.json")
    for event in ecs:
        validate_ecs(event)
    denied = cli("audit", "export", "-o", "ocsf", "--outcome", "denied").out
    assert [json.loads(line)["status_id"] for line in denied.splitlines()] == [2]
