"""Model ids, versions and references, and the grammar that keeps them safe as paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from helixctl.errors import Usage

ALIASES = ("active", "canary", "latest", "previous")
MAX_LENGTH = 200
_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
_PLAIN = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}")
_RELEASE: tuple[int, tuple[Any, ...]] = (1, ())
_DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}


class Ref(NamedTuple):
    """What a user names: a model, or one version of it (exact or by alias)."""

    model: str
    version: str | None = None

    def __str__(self) -> str:
        return f"{self.model}@{self.version}" if self.version else self.model

    @property
    def is_alias(self) -> bool:
        """True where the version is active, canary, latest or previous."""
        return self.version in ALIASES


def parse_model(text: str) -> str:
    """Return the model id unchanged.

    Raises:
        Usage: the id is empty, too long, or would not be safe as a path on every system.
    """
    problem = _model_problem(text)
    if problem:
        raise Usage(
            f"invalid model id {text!a}: {problem}",
            hint="use one to three segments of letters, digits, '.', '_' and '-', such as openai/gpt-4o",
        )
    return text


def _model_problem(text: str) -> str | None:
    segments = text.split("/")
    if not text:
        return "it is empty"
    if len(text) > MAX_LENGTH:
        return f"longer than {MAX_LENGTH} characters"
    if len(segments) > 3:
        return "more than three segments"
    for segment in segments:
        if not _SEGMENT.fullmatch(segment):
            return f"segment {segment!a} is not of the form [A-Za-z0-9][A-Za-z0-9._-]*"
        if ".." in segment or segment.endswith("."):
            return f"segment {segment!a} holds '..' or ends with a dot"
        if segment.lower().endswith(".toml"):
            return f"segment {segment!a} ends with .toml"
        if segment.split(".")[0].upper() in _DEVICES:
            return f"segment {segment!a} is a device name on Windows"
    return None


def parse_version(text: str) -> str:
    """Return the version unchanged.

    Raises:
        Usage: not SemVer 2.0.0, or longer than 200 characters.

    Source: Semantic Versioning 2.0.0, items 2, 9 and 10.
    """
    try:
        ordered(text)
    except ValueError:
        is_long = len(text) > MAX_LENGTH
        problem = (
            f"longer than {MAX_LENGTH} characters" if is_long else f"not SemVer 2.0.0{did_you_mean(text, ALIASES)}"
        )
        raise Usage(
            f"invalid version {text!a}: {problem}", hint="write MAJOR.MINOR.PATCH, such as 1.2.0 or 2024.4.9"
        ) from None
    return text


@lru_cache(maxsize=4096)
def ordered(text: str) -> tuple[Any, ...]:
    """Return the key that sorts versions by precedence; equal keys mean equal precedence.

    MAJOR.MINOR.PATCH alone needs no semver, which is not loaded then. A release follows its pre-releases, whose parts sort
    as numbers before texts.

    Raises:
        ValueError: the text is not SemVer.

    Source: Semantic Versioning 2.0.0, item 11.
    """
    if _PLAIN.fullmatch(text) and len(text) <= MAX_LENGTH:
        return (*map(int, text.split(".")), _RELEASE)
    from semver import Version

    if not text.isascii() or len(text) > MAX_LENGTH or text != text.strip():
        raise ValueError(text)
    found = Version.parse(text)
    parts = (found.prerelease or "").split(".")
    rank = tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)
    return found.major, found.minor, found.patch, (0, rank) if found.prerelease else _RELEASE


def same_version(one: str, other: str) -> bool:
    """Tell whether two versions are duplicates: equal precedence, or equal but for case."""
    return one.lower() == other.lower() or ordered(one) == ordered(other)


def parse_ref(text: str) -> Ref:
    """Return MODEL or MODEL@VERSION, the version exact or an alias.

    Raises:
        Usage: the model or the version is invalid.
    """
    model, at, version = text.partition("@")
    parse_model(model)
    if not at:
        return Ref(model)
    return Ref(model, version if version in ALIASES else parse_version(version))


def versioned(text: str) -> Ref:
    """Return MODEL@VERSION, the version exact or an alias.

    Raises:
        Usage: the version is missing, or one of the two is invalid.
    """
    ref = parse_ref(text)
    if ref.version is None:
        raise Usage(f"{text} names no version", hint=f"write {text}@VERSION, or {text}@latest")
    return ref


def bare(text: str) -> Ref:
    """Return MODEL.

    Raises:
        Usage: it is invalid, or a version is named too.
    """
    ref = parse_ref(text)
    if ref.version is not None:
        raise Usage(f"{text} names a version, where a model is wanted", hint=f"write {ref.model}")
    return ref


def parse_exact(text: str) -> Ref:
    """Return MODEL@VERSION with an exact version.

    Raises:
        Usage: the version is missing or an alias.
    """
    ref = parse_ref(text)
    if ref.version is None or ref.is_alias:
        raise Usage(f"{text!a} names no exact version", hint=f"write {ref.model}@MAJOR.MINOR.PATCH")
    return ref


def one_of(what: str, word: str, known: Iterable[str]) -> str:
    """Return the word unchanged where it is known.

    Raises:
        Usage: it is not; names the nearest.
    """
    choices = [str(one) for one in known]
    if word in choices:
        return word
    raise Usage(f"unknown {what} {word!a}{did_you_mean(word, choices)}", hint=f"one of {', '.join(choices)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)` for the nearest known word, or nothing; of a dotted one the beginning suffices."""
    from difflib import get_close_matches

    whole = {one.lower(): one for one in known}
    begun = {one[: len(word)]: whole[one] for one in reversed(whole)} if "." in word else {}
    near = get_close_matches(word.lower(), begun | whole, n=1)
    return f" (did you mean '{(begun | whole)[near[0]]}'?)" if near else ""


def segment_path(at: datetime, random: bytes) -> str:
    """Return the path of a new segment, from the registry's root."""
    text = at.strftime("%Y%m%dT%H%M%S") + f"{at.microsecond // 1000:03d}Z"
    return f"audit/{at:%Y}/{at:%m}/{text}-{random[:6].hex()}.jsonl"
