"""More jobs than the fleet can do: high hardly waits, and low is slow but moves."""

from __future__ import annotations

from math import ceil

import pytest

from control_plane.core.detections import Priority
from control_plane.core.jobs import DrainOptions
from tests.simulation.jobs import JobSimulation, JobTraffic, Waits
from tests.unit.virtual_time import run_virtually

HIGH, NORMAL, LOW = Priority
SEEDS = (1, 2)


def traffic(*, high: float, normal: float, low: float, seconds: float = 90.0) -> JobTraffic:
    """As multiples of what the fleet can do."""
    capacity_per_s = JobTraffic({}, 0).capacity_per_s
    shares = {HIGH: high, NORMAL: normal, LOW: low}
    return JobTraffic(
        {one: share * capacity_per_s for one, share in shares.items() if share}, seconds
    )


def simulated(asked: JobTraffic, seed: int, drain: DrainOptions | None = None) -> Waits:
    simulation = JobSimulation(asked, seed=seed, drain=drain)
    waits = run_virtually(simulation.run())
    # A worker takes no more than the fleet can run: the rest waits in the queue.
    assert simulation.most_busy <= asked.slots
    return waits


def p95_s(waits: Waits, priority: Priority) -> float:
    found = sorted(waits.waits_s[priority])
    return found[ceil(0.95 * len(found)) - 1]


@pytest.mark.parametrize("seed", SEEDS)
def test_high_waits_less_than_a_tenth_of_low_and_low_still_moves(seed: int) -> None:
    waits = simulated(traffic(high=0.45, normal=0.6, low=0.45), seed)
    assert p95_s(waits, HIGH) < p95_s(waits, LOW) / 10
    assert p95_s(waits, HIGH) < p95_s(waits, NORMAL) < p95_s(waits, LOW)
    done = waits.done_in_time
    assert done[LOW] >= 0.08 * sum(done.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_done_is_shared_by_weight_when_all_wait(seed: int) -> None:
    # Longer than a minute or two, the oldest of low would weigh more.
    waits = simulated(traffic(high=2.0, normal=1.0, low=1.0, seconds=60.0), seed)
    done = waits.done_in_time
    whole = sum(done.values())
    assert done[HIGH] / whole == pytest.approx(8 / 12, abs=0.05)
    assert done[NORMAL] / whole == pytest.approx(3 / 12, abs=0.05)
    assert done[LOW] / whole == pytest.approx(1 / 12, abs=0.03)


def test_low_alone_has_all_of_the_fleet() -> None:
    asked = traffic(high=0, normal=0, low=1.2, seconds=30.0)
    done = simulated(asked, 1).done_in_time
    assert done[LOW] >= 0.9 * asked.capacity_per_s * 30.0


def test_the_older_low_is_the_more_of_it_is_done() -> None:
    asked = traffic(high=1.2, normal=0, low=0.6, seconds=60.0)
    slow = simulated(asked, 1, DrainOptions(ageing_s=10_000.0)).done_in_time
    quick = simulated(asked, 1, DrainOptions(ageing_s=10.0)).done_in_time
    assert quick[LOW] > 1.5 * slow[LOW]
    # But never more than high.
    assert quick[HIGH] >= 0.95 * quick[LOW]
