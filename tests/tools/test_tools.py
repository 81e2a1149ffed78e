"""What promptfoo, inspect_ai and lm-eval write when they run, without a network, on models that answer the same always."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Place, Ran

Helix = Callable[..., Ran]
INSTALLED = Path(__file__).parents[2] / ".tools"
pytestmark = pytest.mark.tools

OFFLINE = {
    **dict.fromkeys(("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"), "1"),
    **dict.fromkeys(("PROMPTFOO_DISABLE_TELEMETRY", "PROMPTFOO_DISABLE_UPDATE"), "1"),
    "PROMPTFOO_DISABLE_REMOTE_GENERATION": "true",
}


def run(folder: Path, tool: str, *words: str) -> None:
    """Run a tool that tests/tools/run installs, at home in a folder of the test."""
    program = INSTALLED / tool
    if not program.exists():
        pytest.skip(f"{tool} is not installed: run tests/tools/run")
    home = {"HOME": str(folder), "HF_HOME": str(folder), "PROMPTFOO_CONFIG_DIR": str(folder / "config")}
    done = subprocess.run(
        [str(program), *words],
        cwd=folder,
        env={**os.environ, **OFFLINE, **home},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 100), done.stdout + done.stderr  # promptfoo ends with 100 where an assertion failed


def told(helix: Helix, place: Place, ref: str, *words: str) -> dict[str, Any]:
    place.register(ref)
    ran = helix("evaluate", ref, *words, "-o", "json", HELIX_REGISTRY=str(place.root))
    assert ran.out, ran.err
    found: dict[str, Any] = json.loads(ran.out)
    assert found["malformed"] == 0
    return found


PROVIDER = """\
module.exports = class {
  id() { return 'triage'; }
  async callApi(prompt) {
    if (prompt.includes('broken')) return { error: 'invalid prompt' };
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { output: prompt, tokenUsage: { prompt: 5, completion: 7, total: 12 }, cost: 0.00021 };
  }
};
"""
CONFIGURATION = {
    "prompts": ["Say {{word}}", "Shout {{word}}!"],
    "providers": ["file://provider.js", "echo"],
    "tests": [
        {"vars": {"word": "hello"}, "assert": [{"type": "contains", "value": "Say", "metric": "says"}]},
        {"vars": {"word": "hello"}, "assert": [{"type": "equals", "value": "never", "metric": "equal"}]},
        {"vars": {"word": "broken"}},
    ],
}


def test_promptfoo_as_json_and_as_lines(place: Place, helix: Helix, tmp_path: Path) -> None:
    (tmp_path / "provider.js").write_text(PROVIDER)
    (tmp_path / "promptfooconfig.json").write_text(json.dumps(CONFIGURATION))
    outputs = [tmp_path / "out.json", tmp_path / "out.jsonl"]
    words = [word for path in outputs for word in ("-o", str(path))]
    program = "promptfoo/node_modules/.bin/promptfoo"
    run(tmp_path, program, "eval", "-c", "promptfooconfig.json", "--no-cache", "--no-table", *words)
    for version, output in enumerate(outputs, 1):
        found = told(helix, place, f"triage@{version}.0.0", "--from", str(output), "--where", "provider.id=triage")
        assert (found["samples"], found["skipped"], found["metrics"]["error_rate"]) == (6, 6, 0.333333)
        assert found["metrics"]["p50_latency_ms"] >= 20
        assert (found["metrics"]["avg_input_tokens"], found["metrics"]["avg_output_tokens"]) == (5, 7)
        assert found["metrics"]["cost_per_request"] == pytest.approx(0.00014)
        assert found["scores"] == {"promptfoo.pass": 0.25, "promptfoo.says": 0.5, "promptfoo.equal": 0}


INSPECTED = """\
from inspect_ai import Task, eval
from inspect_ai.dataset import Sample
from inspect_ai.model import ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes, match
from inspect_ai.solver import generate, solver


@solver
def careful():
    async def answer(state, generate):
        if "broken" in state.input_text:
            raise ValueError("429 too many requests")
        if "late" in state.input_text:
            raise TimeoutError("the request timed out")
        return await generate(state)

    return answer


def outputs():
    while True:
        answer = ModelOutput.from_content("mockllm/triage", "hello")
        answer.usage = ModelUsage(input_tokens=5, output_tokens=7, total_tokens=12)
        yield answer


words = ["hello"] * 3 + ["bye", "broken", "late"]
task = Task(
    name="greets",
    dataset=[Sample(input=f"say {word}", target=word) for word in words],
    solver=careful(),
    scorer=[includes(), match()],
    fail_on_error=FAIL_ON_ERROR,
)
for kind in ("eval", "json"):
    model = get_model("mockllm/triage", custom_outputs=outputs())
    eval(task, model=model, log_dir=kind, log_format=kind, display="none", fail_on_error=FAIL_ON_ERROR)
"""


def inspected(folder: Path, *, fail_on_error: bool) -> list[Path]:
    (folder / "run.py").write_text(INSPECTED.replace("FAIL_ON_ERROR", str(fail_on_error)))
    run(folder, "inspect_ai/bin/python", "run.py")
    return [next((folder / kind).iterdir()) for kind in ("eval", "json")]


def test_inspect_ai_as_an_archive_and_as_json(place: Place, helix: Helix, tmp_path: Path) -> None:
    for version, log in enumerate(inspected(tmp_path, fail_on_error=False), 1):
        found = told(helix, place, f"triage@{version}.0.0", "--from", str(log))
        assert (found["samples"], found["metrics"]["error_rate"]) == (6, 0.333333)
        assert found["metrics"]["p95_latency_ms"] > 0
        assert (found["metrics"]["avg_input_tokens"], found["metrics"]["avg_output_tokens"]) == (5, 7)
        assert found["scores"] == {"greets.includes": 0.6, "greets.match": 0.6}
        assert found["newest_at"] is not None


def test_a_log_of_inspect_ai_that_ended_in_an_error_is_refused(place: Place, helix: Helix, tmp_path: Path) -> None:
    place.register("triage@1.0.0")
    for log in inspected(tmp_path, fail_on_error=True):
        ran = helix("evaluate", "triage@1.0.0", "--from", str(log), HELIX_REGISTRY=str(place.root))
        assert (ran.code, ran.out) == (2, "")
        assert f"{log}:1: the log's status is not success" in ran.err


LM_TASK = """\
task: tiny
dataset_path: json
dataset_kwargs: {data_files: {test: tiny.jsonl}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: ["yes", "no"]
doc_to_target: "{{answer}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""


def test_lm_eval_results_and_not_its_samples(place: Place, helix: Helix, tmp_path: Path) -> None:
    lines = (json.dumps({"question": f"q{number}", "answer": number % 2}) for number in range(8))
    (tmp_path / "tiny.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "tiny.yaml").write_text(LM_TASK)
    model = ("--model", "dummy", "--model_args", "pretrained=triage")
    words = (*model, "--tasks", "tiny", "--include_path", "tasks", "--output_path", "out", "--log_samples")
    run(tmp_path, "lm-eval/bin/lm_eval", *words)
    (results,) = (tmp_path / "out").rglob("results_*.json")
    (samples,) = (tmp_path / "out").rglob("samples_*.jsonl")
    found = told(helix, place, "triage@1.0.0", "--from", str(results))
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert found["scores"] == {f"tiny.{name}": sum(row[name] for row in rows) / 8 for name in ("acc", "acc_norm")}
    assert (found["samples"], found["verdict"]) == (0, "inconclusive")
    ran = helix("evaluate", "triage@1.0.0", "--from", str(samples), HELIX_REGISTRY=str(place.root))
    assert (ran.code, ran.out) == (2, "")
    assert "read the results_*.json of the same run" in ran.err
