"""A stream of native records on its way into segments: read as it comes, each line checked, none kept that is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from helixctl.core.columns import FIELDS
from helixctl.core.stats import Inference, StatsBuilder
from helixctl.core.times import CLOCK_TOLERANCE
from helixctl.engines import MAX_REPORTED, Malformed, Source, Subject
from helixctl.engines.python import pricing
from helixctl.engines.readers import LineError
from helixctl.engines.readers.lines import MAX_LINE, parse_line, plain_line
from helixctl.engines.readers.native import inference, write

_PIECE = 1_048_576
_SHORT = 1024
_FIELDS = frozenset(FIELDS)
_BOM = b"\xef\xbb\xbf"
_ODD = "surrogateescape"
FUTURE = "ts lies in the future"


def blocks(source: Source) -> Iterator[bytes]:
    """Yield the whole lines of a stream as they come, about a MiB at a time; of a longer line only its beginning.

    Raises:
        Usage, StorageRefused: it cannot be read.
    """
    rest, is_passed_over, is_first = b"", False, True
    with source.opened() as stream:
        for data in iter(lambda: stream.read1(_PIECE), b""):
            if is_passed_over:  # the rest of a line that was too long
                _, ends, data = data.partition(b"\n")  # noqa: PLW2901
                is_passed_over = not ends
            whole, ends, tail = data.rpartition(b"\n")
            whole, rest = (rest + whole + ends, tail) if ends else (b"", rest + tail)
            if len(rest) > MAX_LINE:
                whole, rest, is_passed_over = whole + rest[: MAX_LINE + 1] + b"\n", b"", True
            if whole:
                yield whole.removeprefix(_BOM) if is_first else whole
                is_first = False
    if rest:
        yield rest.removeprefix(_BOM) if is_first else rest


class Recording:
    """Checks lines, adds up what they say, and tells what is to be kept of them.

    `line` is the last that was read, `count` says how many of them are inferences; `table` adds up the `fresh` last ones.
    """

    def __init__(self, name: str, subject: Subject) -> None:
        self._name, self.subject, self._price = name, subject, pricing(subject)
        self.line = self.count = self.malformed_count = 0
        self.malformed: list[Malformed] = []
        self.begin()

    def begin(self) -> None:
        """Begin a new table."""
        self.table, self._before = StatsBuilder(self.subject.model, self.subject.version), self.count

    @property
    def fresh(self) -> int:
        """How many inferences are in the table."""
        return self.count - self._before

    def take(self, raw: bytes, now: datetime) -> bytes:
        """Return what is to be kept of whole lines: each inference's known fields, with the time of now where it has none.

        A short line that says nothing else is kept as it is.
        """
        text, parse = _text_of(raw)
        latest, kept = now + CLOCK_TOLERANCE, list[str]()
        for row in text.removesuffix("\n").split("\n"):
            self.line += 1
            try:
                record = parse(row) if len(row) < _SHORT else None
                is_plain = record is not None and _FIELDS.issuperset(record) and record.get("error") is None
                if record is None and (record := parse_line(row.encode("utf-8", _ODD), FIELDS)) is None:
                    continue
                one = inference(record, self.subject)
                if one.at is None:
                    one, is_plain = one._replace(at=now), False
                elif one.at > latest:
                    raise LineError(FUTURE)
            except LineError as error:
                self.refuse(str(error))
                continue
            kept.append(f"{row}\n" if is_plain and one.success else write(one).decode())
            self.add(one)
        return "".join(kept).encode()

    def add(self, one: Inference) -> None:
        """Count one inference."""
        self.count += 1
        self.table.add(one, self._price(one.input_tokens, one.output_tokens) if one.cost is None else one.cost)

    def refuse(self, why: str) -> None:
        """Count the line as malformed."""
        self.malformed_count += 1
        if self.malformed_count <= MAX_REPORTED:
            self.malformed.append(Malformed(self._name, self.line, why))


def _text_of(raw: bytes) -> tuple[str, Callable[[str], dict[str, object] | None]]:
    """Return bytes as text, with what parses its lines; where they are no text, each line takes a closer look."""
    try:
        return raw.decode(), plain_line
    except UnicodeDecodeError:
        return raw.decode("utf-8", _ODD), lambda _: None
