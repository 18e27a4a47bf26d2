"""The scrape of one instance: its load, to be shown and as a hint to balancing.

    scrape ──► read the load: what waits, how long, GPU, CPU ──► tell the fleet
       ▲                                                             │
       └───────────────────── scrape interval ◄──────────────────────┘

It sees what the gateway does not: requests that others sent, and those of other gateways.
A hint only: without one, balancing goes by the latencies and calls in flight that it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from control_plane.core.catalogue import Release
from control_plane.core.triton_load import LOOKED_AT, LoadMeter
from control_plane.ports import Clock, InstanceMetrics, ScrapeFailed
from control_plane.services.fleet import Fleet

log = structlog.get_logger(__name__)

BELIEVED_INTERVALS = 3
"""A load that was not heard anew for so many intervals is not shown any more."""


class InstanceScrape:
    """Keeps one instance's hints fresh. ``run`` never ends.

    releases: those that may be served now.
    interval_s: between two scrapes; timeout_s: how long one may take.
    """

    def __init__(
        self,
        name: str,
        *,
        metrics: InstanceMetrics,
        fleet: Fleet,
        releases: Callable[[], Iterable[Release]],
        interval_s: float,
        timeout_s: float,
        clock: Clock,
    ) -> None:
        self._name = name
        self._metrics = metrics
        self._fleet = fleet
        self._releases = releases
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._clock = clock
        self._meter = LoadMeter()
        self._is_failing = False
        self._log = log.bind(instance=name)

    async def run(self) -> None:
        """Until cancelled. What goes wrong with this instance, expected or not, stays with it."""
        while True:
            if self._fleet.instance(self._name).is_live:
                await self.scrape()
            else:  # the watch says so already; a hung one keeps its place as a last resort
                self._fleet.load_lost(self._name, "not scraped while it does not answer")
            await asyncio.sleep(self._interval_s)

    async def scrape(self) -> None:
        """Scrape and tell. After a scrape that failed nothing is known of its load."""
        try:
            families = await self._metrics.scrape(*LOOKED_AT, timeout_s=self._timeout_s)
            load = self._meter.read(families, self._releases())
        except Exception as error:  # one instance's oddity must not end the control plane
            self._fleet.load_lost(self._name, f"scrape failed: {error}")
            self._note_failure(error)
            return
        now_s = self._clock.now_s()
        until_s = now_s + self._timeout_s + BELIEVED_INTERVALS * self._interval_s
        self._fleet.loaded(self._name, load, now_s=now_s, until_s=until_s)
        if self._is_failing:
            self._log.info("metrics scraped again")
        self._is_failing = False

    def _note_failure(self, error: Exception) -> None:
        """Once, until it has gone well again."""
        if not self._is_failing:
            unexpected = None if isinstance(error, ScrapeFailed) else error
            self._log.warning("metrics not scraped", reason=str(error), exc_info=unexpected)
        self._is_failing = True
