"""What the control planes have counted of a rollout, and how its evidence went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from control_plane.core.analysis import StepCounts
from control_plane.core.rollout import Assessment
from control_plane.core.state import KeyedUnit


@dataclass(frozen=True, slots=True)
class RolloutCounts:
    """What one plane has counted of a rollout so far; whatever it said before is replaced.

    steps: of requests without a routing key; they add up over planes.
    shadow: of the copies to a shadow release, each counted in both arms.
    samples: answered requests to the target by step, 0 being the shadow.
    details: what else a shadow's comparison has counted, by name.
    """

    steps: tuple[StepCounts, ...] = ()
    shadow: tuple[StepCounts, ...] = ()
    samples: Mapping[int, int] = field(default_factory=dict)
    details: Mapping[str, int] = field(default_factory=dict)


class CountStore(Protocol):
    """What all planes have counted of a rollout. Raises StoreUnavailable."""

    async def put_counts(self, rollout_id: str, plane: str, counts: RolloutCounts) -> None: ...

    async def counts(self, rollout_id: str) -> Mapping[str, RolloutCounts]:
        """By plane, those that are gone too."""
        ...

    async def add_keyed(self, rollout_id: str, plane: str, units: Sequence[KeyedUnit]) -> None:
        """Adds what has a routing key; a key may have been counted by another plane already."""
        ...

    async def keyed(
        self, rollout_id: str, *, after: int = 0, limit: int = 10_000
    ) -> tuple[tuple[int, KeyedUnit], ...]:
        """In the order in which they were added, each with its number; after: a number."""
        ...


class EvidenceLog(Protocol):
    """How the evidence of a rollout went, to be shown. Raises StoreUnavailable."""

    async def add_assessment(self, rollout_id: str, assessment: Assessment) -> None: ...

    async def assessments(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        """The latest ones, the oldest first."""
        ...
