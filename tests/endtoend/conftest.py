"""A registry with some history, built once and copied for each test."""

from __future__ import annotations

import random
import shutil

import pytest

from helixctl.api import Registry
from tests.conftest import ALICE, Clock, Place


@pytest.fixture(scope="session")
def history(tmp_path_factory: pytest.TempPathFactory) -> Place:
    clock = Clock()
    root = tmp_path_factory.mktemp("history") / "registry"
    registry, _ = Registry.create(root, name="test", actor=ALICE, clock=clock, random=random.Random(3).randbytes)
    built = Place(registry, clock)
    built.serve("m@1.0.0", "m@1.1.0")
    built.register("m@2.0.0", "other@1.0.0")
    registry.promote("m@2.0.0", "testing")
    return built


@pytest.fixture
def full(place: Place, history: Place) -> Place:
    """A registry with an active version, its predecessor, one in testing, and one of another model."""
    shutil.rmtree(place.root)
    shutil.copytree(history.root, place.root)
    place.clock.now = history.clock.now
    return place
