"""Which releases an engine needs, and that its route names only what is ready."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from control_plane.core.reconcile import Reason, ReleaseKey, Wanted
from control_plane.core.rollout import Command, Goal, Kind, Plan, Rollout, obey, routes_of
from control_plane.core.routing import (
    ALL_BP,
    Route,
    RoutingTable,
    Shadow,
    Trial,
    all_to_stable,
    choose_release,
)
from tests.unit.core.rollout.rolling import (
    DAMAGE_ENGINE,
    NOW_S,
    PLANS,
    completed,
    failed,
    paused,
    preparing,
    promoting,
    rolled_back,
    rolling_back,
    started,
    under_way,
)
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, ENGINES

OLD, NEW = ("damage", "1.0.0"), ("damage", "1.1.0")
BOTH = frozenset({OLD, NEW})
STABLE_ONLY = Route(
    engine="damage",
    salt="damage",
    stable="1.0.0",
    weights_bp={"1.0.0": ALL_BP},
    serving={"1.0.0": DAMAGE},
    known=frozenset({"1.0.0", "1.1.0"}),
)


def goal(rollout: Rollout | None = None, fallback: str | None = None) -> Goal:
    stable = "1.0.0" if rollout is None else rollout.stable_now
    return Goal(DAMAGE_ENGINE, stable, rollout, fallback)


def route(goal: Goal, routable: frozenset[ReleaseKey] = BOTH) -> Route:
    return routes_of([goal], routable, RoutingTable()).routes["damage"]


class TestWanted:
    @pytest.mark.parametrize(
        "rollout", [None, started(), rolling_back(), rolled_back(), failed(), paused(started())]
    )
    def test_without_a_target_stable_is_all(self, rollout: Rollout | None) -> None:
        assert goal(rollout).wanted == (Wanted(DAMAGE, Reason.STABLE),)

    @pytest.mark.parametrize(
        "rollout", [preparing(), under_way(), promoting(), paused(preparing())]
    )
    def test_a_target_is_wanted_from_its_preparing_on(self, rollout: Rollout) -> None:
        assert goal(rollout).wanted == (
            Wanted(DAMAGE, Reason.STABLE),
            Wanted(DAMAGE_NEXT, Reason.CANARY),
        )

    def test_once_promoted_it_is_stable_and_the_old_one_is_not_wanted(self) -> None:
        assert goal(completed()).wanted == (Wanted(DAMAGE_NEXT, Reason.STABLE),)

    def test_what_is_fallen_back_to_is_wanted_in_any_case(self) -> None:
        spare = Wanted(DAMAGE_NEXT, Reason.FALLBACK)
        for rollout in (None, under_way(), rolling_back()):
            assert goal(rollout, "1.1.0").wanted == (Wanted(DAMAGE, Reason.STABLE), spare)
        assert goal(None, "1.0.0").wanted == (Wanted(DAMAGE, Reason.STABLE),)


class TestRoutes:
    @pytest.mark.parametrize(
        "rollout", [None, started(), preparing(), rolling_back(), rolled_back(), failed()]
    )
    def test_without_traffic_for_a_target_stable_has_all(self, rollout: Rollout | None) -> None:
        assert route(goal(rollout)) == STABLE_ONLY

    def test_a_step_gives_the_target_its_weight(self) -> None:
        canary = replace(
            STABLE_ONLY,
            salt="r1",
            weights_bp={"1.0.0": 9_500, "1.1.0": 500},
            serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT},
            canary="1.1.0",
        )
        assert route(goal(under_way())) == canary
        assert list(route(goal(under_way())).weights_bp) == ["1.0.0", "1.1.0"]
        assert route(goal(paused(under_way()))) == canary

    def test_promoting_gives_it_all_and_keeps_stable_at_hand(self) -> None:
        found = route(goal(promoting()))
        assert found.weights_bp == {"1.1.0": ALL_BP}
        assert (found.stable, found.canary) == ("1.0.0", "1.1.0")
        assert set(found.serving) == {"1.0.0", "1.1.0"}

    def test_a_shadow_answers_nobody(self) -> None:
        found = route(goal(under_way(Plan.shadow(30))))
        assert found.shadow == Shadow("1.1.0", 3_000)
        assert found.weights_bp == {"1.0.0": ALL_BP}
        assert found.canary is None
        assert set(found.serving) == {"1.0.0", "1.1.0"}

    @pytest.mark.parametrize("rollout", [under_way(), promoting(), under_way(Plan.shadow(30))])
    def test_a_target_that_is_ready_nowhere_is_not_named(self, rollout: Rollout) -> None:
        assert route(goal(rollout), frozenset({OLD})) == STABLE_ONLY

    def test_stable_is_named_even_when_nothing_is_ready(self) -> None:
        assert route(goal(under_way()), frozenset()) == STABLE_ONLY

    def test_the_fallback_is_named_when_it_is_ready(self) -> None:
        spare = goal(None, "1.1.0")
        assert route(spare) == replace(
            STABLE_ONLY, serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT}, fallback="1.1.0"
        )
        assert route(spare, frozenset({OLD})) == STABLE_ONLY

    def test_another_engines_release_makes_nothing_ready(self) -> None:
        assert route(goal(under_way()), frozenset({OLD, ("materials", "1.1.0")})) == STABLE_ONLY

    def test_the_revision_grows_with_every_change_and_with_nothing_else(self) -> None:
        goals = [Goal(engine, engine.stable) for engine in ENGINES.values()]
        first = routes_of(goals, frozenset(), RoutingTable(7))
        assert first == all_to_stable(ENGINES.values(), revision=8)
        assert routes_of(goals, BOTH, first) is first
        canary = [goal(under_way()), *goals[1:]]
        second = routes_of(canary, BOTH, first)
        assert (second.revision, list(second.routes)) == (9, ["damage", "materials", "volume"])

    def test_who_is_in_the_canary_stays_in_it_as_it_grows(self) -> None:
        keys = [f"user-{number}" for number in range(2_000)]
        rollout = under_way(Plan(steps_percent=(1, 5, 25, 50, 100)))
        inside = []
        for _ in range(6):
            found = route(goal(rollout))
            inside.append({key for key in keys if choose_release(found, "", key) is DAMAGE_NEXT})
            if rollout.step < 5 or rollout.traffic.weight_bp < ALL_BP:
                rollout = obey(rollout, Command.ADVANCE, "", NOW_S)
        assert all(before <= after for before, after in pairwise(inside))
        assert 0 < len(inside[0]) < len(inside[1]) < len(inside[2]) < len(inside[3]) < 2_000
        assert len(inside[4]) == len(inside[5]) == 2_000

    def test_another_rollout_tries_others_first(self) -> None:
        keys = [f"user-{number}" for number in range(2_000)]
        first = under_way(PLANS[Kind.EXPERIMENT])
        chosen = [
            [choose_release(route(goal(one)), "", key) is DAMAGE_NEXT for key in keys]
            for one in (first, replace(first, rollout_id="r2"))
        ]
        both = sum(a and b for a, b in zip(*chosen, strict=True))
        assert 120 < both < 240  # 30 % of 30 %


class TestTrial:
    TRIAL = Trial("r1", 1, slow_s=0.2)

    def test_the_split_carries_what_it_is_measured_by(self) -> None:
        split = route(replace(goal(under_way()), trial=self.TRIAL))
        assert split.trial is self.TRIAL

    def test_where_nothing_is_split_nothing_is_measured(self) -> None:
        assert route(replace(goal(under_way()), trial=self.TRIAL), frozenset({OLD})).trial is None
        assert route(replace(goal(rolling_back()), trial=self.TRIAL)).trial is None
