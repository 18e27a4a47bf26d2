"""What is done instead, on the same counts: a threshold, a repeated rank test, a Beta prior."""

from __future__ import annotations

from math import lgamma, log
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from benchmarks.canary_rollouts import Rollouts, first_at_least

LOOKS_A_MINUTE = 10
LEAST_MINUTES = 5
LIMIT = 0.01
FAILED_CHECKS = 5


def threshold(rollouts: Rollouts) -> NDArray[np.int64]:
    """The look of the fifth minute in which over 1 % of the canary's units failed.

    As Flagger does it by default: each failed check counts, in a row or not.
    """
    units, errors = _by_minute(rollouts)[:, :, 1].transpose(2, 0, 1)
    failed = (errors > LIMIT * units).cumsum(axis=1)
    return _as_look(first_at_least(failed, FAILED_CHECKS))


def rank_test(rollouts: Rollouts, alpha: float) -> NDArray[np.int64]:
    """The look at which a Mann-Whitney test on the rates of the minutes so far says p < alpha.

    One-sided, with the normal approximation corrected for ties and continuity; asked anew each
    minute, from the fifth on, as if it had not been asked before.
    """
    minutes = _by_minute(rollouts)
    rates = minutes[:, :, :, 1] / np.maximum(minutes[:, :, :, 0], 1)
    stable, canary = rates[:, :, 0], rates[:, :, 1]
    count, length = stable.shape
    critical = NormalDist().inv_cdf(1 - alpha)
    is_worse = np.zeros((count, length))
    wins = np.zeros(count)
    # How many of all rates so far each one equals: sum over ties of t^3 = sum of t^2 by rate.
    pooled = np.zeros((count, 0))
    equal = np.zeros((count, 0))
    for now in range(length):
        new_c, new_s = canary[:, now : now + 1], stable[:, now : now + 1]
        wins += _wins(new_c, stable[:, : now + 1]) + _wins(canary[:, :now], new_s)
        for new in (new_c, new_s):
            is_equal = pooled == new
            equal = np.concatenate([equal + is_equal, is_equal.sum(1, keepdims=True) + 1], axis=1)
            pooled = np.concatenate([pooled, new], axis=1)
        n = now + 1
        if n < LEAST_MINUTES:
            continue
        ties = (equal**2).sum(axis=1) - 2 * n
        variance = n * n / 12 * (2 * n + 1 - ties / (2 * n * (2 * n - 1)))
        z = (wins - n * n / 2 - 0.5) / np.sqrt(np.maximum(variance, 1e-12))
        is_worse[:, now] = z >= critical
    return _as_look(first_at_least(is_worse, 1))


def beta_prior(rollouts: Rollouts, alpha: float, concentration: float) -> NDArray[np.int64]:
    """The look at which Lindon and Malek's own test of the errors rejects, at this alpha.

    The mixture over a Beta prior with its mean at the canary's share, of the first step. It is
    two-sided, and as valid as Tidegate's; for the choice of bets, not for a practice.
    """
    share = rollouts.phases[0].weight_bp / 10_000
    errors = rollouts.counts[:, :, :, 1].cumsum(axis=1, dtype=np.int64)
    stable, canary = errors[:, :, 0], errors[:, :, 1]
    sizes = range(int((stable + canary).max()) + 1)
    priors = (concentration * (1 - share), concentration * share, concentration)
    of_stable, of_canary, of_both = (
        np.array([lgamma(prior + n) - lgamma(prior) for n in sizes]) for prior in priors
    )
    log_e = of_stable[stable] + of_canary[canary] - of_both[stable + canary]
    log_e -= stable * log(1 - share) + canary * log(share)
    return first_at_least(log_e, -log(alpha))


def _wins(canary: NDArray[np.float64], stable: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many pairs the canary's rate is the higher one of; half for a tie."""
    return (canary > stable).sum(axis=1) + 0.5 * (canary == stable).sum(axis=1)


def _by_minute(rollouts: Rollouts) -> NDArray[np.int64]:
    """Units and errors of each rollout, minute and arm."""
    counts = rollouts.counts[:, :, :, :2].astype(np.int64)
    return counts.reshape(len(counts), -1, LOOKS_A_MINUTE, 2, 2).sum(axis=2)


def _as_look(minute: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last look of a minute; NEVER stays NEVER."""
    is_never = minute > np.int64(10**12)
    return np.where(is_never, minute, (np.minimum(minute, 10**12) + 1) * LOOKS_A_MINUTE - 1)
