from __future__ import annotations

import re

import pytest

from helixctl.core.frameworks import FRAMEWORKS, NO_CLAIM, Framework
from helixctl.core.report import Report

SECTIONS = {"integrity", *Report._fields}


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=list(FRAMEWORKS))
def test_each_record_is_served_by_sections_that_there_are_or_said_not_to_be(framework: Framework) -> None:
    for one in framework.records:
        assert set(one.sections) <= SECTIONS, one.id
        assert re.fullmatch(r"[A-Z][^.]*\.", one.how), one.how
    assert len({one.id for one in framework.records}) == len(framework.records)


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=list(FRAMEWORKS))
def test_each_framework_has_records_that_the_log_serves_and_some_that_it_cannot(framework: Framework) -> None:
    served = [bool(one.sections) for one in framework.records]
    assert True in served
    assert False in served


@pytest.mark.parametrize("framework", FRAMEWORKS.values(), ids=list(FRAMEWORKS))
def test_no_page_claims_compliance(framework: Framework) -> None:
    told = " ".join((framework.title, *(f"{one.asks} {one.how}" for one in framework.records))).lower()
    assert not re.search(r"compl(y|ies|iant|iance)|conform|satisf|certif|ensur|guarante", told)
    assert "no claim of compliance" in NO_CLAIM
