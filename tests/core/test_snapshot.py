from __future__ import annotations

import pytest

from helixctl.core.case import Case
from helixctl.core.lifecycle import Status
from helixctl.core.record import Record
from helixctl.core.snapshot import Snapshot
from helixctl.errors import NotFound, NothingToRestore
from tests.core.making import AT, BLOCK, DAY, SETTINGS, announced, made, ref, served, snapshot


def in_service(version: str = "3.0.0", previous: str | None = "2.0.0") -> Record:
    return served(version, "active", 1, previous)


@pytest.mark.parametrize(
    ("versions", "latest"),
    [
        ([], None),
        (["1.0.0"], "1.0.0"),
        (["9.0.0", "10.0.0", "2.0.0"], "10.0.0"),
        (["1.0.0", "2.0.0-rc.1"], "1.0.0"),
        (["2.0.0-rc.1", "2.0.0-rc.10", "2.0.0-rc.9"], "2.0.0-rc.10"),
        (["1.0.0+build", "0.9.0"], "1.0.0+build"),
    ],
)
def test_latest_is_the_highest_by_precedence_and_a_pre_release_only_where_nothing_else_is(
    versions: list[str], latest: str | None
) -> None:
    assert snapshot(*(made(version) for version in versions)).latest == latest


def test_the_aliases_name_the_versions_that_hold_them() -> None:
    now = snapshot(in_service(), served("2.0.0", "deprecated"), made("4.0.0", "canary"), made("5.0.0-rc.1"))
    found = {alias: now.resolve(ref(alias)).version for alias in ("active", "canary", "latest", "previous")}
    assert found == {"active": "3.0.0", "canary": "4.0.0", "latest": "4.0.0", "previous": "2.0.0"}
    assert now.resolve(ref("9.9.9")) == ref("9.9.9")


@pytest.mark.parametrize("alias", ["active", "canary"])
def test_an_alias_that_nothing_holds_is_not_found(alias: str) -> None:
    with pytest.raises(NotFound, match=f"m has no {alias} version"):
        snapshot(made()).resolve(ref(alias))


def test_latest_of_an_empty_model_is_not_found() -> None:
    with pytest.raises(NotFound, match="m has no latest version"):
        snapshot().resolve(ref("latest"))


def test_a_version_that_is_not_there_is_not_found_with_the_latest_that_are() -> None:
    now = snapshot(*(made(version) for version in ("1.0.0", "10.0.0", "9.0.0", "2.0.0")))
    with pytest.raises(NotFound, match=r"m@3\.0\.0 is not registered") as refused:
        now.record(ref("3.0.0"))
    assert refused.value.hint == "latest versions of m: 2.0.0, 9.0.0, 10.0.0"
    assert now.record(ref("2.0.0")).version == "2.0.0"


def test_where_a_merge_left_several_holders_the_highest_counts() -> None:
    now = snapshot(served("9.0.0", "active"), served("10.0.0", "active"))
    assert now.active is not None
    assert now.active.version == "10.0.0"
    assert now.holder(Status.CANARY) is None


def test_predecessors_go_back_along_previous_each_once_even_in_a_circle() -> None:
    now = snapshot(in_service(), served("2.0.0", previous="1.0.0"), served("1.0.0", previous="3.0.0"))
    assert list(now.predecessors()) == ["2.0.0", "1.0.0"]
    assert list(snapshot(in_service(previous="3.0.0")).predecessors()) == []
    assert list(snapshot(served("2.0.0", previous="1.0.0")).predecessors()) == []


PAST = "[availability]\nend_of_life = 2026-03-01\n"
SKIPPED: list[tuple[Record, str]] = [
    (served("2.0.0", "retired", previous="1.0.0"), "is retired"),
    (served("2.0.0", "active", previous="1.0.0"), "is active"),
    (served("2.0.0", previous="1.0.0", blocked=BLOCK), "is blocked (wrong answers)"),
    (made("2.0.0", previous="1.0.0"), "was never active"),
    (made("2.0.0", previous="1.0.0", activated_at=AT, served_digest="0" * 64), "differs from what was served then"),
    (made("2.0.0", previous="1.0.0", activated_at=AT), "differs from what was served then"),
    (served("2.0.0", previous="1.0.0", extra=PAST), "is past its end of life of 2026-03-01"),
    (served("2.0.0", "deprecated", previous="1.0.0", deprecation=announced("operator", 0)), "is past its end of life"),
]


@pytest.mark.parametrize(("record", "why"), SKIPPED, ids=[why for _, why in SKIPPED])
def test_a_rollback_skips_a_version_and_says_why(record: Record, why: str) -> None:
    active = served("3.0.0", "inactive" if record.status == "active" else "active", 1, "2.0.0")
    now = snapshot(active, record, served("1.0.0"))
    assert (now.not_restorable("2.0.0") or "").startswith(why)
    if active.status == "active":
        assert now.restorable().version == "1.0.0"
        with pytest.raises(NothingToRestore) as refused:
            snapshot(active, record).restorable()
        assert f"2.0.0 {why}" in refused.value.message
        assert "1.0.0 is not registered" in refused.value.message


def test_a_rollback_skips_a_version_that_drifted_and_one_that_is_gone() -> None:
    records = (in_service(), served("2.0.0", previous="1.0.0"), served("1.0.0"))
    now = snapshot(*records, drifted={"2.0.0": "specification"})
    assert now.not_restorable("2.0.0") == "has drifted (specification)"
    assert now.restorable().version == "1.0.0"
    assert snapshot(*records).restorable().version == "2.0.0"
    assert snapshot(in_service()).not_restorable("2.0.0") == "is not registered"


@pytest.mark.parametrize(
    "record",
    [
        served("2.0.0", "deprecated", deprecation=announced("activation", -1)),
        served("2.0.0", "deprecated", deprecation=announced("operator", 1)),
        served("2.0.0", "inactive"),
        served("2.0.0", "testing"),
        served("2.0.0", "canary"),
        served("2.0.0", extra="[availability]\nend_of_life = 2026-03-01T12:00:01Z\n"),
        served("2.0.0", last_blocked_at=AT - DAY),
    ],
    ids=[
        "activation's date past",
        "operator's date ahead",
        "inactive",
        "testing",
        "canary",
        "a second left",
        "unblocked",
    ],
)
def test_a_rollback_restores_what_once_served_and_is_not_barred(record: Record) -> None:
    assert snapshot(in_service(), record).restorable() is record


def test_without_an_active_version_there_is_nothing_to_roll_back_from() -> None:
    for now in (snapshot(), snapshot(served("2.0.0"))):
        with pytest.raises(NothingToRestore, match="no active version to roll back from"):
            now.restorable()
    with pytest.raises(NothingToRestore, match="no version served before"):
        snapshot(in_service(previous=None)).restorable()


def served_last(now: Snapshot) -> str | None:
    return now.last_served.version if now.last_served else None


def test_the_version_served_last_is_the_active_one_or_the_one_activated_last_that_is_not_retired() -> None:
    old, new, retired = served("1.0.0", days=9), served("2.0.0", days=5), served("3.0.0", "retired", days=1)
    assert served_last(snapshot(old, new, retired)) == "2.0.0"
    assert served_last(snapshot(old, new, served("0.1.0", "active", days=50))) == "0.1.0"
    assert served_last(snapshot(made(), retired)) is None


def test_a_case_holds_the_subject_the_active_version_the_time_and_the_settings() -> None:
    active, subject = in_service(), made("4.0.0")
    now = snapshot(active, subject)
    assert now.case(subject) == Case(subject, active, AT, SETTINGS, kept={}, versions=now.records)
