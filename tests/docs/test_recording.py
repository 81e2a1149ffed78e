"""The Python blocks of the page on recording, run on a registry."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import BECAUSE, OVERRIDE, Ran

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recording.md"


@pytest.fixture
def registry(helix: Callable[..., Ran], tmp_path: Path) -> Path:
    prices = ("--set", "cost.input_per_mtok=1", "--set", "cost.output_per_mtok=1")
    override = ("--override", OVERRIDE[0], "--override", OVERRIDE[1], "--reason", BECAUSE)
    assert helix("init", "registry").code == 0
    assert helix("register", "triage@1.0.0", "--provider", "p", *prices, "-C", "registry").code == 0
    assert helix("activate", "triage@1.0.0", *override, "-C", "registry").code == 0
    return tmp_path / "registry"


def run(which: str) -> dict[str, Any]:
    (block,) = [one for one in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if which in one]
    names: dict[str, Any] = {}
    exec(compile(block, PAGE.name, "exec"), names)
    return names


def kept(registry: Path) -> list[dict[str, Any]]:
    (path,) = (registry / ".helix" / "inferences").rglob("*.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_recorder_of_the_page_records_three_inferences(registry: Path) -> None:
    assert run("with Recorder")["recorder"].recorded == 3
    assert [one["success"] for one in kept(registry)] == [True, False, True]


def test_the_span_processor_of_the_page_records_the_calls_of_models(registry: Path) -> None:
    trace = pytest.importorskip("opentelemetry.sdk.trace", reason="pip install opentelemetry-sdk")
    status = pytest.importorskip("opentelemetry.trace").Status
    code = pytest.importorskip("opentelemetry.trace").StatusCode
    provider = run("SpanProcessor")["provider"]
    assert isinstance(provider, trace.TracerProvider)
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
        with tracer.start_as_current_span("chat gpt-4o") as span:
            span.set_attributes({"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
            span.set_attributes({"gen_ai.usage.input_tokens": 310, "gen_ai.usage.output_tokens": 42})
        with tracer.start_as_current_span("chat gpt-4o", attributes={"gen_ai.operation.name": "chat"}) as span:
            span.set_attribute("error.type", "RateLimitError")
            span.set_status(status(code.ERROR, "secret"))
    assert provider.force_flush()
    provider.shutdown()
    fine, failed = kept(registry)
    assert (fine["success"], fine["input_tokens"], fine["output_tokens"]) == (True, 310, 42)
    assert (failed["success"], failed["error"]) == (False, "rate_limit")
