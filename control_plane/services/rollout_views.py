"""A rollout as it is shown: the stored value, the evidence, and how far each instance has got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.core.catalogue import Release
from control_plane.core.reconcile import InstanceFacts, key_of
from control_plane.core.rollout import Assessment, Rollout
from control_plane.core.routing import Trial


@dataclass(frozen=True, slots=True)
class RolloutView:
    """One rollout.

    weight_bp, shadow_bp: what the routing table gives its target now, which is less than its
        plan says while the target is ready nowhere.
    assessment: the latest look at its evidence; None before the first.
    slow_s: in the step that it is in, a request is slow that takes longer; None while nothing is
        measured by it.
    instances: what the target is on each instance, a few words for a person: ``ready``,
        ``loading``, ``not loaded``, ``refused: …``, ``drained``, ``unreachable``.
    """

    rollout: Rollout
    started_at: datetime
    since: datetime
    weight_bp: int = 0
    shadow_bp: int = 0
    assessment: Assessment | None = None
    slow_s: float | None = None
    instances: Mapping[str, str] = field(default_factory=dict)

    @property
    def step_assessment(self) -> Assessment | None:
        """The latest look, if it was at the step that the rollout is in."""
        look = self.assessment
        return look if look is not None and look.step == self.rollout.step else None


def slow_s_of(rollout: Rollout, trial: Trial | None) -> float | None:
    """What the step that a rollout is in is measured by; None while it is measured by nothing."""
    place = (rollout.rollout_id, rollout.step)
    return trial.slow_s if trial is not None and (trial.rollout_id, trial.step) == place else None


def progress(target: Release, facts: Mapping[str, InstanceFacts]) -> dict[str, str]:
    """How far each instance has got with a release, in a few words for a person."""
    return {name: _words(target, here) for name, here in facts.items()}


def _words(target: Release, here: InstanceFacts) -> str:
    key = key_of(target)
    if here.observed is None:
        return "unreachable"
    if here.is_held_back:
        return "held back by an operator"
    if key in here.refused:
        return f"refused: {here.refused[key]}"
    if here.is_ready(target):
        return "ready"
    if here.is_serving(target):
        return "loaded, to be proved"
    return "loading" if here.observed.has_components(target) else "not loaded"
