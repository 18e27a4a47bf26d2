"""Answers and feedback in a database, the one that has the state."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from control_plane.adapters.stores import feedback_rows
from control_plane.adapters.stores.bounds import MOST_JUDGED
from control_plane.adapters.stores.database import Database
from control_plane.adapters.stores.state_rows import can_be_name
from control_plane.core.accuracy import Feedback, Judged, KeptDetection, Score


class SqlFeedback:
    """KeptDetections and FeedbackStore. Raises StoreUnavailable.

    most_judged: of one release; further feedback replaces the oldest. Single documents, and those
    of a batch of answers, are read and written on the event loop: some milliseconds. All that was
    judged of a release is read in a thread, or requests would wait for it.
    """

    def __init__(self, database: Database, *, most_judged: int = MOST_JUDGED) -> None:
        self._database = database
        self._most_judged = most_judged

    def __repr__(self) -> str:
        return f"<SqlFeedback in {self._database!r}>"

    async def keep(self, detections: Sequence[KeptDetection]) -> None:
        storable = [one for one in detections if has_good_ids(one)]
        if storable:
            # What is kept for feedback may wait for whoever leads, or takes jobs in.
            async with self._database.writing(is_patient=True) as connection:
                await feedback_rows.add_kept(connection, storable)

    async def find(self, name: str) -> KeptDetection | None:
        if not can_be_name(name):
            return None
        async with self._database.reading() as connection:
            return await feedback_rows.find_kept(connection, name)

    async def requests_of(self, correlation_id: str, *, limit: int) -> tuple[str, ...]:
        if not correlation_id or not can_be_name(correlation_id):
            return ()
        async with self._database.reading() as connection:
            return await feedback_rows.requests_of(connection, correlation_id, limit=limit)

    async def forget(self, *, most: int, keep_s: float, limit: int) -> int:
        async with self._database.writing(is_patient=True) as connection:
            return await feedback_rows.forget_kept(
                connection, most=most, keep_s=keep_s, limit=limit
            )

    async def put(self, feedback: Feedback) -> bool:
        async with self._database.writing() as connection:
            return await feedback_rows.put_feedback(connection, feedback, most=self._most_judged)

    async def versions(self) -> Mapping[tuple[str, str], tuple[int, int]]:
        async with self._database.reading() as connection:
            return await feedback_rows.read_versions(connection)

    async def judged(
        self, engine: str, release: str, *, after_s: float = 0.0, limit: int
    ) -> tuple[Judged, ...]:
        if not can_be_name(engine + release):
            return ()
        async with self._database.reading() as connection:
            texts = await feedback_rows.judged_documents(
                connection, engine, release, after_s=after_s, limit=limit
            )
        return await asyncio.to_thread(_read_all, texts)

    async def scores(
        self, engine: str, release: str, score: Score, *, after_s: float = 0.0, limit: int
    ) -> tuple[float, ...]:
        if not can_be_name(engine + release):
            return ()
        async with self._database.reading() as connection:
            return await feedback_rows.read_scores(
                connection, engine, release, score, after_s=after_s, limit=limit
            )


def _read_all(texts: Sequence[str]) -> tuple[Judged, ...]:
    """The latest first; as values the oldest first."""
    return tuple(feedback_rows.read_judged(text) for text in reversed(texts))


def has_good_ids(detection: KeptDetection) -> bool:
    ids = detection.request_id, detection.detection_id, detection.correlation_id
    return all(can_be_name(one) for one in ids)
