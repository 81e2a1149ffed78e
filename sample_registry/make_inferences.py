"""Write the synthetic inferences of the sample registry.

No model ever answered these requests: outcomes, latencies, confidences and token counts are drawn from a seeded
generator, one seed a file, so that running this again writes the same bytes. The files lie in `inferences/` beside this
script, in the native format, and show four cases: a healthy own model, a bad release of it, its repair, and a healthy
provider model.

Run it with `python make_inferences.py`.
"""

import json
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "inferences"
REQUESTS = 400
ERRORS = ("timeout", "upstream 503", "429 rate limited")


@dataclass(frozen=True, slots=True)
class Traffic:
    """What one file shows: the requests to one version over whole UTC days."""

    model: str
    version: str
    seed: int
    first_day: datetime
    days: int
    failures: int  # how many of the requests fail, exactly
    median_latency_ms: float
    latency_spread: float  # standard deviation of log(latency)
    mean_confidence: float
    median_input_tokens: float
    median_output_tokens: float

    @property
    def file_name(self) -> str:
        """Name the file after the version."""
        return f"{self.model}-{self.version}.jsonl"


TRAFFIC = (
    Traffic(
        model="support-triage",
        version="1.1.0",
        seed=110,
        first_day=datetime(2026, 10, 5, tzinfo=UTC),
        days=2,
        failures=5,
        median_latency_ms=420.0,
        latency_spread=0.45,
        mean_confidence=0.86,
        median_input_tokens=380.0,
        median_output_tokens=40.0,
    ),
    Traffic(
        model="support-triage",
        version="2.0.0",
        seed=200,
        first_day=datetime(2026, 11, 16, tzinfo=UTC),
        days=3,
        failures=36,
        median_latency_ms=760.0,
        latency_spread=0.65,
        mean_confidence=0.88,
        median_input_tokens=390.0,
        median_output_tokens=120.0,
    ),
    Traffic(
        model="support-triage",
        version="2.1.0",
        seed=210,
        first_day=datetime(2026, 11, 20, tzinfo=UTC),
        days=2,
        failures=4,
        median_latency_ms=460.0,
        latency_spread=0.40,
        mean_confidence=0.90,
        median_input_tokens=390.0,
        median_output_tokens=120.0,
    ),
    Traffic(
        model="gpt-4o",
        version="2024.11.20",
        seed=2024,
        first_day=datetime(2026, 11, 10, tzinfo=UTC),
        days=3,
        failures=3,
        median_latency_ms=1150.0,
        latency_spread=0.45,
        mean_confidence=0.91,
        median_input_tokens=900.0,
        median_output_tokens=220.0,
    ),
)


def inferences(traffic: Traffic) -> Iterator[dict[str, object]]:
    """Yield the requests in order of time, spread evenly over the days."""
    rng = random.Random(traffic.seed)
    failed = set(rng.sample(range(REQUESTS), traffic.failures))
    step = timedelta(days=traffic.days) / REQUESTS
    for number in range(REQUESTS):
        at = traffic.first_day + step * (number + 0.5)
        request = {"ts": at.strftime("%Y-%m-%dT%H:%M:%SZ"), "model": traffic.model, "version": traffic.version}
        yield request | (failure(rng, traffic) if number in failed else success(rng, traffic))


def success(rng: random.Random, traffic: Traffic) -> dict[str, object]:
    """Draw an answered request."""
    return {
        "success": True,
        "latency_ms": round(rng.lognormvariate(math.log(traffic.median_latency_ms), traffic.latency_spread), 1),
        "confidence": round(min(0.999, rng.gauss(traffic.mean_confidence, 0.05)), 3),
        "input_tokens": round(rng.lognormvariate(math.log(traffic.median_input_tokens), 0.4)),
        "output_tokens": round(rng.lognormvariate(math.log(traffic.median_output_tokens), 0.3)),
        "error": None,
    }


def failure(rng: random.Random, traffic: Traffic) -> dict[str, object]:
    """Draw a failed request: one that timed out has no latency, the others are refused fast."""
    error = rng.choice(ERRORS)
    return {
        "success": False,
        "latency_ms": None if error == "timeout" else round(rng.uniform(15.0, 90.0), 1),
        "input_tokens": round(rng.lognormvariate(math.log(traffic.median_input_tokens), 0.4)),
        "output_tokens": 0,
        "error": error,
    }


def main() -> None:
    """Write every file anew."""
    FOLDER.mkdir(exist_ok=True)
    for traffic in TRAFFIC:
        lines = (json.dumps(line, separators=(",", ":")) + "\n" for line in inferences(traffic))
        (FOLDER / traffic.file_name).write_bytes("".join(lines).encode())


if __name__ == "__main__":
    main()
