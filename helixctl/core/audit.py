"""An entry of the audit log: its words, its one line of JSON, and its place in the hash graph.

A line is compact JSON with a fixed order of keys that ends in `,"parents":[...],"hash":"<64 hex>"}`. `hash` is SHA-256 of
the raw bytes before `,"hash":`, so a line verifies without being parsed. `parents` are all heads of the log when the
entry was written and `seq` is 1 + the largest `seq` of the parents, so within any order of (seq, hash) parents come
before children, and branches that git merged join at the next entry.
"""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple

from helixctl.core.digest import LITTLE, Hashing, hashing
from helixctl.core.times import stamp
from helixctl.errors import Invalid, Usage

SEVERITIES = ("debug", "info", "warning", "error", "critical")
OUTCOMES = ("success", "denied", "failed")
ACTIONS = {
    "registry.initialized": "info",
    "registry.restored": "critical",
    "registry.reconciled": "critical",
    "config.updated": "info",
    "policy.updated": "info",
    "thresholds.updated": "info",
    "version.registered": "info",
    "version.updated": "info",
    "version.adopted": "info",
    "version.promoted": "info",
    "version.activated": "info",
    "version.deactivated": "info",
    "version.deprecated": "info",
    "version.retired": "info",
    "version.rolled_back": "warning",
    "version.blocked": "warning",
    "version.unblocked": "info",
    "canary.started": "info",
    "canary.ended": "info",
    "deployment.denied": "warning",
    "deployment.failed": "error",
    "deployment.scheduled": "info",
    "deployment.expired": "info",
    "approval.granted": "info",
    "approval.rejected": "info",
    "approval.withdrawn": "info",
    "override.used": "warning",
    "override.reviewed": "info",
    "evaluation.completed": "info",
    "evaluation.failed": "error",
    "metrics.updated": "debug",
    "threshold.violated": "warning",
    "quality.degraded": "error",
    "eol.warned": "warning",
    "catalogue.imported": "info",
    "backup.created": "info",
    "audit.archived": "info",
    "audit.checkpointed": "info",
    "notification.failed": "error",
}
"""Every action, with the severity of an entry about it; readers accept others."""

DATA_FIELDS = {
    "*": frozenset({"decision", "digests"}),
    "version.registered": frozenset({"provider"}),
    "version.updated": frozenset({"keys"}),
    "version.activated": frozenset({"previous", "schedule", "scheduled_by"}),
    "canary.started": frozenset({"weight"}),
    "version.deprecated": frozenset({"end_of_life", "grace_period_days", "replacement", "cancelled"}),
    "version.retired": frozenset({"end_of_life", "swept"}),
    "version.rolled_back": frozenset({"left", "skipped"}),
    "deployment.scheduled": frozenset({"schedule", "at", "not_after", "specification", "asked"}),
    "deployment.expired": frozenset({"schedule", "at", "why"}),
    "eol.warned": frozenset({"end_of_life", "days", "past"}),
    "evaluation.completed": frozenset({"verdict", "proven", "samples", "violated", "stats", "baseline", "compared"}),
    "evaluation.failed": frozenset({"verdict", "proven", "samples", "violated", "stats", "baseline", "compared"}),
    "metrics.updated": frozenset({"verdict", "samples", "violated", "open", "stats", "serving"}),
    "registry.reconciled": frozenset({"kept", "accepted"}),
    **dict.fromkeys(("approval.granted", "approval.rejected"), frozenset({"statement", "for"})),
    "approval.withdrawn": frozenset({"statement", "withdraws"}),
    "override.reviewed": frozenset({"statement", "entry"}),
    "audit.checkpointed": frozenset({"checkpoint", "entries", "signed"}),
    "audit.archived": frozenset({"tombstone", "segments", "entries", "restored"}),
}
"""The closed set of fields that `data` may hold, by the entry's own action; `*` is every action's."""


class Actor(NamedTuple):
    """Who asked, of what type (user, ci, api), and how that is known."""

    id: str
    type: str
    via: str


class Change(NamedTuple):
    """One file of a transaction: digests of its bytes before and after, and of its helixctl-written state."""

    path: str
    before: str | None
    after: str | None
    state: str | None = None


class Effect(NamedTuple):
    """One thing that a transaction did to one version."""

    action: str
    model: str | None
    version: str | None
    origin: str | None = None
    target: str | None = None


class Entry(NamedTuple):
    """One transaction, or one denied attempt. Its place in the graph (id, seq, parents) is set when it is committed."""

    at: datetime
    action: str
    actor: Actor
    outcome: str = "success"
    model: str | None = None
    version: str | None = None
    reason: str | None = None
    changes: tuple[Change, ...] = ()
    effects: tuple[Effect, ...] = ()
    data: Mapping[str, Any] = MappingProxyType({})
    registry: str = ""
    tool: str = ""
    id: str = ""
    seq: int = 0
    parents: tuple[str, ...] = ()

    @property
    def severity(self) -> str:
        """The highest severity among the action and the effects; critical for what an active version must not be."""
        names = (self.action, *(effect.action for effect in self.effects))
        levels = [ACTIONS.get(name, "info") for name in names]
        if self.outcome == "denied":
            levels.append("warning")
        if self.data.get("past") == "active":
            levels.append("critical")
        return max(levels, key=SEVERITIES.index)


class Line(NamedTuple):
    """What verification reads of a raw line, without parsing it as JSON."""

    seq: int
    hash: str
    parents: tuple[str, ...]
    at: bytes


class BadLine(ValueError):
    """A line that is no entry, or whose hash does not match its bytes."""


_SUFFIX = 75  # ,"hash":"<64 hex>"}
MAX_LINE = 1_048_576


@cache
def _patterns() -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return what a line begins with, and its list of parents; compiled when the first line is read."""
    start = rb'\{"v":1,"seq":([1-9]\d{0,17}),"ts":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","id":"([0-9a-f-]{36})"'
    parents = rb'\["[0-9a-f]{64}"(?:,"[0-9a-f]{64}")*\]|\[\]'
    return re.compile(start), re.compile(parents)


def encode(entry: Entry) -> tuple[bytes, str]:
    """Return the entry's line with its newline, and its hash.

    Raises:
        ValueError: `data` holds a field outside the closed set of the action.
        Invalid: the line would be longer than any reader takes.
    """
    action = entry.effects[0].action if entry.effects else entry.action
    extra = set(entry.data) - DATA_FIELDS["*"] - DATA_FIELDS.get(action, frozenset())
    if extra:
        raise ValueError(f"{action} has no data field {', '.join(sorted(extra))}")
    body = json.dumps(_fields(entry), separators=(",", ":"))[:-1].encode("ascii")
    if len(body) + _SUFFIX >= MAX_LINE:
        raise Invalid("the entry of this change is longer than 1 MiB", hint="change less at once")
    from hashlib import sha256

    digest = sha256(body).hexdigest()
    return body + f',"hash":"{digest}"}}\n'.encode(), digest


def _fields(entry: Entry) -> dict[str, Any]:
    return {
        "v": 1,
        "seq": entry.seq,
        "ts": stamp(entry.at),
        "id": entry.id,
        "registry": entry.registry,
        "action": entry.action,
        "severity": entry.severity,
        "outcome": entry.outcome,
        "actor": {"id": entry.actor.id, "type": entry.actor.type, "via": entry.actor.via},
        "model": entry.model,
        "version": entry.version,
        "reason": entry.reason,
        "changes": changes_as_rows(entry),
        "effects": [
            {"action": e.action, "model": e.model, "version": e.version, "from": e.origin, "to": e.target}
            for e in entry.effects
        ],
        "data": dict(entry.data),
        "tool": entry.tool,
        "parents": list(entry.parents),
    }


def changes_as_rows(entry: Entry) -> list[dict[str, Any]]:
    """Return the entry's changes as they stand in its line."""
    return [{"path": c.path, "before": c.before, "after": c.after, "state": c.state} for c in entry.changes]


def scan(raw: bytes, sha256: Hashing | None = None) -> Line:
    """Return what verification needs of a line (given without its newline).

    Raises:
        BadLine: not framed as an entry, or the hash does not match.
    """
    begins, listed = _patterns()
    start = begins.match(raw)
    if not start or raw.endswith(b"\r"):
        raise BadLine(_not_an_entry(raw))
    body, suffix = raw[:-_SUFFIX], raw[-_SUFFIX:]
    found = body.rfind(b',"parents":')
    parents = body[found + 11 :]
    if suffix[:9] != b',"hash":"' or suffix[73:] != b'"}' or found < 0 or not listed.fullmatch(parents):
        raise BadLine("the line does not end in parents and hash")
    digest = (sha256 or hashing(LITTLE + 1))(body).hexdigest()
    if suffix[9:73] != digest.encode():
        raise BadLine("the hash does not match the line: it was changed")
    heads = tuple(parents[2:-2].decode().split('","')) if len(parents) > 2 else ()
    return Line(int(start[1]), digest, heads, start[2])


def _not_an_entry(raw: bytes) -> str:
    if not raw:
        return "an empty line"
    if raw.startswith((b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")):
        return "a conflict marker of git"
    if raw.endswith(b"\r"):
        return "the line ends in CRLF"
    version = re.match(rb'\{"v":(\d+),', raw)
    if version and version[1] != b"1":
        return f"entry version {version[1].decode()} is newer than this program knows"
    return "not an entry of the audit log"


def parse(raw: bytes) -> dict[str, Any]:
    """Return the entry as a mapping.

    Raises:
        BadLine: not UTF-8, not JSON, a duplicate key, or a number that is not whole.
    """
    try:
        entry = _decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise BadLine(str(error) if isinstance(error, BadLine) else "not JSON") from None
    if not isinstance(entry, dict):
        raise BadLine("not an object")
    return entry


_SHAPE: dict[str, type] = dict.fromkeys(("ts", "id", "registry", "action", "severity", "outcome", "hash"), str)
_SHAPE |= {"changes": list, "effects": list, "parents": list, "actor": dict, "data": dict, "seq": int}


def refuse_shape(entry: Mapping[str, Any]) -> None:
    """Refuse a mapping that lacks what every entry has.

    Raises:
        KeyError, TypeError: what is missing, or of another kind.
    """
    for key, kind in _SHAPE.items():
        if not isinstance(entry[key], kind):
            raise TypeError(f"{key} is no {kind.__name__}")
    maybe = [entry[key] for key in ("model", "version", "reason")]
    maybe += [effect[key] for effect in entry["effects"] for key in ("model", "version", "from", "to")]
    maybe += [row[key] for row in entry["changes"] for key in ("before", "after", "state")]
    texts = [entry["actor"]["id"], *(row["path"] for row in entry["changes"])]
    if not all(isinstance(one, str) for one in texts) or not all(isinstance(one, str | None) for one in maybe):
        raise TypeError("a name is no text")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise BadLine("a key stands twice")
    return table


def _no_float(literal: str) -> Any:
    raise BadLine("a number that is not whole")


_decode = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_no_float, parse_constant=_no_float).decode


def entry_id(at: datetime, random: bytes) -> str:
    """Return a UUIDv7 of the time and ten random bytes.

    Source: RFC 9562, section 5.7.
    """
    value = int(at.timestamp() * 1000).to_bytes(6, "big") + random[:10]
    number = int.from_bytes(value, "big")
    number = number & ~(0xF << 76) | 0x7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


class Filter(NamedTuple):
    """Which entries a query wants; an empty field wants all.

    Args:
        since, until: from the one on, and before the other.
        at: only the entries that were in force then: for each version the one that gave it its status.
        region: named by an effect or by the data of an entry.
    """

    model: str | None = None
    version: str | None = None
    actions: tuple[str, ...] = ()
    severity: str | None = None
    outcome: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    at: datetime | None = None
    region: str | None = None

    def checked(self, now: datetime) -> "Filter":
        """Return the filter.

        Raises:
            Usage: one is empty, its times contradict each other, or `at` has not come yet.
        """
        for name, value in zip(self._fields, self, strict=True):
            if value == "":
                raise Usage(f"--{name} is empty", hint="name one, or leave the option out")
        if self.since and self.until and self.since > self.until:
            raise Usage("--since is after --until", hint="exchange the two")
        if self.at and (self.since or self.until):
            raise Usage("--at is one time: it takes no --since or --until", hint="leave one of them out")
        if self.at and self.at > now:
            raise Usage(f"--at {stamp(self.at)} has not come yet", hint="choose a time that is past")
        return self

    @property
    def named(self) -> dict[str, str]:
        """The names that stand in every line that is wanted, by their key."""
        names = {"model": self.model, "version": self.version, "region": self.region}
        return {key: name for key, name in names.items() if name}

    @property
    def bounds(self) -> tuple[bytes, bytes]:
        """The first time that is wanted and the first after it that is not, as raw lines have them."""
        low = stamp(self.since).encode() if self.since else b""
        if self.at:
            return low, stamp(self.at).encode() + b"\0"
        return low, stamp(self.until).encode() if self.until else b"~"

    def wants(self, entry: Mapping[str, Any], effects: Iterable[Mapping[str, Any]] | None = None) -> bool:
        """Tell whether the entry matches; model, version, action and region match any one of its effects, or of those given."""
        if self.severity and SEVERITIES.index(entry["severity"]) < SEVERITIES.index(self.severity):
            return False
        if self.outcome and entry["outcome"] != self.outcome:
            return False
        if self.actor and entry["actor"]["id"] != self.actor:
            return False
        region = entry["data"].get("region") if self.region else None
        return any(
            self._wants_effect(effect, region)
            for effect in (effects if effects is not None else (entry, *entry["effects"]))
        )

    def _wants_effect(self, effect: Mapping[str, Any], region: str | None) -> bool:
        return (
            (not self.model or effect["model"] == self.model)
            and (not self.version or effect["version"] == self.version)
            and (not self.actions or effect["action"] in self.actions)
            and (not self.region or self.region in (effect.get("region"), region))
        )

    @property
    def is_whole(self) -> bool:
        """True where every entry is wanted."""
        return self == Filter()
