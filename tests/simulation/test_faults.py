"""Fleets that take blows, with nobody to help: breakers, retries and panic alone.

In the control plane a health loop takes dead instances out besides; here a fault is only
known from how calls end, which is the harder case (a Triton that says it is ready and lies).
"""

from __future__ import annotations

import pytest

from control_plane.core.balancing import PolicyName, PoolOptions
from control_plane.core.breaker import BreakerOptions
from control_plane.core.retry_budget import RetryBudgetOptions
from tests.simulation.fleet import FleetSimulation, Traffic
from tests.simulation.instances import Mode, alike, flaps
from tests.simulation.report import Report

BUDGET = RetryBudgetOptions()
FAULTS = [Mode.DEAD, Mode.HUNG]


def fleet(
    instances: int, requests: int, rate_per_s: float, *, policy: PolicyName = PolicyName.P2C_EWMA
) -> FleetSimulation:
    options = PoolOptions(policy=policy)
    return FleetSimulation(alike(instances), Traffic(requests, rate_per_s), seed=2, options=options)


def outage(
    of: FleetSimulation, count: int, mode: Mode, from_s: float, until_s: float
) -> FleetSimulation:
    """The first so many go wrong at once, and are well again at once."""
    for number in range(count):
        of.becomes(from_s, f"triton-{number}", mode)
        of.becomes(until_s, f"triton-{number}", Mode.HEALTHY)
    return of


def most_tries(report: Report) -> float:
    """What the retry budget allows: 1.2 times the requests, and its floor."""
    floor = BUDGET.floor_per_s * (report.ended_s + BUDGET.burst_s)
    return report.requests * (1 + BUDGET.ratio) + floor


def test_a_slow_instance_gets_little_traffic() -> None:
    """One of two 20 times slower, and not one call fails: latency alone turns callers away."""
    slow = fleet(2, 100_000, 100.0)
    slow.slows_down(500.0, "triton-0", 20.0)
    report = slow.run()
    assert report.failed() == 0
    assert report.share_of("triton-0", 0.0, 500.0) > 0.4
    assert report.share_of("triton-0", 505.0) < 0.02
    healthy_s = report.latency_s(0.99, 0.0, 500.0)
    assert report.latency_s(0.99, 505.0) < 2 * healthy_s


@pytest.mark.parametrize("policy", PolicyName)
@pytest.mark.parametrize("mode", FAULTS)
@pytest.mark.parametrize("instances", [2, 3, 4])
def test_one_of_a_small_fleet_goes_and_callers_do_not_notice(
    instances: int, mode: Mode, policy: PolicyName
) -> None:
    rate_per_s = 100.0 * (instances - 1)
    one_out = fleet(instances, int(80 * rate_per_s), rate_per_s, policy=policy)
    report = outage(one_out, 1, mode, 20.0, 40.0).run()
    assert report.failed() == 0
    assert report.panics == 0
    # Out within the time that two tries take to be given up, and then only probes.
    assert report.lost_between(22.0, 40.0) <= report.probes(22.0, 40.0) + 10
    assert report.share_of("triton-0", 22.0, 40.0) < 0.02
    assert report.latency_s(0.99, 22.0, 40.0) < 2 * report.latency_s(0.99, 0.0, 20.0)
    # Open times have grown to 16 s by then; back in rotation after that, and warm.
    assert report.share_of("triton-0", 75.0) > 0.6 / instances
    assert report.tries <= most_tries(report)


@pytest.mark.parametrize("mode", FAULTS)
def test_correlated_failure_of_a_large_fleet_is_survived(mode: Mode) -> None:
    """400 of 1,000 at once: probes stay an allowance, nobody herds to those that come due."""
    report = outage(fleet(1000, 60_000, 4000.0), 400, mode, 3.0, 9.0).run()
    assert report.success_rate() > 0.998
    assert report.failed(6.0) <= 3
    assert report.panics == 0
    assert report.tries <= most_tries(report)
    # A tenth of the first tries, a second's floor; arrivals are random: 4 sigma more.
    assert 20 < report.most_probes_in_a_second() <= 0.1 * (4000 + 4 * 64) + 2
    assert report.pool is not None
    most = BreakerOptions().max_probes
    assert all(each.breaker.probes_out <= most for each in report.pool.members)


def test_no_herd_at_half_open() -> None:
    """One of 20 hangs at 1,000 requests a second. Each time its open time is over, at most
    max_probes callers wait for it, not the fiftieth part of all."""
    report = outage(fleet(20, 60_000, 1000.0), 1, Mode.HUNG, 10.0, 55.0).run()
    assert report.failed() == 0
    openings = 7  # in 45 s, at 1, 2, 4, 8, 16 s less jitter, and the second that each probe takes
    assert report.lost_between(12.0, 55.0) <= openings * BreakerOptions().max_probes
    assert report.latency_s(0.999, 12.0, 55.0) < 0.5


def test_many_gateways_do_not_herd_at_half_open() -> None:
    """Eight that know nothing of each other: each sends max_probes at most each time, and
    their open times are jittered, so that they do not come back to it as one."""
    models, gateways = alike(10), 8
    shared = FleetSimulation(models, Traffic(40_000, 1000.0), seed=3, gateways=gateways)
    report = outage(shared, 1, Mode.HUNG, 8.0, 32.0).run()
    assert report.failed() == 0
    openings = 6  # in 24 s, at 1, 2, 4, 8 s less jitter, and the second that each probe takes
    most = gateways * openings * BreakerOptions().max_probes
    assert 0 < report.lost_between(12.0, 32.0) <= most
    # Of the second in which most of them ask, a share.
    herds = [report.lost_between(at_s / 10, at_s / 10 + 0.1) for at_s in range(120, 320)]
    assert max(herds) <= gateways * BreakerOptions().max_probes // 2


def test_a_burst_at_half_open_meets_the_limit_of_probes() -> None:
    """A hundred callers at the same moment, every second: whenever the hung one is due, no
    more than max_probes of them find out."""
    burst_times_s = [float(at_s) for at_s in range(10, 60)]
    bursts = fleet(4, 40 * 10 + 100 * len(burst_times_s), 10.0)
    for at_s in burst_times_s:
        bursts.burst(at_s, 100)
    report = outage(bursts, 1, Mode.HUNG, 5.0, 100.0).run()
    assert report.failed() == 0
    most = BreakerOptions().max_probes
    lost = [report.lost_between(at_s, at_s + 1e-6) for at_s in burst_times_s[2:]]
    assert 0 < max(lost) <= most
    assert sum(each > 0 for each in lost) <= 7, "and that ever more rarely"


@pytest.mark.parametrize("mode", FAULTS)
def test_a_retry_storm_does_not_amplify(mode: Mode) -> None:
    """Everything is down for 60 s, every request wants three tries; the budget says no."""
    report = outage(fleet(4, 60_000, 500.0), 4, mode, 30.0, 90.0).run()
    assert report.success_rate(31.0, 89.0) == 0.0
    assert report.tries <= most_tries(report)
    assert report.amplification < 1.2
    # What the budget had saved up is gone by then; its floor is the 3 retries a second on top.
    assert 1.1 < report.amplification_between(45.0, 89.0) < 1.21
    assert report.success_rate(92.0) > 0.9999


@pytest.mark.parametrize("mode", FAULTS)
@pytest.mark.parametrize("instances", [1, 2, 4])
def test_all_dead_is_panic_and_then_recovery(instances: int, mode: Mode) -> None:
    rate_per_s = 80.0 * instances
    all_out = fleet(instances, int(120 * rate_per_s), rate_per_s)
    report = outage(all_out, instances, mode, 20.0, 40.0).run()
    assert report.panics_between(0.0, 20.0) == 0
    assert report.panics_between(22.0, 40.0) > 0.5 * rate_per_s * 18
    # Panic tries whoever may be back, so callers need not wait for an open time to pass.
    assert report.failed(40.5) == 0
    assert report.panics_between(80.0) == 0
    assert report.latency_s(0.99, 42.0) < 2 * report.latency_s(0.99, 0.0, 20.0)


@pytest.mark.parametrize("mode", FAULTS)
def test_two_of_three_gone_leave_the_third_to_serve(mode: Mode) -> None:
    """More out than the share allows: the breakers are overruled, and yet load finds the one."""
    report = outage(fleet(3, 8_000, 100.0), 2, mode, 20.0, 40.0).run()
    assert report.failed() == 0
    assert report.panics_between(22.0, 40.0) > 1000
    assert report.share_of("triton-2", 22.0, 40.0) > 0.97


@pytest.mark.parametrize("policy", PolicyName)
def test_a_flapping_instance_does_not_thrash(policy: PolicyName) -> None:
    """Down for 2 s, up for 2 s, for a minute."""
    flapping = fleet(2, 10_000, 100.0, policy=policy)
    for at_s, mode in flaps(2.0, from_s=10.0, until_s=70.0):
        flapping.becomes(at_s, "triton-0", mode)
    report = flapping.run()
    assert report.success_rate() >= 0.999
    assert report.breaker_moves <= 20
    assert report.panics == 0
