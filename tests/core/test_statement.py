from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from helixctl.core.lifecycle import Action
from helixctl.core.names import Ref
from helixctl.core.statement import KINDS, Statement, decode, encode, id_of
from helixctl.errors import Invalid

AT = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
ID = id_of(AT, b"\x3f\xa9\xc1\xd2\xe4\xb5")
BARE = Statement("rejection", ID, "0198-r", Ref("a/m", "1.0.0"), "a" * 64, "ada@example.com", AT)
WHOLE = {
    "approval": BARE._replace(kind="approval", action=Action.ACTIVATE, expires=AT + timedelta(days=1)),
    "rejection": BARE._replace(reason='it "leaks"\n[x]\n'),
    "withdrawal": BARE._replace(kind="withdrawal", withdraws=ID),
    "review": BARE._replace(kind="review", entry="0198-e"),
}


def test_a_statement_is_named_for_its_time_and_chance_below_its_version() -> None:
    assert ID == "20260301T120000000005Z-3fa9c1d2e4b5"
    assert BARE.path == f"approvals/a/m/1.0.0/{ID}.toml"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_reads_back_as_it_was_written(kind: str) -> None:
    assert decode(encode(WHOLE[kind])) == WHOLE[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_a_key_that_is_missing_or_unknown_is_refused(kind: str) -> None:
    text = encode(WHOLE[kind]).decode()
    lines = text.splitlines(keepends=True)
    needed = {
        "schema",
        "kind",
        "id",
        "registry",
        "model",
        "version",
        "specification",
        "by",
        "at",
        *KINDS[kind].required,
    }
    for place, line in enumerate(lines):
        if line.partition(" ")[0] in needed:
            with pytest.raises(Invalid, match="is missing"):
                decode("".join(lines[:place] + lines[place + 1 :]).encode())
    with pytest.raises(Invalid, match="unknown key"):
        decode(f"signed = true\n{text}".encode())
