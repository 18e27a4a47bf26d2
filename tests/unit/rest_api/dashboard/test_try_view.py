"""What the page for trying a photo offers."""

from __future__ import annotations

from dataclasses import replace

from control_plane.rest_api.dashboard.try_view import TryPage, show_try
from tests.unit.rest_api.fakes import engine_view

KNOWN = ("damage", "volume")


def show(**asked: str) -> TryPage:
    views = (engine_view(), engine_view("volume", is_ready=False))
    return show_try(KNOWN, views, asked=asked, max_bytes=20_971_520)


def chosen(page: TryPage) -> list[str]:
    return [engine.name for engine in page.engines if engine.is_chosen]


def release_of(page: TryPage, engine: str) -> str:
    (found,) = (one for one in page.engines if one.name == engine)
    (release,) = (one.value for one in found.releases if one.is_chosen)
    return release


def test_at_first_all_engines_are_asked_as_they_are_routed() -> None:
    page = show()
    assert chosen(page) == ["damage", "volume"]
    assert [release_of(page, name) for name in KNOWN] == ["", ""]
    assert page.priorities == (("high", False), ("normal", True), ("low", False))
    assert page.is_fresh
    assert page.max_megabytes == "20.9"
    assert [engine.is_ready for engine in page.engines] == [True, False]


def test_what_the_address_says_is_chosen() -> None:
    page = show(engines="volume", releases="damage=1.1.0", priority="high", cached="yes")
    assert chosen(page) == ["volume"]
    assert release_of(page, "damage") == "1.1.0"
    assert page.priorities[0] == ("high", True)
    assert not page.is_fresh


def test_what_nobody_offers_any_more_is_passed_over() -> None:
    page = show(engines="gone", releases="damage=9.9.9,odd", priority="urgent")
    assert chosen(page) == ["damage", "volume"]
    assert release_of(page, "damage") == ""
    assert page.priorities[1] == ("normal", True)


def test_releases_that_serve_are_offered_and_those_that_are_ready_nowhere_say_so() -> None:
    damage, volume = show().engines
    assert [(one.value, one.words) for one in damage.releases] == [
        ("", "as routed"),
        ("stable", "stable (now 1.1.0)"),
        ("canary", "canary (now 1.1.0)"),
        ("1.1.0", "1.1.0"),
    ]
    assert volume.releases[-1].words == "1.1.0 (ready nowhere)"


def test_without_a_canary_none_is_offered() -> None:
    view = engine_view()
    view = replace(view, releases=tuple(replace(one, is_canary=False) for one in view.releases))
    (damage,) = show_try(("damage",), (view,), asked={}, max_bytes=1).engines
    assert "canary" not in {one.value for one in damage.releases}


def test_an_engine_that_the_catalogue_has_not_yet_is_asked_as_it_is_routed() -> None:
    (new,) = show_try(("new",), (), asked={}, max_bytes=1).engines
    assert [one.value for one in new.releases] == [""]
    assert not new.is_ready
