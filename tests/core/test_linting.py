from __future__ import annotations

import pytest

from helixctl.core.linting import faults
from helixctl.core.policy_file import DEFAULT, decode
from helixctl.errors import Invalid
from tests.core.test_freezes import BAD as BAD_FREEZES
from tests.core.test_freezes import HEAD as FREEZE_HEAD
from tests.core.test_policy import BAD

MANY = """\
schema = 1
nam = "p"
[match]
actions = ["activte"]
[[rule]]
id = "a"
not_blocked = true
enforcment = "mandatory"
eol_headroom = "1M"
[[rule]]
id = "b"
enforcement = "advisory"
[[rule]]
id = "a"
enforcement = "hard"
expr = "model.provider =="
[[rule]]
id = "c"
enforcement = "mandatory"
expr = "1 + 1"
when = "nothing"
[[rule]]
id = "d"
enforcement = "mandatory"
check = { field = "metrics.p95", max = 1 }
[[freeze]]
name = "f"
enforcement = "advisory"
from = 2026-03-29T02:30:00
until = 2026-04-01
timezone = "Europe/Zurich"
"""


def test_all_that_is_wrong_is_found_in_the_order_of_its_lines() -> None:
    assert [(one.line, one.key, one.message.partition(" (did you")[0]) for one in faults(MANY.encode())] == [
        (None, "name", "key 'name' is missing"),
        (2, "nam", "unknown key 'nam'"),
        (4, "match.actions", "match.actions: 'activte' is none of register, update, adopt, testing, canary, activate, deactivate, rollback, deprecate, retire, block, unblock, reconcile, import"),
        (5, "rule.0.enforcement", "key 'enforcement' is missing"),
        (8, "rule.0.enforcment", "unknown key 'enforcment'"),
        (9, "rule.0.eol_headroom", "eol_headroom: '1M' is no duration; write 14d, 36h, 30m or 2w"),
        (10, "rule.1", "rule 'b' has 0 checks, expected one"),
        (13, "rule.2", "rule id 'a' stands twice"),
        (15, "rule.2.enforcement", "enforcement: 'hard' is none of advisory, overridable, mandatory"),
        (20, "rule.3.expr", "expr gives INT, not true or false"),
        (21, "rule.3.when", "when does not compile: undeclared reference to 'nothing' (in container '') (line 1, column 1)"),
        (25, "rule.4.check.0.field", "field: no field 'metrics.p95'"),
        (29, "freeze.0.from", "freeze 'f': from: 2026-03-29 02:30:00 does not exist in Europe/Zurich: the clock changes then"),
    ]  # fmt: skip


def test_there_is_nothing_wrong_with_the_default_policy() -> None:
    assert faults(DEFAULT) == ()


@pytest.mark.parametrize("text", [*(text for text, *_ in BAD), *(FREEZE_HEAD + text for text, *_ in BAD_FREEZES)])
def test_what_does_not_load_is_found_with_something_to_do(text: str) -> None:
    with pytest.raises(Invalid):
        decode(text.encode())
    found = faults(text.encode())
    assert found
    assert all(one.hint for one in found)


@pytest.mark.parametrize("text", [b"\xff", b"a = ", b"[" * 5000])
def test_what_is_no_toml_is_one_fault(text: bytes) -> None:
    assert len(faults(text)) == 1


def test_a_rule_that_is_no_table_is_a_fault() -> None:
    found = faults(b'schema = 1\nname = "p"\nrule = [1, "x"]\nfreeze = 3\n')
    assert {one.key for one in found} >= {"rule.0", "rule.1", "freeze"}
