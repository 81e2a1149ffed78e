"""Statements about the log's segments, as lines of text: checkpoints, and the tombstones of archived segments.

A note is a heading, `registry`, `at`, `entries` and `newest`, then a `head` for each entry that later ones may refer to,
a `segment` for each file with its digest, size, lines and first and last `seq`, and in a tombstone a `file` for each path
that its entries changed last and a `fact` for each that they tell, see `core.facts`. It has one form only, so its bytes can be signed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from helixctl.core import times
from helixctl.core.facts import Fact, Latest
from helixctl.errors import Invalid

SEGMENT = r"audit/\d{4}/\d{2}/[0-9A-Za-z][0-9A-Za-z-]*\.jsonl"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"
_HASH = r"[0-9a-f]{64}"
_NUMBER = r"\d{1,18}"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LINES = {
    "head": rf"head ({_NUMBER}) ({_HASH})",
    "segment": rf"segment ({_HASH}) ({_NUMBER}) ({_NUMBER}) ({_NUMBER}) ({_NUMBER}) ({SEGMENT})",
    "file": rf'file ({_NUMBER}) ({_HASH}) ({_HASH}|-) ({_HASH}|-) (".*")',
    "fact": rf"fact ([a-z]+) ({_QUOTED}) ({_QUOTED})",
}


class Sealed(NamedTuple):
    """A segment's bytes when the note was written: where, digest, size, lines, first and last `seq`."""

    path: str
    sha256: str
    size: int
    lines: int
    first: int
    last: int


class Note(NamedTuple):
    """A checkpoint or a tombstone.

    Args:
        entries: how many entries it speaks for, archived ones included. newest: the latest `ts` among them.
        heads: in a checkpoint the log's heads, in a tombstone the entries that others may refer to; `seq` by hash.
    """

    kind: str
    registry: str
    at: datetime
    entries: int
    newest: str
    heads: Mapping[str, int]
    segments: tuple[Sealed, ...]
    files: Mapping[str, Latest] = MappingProxyType({})
    facts: frozenset[Fact] = frozenset()

    @property
    def spans(self) -> dict[str, tuple[int, int]]:
        """First and last `seq` by segment."""
        return {one.path: (one.first, one.last) for one in self.segments}


def encode(note: Note) -> bytes:
    """Return the bytes of a note."""
    lines = [
        f"helixctl {note.kind} 1",
        f"registry {note.registry}",
        f"at {times.stamp(note.at)}",
        f"entries {note.entries}",
        f"newest {note.newest}",
        *(f"head {seq} {digest}" for digest, seq in sorted(note.heads.items())),
        *(
            f"segment {one.sha256} {one.size} {one.lines} {one.first} {one.last} {one.path}"
            for one in sorted(note.segments)
        ),
        *(
            f"file {one.seq} {one.hash} {one.after or '-'} {one.state or '-'} {json.dumps(path)}"
            for path, one in sorted(note.files.items())
        ),
        *(f"fact {kind} {json.dumps(key)} {json.dumps(value)}" for kind, key, value in sorted(note.facts)),
    ]
    return "".join(f"{line}\n" for line in lines).encode()


def decode(raw: bytes, kind: str) -> Note:
    """Return the note that a file holds.

    Raises:
        Invalid: it is no note of this kind, with the line that is wrong.
    """
    lines = raw.decode(errors="replace").split("\n")
    begin = (rf"helixctl {kind} 1", r"registry (\S+)", rf"at ({_TIME})", rf"entries ({_NUMBER})", rf"newest ({_TIME})")
    head = [_matched(pattern, lines, number) for number, pattern in enumerate(begin)]
    heads, segments, files, facts = {}, [], {}, set()
    for number, line in enumerate(lines[len(begin) : -1], len(begin)):
        word = line.partition(" ")[0]
        found = _matched(_LINES.get(word, r"(?!)"), lines, number)
        if word == "head":
            heads[found[2]] = int(found[1])
        elif word == "segment":
            segments.append(Sealed(found[6], found[1], *map(int, found.group(2, 3, 4, 5))))
        elif word == "fact":
            facts.add((found[1], _unquoted(found[2], number), _unquoted(found[3], number)))
        else:
            after, state = (None if one == "-" else one for one in found.group(3, 4))
            files[_unquoted(found[5], number)] = Latest(int(found[1]), found[2], after, state)
    try:
        at = times.parse_instant(head[2][1])
    except ValueError as error:
        raise Invalid(str(error), line=3, hint="restore the file from git") from None
    note = Note(kind, head[1][1], at, int(head[3][1]), head[4][1], heads, tuple(segments), files, frozenset(facts))
    if encode(note) != raw:
        raise Invalid(f"not the one form that a {kind} has", line=len(lines), hint="restore the file from git")
    return note


def _matched(pattern: str, lines: list[str], number: int) -> re.Match[str]:
    found = re.fullmatch(pattern, lines[number], re.ASCII) if number < len(lines) else None
    if found is None:
        raise Invalid("not a line that belongs here", line=number + 1, hint="restore the file from git")
    return found


def _unquoted(quoted: str, number: int) -> str:
    try:
        return str(json.loads(quoted))
    except ValueError:
        raise Invalid("not text in quotes", line=number + 1, hint="restore the file from git") from None
