from __future__ import annotations

import json
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from helixctl.api import Registry
from helixctl.core.lifecycle import Status
from helixctl.core.record import Record

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "sample_registry"
CATALOGUE = ROOT.parent / "shared" / "data" / "catalogue"


@pytest.fixture(scope="module")
def records() -> list[Record]:
    listing = Registry.open(SAMPLE).list()
    assert not listing.broken
    return list(listing.records)


def contents(folder: Path) -> dict[str, bytes]:
    kept = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in kept}


def test_the_sample_verifies_and_reading_it_writes_nothing(records: list[Record]) -> None:
    before = contents(SAMPLE)
    verification = Registry.open(SAMPLE).verify()
    assert (verification.outcome, verification.findings) == ("ok", ())
    assert verification.entries > 40
    assert contents(SAMPLE) == before


def test_the_sample_has_models_and_versions_over_all_six_statuses(records: list[Record]) -> None:
    assert len({record.ref.model for record in records}) >= 5
    assert len(records) >= 12
    assert {record.status for record in records} == set(Status)


def test_every_provider_version_names_its_sources(records: list[Record]) -> None:
    for record in records:
        comment = record.source.split(b"\n", 1)[0].decode()
        if record.spec["provider"] == "in-house":
            assert "made up" in comment
        else:
            assert "LiteLLM" in comment or "genai-prices" in comment or "llm-sunset" in comment, record.ref


@pytest.mark.parametrize("script", ["make.py", "make_inferences.py"])
def test_making_the_sample_again_gives_the_same_bytes(script: str, tmp_path: Path) -> None:
    copy = tmp_path / "sample"
    shutil.copytree(SAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run([sys.executable, str(copy / script)], check=True, cwd=tmp_path)
    assert contents(copy) == contents(SAMPLE)


@pytest.mark.skipif(not CATALOGUE.exists(), reason="the catalogues are not here")
def test_dates_prices_and_replacements_are_those_of_the_catalogues(records: list[Record]) -> None:
    tracked = json.loads((CATALOGUE / "llm-sunset-0.3.1" / "snapshot.json").read_text())
    sunset = {row["model_id"]: row for row in tracked if row["provider"] in ("OpenAI", "Anthropic")}
    prices: dict[str, Any] = {}
    for name in ("litellm-1.80.5", "litellm-1.109.1"):
        text = (CATALOGUE / name / "model_prices_and_context_window_backup.json").read_text()
        prices |= json.loads(text, parse_float=Decimal)
    checked = 0
    for record in records:
        wire = record.spec["provider_model_id"]
        if wire in sunset:
            offered = record.spec["availability"]
            assert str(offered["end_of_life"]) == sunset[wire]["shutdown_date"], record.ref
            assert str(offered["announced_at"]) == sunset[wire]["deprecation_date"], record.ref
            assert offered["source"] == sunset[wire]["url"], record.ref
            checked += 1
        if wire in prices and record.spec["provider"] != "in-house":
            million = Decimal(prices[wire]["input_cost_per_token"]) * 1_000_000
            assert record.spec["cost"]["input_per_mtok"] == million, record.ref
            checked += 1
    assert checked > 25
