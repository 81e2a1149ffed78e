"""What policy costs: a decision over many rules, and what an expression adds to `check`; CPU time, medians, in one run.

`python -m benchmarks.policy [RUNS]` prints each beside the limit it has to keep.
"""

from __future__ import annotations

import gc
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.startup import asked, cpu, environment, prepare
from helixctl.core.case import Case
from helixctl.core.expressions import holds
from helixctl.core.lifecycle import Action, Status
from helixctl.core.policy import decide
from helixctl.core.policy_file import decode
from helixctl.core.record import Record, decode_specification
from helixctl.core.settings import Settings

TYPED = """\
[[rule]]
id = "typed-{0}"
enforcement = "mandatory"
models = ["other/*", "m*"]
check = [{{ field = "metrics.scores.s{0}", min = 0.5 }}, {{ field = "metrics.p95_latency_ms", max = 80{0} }}]
"""
EXPRESSION = """\
[[rule]]
id = "expression-{0}"
enforcement = "mandatory"
when = "has(current.metrics)"
expr = "model.metrics.scores.s{0} >= current.metrics.scores.s{0} - 0.01 && {0}.0 >= 0.0"
"""
HEAD = 'schema = 1\nname = "bench"\n'
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
LIMIT_MS = 5.0


def record(version: str, status: Status) -> Record:
    """Return a version with 50 scores."""
    source = f'schema = 1\nmodel = "m"\nversion = "{version}"\nprovider = "p"\n'.encode()
    scores = {f"s{number}": number % 2 or 1 for number in range(50)}
    metrics = {"p95_latency_ms": 500, "verdict": "passed", "samples": 100, "scores": scores}
    found = Record(source, decode_specification(source), {"status": status, "registered_at": AT})
    return found._replace(metrics={**metrics, "evaluated_at": AT, "serving_digest": found.serving_digest})


def decisions(runs: int) -> tuple[float, float]:
    """Return the milliseconds of the first decision once CEL has run anything, which compiles, and the median of later ones."""
    rules = [TYPED.format(number) for number in range(50)] + [EXPRESSION.format(number) for number in range(20)]
    policies = (decode((HEAD + "".join(rules)).encode(), "bench.toml"),)
    case = Case(record("2.0.0", Status.TESTING), record("1.0.0", Status.ACTIVE), AT, Settings("r", "r"))
    assert holds("true", case) is True  # CEL's load, which is no part of a decision
    gc.collect()  # what this script has made until now is not for a decision to look through
    taken = []
    for _ in range(runs + 1):
        start = time.process_time()
        decision = decide(Action.ACTIVATE, case, policies)
        taken.append((time.process_time() - start) * 1000)
        assert decision.allowed
        assert len(decision.findings) == 71
    return taken[0], statistics.median(taken[1:])


def ratio(runs: int, policy: str) -> float:
    """Return what `check` costs beside `python -c pass`, with a policy more."""
    program, known = str(Path(sys.executable).parent / "helixctl"), environment()
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        prepare(folder)
        (Path(folder) / "policies" / "bench.toml").write_text(policy)
        for _ in range(runs):
            command = cpu([sys.executable, program, "check", "m@2.0.0"], folder, known)
            ratios.append(command / cpu([sys.executable, "-c", "pass"], folder, known))
    return statistics.median(ratios)


def main() -> int:
    """Print the table; return 1 where a limit is missed."""
    (runs,) = asked(__doc__, runs=15)
    first, later = decisions(runs)
    plain = ratio(runs, HEAD + TYPED.format(0).replace('"mandatory"', '"advisory"'))
    elsewhere = EXPRESSION.format(0).replace('"mandatory"', '"advisory"')
    rows: tuple[tuple[str, float, float | None], ...] = (
        ("70 rules, 20 of them expressions, first: ms", first, LIMIT_MS),
        ("the same again: ms", later, LIMIT_MS),
        ("check without an expression: x pass", plain, 8),
        ("with one that does not match: x pass", ratio(runs, HEAD + elsewhere + 'actions = ["retire"]\n'), None),
        ("with one that matches: x pass", ratio(runs, HEAD + elsewhere), None),
    )
    for name, value, limit in rows:
        missed = "  missed" if limit and value > limit else ""
        print(f"{name:46} {value:8.2f} {limit or '-':>6}{missed}")
    return int(any(limit and value > limit for _, value, limit in rows))


if __name__ == "__main__":
    sys.exit(main())
