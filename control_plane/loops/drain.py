"""The end of the process, in an order in which nothing that was accepted is cut.

    told to stop ──► notice ──────────► drain ───────────────► over
                     not ready, still   no new work; what is
                     serves everything  under way is finished
                          └──── told again: what is left is cut ────┘

The notice is for load balancers: they send no more once they have seen that readiness is off,
and until then everything is answered as ever. The loops go on meanwhile, because a request in
its last second needs the fleet's state as much as any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

log = structlog.get_logger(__name__)


class Edge(Protocol):
    """Where requests come in."""

    async def announce_stop(self) -> None:
        """Tell callers to turn elsewhere; everything is served as ever."""
        ...

    async def stop(self, grace_s: float) -> None:
        """Take no new work, finish what is under way within ``grace_s``, cut the rest.

        May be called again meanwhile, with less patience.
        """
        ...


@dataclass(frozen=True, slots=True)
class StopOrders:
    """What the process was told by signals. first: to end; second: to end at once."""

    first: asyncio.Event = field(default_factory=asyncio.Event)
    second: asyncio.Event = field(default_factory=asyncio.Event)

    def give(self) -> None:
        if self.first.is_set():
            self.second.set()
        self.first.set()


async def drain(
    edges: Sequence[Edge], orders: StopOrders, *, notice_s: float, grace_s: float
) -> None:
    """Ends the edges side by side: after the notice gently, after a second order at once."""
    log.info("stopping", notice_s=notice_s, grace_s=grace_s)
    await asyncio.gather(*(edge.announce_stop() for edge in edges))
    try:
        async with asyncio.timeout(notice_s):
            await orders.second.wait()
    except TimeoutError:
        log.info("draining")
    ending = asyncio.gather(*(edge.stop(grace_s) for edge in edges))
    hurry = asyncio.create_task(orders.second.wait())
    either: set[asyncio.Future[Any]] = {ending, hurry}
    try:
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            log.warning("told again to stop: what is under way is cut")
            await asyncio.gather(*(edge.stop(0) for edge in edges))
        await ending
    finally:
        hurry.cancel()
        ending.cancel()
