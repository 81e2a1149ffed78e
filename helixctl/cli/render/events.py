"""An entry of the log as other systems know events: ECS, OCSF and CloudEvents."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from helixctl.core.audit import SEVERITIES

Entry = Mapping[str, Any]

ECS_VERSION, OCSF_VERSION = "8.17.0", "1.5.0"
_CREATES = frozenset({"registry.initialized", "version.registered", "approval.granted", "approval.rejected"})
_ECS_OUTCOME = {"success": "success", "denied": "failure", "failed": "failure"}
_OCSF_STATUS = {"success": (1, "Success"), "denied": (2, "Failure"), "failed": (2, "Failure")}
_OCSF_SEVERITY = {
    "debug": (1, "Informational"),
    "info": (1, "Informational"),
    "warning": (3, "Medium"),
    "error": (4, "High"),
    "critical": (5, "Critical"),
}
_OCSF_ACTIVITY = {"creation": (1, "Create"), "change": (3, "Update")}
_OCSF_USER = {"user": (1, "User"), "ci": (4, "Service"), "api": (4, "Service")}


def ecs(raw: bytes, entry: Entry) -> dict[str, Any]:
    """Return the entry as an event of the Elastic Common Schema; what it has no field for stands under `helixctl`.

    Source: Elastic Common Schema 8.17, field sets base, ecs, event, labels, log, related, service, user.
    """
    who = entry["actor"]["id"]
    level = entry["severity"]
    return {
        "@timestamp": entry["ts"],
        "ecs": {"version": ECS_VERSION},
        "message": _message(entry),
        "event": {
            "id": entry["id"],
            "kind": "event",
            "category": ["configuration"],
            "type": [_kind(entry)],
            "action": entry["action"],
            "outcome": _ECS_OUTCOME.get(entry["outcome"], "unknown"),
            "severity": SEVERITIES.index(level) + 1 if level in SEVERITIES else 0,
            "sequence": entry["seq"],
            "dataset": "helixctl.audit",
            "provider": "helixctl",
            "hash": entry["hash"],
            "original": raw.decode(),
            **({"reason": entry["reason"]} if entry["reason"] else {}),
        },
        "log": {"level": level},
        "user": {"id": who, "name": who},
        "related": {"user": [who]},
        "service": {"name": "helixctl", "type": "helixctl", "version": entry["tool"]},
        "labels": _labels(entry),
        "helixctl": {key: entry[key] for key in ("effects", "changes", "data", "parents")},
    }


def _labels(entry: Entry) -> dict[str, str]:
    actor = entry["actor"]
    labels = {
        "actor_type": actor["type"],
        "actor_via": actor["via"],
        "model": entry["model"],
        "version": entry["version"],
        "registry": entry["registry"],
        "outcome": entry["outcome"],
    }
    return {key: value for key, value in labels.items() if value}


def ocsf(raw: bytes, entry: Entry) -> dict[str, Any]:
    """Return the entry as an event of class API Activity; what the class has no attribute for stands under `unmapped`.

    Source: Open Cybersecurity Schema Framework 1.5.0, class 6003 and the objects that it names.
    """
    activity, activity_name = _OCSF_ACTIVITY.get(_kind(entry), (99, entry["action"]))
    severity, severity_name = _OCSF_SEVERITY.get(entry["severity"], (99, entry["severity"]))
    status, status_name = _OCSF_STATUS.get(entry["outcome"], (99, entry["outcome"]))
    event = {
        "class_uid": 6003,
        "class_name": "API Activity",
        "category_uid": 6,
        "category_name": "Application Activity",
        "activity_id": activity,
        "activity_name": activity_name,
        "type_uid": 600300 + activity,
        "severity_id": severity,
        "severity": severity_name,
        "status_id": status,
        "status": status_name,
        "status_code": entry["outcome"],
        "status_detail": entry["reason"],
        "time": int(datetime.fromisoformat(entry["ts"]).timestamp() * 1000),
        "message": _message(entry),
        "metadata": _metadata(entry),
        "actor": {"user": _user(entry["actor"])},
        "api": {"operation": entry["action"], "service": {"name": "helixctl"}, "version": entry["tool"]},
        "src_endpoint": {"svc_name": "helixctl"},
        "resources": list(_resources(entry)),
        "raw_data": raw.decode(),
        "unmapped": {key: entry[key] for key in ("registry", "effects", "changes", "data", "parents", "hash")},
    }
    return {key: value for key, value in event.items() if value not in (None, [])}


def _metadata(entry: Entry) -> dict[str, Any]:
    return {
        "version": OCSF_VERSION,
        "product": {"name": "helixctl", "vendor_name": "helixctl", "version": entry["tool"]},
        "uid": entry["id"],
        "sequence": entry["seq"],
        "log_name": "audit",
        "log_provider": "helixctl",
        "log_version": str(entry["v"]),
        "original_time": entry["ts"],
    }


def _user(actor: Entry) -> dict[str, Any]:
    type_id, _ = _OCSF_USER.get(actor["type"], (99, None))
    return {"uid": actor["id"], "name": actor["id"], "type_id": type_id, "type": actor["type"]}


def _resources(entry: Entry) -> Iterator[dict[str, Any]]:
    """Yield each version that the entry touched, or that was asked about, once."""
    named = {(one["model"], one["version"]): None for one in (entry, *entry["effects"]) if one["model"]}
    for model, version in named:
        about = {"version": version} if version else {}
        yield {"uid": f"{model}@{version}" if version else model, "name": model, "type": "model", **about}


def cloudevents(raw: bytes, entry: Entry) -> bytes:
    """Return the entry as a CloudEvent whose data are the entry's own bytes.

    Source: CloudEvents 1.0.2, sections Context Attributes and Event Data; its JSON Event Format 1.0.2.
    """
    from urllib.parse import quote

    subject = _subject(entry)
    event = {
        "specversion": "1.0",
        "id": entry["id"],
        "source": f"urn:uuid:{quote(entry['registry'], safe='')}",
        "type": f"helixctl.{entry['action']}",
        **({"subject": subject} if subject else {}),
        "time": entry["ts"],
        "datacontenttype": "application/json",
    }
    return json.dumps(event, separators=(",", ":"))[:-1].encode() + b',"data":' + raw + b"}"


def _kind(entry: Entry) -> str:
    """Return what an entry tells of: something made, something changed (or tried), or news only."""
    if entry["action"] in _CREATES:
        return "creation"
    return "change" if entry["changes"] or entry["outcome"] == "denied" else "info"


def _subject(entry: Entry) -> str | None:
    return f"{entry['model']}@{entry['version']}" if entry["version"] else entry["model"]


def _message(entry: Entry) -> str:
    about = f" {_subject(entry)}" if _subject(entry) else ""
    return f"{entry['action']}{about} by {entry['actor']['id']}: {entry['outcome']}"


def line(event: Mapping[str, Any] | bytes) -> bytes:
    """Return an event as one line of JSON."""
    return (event if isinstance(event, bytes) else json.dumps(event, separators=(",", ":")).encode()) + b"\n"
