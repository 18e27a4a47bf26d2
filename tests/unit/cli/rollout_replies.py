"""What a control plane says of rollouts, in the shapes of its REST API."""

from __future__ import annotations

from typing import Any

from tests.unit.cli.plane import Plane, Reply

ROLLOUTS = "/api/v1/rollouts"
ERRORS = {
    "metric": "errors",
    "verdict": "undecided",
    "evidence": 2.3,
    "threshold": 4.6,
    "clear_evidence": 5.0,
    "clear_threshold": 4.6,
    "stable": 0.004,
    "target": 0.006,
}
SPLIT = {
    "metric": "sample_ratio",
    "verdict": "not_worse",
    "evidence": None,
    "threshold": 7.6,
    "clear_evidence": None,
    "clear_threshold": None,
    "stable": 0.05,
    "target": None,
}
LATENCY = {**ERRORS, "metric": "latency"}
CONFIDENCE = {
    **ERRORS,
    "metric": "confidence",
    "verdict": "worse",
    "evidence": 8.0,
    "stable": 0.335,
    "target": 0.514,
}
IGNORED = {
    "metric": "confidence",
    "verdict": "undecided",
    "evidence": None,
    "threshold": None,
    "clear_evidence": None,
    "clear_threshold": None,
    "stable": 0.335,
    "target": 0.514,
}
QUERY = {
    "metric": "query:gpu_errors",
    "verdict": "not_worse",
    "evidence": None,
    "threshold": None,
    "clear_evidence": None,
    "clear_threshold": None,
    "stable": None,
    "target": 0.25,
}
DETECTIONS = {**QUERY, "metric": "detections", "target": 0.975}
LOOK: dict[str, Any] = {
    "at": "2025-01-31T12:00:00Z",
    "step": 2,
    "verdict": "undecided",
    "reason": "not enough evidence yet: [errors]",
    "samples": 40,
    "metrics": [ERRORS, SPLIT],
}
ROLLOUT: dict[str, Any] = {
    "id": "damage-7f3a",
    "engine": "damage",
    "kind": "canary",
    "state": "step",
    "paused_in": None,
    "step": 2,
    "steps": 3,
    "steps_percent": [1, 5, 100],
    "weight_bp": 500,
    "weight_percent": 5.0,
    "shadow_bp": 0,
    "stable": "1.0.0",
    "target": "1.1.0",
    "reason": "no metric is worse by its margin",
    "started_at": "2025-01-31T11:50:00Z",
    "since": "2025-01-31T11:58:00Z",
    "is_finished": False,
    "is_manual": False,
    "is_reversal": False,
    "shadow_percent": 0,
    "min_step_s": 60.0,
    "max_step_s": 3600.0,
    "min_samples": 100,
    "ignored": [],
    "accuracy": None,
    "instances": {"triton-0": "ready", "triton-1": "refused: [red]no golden[/]"},
    "verdict": "undecided",
    "samples": 40,
    "slow_s": 0.25,
    "assessment": LOOK,
}
BEGUN = {
    **ROLLOUT,
    "state": "pending",
    "step": 0,
    "weight_bp": 0,
    "weight_percent": 0.0,
    "verdict": None,
    "samples": 0,
    "assessment": None,
}
COMPLETED = {
    **ROLLOUT,
    "state": "completed",
    "step": 3,
    "weight_bp": 0,
    "is_finished": True,
    "verdict": None,
    "reason": "ready on every instance",
}
ROLLED_BACK = {
    **ROLLOUT,
    "state": "rolled_back",
    "weight_bp": 0,
    "is_finished": True,
    "verdict": "worse",
    "reason": "the canary is worse: errors",
}
SURER: dict[str, Any] = {
    **ROLLED_BACK,
    "reason": "the canary is worse: confidence 0.34 → 0.51",
    "assessment": {
        **LOOK,
        "verdict": "worse",
        "reason": "the canary is worse: confidence 0.34 → 0.51",
        "metrics": [ERRORS, CONFIDENCE, SPLIT],
    },
}
"""Taken back because of its confidence alone."""

ENTRY = {
    "number": 17,
    "at": "2025-01-31T12:00:00Z",
    "who": "ada",
    "action": "roll_back",
    "reason": "hail is [missed]",
    "engine": "damage",
    "rollout": "damage-7f3a",
    "instance": "",
    "before": {"state": "step", "weight_bp": 500},
    "after": {
        "state": "rolling_back",
        "weight_bp": 0,
        "evidence": [{**ERRORS, "verdict": "worse", "evidence": 5.0}],
    },
}


def serve(plane: Plane, rollout: dict[str, Any]) -> None:
    """The plane has this one rollout, with its evidence and its history."""
    name = rollout["id"]
    plane.replies |= {
        f"{ROLLOUTS}?limit=200": Reply({"rollouts": [rollout]}),
        f"{ROLLOUTS}/{name}": Reply(rollout),
        f"{ROLLOUTS}/{rollout['engine']}": Reply(rollout),
        f"{ROLLOUTS}/{name}/evidence": Reply(
            {
                "rollout": name,
                "engine": rollout["engine"],
                "assessments": [rollout["assessment"]] if rollout["assessment"] else [],
            }
        ),
        f"/api/v1/audit?rollout={name}&limit=100": Reply({"entries": [ENTRY]}),
    }
