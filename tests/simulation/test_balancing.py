"""What the policies do to callers' latencies: the same callers, the same fleets."""

from __future__ import annotations

import pytest

from control_plane.core.balancing import PolicyName, PoolOptions
from tests.simulation.fleet import FleetSimulation, Traffic
from tests.simulation.instances import InstanceModel, alike
from tests.simulation.report import Report

ONE_SLOT = InstanceModel(slots=1)
PATIENT = 30.0


def spread(models: dict[str, InstanceModel], policy: PolicyName, requests: int) -> Report:
    """At 80 % of what the fleet can do; nobody is cut off."""
    rate_per_s = 0.8 * sum(model.capacity_per_s for model in models.values())
    traffic = Traffic(requests, rate_per_s, try_timeout_s=PATIENT, deadline_s=PATIENT)
    return FleetSimulation(models, traffic, seed=1, options=PoolOptions(policy=policy)).run()


def test_p2c_spreads_latency_less_than_round_robin() -> None:
    """10 alike, one slot each: the queues that chance makes are not added to."""
    p2c = spread(alike(10, ONE_SLOT), PolicyName.P2C_EWMA, 100_000)
    turns = spread(alike(10, ONE_SLOT), PolicyName.ROUND_ROBIN, 100_000)
    assert p2c.success_rate() == turns.success_rate() == 1.0
    assert p2c.latency_s(0.99) < 0.85 * turns.latency_s(0.99)
    assert p2c.latency_s(0.999) < 0.85 * turns.latency_s(0.999)


def test_p2c_finds_out_what_each_instance_can_do() -> None:
    """A third is three times as fast. Nobody said so, and round robin drowns the others."""
    fast = InstanceModel(median_s=0.02, slots=1)
    mixed = {f"slow-{n}": InstanceModel(median_s=0.06, slots=1) for n in range(4)}
    mixed |= {f"fast-{n}": fast for n in range(2)}
    p2c = spread(mixed, PolicyName.P2C_EWMA, 30_000)
    assert p2c.success_rate() == 1.0
    assert p2c.latency_s(0.99) < 0.6
    assert 1.5 < p2c.tries_to("fast-0") / p2c.tries_to("slow-0") < 6.0
    turns = spread(mixed, PolicyName.ROUND_ROBIN, 30_000)
    assert turns.latency_s(0.99) > 5 * p2c.latency_s(0.99)


def test_weighted_keeps_to_the_weights() -> None:
    models = {
        "small": InstanceModel(slots=2, weight=1.0),
        "large": InstanceModel(slots=6, weight=3.0),
    }
    report = spread(models, PolicyName.WEIGHTED, 20_000)
    assert report.share_of("large") == pytest.approx(0.75, abs=0.005)


@pytest.mark.parametrize("policy", PolicyName)
def test_the_same_seed_is_the_same_story(policy: PolicyName) -> None:
    first, second = (spread(alike(3), policy, 2_000).latencies_s() for _ in range(2))
    assert first == second
    assert len(first) == 2_000


@pytest.mark.parametrize("instances", [2, 3, 4, 1000])
def test_traffic_is_even_among_equals(instances: int) -> None:
    report = spread(alike(instances), PolicyName.P2C_EWMA, 20_000)
    fair = 20_000 / instances
    counts = [report.tries_to(f"triton-{number}") for number in range(instances)]
    assert min(counts) > 0.2 * fair
    assert max(counts) < 3.0 * fair


@pytest.mark.parametrize("policy", [PolicyName.P2C_EWMA, PolicyName.WEIGHTED])
def test_one_that_comes_late_is_warmed_up(policy: PolicyName) -> None:
    """Added at 30 s beside three others: little at first, its share in the end."""
    late = FleetSimulation(
        alike(4), Traffic(30_000, 400.0), seed=4, options=PoolOptions(policy=policy)
    )
    late.at(0.0, lambda: late.pool.remove("triton-3"))
    late.at(30.0, lambda: late.pool.add("triton-3", 30.0))
    report = late.run()
    assert report.success_rate() == 1.0
    assert report.tries_to("triton-3", 0.0, 30.0) == 0
    assert 0 < report.share_of("triton-3", 30.0, 32.0) < 0.1
    assert report.share_of("triton-3", 50.0) == pytest.approx(0.25, abs=0.05)
