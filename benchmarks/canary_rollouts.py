"""Many rollouts at once, for ``canary_statistics.py``: what is counted, and what is concluded.

The tests are those of ``control_plane.core.analysis``, not a copy: a score is linear in the
counts, so its coefficients are read off by asking for the score of one unit of each kind, and
one matrix product judges thousands of rollouts. ``same_as_judge`` holds it to ``judge``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import log

import numpy as np
from numpy.typing import NDArray

from control_plane.core.analysis import (
    BUCKETS,
    AnalysisOptions,
    ArmCounts,
    Metric,
    Step,
    StepCounts,
    judge,
)
from control_plane.core.analysis.conditional import (
    ODDS_WEIGHTS,
    RATIO_WEIGHTS,
    error_scores,
    slow_scores,
    split_scores,
)
from control_plane.core.analysis.drift import (
    FRACTION_WEIGHTS,
    MOVED_WEIGHTS,
    moved_scores,
    not_dropped_scores,
    not_risen_scores,
)
from control_plane.core.analysis.evidence import stake_on, stake_waiting
from control_plane.core.analysis.noninferiority import BASELINE_WEIGHTS
from control_plane.core.analysis.noninferiority import error_scores as error_clear_scores
from control_plane.core.analysis.noninferiority import slow_scores as slow_clear_scores

Floats = NDArray[np.float64]
Scorer = Callable[[StepCounts], Sequence[float]]

PER_LOOK = 100
KINDS = 3 + BUCKETS
NEVER = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Release:
    """How one release behaves. confidence: the chance of each bucket; None: it has none."""

    error: float = 0.01
    slow: float = 0.05
    confidence: tuple[float, ...] | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """A step of a rollout: its canary weight, how many looks it lasts, and the two releases."""

    weight_bp: int
    looks: int
    stable: Release
    canary: Release


@dataclass(frozen=True, slots=True)
class Rollouts:
    """counts: of each rollout, look, arm (stable, canary) and kind, since the last look."""

    phases: Sequence[Phase]
    counts: NDArray[np.int16]

    @property
    def step_of(self) -> NDArray[np.int64]:
        """The number of the step that each look belongs to."""
        return np.repeat(np.arange(1, len(self.phases) + 1), [p.looks for p in self.phases])

    def canary_units(self, at_look: NDArray[np.int64]) -> Floats:
        """How many units the canary had had at each rollout's look; infinite for NEVER."""
        units = self.counts[:, :, 1, 0].cumsum(axis=1, dtype=np.int64)
        last = np.minimum(at_look, units.shape[1] - 1)
        return np.where(at_look == NEVER, np.inf, units[np.arange(len(units)), last])


def simulate(phases: Sequence[Phase], rollouts: int, rng: np.random.Generator) -> Rollouts:
    """Independent units, PER_LOOK to a look."""
    looks = sum(phase.looks for phase in phases)
    counts = np.zeros((rollouts, looks, 2, KINDS), dtype=np.int16)
    first = 0
    for phase in phases:
        part = counts[:, first : first + phase.looks]
        of_canary = rng.binomial(PER_LOOK, phase.weight_bp / 10_000, part.shape[:2])
        arms = ((phase.stable, PER_LOOK - of_canary), (phase.canary, of_canary))
        for arm, (release, units) in enumerate(arms):
            part[:, :, arm, 0] = units
            part[:, :, arm, 1] = rng.binomial(units, release.error)
            part[:, :, arm, 2] = rng.binomial(units, release.slow)
            if release.confidence is not None:
                part[:, :, arm, 3:] = rng.multinomial(units, release.confidence)
        first += phase.looks
    return Rollouts(phases, counts)


@dataclass(frozen=True, slots=True)
class Conclusions:
    """The first look at which each rollout was judged so; NEVER if it was not.

    alarms, clears: of one metric. alarm_from_start: of the errors, with the whole stake on the
    first step.
    """

    alarms: dict[Metric, NDArray[np.int64]]
    clears: dict[Metric, NDArray[np.int64]]
    alarm_from_start: NDArray[np.int64]
    worse: NDArray[np.int64]
    not_worse: NDArray[np.int64]


def conclude(rollouts: Rollouts, options: AnalysisOptions) -> Conclusions:
    """What ``judge`` would have said at each look."""
    evidence = log_evidence(rollouts, options)
    alarms, clears = {}, {}
    is_clear = _has_enough(rollouts, options)
    for metric, (alarm, clear) in evidence.items():
        alarms[metric] = first_at_least(alarm, -log(options.alpha * options.alpha_shares[metric]))
        if clear is not None:
            is_over = clear >= -log(options.alpha)
            clears[metric] = first_at_least(is_over, 1)
            is_clear &= is_over
    worse = np.minimum.reduce([alarms[m] for m in alarms if m is not Metric.SAMPLE_RATIO])
    not_worse = first_at_least(is_clear, 1)
    not_worse = np.where(
        not_worse < np.minimum(worse, alarms[Metric.SAMPLE_RATIO]), not_worse, NEVER
    )
    scores = _running(rollouts, lambda c: error_scores(c, options.tolerated_error_ratio))
    threshold = -log(options.alpha * options.alpha_shares[Metric.ERRORS])
    from_start = first_at_least(_log_mixture(scores, RATIO_WEIGHTS), threshold)
    return Conclusions(alarms, clears, from_start, worse, not_worse)


def log_evidence(
    rollouts: Rollouts, options: AnalysisOptions
) -> dict[Metric, tuple[Floats, Floats | None]]:
    """Of each metric: log evidence of the alarm and of the all-clear, by rollout and look."""

    def alarm(scorer: Scorer, weights: Sequence[float]) -> Floats:
        return _from_any_step(_running(rollouts, scorer), rollouts.step_of, weights)

    def clear(scorer: Scorer, weights: Sequence[float]) -> Floats:
        return _while_it_lasts(_running(rollouts, scorer), rollouts.step_of, weights)

    o = options
    found: dict[Metric, tuple[Floats, Floats | None]] = {
        Metric.ERRORS: (
            alarm(lambda c: error_scores(c, o.tolerated_error_ratio), RATIO_WEIGHTS),
            clear(lambda c: error_clear_scores(c, o.error_margin), BASELINE_WEIGHTS),
        ),
        Metric.LATENCY: (
            alarm(lambda c: slow_scores(c, o.tolerated_slow_ratio), RATIO_WEIGHTS),
            clear(lambda c: slow_clear_scores(c, o.slow_margin), BASELINE_WEIGHTS),
        ),
        Metric.SAMPLE_RATIO: (alarm(split_scores, ODDS_WEIGHTS), None),
    }
    if rollouts.counts[:, :, :, 3:].any():
        sides = (
            clear(lambda c: not_dropped_scores(c, o.confidence_margin), FRACTION_WEIGHTS),
            clear(lambda c: not_risen_scores(c, o.confidence_margin), FRACTION_WEIGHTS),
        )
        found[Metric.CONFIDENCE] = (
            alarm(lambda c: moved_scores(c, o.confidence_tolerance), MOVED_WEIGHTS),
            np.minimum(*sides),
        )
    return found


def same_as_judge(rollouts: Rollouts, options: AnalysisOptions, looks: Sequence[int]) -> None:
    """Raises AssertionError where ``judge``, asked at a look, finds other evidence."""
    evidence = log_evidence(rollouts, options)
    for look in looks:
        judgement = judge(counts_until(rollouts, 0, look), options)
        for found in judgement.metrics:
            alarm, clear = evidence[found.metric]
            assert abs(alarm[0, look] - found.alarm.log_e) < 1e-6
            if clear is not None and found.all_clear is not None:
                assert abs(clear[0, look] - found.all_clear.log_e) < 1e-6


def counts_until(rollouts: Rollouts, rollout: int, look: int) -> list[StepCounts]:
    """What had been counted in one rollout at one look, step by step."""
    found = []
    for number, phase in enumerate(rollouts.phases, start=1):
        is_in = (rollouts.step_of == number) & (np.arange(len(rollouts.step_of)) <= look)
        if not is_in.any():
            break
        arms = rollouts.counts[rollout, is_in].sum(axis=0).tolist()
        stable, canary = (ArmCounts(*arm[:3], tuple(arm[3:])) for arm in arms)
        found.append(StepCounts(Step(number, phase.weight_bp), stable=stable, canary=canary))
    return found


def first_at_least(values: NDArray[np.generic], threshold: float) -> NDArray[np.int64]:
    """The first look of each rollout with such a value, else NEVER."""
    is_reached = values >= threshold
    return np.where(is_reached.any(axis=1), is_reached.argmax(axis=1), NEVER)


def _has_enough(rollouts: Rollouts, options: AnalysisOptions) -> NDArray[np.bool_]:
    """Whether both arms have the least number of units in the current step."""
    units = rollouts.counts[:, :, :, 0].cumsum(axis=1, dtype=np.int64)
    for first in np.flatnonzero(np.diff(rollouts.step_of)) + 1:
        units[:, first:] -= units[:, first - 1 : first]
    return (units >= options.least_units).all(axis=2)


def _running(rollouts: Rollouts, scorer: Scorer) -> Floats:
    """The score of each rollout, look and bet, over all units so far."""
    parts, first = [], 0
    for number, phase in enumerate(rollouts.phases, start=1):
        cells = rollouts.counts[:, first : first + phase.looks].astype(np.float64)
        coefficients = _coefficients(Step(number, phase.weight_bp), scorer)
        parts.append(cells.reshape(*cells.shape[:2], -1) @ coefficients)
        first += phase.looks
    return np.concatenate(parts, axis=1).cumsum(axis=1)


def _coefficients(step: Step, scorer: Scorer) -> Floats:
    """What one more of each arm and kind adds to each bet's score."""
    unit = ArmCounts(units=1)
    kinds = [unit, replace(unit, errors=1), replace(unit, slow=1)]
    one_of = np.eye(BUCKETS, dtype=int).tolist()
    kinds += [replace(unit, confidences=tuple(bucket)) for bucket in one_of]
    rows = []
    for arm in ("stable", "canary"):
        found = np.array([scorer(StepCounts(step, **{arm: kind})) for kind in kinds])
        found[1:] -= found[0]
        rows.append(found)
    return np.concatenate(rows)


def _log_mixture(scores: Floats, weights: Sequence[float]) -> Floats:
    terms = scores + np.log(weights)
    top = terms.max(axis=-1)
    return top + np.log(np.exp(terms - top[..., None]).sum(axis=-1))


def _from_any_step(scores: Floats, step_of: NDArray[np.int64], weights: Sequence[float]) -> Floats:
    """``evidence.from_any_step`` at every look."""
    waiting = np.log([stake_waiting(int(step)) for step in step_of])
    found = np.broadcast_to(waiting, scores.shape[:2])
    for step in range(1, int(step_of[-1]) + 1):
        begun = np.flatnonzero(step_of >= step)[0]
        before = scores[:, begun - 1 : begun] if begun else 0.0
        since = _log_mixture(scores[:, begun:] - before, weights) + log(stake_on(step))
        found = found.copy()
        found[:, begun:] = np.logaddexp(found[:, begun:], since)
    return found


def _while_it_lasts(scores: Floats, step_of: NDArray[np.int64], weights: Sequence[float]) -> Floats:
    """``evidence.while_it_lasts`` at every look."""
    of_all = _log_mixture(scores, weights)
    since = scores.copy()
    for first in np.flatnonzero(np.diff(step_of)) + 1:
        since[:, first:] = scores[:, first:] - scores[:, first - 1 : first]
    of_current = _log_mixture(since, weights)
    return np.where(of_current > -log(2), of_all, np.minimum(of_all, of_current))
