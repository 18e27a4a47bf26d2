"""Whatever happens to Tritons under load, what docs/reliability.md promises is kept.

The scenarios and their bounds are those of ``benchmarks/faults.py``; only latencies that are
compared with earlier ones are given more room here, because the machine may be busy.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.faults.scenarios import dying, flapping, lying, overload, partial, slowing
from tests.integration.faults.shown import Shown
from tests.integration.running import RunningTidegate

pytestmark = [pytest.mark.triton, pytest.mark.alone]

FLAPPING_S = 12.0
Scenario = Callable[[RunningTidegate], Shown]


@pytest.mark.parametrize(
    "scenario",
    [
        dying.kill_one,
        dying.hang_one,
        lying.kill_stub,
        lying.unload_component,
        slowing.slow_one,
        overload.overload,
        partial.engine_dead_everywhere,
        dying.kill_all,
    ],
)
def test_a_fault_that_callers_hardly_notice(staged: RunningTidegate, scenario: Scenario) -> None:
    assert scenario(staged).broken(is_busy=True) == []


@pytest.mark.parametrize("scenario", [flapping.flap_by_stopping, flapping.flap_by_failing])
def test_an_instance_that_is_ill_and_well_in_turn(
    staged: RunningTidegate, scenario: Callable[[RunningTidegate, float], Shown]
) -> None:
    assert scenario(staged, FLAPPING_S).broken(is_busy=True) == []


@pytest.mark.parametrize("scenario", [lying.kill_detector, lying.kill_preprocess])
def test_a_dead_process_of_the_shipped_models(photos: RunningTidegate, scenario: Scenario) -> None:
    assert scenario(photos).broken(is_busy=True) == []
