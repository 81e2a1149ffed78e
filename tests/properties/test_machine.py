from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from helixctl.api import Registry
from helixctl.api.terms import Terms
from helixctl.core.audit import Actor
from helixctl.core.policy import Decision
from helixctl.errors import Drift, Duplicate, HelixError, IllegalTransition, NotFound, NothingToRestore, Unexpected
from helixctl.gate import Result

START = datetime.fromisoformat("2026-03-01T12:00:00Z")
ALICE = Actor("alice@example.com", "user", "test")
VERSIONS = ("1.0.0", "2.0.0", "3.0.0", "4.0.0")
WIRES = ("wire-a", "wire-b")
EVERY_RULE = ("tested-first", "evaluation", "end-of-life", "not-deprecated")
IN_SERVICE = ("active", "canary")
BECAUSE = "the model check asks for it"
GOOD = '{"ts":"2026-03-01T10:00:00Z","success":true,"latency_ms":100,"confidence":0.9}\n'
BAD = '{"ts":"2026-03-01T10:00:00Z","success":false,"latency_ms":null,"error":"timeout"}\n'
INFERENCES = {"passed": GOOD * 60, "failed": GOOD * 30 + BAD * 30, "inconclusive": GOOD * 10}
STEPS = {  # the contract's table of section 3, without what an override or a flag adds
    "inactive": {"testing", "canary", "active", "retired"},
    "testing": {"inactive", "canary", "active", "retired"},
    "canary": {"testing", "inactive", "active", "retired"},
    "active": {"deprecated", "inactive", "retired"},
    "deprecated": {"active", "retired"},
    "retired": set(),
}
ACTION = {"testing": "testing", "canary": "canary", "active": "activate", "inactive": "deactivate"}

refs = st.sampled_from(VERSIONS)
overridden = st.sampled_from(((), (), EVERY_RULE))
dry = st.sampled_from((False, False, False, True))
expected = st.sampled_from((None, None, None, "right", "wrong"))


@dataclass
class Version:
    """What the contract lets one tell of a version."""

    wire: str = WIRES[0]
    status: str = "inactive"
    tested: bool = False
    blocked: bool = False
    blocked_at: datetime | None = None
    activated_at: datetime | None = None
    served: str | None = None
    previous: str | None = None
    ends: datetime | None = None
    ends_by: str | None = None
    verdict: str | None = None
    evaluated: tuple[str, datetime] | None = None
    logged_wire: str = WIRES[0]
    original: bytes | None = None  # the file before a hand edit that nobody adopted yet


@dataclass
class Outcome:
    """What a request should come to: a refusal, nothing, or a change unless these rules block it."""

    refused: type[HelixError] | None = None
    action: str = ""
    subject: str = ""
    change: Callable[[], None] | None = None
    rewrites: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()


@dataclass
class Model:
    """Section 3 of the contract, plainly: a table of versions and the time."""

    now: datetime = START
    versions: dict[str, Version] = field(default_factory=dict)

    def holder(self, status: str) -> str | None:
        held = [name for name, one in self.versions.items() if one.status == status]
        assert len(held) <= 1
        return held[0] if held else None

    def chain(self, first: str | None) -> Iterator[str]:
        seen, name = set(), first
        while name is not None and name not in seen:
            seen.add(name)
            yield name
            name = self.versions[name].previous

    def leading_to(self, name: str) -> str | None:
        chain = self.chain(self.last_served())
        return next((other for other in chain if self.versions[other].previous == name), None)

    def may_return(self, name: str) -> bool:
        one = self.versions[name]
        too_late = one.ends_by == "operator" and one.ends is not None and one.ends <= self.now
        return (
            one.status not in ("active", "retired")
            and not one.blocked
            and one.original is None
            and one.served == one.wire
            and not too_late
        )

    def previous(self) -> str | None:
        return next(filter(self.may_return, self.chain(self.holder("active"))), None)

    def last_served(self) -> str | None:
        served = [
            (one.activated_at, name)
            for name, one in self.versions.items()
            if one.activated_at and one.status != "retired"
        ]
        return self.holder("active") or max(served, default=(None, None))[1]

    def blocking(self, name: str, action: str, overrides: tuple[str, ...]) -> tuple[str, ...]:
        one = self.versions[name]
        rules = {
            "blocked": one.blocked and action in ("testing", "canary", "activate"),
            "retire-in-service": action == "retire" and one.status in IN_SERVICE,
        }
        if action in ("canary", "activate"):
            fresh = one.evaluated is not None and one.evaluated[0] == one.wire
            fresh = fresh and not (one.blocked_at and one.evaluated and one.evaluated[1] <= one.blocked_at)
            rules |= {
                "tested-first": not one.tested,
                "evaluation": not (fresh and one.verdict == "passed"),
                "end-of-life": one.ends is not None and one.ends - self.now < timedelta(days=7),
                "not-deprecated": one.status == "deprecated",
            }
        return tuple(sorted(name for name, stops in rules.items() if stops and name not in overrides))

    def move(self, name: str, to: str, overrides: tuple[str, ...]) -> Outcome:
        one = self.versions.get(name)
        action = ACTION[to]
        if one is None:
            return Outcome(NotFound)
        if one.status == to:
            return Outcome(rewrites=(name,))  # so it says, unless it was edited by hand
        if to not in STEPS[one.status] or (to == "canary" and self.holder("canary")):
            return Outcome(IllegalTransition)
        left = self.holder("active") if to == "active" else None
        leading = self.leading_to(name) if to == "active" else None

        def change() -> None:
            before, last = one.status, self.last_served()
            one.status = to
            one.tested = one.tested or to == "testing"
            if to == "active":
                if leading:
                    self.versions[leading].previous = one.previous
                if last != name:
                    one.previous = last
                one.activated_at, one.served, one.ends, one.ends_by = self.now, one.wire, None, None
                if left:
                    gone = self.versions[left]
                    gone.status, gone.ends, gone.ends_by = "deprecated", self.now + timedelta(days=90), "activation"
            assert before != to

        beside = self.holder("active") if to == "canary" else None  # whom rules compare with
        rewrites = tuple(dict.fromkeys(filter(None, (name, left, leading, beside))))
        return Outcome(None, action, name, change, rewrites, self.blocking(name, action, overrides))

    def rollback(self, to: str | None) -> Outcome:
        left = self.holder("active")
        if to is not None and to not in self.versions:
            return Outcome(NotFound)
        chosen = to or self.previous()
        if left is None or chosen is None or not self.versions[chosen].activated_at or not self.may_return(chosen):
            return Outcome(NothingToRestore)

        def change() -> None:
            back, gone = self.versions[chosen], self.versions[left]
            back.status, back.activated_at, back.ends, back.ends_by = "active", self.now, None, None
            gone.status, gone.blocked, gone.blocked_at = "inactive", True, self.now

        return Outcome(None, "rollback", chosen, change, (chosen, left))

    def deprecate(self, name: str, days: int | None) -> Outcome:
        one = self.versions.get(name)
        if one is None:
            return Outcome(NotFound)
        if one.status not in ("active", "deprecated"):
            return Outcome(IllegalTransition)
        if one.status == "deprecated" and days is None:
            return Outcome(rewrites=(name,))  # so it says, unless it was edited by hand

        def change() -> None:
            one.status, one.ends_by = "deprecated", "operator"
            one.ends = self.now + timedelta(days=90 if days is None else days)

        return Outcome(None, "deprecate", name, change, (name,))

    def cancel(self, name: str) -> Outcome:
        one = self.versions.get(name)
        if one is None:
            return Outcome(NotFound)
        if one.status == "inactive":
            return Outcome(rewrites=(name,))  # so it says, unless it was edited by hand
        if one.status != "deprecated":
            return Outcome(IllegalTransition)

        def change() -> None:
            one.status, one.ends, one.ends_by = "inactive", None, None

        return Outcome(None, "deprecate", name, change, (name,))

    def retire(self, name: str, overrides: tuple[str, ...]) -> Outcome:
        one = self.versions.get(name)
        if one is None:
            return Outcome(NotFound)
        if one.status == "retired":
            return Outcome(rewrites=(name,))  # so it says, unless it was edited by hand

        def change() -> None:
            one.status = "retired"

        return Outcome(None, "retire", name, change, (name,), self.blocking(name, "retire", overrides))

    def bar(self, name: str, blocked: bool) -> Outcome:
        one = self.versions.get(name)
        if one is None:
            return Outcome(NotFound)
        if one.blocked == blocked:
            return Outcome(rewrites=(name,))  # so it says, unless it was edited by hand
        if one.status == "retired":
            return Outcome(IllegalTransition)

        def change() -> None:
            one.blocked, one.blocked_at = blocked, self.now if blocked else one.blocked_at

        return Outcome(None, "block" if blocked else "unblock", name, change, (name,))

    def respecify(self, name: str, wire: str, action: str) -> Outcome:
        """What update and adopt share: a version in testing starts anew, one that serves keeps what it serves."""
        one = self.versions[name]
        if one.status == "retired" or (wire != one.logged_wire and one.status not in ("inactive", "testing")):
            return Outcome(IllegalTransition)

        def change() -> None:
            if wire != one.logged_wire:
                one.status, one.tested = "inactive", False
            one.wire = one.logged_wire = wire
            one.original = None

        return Outcome(None, action, name, change, (name,) if action == "update" else ())


class Lifecycle(RuleBasedStateMachine):
    """Every change through the Python API, on a real folder, against the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="helix-machine-"))
        self.model = Model()
        self.root = self.folder / "registry"
        self.registry, _ = Registry.create(
            self.root, actor=ALICE, clock=lambda: self.model.now, random=random.Random(1).randbytes
        )
        for verdict, lines in INFERENCES.items():
            (self.folder / verdict).write_text(lines)
        self.logged = self.entries()
        self.left_since: list[str] = []

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    def entries(self) -> int:
        return sum(path.read_bytes().count(b"\n") for path in (self.root / "audit").rglob("*.jsonl"))

    def files(self) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in (self.root / "models").rglob("*.toml")}

    def path(self, name: str) -> Path:
        return self.root / "models" / "m" / f"{name}.toml"

    def terms(self, name: str | None, overrides: tuple[str, ...], dry_run: bool, expect: str | None) -> Terms:
        terms: Terms = {"reason": BECAUSE, "overrides": overrides, "dry_run": dry_run}
        if expect is not None:
            one = self.model.versions.get(name or self.model.holder("active") or "")
            right = one.status if one else None
            terms["expect"] = right if expect == "right" else "testing" if right != "testing" else "retired"
        return terms

    def attempt(self, wanted: Outcome, ask: Callable[[Terms], Result], terms: Terms, *, as_expected: bool) -> None:
        """Ask, and compare: the refusal or the decision, what the log gained, and what the files became."""
        self.model.now += timedelta(seconds=1)
        before = self.files()
        if not as_expected:
            wanted = Outcome(Unexpected)
        drifted = [name for name in wanted.rewrites if self.model.versions[name].original is not None]
        if wanted.refused is None and drifted:
            wanted = Outcome(Drift)
        if wanted.refused is not None:
            with pytest.raises(wanted.refused):
                ask(terms)
            assert self.files() == before
            return
        result = ask(terms)
        changes = wanted.change is not None
        denied = changes and bool(wanted.blocking)
        assert result.changed == (changes and not denied)
        assert result.dry_run == terms["dry_run"]
        if changes and result.decision is not None:
            assert result.action == wanted.action
            assert str(result.ref) == f"m@{wanted.subject}"
            assert blocking(result.decision) == wanted.blocking
        assert (result.audit is not None) == (changes and not terms["dry_run"])
        if not changes or denied or terms["dry_run"]:
            assert self.files() == before
        elif wanted.change is not None:
            wanted.change()
        self.logged += changes and not terms["dry_run"]

    def agree(self, name: str, action: str, wanted: Outcome) -> None:
        """`check` says what the write would, and writes nothing."""
        before = self.files()
        ref = "m" if action == "rollback" else f"m@{name}"
        drifted = [one for one in wanted.rewrites if self.model.versions[one].original is not None]
        refused = wanted.refused or (Drift if drifted else None)
        if refused is not None:
            with pytest.raises(refused):
                self.registry.check(ref, action)
        elif wanted.change is not None:
            decision = self.registry.check(ref, action)
            assert (decision.action, blocking(decision)) == (action, wanted.blocking)
        assert self.files() == before
        assert self.entries() == self.logged

    def ask(
        self,
        wanted: Outcome,
        call: Callable[[Terms], Result],
        name: str | None,
        how: tuple[tuple[str, ...], bool, str | None],
    ) -> None:
        overrides, dry_run, expect = how
        self.attempt(wanted, call, self.terms(name, overrides, dry_run, expect), as_expected=expect != "wrong")

    @initialize()
    def register_three(self) -> None:
        for name in VERSIONS[:3]:
            self.register(name, False)

    @rule(name=refs, dry_run=dry)
    def register(self, name: str, dry_run: bool) -> None:
        def change() -> None:
            self.model.versions[name] = Version()

        specification = {"model": "m", "version": name, "provider": "p", "provider_model_id": WIRES[0]}
        values = {**specification, "cost": {"input_per_mtok": 1, "output_per_mtok": 2}}
        wanted = Outcome(Duplicate) if name in self.model.versions else Outcome(None, "register", name, change)
        self.ask(wanted, lambda terms: self.registry.register(values, **terms), name, ((), dry_run, None))

    @rule(name=refs, to=st.sampled_from(tuple(ACTION)), overrides=overridden, dry_run=dry, expect=expected)
    def move(self, name: str, to: str, overrides: tuple[str, ...], dry_run: bool, expect: str | None) -> None:
        overrides = overrides if to in ("canary", "active") else ()

        def call(terms: Terms) -> Result:
            match to:
                case "inactive":
                    return self.registry.deactivate(f"m@{name}", **terms)
                case "active":
                    return self.registry.activate(f"m@{name}", **terms)
            return self.registry.promote(f"m@{name}", to, **terms)

        self.model.now += timedelta(seconds=1)
        self.agree(name, ACTION[to], self.model.move(name, to, ()))
        wanted = self.model.move(name, to, overrides)
        self.ask(wanted, call, name, (overrides, dry_run, expect))
        if to == "active":
            self.left_since.clear()

    @rule(name=refs)
    def bring_through(self, name: str) -> None:
        """The way that policy wants: testing, a passing evaluation, activation."""
        self.move(name, "testing", (), False, None)
        self.evaluate(name, "passed", False)
        self.move(name, "active", (), False, None)

    @rule(to=st.none() | st.none() | refs, dry_run=dry, expect=expected)
    def rollback(self, to: str | None, dry_run: bool, expect: str | None) -> None:
        left = self.model.holder("active")
        self.model.now += timedelta(seconds=1)
        self.agree("", "rollback", self.model.rollback(None))
        wanted = self.model.rollback(to)
        expect = expect if left else None
        self.ask(wanted, lambda terms: self.registry.rollback("m", to=to, **terms), None, ((), dry_run, expect))
        now = self.model.holder("active")
        if left and now != left:
            assert to is not None or now not in self.left_since, "rollback went to and fro"
            self.left_since.append(left)

    @rule(name=refs, days=st.sampled_from((None, 3, 30)), dry_run=dry, expect=expected)
    def deprecate(self, name: str, days: int | None, dry_run: bool, expect: str | None) -> None:
        def call(terms: Terms) -> Result:
            return self.registry.deprecate(f"m@{name}", grace_days=days, **terms)

        self.ask(self.model.deprecate(name, days), call, name, ((), dry_run, expect))

    @rule(name=refs, dry_run=dry)
    def cancel(self, name: str, dry_run: bool) -> None:
        wanted = self.model.cancel(name)
        self.ask(
            wanted, lambda terms: self.registry.deprecate(f"m@{name}", cancel=True, **terms), name, ((), dry_run, None)
        )

    @rule(name=refs, overrides=st.sampled_from(((), (), ("retire-in-service",))), dry_run=dry)
    def retire(self, name: str, overrides: tuple[str, ...], dry_run: bool) -> None:
        self.agree(name, "retire", self.model.retire(name, ()))
        wanted = self.model.retire(name, overrides)
        self.ask(wanted, lambda terms: self.registry.retire(f"m@{name}", **terms), name, (overrides, dry_run, None))

    @rule(name=refs, blocked=st.booleans(), dry_run=dry, expect=expected)
    def bar(self, name: str, blocked: bool, dry_run: bool, expect: str | None) -> None:
        def call(terms: Terms) -> Result:
            change = self.registry.block if blocked else self.registry.unblock
            return change(f"m@{name}", **terms)

        self.agree(name, "block" if blocked else "unblock", self.model.bar(name, blocked))
        self.ask(self.model.bar(name, blocked), call, name, ((), dry_run, expect))
        if not blocked:
            self.left_since = [one for one in self.left_since if one != name]

    @rule(name=refs, verdict=st.sampled_from(tuple(INFERENCES)), dry_run=dry)
    def evaluate(self, name: str, verdict: str, dry_run: bool) -> None:
        one = self.model.versions.get(name)

        def change() -> None:
            assert one is not None
            one.verdict, one.evaluated = verdict, (one.wire, self.model.now)

        def call(terms: Terms) -> Result:
            report = self.registry.evaluate(f"m@{name}", [str(self.folder / verdict)], **terms)
            assert report.evaluation.verdict == verdict
            return report.result

        wanted = Outcome(None, "evaluate", name, change, (name,))
        if one is None or one.status == "retired":
            wanted = Outcome(NotFound if one is None else IllegalTransition)
        self.ask(wanted, call, name, ((), dry_run, None))

    @rule(name=refs, wire=st.sampled_from(WIRES), dry_run=dry, expect=expected)
    def update(self, name: str, wire: str, dry_run: bool, expect: str | None) -> None:
        one = self.model.versions.get(name)
        wanted = Outcome(NotFound)
        if one is not None and one.original is not None:
            wanted = Outcome(Drift)
        elif one is not None and one.status == "retired":
            wanted = Outcome(IllegalTransition)
        elif one is not None:
            wanted = Outcome() if wire == one.wire else self.model.respecify(name, wire, "update")

        def call(terms: Terms) -> Result:
            return self.registry.update(f"m@{name}", {"provider_model_id": wire}, **terms)

        self.ask(wanted, call, name, ((), dry_run, expect))

    @rule(name=refs, wire=st.none() | st.sampled_from(WIRES))
    def edit(self, name: str, wire: str | None) -> None:
        """Change a file with an editor: a comment, or what is served."""
        one = self.model.versions.get(name)
        if one is None or one.original is not None:
            return
        raw = self.path(name).read_bytes()
        edited = raw.replace(one.wire.encode(), (wire or one.wire).encode()).replace(b"schema", b"# by hand\nschema", 1)
        one.original, one.wire = raw, wire or one.wire
        self.path(name).write_bytes(edited)

    @rule(name=refs)
    def restore(self, name: str) -> None:
        """Take an edit back, as git would."""
        one = self.model.versions.get(name)
        if one is not None and one.original is not None:
            self.path(name).write_bytes(one.original)
            one.wire, one.original = one.logged_wire, None

    @rule(name=refs, dry_run=dry, expect=expected)
    def adopt(self, name: str, dry_run: bool, expect: str | None) -> None:
        one = self.model.versions.get(name)
        wanted = Outcome(NotFound)
        if one is not None:
            wanted = Outcome() if one.original is None else self.model.respecify(name, one.wire, "adopt")
        self.agree(name, "adopt", wanted)
        self.ask(wanted, lambda terms: self.registry.adopt(f"m@{name}", **terms), name, ((), dry_run, expect))

    @precondition(lambda self: self.model.versions)
    @rule(days=st.sampled_from((1, 40, 100)))
    def wait(self, days: int) -> None:
        self.model.now += timedelta(days=days)

    @invariant()
    def what_is_shown_is_what_the_model_says(self) -> None:
        records = self.registry.list().records
        assert [record.version for record in records] == sorted(self.model.versions)
        for record in records:
            one, lifecycle = self.model.versions[record.version], record.lifecycle
            metrics = record.metrics or {}
            assert (record.status, record.blocked is not None, lifecycle.get("previous")) == (
                one.status,
                one.blocked,
                one.previous,
            )
            assert ("testing_since" in lifecycle, lifecycle.get("activated_at")) == (one.tested, one.activated_at)
            assert (lifecycle.get("last_blocked_at"), record.end_of_life) == (one.blocked_at, one.ends)
            assert (record.deprecation.get("source"), record.spec["provider_model_id"]) == (one.ends_by, one.wire)
            assert metrics.get("verdict") == one.verdict
            assert ("canary_weight" in lifecycle) == (one.status == "canary")
        for status in self.registry.status().models:
            assert (status.active, status.canary, status.previous) == (
                self.model.holder("active"),
                self.model.holder("canary"),
                self.model.previous(),
            )

    @invariant()
    def the_log_is_whole_and_says_what_the_files_are(self) -> None:
        assert self.entries() == self.logged
        found = self.registry.verify()
        edited = sorted(
            f"models/m/{name}.toml" for name, one in self.model.versions.items() if one.original is not None
        )
        assert found.outcome == ("drift" if edited else "ok")
        assert sorted(finding.path for finding in found.findings) == edited
        assert self.registry.verify(log_only=True).outcome == "ok"


def blocking(decision: Decision) -> tuple[str, ...]:
    return tuple(sorted(finding.rule for finding in decision.findings if finding.blocks))


def test_the_registry_does_what_the_contract_says_whatever_is_asked_in_whatever_order() -> None:
    run_state_machine_as_test(Lifecycle, settings=settings(max_examples=25, stateful_step_count=25, deadline=None))


@pytest.mark.slow
def test_the_registry_does_what_the_contract_says_for_long() -> None:
    calm = (HealthCheck.too_slow, HealthCheck.data_too_large)
    profile = settings(max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=calm)
    run_state_machine_as_test(Lifecycle, settings=profile)
