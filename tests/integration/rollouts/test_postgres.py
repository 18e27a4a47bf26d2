"""Two control planes whose state is in a real Postgres: as on SQLite."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from tests.integration.rollouts.checks import promised
from tests.integration.rollouts.killing import (
    Line,
    done_when,
    kill_and_converge,
    leader_of,
    nth_action,
    other_than,
    target_of,
)
from tests.integration.rollouts.load import scored, wait_for
from tests.integration.rollouts.repository import executions
from tests.integration.rollouts.routes import routes_watched
from tests.integration.rollouts.stage import Pair, bare_tritons, two_serving
from tests.integration.rollouts.steering import Steering
from tests.integration.running import wait_until
from tests.servers.postgres import PostgresServer

pytestmark = [pytest.mark.triton, pytest.mark.alone]

FROZEN_AT = (2, 14)
"""The end of the first load, and of the first twin that is taken away: more is to be done there."""


@pytest.fixture(scope="module")
def planes(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("postgres")
    settings = {"store.url": postgres.new_database()}
    with bare_tritons(folder) as tritons, two_serving(folder, tritons, **settings) as pair:
        yield pair


def test_the_leader_is_killed_and_the_other_one_finishes(planes: Pair) -> None:
    def is_loading(line: Line) -> bool:
        return bool(line["event"] == "action begins")

    kill_and_converge(planes, is_loading, steps_percent=[50], min_step_s=1, min_samples=20)


@pytest.mark.parametrize("number", FROZEN_AT)
def test_a_leader_that_was_frozen_changes_nothing_when_it_wakes_up(
    planes: Pair, number: int
) -> None:
    """Meanwhile the other one has finished the rollout, and gone on to the next one.

    Not on SQLite: whoever is frozen in the middle of a write has the lock of its file.
    """
    leader = leader_of(planes)
    survivor = other_than(leader, planes)
    steering = Steering(survivor.url)
    with routes_watched(survivor.url) as sights, scored(survivor.grpc, least=50) as answers:
        with done_when(leader, nth_action(number), leader.suspend) as deed:
            rollout = steering.start(target_of(steering), kind="direct")
            wait_until(lambda: deed.is_done, what="the point at which it is frozen")
        steering.wait_for(rollout, "completed")
        target = target_of(steering)
        following = wait_until(lambda: begun(steering, target), what="the next rollout")
        steering.wait_for(following, "step")
        woken_s = time.time()
        leader.resume()
        wait_until(leader.are_all_ready, timeout_s=60, what="both Tritons well")
        wait_for(answers, 100)
        assert steering.show(following)["state"] == "step"
        assert all(len(one.ready_on[target]) == 2 for one in sights.seen if one.asked_s > woken_s)
        steering.roll_back()
        steering.wait_for(following, "rolled_back")
        steering.settle()
    assert [at_s for at_s in leader.logged("action begins") if at_s > woken_s] == []
    assert promised(answers, executions(survivor.model_repository), sights) == []


def begun(steering: Steering, target: str) -> str:
    """The id of a rollout, "" while the store is held by whoever was frozen."""
    with contextlib.suppress(AssertionError):  # 503
        return steering.start(target, steps_percent=[50], manual=True)
    return ""
