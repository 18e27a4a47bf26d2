"""Semantic versions: what is one, and which of two is the later one (SemVer 2.0.0, sections 9-11).

Numbers compare as numbers, a pre-release comes before its release, and build metadata says
nothing about the order: ``1.0.0+a`` and ``1.0.0+b`` have the same precedence. An engine may
therefore have only one of the two (``core/catalogue``): of two releases that are neither
before nor after each other nobody could say which one is the update and which the rollback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

MAX_CHARACTERS = 64
"""A release is part of a model's name and of a file's, which have bounds of their own."""

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC_VERSION = re.compile(
    rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})"
    rf"(?:-(?P<pre>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?"
    r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)

_Identifier = tuple[int, int, str]
"""A number sorts before a word; numbers by value, words by their ASCII characters."""

Precedence = tuple[int, int, int, bool, tuple[_Identifier, ...]]


@dataclass(frozen=True, slots=True)
class Version:
    """A semantic version, taken apart. pre: the identifiers of a pre-release."""

    text: str
    major: int
    minor: int
    patch: int
    pre: tuple[str, ...] = ()
    build: str = ""

    @property
    def precedence(self) -> Precedence:
        """What versions are ordered by: equal where only the build metadata differ."""
        identifiers = tuple(_identifier(each) for each in self.pre)
        return (self.major, self.minor, self.patch, not self.pre, identifiers)

    @property
    def without_build(self) -> str:
        """The same for all versions of one precedence."""
        return self.text.partition("+")[0]


def parse_version(text: str) -> Version:
    """Raises ValueError for what is no semantic version, or is too long to be a name."""
    found = _SEMANTIC_VERSION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a semantic version such as 1.2.0")
    if len(text) > MAX_CHARACTERS:
        raise ValueError(
            f"{text[:80]!r} has {len(text)} characters; a version has {MAX_CHARACTERS} at most"
        )
    return Version(
        text,
        int(found["major"]),
        int(found["minor"]),
        int(found["patch"]),
        tuple(found["pre"].split(".")) if found["pre"] else (),
        found["build"] or "",
    )


def is_version(text: str) -> bool:
    """Whether it is a semantic version."""
    try:
        parse_version(text)
    except ValueError:
        return False
    return True


def precedence(text: str) -> Precedence:
    """The sort key of a version. Raises ValueError as :func:`parse_version` does."""
    return parse_version(text).precedence


def in_order(texts: Iterable[str]) -> list[str]:
    """The versions, the earliest first; those of one precedence stay as they came."""
    return sorted(texts, key=precedence)


def _identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)
