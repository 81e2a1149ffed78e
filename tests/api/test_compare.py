from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from helixctl.api.comparison import Compared
from helixctl.core.comparison import Verdict
from helixctl.errors import Invalid, NotFound, Usage
from tests.conftest import Place

GOOD: list[dict[str, object]] = [{"success": True, "latency_ms": 100 + i % 50, "confidence": 0.9} for i in range(1000)]
SLOW: list[dict[str, object]] = [{**one, "latency_ms": 400} for one in GOOD]


@pytest.fixture
def pair(place: Place) -> Place:
    """A registry whose m@1.0.0 serves, and m@2.0.0 waits."""
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    return place


def lines(place: Place, name: str, found: list[dict[str, object]]) -> str:
    path = place.root.parent / name
    path.write_text("".join(f"{json.dumps(one)}\n" for one in found))
    return str(path)


def everything(root: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_recorded_inferences_of_two_versions_are_compared_and_an_alias_is_resolved(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    pair.registry.record("m@2.0.0", GOOD)
    compared = pair.registry.compare("m@latest", "m@active")
    assert (str(compared.ref), str(compared.baseline)) == ("m@2.0.0", "m@1.0.0")
    assert compared.comparison.verdict is Verdict.EQUIVALENT
    pair.registry.record("m@2.0.0", SLOW)
    assert pair.registry.compare("m@2.0.0", "m@active").comparison.verdict is Verdict.WORSE


def test_files_stand_for_what_was_recorded_on_the_side_that_names_them(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    slow, good = lines(pair, "slow.jsonl", SLOW), lines(pair, "good.jsonl", GOOD)

    def verdict(sources: tuple[str, ...], baseline_sources: tuple[str, ...]) -> Verdict:
        return pair.registry.compare("m@2.0.0", "m@1.0.0", sources, baseline_sources).comparison.verdict

    assert verdict((slow,), ()) is Verdict.WORSE
    assert verdict((slow,), (slow,)) is Verdict.EQUIVALENT
    assert verdict((good,), (slow,)) is Verdict.BETTER
    assert verdict((), (good,)) is Verdict.UNDECIDED


def test_cost_comes_from_the_prices_of_each_version(place: Place) -> None:
    place.register("m@1.0.0")
    text = place.path("m@1.0.0").read_text().partition("\n[lifecycle]")[0]
    place.registry.register(text.replace("1.0.0", "2.0.0").replace("1.00", "3.00").encode())
    used = lines(place, "used.jsonl", [{**one, "input_tokens": 100, "output_tokens": 50} for one in GOOD])
    compared = place.registry.compare("m@2.0.0", "m@1.0.0", [used], [used])
    (cost,) = (one for one in compared.comparison.deltas if one.metric == "cost_per_request")
    assert [cost.candidate, cost.baseline] == pytest.approx([4e-4, 2e-4])
    assert cost.verdict is Verdict.WORSE


def test_a_comparison_writes_nothing_and_leaves_no_entry(pair: Place) -> None:
    pair.registry.record("m@1.0.0", GOOD)
    before = everything(pair.root)
    compared = pair.registry.compare("m@2.0.0", "m@active", [lines(pair, "slow.jsonl", SLOW)])
    assert isinstance(compared, Compared)
    assert everything(pair.root) == before


def test_without_inferences_nothing_is_decided(pair: Place) -> None:
    assert pair.registry.compare("m@2.0.0", "m@1.0.0").comparison.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("side", ["candidate", "baseline"])
def test_malformed_lines_beyond_the_setting_are_refused_on_either_side_and_named(pair: Place, side: str) -> None:
    good, bad = lines(pair, "good.jsonl", GOOD), lines(pair, "bad.jsonl", [*GOOD, {"success": True}])
    sources = ([bad], [good]) if side == "candidate" else ([good], [bad])
    with pytest.raises(Invalid, match=r"1 malformed lines, at most 0 allowed: .*bad\.jsonl:1001: "):
        pair.registry.compare("m@2.0.0", "m@1.0.0", *sources)
    settings = pair.root / "helix.toml"
    settings.write_text(settings.read_text() + "\n[evaluation]\nmax_malformed = 1\n")
    compared = pair.registry.compare("m@2.0.0", "m@1.0.0", *sources)
    assert (
        compared.comparison.verdict,
        compared.reductions[0].malformed_count + compared.reductions[1].malformed_count,
    ) == (Verdict.EQUIVALENT, 1)
    assert [bad.line for one in compared.reductions for bad in one.malformed] == [1001]


def test_standard_input_feeds_one_side_only(pair: Place) -> None:
    good = lines(pair, "good.jsonl", GOOD)
    raw = Path(good).read_bytes()
    for sources in (["-"], [good]), ([good], ["-"]):
        compared = pair.registry.compare("m@2.0.0", "m@1.0.0", *sources, stdin=io.BytesIO(raw))
        assert compared.comparison.verdict is Verdict.EQUIVALENT
    with pytest.raises(Usage, match="no standard input"):
        pair.registry.compare("m@2.0.0", "m@1.0.0", ["-"], ["-"], stdin=io.BytesIO(raw))


@pytest.mark.parametrize(
    ("candidate", "baseline", "refusal"),
    [
        ("m@9.0.0", "m@1.0.0", NotFound),
        ("m@2.0.0", "m@canary", NotFound),
        ("m@2.0.0", "other@1.0.0", NotFound),
        ("m", "m@1.0.0", Usage),
        ("m@2.0.0", "m", Usage),
    ],
)
def test_both_sides_must_be_versions_that_are_registered(
    pair: Place, candidate: str, baseline: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        pair.registry.compare(candidate, baseline)
