"""Which inferences a question is about: files, what was recorded, the sources that helix.toml names; and their table."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import combinations
from typing import BinaryIO, NamedTuple

from helixctl.api.evidence import window
from helixctl.core.columns import FIELDS, compiled
from helixctl.core.evidence import WINDOW
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.core.schema import did_you_mean
from helixctl.core.settings import Settings
from helixctl.core.stats import Stats
from helixctl.core.times import short
from helixctl.engines import PLAIN, STDIN, Query, Reduction, Source, Subject, find_sources, judged, reduce, secretless
from helixctl.errors import Invalid, Usage
from helixctl.storage import inferences
from helixctl.storage.registry import Store

RECORDED = "recorded"
NAMED = 5
OTHERS = "inferences from before a change of what the version serves are left out"


class Asked(NamedTuple):
    """Which inferences are wanted, and how they are to be read.

    Args:
        patterns: files, globs, `-`, a name of `[sources]`, or `recorded`, which is also meant by none.
        datasets: files of data sets, to be scored. window: instead of all these, the evidence of so long.
    """

    patterns: Sequence[str] = ()
    query: Query = PLAIN
    stdin: BinaryIO | None = None
    datasets: Sequence[str] = ()
    window: timedelta | None = None

    @classmethod
    def of(cls, patterns: Sequence[str], query: Query | None, stdin: BinaryIO | None) -> Asked:
        """Return it, with the plain query for none."""
        return cls(patterns, query or PLAIN, stdin)


EVERYTHING = Asked()
"""All that was recorded."""


class Group(NamedTuple):
    """Sources that are read alike."""

    sources: tuple[Source, ...]
    query: Query


def groups(root: str, record: Record, asked: Asked, settings: Settings) -> Iterator[Group]:
    """Yield what is asked for, in groups that are read alike.

    Raises:
        NotFound: no such file or source, or a glob that matches nothing.
        Usage: `-` where there is no standard input.
    """
    named = {one for one in asked.patterns if one in settings.sources and not os.path.exists(one)}
    patterns = [one for one in asked.patterns if one != RECORDED and one not in named]
    if patterns or (asked.query.connect and not named):
        yield Group(find_sources(patterns, asked.stdin), asked.query)
    for source in find_sources(asked.datasets, asked.stdin):
        name = os.path.basename(source.name).partition(".")[0]
        yield Group((source,), asked.query._replace(format="dataset", name=name, connect=None))
    if is_of_recorded(asked):
        recorded = tuple(map(_whole, inferences.files(root, record)))
        yield Group(recorded, asked.query._replace(format="native", columns={}, connect=None, table=None))
    for name in sorted(named):
        stated = dict(settings.sources[name])
        files = [one if one == "-" else os.path.join(root, one) for one in stated.pop("from", ())]
        yield Group(find_sources(files, asked.stdin), _over(stated, asked.query))


def _whole(path: str) -> Source:
    """Return a segment without half a line that a crash left at its end, which the next `record` cuts off."""
    with open(path, "rb") as file:
        if not os.path.getsize(path) or (file.seek(-1, os.SEEK_END) >= 0 and file.read() == b"\n"):
            return Source(path)
        file.seek(0)
        return Source(path, io.BytesIO(file.read().rpartition(b"\n")[0] + b"\n"))


def is_of_recorded(asked: Asked) -> bool:
    """Tell whether what `record` kept is asked for."""
    return RECORDED in asked.patterns or not (asked.patterns or asked.query.connect or asked.datasets)


def kind_of(asked: Asked, settings: Settings) -> str:
    """Return where what is asked for comes from, as `[metrics].source` says it: a window, a cluster, files or recorded."""
    if asked.window is not None:
        return WINDOW
    named = (settings.sources.get(one, {}) for one in asked.patterns)
    if asked.query.connect or any("connect" in one for one in named):
        return "cluster"
    return "files" if asked.datasets or {*asked.patterns} - {RECORDED} else "recorded"


def _over(stated: dict[str, object], given: Query) -> Query:
    """Return what helix.toml states of a source, but for what was given on the way."""
    where = stated.pop("where", {})
    assert isinstance(where, dict)
    kept = {key: value for key, value in given._asdict().items() if value}
    return Query(**{**stated, "where": tuple(where.items()), **kept})


def subject_of(record: Record) -> Subject:
    """Return what an engine needs to know of a version."""
    prices = record.spec.get("cost", {})
    rates = prices.get("input_per_mtok"), prices.get("output_per_mtok")
    return Subject(record.ref.model, record.version, *rates, record.spec.get("provider_model_id"))


def reduced(store: Store, record: Record, asked: Asked) -> Reduction:
    """Reduce the inferences of a version that are asked for.

    Raises:
        Invalid: more malformed lines than `max_malformed`, or a score that helix.toml would have judged the wrong way.
        Usage: a time range without any time in it, or a filter by a field that no record has.
        NotFound, StorageRefused: a source cannot be read.
    """
    store.tell(0, 0)
    if asked.window is not None:
        return window(store, record, asked.window, store.clock())
    settings = store.settings()
    _refuse_vain(asked, settings)
    reduction = Reduction(Stats())
    where = dict[str, str]()
    found = [*groups(store.root, record, asked, settings)]
    _refuse_twice(found)
    for sources, query in found:
        _refuse_judged(query)
        where |= query.where
        reduction = reduction.merge(reduce(sources, subject_of(record), query))
    _refuse_malformed(reduction, settings.max_malformed, record.ref)
    _refuse_unknown(reduction, where)
    if unsaid := sorted(reduction.lower - {*settings.lower_is_better}):
        names = ", ".join(f'"{name}"' for name in sorted({*unsaid, *settings.lower_is_better}))
        fact = f"lower is better in {', '.join(unsaid)}, as its source says, and helix.toml says nothing of it"
        raise Invalid(fact, hint=f"in helix.toml: [evaluation] lower_is_better = [{names}]")
    notes = [*reduction.notes, *_nothing(reduction, asked, where), *_presumed(reduction, found)]
    if is_of_recorded(asked) and inferences.is_elsewhere(store.root, record):
        notes.append(OTHERS)
    return reduction._replace(notes=tuple(notes))


def _refuse_vain(asked: Asked, settings: Settings) -> None:
    since, until = asked.query.since, asked.query.until
    if since and until and since >= until:
        raise Usage("--since is not before --until", hint="exchange the two")
    kind = kind_of(asked, settings)
    if kind == "recorded" and (asked.query.format or asked.query.columns):
        given = "--format" if asked.query.format else "--map"
        raise Usage(f"{given} does not apply to what was recorded", hint="name files by --from, or leave it out")
    names = [name for name, _ in asked.query.where]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise Usage(f"--where names {twice!a} twice, and a record has one value of it", hint="leave one of them out")
    if asked.query.table and kind != "cluster":
        raise Usage("--table names a table of a cluster", hint="say of which: --connect clickhouse://HOST/DATABASE")


def _refuse_twice(found: Sequence[Group]) -> None:
    """Refuse a source named in two ways, unless their filters ask for different values of one field."""
    twice = [name for pair in combinations(found, 2) for name in shared(*pair)]
    for group in found:
        last = dict(_places(group))
        twice += [name for place, name in _places(group) if last[place] != name]
    if twice:
        raise Usage(f"{twice[0]!a} would be read twice", hint="name it once, so that no record counts twice")


def shared(one: Group, other: Group) -> list[str]:
    """Return what both read, by whatever name, unless their filters ask for different values of one field."""
    wanted, places = dict(one.query.where), dict(_places(one))
    if any(wanted.get(name, value) != value for name, value in other.query.where):
        return []
    return [name for place, name in _places(other) if place in places]


def chooses_version(query: Query) -> bool:
    """Tell whether a filter is of the version, so that each side reads the rows of one version."""
    stated = compiled(query.columns).get("version") if query.columns else None
    return any(name in ("version", stated and stated.column) for name, _ in query.where)


def _places(group: Group) -> Iterator[tuple[object, str]]:
    """Yield what tells each source from any other, and its name for people."""
    if group.query.connect:
        place = group.query.connect, group.query.table
        yield place, group.query.table or secretless(group.query.connect)
    for source in () if group.query.connect else group.sources:
        try:
            found = os.stat(source.stream.fileno() if source.stream and source.name == STDIN else source.name)
            yield (found.st_dev, found.st_ino), source.name
        except OSError:  # no file at all: a stream that a caller made
            yield source.name, source.name


def _refuse_judged(query: Query) -> None:
    """Refuse to choose requests by what they are judged by."""
    telling = {*FIELDS} - {"ts", "model", "version", "region"}
    mapped = compiled(query.columns).items() if query.columns else ()
    telling |= {column for name, one in mapped if name in telling for column in (one.column, one.other)}
    if name := next((name for name, _ in query.where if name in telling), None):
        raise judged(name)


def _refuse_unknown(reduction: Reduction, where: Mapping[str, str]) -> None:
    """Refuse to choose by a field that no record has, as far as their fields are known."""
    lacking = sorted(where.keys() - reduction.fields)
    if lacking and reduction.fields and reduction.is_empty:
        fact = f"none of {reduction.skipped} records has a field {lacking[0]!a}"
        hint = "correct --where, or the `where` of the source in helix.toml"
        raise Usage(fact + did_you_mean(lacking[0], reduction.fields), hint=hint)


def _nothing(reduction: Reduction, asked: Asked, where: Mapping[str, str]) -> Iterator[str]:
    """Say why there is nothing to judge."""
    since, until = asked.query.since, asked.query.until
    filters = [f"since {short(since)}"] if since else []
    filters += [f"until {short(until)}"] if until else []
    filters += [f"where {name}={value}" for name, value in where.items()]
    if reduction.is_empty and reduction.skipped and filters:
        yield f"0 of {reduction.skipped} records match: {', '.join(filters)}"
    elif reduction.is_empty and reduction.skipped:
        yield f"none of {reduction.skipped} records is a call of this version that counts"
    elif reduction.is_empty and not (reduction.notes or is_of_recorded(asked)):
        yield "there is no record in what was read"


def _presumed(reduction: Reduction, found: Sequence[Group]) -> Iterator[str]:
    """Say so where every request counts as a success because nothing stands in a column, which may be called otherwise."""
    mapped = [query.columns for _, query in found if query.columns]
    totals = reduction.stats.totals() if mapped else None
    if totals and totals.requests and not totals.failures:
        for success in sorted({compiled(columns)["success"] for columns in mapped}):
            if success.form == "empty":
                told = f"nothing stands in the column {success.column!a} of any record, so each counts as a success"
                yield f"{told}: check that it is called so"


def _refuse_malformed(reduction: Reduction, most: int, ref: Ref) -> None:
    is_cut = any(bad.is_rest for bad in reduction.malformed)
    if reduction.malformed_count <= most and not is_cut:
        return
    named = "; ".join(str(bad) for bad in reduction.malformed[:NAMED])
    left = reduction.malformed_count - sum(bad.rows for bad in reduction.malformed[:NAMED])
    more = f"; and {left} more" if left else ""
    hint = "correct the lines, or raise evaluation.max_malformed in helix.toml"
    if is_cut:
        hint = "mend the source: nobody knows how much is missing, so evaluation.max_malformed lets none of it pass"
    elif reduction.mismatched_count == reduction.malformed_count:
        other = f"version={ref.version}" if "version" in reduction.malformed[0].why else f"model={ref.model}"
        hint = f"evaluate what they name, or leave them out, as by --where {other}"
    elif reduction.is_empty and not reduction.skipped:
        hint = "no line can be read: check --format and --map, or correct the lines"
    fact = f"{reduction.malformed_count} malformed line{'s' * (reduction.malformed_count > 1)}, at most {most} allowed"
    raise reduction.malformed[0].refused(f"{fact}: {named}{more}", hint)
