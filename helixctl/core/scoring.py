"""Scorers of a data set: how well an output is what was expected, from 0 to 1."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import NamedTuple

from helixctl.errors import Usage

LONGEST_PATTERN, LONGEST_OUTPUT = 500, 100_000


class Scorer(NamedTuple):
    """A kind of comparison, and what it takes: `numeric:0.01`, `json:answer`."""

    kind: str = "exact"
    option: str = ""


def parse(text: str) -> Scorer:
    """Return the scorer that a text names.

    Raises:
        ValueError: it names none, or an option that the scorer does not take.
    """
    kind, _, option = text.partition(":")
    if kind not in SCORERS:
        raise ValueError(f"no scorer {kind!a}: choose one of {', '.join(SCORERS)}")
    if kind in ("exact", "regex") and option:
        raise ValueError(f"{kind} takes no option")
    if kind == "json" and not option:
        raise ValueError("json needs a field: json:answer")
    if kind == "numeric" and option and not _tolerance(option):
        raise ValueError("numeric needs a tolerance: numeric:0.01 or numeric:1%")
    return Scorer(kind, option)


def refuse(text: str) -> None:
    """Refuse a text that names no scorer.

    Raises:
        Usage: it does not.
    """
    try:
        parse(text)
    except ValueError as error:
        raise Usage(str(error), hint="such as exact, regex, numeric:0.01, json:answer") from None


def scored(scorer: Scorer, expected: object, output: object) -> float:
    """Score one output; one that is missing scores 0.

    Raises:
        ValueError: what is expected is nothing that the scorer can compare with.
    """
    return 0.0 if output is None else float(SCORERS[scorer.kind](expected, output, scorer.option))


def _exact(expected: object, output: object, _: str) -> bool:
    if isinstance(expected, str) and isinstance(output, str):
        return expected.strip() == output.strip()
    return isinstance(expected, bool) is isinstance(output, bool) and expected == output


def _regex(expected: object, output: object, _: str) -> bool:
    if not isinstance(expected, str) or len(expected) > LONGEST_PATTERN:
        raise ValueError(f"expected is no pattern of at most {LONGEST_PATTERN} characters")
    try:
        pattern = re.compile(expected)
    except re.error:
        raise ValueError("expected is no regular expression") from None
    return isinstance(output, str) and bool(pattern.search(output[:LONGEST_OUTPUT]))


def _numeric(expected: object, output: object, option: str) -> bool:
    wanted, found = _number(expected), _number(output)
    if wanted is None:
        raise ValueError("expected is no number")
    amount, is_share = _tolerance(option) or (Decimal(0), False)
    return found is not None and abs(found - wanted) <= amount * (abs(wanted) if is_share else 1)


def _tolerance(option: str) -> tuple[Decimal, bool] | None:
    number = _number(option.removesuffix("%"))
    if number is None or number < 0:
        return None
    return (number / 100, True) if option.endswith("%") else (number, False)


def _number(value: object) -> Decimal | None:
    """Return a number as it is written, so that 1.01 is within 0.01 of 1."""
    if isinstance(value, str):
        form = r"\s*([-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?)\s*"
        found = re.fullmatch(form, value, re.ASCII)
        value = found[1].replace(",", "") if found else None
    elif isinstance(value, bool) or not isinstance(value, int | float):
        value = None
    number = None if value is None else Decimal(str(value))
    return number if number is not None and math.isfinite(float(number)) else None


def _json(expected: object, output: object, option: str) -> bool:
    table = output
    if isinstance(output, str):
        try:
            table = json.loads(output)
        except (ValueError, RecursionError):
            return False
    wanted = expected.get(option, expected) if isinstance(expected, Mapping) else expected
    return isinstance(table, Mapping) and option in table and _exact(wanted, table[option], "")


SCORERS: dict[str, Callable[[object, object, str], bool]] = {
    "exact": _exact,
    "regex": _regex,
    "numeric": _numeric,
    "json": _json,
}
"""Every scorer by the word that names it."""
