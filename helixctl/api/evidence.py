"""The evidence of evaluations: read it, judge it again, add it up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from helixctl.core import evidence
from helixctl.core.audit import Filter
from helixctl.core.digest import sha256
from helixctl.core.evidence import Evidence
from helixctl.core.names import Ref
from helixctl.core.record import Record
from helixctl.engines import Reduction
from helixctl.errors import Damaged, HelixError, NotFound
from helixctl.storage import ledger, tree
from helixctl.storage.registry import Store


class Rechecked(NamedTuple):
    """One evaluation: its entry, what it said, what its evidence gives now, and what does not agree, if anything."""

    path: str
    at: str
    seq: int
    verdict: str
    recomputed: str | None
    fault: str | None = None
    is_expired: bool = False


class Rechecks(NamedTuple):
    """The evaluations of a version that left evidence, oldest first."""

    ref: Ref
    found: tuple[Rechecked, ...]

    @property
    def is_sound(self) -> bool:
        """True where each verdict comes out again."""
        return all(one.fault is None for one in self.found)


def paths(store: Store, ref: Ref) -> list[str]:
    """Return the paths of a version's evidence, oldest first."""
    folder = evidence.folder_of(ref)
    below = tree.files_below(store.root, [f"{folder}/"], store.overlay)
    return [path for path in below if tree.is_in(folder, path)]


def recheck(store: Store, ref: Ref) -> Rechecks:
    """Judge the evidence of each evaluation again, and compare with what the log says of it.

    Raises:
        NotFound: no evaluation of the version left any.
    """
    wanted = Filter(model=ref.model, version=ref.version, actions=("evaluation.completed", "evaluation.failed"))
    logged: dict[str, dict[str, Any]] = {}
    expired: set[str] = set()
    for entry in store.entries(wanted):
        for change in entry["changes"]:
            if tree.is_in(evidence.folder_of(ref), change["path"]):
                expired |= {change["path"]} if change["after"] is None else set()
                logged.setdefault(change["path"], entry)
    if not logged:
        raise NotFound(f"no evaluation of {ref} left evidence", hint=f"helixctl evaluate {ref}")
    with store.reading() as still:
        found = tuple(_rechecked(still, path, entry, is_expired=path in expired) for path, entry in logged.items())
    return Rechecks(ref, found)


def _rechecked(store: Store, path: str, entry: dict[str, Any], *, is_expired: bool) -> Rechecked:
    said = entry["data"]["verdict"]
    head = Rechecked(path, entry["ts"], entry["seq"], said, None, is_expired=is_expired)
    if is_expired:
        return head
    try:
        raw = store.read(path)
        one = evidence.decode(raw)
    except HelixError as error:
        return head._replace(fault=f"{error.message}")
    again = one.judged()
    from helixctl.core.comparison import counted

    verdict = counted(again.verdict, entry["data"].get("compared"))  # what it was compared with is not kept
    facts = {
        "verdict": (said, str(verdict)),
        "proven": (entry["data"]["proven"], again.proven and verdict is again.verdict),
        "samples": (entry["data"]["samples"], again.samples),
        "stats": (entry["data"]["stats"], one.stats.digest()),
    }
    wrong = [name for name, (logged, now) in facts.items() if logged != now]
    fault = f"{', '.join(wrong)} differ from what the log says" if wrong else None
    if fault is None and sha256(raw) not in (change["after"] for change in entry["changes"] if change["path"] == path):
        fault = "the file is not the one that the log knows"
    return head._replace(recomputed=str(verdict), fault=fault)


def window(store: Store, record: Record, span: timedelta, now: datetime) -> Reduction:
    """Add up the evidence of a version, as it serves now, that is of the last days.

    Raises:
        NotFound: there is none. Damaged: a file is not the one that the log knows. Invalid: one holds inferences without a time.
    """
    ref, since = record.ref, (now - span).date()
    with store.reading() as still:
        counted = evidence.summed(_newest_first(still, ref, since), since, (ref, record.serving_digest))
    notes = (
        *_left_out(len(counted.left_out), "of days that newer ones speak of"),
        *_left_out(counted.outdated, "of what is no longer served"),
    )
    if not counted.counted:
        fact = "; ".join((f"no evidence of {ref} is of that window", *notes))
        whole_day = f"--since {(now - timedelta(days=1)).date()} --until {now.date()}"
        raise NotFound(fact, hint=f"each day: helixctl evaluate {ref} {whole_day}")
    return Reduction(counted.stats, best=counted.best, notes=notes)


def _left_out(many: int, what: str) -> tuple[str, ...]:
    told = ("1 evaluation speaks", "is") if many == 1 else (f"{many} evaluations speak", "are")
    return (f"{told[0]} {what}, and {told[1]} left out",) if many else ()


def _newest_first(store: Store, ref: Ref, since: date) -> Iterator[tuple[str, Evidence]]:
    with closing(ledger.load(store.root, ref.model)) as book:
        logged = book.logged_in(evidence.folder_of(ref))
    known, there = {path: row.after for path, row in logged.items() if row.after}, paths(store, ref)
    for path in sorted({*known, *there}, reverse=True):
        at = evidence.time_of(path)
        if at and at.date() < since:
            continue  # it speaks of days before
        raw = store.read(path) if path in there else b""
        if sha256(raw) != known.get(path):
            raise Damaged(
                "not the evidence that the log knows", path=path, hint="helixctl verify, then restore it from git"
            )
        yield path, evidence.decode(raw)
