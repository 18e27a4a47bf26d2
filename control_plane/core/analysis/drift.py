"""The test of means: has the canary's mean confidence moved away from stable's?

Ian Waudby-Smith and Aaditya Ramdas, "Estimating means of bounded random variables by betting"
(JRSS B 2024; arXiv:2010.09686), section 4: for a payoff g with a lower bound and mean at most
0 under H0, the wealth  prod (1 + lambda g_i)  is an e-process for any lambda >= 0 that keeps
every factor positive. Lambda is not adapted as units come, but the stake is split over a few
fixed ones (their "diversified Kelly" bet), so that wealth depends on counts only.

The payoff of a unit with confidence x, in the arm that the split drew with chance s for the
canary (a = 1) against stable (a = 0), centre c fixed before the step:

    g = sign (a - s) (x - c) - s (1 - s) bound,    E[g] = s (1 - s) (sign shift - bound),

with shift = the canary's mean minus stable's. So it tests H0: sign x shift <= bound, at all
times. A unit without a confidence bets nothing: the means are those of the units that have one,
as long as both arms have one equally often. Where they have not, the errors or the sample ratio
say so, and ``judge`` never takes an arm without confidences for a good one.
"""

from __future__ import annotations

from math import log

from control_plane.core.analysis.counts import BUCKETS, StepCounts, middle_of

# Of the greatest lambda that keeps every factor positive. A small shift asks for a small bet.
FRACTIONS = (0.05, 0.1, 0.2, 0.4, 0.8)
UP, DOWN = 1, -1

FRACTION_WEIGHTS = (0.2,) * len(FRACTIONS)
# Half of the stake on a drop, half on a rise.
MOVED_WEIGHTS = (0.1,) * (2 * len(FRACTIONS))


def moved_scores(counts: StepCounts, tolerance: float) -> tuple[float, ...]:
    """Bets against H0: the mean confidence moved by at most tolerance, up or down.

    H0 is the intersection of two, so bets against either one are bets against it.
    """
    return _scores(counts, DOWN, tolerance) + _scores(counts, UP, tolerance)


def not_dropped_scores(counts: StepCounts, margin: float) -> tuple[float, ...]:
    """Bets against H0: the mean confidence dropped by margin or more."""
    return _scores(counts, UP, -margin)


def not_risen_scores(counts: StepCounts, margin: float) -> tuple[float, ...]:
    """Bets against H0: the mean confidence rose by margin or more."""
    return _scores(counts, DOWN, -margin)


def _scores(counts: StepCounts, sign: int, bound: float) -> tuple[float, ...]:
    share, centre = counts.canary_share, counts.step.confidence_centre
    offset = share * (1 - share) * bound
    # The payoff is never below -worst, wherever in [0, 1] a confidence lies.
    worst = max(centre, 1 - centre) * max(share, 1 - share) + offset
    scores = [0.0] * len(FRACTIONS)
    for bucket in range(BUCKETS):
        pull = sign * (middle_of(bucket) - centre)
        cells = (
            (counts.canary.confidences[bucket], (1 - share) * pull - offset),
            (counts.stable.confidences[bucket], -share * pull - offset),
        )
        for number, payoff in cells:
            for bet, fraction in enumerate(FRACTIONS):
                scores[bet] += number * log(1 + fraction * payoff / worst)
    return tuple(scores)
