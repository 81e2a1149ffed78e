"""What a shell offers, in a registry of 5,000 models."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helixctl.cli import words

MODELS = 5000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("many")
    (root / "helix.toml").write_text("schema = 1\n")
    for number in range(MODELS):
        folder = root / f"models/org{number % 50}/model-{number}"
        folder.mkdir(parents=True)
        (folder / "1.0.0.toml").touch()
    return root


@pytest.mark.parametrize(
    ("typed", "offered", "listings"),
    [
        ("", 50, 51),
        ("org4", 22 * MODELS // 50, 11 * (MODELS // 50 + 2)),
        ("org7/", 200, 102),
        ("org7/model-57", 2, 3),
        ("org7/model-57@", 5, 1),
        ("x", 0, 1),
    ],
)
def test_only_the_folders_that_may_hold_an_answer_are_listed_each_once(
    many: Path, monkeypatch: pytest.MonkeyPatch, typed: str, offered: int, listings: int
) -> None:
    listed = list[str]()
    real = os.listdir

    def counted(path: str) -> list[str]:
        listed.append(path)
        return real(path)

    monkeypatch.setattr(os, "listdir", counted)
    found = [word for word in words._words(str(many / "models"), typed) if word.startswith(typed)]
    assert (len(found), len(set(found))) == (offered, offered)
    assert len(listed) <= listings
    assert len(listed) == len(set(listed))
