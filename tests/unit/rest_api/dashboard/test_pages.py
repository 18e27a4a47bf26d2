"""Addresses of pages, there and back."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from control_plane.errors import InvalidArgument
from control_plane.rest_api.dashboard.pages import MOST_CHARACTERS, Asked, Page, check_choice


async def look(_: Asked) -> Mapping[str, object]:
    return {}


ENGINE = Page(
    "engine",
    "/dashboard/engines/{engine}",
    (),
    look,
    filters={"span": "15m", "latency": "p95"},
)


def test_what_was_asked_has_every_filter() -> None:
    asked = ENGINE.read({"engine": "damage"}, {"span": "1m", "other": "x"})
    assert asked == {"engine": "damage", "span": "1m", "latency": "p95"}


def test_only_what_is_no_default_is_in_the_address() -> None:
    asked = {"engine": "a b/<c>", "span": "15m", "latency": "p50"}
    assert ENGINE.url(asked) == "/dashboard/engines/a%20b%2F%3Cc%3E?latency=p50"
    assert ENGINE.url(asked, latency="p95") == "/dashboard/engines/a%20b%2F%3Cc%3E"


def test_the_stream_is_asked_for_the_same() -> None:
    asked = {"engine": "a&b", "span": "1m", "latency": "p95"}
    assert ENGINE.events_url(asked) == (
        "/dashboard/events?page=engine&engine=a%26b&span=1m&latency=p95"
    )
    assert ENGINE.parts({"engine": "a&b", "page": "engine"}) == {"engine": "a&b"}


def test_what_is_too_long_or_unknown_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="span has 201 characters"):
        ENGINE.read({"engine": "damage"}, {"span": "x" * (MOST_CHARACTERS + 1)})
    with pytest.raises(InvalidArgument, match="latency is 'p90'; it must be one of p50, p95"):
        check_choice({"latency": "p90"}, "latency", ("p50", "p95"))
    assert check_choice({"latency": "p50"}, "latency", ("p50", "p95")) == "p50"
