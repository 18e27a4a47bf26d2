"""Rollouts under load on two real Tritons: forwards, back, and back by themselves.

The scenarios and their bounds are those of ``benchmarks/rollouts.py``; only latencies that are
compared with earlier ones are given more room here, because the machine may be busy.
"""

from __future__ import annotations

import pytest

from tests.integration.rollouts.checks import promised
from tests.integration.rollouts.load import scored, wait_for
from tests.integration.rollouts.repository import LYING, UNLOADABLE, executions
from tests.integration.rollouts.routes import routes_watched
from tests.integration.rollouts.scenarios.moving import promote_and_roll_back, take_back_at
from tests.integration.rollouts.scenarios.turning import FAULTS, Fault, turn_back
from tests.integration.rollouts.steering import Steering
from tests.integration.running import RunningTidegate

pytestmark = [pytest.mark.triton, pytest.mark.alone]


def test_a_good_release_through_all_steps_and_back(fleet: RunningTidegate) -> None:
    shown = promote_and_roll_back(fleet, min_step_s=2, min_samples=10)
    assert shown.broken(is_busy=True) == []


def test_a_rollback_takes_all_of_the_traffic_at_once(fleet: RunningTidegate) -> None:
    assert take_back_at(fleet, 100).broken(is_busy=True) == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.metric)
def test_a_bad_release_goes_back_by_itself(fleet: RunningTidegate, fault: Fault) -> None:
    assert turn_back(fleet, fault, percent=25).broken(is_busy=True) == []


@pytest.mark.parametrize(
    ("release", "reason"),
    [(UNLOADABLE, "cannot be loaded on purpose"), (LYING, "VERSION[0] is -1")],
)
def test_a_release_that_cannot_be_proved_never_has_traffic(
    fleet: RunningTidegate, steering: Steering, release: str, reason: str
) -> None:
    with routes_watched(fleet.url) as sights, scored(fleet.grpc, least=50) as answers:
        ended = steering.wait_for(steering.start(release), "failed")
        steering.settle()
        wait_for(answers, 50)
    assert reason in ended["reason"]
    assert not any(release in sight.weights_bp for sight in sights.seen)
    done = executions(fleet.model_repository)
    assert not any(one.release == release and one.is_of_load for one in done)
    assert promised(answers, done, sights) == []
