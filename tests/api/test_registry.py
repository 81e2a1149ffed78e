from __future__ import annotations

from tests.conftest import Place


def test_a_version_goes_from_registration_to_service_and_back(place: Place) -> None:
    place.serve("m@1.0.0")
    place.register("m@2.0.0")
    assert place.registry.promote("m@2.0.0", "testing").changed
    assert place.registry.evaluate("m@2.0.0", [str(place.inferences())]).evaluation.verdict == "passed"
    assert place.registry.activate("m@2.0.0").changed
    assert (place.status("m@1.0.0"), place.status("m@2.0.0")) == ("deprecated", "active")
    result = place.registry.rollback("m")
    assert str(result.ref) == "m@1.0.0"
    assert (place.status("m@1.0.0"), place.status("m@2.0.0")) == ("active", "inactive")
    assert not place.registry.activate("m@2.0.0").allowed
    assert place.registry.verify().outcome == "ok"
