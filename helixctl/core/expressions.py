"""Rules as expressions of CEL: what they may say, what they are given, what they answer. CEL is loaded to run one only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from helixctl.core import schema as s
from helixctl.core import times
from helixctl.core.case import Answer, Case
from helixctl.core.fields import field, fix, is_fixed, names, refuse_unknown, said, tables
from helixctl.errors import Invalid

if TYPE_CHECKING:
    from cel_expr_python.cel import Activation, Env, Expression

MAX_LENGTH, MAX_MATCHES = 4096, 4
MAX_WEIGHT, VALUE_WEIGHT = 131_072, 64
"""How much an expression may be given: characters, and for each value so much besides."""
VARIABLES = ("model", "current", "action", "region", "actor", "now")
_RAW, _ESCAPED = "[bB]?[rR]", r"\\.|[^\\"
_QUOTED = "|".join(
    [rf"{_RAW}{three}.*?{three}" for three in ("'''", '"""')]
    + [rf"{_RAW}{one}[^{one}\r\n]*{one}" for one in "'\""]
    + [rf"{three}(?:{_ESCAPED}])*?{three}" for three in ("'''", '"""')]
    + [rf"{one}(?:{_ESCAPED}{one}\r\n])*{one}" for one in "'\""]
)
"""What CEL takes as one text; the source is its language definition, section Syntax (STRING_LIT, BYTES_LIT)."""
_ASIDE = re.compile(rf"(//[^\n]*)|({_QUOTED}|`[^`\n]*`)|\w+|[^\w'\"`/]+|.", re.DOTALL)
_TOKEN = re.compile(r"([A-Za-z_]\w*)\s*\(|[()+]", re.ASCII)
_PATH = re.compile(r"(?<![\w.])(model|current)((?:\s*\.\s*[A-Za-z_]\w*)+)(\s*\()?", re.ASCII)
_INSTEAD = {"+": "subtract, or add outside of it", "matches": "use startsWith, endsWith or contains"}
_LOOPS = frozenset({"all", "exists", "exists_one", "filter"})
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_LACKED = " is not in the version file of "
_MISSING = re.compile(r'Key not found in map : "(.*)"')


def expression(value: Any) -> str:
    """An expression of CEL, of at most 4096 characters, that gives true or false."""
    text = s.name(value)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"longer than {MAX_LENGTH} characters")
    _refuse_growth(_bare(text))
    for _, name in _paths(text):
        refuse_unknown(name)
    return text


def _bare(text: str) -> str:
    """Return an expression without what its quotes hold, and without comments."""
    return _ASIDE.sub(lambda found: " " if found[1] else "''" if found[2] else found[0], text)


def _refuse_growth(bare: str) -> None:
    """Refuse what could multiply work or memory: map, many matches, and within a loop another one, `+`, or matches."""
    inside: list[str] = []
    calls = 0
    for found in _TOKEN.finditer(bare):
        word, token = found[1] or "", found[1] or found[0]
        calls += word == "matches"
        if word == "map":
            raise ValueError("map() is not to be had: it could grow without bound; use all, exists or filter")
        if calls > MAX_MATCHES:
            raise ValueError(f"more than {MAX_MATCHES} calls of matches(); use check = {{ field, matches }}")
        loop = next((name for name in inside if name in _LOOPS), None)
        if loop and (word in _LOOPS or token in ("+", "matches")):
            raise ValueError(
                f"{token} stands inside {loop}(), where it could multiply; {_INSTEAD.get(token, 'use `in`')}"
            )
        if found[0].endswith("("):
            inside.append(word)
        elif token == ")" and inside:
            inside.pop()


@lru_cache(maxsize=512)
def _paths(text: str) -> tuple[tuple[str, str], ...]:
    """Return each field that an expression names: the variable, and the field's dotted name."""
    found = []
    for variable, path, call in _PATH.findall(_bare(text)):
        name = "".join(path.split())[1:]
        name = name.rpartition(".")[0] if call else name
        if name:
            found.append((variable, name))
    return tuple(found)


def is_installed() -> bool:
    """Tell whether CEL is there, without loading it."""
    from importlib.util import find_spec

    return find_spec("cel_expr_python") is not None


@lru_cache(maxsize=1)
def _environment() -> Env:
    from cel_expr_python import cel

    kinds = dict.fromkeys(VARIABLES, cel.Type.STRING)
    return cel.NewEnv(variables={**kinds, "model": cel.Type.DYN, "current": cel.Type.DYN, "now": cel.Type.TIMESTAMP})


@lru_cache(maxsize=512)
def compiled(text: str, key: str = "expr") -> Expression:
    """Return an expression, compiled.

    Raises:
        Invalid: it does not compile, or gives something else than true or false.
    """
    from cel_expr_python import cel

    try:
        found = _environment().compile(text)
    except (RuntimeError, MemoryError) as error:
        placed = _ERROR.search(str(error))
        fact = f"{placed[3]} (line {placed[1]}, column {placed[2]})" if placed else str(error).splitlines()[0]
        hint = f"variables: {', '.join(VARIABLES)}; see docs/policy.md"
        raise Invalid(f"{key} does not compile: {fact}", key=key, hint=hint) from None
    if found.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        kind = found.return_type().name()
        raise Invalid(f"{key} gives {kind}, not true or false", key=key, hint="compare it with something")
    return found


def holds(text: str, case: Case, key: str = "expr") -> bool | str:
    """Return what an expression gives in a case, or why that cannot be told."""
    from cel_expr_python import cel

    program = compiled(text, key)
    try:
        value = program.eval(_activation(case))
    except (RuntimeError, MemoryError, ValueError) as error:
        return str(error).splitlines()[0] or "out of memory"
    if value.type() == cel.Type.BOOL:
        return bool(value.value())
    if value.type() != cel.Type.ERROR:
        return f"gives {value.type().name()}, not true or false"
    if "configuration" in text:  # the error may quote what that holds
        return "it fails on what [configuration] holds, or lacks"
    fact = str(value.value()).partition(": ")[2]
    missing = _MISSING.search(fact)
    if missing:
        return _missing(missing[1], text, case)
    return re.sub('"[^"]*"', '"..."', fact.partition(": ")[0])  # what is quoted, and what follows, may be a value


def _missing(key: str, text: str, case: Case) -> str:
    """Name the field that an expression missed, by its whole name where it is told by the text."""
    for variable, name in _paths(text):
        record, why = case.judged(case.subject if variable == "model" else case.current)
        if key in name.split(".") and (record is None or field(record, name) is None):
            if record is None:
                return f"{variable}.{name}: no version is active"
            near = "" if is_fixed(name) else s.did_you_mean(name, names(record))
            return f"{name}{_LACKED}{record.ref}{near if key != 'metrics' else why}"
    record, why = case.judged(case.subject)
    if record and why and key == "metrics":
        return f"metrics{_LACKED}{record.ref}{why}"
    if key not in text:
        return "a key that it works out is not there"
    return f"there is no {key!a}{s.did_you_mean(key, {name.rpartition('.')[2] for name in names(case.subject)})}"


def _activation(case: Case) -> Activation:
    """Return what expressions are given, made once for a decision.

    Raises:
        ValueError: it is more than they may be given.
    """
    if "activation" not in case.kept:
        seen_by = {"model": case.judged(case.subject), "current": case.judged(case.current)}
        given = {variable: _given(tables(record)) for variable, (record, _) in seen_by.items()}
        if sum(map(_weight, given.values())) > MAX_WEIGHT:
            raise ValueError("the version files hold more than an expression may be given")
        told = {"action": str(case.action), "region": case.region or "", "actor": case.requester, "now": case.at}
        case.kept["activation"] = _environment().Activation({**given, **told})
    found: Activation = case.kept["activation"]
    return found


def _given(value: Any) -> Any:
    """Return a value as CEL takes it: numbers as double, times as RFC 3339."""
    match value:
        case bool():
            return value
        case int() | Decimal():
            return float(value)
        case date():
            return times.short(times.instant(value))
        case Mapping():
            return {key: _given(one) for key, one in value.items()}
        case tuple() | list():
            return [_given(one) for one in value]
    return str(value)


def _weight(value: Any) -> int:
    """Return how much of what `_given` gives there is."""
    match value:
        case float():
            return 0
        case dict():
            return sum(VALUE_WEIGHT + len(key) + _weight(one) for key, one in value.items())
        case list():
            return sum(VALUE_WEIGHT + _weight(one) for one in value)
    return len(value) if isinstance(value, str) else 0


def expr(text: str, case: Case) -> Answer:
    """Pass where the expression gives true; what it cannot tell denies."""
    found = holds(text, case)
    if isinstance(found, str):
        return _untold(found, case)
    values = "; ".join(f"{name} is {value}" for name, value in seen(text, case).items())
    fact = f"{' '.join(text.split())[:200]} is {'true' if found else 'false'}{f' ({values})' if values else ''}"
    return Answer("pass", fact) if found else Answer("fail", fact, _fix(text, case))


def _fix(text: str, case: Case) -> str:
    """Return how to change the first thing that an expression looks at and a person can change."""
    stated = (fix({"field": name}, case.subject.ref) for variable, name in _paths(text) if variable == "model")
    return next(filter(None, stated), _explained(case))


def _untold(found: str, case: Case, what: str = "") -> Answer:
    name, _, ref = found.partition(_LACKED)
    stated = fix({"field": name}, ref.partition(" ")[0].removesuffix(":")) if ref else None
    return Answer("error", f"could not be evaluated: {what}{found}", stated or _explained(case))


def _explained(case: Case) -> str:
    return f"helixctl policy explain {case.subject.ref} --for {case.action}"


def applies(text: str, case: Case) -> Answer | None:
    """Return what a rule answers whose `when` gives false, or cannot be told; None where it applies."""
    found = holds(text, case, "when")
    if isinstance(found, str):
        return _untold(found, case, "when: ")
    return None if found else Answer("not_applicable", f"when {' '.join(text.split())[:200]} is false")


def seen(text: str, case: Case) -> dict[str, str]:
    """Return the values that an expression looks at, by the name that it uses."""
    found = {}
    for variable, name in _paths(text):
        record = case.subject if variable == "model" else case.current
        value = field(record, name) if record else None
        if value is not None and not isinstance(value, Mapping):
            found[f"{variable}.{name}"] = said(name, value)
    return found
