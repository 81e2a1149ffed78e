"""What entries tell that later decisions need: authors, spent approvals, overrides to review, warnings that were given.

A fact is a kind, a key and a value. Facts are a set: the order in which entries are read does not matter.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Fact = tuple[str, str, str]


class Latest(NamedTuple):
    """The last change of a path: by which entry, to which digest, with which helixctl-written state."""

    seq: int
    hash: str
    after: str | None
    state: str | None


def is_telling(raw: bytes, model: bytes = b"") -> bool:
    """Tell whether the line of an entry may change a file or tell a fact; others need not be parsed.

    Args:
        model: what only changes versions of others than this one is no matter.
    """
    if model not in raw and b"\\" not in raw and raw.count(b'"path":"') == raw.count(b'"path":"models/'):
        return False
    return b'"changes":[]' not in raw or b'"action":"eol.warned"' in raw or b'"swept":true' in raw


def facts(entry: Mapping[str, Any]) -> Iterator[Fact]:
    """Yield the facts of an entry; one that helixctl would not have written may yield none.

    `author` and `MODEL@VERSION`: who registered it or changed its specification. `spent` and `MODEL@VERSION`: an approval that let a change pass. `override` and the model: what was set aside, as
    JSON. `review` and the entry of an override: who reviewed it. `warned` and the model: an end of life, see `warning`, and
    that policy denied a sweep to bring it, see `barred`.
    """
    try:
        yield from _facts(entry)
    except (AttributeError, KeyError, TypeError):
        return


def _facts(entry: Mapping[str, Any]) -> Iterator[Fact]:
    who, data, ref = str(entry["actor"]["id"]), entry["data"], f"{entry['model']}@{entry['version']}"
    names = {effect["action"] for effect in entry["effects"]}
    for effect in entry["effects"]:
        is_edit = effect["action"] == entry["action"] in ("version.updated", "version.adopted")
        if is_edit or effect["action"] == "version.registered":
            yield "author", f"{effect['model']}@{effect['version']}", who
    for version in data.get("accepted", ()):
        yield "author", f"{entry['model']}@{version}", who
    decision = data.get("decision", {})
    for one in decision.get("approvals", ()) if entry.get("outcome") != "denied" else ():
        yield "spent", ref, str(one)
    if "override.used" in names:
        told = {key: entry[key] for key in ("id", "model", "version", "ts", "action", "reason")}
        yield (
            "override",
            str(entry["model"]),
            json.dumps({**told, "by": data.get("scheduled_by", who), "rules": decision["overrides"]}),
        )
    if "override.reviewed" in names:
        yield "review", str(data["entry"]), who
    if entry["action"] == "eol.warned":
        yield "warned", str(entry["model"]), warning(ref, data["end_of_life"], data["days"])
    if entry.get("outcome") == "denied" and data.get("swept"):
        yield "warned", str(entry["model"]), barred(ref, data["end_of_life"], decision)


def warning(ref: str, end_of_life: str, days: int) -> str:
    """Return the value of `warned`: that a version ends then was said so many days before, 0 for past."""
    return f"{ref} {end_of_life} {days}"


def barred(ref: str, end_of_life: str, decision: Mapping[str, Any]) -> str:
    """Return the value of `warned`: that these rules denied to retire a version at its end of life."""
    rows = (one for one in decision["findings"] if one["enforcement"] != "advisory")
    rules = {str(one["rule"]) for one in rows if one["outcome"] in ("fail", "inconclusive", "error")}
    return f"{ref} {end_of_life} denied: {', '.join(sorted(rules))}"


def unreviewed(overrides: Iterable[str], reviewers: Callable[[str], Iterable[str]]) -> Iterator[dict[str, Any]]:
    """Yield the overrides that nobody but who used them has reviewed, oldest first.

    Args:
        overrides: values of `override`. reviewers: gives the values of `review` by the entry of an override.
    """
    for text in sorted(overrides):
        told = json.loads(text)
        if not set(reviewers(told["id"])) - {told["by"]}:
            yield told
