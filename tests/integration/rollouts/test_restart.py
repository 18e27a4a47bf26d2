"""A whole ``tidegate up`` is killed in a step, Tritons and all, and goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.rollouts.checks import promised, split_chances
from tests.integration.rollouts.load import scored, wait_for
from tests.integration.rollouts.repository import GOOD, executions
from tests.integration.rollouts.routes import routes_watched
from tests.integration.rollouts.split import LEAST_P
from tests.integration.rollouts.stage import rollout_fleet
from tests.integration.rollouts.steering import Steering
from tests.integration.running import RunningTidegate, wait_until

pytestmark = pytest.mark.triton


@pytest.fixture
def own_fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTidegate]:
    with rollout_fleet(tmp_path_factory.mktemp("killed")) as tidegate:
        yield tidegate


def test_it_goes_on_where_it_was(own_fleet: RunningTidegate) -> None:
    steering = Steering(own_fleet.url)
    rollout = steering.start(GOOD, steps_percent=[30, 100], manual=True)
    steering.wait_for(rollout, "step")
    own_fleet.remember_family()
    own_fleet.process.kill()
    own_fleet.process.wait()
    wait_until(lambda: not own_fleet.leftovers(), what="everything of it gone")
    own_fleet.start()
    with routes_watched(own_fleet.url) as sights:
        own_fleet.wait_ready()
        sights.first(lambda one: GOOD in one.weights_bp, after_s=0, what="the canary's traffic")
        wait_until(own_fleet.are_all_ready, timeout_s=60, what="both Tritons well")
        with scored(own_fleet.grpc, least=300) as answers:
            assert steering.show(rollout)["state"] == "step"
            steering.act(rollout, "advance")
            steering.wait_for(rollout, "step", step=2)
            steering.act(rollout, "advance")
            steering.wait_for(rollout, "completed")
            wait_for(answers, 50)
    assert promised(answers, executions(own_fleet.model_repository), sights) == []
    assert min(split_chances(answers, sights).values()) > LEAST_P
