"""Tritons that are killed in the middle of a rollout, and rollbacks while they are away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from tests.integration.rollouts.checks import last_on, promised
from tests.integration.rollouts.load import scored, wait_for
from tests.integration.rollouts.repository import GOOD, STABLE, executions
from tests.integration.rollouts.routes import routes_watched
from tests.integration.rollouts.stage import (
    FIRST,
    SECOND,
    ServingPlane,
    bare_tritons,
    kill_server,
    serving,
)
from tests.integration.rollouts.steering import Steering
from tests.integration.running import RunningTidegate, wait_until
from tests.integration.tritons import RunningTritons

pytestmark = [pytest.mark.triton, pytest.mark.alone]

AWAY_S = 4.0
BACK_WITHIN_S = 1.0
"""On a machine that does other things too; ``benchmarks/rollouts.py`` holds it to 0.25 s."""

PLAN: dict[str, Any] = {"steps_percent": [50, 100], "manual": True}


def kill_one(tidegate: RunningTidegate, name: str) -> None:
    port = int(tidegate.triton_urls[name].rpartition(":")[2])
    kill_server(psutil.Process(tidegate.process.pid), port)


def wait_for_both(steering: Steering, *releases: str) -> None:
    """Until both Tritons have these releases, so that each can do without the other."""

    def have_both() -> bool:
        listed = steering.releases()
        return all(set(listed[one]["ready_on"]) == {FIRST, SECOND} for one in releases)

    wait_until(have_both, timeout_s=60, what=f"{releases} on both")


def test_a_triton_is_killed_in_every_state(fleet: RunningTidegate, steering: Steering) -> None:
    """Nobody notices: whatever was under way there, the other one has all that is routed."""
    with routes_watched(fleet.url) as sights, scored(fleet.grpc, least=50) as answers:
        rollout = steering.start(GOOD, **PLAN)
        steering.wait_for(rollout, "preparing")
        kill_one(fleet, FIRST)
        for step, name in enumerate((SECOND, FIRST), start=1):
            steering.wait_for(rollout, "step", step=step)
            wait_for_both(steering, STABLE, GOOD)
            kill_one(fleet, name)
            wait_for(answers, 100)
            wait_for_both(steering, STABLE, GOOD)
            steering.act(rollout, "advance")
        steering.wait_for(rollout, "completed")
        wait_for_both(steering, GOOD)
        back = steering.roll_back()["id"]
        steering.wait_for(back, "preparing")
        kill_one(fleet, SECOND)
        steering.wait_for(back, "completed")
        steering.settle()
        rollout = steering.start(GOOD, **PLAN)
        steering.wait_for(rollout, "step")
        wait_for_both(steering, STABLE, GOOD)
        steering.roll_back()
        kill_one(fleet, FIRST)
        steering.wait_for(rollout, "rolled_back")
        steering.settle()
        wait_for(answers, 50)
    assert promised(answers, executions(fleet.model_repository), sights) == []


@pytest.fixture(scope="module")
def tritons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTritons]:
    """Two that stay away for a while when they are killed."""
    with bare_tritons(tmp_path_factory.mktemp("away"), away_s=AWAY_S) as running:
        yield running


@pytest.fixture(scope="module")
def started_plane(
    tritons: RunningTritons, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServingPlane]:
    with serving(tmp_path_factory.mktemp("plane"), tritons) as running:
        yield running


@pytest.fixture
def plane(started_plane: ServingPlane) -> ServingPlane:
    wait_until(started_plane.are_all_ready, timeout_s=60, what="both Tritons well")
    Steering(started_plane.url).back_to_start()
    return started_plane


def test_a_rollback_while_one_triton_is_down(plane: ServingPlane, tritons: RunningTritons) -> None:
    steering = Steering(plane.url)
    with routes_watched(plane.url) as sights, scored(plane.grpc, least=50) as answers:
        rollout = steering.start(GOOD, **PLAN)
        steering.wait_for(rollout, "step")
        wait_for(answers, 50)
        kill(tritons, 0)
        wait_for(answers, 50)
        ordered_s = time.time()
        steering.roll_back()
        steering.wait_for(rollout, "rolled_back")
        assert tritons.status()[0].state != "ready", "it was back before the rollout was"
        wait_for(answers, 50)
        steering.settle()
    done = executions(plane.model_repository)
    assert last_on(GOOD, done) - ordered_s < BACK_WITHIN_S
    assert promised(answers, done, sights) == []


def test_a_rollback_while_every_triton_is_down(
    plane: ServingPlane, tritons: RunningTritons
) -> None:
    steering = Steering(plane.url)
    rollout = steering.start(GOOD, **PLAN)
    steering.wait_for(rollout, "step")
    for index in (0, 1):
        kill(tritons, index)
    steering.roll_back()
    assert steering.releases()[STABLE]["weight_bp"] == 10_000
    assert steering.show(rollout)["state"] in ("rolling_back", "rolled_back")
    with routes_watched(plane.url) as sights:
        wait_until(plane.are_all_ready, timeout_s=60, what="both Tritons well")
        steering.wait_for(rollout, "rolled_back")
        steering.settle()
    assert all(sight.weights_bp == {STABLE: 10_000} for sight in sights.seen)


def kill(tritons: RunningTritons, index: int) -> None:
    kill_server(psutil.Process(), tritons.options.ports(index).grpc)
