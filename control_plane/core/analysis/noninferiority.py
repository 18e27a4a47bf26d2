"""The test behind "not worse": bets against a canary that is worse by the margin.

H0: at all times, p_canary >= m(p_stable), where m(p) = max(p + absolute, p x ratio).

The trap is two releases that hardly ever fail. A test of the ratio sees errors only, so with
none it never decides. What speaks against H0 there is the canary's *successes*: if it failed
1 % of the time, 500 in a row would be a rare sight. So this test uses them.

It bets on both arms failing with the same small probability q, with the factor

    q(outcome) / p*_arm(outcome),     p* = the point of H0 nearest to (q, q):
    the minimum of (1 - s) KL(q || p_stable) + s KL(q || p_canary) over H0, s the canary's share.

H0 is a convex set of distributions of (arm, outcome), because m is convex; for the nearest
point of a convex null (the reverse information projection) the factor's expectation is at most
1 under all of H0: Gruenwald, de Heide and Koolen, "Safe Testing" (JRSS B 2024, theorem 1);
for two Bernoulli streams and a linear or other convex boundary: Turner and Gruenwald, "Exact
Anytime-valid Confidence Intervals for Contingency Tables and Beyond" (Statistics & Probability
Letters 2023). p_stable and p_canary may change over time, as long as they stay in H0.
"""

from __future__ import annotations

from functools import lru_cache
from math import log

from control_plane.core.analysis.counts import ArmCounts, StepCounts
from control_plane.core.analysis.options import Margin

# The probabilities bet on, and the stakes. Releases that fail less than 1 in 1,000 are the
# usual case; 0.05 is how often stable is slower than its own p95.
BASELINES = (0.0001, 0.001, 0.003, 0.006, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.2, 0.4)
BASELINE_WEIGHTS = (0.18, 0.12, 0.08, 0.08, 0.1, 0.08, 0.07, 0.1, 0.06, 0.06, 0.04, 0.03)

# Halvings of an interval of length below 1, until nothing of a float is left to halve.
_HALVINGS = 60


def error_scores(counts: StepCounts, margin: Margin) -> tuple[float, ...]:
    """Bets against "the canary's errors are worse by the margin", one for each baseline."""
    stable, canary = counts.stable, counts.canary
    return _scores(counts.canary_share, margin, (stable, stable.errors), (canary, canary.errors))


def slow_scores(counts: StepCounts, margin: Margin) -> tuple[float, ...]:
    """Bets against "the canary is slow more often, by the margin", one for each baseline."""
    stable, canary = counts.stable, counts.canary
    return _scores(counts.canary_share, margin, (stable, stable.slow), (canary, canary.slow))


# Remembers a pure function's values: a rollout asks for the same few dozen at every look.
@lru_cache(maxsize=1024)
def nearest_inferior(baseline: float, share: float, margin: Margin) -> tuple[float, float]:
    """(p_stable, p_canary): the point of H0 that is hardest to tell from (baseline, baseline).

    It lies on the boundary, p_canary = m(p_stable), with p_stable below the baseline: the
    slope of the distance grows with p_stable, from minus infinity at 0 to positive at the
    baseline. baseline, share: over 0 and below 1.
    """
    low, high = 0.0, baseline
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _slope(middle, baseline, share, margin) > 0:
            high = middle
        else:
            low = middle
    return high, margin.inferior_from(high)


def _slope(stable: float, baseline: float, share: float, margin: Margin) -> float:
    # Below 1: no baseline is over 0.4, and a margin is below 0.5 or at most twice.
    canary = margin.inferior_from(stable)
    steepness = 1.0 if canary == stable + margin.absolute else margin.ratio
    of_stable = (1 - share) * (stable - baseline) / (stable * (1 - stable))
    return of_stable + share * steepness * (canary - baseline) / (canary * (1 - canary))


def _scores(
    share: float, margin: Margin, stable: tuple[ArmCounts, int], canary: tuple[ArmCounts, int]
) -> tuple[float, ...]:
    """stable, canary: the arm and how many of its units had the event."""
    scores = []
    for baseline in BASELINES:
        inferior = nearest_inferior(baseline, share, margin)
        score = 0.0
        for (arm, events), probability in zip((stable, canary), inferior, strict=True):
            score += events * log(baseline / probability)
            score += (arm.units - events) * log((1 - baseline) / (1 - probability))
        scores.append(score)
    return tuple(scores)
