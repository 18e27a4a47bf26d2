"""Where answers are kept for feedback, and what was said of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from control_plane.core.accuracy import Feedback, Judged, KeptDetection, Score


class KeptDetections(Protocol):
    """What was answered lately. Raises StoreUnavailable."""

    async def keep(self, detections: Sequence[KeptDetection]) -> None:
        """All of them or none. One whose ids cannot be stored is left out."""
        ...

    async def find(self, name: str) -> KeptDetection | None:
        """By the id of the request or of the detection; the latest, if there are several."""
        ...

    async def requests_of(self, correlation_id: str, *, limit: int) -> tuple[str, ...]:
        """The ids of the requests that had this correlation id, the latest first."""
        ...

    async def forget(self, *, most: int, keep_s: float, limit: int) -> int:
        """Drops what is older, or more; how many were dropped, at most about ``limit``."""
        ...


class FeedbackStore(Protocol):
    """What was said of answers, by all control planes. Raises StoreUnavailable.

    after_s: only what was first said since then, in seconds since the epoch.
    """

    async def put(self, feedback: Feedback) -> bool:
        """Whether it replaces what was said before of the same engine's part of a detection.

        What replaces keeps the time and the place in the order of what it replaces, unless another
        release answers now: saying it twice must bring no test of a rollout other pairs, nor
        feedback from before it. Of each release only the latest are kept. Raises ValueError for
        what cannot be stored.
        """
        ...

    async def versions(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        """By engine and release: how many are kept, and a number that differs with any change."""
        ...

    async def judged(
        self, engine: str, release: str, *, after_s: float = 0.0, limit: int
    ) -> tuple[Judged, ...]:
        """The latest so many, the oldest first."""
        ...

    async def scores(
        self, engine: str, release: str, score: Score, *, after_s: float = 0.0, limit: int
    ) -> tuple[float, ...]:
        """The earliest so many that have this score, in the order in which they came."""
        ...
