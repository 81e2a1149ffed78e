"""A model version as stored: its specification, its lifecycle, its metrics, and their digests."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import times, toml
from helixctl.core.digest import sha256
from helixctl.core.lifecycle import Status
from helixctl.core.names import Ref, ordered
from helixctl.errors import Invalid

SPECIFICATION: s.Schema = {
    "schema": s.exactly(1),
    "model": s.model_id,
    "version": s.version,
    "provider": s.name,
    "provider_model_id": s.name,
    "display_name": s.text,
    "description": s.text,
    "release_date": s.day,
    "release_notes": s.text,
    "tags": s.list_of(s.name),
    "capabilities": {
        "streaming": s.boolean,
        "tool_calling": s.boolean,
        "vision": s.boolean,
        "audio_input": s.boolean,
        "audio_transcription": s.boolean,
        "structured_output": s.boolean,
        "reasoning": s.boolean,
        "prompt_caching": s.boolean,
        "pdf_input": s.boolean,
        "languages": s.list_of(s.name),
        "tasks": s.list_of(s.name),
    },
    "limits": {"context_window": s.positive, "max_output_tokens": s.positive},
    "cost": {
        "currency": s.one_of("USD"),
        "input_per_mtok": s.amount,
        "output_per_mtok": s.amount,
        "cache_read_per_mtok": s.amount,
        "cache_write_per_mtok": s.amount,
        "tier": s.one_of("economy", "standard", "premium", "enterprise"),
    },
    "availability": {
        "announced_at": s.day,
        "end_of_life": s.day,
        "replacement": s.reference,
        "source": s.text,
    },
    "thresholds": {
        "min_samples": s.positive,
        "max_error_rate": s.rate,
        "min_success_rate": s.rate,
        "max_latency_ms": s.positive,
        "min_confidence": s.rate,
    },
    "artifact": {"uri": s.name, "sha256": s.digest},
    "configuration": s.map_of(s.free),
}
LIFECYCLE: s.Schema = {
    "status": s.one_of(*Status),
    "registered_at": s.moment,
    "testing_since": s.moment,
    "activated_at": s.moment,
    "served_digest": s.digest,
    "previous": s.version,
    "canary_weight": s.rate,
    "last_blocked_at": s.moment,
    "blocked": s.table({"at": s.moment, "reason": s.text}, "at", "reason"),
    "deprecation": {
        "announced_at": s.moment,
        "end_of_life": s.day,
        "replacement": s.reference,
        "reason": s.text,
        "migration_guide": s.text,
        "grace_period_days": s.count,
        "allow_new_deployments": s.boolean,
        "source": s.one_of("activation", "operator"),
    },
}
METRICS: s.Schema = {
    "evaluated_at": s.moment,
    "newest_at": s.moment,
    "serving_digest": s.digest,
    "verdict": s.one_of("passed", "warning", "failed", "inconclusive"),
    "proven": s.boolean,
    "samples": s.count,
    "avg_latency_ms": s.amount,
    "p50_latency_ms": s.count,
    "p95_latency_ms": s.count,
    "p99_latency_ms": s.count,
    "p999_latency_ms": s.count,
    "success_rate": s.rate,
    "error_rate": s.rate,
    "avg_confidence": s.rate,
    "avg_input_tokens": s.amount,
    "avg_output_tokens": s.amount,
    "cost_per_request": s.amount,
    "source": s.text,
    "scores": s.map_of(s.number),
}
FILE: s.Schema = {**SPECIFICATION, "lifecycle": LIFECYCLE, "metrics": METRICS}
MAX_REASON = 4096
REQUIRED = ("schema", "model", "version", "provider")
_HEADER = b"\n[lifecycle]"
_OTHER_TABLE = rb"\n[ \t]*\[+[ \t]*(?!lifecycle|metrics)"
_SERVING = ("provider", "provider_model_id", "artifact", "configuration")


class Record(NamedTuple):
    """A model version; `source` is the text it was read from, kept byte for byte up to `[lifecycle]`."""

    source: bytes
    spec: Mapping[str, Any]
    lifecycle: Mapping[str, Any]
    metrics: Mapping[str, Any] | None = None

    @property
    def ref(self) -> Ref:
        """The model and its exact version."""
        return Ref(self.spec["model"], self.spec["version"])

    @property
    def version(self) -> str:
        """The exact version."""
        return str(self.spec["version"])

    @property
    def status(self) -> Status:
        """The status."""
        return Status(self.lifecycle["status"])

    @property
    def deprecation(self) -> Mapping[str, Any]:
        """The `[lifecycle.deprecation]` table, empty where there is none."""
        table: Mapping[str, Any] = self.lifecycle.get("deprecation", {})
        return table

    @property
    def blocked(self) -> Mapping[str, Any] | None:
        """When and why it was blocked, or None."""
        return self.lifecycle.get("blocked")

    @property
    def end_of_life(self) -> datetime | None:
        """The earlier of the provider's date and the deprecation's, in UTC; None where neither is set."""
        stated = (self.spec.get("availability", {}).get("end_of_life"), self.deprecation.get("end_of_life"))
        return min((times.instant(at) for at in stated if at is not None), default=None)

    @property
    def binding_end_of_life(self) -> datetime | None:
        """The end of life as a provider or an operator set it; a date set by an activation does not bind."""
        if self.deprecation.get("source") != "activation":
            return self.end_of_life
        return self._replace(lifecycle={**self.lifecycle, "deprecation": {}}).end_of_life

    @property
    def specification_digest(self) -> str:
        """SHA-256 of the canonical specification: any value changes it, formatting does not."""
        return canonical_digest(self.spec)

    @property
    def serving_digest(self) -> str:
        """SHA-256 of what decides the answers: provider, model on the wire, artifact, configuration."""
        return serving_digest(self.spec)

    @property
    def state_digest(self) -> str:
        """SHA-256 of what helixctl alone writes: lifecycle and metrics."""
        return canonical_digest({"lifecycle": self.lifecycle, "metrics": self.metrics or {}})

    def with_lifecycle(self, **changes: Any) -> Record:
        """Return the record with lifecycle values set, or removed where None.

        Raises:
            Invalid: a value that could not be read back.
        """
        merged = {**self.lifecycle, **changes}
        return self._replace(lifecycle=s.checked({k: v for k, v in merged.items() if v is not None}, LIFECYCLE))


def order_of(record: Record) -> tuple[str, Any]:
    """Return the key that sorts versions by model and precedence."""
    return record.ref.model, ordered(record.version)


def serving_digest(spec: Mapping[str, Any]) -> str:
    """Return the serving digest of a specification."""
    return canonical_digest({key: spec[key] for key in _SERVING if key in spec})


def canonical_digest(value: Any) -> str:
    """Return SHA-256 over a canonical JSON form: sorted keys, exact decimals, UTC times."""
    text = json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"))
    return sha256(text.encode())


def _canonical(value: Any) -> Any:
    """Return a value as JSON: what JSON lacks is a table whose key no table of a user can have, as those begin with a dot."""
    match value:
        case Mapping():
            return {f".{key}": _canonical(element) for key, element in value.items()}
        case list() | tuple():
            return [_canonical(element) for element in value]
        case Decimal():
            return {"number": format(value.normalize() + 0, "f")}
        case datetime():
            return {"time": times.stamp(value)}
        case date():
            return {"date": value.isoformat()}
    return value


def decode(raw: bytes) -> Record:
    """Return the record that a version file holds.

    Raises:
        Invalid: not TOML, an unknown key, a wrong value, no `[lifecycle]`, or tables after it.
    """
    data = toml.load(raw, FILE, required=REQUIRED)
    if "lifecycle" not in data:
        raise Invalid(
            "not registered: there is no [lifecycle]", hint="move it out of models/, then helixctl register -f FILE"
        )
    lifecycle = data.pop("lifecycle")
    metrics = data.pop("metrics", None)
    if "status" not in lifecycle:
        raise toml.placed(Invalid("lifecycle.status is missing", key="lifecycle", hint="restore the file"), raw)
    _consistent(data, raw)
    if _HEADER not in raw:
        raise Invalid("no line [lifecycle] of its own", hint="restore the file from git")
    if re.search(_OTHER_TABLE, raw[raw.index(_HEADER) + 1 :]):
        split_head(raw)
    return Record(raw, data, lifecycle, metrics)


def decode_specification(raw: bytes) -> dict[str, Any]:
    """Return the specification that a user's file holds.

    Raises:
        Invalid: as `decode`, or a `[lifecycle]` or `[metrics]`, which only helixctl writes.
    """
    parsed = toml.parse(raw)
    for table in ("lifecycle", "metrics"):
        if table in parsed:
            error = Invalid(f"[{table}] is written by helixctl alone", key=table, hint=f"remove [{table}]")
            raise toml.placed(error, raw)
    data = toml.load(raw, SPECIFICATION, required=REQUIRED)
    _consistent(data, raw)
    return data


def text_of(values: Mapping[str, Any]) -> bytes:
    """Return TOML text for the values of a specification, in the order of the schema."""
    ordered = {key: values[key] for key in SPECIFICATION if key in values}
    rest = {key: value for key, value in values.items() if key not in ordered}
    return toml.dump({"schema": 1, **ordered, **rest}).encode()


def encode(record: Record) -> bytes:
    """Return the bytes of a version file: what precedes `[lifecycle]` as it is, then lifecycle and metrics.

    Raises:
        Invalid: the specification is not wholly above the line `[lifecycle]`.
    """
    tail: dict[str, Any] = {"lifecycle": record.lifecycle}
    if record.metrics is not None:
        tail["metrics"] = record.metrics
    return split_head(record.source) + toml.dump(tail).encode()


def split_head(source: bytes) -> bytes:
    """Return the bytes before the line `[lifecycle]`, or all of them where there is no such line.

    Raises:
        Invalid: a part of the specification stands below that line.
    """
    whole = toml.parse(source)
    if "lifecycle" not in whole:
        return source.rstrip(b"\n") + b"\n\n"
    specification = {key: value for key, value in whole.items() if key not in ("lifecycle", "metrics")}
    start = 0
    while (start := source.find(_HEADER, start)) >= 0:
        start += 1
        try:
            if toml.parse(source[:start]) == specification:
                return source[:start]
        except Invalid:  # inside a multi-line string: the text before it does not stand alone
            continue
    raise Invalid("a part of the specification stands below [lifecycle]", hint="move it above [lifecycle]")


def _consistent(data: Mapping[str, Any], raw: bytes) -> None:
    refuse = partial(_refuse, raw)
    offered = data.get("availability", {})
    announced, ends = offered.get("announced_at"), offered.get("end_of_life")
    if announced and ends and times.instant(ends) < times.instant(announced):
        refuse("availability.end_of_life", f"{ends} is before announced_at {announced}")
    limits = data.get("limits", {})
    window, output = limits.get("context_window"), limits.get("max_output_tokens")
    if window and output and output > window:
        refuse("limits.max_output_tokens", f"{output} is more than the context window of {window}")


def _refuse(raw: bytes, key: str, fact: str) -> None:
    raise toml.placed(Invalid(f"{key}: {fact}", key=key, hint="correct one of the two"), raw)
