"""Leading: one control plane at a time does what must not be done twice.

    acquire the lease ──► lead: every duty runs ──► lost, or not renewed in time ──► every duty ends
          ▲                    └── renew ──┘                                             │
          └──────────────────────────────────────────────────────────────────────────────┘

A lease that could not be renewed is given up before it expires, by this plane's own clock and
counted from before it was asked for: what it was doing to the instances has stopped by the time
that another plane may begin. What it writes carries the lease's epoch, so that even a plane that
was asleep meanwhile (a stopped process, a frozen machine) changes nothing when it wakes up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from control_plane.core.state import Lease
from control_plane.ports import Clock, Fenced, Leases, StoreUnavailable

log = structlog.get_logger(__name__)

RENEWALS_IN_TTL = 4
KEPT_SHARE = 0.75
"""Of a lease's time, how long it is led by without a renewal."""


class Duty(Protocol):
    """A loop that only the leader runs."""

    async def run(self, epoch: int) -> None:
        """Until cancelled. Raises Fenced when another plane leads by now."""
        ...


class LeaseLost(Exception):
    """It was not renewed in time."""


class Lead:
    """Leads whenever it may. ``run`` never ends."""

    def __init__(
        self, plane: str, *, leases: Leases, duties: Sequence[Duty], ttl_s: float, clock: Clock
    ) -> None:
        self._plane = plane
        self._leases = leases
        self._duties = tuple(duties)
        self._ttl_s = ttl_s
        self._clock = clock
        self._held: tuple[Lease, float] | None = None
        self._is_away = False

    @property
    def held(self) -> tuple[Lease, float] | None:
        """The lease that is led by, and since when by the clock."""
        return self._held

    @property
    def is_leading(self) -> bool:
        return self._held is not None

    async def run(self) -> None:
        """Until cancelled. The lease is given back then, so that nobody waits for its end."""
        while True:
            asked_s = self._clock.now_s()
            lease = await self._acquire()
            if lease is not None:
                await self._lead(lease, asked_s)
            await asyncio.sleep(self._ttl_s / RENEWALS_IN_TTL)

    async def _acquire(self) -> Lease | None:
        try:
            lease = await self._leases.acquire(self._plane, ttl_s=self._ttl_s)
        except StoreUnavailable as error:
            if not self._is_away:
                log.warning("the lease cannot be had", reason=str(error))
            self._is_away = True
            return None
        self._is_away = False
        return lease

    async def _lead(self, lease: Lease, asked_s: float) -> None:
        log.info("leading", plane=self._plane, epoch=lease.epoch)
        self._held = lease, self._clock.now_s()
        try:
            async with asyncio.TaskGroup() as group:
                for duty in self._duties:
                    group.create_task(duty.run(lease.epoch))
                group.create_task(self._keep(lease, asked_s))
        except* (Fenced, LeaseLost) as lost:
            log.warning("leading no more", plane=self._plane, reason=_reason(lost))
        finally:
            self._held = None
            await self._give_back(lease)

    async def _keep(self, lease: Lease, asked_s: float) -> None:
        """Renew it again and again. Raises LeaseLost."""
        while True:
            ends_s = asked_s + KEPT_SHARE * self._ttl_s
            left_s = ends_s - self._clock.now_s()
            await asyncio.sleep(min(self._ttl_s / RENEWALS_IN_TTL, max(0.0, left_s)))
            asks_s = self._clock.now_s()
            left_s = ends_s - asks_s
            if left_s <= 0:
                raise LeaseLost("the lease was not renewed in time")
            try:
                async with asyncio.timeout(left_s):
                    renewed = await self._acquire()
            except TimeoutError:
                raise LeaseLost("the lease was not renewed in time") from None
            if renewed is None:
                if not self._is_away:
                    raise LeaseLost("another control plane has the lease")
            elif renewed.epoch != lease.epoch:
                raise LeaseLost("the lease had expired")
            else:
                asked_s = asks_s

    async def _give_back(self, lease: Lease) -> None:
        try:
            async with asyncio.timeout(self._ttl_s):
                await self._leases.release(lease)
        except (StoreUnavailable, TimeoutError) as error:
            log.warning("the lease was not given back; it expires", reason=str(error))


def _reason(error: BaseException) -> str:
    """What was raised first, however many groups it came through."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
