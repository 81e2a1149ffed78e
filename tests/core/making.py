"""Records, snapshots and requests for tests of the core, made without a disk."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from helixctl.core import request as ask
from helixctl.core.audit import Actor
from helixctl.core.case import Answer
from helixctl.core.lifecycle import Status
from helixctl.core.names import Ref
from helixctl.core.policy import Policy
from helixctl.core.record import Record, decode_specification
from helixctl.core.request import Request
from helixctl.core.settings import Settings
from helixctl.core.snapshot import Snapshot

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE = Actor("alice@example.com", "user", "test")
SETTINGS = Settings("0198-test", "test")
DAY = timedelta(days=1)
BLOCK = {"at": AT - 2 * DAY, "reason": "wrong answers"}


def text(version: str = "1.0.0", extra: str = "", model: str = "m") -> bytes:
    """Return the text of a specification."""
    head = f'schema = 1\nmodel = "{model}"\nversion = "{version}"\nprovider = "in-house"\n'
    return (head + extra).encode()


def made(version: str = "1.0.0", status: str = "inactive", *, extra: str = "", **lifecycle: Any) -> Record:
    """Return a record in a status, with further values of `[lifecycle]`, and `metrics` where given."""
    metrics = lifecycle.pop("metrics", None)
    source = text(version, extra)
    values = {"status": Status(status), "registered_at": AT - 100 * DAY, **lifecycle}
    return Record(source, decode_specification(source), values, metrics)


def served(version: str, status: str = "inactive", days: int = 30, previous: str | None = None, **more: Any) -> Record:
    """Return a record that was activated so many days ago."""
    found = made(version, status, activated_at=AT - days * DAY, **more)
    return found.with_lifecycle(served_digest=found.serving_digest, previous=previous)


def announced(source: str = "operator", days: int = 90, **more: Any) -> dict[str, Any]:
    """Return a deprecation that ends so many days from now."""
    return {
        "announced_at": AT - 10 * DAY,
        "end_of_life": AT + days * DAY,
        "allow_new_deployments": False,
        "source": source,
        **more,
    }


def measured(record: Record, verdict: str = "passed", samples: int = 100, **more: Any) -> dict[str, Any]:
    """Return the `[metrics]` of an evaluation of this record an hour ago."""
    return {
        "evaluated_at": AT - timedelta(hours=1),
        "newest_at": AT - timedelta(hours=2),
        "serving_digest": record.serving_digest,
        "verdict": verdict,
        "proven": False,
        "samples": samples,
        **more,
    }


def snapshot(
    *records: Record,
    settings: Settings = SETTINGS,
    policies: tuple[Policy, ...] = (),
    drifted: Mapping[str, str] | None = None,
    logged_serving: Mapping[str, str | None] | None = None,
) -> Snapshot:
    """Return a snapshot of model `m` that holds these records."""
    held = {record.version: record for record in records}
    return Snapshot("m", AT, settings, policies, held, drifted or {}, logged_serving or {})


def wish(act: ask.Act, **terms: Any) -> Request:
    """Return a request by Alice at noon."""
    return Request(act, ALICE, **terms)


def ref(version: str | None = "1.0.0") -> Ref:
    """Return a reference to a version of model `m`."""
    return Ref("m", version)


def with_fix(answer: Answer) -> Answer:
    """Return an answer; what denies says what to type."""
    assert bool(answer.fix) is (answer.outcome not in ("pass", "not_applicable")), answer
    return answer
