"""What an evaluation rested on, kept so that its verdict can be computed again: the thresholds and the table.

A file is gzip of one line of JSON, which says what was judged and how (and has the table of the lower ends, where
latencies are known by bucket only), and the canonical bytes of the table. It holds
counts and sums, nothing of any record. Its digest stands in the entry of the evaluation.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from helixctl.core import stats as statistics
from helixctl.core.judge import Evaluation, Thresholds, judge
from helixctl.core.names import Ref
from helixctl.core.stats import Stats
from helixctl.errors import Invalid

FOLDER = "evaluations"
MOST_BYTES = 64 * 2**20
LEVEL = 4
"""Of compression: 9 takes ten times as long, and saves a sixth."""
WINDOW = "window"
"""The source of an evaluation that adds others up, and so is never added up itself."""
_NAME = re.compile(r"(\d{8}T\d{12}Z)-[0-9a-f]{12}\.json\.gz", re.ASCII)
_NUMBERS = ("max_error_rate", "min_success_rate", "max_latency_ms", "min_confidence")


class Evidence(NamedTuple):
    """A table, the thresholds that judged it, where it came from, and what was said of it."""

    ref: Ref
    serving_digest: str
    source: str
    thresholds: Thresholds
    verdict: str
    proven: bool
    stats: Stats
    best: Stats | None = None

    def judged(self) -> Evaluation:
        """Judge it again."""
        return judge(self.stats, self.thresholds, str(self.ref), self.best)


def folder_of(ref: Ref) -> str:
    """Return the folder of a version's evidence, from the registry's root."""
    return f"{FOLDER}/{ref.model}/{ref.version}"


def path_of(ref: Ref, at: datetime, digest: str) -> str:
    """Return the path of the evidence of an evaluation, by its time and the digest of its table."""
    return f"{folder_of(ref)}/{at:%Y%m%dT%H%M%S%f}Z-{digest[:12]}.json.gz"


def time_of(path: str) -> datetime | None:
    """Return the time that is in the name of evidence; None for the path of something else."""
    found = _NAME.fullmatch(path.rpartition("/")[2])
    return datetime.fromisoformat(f"{found[1][:15]}.{found[1][15:21]}+00:00").astimezone(UTC) if found else None


def encode(evidence: Evidence, table: bytes | None = None) -> bytes:
    """Return the file's bytes.

    Args:
        table: the canonical bytes of its table, where they are known.
    """
    limits = {name: str(getattr(evidence.thresholds, name)) for name in _NUMBERS}
    head = {
        "schema": 1,
        "kind": "evidence",
        "model": evidence.ref.model,
        "version": evidence.ref.version,
        "serving_digest": evidence.serving_digest,
        "source": evidence.source,
        "thresholds": limits
        | {
            "min_samples": evidence.thresholds.min_samples,
            "warn": sorted(evidence.thresholds.warn),
            "enforce": evidence.thresholds.enforce,
            "confidence_required": evidence.thresholds.confidence_required,
        },
        "verdict": evidence.verdict,
        "proven": evidence.proven,
        **({"best": evidence.best.encode().decode()} if evidence.best else {}),
    }
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)
    line = json.dumps(head, separators=(",", ":")).encode()
    return packer.compress(line + b"\n" + (table or evidence.stats.encode())) + packer.flush()


def decode(raw: bytes) -> Evidence:
    """Read the file's bytes back.

    Raises:
        Invalid: they are not what `encode` writes.
    """
    try:
        unpacker = zlib.decompressobj(31)
        plain = unpacker.decompress(raw, MOST_BYTES)
        if not unpacker.eof or unpacker.unused_data:
            raise ValueError("more, or less, than one whole file")
        line, _, table = plain.partition(b"\n")
        head = json.loads(line)
        if head["schema"] != 1 or head["kind"] != "evidence":
            raise ValueError("another kind of file")
        limits: dict[str, Any] = dict(head["thresholds"])
        thresholds = Thresholds(
            **limits | {name: _number(limits[name]) for name in _NUMBERS} | {"warn": frozenset(limits["warn"])}
        )
        ref = Ref(_text(head["model"]), _text(head["version"]))
        said = _text(head["serving_digest"]), _text(head["source"]), thresholds, _text(head["verdict"])
        best = statistics.decode(_text(head["best"]).encode()) if "best" in head else None
        return Evidence(ref, *said, head["proven"] is True, statistics.decode(table), best)
    except (ValueError, TypeError, LookupError, ArithmeticError, AttributeError, RecursionError, zlib.error):
        raise Invalid("not the evidence of an evaluation", hint="restore the file from git") from None


def _number(value: Any) -> int | Decimal:
    number = Decimal(_text(value))
    return int(number) if number == number.to_integral_value() and "." not in value else number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


class Sum(NamedTuple):
    """The table of the days of a window, and the names of the evidence that would have counted some day twice.

    Args:
        outdated: how many evaluations of these days are of something else than what is served.
    """

    stats: Stats
    left_out: tuple[str, ...]
    outdated: int
    counted: int
    best: Stats | None = None


def summed(found: Iterable[tuple[str, Evidence]], since: date, served: tuple[Ref, str]) -> Sum:
    """Add evidence of what is served up, newest first, from a day on; where two speak of one day, the newer one counts.

    Args:
        served: the version, and its serving digest.

    Raises:
        Invalid: some inferences carry no time.
    """
    total, best, taken, left_out = Stats(), Stats(), set[str](), []
    counted, outdated, is_coarse = 0, 0, False
    for name, one in found:
        days = {day for day in one.stats.windows() if day >= since.isoformat()}
        if one.source == WINDOW or not one.stats.groups:
            continue
        if (one.ref, one.serving_digest) != served:
            outdated += bool(days)
            continue
        if "" in one.stats.windows():
            raise Invalid(
                f"inferences of {name} carry no time, so no window holds them",
                hint="evaluate records with ts, and name a window that begins after that evaluation",
            )
        if days & taken:
            left_out.append(name)
            continue
        if days:
            inside = (table.of_windows(days)._replace(scores=()) for table in (one.stats, one.best or one.stats))
            total, best = (known.merge(table) for known, table in zip((total, best), inside, strict=True))
            is_coarse |= one.best is not None
            taken |= days
            counted += 1
    return Sum(total, tuple(left_out), outdated, counted, best if is_coarse else None)


def expired(paths: Iterable[str], now: datetime, days: int) -> Iterator[str]:
    """Yield the paths of evidence that is older than some days, 0 for none; the newest is kept."""
    known = sorted((at, path) for path in paths if (at := time_of(path)) is not None)
    for at, path in known[:-1]:
        if days and (now - at).days >= days:
            yield path
