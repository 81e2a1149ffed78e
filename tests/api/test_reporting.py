from __future__ import annotations

from datetime import UTC, datetime

import pytest

from helixctl.core.figures import Figure
from helixctl.errors import NotFound, Usage
from tests.conftest import BECAUSE, OVERRIDE, Place


def test_the_figures_of_a_small_history_are_as_counted_by_hand(place: Place) -> None:
    place.serve("m@1.0.0")
    place.clock.pass_by(days=14)
    place.serve("m@2.0.0")
    place.clock.pass_by(hours=5)
    place.registry.rollback("m")
    place.clock.pass_by(days=6)
    place.register("m@0.9.0")
    place.registry.activate("m@0.9.0", overrides=OVERRIDE, reason=BECAUSE)
    place.clock.pass_by(days=7)
    place.registry.retire("m@1.0.0")
    place.registry.evaluate("m@0.9.0", [str(place.inferences())])
    place.registry.evaluate("m@0.9.0", [str(place.inferences(60, failures=30))])
    place.registry.evaluate("m@0.9.0", [str(place.inferences(5))])
    place.clock.now = datetime(2026, 3, 29, 12, tzinfo=UTC)  # four weeks after the first entry
    figures = place.registry.log.report().report.figures
    assert figures["deployments"] == Figure(0.75, "per week", 4)
    assert figures["rollbacks"] == Figure(0.25, "per week", 4)
    assert figures["time_to_restore"].n == 1
    assert figures["time_to_restore"].value == pytest.approx(5, abs=0.001)
    assert figures["failed_deployments"] == Figure(0.3333, "share", 3)
    assert figures["deprecation_to_retirement"].value == pytest.approx(7, abs=0.001)
    assert figures["unplanned_downgrades"] == Figure(1, "count", 3)
    assert figures["overrides_reviewed"] == Figure(0.0, "share", 3)
    assert figures["threshold_compliance"] == Figure(0.5, "share", 2)
    assert {name: one.n for name, one in figures.items() if name.startswith("verdict_")} == {
        "verdict_passed": 3,
        "verdict_warning": 3,
        "verdict_failed": 3,
        "verdict_inconclusive": 3,
    }
    assert figures["verdict_inconclusive"].value == 0.3333


def test_a_version_whose_file_is_gone_has_no_cost(place: Place) -> None:
    place.serve("m@1.0.0", "n@1.0.0")
    place.path("m@1.0.0").unlink()
    found = place.registry.log.report()
    assert [one.ref for one in found.costs] == ["n@1.0.0"]
    assert found.integrity.outcome == "drift"


def test_a_report_refuses_what_there_is_not(place: Place) -> None:
    with pytest.raises(NotFound, match="the log knows nothing of m"):
        place.registry.log.report(model="m")
    with pytest.raises(Usage, match="unknown framework 'soc'"):
        place.registry.log.report(framework="soc")
