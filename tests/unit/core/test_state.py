"""The goals that follow from what is stored, whatever has become of the catalogue."""

from __future__ import annotations

from dataclasses import replace

from control_plane.core.rollout import Goal
from control_plane.core.routing import Trial, all_to_stable
from control_plane.core.state import EngineState, State, goals_of
from tests.unit.core.rollout.rolling import under_way
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, ENGINES

DAMAGE_ENGINE = ENGINES["damage"]
ONLY_DAMAGE = {"damage": DAMAGE_ENGINE}
TABLE = all_to_stable(ENGINES.values(), revision=1)


def test_an_engine_that_is_not_stored_yet_has_no_goal() -> None:
    assert goals_of(State(), ENGINES, {}) == ()


def test_what_is_stored_is_the_goal() -> None:
    rollout, trial = under_way(), Trial("r1", 1, slow_s=0.2)
    state = State(1, {"damage": EngineState("1.0.0", rollout, trial)})
    (goal,) = goals_of(state, ONLY_DAMAGE, {"damage": "1.1.0"})
    assert goal == Goal(DAMAGE_ENGINE, "1.0.0", rollout, "1.1.0", trial)


def test_what_the_routes_name_is_served_though_the_catalogue_has_lost_it() -> None:
    state = State(1, {"damage": EngineState("1.0.0")}, TABLE)
    struck = {"damage": replace(DAMAGE_ENGINE, stable="1.1.0", releases={"1.1.0": DAMAGE_NEXT})}
    (goal,) = goals_of(state, struck, {})
    assert goal.stable == "1.0.0"
    assert goal.engine.releases["1.0.0"] == DAMAGE


def test_a_stable_release_that_nobody_knows_any_more_gives_way_to_the_declared_one() -> None:
    (goal,) = goals_of(State(1, {"damage": EngineState("0.9.0")}), ONLY_DAMAGE, {})
    assert goal.stable == "1.0.0"


def test_a_rollout_to_what_nobody_knows_any_more_wants_nothing() -> None:
    rollout = replace(under_way(), target="9.9.9")
    (goal,) = goals_of(State(1, {"damage": EngineState("1.0.0", rollout)}), ONLY_DAMAGE, {})
    assert goal.rollout is None
