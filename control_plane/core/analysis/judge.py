"""The judgement: is the canary worse than stable, is it not, or can that not be said yet?

``judge`` is a pure function of counts, to be asked as often as one likes. What it promises,
with alpha for the whole rollout (0.01 by default), over all looks and steps together:

- A canary that is no worse in anything, behind a split that is as the route says, is called
  WORSE, or its sample ratio broken, with chance at most alpha: each metric has a share of
  alpha, and the shares sum to at most 1.
- A canary that is worse by the margin in some metric is called NOT_WORSE with chance at most
  alpha. That needs no shares, since *every* metric must say so at the full alpha, among them
  the one that is worse. Nor do the two promises share alpha: no rollout can break both.

Between them lies a canary that is a little worse, by less than the margin: either answer is
right, and WORSE is given whenever both could be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from math import log

from control_plane.core.analysis import conditional, drift, noninferiority
from control_plane.core.analysis.conditional import ODDS_WEIGHTS, RATIO_WEIGHTS
from control_plane.core.analysis.counts import ArmCounts, StepCounts, merge
from control_plane.core.analysis.drift import FRACTION_WEIGHTS, MOVED_WEIGHTS
from control_plane.core.analysis.evidence import (
    Evidence,
    Scores,
    from_any_step,
    total,
    while_it_lasts,
)
from control_plane.core.analysis.noninferiority import BASELINE_WEIGHTS
from control_plane.core.analysis.options import AnalysisOptions, Metric

Scorer = Callable[[StepCounts], Scores]


class Verdict(StrEnum):
    """What a rollout should do about what was seen."""

    WORSE = "worse"  # roll back, at once
    NOT_WORSE = "not_worse"  # advance, when the step's least time is over
    UNDECIDED = "undecided"  # wait; at the step's time limit, pause and ask
    ERROR = "error"  # nothing to judge by: wait or pause, never advance


@dataclass(frozen=True, slots=True)
class MetricJudgement:
    """What one metric says.

    alarm: evidence that the canary is worse; of the sample ratio: that the split is off.
    all_clear: evidence that it is not worse by the margin, of the current step alone if that
        one speaks against it (``evidence.while_it_lasts``); None for the sample ratio, of which
        only the alarm is asked.
    stable, canary: what was seen in the current step: the share of errors or of slow units,
        the mean confidence; of the sample ratio, the expected and the seen share of the
        canary. None where there is nothing to take it from.
    """

    metric: Metric
    verdict: Verdict
    alarm: Evidence
    all_clear: Evidence | None
    stable: float | None
    canary: float | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, why, and what each metric says; metrics that are not judged are left out."""

    verdict: Verdict
    reason: str
    metrics: tuple[MetricJudgement, ...] = ()


def judge(counts: Iterable[StepCounts], options: AnalysisOptions) -> Judgement:
    """Judges a rollout by all that was counted, in any order and in however many parts.

    The current step is the last one with counts. Its units alone decide whether there are
    enough for NOT_WORSE; the evidence is that of all steps.
    """
    strata = merge(counts)
    if not strata:
        return Judgement(Verdict.ERROR, "no request has been counted")
    current = _current(strata)
    stable, canary = _sum(part.stable for part in current), _sum(part.canary for part in current)
    metrics = tuple(
        _judge_metric(metric, strata, current, options)
        for metric in Metric
        if _is_judged(metric, strata, options)
    )
    verdict, reason = _conclude(metrics, stable, canary, options)
    return Judgement(verdict, reason, metrics)


def seen(counts: Iterable[StepCounts], metric: Metric) -> tuple[float | None, float | None]:
    """What was seen of a metric in the current step, judged or not: of stable, of the canary."""
    return _seen(metric, _current(merge(counts)))


def _current(strata: Sequence[StepCounts]) -> list[StepCounts]:
    return [part for part in strata if part.step.number == strata[-1].step.number]


def _conclude(
    metrics: Sequence[MetricJudgement],
    stable: ArmCounts,
    canary: ArmCounts,
    options: AnalysisOptions,
) -> tuple[Verdict, str]:
    """WORSE goes before ERROR: where the split is in doubt too, stable is the safe place."""
    worse = [_guilty(m) for m in metrics if m.verdict is Verdict.WORSE]
    is_split_off = any(m.verdict is Verdict.ERROR for m in metrics)
    if worse:
        doubt = "; the split is not what the route says" if is_split_off else ""
        return Verdict.WORSE, f"the canary is worse: {', '.join(worse)}{doubt}"
    for arm, found in (("canary", canary), ("stable", stable)):
        if not found.units:
            return Verdict.ERROR, f"no request of {arm} has been counted in this step"
    if is_split_off:
        return Verdict.ERROR, "the split is not what the route says, so nothing can be compared"
    units = min(stable.units, canary.units)
    if units < options.least_units:
        return Verdict.UNDECIDED, f"{units} of at least {options.least_units} units"
    if bool(stable.with_confidence) != bool(canary.with_confidence):
        arm = "canary" if stable.with_confidence else "stable"
        return Verdict.ERROR, f"{arm} gives no confidences, the other release does"
    waiting = [m.metric for m in metrics if m.verdict is Verdict.UNDECIDED]
    if waiting:
        return Verdict.UNDECIDED, f"not enough evidence yet: {', '.join(waiting)}"
    return Verdict.NOT_WORSE, "no metric is worse by its margin"


def _guilty(found: MetricJudgement) -> str:
    """A metric by its name; of the one that can be worse either way, also which way it went."""
    stable, canary = found.stable, found.canary
    if found.metric is not Metric.CONFIDENCE or stable is None or canary is None:
        return found.metric
    return f"{found.metric} {stable:.2f} → {canary:.2f}"


def _is_judged(metric: Metric, strata: Sequence[StepCounts], options: AnalysisOptions) -> bool:
    """Confidence is judged once both arms have given one; an engine may have none at all."""
    if not options.alpha_shares.get(metric):
        return False
    if metric is not Metric.CONFIDENCE:
        return True
    arms = ([part.stable for part in strata], [part.canary for part in strata])
    return all(any(counts.with_confidence for counts in arm) for arm in arms)


def _judge_metric(
    metric: Metric,
    strata: Sequence[StepCounts],
    current: Sequence[StepCounts],
    options: AnalysisOptions,
) -> MetricJudgement:
    log_alarm, log_all_clear = _log_evidence(metric, strata, options)
    share = options.alpha_shares[metric]
    alarm = Evidence(log_alarm, -log(options.alpha * share))
    all_clear = None
    if log_all_clear is not None:
        all_clear = Evidence(log_all_clear, -log(options.alpha))
    stable, canary = _seen(metric, current)
    return MetricJudgement(
        metric, _verdict(metric, alarm, all_clear), alarm, all_clear, stable, canary
    )


def _verdict(metric: Metric, alarm: Evidence, all_clear: Evidence | None) -> Verdict:
    if alarm.is_reached:
        return Verdict.ERROR if metric is Metric.SAMPLE_RATIO else Verdict.WORSE
    if all_clear is None or all_clear.is_reached:
        return Verdict.NOT_WORSE
    return Verdict.UNDECIDED


def _log_evidence(
    metric: Metric, strata: Sequence[StepCounts], options: AnalysisOptions
) -> tuple[float, float | None]:
    """log evidence of the alarm, and of the all-clear where there is one."""
    o = options

    def alarm(scorer: Scorer, weights: Scores) -> float:
        return from_any_step(_by_step(strata, scorer, len(weights)), weights)

    def clear(scorer: Scorer, weights: Scores) -> float:
        return while_it_lasts(_by_step(strata, scorer, len(weights)), weights)

    if metric is Metric.ERRORS:
        return (
            alarm(lambda s: conditional.error_scores(s, o.tolerated_error_ratio), RATIO_WEIGHTS),
            clear(lambda s: noninferiority.error_scores(s, o.error_margin), BASELINE_WEIGHTS),
        )
    if metric is Metric.LATENCY:
        return (
            alarm(lambda s: conditional.slow_scores(s, o.tolerated_slow_ratio), RATIO_WEIGHTS),
            clear(lambda s: noninferiority.slow_scores(s, o.slow_margin), BASELINE_WEIGHTS),
        )
    if metric is Metric.CONFIDENCE:
        sides = (drift.not_dropped_scores, drift.not_risen_scores)
        return (
            alarm(lambda s: drift.moved_scores(s, o.confidence_tolerance), MOVED_WEIGHTS),
            min(
                clear(partial(side, margin=o.confidence_margin), FRACTION_WEIGHTS) for side in sides
            ),
        )
    return alarm(conditional.split_scores, ODDS_WEIGHTS), None


def _by_step(strata: Sequence[StepCounts], scorer: Scorer, bets: int) -> list[Scores]:
    """The scores of each step from the first on, also of one that nothing was counted in."""
    rows: list[list[Scores]] = [[] for _ in range(strata[-1].step.number)]
    for part in strata:
        rows[part.step.number - 1].append(scorer(part))
    return [total(row, bets) for row in rows]


def _seen(metric: Metric, current: Sequence[StepCounts]) -> tuple[float | None, float | None]:
    stable, canary = _sum(part.stable for part in current), _sum(part.canary for part in current)
    if metric is Metric.CONFIDENCE:
        return stable.mean_confidence, canary.mean_confidence
    if metric is Metric.SAMPLE_RATIO:
        units = [part.stable.units + part.canary.units for part in current]
        expected = sum(n * part.canary_share for n, part in zip(units, current, strict=True))
        return _ratio(expected, sum(units)), _ratio(canary.units, sum(units))
    events: Callable[[ArmCounts], int] = (
        (lambda arm: arm.errors) if metric is Metric.ERRORS else (lambda arm: arm.slow)
    )
    return _ratio(events(stable), stable.units), _ratio(events(canary), canary.units)


def _sum(arms: Iterable[ArmCounts]) -> ArmCounts:
    return sum(arms, ArmCounts())


def _ratio(part: float, whole: int) -> float | None:
    return part / whole if whole else None
