"""The conditional two-arm test: of all units that had an event, how many were the canary's?

Michael Lindon and Alan Malek, "Anytime-Valid Inference for Multinomial Count Data", NeurIPS
2022 (arXiv:2011.03567): section 2 is the sequential multinomial test, section 3 its use on
Bernoulli outcomes of randomly assigned units. A unit goes to the canary with the known chance
s; an event (an error, a slow answer) then has probability p_canary(t) or p_stable(t), both
unknown and free to change over time, by day and night. Given that a unit has an event,

    P(it is the canary's) = theta(r) = s r / (1 - s + s r),     r = p_canary / p_stable,

in which what the arms share cancels out. Under H0: r <= r0 (at all times), the factor

    canary's event: theta(r) / theta(r0)      stable's event: (1 - theta(r)) / (1 - theta(r0))

has, for any r > r0, expectation at most 1, so its product is an e-process for H0.

The paper mixes over theta with a Dirichlet (here Beta) prior, which is two-sided and belongs
to one share s. Here the mixture is over a few ratios r instead: it spends nothing on a canary
that is *better*, and r means the same in every step, so that the steps' evidence, with their
different shares, multiplies bet by bet. ADR 12 has what that is worth.
"""

from __future__ import annotations

from math import log

from control_plane.core.analysis.counts import StepCounts

# How many times as often, and the stake on it. Tuned so that 1 % -> 5 % takes few units; from
# 1.6 to 30 times, no bet on a grid is more than a few units better.
RATIOS = (1.05, 1.2, 1.6, 2.5, 5.0, 10.0, 30.0, 200.0)
RATIO_WEIGHTS = (0.02, 0.04, 0.07, 0.22, 0.5, 0.1, 0.03, 0.02)

# The split's odds, times or divided by these. A hundredth is not worth a pause.
_ODDS = (1.02, 1.05, 1.12, 1.3, 1.7, 3.0, 10.0)
ODDS = _ODDS + tuple(1 / odds for odds in _ODDS)
ODDS_WEIGHTS = (1 / len(ODDS),) * len(ODDS)


def error_scores(counts: StepCounts, tolerated_ratio: float) -> tuple[float, ...]:
    """Bets against H0: at all times, p_canary(error) <= tolerated_ratio x p_stable(error).

    One score for each of RATIOS: how many times tolerated_ratio it bets on.
    """
    events = (counts.canary.errors, counts.stable.errors)
    return tuple(_score(*events, counts.canary_share, r, tolerated_ratio) for r in RATIOS)


def slow_scores(counts: StepCounts, tolerated_ratio: float) -> tuple[float, ...]:
    """Bets against H0: at all times, p_canary(slow) <= tolerated_ratio x p_stable(slow).

    Slow is slower than a limit that was fixed before the step, so that it is an event like an
    error; a limit taken from the same units would depend on both arms.
    """
    events = (counts.canary.slow, counts.stable.slow)
    return tuple(_score(*events, counts.canary_share, r, tolerated_ratio) for r in RATIOS)


def split_scores(counts: StepCounts) -> tuple[float, ...]:
    """Bets against H0: units fall to the canary with the chance that the route says.

    The sequential sample-ratio test of Lindon and Malek, section 2: the event is to have been
    counted at all. One score for each of ODDS: by what the split's odds are multiplied.
    """
    events = (counts.canary.units, counts.stable.units)
    return tuple(_score(*events, counts.canary_share, odds, 1.0) for odds in ODDS)


def _score(canary: int, stable: int, share: float, ratio: float, tolerated: float) -> float:
    """log of the product of factors, betting on ratio x tolerated against tolerated."""
    at_bet = 1 - share + share * tolerated * ratio
    at_null = 1 - share + share * tolerated
    return canary * log(ratio) - (canary + stable) * log(at_bet / at_null)
