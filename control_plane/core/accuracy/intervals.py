"""How far an estimate may be off: 95 % intervals of shares, means and anything else.

Photos are what was drawn at random, not detections: those of one photo are right or wrong
together. So a share of detections gets the interval of as many independent ones as they are
worth, and what has no formula is drawn anew from whole photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, pi, sqrt, tan

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LEVEL = 0.95
Z = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""

RESAMPLES = 400
LEAST_RESAMPLES = 100
"""Of those that gave a number at all: an interval of fewer says nothing."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """value: None where nothing can be said. low, high: None where one photo is all there is.

    photos: how many it is made of.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    photos: int = 0


def share_of(parts: Sequence[int], wholes: Sequence[int]) -> Estimate:
    """A share of what photos hold: by photo, how many of how many. Wilson's score interval.

    E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", JASA 22
    (1927): it stays in 0..1 and is no point at 0 or 1. For what comes in clusters, here photos,
    the number of trials is divided by the design effect: J. N. K. Rao and A. J. Scott, "A Simple
    Method for the Analysis of Clustered Binary Data", Biometrics 48 (1992).
    """
    photos, trials = len(wholes), sum(wholes)
    if not trials:
        return Estimate(None, photos=photos)
    share = sum(parts) / trials
    worth = trials / _design_effect(share, parts, wholes)
    spread = Z * Z / worth
    middle = (share + spread / 2) / (1 + spread)
    half = Z / (1 + spread) * sqrt(share * (1 - share) / worth + spread / (4 * worth))
    return Estimate(
        share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)), photos
    )


def _design_effect(share: float, parts: Sequence[int], wholes: Sequence[int]) -> float:
    """By how much the share varies more than that of independent trials; at least 1."""
    photos, trials = len(wholes), sum(wholes)
    independent = share * (1 - share) * trials
    if photos < 2 or not independent:
        return 1.0
    pairs = zip(parts, wholes, strict=True)
    squares = fsum((part - share * whole) ** 2 for part, whole in pairs)
    return max(1.0, photos / (photos - 1) * squares / independent)


def mean_of(values: Sequence[float]) -> Estimate:
    """A mean over photos, with Student's t interval ("The Probable Error of a Mean", Biometrika
    6, 1908)."""
    photos = len(values)
    if not photos:
        return Estimate(None)
    mean = fsum(values) / photos
    if photos < 2:
        return Estimate(mean, photos=photos)
    variance = fsum((value - mean) ** 2 for value in values) / (photos - 1)
    half = t_quantile(photos - 1) * sqrt(variance / photos)
    return Estimate(mean, mean - half, mean + half, photos)


def t_quantile(freedom: int) -> float:
    """The 97.5 % quantile of Student's t, within 0.2 %.

    Exact for one and two degrees of freedom; else by Abramowitz and Stegun, "Handbook of
    Mathematical Functions" (1964), 26.7.5.
    """
    if freedom == 1:
        return tan(pi * (LEVEL / 2))
    if freedom == 2:
        return LEVEL * sqrt(2 / (1 - LEVEL * LEVEL))
    z = Z
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return fsum(term / freedom**power for power, term in enumerate(terms))


def resamples(photos: int, rng: np.random.Generator) -> Floats:
    """How often each photo is in each resample, ``[RESAMPLES, photos]``.

    The bootstrap of B. Efron, "Bootstrap Methods: Another Look at the Jackknife", Annals of
    Statistics 7 (1979): as many photos as there are, drawn with replacement.
    """
    drawn = rng.multinomial(photos, np.full(photos, 1 / photos), size=RESAMPLES)
    return drawn.astype(np.float64)


def bootstrapped(value: float | None, drawn: Floats, photos: int) -> Estimate:
    """drawn: the same figure of each resample, NaN where it has none. Percentile interval."""
    known = drawn[~np.isnan(drawn)]
    if value is None or photos < 2 or len(known) < LEAST_RESAMPLES:
        return Estimate(value, photos=photos)
    tail = (1 - LEVEL) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return Estimate(value, min(value, float(low)), max(value, float(high)), photos)
