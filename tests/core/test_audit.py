from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from helixctl.core.audit import (
    ACTIONS,
    DATA_FIELDS,
    OUTCOMES,
    SEVERITIES,
    Actor,
    BadLine,
    Change,
    Effect,
    Entry,
    Filter,
    changes_as_rows,
    encode,
    entry_id,
    parse,
    scan,
)
from helixctl.errors import Usage

AT = datetime(2026, 11, 22, 10, 15, 0, 123456, tzinfo=UTC)
ENTRY = Entry(
    at=AT,
    action="version.activated",
    actor=Actor("alice@example.com", "user", "git"),
    model="m",
    version="2.0.0",
    changes=(Change("models/m/2.0.0.toml", None, "a" * 64, "b" * 64),),
    effects=(
        Effect("version.activated", "m", "2.0.0", "testing", "active"),
        Effect("version.deprecated", "m", "1.0.0", "active", "deprecated"),
    ),
    data={"previous": "1.0.0"},
    registry="0198-r",
    tool="0.1.0",
    id="01aa0a3b-6d23-7000-8000-000000000000",
    seq=12,
    parents=("c" * 64, "d" * 64),
)
CONTRACT = """
    registry.initialized registry.restored registry.reconciled config.updated policy.updated thresholds.updated
    version.registered version.updated version.adopted version.promoted version.activated version.deactivated
    version.deprecated version.retired version.rolled_back version.blocked version.unblocked canary.started canary.ended
    deployment.denied deployment.failed deployment.scheduled deployment.expired approval.granted approval.rejected
    approval.withdrawn override.used override.reviewed evaluation.completed evaluation.failed metrics.updated
    threshold.violated quality.degraded eol.warned catalogue.imported backup.created audit.archived audit.checkpointed
    notification.failed
"""
SEVERE = {
    "debug": {"metrics.updated"},
    "warning": {
        "deployment.denied",
        "threshold.violated",
        "eol.warned",
        "version.rolled_back",
        "version.blocked",
        "override.used",
    },
    "error": {"deployment.failed", "evaluation.failed", "quality.degraded", "notification.failed"},
    "critical": {"registry.reconciled", "registry.restored"},
}


def line_of(entry: Entry = ENTRY) -> bytes:
    return encode(entry)[0].removesuffix(b"\n")


def sealed(body: bytes) -> bytes:
    """Return a body with the hash that fits it."""
    return body + b',"hash":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


def test_an_entry_is_the_line_of_the_contract_byte_for_byte() -> None:
    body = (
        '{"v":1,"seq":12,"ts":"2026-11-22T10:15:00.123456Z","id":"01aa0a3b-6d23-7000-8000-000000000000",'
        '"registry":"0198-r","action":"version.activated","severity":"info","outcome":"success",'
        '"actor":{"id":"alice@example.com","type":"user","via":"git"},"model":"m","version":"2.0.0","reason":null,'
        '"changes":[{"path":"models/m/2.0.0.toml","before":null,"after":"'
        + "a" * 64
        + '","state":"'
        + "b" * 64
        + '"}],'
        '"effects":[{"action":"version.activated","model":"m","version":"2.0.0","from":"testing","to":"active"},'
        '{"action":"version.deprecated","model":"m","version":"1.0.0","from":"active","to":"deprecated"}],'
        '"data":{"previous":"1.0.0"},"tool":"0.1.0","parents":["' + "c" * 64 + '","' + "d" * 64 + '"]'
    ).encode()
    raw, digest = encode(ENTRY)
    assert raw == sealed(body) + b"\n"
    assert digest == hashlib.sha256(body).hexdigest()


def test_a_line_scans_and_parses_to_what_was_encoded() -> None:
    raw, digest = encode(ENTRY)
    found = scan(raw[:-1])
    assert (found.seq, found.hash, found.parents, found.at) == (
        12,
        digest,
        ENTRY.parents,
        b"2026-11-22T10:15:00.123456Z",
    )
    entry = parse(raw[:-1])
    assert list(entry) == [
        *("v", "seq", "ts", "id", "registry", "action", "severity", "outcome", "actor", "model", "version", "reason"),
        *("changes", "effects", "data", "tool", "parents", "hash"),
    ]
    assert entry["changes"] == changes_as_rows(ENTRY)
    assert (entry["data"], entry["hash"]) == ({"previous": "1.0.0"}, digest)


def test_the_first_entry_has_no_parents_and_a_time_is_written_in_utc() -> None:
    at = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    found = scan(line_of(ENTRY._replace(parents=(), seq=1, at=at)))
    assert (found.parents, found.at) == ((), b"2025-12-31T23:30:00.000000Z")


@pytest.mark.parametrize(
    "reason", ['"', "\\", "a\nb", "\x00\x1b[31m", "\u2028", "\U0001f600", ',"parents":["x"],"hash":"y"}', "\ud800"]
)
def test_any_reason_stays_on_one_ascii_line_and_cannot_imitate_the_frame(reason: str) -> None:
    raw = line_of(ENTRY._replace(reason=reason))
    assert raw.isascii()
    assert b"\n" not in raw
    assert scan(raw).parents == ENTRY.parents
    assert parse(raw)["reason"] == reason


@pytest.mark.parametrize("place", range(0, len(line_of()), 7))
def test_a_changed_byte_anywhere_is_a_bad_line(place: int) -> None:
    raw = line_of()
    with pytest.raises(BadLine):
        scan(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: b"", "an empty line"),
        (lambda raw: b"<<<<<<< HEAD", "a conflict marker of git"),
        (lambda raw: b"=======", "a conflict marker of git"),
        (lambda raw: b">>>>>>> main", "a conflict marker of git"),
        (lambda raw: b"||||||| base", "a conflict marker of git"),
        (lambda raw: b"not json", "not an entry"),
        (lambda raw: b"not json\r", "the line ends in CRLF"),
        (lambda raw: raw + b"\r", "the line ends in CRLF"),
        (lambda raw: raw + b" ", "the line does not end in parents and hash"),
        (lambda raw: b" " + raw, "not an entry"),
        (lambda raw: raw[:-1], "the line does not end in parents and hash"),
        (lambda raw: raw.replace(b'"v":1', b'"v":2', 1), "entry version 2 is newer"),
        (lambda raw: raw.replace(b'"seq":12', b'"seq":012', 1), "not an entry"),
        (lambda raw: raw.replace(b'"seq":12', b'"seq":0', 1), "not an entry"),
        (lambda raw: raw.replace(b"testing", b"inactiv"), "the hash does not match"),
        (lambda raw: raw[:-66] + raw[-66:].replace(b'"', b"'"), "the line does not end in parents and hash"),
        (lambda raw: raw[:-66] + raw[-66:].upper(), "the hash does not match"),
        (
            lambda raw: sealed(raw[:-75].replace(b'"parents"', b'"Parents"')),
            "the line does not end in parents and hash",
        ),
        (lambda raw: sealed(raw[:-75].replace(b"c" * 64, b"C" * 64)), "the line does not end in parents and hash"),
        (lambda raw: sealed(raw[:-75] + b',"x":1'), "the line does not end in parents and hash"),
    ],
)
def test_what_is_no_entry_is_told_apart(damage: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(BadLine) as bad:
        scan(damage(line_of()))
    assert message in str(bad.value)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not an object"),
        (b'{"a":1,"a":2}', "a key stands twice"),
        (b'{"a":{"b":1,"b":1}}', "a key stands twice"),
        (b'{"a":1.5}', "a number that is not whole"),
        (b'{"a":1e3}', "a number that is not whole"),
        (b'{"a":NaN}', "a number that is not whole"),
        (b'{"a":Infinity}', "a number that is not whole"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'{"a":' + b"[" * 200_000, "not JSON"),
    ],
)
def test_a_line_that_readers_could_read_in_two_ways_is_refused(raw: bytes, message: str) -> None:
    with pytest.raises(BadLine, match=message):
        parse(raw)


# words


def test_the_actions_are_those_of_the_contract_each_with_its_severity() -> None:
    assert list(ACTIONS) == CONTRACT.split()
    assert set(ACTIONS.values()) <= set(SEVERITIES)
    found = {level: {name for name, severity in ACTIONS.items() if severity == level} for level in SEVERITIES}
    assert {level: names for level, names in found.items() if level != "info"} == SEVERE
    assert OUTCOMES == ("success", "denied", "failed")


@pytest.mark.parametrize(
    ("changes", "severity"),
    [
        ({}, "info"),
        ({"action": "metrics.updated", "effects": ()}, "debug"),
        ({"action": "metrics.updated", "effects": (Effect("threshold.violated", "m", "1"),)}, "warning"),
        (
            {
                "action": "metrics.updated",
                "effects": (Effect("quality.degraded", "m", "1"), Effect("threshold.violated", "m", "1")),
            },
            "error",
        ),
        ({"effects": (*ENTRY.effects, Effect("override.used", "m", "2"))}, "warning"),
        ({"action": "version.retired", "outcome": "denied", "effects": ()}, "warning"),
        ({"action": "deployment.denied", "outcome": "denied", "effects": ()}, "warning"),
        ({"action": "evaluation.failed", "outcome": "failed", "effects": ()}, "error"),
        ({"action": "eol.warned", "effects": (), "data": {"past": "deprecated"}}, "warning"),
        ({"action": "eol.warned", "effects": (), "data": {"past": "active"}}, "critical"),
        ({"action": "registry.reconciled", "effects": ()}, "critical"),
        ({"action": "future.word", "effects": ()}, "info"),
    ],
)
def test_the_severity_is_the_highest_of_action_effects_and_outcome(changes: dict[str, Any], severity: str) -> None:
    entry = ENTRY._replace(**changes)
    assert entry.severity == severity


@pytest.mark.parametrize("action", sorted(set(DATA_FIELDS) - {"*"}))
def test_the_data_of_an_action_is_a_closed_set(action: str) -> None:
    assert action in ACTIONS
    effects = (Effect(action, "m", "1.0.0"),)
    allowed = dict.fromkeys(DATA_FIELDS["*"] | DATA_FIELDS[action], "x")
    assert parse(line_of(ENTRY._replace(action=action, effects=effects, data=allowed)))["data"] == allowed
    for name in ("argv", "environment", "token"):
        with pytest.raises(ValueError, match=f"{action} has no data field {name}"):
            encode(ENTRY._replace(action=action, effects=effects, data={**allowed, name: "x"}))


def test_an_action_without_fields_of_its_own_takes_the_common_ones_and_no_other() -> None:
    bare = ENTRY._replace(action="version.blocked", effects=())
    assert encode(bare._replace(data={"decision": {}}))
    with pytest.raises(ValueError, match=r"version\.blocked has no data field previous"):
        encode(bare._replace(data={"previous": "1.0.0"}))


# ids and places


def test_an_id_is_a_uuid_of_version_7_that_holds_the_millisecond_and_the_random_bytes() -> None:
    found = UUID(entry_id(AT, bytes(range(246, 256))))
    assert (found.version, found.variant) == (7, "specified in RFC 4122")
    assert found.int >> 80 == int(AT.timestamp()) * 1000 + 123
    assert found.bytes[6:8] == bytes([0x76, 0xF7])
    assert found.bytes[8:] == bytes([0xF8 & 0x3F | 0x80, *range(249, 256)])


def test_ids_order_as_their_times_do_to_the_millisecond() -> None:
    times = [AT + timedelta(milliseconds=n) for n in range(0, 2000, 7)]
    ids = [entry_id(at, b"\xff" * 10 if n % 2 else bytes(10)) for n, at in enumerate(times)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


# filters


def read(entry: Entry) -> dict[str, Any]:
    return parse(line_of(entry))


DENIED = ENTRY._replace(action="deployment.denied", outcome="denied", changes=(), effects=(), data={})


@pytest.mark.parametrize(
    ("wanted", "activated", "denied"),
    [
        (Filter(), True, True),
        (Filter(model="m"), True, True),
        (Filter(model="other"), False, False),
        (Filter(version="2.0.0"), True, True),
        (Filter(version="1.0.0"), True, False),
        (Filter(model="m", version="1.0.0", actions=("version.deprecated",)), True, False),
        (Filter(version="1.0.0", actions=("version.activated",)), False, False),
        (Filter(actions=("version.deprecated",)), True, False),
        (Filter(actions=("deployment.denied",)), False, True),
        (Filter(actions=("version.activated", "deployment.denied")), True, True),
        (Filter(severity="debug"), True, True),
        (Filter(severity="info"), True, True),
        (Filter(severity="warning"), False, True),
        (Filter(severity="error"), False, False),
        (Filter(outcome="success"), True, False),
        (Filter(outcome="denied"), False, True),
        (Filter(actor="alice@example.com"), True, True),
        (Filter(actor="alice"), False, False),
        (Filter(actor="alice@example.com", outcome="denied", severity="warning", model="m"), False, True),
    ],
)
def test_a_filter_matches_what_an_entry_did_and_all_its_terms_together(
    wanted: Filter, activated: bool, denied: bool
) -> None:
    assert wanted.wants(read(ENTRY)) is activated
    assert wanted.wants(read(DENIED)) is denied
    assert wanted.is_whole is (wanted == Filter())


@pytest.mark.parametrize(
    ("since", "until", "wanted"),
    [
        (None, None, True),
        (AT, None, True),
        (AT + timedelta(microseconds=1), None, False),
        (None, AT, False),
        (None, AT + timedelta(microseconds=1), True),
        (AT, AT, False),
        (AT.astimezone(timezone(timedelta(hours=2))), None, True),
        (datetime(1, 1, 1, tzinfo=UTC), None, True),
        (None, datetime(999, 1, 1, tzinfo=UTC), False),
    ],
)
def test_a_time_range_holds_its_beginning_and_not_its_end(
    since: datetime | None, until: datetime | None, wanted: bool
) -> None:
    low, high = Filter(since=since, until=until).bounds
    assert (low <= scan(line_of()).at < high) is wanted


@pytest.mark.parametrize(
    ("at", "wanted"),
    [(AT, True), (AT - timedelta(microseconds=1), False), (AT + timedelta(days=900), True)],
)
def test_a_time_to_look_back_from_holds_what_happened_in_its_own_instant(at: datetime, wanted: bool) -> None:
    low, high = Filter(at=at).bounds
    assert (low <= scan(line_of()).at < high) is wanted


@pytest.mark.parametrize(
    ("effect", "data", "wanted", "found"),
    [
        (None, None, Filter(region="eu"), False),
        ("eu", None, Filter(region="eu"), True),
        ("eu", None, Filter(region="us"), False),
        (None, "eu", Filter(region="eu"), True),
        (None, "eu", Filter(region="eu", version="2.0.0"), True),
        ("eu", None, Filter(region="eu", version="2.0.0"), True),
        ("eu", None, Filter(region="eu", version="1.0.0"), False),
        ("eu", None, Filter(region="eu", actions=("version.deprecated",)), False),
    ],
)
def test_a_region_is_matched_where_a_later_release_names_one(
    effect: str | None, data: str | None, wanted: Filter, found: bool
) -> None:
    entry = read(ENTRY)
    if effect:
        entry["effects"][0]["region"] = effect
    if data:
        entry["data"]["region"] = data
    assert wanted.wants(entry) is found


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Filter(since=AT, until=AT - timedelta(seconds=1)), "--since is after --until"),
        (Filter(at=AT, since=AT), "takes no --since or --until"),
        (Filter(at=AT, until=AT), "takes no --since or --until"),
        (Filter(at=AT + timedelta(microseconds=1)), "has not come yet"),
    ],
)
def test_times_that_contradict_each_other_are_refused(wanted: Filter, says: str) -> None:
    with pytest.raises(Usage, match=says):
        wanted.checked(AT)


@pytest.mark.parametrize("wanted", [Filter(), Filter(since=AT, until=AT), Filter(at=AT), Filter(since=AT)])
def test_times_that_agree_are_taken_as_they_are(wanted: Filter) -> None:
    assert wanted.checked(AT) is wanted
