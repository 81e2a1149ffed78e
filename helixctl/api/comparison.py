"""Compare a candidate with a baseline, on the inferences of both; a question, nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import product
from types import MappingProxyType
from typing import Any, NamedTuple

from helixctl.api.sources import EVERYTHING, RECORDED, Asked, chooses_version, groups, reduced, shared
from helixctl.core import comparison, settings
from helixctl.core.comparison import Comparison, Look, Margins
from helixctl.core.judge import Evaluation
from helixctl.core.names import Ref, parse_ref
from helixctl.core.record import Record
from helixctl.core.schema import checked
from helixctl.core.settings import Settings
from helixctl.engines import Query, Reduction
from helixctl.errors import NotFound, NothingToRestore, Usage
from helixctl.storage.registry import Store

Stated = Mapping[str, Decimal | float]


class Compared(NamedTuple):
    """A comparison, the versions it is of, what was read of both, and the options that ask for it again."""

    ref: Ref
    baseline: Ref
    comparison: Comparison
    reductions: tuple[Reduction, Reduction]
    given: str = ""

    @property
    def advice(self) -> tuple[str, ...]:
        """What is worse by how much, and what would settle the rest."""
        return comparison.advice(self.comparison, str(self.ref), str(self.baseline), self.given)


class Side(NamedTuple):
    """A version, and which of its inferences are wanted."""

    record: Record
    asked: Asked = EVERYTHING


class Against(NamedTuple):
    """What a version is compared with, and how.

    Args:
        baseline: MODEL@VERSION; beside an evaluation also a version or an alias of the same model, such as `active`.
        sources: files, globs or `-` that stand for what was recorded of it.
        margins: by metric, over those of helix.toml; that of one score is `scores.NAME`.
        look: which of the planned looks this is, such as `2/4`.
    """

    baseline: str
    sources: Sequence[str] = ()
    margins: Stated = MappingProxyType({})
    look: str | None = None


def compare(store: Store, candidate: Side, against: Against) -> Compared:
    """Reduce the inferences of both, and compare the tables.

    Raises:
        Invalid: more malformed lines on one side than `max_malformed`, or a margin that is none.
        NotFound: no such version, or source. StorageRefused: a source cannot be read.
        Usage: a look that is none, both sides are the same, or are to be read from standard input; one version's rows for both.
    """
    rules = _rules(store.settings(), against)
    baseline = store.resolved(parse_ref(against.baseline))
    old = Side(baseline, _of_baseline(candidate.asked, against.sources))
    if _is_same(candidate, old):
        hint = "name another version, or what each is read from by --from and --baseline-from"
        raise Usage(f"{baseline.ref} would be compared with itself, on the same inferences", hint=hint)
    _refuse_shared(store, chooses_version, candidate, old)
    return _compared((candidate, old), (reduced(store, *candidate), reduced(store, *old)), rules, against.margins)


def beside(
    store: Store, candidate: Side, reduction: Reduction, against: Against
) -> tuple[Compared | None, tuple[str, ...]]:
    """Compare what an evaluation reduced with a baseline; where there is none, None and why.

    Raises:
        As `compare` does, but for an alias of the same model that names no version now.
    """
    rules, own = _rules(store.settings(), against), candidate.record.ref
    named = parse_ref(against.baseline if "@" in against.baseline else f"{own.model}@{against.baseline}")
    try:
        baseline = store.resolved(named)
    except (NotFound, NothingToRestore) as error:
        if named.model != own.model or not named.is_alias:
            raise
        return None, (f"nothing to compare {own} with: {error.message}",)
    old = Side(baseline, _of_baseline(candidate.asked, against.sources))
    if _is_same(candidate, old):
        return None, (f"nothing to compare {own} with: it is itself {named}",)
    _refuse_shared(store, lambda query: not query.connect or chooses_version(query), candidate, old)
    return _compared((candidate, old), (reduction, reduced(store, *old)), rules, against.margins), ()


def weighed(evaluation: Evaluation, compared: Compared | None) -> Evaluation:
    """Let a comparison, where there is one, count in a verdict."""
    return comparison.weighed(evaluation, compared.comparison, compared.advice) if compared else evaluation


def _of_baseline(asked: Asked, sources: Sequence[str]) -> Asked:
    """Return what is wanted of the baseline: likewise, of its own sources; standard input feeds one side."""
    stdin, query = None if "-" in (*asked.patterns, *asked.datasets) else asked.stdin, asked.query
    if asked.datasets and not asked.patterns:
        return Asked((), query, stdin, datasets=sources)
    if not sources and not query.connect:  # what was recorded has a form of its own
        query = query._replace(format=None, columns={})
    return Asked(sources, query, stdin, window=None if sources else asked.window)


def _is_same(*sides: Side) -> bool:
    """Tell whether both are one version, by the same inferences."""
    new, old = ((one.record.ref, {*(one.asked.patterns or [RECORDED]), *one.asked.datasets}) for one in sides)
    return new == old


def _refuse_shared(store: Store, is_refused: Callable[[Query], bool], *sides: Side) -> None:
    """Refuse a source that would stand for both: it would be compared with itself."""
    new, old = ([*groups(store.root, *side, store.settings())] for side in sides)
    if names := [name for one, two in product(old, new) if is_refused(two.query) for name in shared(one, two)]:
        hint = "name a file of each by --from and --baseline-from, or sources of helix.toml whose `where` differ"
        raise Usage(f"{names[0]!a} would be read as the inferences of both", hint=hint)


def _rules(of: Settings, against: Against) -> tuple[Margins, Look]:
    look = comparison.ONLY if against.look is None else Look.parse(against.look)
    given: dict[str, Any] = {name: value for name, value in of.margins.items() if name != "scores"}
    scores: dict[str, Any] = {**of.margins.get("scores", {})}
    for metric, value in against.margins.items():
        score = metric.removeprefix(comparison.SCORES)
        stated = given if score == metric else scores
        stated[score] = value if isinstance(value, Decimal | bool) else Decimal(str(value))
    return Margins.of(checked({"scores": scores, **given}, settings.MARGINS), of.lower_is_better), look


def _compared(
    sides: tuple[Side, Side], found: tuple[Reduction, Reduction], rules: tuple[Margins, Look], stated: Stated
) -> Compared:
    new, old = found
    told = comparison.compare(new.stats, old.stats, *rules)
    if new.best or old.best:  # latencies are known by bucket: the answer must be the same at either end
        told = comparison.agreed(told, comparison.compare(new.best or new.stats, old.best or old.stats, *rules))
    options = zip((" --from FILE", " --baseline-from FILE"), sides, strict=True)
    given = "".join(option for option, side in options if side.asked.patterns or side.asked.datasets)
    given += "".join(f" --margin {metric}={value}" for metric, value in stated.items())
    return Compared(sides[0].record.ref, sides[1].record.ref, told, found, given)
