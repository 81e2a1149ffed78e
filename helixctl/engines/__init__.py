"""Evaluation back-ends: what each takes and gives, the table of them, and the sources they read."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from datetime import datetime
from decimal import Decimal
from importlib import import_module
from types import MappingProxyType
from typing import Any, BinaryIO, NamedTuple, Protocol, cast

from helixctl.core.names import one_of
from helixctl.core.stats import Stats
from helixctl.errors import Invalid, NotFound, StorageRefused, Usage

ENGINES: Mapping[str, str] = MappingProxyType(
    {name: f"helixctl.engines.{name}" for name in ("python", "duckdb", "ibis", "prometheus")}
)
"""Name -> module, imported when asked for; each has a function `reduce` that is an Engine."""

MANY_BYTES = 4_000_000
"""About 22,000 records: from here on DuckDB is faster, its start included."""

MAX_REPORTED = 20
STDIN = "-"


class Subject(NamedTuple):
    """The version whose inferences are read, and its prices in USD per million tokens, None where not known.

    `provider_model_id` is the name under which others' formats know it.
    """

    model: str
    version: str
    input_per_mtok: Decimal | None = None
    output_per_mtok: Decimal | None = None
    provider_model_id: str | None = None

    @property
    def names(self) -> frozenset[str]:
        """What a record of this version may call the model."""
        last = self.model.rpartition("/")[2]
        own = {self.model, last, f"{self.model}@{self.version}", f"{last}@{self.version}"}
        return frozenset(own | {self.provider_model_id} if self.provider_model_id else own)


class Query(NamedTuple):
    """How sources are to be read.

    Args:
        format: a key of `readers.READERS`; None tells it by the content.
        columns: by field of a native record, the column it is made from: `end_s - start_s`, `latency_s * 1000`.
        since, until: only records from the one on, and before the other; a record without a time is malformed then.
        where: only records in which each of these (dotted) fields has this text as its value; the others are skipped. A
            record that names another model or version is malformed, unless these name that field.
        engine: a key of ENGINES; None lets the size and the format decide.
        connect, table: where the records are, for engines that read no files.
        scorer, name: how a data set is scored where its lines do not say, and what its scores are called.
        counted: what each counter had reached in the sources before, from where those after go on; filled while they are read.
    """

    format: str | None = None
    columns: Mapping[str, str] = MappingProxyType({})
    since: datetime | None = None
    until: datetime | None = None
    where: tuple[tuple[str, str], ...] = ()
    engine: str | None = None
    connect: str | None = None
    table: str | None = None
    scorer: str | None = None
    name: str | None = None
    counted: dict[object, Any] | None = None


PLAIN = Query()
"""Reads as it suits the content."""


class Source(NamedTuple):
    """A file, or a stream that is open already, and the name to report it by."""

    name: str
    stream: BinaryIO | None = None

    @contextmanager
    def opened(self) -> Iterator[io.BufferedReader]:
        """Give the bytes, decompressed; a stream is left open.

        Raises:
            NotFound: no such file.
            Usage: it is a folder, or is compressed in a way that nothing here reads.
            StorageRefused: it cannot be opened, or reading it failed, or what it is compressed to is cut short or broken
                (EOFError while it is read).
        """
        from helixctl.engines.compression import decompressed

        try:
            if self.stream is not None:
                yield decompressed(self.stream)
            else:
                with open(self.name, "rb", buffering=0) as file:
                    yield decompressed(file)
        except Usage as error:  # of what reads it
            raise (error if self.name == STDIN else error.at(self.name)) from None
        except FileNotFoundError:
            raise NotFound(f"no file {self.name!a}", hint="check the path") from None
        except IsADirectoryError:
            raise Usage(f"{self.name!a} is a folder", hint="name its files, such as 'FOLDER/*.jsonl'") from None
        except EOFError as error:
            fact = f"cannot read {self.name!a}: its compressed data is broken, or cut short"
            raise StorageRefused(fact, hint="decompress it by hand to see where") from error
        except OSError as error:
            fact = f"cannot read {self.name!a}: {error.strerror or type(error).__name__}"
            raise StorageRefused(fact, hint="check the file and its permissions") from error


class Malformed(NamedTuple):
    """A line that could not be read, and why, never its content; mismatched where it names another version, `is_rest` where
    nothing after it is read either.

    A table on a cluster has no lines: there it stands for so many `rows`, and `line` is 0.
    """

    source: str
    line: int
    why: str
    mismatched: bool = False
    rows: int = 1
    is_rest: bool = False

    def __str__(self) -> str:
        place = f"{self.source}:{self.line}" if self.line else self.source
        return f"{f'standard input, line {self.line}' if self.source == STDIN else place}: {self.why}"

    def refused(self, message: str, hint: str) -> Invalid:
        """Return a refusal that names this line, and says so in its message."""
        path = self.source if self.line and self.source != STDIN else None
        return Invalid(message, hint=hint, path=path, line=self.line or None)


class Reduction(NamedTuple):
    """What an engine gives: the table, the first malformed lines, and how many there are.

    `mismatched_count` says how many of the malformed lines name another model or version, `skipped` how many records a
    filter left out, `fields` what those have where the query's `where` left all of them out, `lower`
    the scores of which the source says that lower is better. `best` is there where latencies are known by bucket only: `stats` then has each at the upper end of
    its bucket, and `best` at the lower. `notes` say what else a reader of the verdict should know.
    """

    stats: Stats
    malformed: tuple[Malformed, ...] = ()
    malformed_count: int = 0
    mismatched_count: int = 0
    skipped: int = 0
    fields: frozenset[str] = frozenset()
    lower: frozenset[str] = frozenset()
    best: Stats | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is neither a request nor a score."""
        return not (self.stats.groups or self.stats.scores)

    def among(self, fields: Set[str]) -> Reduction:
        """Return it with the fields of the records that were left out, where there are no others."""
        return self._replace(fields=frozenset(fields)) if self.skipped and self.is_empty else self

    def merge(self, other: Reduction) -> Reduction:
        """Add two reductions of one version up."""
        if self == Reduction(Stats()):
            return other
        known = self.best is not None or other.best is not None
        return Reduction(
            self.stats.merge(other.stats),
            (*self.malformed, *other.malformed)[:MAX_REPORTED],
            self.malformed_count + other.malformed_count,
            self.mismatched_count + other.mismatched_count,
            self.skipped + other.skipped,
            self.fields | other.fields,
            self.lower | other.lower,
            (self.best or self.stats).merge(other.best or other.stats) if known else None,
            tuple(dict.fromkeys((*self.notes, *other.notes))),
        )


class Engine(Protocol):
    """Reduces the records of a version, in some sources or where the query says, to one table."""

    def __call__(self, sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction: ...


def reduce(sources: Sequence[Source], subject: Subject, query: Query = PLAIN) -> Reduction:
    """Reduce with the engine that the query names, or the one that suits.

    Raises:
        Usage: no such engine or format, or a query that it cannot serve.
        NotFound, StorageRefused: a source is not there, or cannot be read.
    """
    name = query.engine or _suitable(sources, query)
    if query.connect and name in ("python", "duckdb"):
        raise Usage(f"the {name} engine reads files, and no cluster", hint="leave --engine out, or --connect")
    return engine(name)(sources, subject, query._replace(counted={}))


def judged(name: str) -> Usage:
    """Return the refusal to choose requests by a field that says how they fared: those that succeeded always pass."""
    fact = f"--where {name!a} would choose requests by what they are judged by"
    return Usage(fact, hint="choose by model, version, region or a tag, or by time with --since and --until")


def _suitable(sources: Sequence[Source], query: Query) -> str:
    if query.connect:
        return "prometheus" if query.connect.startswith("http") else "ibis"
    from importlib.util import find_spec

    if query.format not in (None, "native", "parquet") or find_spec("duckdb") is None:
        return "python"
    if query.format == "parquet":
        return "duckdb"
    files = [source.name for source in sources if source.stream is None]
    is_large = sum(os.path.getsize(name) for name in files if os.path.isfile(name)) > MANY_BYTES
    return "duckdb" if is_large or any(map(_is_parquet, files)) else "python"


def _is_parquet(name: str) -> bool:
    if name.endswith((".parquet", ".pq")):
        return True
    with suppress(OSError):  # which is told when it is read
        if os.path.isfile(name):
            with open(name, "rb") as file:
                return file.read(4) == b"PAR1"
    return False


def engine(name: str) -> Engine:
    """Return the engine of that name.

    Raises:
        Usage: there is none.
    """
    return cast(Engine, import_module(ENGINES[one_of("engine", name, ENGINES)]).reduce)


def secretless(url: str) -> str:
    """Return an address without user, password and parameters; of one that is written wrongly, what can hold none."""
    scheme, sign, rest = url.partition("://")
    if not sign:
        return re.split(r"[?#;:/]", url.rpartition("@")[2])[0]
    return f"{scheme}{sign}{re.split(r'[?#;]', rest.rpartition('@')[2])[0]}"


def away(url: str, error: Exception) -> StorageRefused:
    """Return the refusal of a server that does not answer; what its library says may hold a secret."""
    fact = f"cannot reach {ascii(secretless(url))[1:-1]}: {type(error).__name__}"
    return StorageRefused(fact, hint="check the address, the credentials, and that it is up")


def find_sources(patterns: Sequence[str], stdin: BinaryIO | None = None) -> tuple[Source, ...]:
    """List the sources that names, globs and `-` mean, each file once, those of a glob by name.

    Raises:
        NotFound: no such file, or a glob that matches nothing.
        Usage: `-` where there is no standard input.
    """
    found: dict[str, Source] = {}
    for pattern in patterns:
        for name in _names(pattern):
            if name != "-":
                found.setdefault(os.path.realpath(name), Source(name))
            elif stdin is not None:
                found.setdefault(name, Source(name, stdin))
            else:
                raise Usage("there is no standard input to read", hint="name a file")
    return tuple(found.values())


def _names(pattern: str) -> list[str]:
    from glob import glob, has_magic

    if pattern == "-" or os.path.exists(pattern):
        return [pattern]
    if "://" in pattern:
        raise NotFound(f"no file {secretless(pattern)!a}", hint="copy it here, and name the file")
    if not has_magic(pattern):
        raise NotFound(f"no file {pattern!a}", hint="check the path")
    names = sorted(filter(os.path.isfile, glob(pattern, recursive=True)))
    if not names:
        raise NotFound(f"no file matches {pattern!a}", hint="quote the pattern, and check the folder it starts from")
    return names
