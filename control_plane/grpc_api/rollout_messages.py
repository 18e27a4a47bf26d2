"""Rollouts, their evidence and the audit as messages of ``tidegate.v1``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from google.protobuf import json_format, struct_pb2, timestamp_pb2

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import Assessment, Kind, MetricFigures, State, Verdict
from control_plane.core.state import AuditRecord
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.services.rollout_views import RolloutView

KINDS: Mapping[Kind, pb.RolloutKind] = {
    Kind.CANARY: pb.ROLLOUT_KIND_CANARY,
    Kind.EXPERIMENT: pb.ROLLOUT_KIND_EXPERIMENT,
    Kind.SHADOW: pb.ROLLOUT_KIND_SHADOW,
    Kind.DIRECT: pb.ROLLOUT_KIND_DIRECT,
}
STATES: Mapping[State, pb.RolloutState] = {
    State.PENDING: pb.ROLLOUT_STATE_PENDING,
    State.PREPARING: pb.ROLLOUT_STATE_PREPARING,
    State.SHADOW: pb.ROLLOUT_STATE_SHADOW,
    State.STEP: pb.ROLLOUT_STATE_STEP,
    State.PROMOTING: pb.ROLLOUT_STATE_PROMOTING,
    State.PAUSED: pb.ROLLOUT_STATE_PAUSED,
    State.COMPLETED: pb.ROLLOUT_STATE_COMPLETED,
    State.ROLLING_BACK: pb.ROLLOUT_STATE_ROLLING_BACK,
    State.ROLLED_BACK: pb.ROLLOUT_STATE_ROLLED_BACK,
    State.FAILED: pb.ROLLOUT_STATE_FAILED,
}
VERDICTS: Mapping[Verdict, pb.Verdict] = {
    Verdict.WORSE: pb.VERDICT_WORSE,
    Verdict.NOT_WORSE: pb.VERDICT_NOT_WORSE,
    Verdict.UNDECIDED: pb.VERDICT_UNDECIDED,
    Verdict.ERROR: pb.VERDICT_ERROR,
}


def _write_gate(gate: AccuracyGate | None) -> pb.AccuracyGate | None:
    if gate is None:
        return None
    return pb.AccuracyGate(
        score=gate.score, margin=gate.margin, least=gate.least, proof=gate.is_proof_needed
    )


def write_rollout(view: RolloutView) -> pb.Rollout:
    rollout, plan, look = view.rollout, view.rollout.plan, view.step_assessment
    paused_in = rollout.paused_in
    return pb.Rollout(
        id=rollout.rollout_id,
        engine=rollout.engine,
        kind=KINDS[plan.kind],
        state=STATES[rollout.state],
        paused_in=STATES[paused_in] if paused_in else pb.ROLLOUT_STATE_UNSPECIFIED,
        step=rollout.step,
        steps_percent=plan.steps_percent,
        weight_bp=view.weight_bp,
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
        ignored=plan.ignored,
        accuracy=_write_gate(plan.accuracy),
        instances=view.instances,
        verdict=VERDICTS[look.verdict] if look else pb.VERDICT_UNSPECIFIED,
        samples=look.samples if look else 0,
        slow_s=view.slow_s,
        assessment=write_assessment(view.assessment) if view.assessment else None,
    )


def write_assessment(look: Assessment) -> pb.RolloutAssessment:
    return pb.RolloutAssessment(
        at=_timestamp(look.at_s),
        step=look.step,
        verdict=VERDICTS[look.verdict],
        reason=look.reason,
        samples=look.samples,
        metrics=[_write_metric(figures) for figures in look.metrics],
    )


def write_entry(record: AuditRecord) -> pb.AuditEntry:
    entry = record.entry
    return pb.AuditEntry(
        number=record.number,
        at=_timestamp(record.at_s),
        who=entry.who,
        action=entry.action,
        reason=entry.reason,
        engine=entry.engine,
        rollout=entry.rollout_id,
        instance=entry.instance,
        before=json_format.ParseDict(dict(entry.before), struct_pb2.Struct()),
        after=json_format.ParseDict(dict(entry.after), struct_pb2.Struct()),
    )


def _write_metric(figures: MetricFigures) -> pb.RolloutMetric:
    return pb.RolloutMetric(
        metric=figures.metric,
        verdict=VERDICTS[figures.verdict],
        evidence=figures.log_e,
        threshold=figures.log_threshold,
        clear_evidence=figures.clear_log_e,
        clear_threshold=figures.clear_log_threshold,
        stable=figures.stable,
        target=figures.target,
    )


def _timestamp(at_s: float) -> timestamp_pb2.Timestamp:
    found = timestamp_pb2.Timestamp()
    found.FromDatetime(datetime.fromtimestamp(at_s, UTC))
    return found
