"""What is scraped of the instances helps where other clients load them, and harms nowhere."""

from __future__ import annotations

import pytest

from tests.simulation.fleet import FleetSimulation, Traffic
from tests.simulation.instances import InstanceModel, alike
from tests.simulation.report import Report

ONE_SLOT = InstanceModel(slots=1)
EVERY_S = 1.0
NOTHING, PENDING, BOTH = "nothing", "pending counts", "queue time too"


def beside_another_client(scraped: str, seed: int) -> Report:
    """A call every two seconds, to two instances of which one is kept busy at 90 %."""
    requests, rate_per_s = 2_000, 0.5
    fleet = FleetSimulation(
        alike(2, ONE_SLOT),
        Traffic(requests, rate_per_s, try_timeout_s=30, deadline_s=30),
        seed=seed,
    )
    until_s = requests / rate_per_s
    fleet.others_call("triton-0", 0.9 * ONE_SLOT.capacity_per_s, until_s)
    if scraped != NOTHING:
        fleet.scraped(EVERY_S, until_s, with_queue_time=scraped == BOTH)
    return fleet.run()


def test_who_asks_little_is_told_where_others_queue() -> None:
    mean_s, p99_s = {}, {}
    for scraped in (NOTHING, PENDING, BOTH):
        reports = [beside_another_client(scraped, seed) for seed in (1, 2, 3)]
        latencies = [latency for report in reports for latency in report.latencies_s()]
        mean_s[scraped] = sum(latencies) / len(latencies)
        p99_s[scraped] = max(report.latency_s(0.99) for report in reports)
    assert mean_s[BOTH] < 0.95 * mean_s[PENDING] < 0.9 * mean_s[NOTHING]
    assert p99_s[BOTH] < 0.9 * p99_s[PENDING] < 0.9 * p99_s[NOTHING]


@pytest.mark.parametrize("is_in_step", [False, True])
def test_gateways_that_see_one_another_queue_do_not_run_in_a_herd(is_in_step: bool) -> None:
    """80 % of what two instances can do, by four gateways and by nobody else."""
    requests, rate_per_s = 8_000, 2 * 0.8 * ONE_SLOT.capacity_per_s
    traffic = Traffic(requests, rate_per_s, try_timeout_s=30, deadline_s=30)
    reports = []
    for is_scraped in (False, True):
        fleet = FleetSimulation(alike(2, ONE_SLOT), traffic, seed=1, gateways=4)
        if is_scraped:
            fleet.scraped(EVERY_S, requests / rate_per_s, is_in_step=is_in_step)
        reports.append(fleet.run())
    without, with_hints = reports
    assert with_hints.latency_s(0.5) < 1.1 * without.latency_s(0.5)
    assert with_hints.latency_s(0.99) < 1.1 * without.latency_s(0.99)
