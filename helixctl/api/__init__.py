"""The public Python API: a registry, a method for each change or question. The command line calls the same.

Changes return a `Result`; a denial by policy is a `Result` whose `decision` is not allowed, a refusal is a
`HelixError`. Every change passes `gate.submit`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, Unpack

from helixctl.api.terms import Terms, sane_reason, teller
from helixctl.core.names import Ref, bare, one_of, parse_ref, parse_version, versioned
from helixctl.errors import Invalid, Usage
from helixctl.storage import registry, tree

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from helixctl.api.approving import Approvals
    from helixctl.api.comparison import Against, Compared, Stated
    from helixctl.api.evaluation import Report
    from helixctl.api.evidence import Rechecks
    from helixctl.api.inspection import Listing, Overview
    from helixctl.api.log import Log
    from helixctl.api.policies import Policies
    from helixctl.api.recording import Given, Recorded
    from helixctl.api.scheduling import Schedule
    from helixctl.api.sources import Asked
    from helixctl.api.sweep import Swept
    from helixctl.core import request as ask
    from helixctl.core.audit import Actor, Filter
    from helixctl.core.difference import Difference
    from helixctl.core.integrity import Verification
    from helixctl.core.policy import Decision
    from helixctl.core.record import Record
    from helixctl.core.schedule import Scheduled
    from helixctl.engines import Query
    from helixctl.gate import Result


class Registry(NamedTuple):
    """A registry, opened: its folder, and what tells who acts."""

    store: registry.Store
    who: Callable[[], Actor]

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        actor: Actor | Callable[[], Actor] | None = None,
        clock: Callable[[], datetime] = registry.utc_now,
        random: Callable[[int], bytes] = os.urandom,
        key: Callable[[str], str | None] = lambda _: None,
    ) -> Registry:
        """Open the registry at a path, or the nearest one at or above the working folder.

        Args:
            actor: who acts, or what tells it when it is needed. clock, random: so that the same inputs give the same bytes.
            key: gives the path of the SSH key to sign with, by the registry's root.

        Raises:
            NotFound: there is none.
        """
        root = tree.find_root(os.fspath(path) if path is not None else None)
        return cls(registry.Store(root, random, clock, lambda: key(root)), teller(actor))

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        name: str | None = None,
        actor: Actor | Callable[[], Actor] | None = None,
        clock: Callable[[], datetime] = registry.utc_now,
        random: Callable[[int], bytes] = os.urandom,
    ) -> tuple[Registry, bool]:
        """Make a folder a registry, and open it; the second value is False where it was one already.

        Raises:
            StorageRefused: the folder cannot be written.
        """
        from helixctl.storage.transaction import create

        root, who = os.path.abspath(os.fspath(path)), teller(actor)
        created = create(root, name or os.path.basename(root) or "registry", who(), clock(), random)
        return cls(registry.Store(root, random, clock), who), created

    def request(self, act: ask.Act, terms: Terms) -> ask.Request:
        """Return an act with the terms under which it is asked for.

        Raises:
            TypeError: a term that there is not: `dryrun` must not write.
        """
        from helixctl.core import request as ask

        if strange := sorted(terms.keys() - Terms.__annotations__.keys()):
            raise TypeError(f"unexpected keyword argument {strange[0]!r}; there are {', '.join(Terms.__annotations__)}")
        return ask.Request(
            act,
            terms.get("actor") or self.who(),
            sane_reason(terms.get("reason")),
            terms.get("expect"),
            tuple(terms.get("overrides", ())),
            terms.get("dry_run", False),
        )

    def _about(self, ref: Ref, terms: Terms) -> ask.Request:
        from helixctl.core.request import Adopt

        return self.request(Adopt(ref), terms)

    def submit(self, act: ask.Act, terms: Terms) -> Result:
        """Pass an act through the gate, under some terms."""
        from helixctl import gate

        request = self.request(act, terms)
        with self.store.naming(request.ref):
            return gate.submit(self.store, request)

    def _plain(self, action: str, ref: str, terms: Terms) -> Result:
        from helixctl.core.lifecycle import Action
        from helixctl.core.request import act_of

        return self.submit(act_of(Action(action), versioned(ref)), terms)

    def register(
        self,
        source: bytes | Mapping[str, Any],
        *,
        ref: str | None = None,
        origin: str | None = None,
        **terms: Unpack[Terms],
    ) -> Result:
        """Add a version, inactive, from TOML text or from the values of its specification.

        Args:
            ref: the version that the text must be of. origin: the name of the file it was read from, for refusals.

        Raises:
            Invalid: the specification is malformed. Duplicate: the version is there. Usage: `ref` names another.
        """
        from helixctl.core import record
        from helixctl.core import request as ask
        from helixctl.core.names import parse_exact

        raw = source if isinstance(source, bytes) else record.text_of(source)
        try:
            spec = record.decode_specification(raw)
        except Invalid as error:
            raise error.at(origin) if origin else error from None
        named = Ref(spec["model"], spec["version"])
        if ref is not None and parse_exact(ref) != named:
            raise Usage(f"the file is of {named}, not of {ref}", hint=f"helixctl register {named} -f FILE")
        return self.submit(ask.Register(named, raw, spec), terms)

    def update(self, ref: str, values: Mapping[str, Any], **terms: Unpack[Terms]) -> Result:
        """Set values of a specification by dotted key; None removes one."""
        from helixctl.core import edit
        from helixctl.core import request as ask

        for key in values:
            edit.kind_of(key)
        return self.submit(ask.Update(versioned(ref), values), terms)

    def adopt(self, ref: str, **terms: Unpack[Terms]) -> Result:
        """Take in a version file that was edited by hand above `[lifecycle]`."""
        return self._plain("adopt", ref, terms)

    def promote(self, ref: str, to: str, *, canary_weight: Decimal | None = None, **terms: Unpack[Terms]) -> Result:
        """Bring a version to testing, canary or active."""
        from helixctl.core import request as ask
        from helixctl.core.lifecycle import Status

        target = Status(one_of("status", to, (Status.TESTING, Status.CANARY, Status.ACTIVE)))
        if canary_weight is not None and target is not Status.CANARY:
            raise Usage(f"a weight is for a canary, not for {to}", hint="leave the weight out")
        return self.submit(ask.Move(versioned(ref), target, canary_weight), terms)

    def activate(self, ref: str, **terms: Unpack[Terms]) -> Result:
        """Put a version in service; the predecessor is deprecated, or inactive as configured, with it."""
        return self.promote(ref, "active", **terms)

    def deactivate(self, ref: str, **terms: Unpack[Terms]) -> Result:
        """Take a version out of testing, canary or service."""
        return self._plain("deactivate", ref, terms)

    def rollback(self, model: str, *, to: str | None = None, **terms: Unpack[Terms]) -> Result:
        """Return a model to the version that served before; the version left behind is blocked."""
        from helixctl.core import request as ask

        return self.submit(ask.Rollback(bare(model), None if to is None else parse_version(to)), terms)

    def deprecate(
        self,
        ref: str,
        *,
        end_of_life: date | datetime | None = None,
        grace_days: int | None = None,
        replacement: str | None = None,
        migration_guide: str | None = None,
        allow_new_deployments: bool | None = None,
        cancel: bool = False,
        **terms: Unpack[Terms],
    ) -> Result:
        """Announce the end of a version in service, or cancel that."""
        from helixctl.core import request as ask

        if replacement is not None:
            parse_ref(replacement)
        act = ask.Deprecate(
            versioned(ref), end_of_life, grace_days, replacement, migration_guide, allow_new_deployments, cancel
        )
        return self.submit(act, terms)

    def retire(self, ref: str, **terms: Unpack[Terms]) -> Result:
        """End a version for good; its file stays."""
        return self._plain("retire", ref, terms)

    def block(self, ref: str, **terms: Unpack[Terms]) -> Result:
        """Bar a version from testing, canary and activation."""
        return self._plain("block", ref, terms)

    def unblock(self, ref: str, **terms: Unpack[Terms]) -> Result:
        """Lift a block."""
        return self._plain("unblock", ref, terms)

    def sweep(self, *, as_of: datetime | None = None, **terms: Unpack[Terms]) -> Swept:
        """Warn of ends of life at hand, and retire what is past them."""
        from helixctl.api.sweep import sweep
        from helixctl.core import request as ask

        request = self.request(ask.Retire(Ref("sweep")), terms)
        return sweep(self.store, request, as_of or self.store.clock())

    def check(self, ref: str, action: str, *, region: str | None = None) -> Decision:
        """Return what policy would say to an action now, in one region or in any, without writing."""
        from helixctl import gate
        from helixctl.api.checking import foreseen

        with self.store.naming(parse_ref(ref)):
            return gate.check(foreseen(self.store, ref, action, region))

    @property
    def policy(self) -> Policies:
        """What is asked about the policies themselves: which there are, whether they load, and what they say."""
        from helixctl.api.policies import Policies

        return Policies(self)

    def evaluate(
        self,
        ref: str,
        sources: Sequence[str] = (),
        *,
        asked: Asked | None = None,
        against: Against | None = None,
        stdin: BinaryIO | None = None,
        **terms: Unpack[Terms],
    ) -> Report:
        """Judge recorded inferences, or those of files, globs and `-`, or what is asked for, and store the result."""
        from helixctl.api.evaluation import evaluate
        from helixctl.api.sources import Asked

        found, wanted = self.show(ref), asked or Asked(sources, stdin=stdin)
        return evaluate(self.store, self._about(found.ref, terms), found, wanted, against)

    def recheck(self, ref: str) -> Rechecks:
        """Judge the stored evidence of each evaluation again, and compare with what the log says."""
        from helixctl.api.evidence import recheck

        return recheck(self.store, self.show(ref).ref)

    def compare(
        self,
        candidate: str,
        baseline: str,
        sources: Sequence[str] = (),
        baseline_sources: Sequence[str] = (),
        *,
        margins: Stated | None = None,
        look: str | None = None,
        query: Query | None = None,
        stdin: BinaryIO | None = None,
    ) -> Compared:
        """Compare two versions by their recorded inferences, or by those of files, globs and `-`, without writing."""
        from helixctl.api.comparison import Against, Side, compare
        from helixctl.api.sources import Asked

        against = Against(baseline, baseline_sources, margins or {}, look)
        return compare(self.store, Side(self.show(candidate), Asked.of(sources, query, stdin)), against)

    def record(self, ref: str, inferences: Given, *, sync: bool = False, **terms: Unpack[Terms]) -> Recorded:
        """Append inferences, with `sync` so that they survive a loss of power, and refresh the rolling metrics in time."""
        from helixctl.api.recording import record_lines, source_of

        found = self.show(ref)
        return record_lines(self.store, self._about(found.ref, terms), found, source_of(inferences), sync=sync)

    def show(self, ref: str) -> Record:
        """Return one version.

        Raises:
            NotFound: it is not registered. Damaged: its file does not decode.
        """
        return self.store.resolved(parse_ref(ref))

    def diff(self, one: str, other: str) -> Difference:
        """Return how the other version differs from the one: specification, lifecycle and metrics."""
        from helixctl.core.difference import between

        return between(self.show(one), self.show(other))

    def rolling(self, record: Record) -> Mapping[str, Any] | None:
        """Return the rolling metrics of recorded inferences as last refreshed, or None."""
        from helixctl.storage.inferences import summary

        return summary(self.store.root, record)

    def waiting(self, ref: Ref) -> tuple[Scheduled, ...]:
        """Return the activations of a version that wait for their time."""
        if next(tree.files_below(self.store.root, ["schedule/"], {}), None) is None:  # so it is mostly
            return ()
        from helixctl.storage.agenda import waiting

        return tuple(one.scheduled for one in waiting(self.store).waiting if one.scheduled.ref == ref)

    def list(self, model: str | None = None) -> Listing:
        """Return all versions of a model, or of all models, and the files that cannot be read."""
        from helixctl.api.inspection import listing

        return listing(self.store, bare(model).model if model is not None else None)

    def status(self, model: str | None = None, *, at: datetime | None = None) -> Overview:
        """Return what serves, what is on its way, and what ends soon, by model; or by the log what served at a time."""
        from helixctl.api import inspection

        name, now = bare(model).model if model is not None else None, self.store.clock()
        return inspection.overview_at(self.store, at, now, name) if at else inspection.overview(self.store, now, name)

    def history(self, ref: str, *, at: datetime | None = None) -> Iterator[dict[str, Any]]:
        """Yield the log's entries about a model or a version, oldest first; or only those that were in force at a time."""
        from helixctl.api.inspection import about

        return self.audit(about(self.store, parse_ref(ref), at))

    def audit(self, wanted: Filter | None = None) -> Iterator[dict[str, Any]]:
        """Yield the log's entries that a filter wants (without one all), ascending by (seq, hash)."""
        from helixctl.core.audit import SEVERITIES, Filter

        wanted = wanted or Filter()
        one_of("severity", wanted.severity or SEVERITIES[0], SEVERITIES)
        return self.store.entries(wanted.checked(self.store.clock()) if wanted.at else wanted)

    @property
    def schedule(self) -> Schedule:
        """Activations that wait for their time."""
        from helixctl.api.scheduling import Schedule

        return Schedule(self)

    @property
    def approvals(self) -> Approvals:
        """What people state about versions: approvals, rejections, withdrawals, and reviews of overrides."""
        from helixctl.api.approving import Approvals

        return Approvals(self)

    @property
    def log(self) -> Log:
        """What is done about the log as a whole: checkpoints, archives, reconciliation."""
        from helixctl.api.log import Log

        return Log(self)

    def verify(self, against: Sequence[str] = (), *, log_only: bool = False) -> Verification:
        """Check the log, and unless `log_only` every file against it.

        Args:
            against: git commits and checkpoints of which all entries must still be there; what was added since is judged.

        Raises:
            NotFound: git knows no such commit here, or the checkpoint is not there.
        """
        from helixctl.storage import verification

        with self.store.reading() as still:
            return verification.verify_log(still, against) if log_only else verification.verify(still, against)
