"""Equal releases behind a shadow, whose pairs depend strongly, are not called worse too often.

The expectation of each bet over one pair is computed exactly for pairs of any dependence, and a
seeded simulation takes the whole way through ``RolloutTally`` and ``Judging``.
"""

from __future__ import annotations

from itertools import product
from math import exp
from random import Random

import pytest

from control_plane.core.analysis import (
    AnalysisOptions,
    Arm,
    ArmCounts,
    Observed,
    Step,
    StepCounts,
    bucket_of,
    conditional,
    drift,
    judge,
    noninferiority,
)
from control_plane.core.analysis import Verdict as Judged
from control_plane.core.analysis.options import Margin
from control_plane.core.assessing import options_for
from control_plane.core.rollout import Plan, Rollout
from control_plane.services.rollout_tally import RolloutTally, TallyOptions

PAIRS = Step(1, 5_000, 0.7)
SHADOW = Rollout("r-1", "damage", "1.0.0", "1.1.0", Plan.shadow(10))
OPTIONS = options_for(SHADOW, AnalysisOptions(), is_shadow=True)
SHARES = (0.0, 0.001, 0.02, 0.1, 0.3)


def pair(stable: bool, canary: bool) -> StepCounts:
    return StepCounts(PAIRS, 0, ArmCounts(1, stable, stable), ArmCounts(1, canary, canary))


def chances(p_stable: float, p_canary: float, p_both: float) -> dict[tuple[bool, bool], float]:
    """By (stable's, canary's) event."""
    return {
        (True, True): p_both,
        (True, False): p_stable - p_both,
        (False, True): p_canary - p_both,
        (False, False): 1 - p_stable - p_canary + p_both,
    }


@pytest.mark.parametrize("tolerated", [1.0, 1.25, 2.0])
def test_no_bet_of_an_alarm_gains_however_pairs_depend(tolerated: float) -> None:
    for p_stable, dependence in product(SHARES, (0.0, 0.5, 1.0)):
        p_canary = min(1.0, tolerated * p_stable)
        least, most = max(0.0, p_stable + p_canary - 1), min(p_stable, p_canary)
        outcomes = chances(p_stable, p_canary, least + dependence * (most - least))
        scores = {events: conditional.error_scores(pair(*events), tolerated) for events in outcomes}
        for bet in range(len(conditional.RATIOS)):
            expected = sum(p * exp(scores[events][bet]) for events, p in outcomes.items())
            assert expected <= 1 + 1e-9


def test_no_bet_on_not_worse_gains_where_pairs_are_not_negatively_correlated() -> None:
    margin = Margin()
    for p_stable, dependence in product(SHARES, (0.0, 0.5, 1.0)):
        p_canary = margin.inferior_from(p_stable)
        independent, most = p_stable * p_canary, min(p_stable, p_canary)
        outcomes = chances(p_stable, p_canary, independent + dependence * (most - independent))
        scores = {events: noninferiority.error_scores(pair(*events), margin) for events in outcomes}
        for bet in range(len(noninferiority.BASELINES)):
            expected = sum(p * exp(scores[events][bet]) for events, p in outcomes.items())
            assert expected <= 1 + 1e-9


def sure(stable: float, canary: float) -> StepCounts:
    buckets = []
    for confidence in (stable, canary):
        counts = [0] * 20
        counts[bucket_of(confidence)] = 1
        buckets.append(ArmCounts(1, confidences=tuple(counts)))
    return StepCounts(PAIRS, 0, *buckets)


@pytest.mark.parametrize("centre", [0.1, 0.5, 0.7])
def test_no_bet_on_a_drift_gains_where_confidences_are_not_negatively_correlated(
    centre: float,
) -> None:
    """Two values each, the canary's higher by what is tolerated, on the same photos or not."""
    tolerance = 0.05
    step = Step(1, 5_000, centre)
    for low, high, share, together in product(
        (0.125, 0.525), (0.575, 0.925), (0.1, 0.5, 0.9), (0.0, 1.0)
    ):
        outcomes: dict[tuple[float, float], float] = {}
        for one, other in product((low, high), repeat=2):
            p_one, p_other = (share if x == high else 1 - share for x in (one, other))
            same = p_one if one == other else 0.0
            chance = together * same + (1 - together) * p_one * p_other
            outcomes[one, other + tolerance] = chance
        for bet in range(len(drift.MOVED_WEIGHTS)):
            expected = 0.0
            for (stable, canary), chance in outcomes.items():
                seen = sure(stable, canary)
                counts = StepCounts(step, 0, seen.stable, seen.canary)
                expected += chance * exp(drift.moved_scores(counts, tolerance)[bet])
            assert expected <= 1 + 1e-9


def simulated(seed: int, looks: int, each: int, *, canary_fails: float = 0.0) -> Judged:
    """The worst that is said of a shadow, at any look. Photos are hard or easy for both; hard ones
    fail often, are slow and unsure, in both releases at once more often than not."""
    rng, tally = Random(seed), RolloutTally("one#1", TallyOptions(), 0.0)
    for _ in range(looks):
        for _ in range(each):
            is_hard, luck, sure = rng.random() < 0.1, rng.random(), rng.betavariate(8, 3)
            ends = []
            for extra in (0.0, canary_fails):
                own = luck if rng.random() < 0.8 else rng.random()
                is_error = own < (0.15 if is_hard else 0.002) or rng.random() < extra
                confidence = min(1.0, max(0.0, sure - 0.2 * is_hard + rng.gauss(0.0, 0.02)))
                ends.append((is_error, own < (0.5 if is_hard else 0.02), bucket_of(confidence)))
            has_both = not (ends[0][0] or ends[1][0])
            seen = [
                Observed(Arm.STABLE, is_error, is_slow, bucket if has_both else None, None)
                for is_error, is_slow, bucket in ends
            ]
            tally.add_pair(seen[0], seen[1], 0.7)
        verdict = judge(tally.counts().shadow, OPTIONS).verdict
        if verdict is Judged.WORSE:
            return verdict
    return verdict


def test_equal_releases_with_dependent_pairs_are_rarely_called_worse() -> None:
    found = [simulated(seed, looks=10, each=100) for seed in range(200)]
    # alpha of 200 are 2; that it is more than 7 would have a chance of 0.1 %.
    assert found.count(Judged.WORSE) <= 7


def test_a_shadow_that_fails_more_often_is_found() -> None:
    found = [simulated(seed, looks=15, each=100, canary_fails=0.05) for seed in range(10)]
    assert found == [Judged.WORSE] * 10
