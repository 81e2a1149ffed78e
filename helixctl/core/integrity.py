"""Whether the log is whole and the files are what it says: findings, and the one outcome they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from helixctl.core import audit

OUTCOMES = ("ok", "incomplete", "drift", "needs_reconcile", "tampered")
"""From best to worst; a verification has the worst of its findings."""

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
    "missing-parent": "incomplete",
    "forked-file": "needs_reconcile",
    "two-active": "needs_reconcile",
    "two-canaries": "needs_reconcile",
    "merge-markers": "needs_reconcile",
    "changed-file": "drift",
    "unknown-file": "drift",
    "missing-file": "drift",
    "damaged-file": "drift",
    "unrecorded": "ok",
}
"""Every code of a finding, with the outcome that it alone would give."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found: its code, where, and the fact."""

    code: str
    path: str
    line: int | None
    message: str


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
    anchor: str = "self-consistent, not anchored"

    @property
    def outcome(self) -> str:
        """The worst outcome of all findings."""
        return max((CODES[finding.code] for finding in self.findings), key=OUTCOMES.index, default="ok")


@dataclass(slots=True)
class Chain:
    """Checks framing, hashes, links and order of the log's lines as they are fed, segment after segment."""

    seqs: dict[bytes, int] = field(default_factory=dict)
    heads: set[bytes] = field(default_factory=set)
    links: list[tuple[str, int, int, tuple[bytes, ...]]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    entries: int = 0

    def segment(self, path: str, lines: Iterable[bytes]) -> None:
        """Check one segment's lines, given without their newlines."""
        before = (0, b"")
        for number, raw in enumerate(lines, 1):
            self.entries += 1
            try:
                line = audit.scan(raw)
            except audit.BadLine as error:
                self._found("bad-line", path, number, str(error))
                continue
            digest = bytes.fromhex(line.hash)
            if (line.seq, digest) <= before:
                self._found("bad-order", path, number, f"seq {line.seq} does not follow seq {before[0]} in its segment")
            before = (line.seq, digest)
            if digest in self.seqs:
                self._found("bad-order", path, number, "the entry stands in the log twice")
            self.seqs[digest] = line.seq
            self.links.append((path, number, line.seq, tuple(bytes.fromhex(parent) for parent in line.parents)))

    def finish(self) -> None:
        """Check the links between all lines, once every segment was fed."""
        roots = 0
        referred: set[bytes] = set()
        for path, number, seq, parents in self.links:
            roots += not parents
            if not parents and (roots > 1 or seq != 1):
                self._found("second-root", path, number, "an entry without parents that is not the log's first")
            known = [self.seqs[parent] for parent in parents if parent in self.seqs]
            if len(known) < len(parents):
                self._found("missing-parent", path, number, f"{len(parents) - len(known)} parents are not in the log")
            elif parents and seq != 1 + max(known):
                self._found("bad-seq", path, number, f"seq {seq} is not 1 + the largest seq of its parents")
            referred.update(parents)
        if not roots:
            where: tuple[str, int | None] = self.links[0][:2] if self.links else ("audit", None)
            self._found("no-root", *where, "the log's first entry is not there")
        self.heads = set(self.seqs) - referred

    def _found(self, code: str, path: str, line: int | None, message: str) -> None:
        self.findings.append(Finding(code, path, line, message))


@dataclass(slots=True)
class Fold:
    """What the entries add up to: the last digest and state of each path, and where two branches changed one file."""

    registry: str
    files: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    forks: dict[str, Finding] = field(default_factory=dict)

    def add(self, path: str, number: int, raw: bytes) -> None:
        """Add one line, ascending by (seq, hash) over the whole log."""
        try:
            entry = audit.parse(raw)
            changes = [
                (change["path"], change["before"], change["after"], change["state"]) for change in entry["changes"]
            ]
            registry, action = entry["registry"], entry["action"]
            if not all(isinstance(change[0], str) for change in changes):
                raise TypeError("a path is no text")
        except (audit.BadLine, KeyError, TypeError) as error:
            self.findings.append(Finding("bad-line", path, number, f"not an entry: {error}"))
            return
        if registry != self.registry:
            self.findings.append(Finding("foreign-entry", path, number, f"the entry is of registry {registry!a}"))
        takes_over = action in ("version.adopted", "registry.reconciled", "registry.restored")
        for name, before, after, state in changes:
            if takes_over:
                self.forks.pop(name, None)
            known = self.files.get(name, (None, None))[0]
            if before != known and not takes_over and name.startswith("models/"):
                fact = f"changed on two sides of a merge (entry {path}:{number})"
                self.forks[name] = Finding("forked-file", name, None, fact)
            self.files[name] = (after, state)


def compare(logged: Mapping[str, tuple[str | None, str | None]], found: Mapping[str, str]) -> list[Finding]:
    """Return how the version files on disk differ from the log.

    Args:
        logged: last digest and state by path; found: digest of each file on disk by path.
    """
    findings = []
    for path, (after, _) in sorted(logged.items()):
        if not path.startswith("models/") or after is None:
            continue
        if path not in found:
            findings.append(Finding("missing-file", path, None, "the log knows this file, and it is not there"))
        elif found[path] != after:
            findings.append(Finding("changed-file", path, None, "changed outside helixctl; adopt takes it in"))
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
        "findings": [
            {"code": one.code, "path": one.path, "line": one.line, "message": one.message}
            for one in verification.findings
        ],
    }
