"""One look at a rollout, put together: the judgement of what was counted, gates, a shadow's boxes.

What was counted has the first word. A gate can stop a release and keep it from going on; it can
never make up for what was not counted, so no number of gates that hold makes a release "not
worse" by itself. How a shadow's detections compare is shown and decides nothing: a better model
finds other boxes, which is why one makes it.

    counted \\ gates    all hold      one fails     one failed too often    one says nothing
    worse              worse         worse         worse                   worse
    error              error         error         worse                   error
    undecided          undecided     undecided     worse                   undecided
    not worse          not worse     undecided     worse                   error
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from control_plane.core.accuracy import AccuracyGate, Comparison
from control_plane.core.analysis import AnalysisOptions, Judgement, Metric, StepCounts, seen
from control_plane.core.rollout import MetricFigures, Rollout, Verdict
from control_plane.core.rollout.plan import Kind


@dataclass(frozen=True, slots=True)
class Found:
    """What a gate says, and in words."""

    figures: MetricFigures
    words: str


def options_for(rollout: Rollout, options: AnalysisOptions, *, is_shadow: bool) -> AnalysisOptions:
    """How a rollout's shadow, or its steps, are judged.

    A rollout has one alpha. One that has both a shadow and steps is judged twice, on two sets of
    counts, so each has half of it. A shadow has no split whose ratio could be off. The share of
    what is ignored goes to nobody, so that the other tests are as they always are.
    """
    plan = rollout.plan
    if plan.shadow_bp and plan.kind is not Kind.SHADOW:
        options = replace(options, alpha=options.alpha / 2)
    without = {Metric(metric): 0.0 for metric in plan.ignored}
    if is_shadow:
        without[Metric.SAMPLE_RATIO] = 0.0
    return replace(options, alpha_shares={**options.alpha_shares, **without})


def conclude(judged: Judgement, gates: Sequence[Found]) -> tuple[Verdict, str]:
    """The verdict on a rollout's target, and why."""
    verdict = Verdict(judged.verdict.value)
    worse = _words(gates, Verdict.WORSE)
    if verdict is Verdict.WORSE or worse:
        reasons = [judged.reason] if verdict is Verdict.WORSE else []
        return Verdict.WORSE, "; ".join(reasons + worse)
    if verdict is not Verdict.NOT_WORSE:
        return verdict, "; ".join([judged.reason, *_words(gates, Verdict.UNDECIDED)])
    for held in (Verdict.ERROR, Verdict.UNDECIDED):
        if words := _words(gates, held):
            return held, "; ".join(words)
    return verdict, judged.reason


def figures_of(judged: Judgement) -> tuple[MetricFigures, ...]:
    """The tests of a judgement as they are shown."""
    return tuple(
        MetricFigures(
            metric=one.metric.value,
            verdict=Verdict(one.verdict.value),
            log_e=one.alarm.log_e,
            log_threshold=one.alarm.log_threshold,
            clear_log_e=one.all_clear.log_e if one.all_clear else None,
            clear_log_threshold=one.all_clear.log_threshold if one.all_clear else None,
            stable=one.stable,
            target=one.canary,
        )
        for one in judged.metrics
    )


def accuracy_found(gate: AccuracyGate, compared: Comparison) -> Found:
    """What the accuracy gate says. Clear proof of worse needs no least number of photos."""
    name, verdict = f"accuracy:{gate.score}", Verdict.NOT_WORSE
    words = f"{name} is not worse by {gate.margin:g}"
    if compared.is_worse:
        verdict = Verdict.WORSE
        words = f"{name} is worse by more than {gate.margin:g}{_of_both(compared)}"
    elif compared.pairs < gate.least:
        verdict = Verdict.UNDECIDED
        words = f"{name}: {compared.pairs} of at least {gate.least} judged photos of each release"
    elif gate.is_proof_needed and not compared.is_proved:
        verdict = Verdict.UNDECIDED
        words = f"{name}: not proved yet to be within {gate.margin:g}{_of_both(compared)}"
    figures = MetricFigures(
        metric=name,
        verdict=verdict,
        log_e=compared.alarm.log_e,
        log_threshold=compared.alarm.log_threshold,
        clear_log_e=compared.all_clear.log_e if gate.is_proof_needed else None,
        clear_log_threshold=compared.all_clear.log_threshold if gate.is_proof_needed else None,
        stable=compared.stable,
        target=compared.target,
    )
    return Found(figures, words)


def accuracy_missing(gate: AccuracyGate, problem: str) -> Found:
    """What it says where feedback cannot be read."""
    name = f"accuracy:{gate.score}"
    return Found(MetricFigures(name, Verdict.ERROR), f"{name}: {problem}")


def _of_both(compared: Comparison) -> str:
    if compared.stable is None or compared.target is None:
        return ""
    return f": {compared.stable:.2f} → {compared.target:.2f}"


def ignored_figures(rollout: Rollout, counts: Sequence[StepCounts]) -> tuple[MetricFigures, ...]:
    """What was seen of the metrics that do not decide about a rollout; nothing is claimed."""
    found = [(metric, *seen(counts, Metric(metric))) for metric in rollout.plan.ignored]
    return tuple(
        MetricFigures(metric, Verdict.UNDECIDED, stable=stable, target=target)
        for metric, stable, target in found
    )


def detection_figures(details: Mapping[str, int]) -> MetricFigures:
    """The share of boxes, of both releases together, that both have found; of answers that
    agree, where there are no boxes. details: as ``comparison.Comparison.details`` add up."""
    matched = details.get("matched", 0)
    boxes = matched + details.get("only_stable", 0) + details.get("only_target", 0)
    compared = details.get("compared", 0)
    share = None
    if boxes:
        share = matched / boxes
    elif compared:
        share = details.get("agreed", 0) / compared
    verdict = Verdict.NOT_WORSE if compared else Verdict.UNDECIDED
    return MetricFigures("detections", verdict, target=share)


def _words(gates: Sequence[Found], verdict: Verdict) -> list[str]:
    return [gate.words for gate in gates if gate.figures.verdict is verdict]
