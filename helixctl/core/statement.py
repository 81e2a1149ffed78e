"""What a person states about a version: an approval, a rejection, the withdrawal of one, or the review of an override.

A statement is a file of TOML that only helixctl writes; a signature stands beside it and covers its bytes.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.lifecycle import Action
from helixctl.core.names import Ref
from helixctl.errors import Invalid

FOLDER = "approvals"
_ID = re.compile(r"\d{8}T\d{12}Z-[0-9a-f]{12}", re.ASCII)


class Kind(NamedTuple):
    """A kind of statement: the command that makes it, what the log calls it, and the keys that it must have."""

    verb: str
    action: str
    required: tuple[str, ...] = ()


KINDS = {
    "approval": Kind("approve", "approval.granted", ("action", "expires")),
    "rejection": Kind("reject", "approval.rejected"),
    "withdrawal": Kind("withdraw", "approval.withdrawn", ("withdraws",)),
    "review": Kind("review", "override.reviewed", ("entry",)),
}


def statement_id(value: Any) -> str:
    """The id of a statement: its UTC time and 12 hexadecimal digits."""
    if not _ID.fullmatch(s.text(value)):
        raise ValueError("is no id of a statement, such as 20261122T101500000000Z-3fa9c1d2e4b5")
    return str(value)


_REQUIRED = ("schema", "kind", "id", "registry", "model", "version", "specification", "by", "at")
SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "kind": s.one_of(*KINDS),
    "id": statement_id,
    "registry": s.name,
    "model": s.model_id,
    "version": s.version,
    "specification": s.digest,
    "action": s.one_of(*Action),
    "by": s.name,
    "at": s.moment,
    "expires": s.moment,
    "withdraws": statement_id,
    "entry": s.name,
    "reason": s.text,
}


class Statement(NamedTuple):
    """One statement.

    Args:
        action: what an approval is for; a rejection without one is of every action.
        expires: when an approval ends. withdraws: the id of the statement that a withdrawal takes back.
        entry: the id of the entry whose override a review is of.
    """

    kind: str
    id: str
    registry: str
    ref: Ref
    specification: str
    by: str
    at: datetime
    action: str | None = None
    expires: datetime | None = None
    withdraws: str | None = None
    entry: str | None = None
    reason: str | None = None

    @property
    def path(self) -> str:
        """Its file, from the registry's root."""
        return f"{folder_of(self.ref)}/{self.id}.toml"


def folder_of(ref: Ref) -> str:
    """Return the folder of the statements about a version."""
    return f"{FOLDER}/{ref.model}/{ref.version}"


def id_of(at: datetime, random: bytes) -> str:
    """Return the id of a statement made at a time: no two are the same."""
    return f"{at:%Y%m%dT%H%M%S%f}Z-{random[:6].hex()}"


def encode(one: Statement) -> bytes:
    """Return the file's bytes."""
    values = {**one._asdict(), "model": one.ref.model, "version": one.ref.version}
    data = {"schema": 1, **{key: values[key] for key in SCHEMA if values.get(key) is not None}}
    return toml.dump(data).encode()


def decode(raw: bytes) -> Statement:
    """Read the file's bytes back.

    Raises:
        Invalid: they are no statement.
    """
    data = toml.load(raw, SCHEMA, required=_REQUIRED)
    missing = [key for key in KINDS[data["kind"]].required if key not in data]
    if missing:
        raise Invalid(f"key {missing[0]!r} is missing", hint="restore the file from git")
    del data["schema"]
    return Statement(ref=Ref(data.pop("model"), data.pop("version")), **data)
