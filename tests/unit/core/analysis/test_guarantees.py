"""Seeded simulations: how often it is wrong, and how soon it is right. Figures: the benchmark.

Bounds are three standard deviations wide; with a fixed seed a run is always the same.
"""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

import numpy as np
import pytest

from benchmarks.canary_keys import Clients, false_alarms
from benchmarks.canary_rollouts import (
    NEVER,
    Phase,
    Release,
    conclude,
    same_as_judge,
    simulate,
)
from benchmarks.canary_statistics import SURE, main
from control_plane.core.analysis import AnalysisOptions, Metric

# A coarse alpha, so that a few hundred rollouts can tell.
COARSE = AnalysisOptions(alpha=0.2)
ROLLOUTS = 300


def at_most(alpha: float, rollouts: int) -> float:
    return alpha + 3 * sqrt(alpha * (1 - alpha) / rollouts)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("weights_bp", [(500,), (5_000,), (100, 500, 2_500, 5_000)], ids=str)
def test_a_healthy_canary_is_rolled_back_or_paused_at_most_alpha_of_the_time(
    weights_bp: tuple[int, ...], rng: np.random.Generator
) -> None:
    # As slow as is tolerated: the edge of what is healthy.
    canary = replace(SURE, slow=SURE.slow * COARSE.tolerated_slow_ratio)
    phases = [Phase(weight, 120 // len(weights_bp), SURE, canary) for weight in weights_bp]
    found = conclude(simulate(phases, ROLLOUTS, rng), COARSE)
    first = np.minimum(found.worse, found.alarms[Metric.SAMPLE_RATIO])
    assert (first != NEVER).mean() <= at_most(COARSE.alpha, ROLLOUTS)


@pytest.mark.parametrize(("stable", "canary"), [(0.0, 0.01), (0.01, 0.02), (0.04, 0.06)])
def test_a_canary_at_the_margin_is_called_not_worse_at_most_alpha_of_the_time(
    stable: float, canary: float, rng: np.random.Generator
) -> None:
    phases = [Phase(5_000, 100, Release(stable, slow=0.001), Release(canary, slow=0.001))]
    found = conclude(simulate(phases, ROLLOUTS, rng), COARSE)
    assert (found.clears[Metric.ERRORS] != NEVER).mean() <= at_most(COARSE.alpha, ROLLOUTS)


def test_errors_five_times_as_often_are_found_within_150_requests_of_the_canary(
    rng: np.random.Generator,
) -> None:
    simulated = simulate([Phase(500, 120, Release(0.01), Release(0.05))], ROLLOUTS, rng)
    found = conclude(simulated, AnalysisOptions())
    assert np.median(simulated.canary_units(found.worse)) <= 150


def test_the_simulation_judges_as_judge_does(rng: np.random.Generator) -> None:
    drifted = replace(SURE, error=0.03, confidence=tuple(reversed(SURE.confidence)))
    phases = [Phase(100, 4, SURE, SURE), Phase(500, 3, SURE, drifted)]
    same_as_judge(simulate(phases, 3, rng), AnalysisOptions(), range(7))


def test_keys_that_repeat_fool_a_test_of_requests_and_not_this_one(
    rng: np.random.Generator,
) -> None:
    clients = Clients(requests_a_step=2_000)
    found = false_alarms(clients, 100, AnalysisOptions(), rng)
    by_request, _, as_tidegate = found.values()
    assert by_request > 0.1
    assert as_tidegate <= at_most(0.01, 100)


def test_the_benchmark_prints_its_tables(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--rollouts", "4"])
    printed = capsys.readouterr().out
    assert printed.startswith("4 rollouts a row")
    for row in ("fails 1 %", "errors 1 % → 5%, 5 % share", "both fail 0.0%", "as Tidegate counts"):
        assert f"| {row}" in printed
