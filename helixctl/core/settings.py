"""The settings in helix.toml, their defaults, and the text that `init` writes."""

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Any, NamedTuple

from helixctl.core import schema as s
from helixctl.core import toml
from helixctl.core.record import canonical_digest

MIN_RETENTION_DAYS = 183
"""Six months: what regulators ask for at the least."""


def _retention(value: Any) -> int:
    """0, which keeps everything, or at least 183 days."""
    if 0 < s.days(value) < MIN_RETENTION_DAYS:
        raise ValueError(f"{value} is below {MIN_RETENTION_DAYS} days; 0 keeps everything")
    return int(value)


MARGINS: s.Schema = {
    "error_rate": s.rate,
    "slow_share": s.rate,
    "p_slower": s.rate,
    "avg_confidence": s.rate,
    "avg_input_tokens": s.amount,
    "avg_output_tokens": s.amount,
    "cost_per_request": s.amount,
    "score": s.amount,
    "scores": s.map_of(s.amount),
}
"""How much worse a candidate may be, by metric; `score` is of every score that `scores` does not name."""

THRESHOLDS = ("min_samples", "max_error_rate", "min_success_rate", "max_latency_ms", "min_confidence")
SCHEMA: s.Schema = {
    "schema": s.exactly(1),
    "registry": {"id": s.name, "name": s.name},
    "lifecycle": {
        "deprecate_predecessor": s.boolean,
        "grace_days": s.days,
        "eol_warning_days": s.list_of(s.days_ahead),
        "retire_at_eol": s.boolean,
        "retire_active": s.boolean,
        "canary_weight": s.rate,
    },
    "evaluation": {
        "enforce": s.boolean,
        "metrics_update_interval": s.positive,
        "min_samples": s.positive,
        "max_error_rate": s.rate,
        "min_success_rate": s.rate,
        "max_latency_ms": s.positive,
        "min_confidence": s.rate,
        "max_malformed": s.count,
        "evidence_days": s.days,
        "inference_days": s.days,
        "warn": s.list_of(s.one_of(*THRESHOLDS[1:])),
        "margins": MARGINS,
        "lower_is_better": s.list_of(s.name),
    },
    "audit": {"max_entries": s.positive, "sign": s.boolean, "retention_days": _retention},
    "trust": {"ref": s.name},
    "sources": s.map_of(
        s.table(
            {
                "from": s.list_of(s.text),
                "format": s.name,
                "columns": s.map_of(s.text),
                "where": s.map_of(s.text),
                "engine": s.name,
                "connect": s.text,
                "table": s.text,
            }
        )
    ),
    "outputs": s.map_of(s.free),
    "notify": s.list_of(s.free),
}


class Settings(NamedTuple):
    """helix.toml with its defaults; the fields are the keys of the contract's tables."""

    id: str
    name: str
    deprecate_predecessor: bool = True
    grace_days: int = 90
    eol_warning_days: tuple[int, ...] = (30, 7)
    retire_at_eol: bool = True
    retire_active: bool = False
    canary_weight: Decimal = Decimal("0.05")
    enforce: bool = True
    metrics_update_interval: int = 100
    min_samples: int = 50
    max_error_rate: Decimal = Decimal("0.05")
    min_success_rate: Decimal = Decimal("0.95")
    max_latency_ms: int = 5000
    min_confidence: Decimal = Decimal("0.7")
    max_malformed: int = 0
    evidence_days: int = 0
    inference_days: int = 0
    warn: tuple[str, ...] = ()
    margins: Mapping[str, Any] = MappingProxyType({})
    lower_is_better: tuple[str, ...] = ()
    max_entries: int = 10_000
    sign: bool = False
    retention_days: int = 0
    ref: str = ""
    sources: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    evaluation_digest: str = ""


@lru_cache(maxsize=1)  # a command asks at several places
def decode(raw: bytes) -> Settings:
    """Return the settings that helix.toml holds.

    Raises:
        Invalid: not TOML, an unknown key, a wrong value, or no `[registry]` with id and name.
    """
    data = toml.load(raw, SCHEMA, required=("schema", "registry"))
    registry = data["registry"]
    for key in ("id", "name"):
        s.checked(registry, {"id": s.name, "name": s.name}, required=(key,))
    tables = (registry, *(data.get(table, {}) for table in ("lifecycle", "evaluation", "audit", "trust")))
    values = {key: value for table in tables for key, value in table.items()}
    values["sources"] = data.get("sources", {})
    return Settings(**values, evaluation_digest=canonical_digest(data.get("evaluation", {})))


def encode_new(registry_id: str, name: str) -> bytes:
    """Return the helix.toml of a new registry; every other setting keeps its default."""
    head = "# Marks the root of a helixctl registry. Settings and their defaults: docs/files.md\n"
    data: Mapping[str, Any] = {"schema": 1, "registry": {"id": registry_id, "name": name}}
    return (head + toml.dump(data)).encode()
