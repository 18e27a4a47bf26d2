"""Keeping what was answered at once, so that somebody can say later whether it was right.

``take`` is in the request's path and only puts the answer into a bounded buffer; the loop
(``loops/keep``) hands the buffer to a store now and then. Never a photo: an answer has none. A
store that is away, or slow, costs no answer: what finds the buffer full is dropped, and counted.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from control_plane.core.accuracy import KeptDetection, keep
from control_plane.core.detections import DetectionAnswer
from control_plane.ports import KeptDetections, StoreUnavailable

log = structlog.get_logger(__name__)

BATCH = 500
"""Answers written at once, in one transaction."""
FORGOTTEN_AT_ONCE = 2_000
MOST_PARTS = 20
"""Of what is forgotten in one go. Together they are more than one plane answers meanwhile, or
what is kept would grow beyond its bound for as long as it is busy."""


@dataclass(frozen=True, slots=True)
class KeepingOptions:
    """most, keep_s: what the store keeps. most_waiting: what waits to be written to it."""

    most: int = 100_000
    keep_s: float = 7 * 86_400.0
    most_waiting: int = 5_000


class Keeping:
    """The answers of one control plane on their way to the store, and those in it."""

    def __init__(self, store: KeptDetections, options: KeepingOptions | None = None) -> None:
        self._store = store
        self._options = options or KeepingOptions()
        # By the detection's id; by the request's, the id of its latest detection.
        self._waiting: dict[str, KeptDetection] = {}
        self._detections: dict[str, str] = {}
        self._is_failing = False
        self.dropped = 0

    @property
    def options(self) -> KeepingOptions:
        return self._options

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def take(self, answer: DetectionAnswer) -> None:
        """Takes in an answer: a few microseconds, however much was found."""
        if not answer.results:
            return
        if len(self._waiting) >= self._options.most_waiting:
            self.dropped += 1
            return
        self._waiting[answer.detection_id] = keep(answer)
        self._detections[answer.request_id] = answer.detection_id

    async def find(self, name: str) -> KeptDetection | None:
        """By the id of the request or of the detection. Raises StoreUnavailable."""
        waiting = self._waiting.get(name) or self._waiting.get(self._detections.get(name, ""))
        return waiting or await self._store.find(name)

    async def requests_of(self, correlation_id: str, *, limit: int) -> tuple[str, ...]:
        """The ids of the requests that had this correlation id. Raises StoreUnavailable."""
        waiting = [
            one.request_id for one in self._waiting.values() if one.correlation_id == correlation_id
        ]
        stored = await self._store.requests_of(correlation_id, limit=limit)
        # What was written meanwhile is in both.
        return tuple(dict.fromkeys((*reversed(waiting), *stored)))[:limit]

    async def flush(self) -> None:
        """Writes what waits. What goes wrong is logged, once; what is away gets it later."""
        while self._waiting:
            batch = list(self._waiting.values())[:BATCH]
            try:
                await self._store.keep(batch)
            except StoreUnavailable as away:
                self._note_failure(str(away))
                return
            except Exception as error:  # an oddity of one answer must not end the control plane
                self._note_failure(str(error), error)
                self.dropped += len(batch)
            else:
                self._is_failing = False
            self._let_go(batch)

    async def forget(self) -> None:
        """Drops what is too old or too much, a part of it at a time. What goes wrong is logged."""
        options = self._options
        try:
            for _ in range(MOST_PARTS):
                dropped = await self._store.forget(
                    most=options.most, keep_s=options.keep_s, limit=FORGOTTEN_AT_ONCE
                )
                if dropped < FORGOTTEN_AT_ONCE:
                    return
        except Exception as error:  # it is tried again soon
            log.info("old answers were not dropped", reason=str(error))

    def _let_go(self, batch: list[KeptDetection]) -> None:
        for answer in batch:
            self._waiting.pop(answer.detection_id, None)
            if self._detections.get(answer.request_id) == answer.detection_id:
                del self._detections[answer.request_id]

    def _note_failure(self, reason: str, unexpected: Exception | None = None) -> None:
        if not self._is_failing:
            log.warning("answers are not kept for feedback", reason=reason, exc_info=unexpected)
        self._is_failing = True
