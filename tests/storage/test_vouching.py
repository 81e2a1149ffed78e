from __future__ import annotations

import pytest

from helixctl.errors import BadSettings
from helixctl.storage.vouching import refuse_patterns

REST = ' namespaces="helixctl-*" ssh-ed25519 AAAA ada *!?\n'


@pytest.mark.parametrize(
    "names", ["*", "ada*", " \tad?", "ada,!eve", '"x y,*"', 'x" y,*"', '"x\r#,*"', '"*', '"a#*"', "\v*@x"]
)
def test_a_sign_of_a_pattern_among_the_principals_is_refused_however_it_is_quoted(names: str) -> None:
    with pytest.raises(BadSettings, match="vouches for nobody in particular") as refused:
        refuse_patterns(f"# * of nobody\nada{REST}{names}{REST}".encode())
    assert refused.value.line == 3


@pytest.mark.parametrize("names", ["ada", "ada\t", '"ada b"', '"ada"', "ada,ada-gh", "# *", " \t#*", "ada\r*"])
def test_such_a_sign_elsewhere_in_a_line_is_none(names: str) -> None:
    refuse_patterns(f"{names}{REST}".encode())
