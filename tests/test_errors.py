from __future__ import annotations

import pytest

from helixctl.errors import Invalid


@pytest.mark.parametrize(
    ("message", "path", "line", "said"),
    [
        ("key 'model' is missing", "m", None, "m: key 'model' is missing"),
        ("model is missing", "m", None, "m: model is missing"),
        ("key 'm1' is missing at 12", "1", 2, "1:2: key 'm1' is missing at 12"),
        ("a.toml was deleted", "a.toml", None, "a.toml was deleted"),
        ("cannot read a/b.toml: is a directory", "a/b.toml", None, "cannot read a/b.toml: is a directory"),
        ("cannot read a/b.toml: is a directory", "b.toml", None, "b.toml: cannot read a/b.toml: is a directory"),
        ("fact", None, None, "fact"),
    ],
)
def test_a_refusal_tells_its_file_once_and_not_where_its_name_is_part_of_a_word(
    message: str, path: str | None, line: int | None, said: str
) -> None:
    assert str(Invalid(message, path=path, line=line)) == said
