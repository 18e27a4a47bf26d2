"""A worker's hold on a job that it works on: kept while it works, given up with the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.jobs import Claim, ClaimLost, Job
from control_plane.core.jobs.transitions import give_back, renew
from control_plane.errors import ControlPlaneError
from control_plane.ports import Clock, JobStore, StoreUnavailable

log = structlog.get_logger(__name__)

RENEWALS_IN_TTL = 3

FIRST_BACKOFF_S, MOST_BACKOFF_S = 0.1, 2.0
"""Between two tries of a store that is away."""

Found = TypeVar("Found")


class Hold:
    """One claim. asked_s: by the worker's own clock, when it asked for it; claim_s: how long a
    claim lasts."""

    def __init__(
        self,
        job_id: str,
        claim: Claim,
        *,
        asked_s: float,
        claim_s: float,
        store: JobStore,
        clock: Clock,
        rng: Rng,
    ) -> None:
        self._job_id = job_id
        self._claim = claim
        self._claim_s = claim_s
        # Counted from before the store was asked, so that it ends no later than the store says.
        self._kept_until_s = asked_s + claim_s
        self._store = store
        self._clock = clock
        self._rng = rng

    async def during(self, work: Coroutine[Any, Any, Found]) -> Found:
        """What comes of the work, with the claim renewed meanwhile. Raises ClaimLost."""
        working = asyncio.create_task(work)
        keeping = asyncio.create_task(self._keep())
        try:
            await asyncio.wait((working, keeping), return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                keeping.result()
            return working.result()
        finally:
            # No renewal may be under way when the outcome is written: it would look lost.
            for task in (working, keeping):
                task.cancel()
            await asyncio.gather(working, keeping, return_exceptions=True)

    async def _keep(self) -> None:
        """Renew until cancelled. Raises ClaimLost, also when it could not be done in time."""
        wait_s = self._claim_s / RENEWALS_IN_TTL
        while True:
            await asyncio.sleep(wait_s)
            asked_s = self._clock.now_s()
            try:
                await self._store.change(self._job_id, self._renewed)
            except StoreUnavailable:
                if self._clock.now_s() >= self._kept_until_s:
                    raise ClaimLost from None
                wait_s = min(wait_s, MOST_BACKOFF_S)
            except ControlPlaneError:
                raise ClaimLost from None  # the job is gone
            else:
                self._kept_until_s = asked_s + self._claim_s
                wait_s = self._claim_s / RENEWALS_IN_TTL

    def _renewed(self, job: Job, now_s: float) -> Job:
        return renew(job, now_s, claim=self._claim, ttl_s=self._claim_s)

    async def write(self, decide: Callable[[Job, float], Job]) -> Job:
        """The job with its outcome; tried again as long as the claim may last.

        Raises ClaimLost, StoreUnavailable.
        """

        def mine(job: Job, now_s: float) -> Job:
            if not self._claim.is_same(job.claim):
                raise ClaimLost
            return decide(job, now_s)

        failures = 0
        while True:
            try:
                return await self._store.change(self._job_id, mine)
            except StoreUnavailable:
                failures += 1
                wait_s = backoff_s(
                    failures, first_s=FIRST_BACKOFF_S, most_s=MOST_BACKOFF_S, rng=self._rng
                )
                if self._clock.now_s() + wait_s >= self._kept_until_s:
                    raise
                await asyncio.sleep(wait_s)

    async def give_back(self) -> None:
        """The job goes back as if it had not been taken, unless it is somebody else's by now."""
        try:
            await self._store.change(
                self._job_id, lambda job, now_s: give_back(job, now_s, claim=self._claim)
            )
        except (ClaimLost, ControlPlaneError):
            return
        except StoreUnavailable as away:
            log.warning(
                "a job was not given back; its claim runs out",
                job_id=self._job_id,
                reason=str(away),
            )
