"""inspect_ai: logs of version 2, as JSON or as `.eval`, which is a zip archive."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from helixctl.core.stats import score
from helixctl.engines import Query, Subject
from helixctl.engines.compression import decompressed
from helixctl.engines.readers import Found, LineError, documents, lines
from helixctl.engines.readers.native import inference

_GRADES = {"C": 1.0, "P": 0.5, "I": 0.0, "N": 0.0}
"""How inspect_ai itself turns a grade into a number: correct, partial, incorrect, no answer."""
_ZSTD = 93
_BROKEN = (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, OSError, EOFError, ValueError)


def matches(head: bytes) -> bool:
    """Tell it by its magic bytes, or the keys that a log begins with."""
    return head.startswith(b"PK\x03\x04") or documents.has(head, "version", "status", "eval")


def read(stream: BinaryIO, subject: Subject, query: Query) -> Iterator[tuple[int, Found]]:
    """Yield each sample and its scores; a log that was not finished is malformed as a whole."""
    try:
        raw = stream.read(documents.MOST_BYTES + 1)
        if len(raw) > documents.MOST_BYTES:
            raise LineError("the log is longer than 256 MiB")
        log, samples = _archived(raw) if raw.startswith(b"PK") else _plain(raw)
        if log.get("status") != "success":
            raise LineError("the log's status is not success: what it has is not the whole")
        model = lines.at(log, "eval.model")
        name = str(model).rpartition("/")[2] if model is not None else None
        if model not in subject.names:
            documents.refuse_other_model(name, subject, documents.chosen_by(query), "model")
    except documents.ODD as error:
        yield 1, documents.fault(error)
        return
    for place, sample in enumerate(samples, 1):
        try:
            yield from ((place, one) for one in _found(sample, log, subject, query))
        except documents.ODD as error:
            yield place, documents.fault(error)


def _plain(raw: bytes) -> tuple[Mapping[str, Any], Iterator[object]]:
    log = documents.parse(raw)
    if not isinstance(log, dict) or not isinstance(log.get("samples"), list):
        raise LineError("a log of inspect_ai without its samples")
    return log, iter(log["samples"])


def _archived(raw: bytes) -> tuple[Mapping[str, Any], Iterator[object]]:
    try:
        archive = _Archive(raw)
        names = archive.namelist()
        if sum(one.file_size for one in archive.infolist()) > 4 * documents.MOST_BYTES:
            raise LineError("the log is longer than 1 GiB")
        header = documents.parse(archive.member("header.json"))
    except _BROKEN as error:
        raise (
            error if isinstance(error, LineError) else LineError("no archive of inspect_ai that can be read")
        ) from None
    if not isinstance(header, dict):
        raise LineError("header.json is no object")
    members = sorted(name for name in names if name.startswith("samples/") and name.endswith(".json"))
    return header, (_sample(archive, name) for name in members)


class _Archive(zipfile.ZipFile):
    """A zip archive whose members may be compressed by zstd, as those of newer versions are."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(io.BytesIO(raw))
        self._raw = raw

    def member(self, name: str) -> bytes:
        """Return the plain bytes of a member.

        Raises:
            Usage: it is compressed by zstd, which nothing here reads.

        Source: PKWARE, APPNOTE 6.3.10, sections 4.3.7 (local header) and 4.4.5 (method 93).
        """
        about = self.getinfo(name)
        if about.compress_type != _ZSTD:
            return self.read(name)
        names = about.header_offset + 26
        begin = names + 4 + sum(int.from_bytes(self._raw[at : at + 2], "little") for at in (names, names + 2))
        plain = decompressed(io.BytesIO(self._raw[begin : begin + about.compress_size])).read(about.file_size + 1)
        if len(plain) != about.file_size or zlib.crc32(plain) != about.CRC:
            raise zipfile.BadZipFile
        return plain


def _sample(archive: _Archive, name: str) -> object:
    try:
        return documents.parse(archive.member(name))
    except LineError as error:
        return error
    except _BROKEN:
        return LineError("a sample that cannot be unpacked")


def _found(sample: object, log: Mapping[str, Any], subject: Subject, query: Query) -> Iterator[Found]:
    if isinstance(sample, LineError):
        raise sample
    if not isinstance(sample, dict):
        raise LineError("a sample that is no object")
    if skipped := lines.left_out(sample, query):
        yield skipped
        return
    usage = sample.get("model_usage") or {}
    own: Mapping[str, object] = usage.get(lines.at(log, "eval.model")) or next(iter(usage.values()), {})
    is_silent = lines.at(sample, "output.choices") == []  # a request that timed out leaves no more trace than that
    has_failed = sample.get("error") is not None or is_silent
    total = sample.get("total_time")
    at = documents.first_of(sample, ("completed_at", "started_at")) or lines.at(log, "stats.completed_at")
    fields = documents.stated(
        ts=at or None,
        success=not has_failed,
        latency_ms=None if has_failed else documents.scaled(total, 1000),
        input_tokens=own.get("input_tokens"),
        output_tokens=own.get("output_tokens"),
        error=lines.at(sample, "error.message"),
    )
    yield inference(fields, subject, is_timed=False)
    task = str(lines.at(log, "eval.task") or "inspect").rpartition("/")[2]
    for name, one in (sample.get("scores") or {}).items():
        value = one.get("value") if isinstance(one, Mapping) else None
        for part, number in value.items() if isinstance(value, Mapping) else [("", value)]:
            yield score(".".join(filter(None, (task, name, part))), _graded(number))


def _graded(value: object) -> object:
    if isinstance(value, str):
        return _GRADES.get(value, value)
    return float(value) if isinstance(value, bool) else value
