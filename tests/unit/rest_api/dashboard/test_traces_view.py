"""Requests as their page lists them: what an address means, a line, and an empty list in words."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.rest_api.dashboard.traces_view import nothing_in_words, read_query, show_row
from tests.unit.rest_api.fakes import NOON


def document(**more: Any) -> dict[str, Any]:
    return {
        "trace_id": "t-1",
        "correlation_id": "c-1",
        "request_id": None,
        "name": "detect",
        "engines": ["damage"],
        "started_at": NOON,
        "duration_ms": 12.5,
        "status": "ok",
        "error": None,
        "is_complete": True,
        "spans": [],
        **more,
    }


def test_what_is_left_empty_does_not_matter() -> None:
    read = read_query([("engine", " "), ("failed", ""), ("other", "x")])
    assert (read.engine, read.is_error, read.slower_than_s, read.problem) == (None, None, None, "")
    assert not read.is_filtered


def test_every_filter_is_understood() -> None:
    read = read_query([("engine", "material"), ("failed", "true"), ("slower_than_ms", "250")])
    assert (read.engine, read.is_error, read.slower_than_s) == ("materials", True, 0.25)
    assert read.chosen["engine"] == "material"
    assert not read.is_only_failed


@pytest.mark.parametrize(
    ("name", "value"),
    [("failed", "no"), *(("slower_than_ms", one) for one in ("soon", "-1", "nan", "inf"))],
)
def test_what_means_nothing_is_told(name: str, value: str) -> None:
    assert name in read_query([(name, value)]).problem


@pytest.mark.parametrize(
    ("more", "word", "tone", "error"),
    [
        ({}, "ok", "good", ""),
        ({"is_complete": False}, "under way", "info", ""),
        ({"status": "error", "error": "away"}, "failed", "bad", "away"),
        ({"status": "refused"}, "refused", "warn", ""),
        (
            {"spans": [{"attributes": {"refused": "photo_invalid", "reason": "no photo"}}]},
            "refused",
            "warn",
            "no photo",
        ),
    ],
)
def test_how_a_request_ended(more: dict[str, Any], word: str, tone: str, error: str) -> None:
    row = show_row(document(**more))
    assert (row.word, row.tone, row.error) == (word, tone, error)


def test_who_answered_is_named_once() -> None:
    there = {"release": "1.1.0", "instance": "triton-0"}
    row = show_row(document(spans=[{"attributes": one} for one in (there, {}, there)]))
    assert row.places == ("1.1.0 on triton-0",)


def test_its_page_is_found_by_the_id_that_names_it_alone() -> None:
    assert show_row(document()).link == "c-1"
    assert show_row(document(request_id="r-1")).link == "r-1"


@pytest.mark.parametrize(
    ("pairs", "kept", "words"),
    [
        ([], None, "Tracing is off"),
        ([], 0, "Nothing kept yet"),
        ([("failed", "true")], 40, "None of the 40 kept failed."),
        ([("slower_than_ms", "9")], 40, "None of the 40 kept is like that."),
    ],
)
def test_an_empty_list_says_why(pairs: list[tuple[str, str]], kept: int | None, words: str) -> None:
    assert words in nothing_in_words(read_query(pairs), kept)
