"""Whether the log is whole and the files are what it says: findings, and the one outcome they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from helixctl.core import audit
from helixctl.core.facts import Latest

OUTCOMES = ("ok", "denied", "incomplete", "drift", "needs_reconcile", "tampered")
"""From best to worst; a verification has the worst of its findings."""

FOLDED = ("models/", "approvals/", "schedule/", "evaluations/", "audit/checkpoints/", "audit/archived/")
"""The folders whose files only helixctl writes: each is what the log says, or has drifted."""
CODES = {
    "bad-line": "tampered",
    "bad-order": "tampered",
    "bad-seq": "tampered",
    "second-root": "tampered",
    "no-root": "tampered",
    "foreign-entry": "tampered",
    "torn-tail": "tampered",
    "empty-segment": "tampered",
    "stray-file": "tampered",
    "lost-segment": "tampered",
    "changed-segment": "tampered",
    "lost-entry": "tampered",
    "bad-note": "tampered",
    "bad-signature": "tampered",
    "illegal-transition": "tampered",
    "unjudged-change": "tampered",
    "policy-fails": "denied",
    "unsigned-segment": "incomplete",
    "missing-parent": "incomplete",
    "forked-file": "needs_reconcile",
    "two-active": "needs_reconcile",
    "two-canaries": "needs_reconcile",
    "merge-markers": "needs_reconcile",
    "changed-file": "drift",
    "unknown-file": "drift",
    "missing-file": "drift",
    "damaged-file": "drift",
    "unaccounted-file": "drift",
    "unrecorded": "ok",
    "late-entry": "ok",
    "unchecked-signature": "ok",
    "other-actor": "ok",
}
"""Every code of a finding, with the outcome that it alone would give."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its code, where, and the fact."""

    code: str
    path: str
    line: int | None
    message: str


class Voucher(NamedTuple):
    """Who signed what: a segment or a checkpoint, and how many entries it speaks for."""

    who: str
    path: str
    entries: int


NOT_ANCHORED = "self-consistent, not anchored"


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification says.

    Args:
        anchor: what vouches that the log is the one it was; without it the log is only consistent with itself.
    """

    entries: int
    segments: int
    heads: tuple[str, ...]
    findings: tuple[Finding, ...]
    anchor: str = NOT_ANCHORED
    vouchers: tuple[Voucher, ...] = ()

    @property
    def outcome(self) -> str:
        """The worst outcome of all findings."""
        return max((CODES[finding.code] for finding in self.findings), key=OUTCOMES.index, default="ok")


@dataclass(slots=True)
class Fold:
    """What the entries add up to: the last digest and state of each path, and where two branches changed one file."""

    registry: str
    files: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    forks: dict[str, Finding] = field(default_factory=dict)
    archived: dict[str, tuple[int, str]] = field(default_factory=dict)

    def begin(self, path: str, row: Latest) -> None:
        """Take in the last change of a path among archived entries."""
        if self.archived.get(path, (0, "")) < (row.seq, row.hash):
            self.archived[path] = row.seq, row.hash
            self.files[path] = row.after, row.state

    def add(self, path: str, number: int, raw: bytes) -> dict[str, Any] | None:
        """Add one line, ascending by (seq, hash) over the whole log; return its entry, None where it is none."""
        try:
            entry = audit.parse(raw)
            changes = [
                (change["path"], change["before"], change["after"], change["state"]) for change in entry["changes"]
            ]
            registry, action, place = entry["registry"], entry["action"], (entry["seq"], entry["hash"])
            audit.refuse_shape(entry)
        except (audit.BadLine, KeyError, TypeError) as error:
            self.findings.append(Finding("bad-line", path, number, f"not an entry: {error}"))
            return None
        if registry != self.registry:
            self.findings.append(Finding("foreign-entry", path, number, f"the entry is of registry {registry!a}"))
        takes_over = action in ("version.adopted", "registry.reconciled", "registry.restored")
        for name, before, after, state in changes:
            if name in self.archived and place <= self.archived[name]:
                continue
            if takes_over:
                self.forks.pop(name, None)
            known = self.files.get(name, (None, None))[0]
            if before != known and not takes_over and name.startswith("models/"):
                fact = f"changed on two sides of a merge (entry {path}:{number})"
                self.forks[name] = Finding("forked-file", name, None, fact)
            self.files[name] = (after, state)
        return entry


def compare(logged: Mapping[str, tuple[str | None, str | None]], found: Mapping[str, str]) -> list[Finding]:
    """Return how the files that only helixctl writes differ from the log.

    Args:
        logged: last digest and state by path; found: digest of each file on disk by path.
    """
    findings = []
    for path, (after, _) in sorted(logged.items()):
        if not path.startswith(FOLDED) or after is None:
            continue
        if path not in found:
            findings.append(Finding("missing-file", path, None, "the log knows this file, and it is not there"))
        elif found[path] != after:
            cure = "; adopt takes it in" if path.startswith("models/") else ""
            findings.append(Finding("changed-file", path, None, f"changed outside helixctl{cure}"))
    for path in sorted(found):
        if logged.get(path, (None, None))[0] is None:
            findings.append(Finding("unknown-file", path, None, "the log does not know this file"))
    return findings


def holders(statuses: Iterable[tuple[str, str, str]]) -> list[Finding]:
    """Return the models in which more than one version is active, or canary; given (model, version, status)."""
    held: dict[tuple[str, str], list[str]] = {}
    for model, version, status in statuses:
        if status in ("active", "canary"):
            held.setdefault((model, status), []).append(version)
    code = {"active": "two-active", "canary": "two-canaries"}
    return [
        Finding(code[status], f"models/{model}", None, f"{', '.join(versions)} are all {status}")
        for (model, status), versions in sorted(held.items())
        if len(versions) > 1
    ]


def as_data(verification: Verification) -> dict[str, Any]:
    """Return the verification as JSON output carries it."""
    return {
        "outcome": verification.outcome,
        "anchor": verification.anchor,
        "entries": verification.entries,
        "segments": verification.segments,
        "heads": list(verification.heads),
        "vouchers": [one._asdict() for one in verification.vouchers],
        "findings": [
            {"code": one.code, "path": one.path, "line": one.line, "message": one.message}
            for one in verification.findings
        ],
    }
