"""A rollout, its evidence and the audit: from values to what is shown of them."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import Assessment, MetricFigures
from control_plane.core.state import AuditRecord
from control_plane.rest_api import rollout_schemas as schemas
from control_plane.services.rollout_views import RolloutView

BP_PER_PERCENT = 100


def show_rollout(view: RolloutView) -> schemas.Rollout:
    rollout, plan = view.rollout, view.rollout.plan
    look = view.step_assessment
    return schemas.Rollout(
        id=rollout.rollout_id,
        engine=rollout.engine,
        kind=plan.kind,
        state=rollout.state.value,
        paused_in=rollout.paused_in.value if rollout.paused_in else None,
        step=rollout.step,
        steps=plan.steps,
        steps_percent=list(plan.steps_percent),
        weight_bp=view.weight_bp,
        weight_percent=view.weight_bp / BP_PER_PERCENT,
        shadow_bp=view.shadow_bp,
        stable=rollout.stable,
        target=rollout.target,
        reason=rollout.reason,
        started_at=view.started_at,
        since=view.since,
        is_finished=rollout.is_finished,
        is_manual=plan.is_manual,
        is_reversal=rollout.is_reversal,
        shadow_percent=plan.shadow_percent,
        min_step_s=plan.min_step_s,
        max_step_s=plan.max_step_s,
        min_samples=plan.min_samples,
        ignored=list(plan.ignored),
        accuracy=_show_gate(plan.accuracy),
        instances=dict(view.instances),
        verdict=look.verdict.value if look else None,
        samples=look.samples if look else 0,
        slow_s=view.slow_s,
        assessment=show_assessment(view.assessment) if view.assessment else None,
    )


def _show_gate(gate: AccuracyGate | None) -> schemas.AccuracyGate | None:
    if gate is None:
        return None
    return schemas.AccuracyGate(
        score=gate.score, margin=gate.margin, least=gate.least, proof=gate.is_proof_needed
    )


def read_gate(asked: schemas.AccuracyGate | None) -> AccuracyGate | None:
    """Raises InvalidArgument."""
    if asked is None:
        return None
    return AccuracyGate(asked.score, asked.margin, asked.least, asked.proof)


def show_assessment(look: Assessment) -> schemas.Assessment:
    return schemas.Assessment(
        at=_utc(look.at_s),
        step=look.step,
        verdict=look.verdict.value,
        reason=look.reason,
        samples=look.samples,
        metrics=[_show_metric(figures) for figures in look.metrics],
    )


def show_entry(record: AuditRecord) -> schemas.AuditEntry:
    entry = record.entry
    return schemas.AuditEntry(
        number=record.number,
        at=_utc(record.at_s),
        who=entry.who,
        action=entry.action,
        reason=entry.reason,
        engine=entry.engine,
        rollout=entry.rollout_id,
        instance=entry.instance,
        before=dict(entry.before),
        after=dict(entry.after),
    )


def _show_metric(figures: MetricFigures) -> schemas.Metric:
    is_test = figures.log_threshold > 0
    return schemas.Metric(
        metric=figures.metric,
        verdict=figures.verdict.value,
        evidence=_number(figures.log_e) if is_test else None,
        threshold=_number(figures.log_threshold) if is_test else None,
        clear_evidence=_number(figures.clear_log_e),
        clear_threshold=_number(figures.clear_log_threshold),
        stable=_number(figures.stable),
        target=_number(figures.target),
    )


def _number(value: float | None) -> float | None:
    """JSON knows no infinity: evidence that has been ruled out for good is none."""
    return value if value is not None and isfinite(value) else None


def _utc(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
