"""The accuracy gate of a rollout: is the target less right than stable, by more than a margin?

Feedback comes whenever somebody has time, and a rollout looks again and again. So the test is
one that may be asked at any time: a betting e-process for a bounded mean (Waudby-Smith and
Ramdas, "Estimating means of bounded random variables by betting", JRSS B 2024, section 4), as in
``core/analysis``, whose mixture over fixed bets is used here, too.

**What is bet on is pairs**: the first feedback of the target with the first of stable, the second
with the second, and so on, in the order in which they came. The difference of a pair's scores,
target minus stable, lies in -1..1. Two hypotheses share the boundary at -margin:

- H0 of the alarm: the mean difference is -margin or more. Rejected: the target is **worse**.
- H0 of the all-clear: it is -margin or less. Rejected: it is **proved** not to be.

Scores of single photos, without pairs, would be tested against the known share of the split, as
confidences are. But whose answers get feedback is for people to choose, and they may well look at
more of the target's; a pair does not care how many there are of each. It does care that *which
photos* get feedback does not depend on the release that answered, which no test can tell.

Each e-process reaches 1/alpha under its H0 with chance at most alpha, over all looks together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, isfinite, log

import numpy as np

from control_plane.core.accuracy.judging import Score
from control_plane.core.analysis.evidence import Evidence, log_mixture
from control_plane.errors import InvalidArgument

FRACTIONS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Of the greatest bet that cannot lose everything. A small difference asks for a small one."""
WEIGHTS = (1 / len(FRACTIONS),) * len(FRACTIONS)

LEAST_MARGIN, MOST_MARGIN = 0.01, 0.5
MOST_PAIRS = 5_000
DEFAULT_MARGIN = 0.1
DEFAULT_LEAST = 30


@dataclass(frozen=True, slots=True)
class AccuracyGate:
    """What is asked of a rollout's target.

    score: of single photos, in 0..1. margin: how much less of it is as good. least: so many
    judged photos of each release, before anything but "worse" is said. is_proof_needed: whether
    it must be proved that the target is not worse by the margin; else it is enough that nothing
    has shown that it is.

    Raises InvalidArgument.
    """

    score: str
    margin: float = DEFAULT_MARGIN
    least: int = DEFAULT_LEAST
    is_proof_needed: bool = False

    def __post_init__(self) -> None:
        known = [one.value for one in Score]
        if self.score not in known:
            raise InvalidArgument(
                f"accuracy.score is {self.score[:80]!r}; use one of {', '.join(known)}",
                field="accuracy.score",
            )
        _check_range("accuracy.margin", self.margin, LEAST_MARGIN, MOST_MARGIN)
        _check_range("accuracy.least", self.least, 1, MOST_PAIRS)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What the pairs say.

    pairs: how many judged photos both releases have. stable, target: the means of all judged
    photos of each; None where there is none.
    """

    pairs: int
    alarm: Evidence
    all_clear: Evidence
    stable: float | None
    target: float | None

    @property
    def is_worse(self) -> bool:
        return self.alarm.is_reached

    @property
    def is_proved(self) -> bool:
        return self.all_clear.is_reached


def compare(
    stable: Sequence[float], target: Sequence[float], gate: AccuracyGate, *, alpha: float
) -> Comparison:
    """stable, target: the scores of judged photos, each in the order in which they came."""
    differences = [late - early for early, late in zip(stable, target, strict=False)][:MOST_PAIRS]
    threshold = -log(alpha)
    below = [-one - gate.margin for one in differences]
    above = [one + gate.margin for one in differences]
    return Comparison(
        pairs=len(differences),
        alarm=Evidence(_wealth(below, worst=1 + gate.margin), threshold),
        all_clear=Evidence(_wealth(above, worst=1 - gate.margin), threshold),
        stable=_mean(stable),
        target=_mean(target),
    )


def _wealth(payoffs: Sequence[float], *, worst: float) -> float:
    """log of what a stake of 1 has become. worst: no payoff is below minus this."""
    factors = np.log1p(np.outer(FRACTIONS, np.array(payoffs, dtype=np.float64)) / worst)
    return log_mixture(factors.sum(axis=1).tolist(), WEIGHTS)


def _mean(values: Sequence[float]) -> float | None:
    return fsum(values) / len(values) if values else None


def _check_range(field: str, value: float, least: float, most: float) -> None:
    if not (isfinite(value) and least <= value <= most):
        raise InvalidArgument(
            f"{field} is {value:.12g}; it must be {least:.12g} to {most:.12g}", field=field
        )
