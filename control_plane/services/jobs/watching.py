"""Waiting for jobs to change, whichever process changes them.

One look at the states of all that are watched, four times a second, while anybody watches; so a
thousand who wait cost the store no more than one.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator

import structlog

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import Job
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import JobStore, JobUpkeep, StoreUnavailable
from control_plane.services.jobs.telling import told

log = structlog.get_logger(__name__)

INTERVAL_S = 0.25
AWAY_INTERVAL_S = 2.0
STORE_TIMEOUT_S = 10.0
FULL_RETRY_AFTER_S = 5.0

State = tuple[str, float]


class _Watch:
    """One who watches: what he has been told of, and whether there is more."""

    def __init__(self, job_id: str) -> None:
        self.job_id = job_id
        self.seen: State | None = None
        self.changed = asyncio.Event()

    def look(self, state: State | None) -> None:
        """state: None for a job that is not there any more."""
        if state != self.seen:
            self.changed.set()


class Watching:
    """Tells of changes. limit: how many may watch at once."""

    def __init__(self, *, store: JobStore, upkeep: JobUpkeep, limit: int = 1_000) -> None:
        self._store = store
        self._upkeep = upkeep
        self._limit = limit
        self._watches: set[_Watch] = set()
        self._poller: asyncio.Task[None] | None = None
        self._is_away = False

    @property
    def watchers(self) -> int:
        return len(self._watches)

    async def changes(self, job_id: str) -> AsyncGenerator[Job, None]:
        """The job now and after each change of its state that is seen; ends after its finish.

        Raises ControlPlaneError: NOT_FOUND, also for one that is forgotten meanwhile; OVERLOADED;
        STORE_UNAVAILABLE. Close it, if it is left before its end.
        """
        if len(self._watches) >= self._limit:
            raise ControlPlaneError(
                ErrorCode.OVERLOADED,
                f"{len(self._watches)} watch jobs already; the limit is {self._limit}",
                retry_after_s=FULL_RETRY_AFTER_S,
            )
        watch = _Watch(job_id)
        self._begin(watch)  # before anything is awaited: the place is taken
        try:
            shown: DetectionStatus | None = None
            while True:
                job = await self._get(job_id)
                watch.seen = job.state.value, job.updated_at_s
                if job.state is not shown:
                    shown = job.state
                    yield job
                if job.is_finished:
                    return
                await watch.changed.wait()
                watch.changed.clear()
        finally:
            self._end(watch)

    async def _get(self, job_id: str) -> Job:
        async with told(ErrorCode.STORE_UNAVAILABLE, "the job store", timeout_s=STORE_TIMEOUT_S):
            job = await self._store.get(job_id)
        if job is None:
            raise ControlPlaneError(
                ErrorCode.NOT_FOUND, f"there is no job {job_id[:80]!r}", field="request_id"
            )
        return job

    def _begin(self, watch: _Watch) -> None:
        self._watches.add(watch)
        if self._poller is None:
            # For all who watch, so without the ids of the first.
            self._poller = asyncio.create_task(
                self._poll(), name="job watching", context=contextvars.Context()
            )

    def _end(self, watch: _Watch) -> None:
        self._watches.discard(watch)
        if not self._watches and self._poller is not None:
            self._poller.cancel()
            self._poller = None

    async def _poll(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(AWAY_INTERVAL_S if self._is_away else INTERVAL_S)
            asked = {watch.job_id for watch in self._watches}
            try:
                states = await self._upkeep.states_of(sorted(asked))
            except StoreUnavailable as away:
                self._note(str(away))
            except Exception as error:  # whoever watches goes on watching
                self._note(str(error), error)
            else:
                self._is_away = False
                for watch in tuple(self._watches):
                    if watch.job_id in asked:
                        watch.look(states.get(watch.job_id))

    def _note(self, reason: str, unexpected: Exception | None = None) -> None:
        """Once, until it has gone well again."""
        if not self._is_away:
            log.warning("jobs that are watched are not seen", reason=reason, exc_info=unexpected)
        self._is_away = True
