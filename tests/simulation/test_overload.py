"""A fleet that is asked for more than it can do, and one that hangs: admission, breakers, retries.

A try that ran out of time counts against its instance (ADR 9). These are the two sides of that
decision: what hangs is ejected, what is merely busy is not.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.bootstrap.options import pool_options
from control_plane.core.admission import AdmissionOptions
from control_plane.core.balancing import PolicyName
from control_plane.settings import Settings
from tests.simulation.fleet import FleetSimulation, Traffic
from tests.simulation.instances import InstanceModel, Mode, alike
from tests.simulation.report import Report

SECONDS = 120.0
MODELS = {
    "quick": InstanceModel(median_s=0.01, slots=4),
    "usual": InstanceModel(median_s=0.05, slots=2),
    "slow": InstanceModel(median_s=0.15, slots=2),
}


def fleet(
    load: float,
    model: InstanceModel,
    *,
    instances: int = 2,
    policy: PolicyName = PolicyName.P2C_EWMA,
) -> FleetSimulation:
    """load: as a multiple of what the fleet can do; the times are the defaults."""
    rate_per_s = load * instances * model.capacity_per_s
    traffic = Traffic(
        min(60_000, int(rate_per_s * SECONDS)),
        rate_per_s,
        try_timeout_s=2.5,
        admission=AdmissionOptions(),
    )
    options = replace(pool_options(Settings()), policy=policy)
    return FleetSimulation(alike(instances, model), traffic, seed=2, options=options)


def capacity_used(report: Report, load: float) -> float:
    """Requests answered, as a share of what the fleet could answer, or was asked for if less."""
    return len(report.latencies_s()) / (report.requests / max(1.0, load))


@pytest.mark.parametrize("policy", [PolicyName.P2C_EWMA, PolicyName.WEIGHTED])
@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("load", [0.8, 1.2, 5.0])
def test_overload_ejects_nobody_and_wastes_nothing(
    load: float, kind: str, policy: PolicyName
) -> None:
    """Round robin is not promised this: it does not look at queues, and one instance may hold
    most of what is admitted."""
    report = fleet(load, MODELS[kind], policy=policy).run()
    assert report.breaker_moves == 0
    assert report.failed() == 0
    assert capacity_used(report, load) > 0.95
    if load < 1.0:
        assert report.shed == 0


def test_without_admission_overload_is_the_end_of_everyone() -> None:
    """What the limit is for, and that these simulations can fail."""
    model = MODELS["usual"]
    rate_per_s = 1.2 * 2 * model.capacity_per_s
    traffic = Traffic(int(rate_per_s * SECONDS), rate_per_s, try_timeout_s=2.5)
    report = FleetSimulation(alike(2, model), traffic, seed=2).run()
    assert report.breaker_moves > 0
    assert capacity_used(report, 1.2) < 0.2


@pytest.mark.parametrize("instances", [2, 4])
def test_an_instance_whose_model_hangs_is_ejected(instances: int) -> None:
    """Its server answers looks, so that only the calls tell."""
    hung = fleet(0.4, MODELS["usual"], instances=instances)
    hung.becomes(20.0, "triton-0", Mode.HUNG)
    hung.becomes(80.0, "triton-0", Mode.HEALTHY)
    report = hung.run()
    assert report.failed() == report.shed == 0
    assert report.breaker_moves > 0
    # Two probes for each of the open times of 1, 2, 4 … 32 s, and the calls that tripped it.
    assert report.lost_between(25.0, 80.0) <= 12
    assert report.latency_s(0.99, 25.0, 80.0) < 0.5


def test_an_instance_that_answers_only_just_in_time_is_ejected() -> None:
    """No try of it fails. In turn, because what goes by load has turned away long before."""
    model = InstanceModel(median_s=0.05, sigma=0.05, slots=64)
    traffic = Traffic(2000, 20.0, try_timeout_s=2.5)
    options = replace(pool_options(Settings()), policy=PolicyName.ROUND_ROBIN)
    slow = FleetSimulation(alike(2, model), traffic, seed=2, options=options)
    slow.slows_down(20.0, "triton-0", 44.0)
    report = slow.run()
    assert report.failed() == 0
    assert report.breaker_moves > 0
    assert report.share_of("triton-0", 0.0, 20.0) == pytest.approx(0.5, abs=0.05)
    assert report.share_of("triton-0", 30.0, 100.0) < 0.03
    assert report.latency_s(0.95, 30.0, 100.0) < 0.1
