"""Two control planes before the same Tritons: whichever is killed, at whatever point, it goes on.

The load goes to the plane that does not lead, so nobody's request is under way in the one that
is killed. What callers see of it is therefore nothing at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.integration.rollouts.checks import last_on, promised
from tests.integration.rollouts.killing import (
    kill_and_converge,
    leader_of,
    nth_action,
    other_than,
    revive,
    target_of,
)
from tests.integration.rollouts.load import scored, wait_for
from tests.integration.rollouts.repository import ENGINE, executions
from tests.integration.rollouts.routes import RouteSight, routes_watched
from tests.integration.rollouts.stage import (
    LEASE_S,
    Pair,
    ServingPlane,
    bare_tritons,
    two_serving,
)
from tests.integration.rollouts.steering import Steering
from tests.integration.running import wait_until

pytestmark = [pytest.mark.triton, pytest.mark.alone]

POINTS = (1, 4, 8, 13)
"""Beginnings (odd) and ends (even) of a direct rollout's actions: a load, a twin and a proof on
the first instance, the second one, what is not stable any more taken away. Every point there is
is tried in ``tests/unit/services/test_crashes.py``."""

FOLLOWED_WITHIN_S = 0.25
BACK_WITHIN_S = 1.0
"""On a machine that does other things too; ``benchmarks/rollouts.py`` holds it to 0.25 s."""

NOTICED_WITHIN_S = 1.0
"""Beside the lease's own time: what it takes to ask for it again and to begin."""


@pytest.fixture(scope="module")
def planes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("planes")
    with bare_tritons(folder) as tritons, two_serving(folder, tritons) as pair:
        yield pair


def test_both_follow_the_routes_as_they_change(planes: Pair) -> None:
    first, second = planes
    steering = Steering(first.url)
    with routes_watched(first.url) as seen_here, routes_watched(second.url) as seen_there:
        rollout = steering.start(target_of(steering), steps_percent=[20, 50, 100], manual=True)
        for step in (1, 2, 3):
            steering.wait_for(rollout, "step", step=step)
            time.sleep(0.5)
            Steering(second.url).act(rollout, "advance")
        steering.wait_for(rollout, "completed")
        time.sleep(0.5)
    here, there = seen_here.changes, seen_there.changes
    assert [one.weights_bp for one in here] == [one.weights_bp for one in there]
    assert len(here) == 4  # all, 20, 50 and 100 %
    assert max(map(lag_s, here[1:], there[1:])) < FOLLOWED_WITHIN_S


def test_each_shows_what_both_have_served(planes: Pair) -> None:
    before = [requests_of(shown_by(plane)) for plane in planes]
    with scored(planes[0].grpc, least=100) as here, scored(planes[1].grpc, least=50) as there:
        pass
    asked = len(here) + len(there)

    def is_whole(plane: ServingPlane) -> bool:
        shown = shown_by(plane)
        return shown["is_merged"] and requests_of(shown) >= max(before) + asked

    for plane in planes:
        wait_until(lambda plane=plane: is_whole(plane), timeout_s=30, what="both planes' requests")
    first, second = (shown_by(plane) for plane in planes)
    assert requests_of(first) == requests_of(second)
    names = [
        {one["plane"] for one in shown["planes"] if not one["is_gone"]} for shown in (first, second)
    ]
    assert names[0] == names[1] == {first["plane"], second["plane"]}
    chart = planes[1].get(f"/api/v1/engines/{ENGINE}/series")
    assert chart["is_merged"]


def shown_by(plane: ServingPlane) -> Any:
    return plane.get("/api/v1/orchestrator/metrics")


def requests_of(shown: Any) -> int:
    engines = shown["engines"]
    return int(engines[ENGINE]["total"]["15m"]["requests"]) if ENGINE in engines else 0


def lag_s(here: RouteSight, there: RouteSight) -> float:
    """How much later one has seen a change than the other, at the most."""
    return abs(here.answered_s - there.answered_s)


def test_the_leader_is_killed_and_the_other_one_finishes_in_time(planes: Pair) -> None:
    leader = leader_of(planes)
    survivor = other_than(leader, planes)
    steering = Steering(survivor.url)
    with routes_watched(survivor.url) as sights, scored(survivor.grpc, least=50) as answers:
        rollout = steering.start(
            target_of(steering), steps_percent=[50], min_step_s=1, min_samples=20
        )
        steering.wait_for(rollout, "step")
        leader.kill()
        killed_s = time.time()
        taken_s = wait_until(lambda: led_since(survivor, killed_s), what="a new leader")
        steering.wait_for(rollout, "completed")
        steering.settle()
        wait_for(answers, 50)
    assert taken_s - killed_s < LEASE_S + NOTICED_WITHIN_S
    assert promised(answers, executions(survivor.model_repository), sights) == []
    revive(leader)


def test_a_rollback_needs_no_leader(planes: Pair) -> None:
    leader = leader_of(planes)
    survivor = other_than(leader, planes)
    steering = Steering(survivor.url)
    target = target_of(steering)
    with routes_watched(survivor.url) as sights, scored(survivor.grpc, least=50) as answers:
        rollout = steering.start(target, steps_percent=[50], manual=True)
        steering.wait_for(rollout, "step")
        wait_for(answers, 50)
        leader.kill()
        ordered_s = time.time()
        steering.roll_back()
        assert steering.show(rollout)["state"] == "rolling_back"
        steering.wait_for(rollout, "rolled_back")
        steering.settle()
    done = executions(survivor.model_repository)
    assert last_on(target, done) - ordered_s < BACK_WITHIN_S
    assert promised(answers, done, sights) == []
    revive(leader)


def led_since(plane: ServingPlane, since_s: float) -> float | None:
    """When a plane said that it leads, if it has since then."""
    moments = (moment for moment in plane.logged("leading") if moment > since_s)
    return next(moments, None)


@pytest.mark.parametrize("number", POINTS)
def test_the_leader_is_killed_at_an_action(planes: Pair, number: int) -> None:
    kill_and_converge(planes, nth_action(number), kind="direct")
