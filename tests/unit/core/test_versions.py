"""Semantic versions: the grammar and the order of SemVer 2.0.0."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.versions import (
    MAX_CHARACTERS,
    Version,
    in_order,
    is_version,
    parse_version,
    precedence,
)

# Section 11 of the standard, and the numbers that compare as numbers.
ORDERED = [
    "0.0.0-0",
    "0.0.1",
    "0.9.0",
    "0.10.0",
    "1.0.0--",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1-0.3.7",
    "1.0.1",
    "1.2.9",
    "1.10.0",
    "2.0.0",
    "10.0.0",
]

numbers = st.integers(0, 10**6)
words = st.from_regex(r"[A-Za-z-][0-9A-Za-z-]{0,4}", fullmatch=True)
identifiers = st.one_of(numbers.map(str), words)
pres = st.lists(identifiers, max_size=3).map(".".join)
builds = st.lists(st.from_regex(r"[0-9A-Za-z-]{1,5}", fullmatch=True), max_size=2).map(".".join)


@st.composite
def versions(draw: st.DrawFn) -> str:
    core = ".".join(str(draw(numbers)) for _ in range(3))
    pre, build = draw(pres), draw(builds)
    return core + (f"-{pre}" if pre else "") + (f"+{build}" if build else "")


def test_the_parts_of_a_version() -> None:
    text = "1.2.3-rc.1+build.5"
    assert parse_version(text) == Version(text, 1, 2, 3, ("rc", "1"), "build.5")
    assert parse_version("1.2.3") == Version("1.2.3", 1, 2, 3)


@pytest.mark.parametrize(
    "text",
    ["0.0.0", "1.0.0-alpha-a.b-c", "1.0.0-0A", "1.0.0-00a", "1.0.0+001", "1.0.0--", "1.0.0-x+0.y"],
)
def test_what_is_a_version(text: str) -> None:
    assert is_version(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "v1.2.3",
        "01.2.3",
        "1.02.3",
        "1.2.03",
        "1.2.3-01",
        "1.2.3-a..b",
        "1.2.3-",
        "1.2.3+",
        "1.2.3+a+b",
        "1.2.3-a_b",
        " 1.2.3",
        "1.2.3\n",
        "1.2.٣",
    ],
)
def test_what_is_none(text: str) -> None:
    assert not is_version(text)
    with pytest.raises(ValueError, match="is not a semantic version such as"):
        parse_version(text)


def test_what_is_too_long_to_be_a_name() -> None:
    longest = "1.0.0-" + "a" * (MAX_CHARACTERS - 6)
    assert is_version(longest)
    with pytest.raises(ValueError, match="has 65 characters; a version has 64 at most"):
        parse_version(longest + "a")


def test_the_order_of_the_standard() -> None:
    for earlier, later in pairwise(ORDERED):
        assert precedence(earlier) < precedence(later), (earlier, later)
    shuffled = list(ORDERED)
    Random(7).shuffle(shuffled)
    assert in_order(shuffled) == ORDERED


def test_versions_of_one_precedence_stay_as_they_came() -> None:
    assert in_order(["1.0.0+b", "0.1.0", "1.0.0+a"]) == ["0.1.0", "1.0.0+b", "1.0.0+a"]


@given(versions())
def test_every_version_is_read_and_keeps_its_text(text: str) -> None:
    version = parse_version(text)
    core, pre = f"{version.major}.{version.minor}.{version.patch}", ".".join(version.pre)
    assert version.without_build == core + (f"-{pre}" if pre else "")
    assert version.text == version.without_build + (f"+{version.build}" if version.build else "")


@given(versions(), builds.filter(bool))
def test_build_metadata_say_nothing_about_the_order(text: str, build: str) -> None:
    bare = parse_version(text).without_build
    assert precedence(bare) == precedence(f"{bare}+{build}") == precedence(text)


@given(versions(), versions())
def test_two_versions_are_of_one_precedence_or_one_is_first(one: str, other: str) -> None:
    is_same = parse_version(one).without_build == parse_version(other).without_build
    assert (precedence(one) == precedence(other)) is is_same
    assert (precedence(one) < precedence(other)) + (precedence(other) < precedence(one)) == (
        not is_same
    )


@given(st.integers(0, 10**6), st.integers(0, 10**6), pres.filter(bool))
def test_numbers_compare_as_numbers_and_a_pre_release_comes_first(
    one: int, other: int, pre: str
) -> None:
    assert (precedence(f"1.{one}.0") < precedence(f"1.{other}.0")) is (one < other)
    assert (precedence(f"1.0.0-{one}") < precedence(f"1.0.0-{other}")) is (one < other)
    assert precedence(f"1.0.0-{pre}") < precedence("1.0.0")


@given(st.lists(versions(), max_size=8))
def test_sorting_is_by_precedence(texts: list[str]) -> None:
    ordered = in_order(texts)
    assert sorted(ordered) == sorted(texts)
    assert all(precedence(a) <= precedence(b) for a, b in pairwise(ordered))
