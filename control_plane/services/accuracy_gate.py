"""Asking, for a rollout that wants it, what feedback says of its target and of stable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from control_plane.core.accuracy import AccuracyGate, Score, compare
from control_plane.core.accuracy.comparing import MOST_PAIRS
from control_plane.core.assessing import Found, accuracy_found, accuracy_missing
from control_plane.core.rollout import Rollout, State
from control_plane.ports import Clock, FeedbackStore, StoreUnavailable

INTERVAL_S = 1.0
MAX_ROLLOUTS = 64
"""Whose last comparison is remembered; there is one under way for each engine."""


@dataclass(slots=True)
class _Looked:
    at_s: float
    found: Found


class AccuracyGates:
    """alpha: of an engine's rollouts; each promise of the gate holds with it on its own."""

    def __init__(
        self,
        store: FeedbackStore,
        *,
        alpha: Callable[[str], float],
        clock: Clock,
    ) -> None:
        self._store = store
        self._alpha = alpha
        self._clock = clock
        self._looked: dict[str, _Looked] = {}

    async def look(self, rollout: Rollout) -> tuple[Found, ...]:
        """What the gate says, if the rollout has one and its answers reach callers by now.

        A store that is away is a gate that says nothing, which holds the rollout where it is.
        """
        gate = rollout.plan.accuracy
        if gate is None or rollout.place is State.SHADOW:
            return ()
        now_s = self._clock.now_s()
        looked = self._looked.pop(rollout.rollout_id, None)
        if looked is None or now_s - looked.at_s >= INTERVAL_S:
            looked = _Looked(now_s, await self._look(rollout, gate))
        self._looked[rollout.rollout_id] = looked
        if len(self._looked) > MAX_ROLLOUTS:
            del self._looked[next(iter(self._looked))]
        return (looked.found,)

    async def _look(self, rollout: Rollout, gate: AccuracyGate) -> Found:
        score, after_s = Score(gate.score), rollout.started_s
        try:
            stable, target = [
                await self._store.scores(
                    rollout.engine, release, score, after_s=after_s, limit=MOST_PAIRS
                )
                for release in (rollout.stable, rollout.target)
            ]
        except StoreUnavailable as away:
            return accuracy_missing(gate, str(away))
        found = compare(stable, target, gate, alpha=self._alpha(rollout.engine))
        return accuracy_found(gate, found)
