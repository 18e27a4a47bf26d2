"""An instance as its page shows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from control_plane.core.health.states import TRANSITIONS, Event, State
from control_plane.rest_api.dashboard.instance_view import (
    APPLY_IN,
    LABELS,
    consequence_of,
    offers_of,
    show_instance,
)
from control_plane.services.operations import Action
from control_plane.services.status import EngineThereView
from tests.unit.rest_api.fakes import NOON, change_view, engine_view, instance_view

NOW = NOON + timedelta(minutes=10)


@pytest.mark.parametrize("action", list(Action))
def test_an_action_is_offered_in_the_states_in_which_it_applies(action: Action) -> None:
    event = Event[action.name]
    legal = {state.value for state in State if event in TRANSITIONS[state]}
    assert APPLY_IN[action] == legal
    for state in State:
        offered = {one.action for one in offers_of(instance_view(health=state), ())}
        assert (action in offered) == (state.value in legal)


def test_every_action_has_a_label_and_a_consequence() -> None:
    assert set(LABELS) == set(Action)
    assert len({consequence_of(action, instance_view()) for action in Action}) == len(Action)


def test_a_drain_says_how_much_is_in_flight() -> None:
    said = [
        consequence_of(Action.DRAIN, replace(instance_view(), in_flight=count))
        for count in (0, 1, 2)
    ]
    assert "Nothing is in flight" in said[0]
    assert "1 request now" in said[1]
    assert "2 requests now" in said[2]


def test_healing_an_isolated_one_says_that_it_comes_back() -> None:
    assert "trusted again" in consequence_of(Action.HEAL, instance_view(health="isolated"))
    assert "trusted again" not in consequence_of(Action.HEAL, instance_view())


def test_an_instance_that_alone_serves_a_release_is_named_with_it() -> None:
    offers = {one.action: one for one in offers_of(instance_view(), (engine_view(),))}
    assert offers[Action.DRAIN].only_here == ("damage 1.1.0",)
    assert offers[Action.ISOLATE].only_here == ("damage 1.1.0",)
    assert offers[Action.HEAL].only_here == ()
    elsewhere = offers_of(instance_view("triton-1"), (engine_view(),))
    assert all(one.only_here == () for one in elsewhere)


def test_a_served_release_is_shown_with_its_model_its_pins_and_its_share() -> None:
    page = show_instance(instance_view(), history=(), engines=(engine_view(),), now=NOW)
    (engine,) = page.engines
    (served,) = engine.releases
    assert (engine.name, engine.fitness, engine.reason) == ("damage", "fit", "probe: ok")
    assert served.release == "1.1.0"
    assert served.model == "damage--1.1.0"
    assert served.pins == (("damage_detector", 2),)
    assert served.role == "stable, 100 % of the traffic"
    assert (served.breaker, engine.breaker) == ("closed", "closed")


def test_what_the_catalogue_does_not_know_is_shown_without_pins() -> None:
    view = replace(instance_view(), serving={"odd": ("0.1.0",)}, engines={})
    (engine,) = show_instance(view, history=(), engines=(engine_view(),), now=NOW).engines
    assert (engine.fitness, engine.in_flight) == (None, None)
    assert (engine.releases[0].pins, engine.releases[0].role) == ((), "not in the catalogue")


def test_a_breaker_is_shown_at_its_release_and_the_worst_at_its_engine() -> None:
    view = replace(
        instance_view(),
        breakers={"damage 1.1.0": "half_open", "damage 0.9.0": "open", "damages 1": "isolated"},
    )
    (engine,) = show_instance(view, history=(), engines=(engine_view(),), now=NOW).engines
    assert (engine.releases[0].breaker, engine.breaker) == ("half_open", "open")


def test_an_engine_that_is_judged_but_not_served_is_shown() -> None:
    view = replace(
        instance_view(),
        serving={},
        engines={"damage": EngineThereView("given_up", "it would not load", 0)},
    )
    (engine,) = show_instance(view, history=(), engines=(engine_view(),), now=NOW).engines
    assert (engine.fitness, engine.releases) == ("given_up", ())


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"is_stable": False}, "canary, 100 % of the traffic"),
        ({"is_stable": False, "is_canary": False}, "100 % of the traffic"),
        ({"is_stable": False, "is_canary": False, "weight_bp": 0}, "no traffic"),
        (
            {"is_stable": False, "is_canary": False, "weight_bp": 0, "shadow_bp": 500},
            "shadow, 5 % copied to it",
        ),
    ],
)
def test_the_role_of_a_release_in_words(changes: dict[str, Any], role: str) -> None:
    engine = engine_view()
    release = replace(engine.releases[1], **changes)
    engine = replace(engine, releases=(release,))
    page = show_instance(instance_view(), history=(), engines=(engine,), now=NOW)
    assert page.engines[0].releases[0].role == role


def test_the_history_comes_with_its_timeline() -> None:
    page = show_instance(instance_view(), history=(change_view(),), engines=(), now=NOW)
    assert page.history == (change_view(),)
    assert page.timeline is not None
    assert page.timeline.lanes[0].stretches[-1].state == "healthy"
