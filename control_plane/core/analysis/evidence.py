"""Evidence: the wealth of a bettor who cannot win, in expectation, if the hypothesis is true.

Every test here is a set of **bets**. A bet multiplies its stake by a factor for each unit, and
the factor's expectation, given all that came before, is at most 1 if the null hypothesis is
true. So the product is a supermartingale that starts at 1 (an *e-process*), and Ville's
inequality says that it ever reaches 1/alpha with chance at most alpha: **whenever and however
often one looks**, and whatever one did because of what one saw (Ramdas, Gruenwald, Vovk and
Shafer, "Game-Theoretic Statistics and Safe Anytime-Valid Inference", Statistical Science 2023).

Each bet's factor is fixed before the rollout, so that the log of its product is a sum over
counts: its *score*. A mixture of bets (the stake split over them) is again an e-process; it
replaces the running, adaptive bet of the literature, which depends on the order of the units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, log

Scores = Sequence[float]
"""The log of the factor of each bet of a test, over the units of one stratum or step."""

FROM_THE_START = 0.9
"""The stake on trouble from the first step on, where units are few; later steps, with their
greater traffic, share the rest: 0.1 / (step (step - 1)), which adds up to it."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Evidence against a null hypothesis, and what it must reach.

    log_e: natural logarithm of the e-process, as of now. 0 is no evidence either way.
    log_threshold: log(1/alpha) for the alpha that this hypothesis got.
    """

    log_e: float
    log_threshold: float

    @property
    def is_reached(self) -> bool:
        """Whether the hypothesis is rejected, if this is the highest that was looked at."""
        return self.log_e >= self.log_threshold


def log_mixture(scores: Scores, weights: Scores) -> float:
    """log of the sum of weight x exp(score). weights: each over 0, their sum at most 1."""
    terms = [log(weight) + score for weight, score in zip(weights, scores, strict=True)]
    top = max(terms)
    return top + log(fsum(exp(term - top) for term in terms))


def total(scores: Iterable[Scores], bets: int) -> tuple[float, ...]:
    """The scores of each of so many bets, added up: the evidence of parts multiplies."""
    rows = list(scores)
    return tuple(fsum(row[bet] for row in rows) for bet in range(bets))


def from_any_step(by_step: Sequence[Scores], weights: Scores) -> float:
    """log evidence that the null is false from some step on, be it the first or a later one.

    by_step: scores of each step from the first to the current one; their evidence multiplies.
    weights: the stake of each bet.

    A canary that was well at 1 % and breaks at 50 % would otherwise first have to lose all the
    evidence that it had gathered in its favour. So the stake is split over the step in which
    the trouble begins. The stake on steps to come is not bet yet. This is the mixture form of
    Shin, Ramdas and Rinaldo, "E-detectors" (arXiv:2203.03532): an e-process that starts at a
    time that no outcome decides, and is 1 before, is one.
    """
    steps = len(by_step)
    starts = [log_mixture(total(by_step[first:], len(weights)), weights) for first in range(steps)]
    stakes = [stake_on(step) for step in range(1, steps + 1)]
    return log_mixture([*starts, 0.0], [*stakes, stake_waiting(steps)])


def while_it_lasts(by_step: Sequence[Scores], weights: Scores) -> float:
    """log evidence of all steps, unless the current one alone speaks against it: then that.

    by_step: as for from_any_step, not empty. What a canary showed at 1 % must not carry it
    through a step in which it fails: there the bets of that step alone have lost half of their
    stake, or more. The lesser of two e-processes is valid evidence, too.
    """
    of_all = log_mixture(total(by_step, len(weights)), weights)
    of_current = log_mixture(by_step[-1], weights)
    return of_all if of_current > -log(2) else min(of_all, of_current)


def stake_on(step: int) -> float:
    """The part of the stake that bets on trouble from this step on. step: from 1."""
    return FROM_THE_START if step == 1 else (1 - FROM_THE_START) / (step * (step - 1))


def stake_waiting(steps: int) -> float:
    """What is left of the stake when so many steps have begun."""
    return (1 - FROM_THE_START) / steps if steps else 1.0
