"""The scrape of one instance: how many requests wait there, as a hint to balancing.

    scrape ──► count what waits for each release ──► hint the fleet
       ▲                                                  │
       └──────────────── scrape interval ◄────────────────┘

It sees what the gateway does not: requests that others sent, and those of other gateways.
A hint only: without one, balancing goes by the latencies and calls in flight that it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

import structlog

from control_plane.core.catalogue import Release
from control_plane.core.triton_metrics import PENDING, pending_by_component, pending_for
from control_plane.ports import InstanceMetrics, ScrapeFailed
from control_plane.services.fleet import Fleet

log = structlog.get_logger(__name__)


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
    ) -> None:
        self._name = name
        self._metrics = metrics
        self._fleet = fleet
        self._releases = releases
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._is_failing = False
        self._log = log.bind(instance=name)

    async def run(self) -> None:
        """Until cancelled. What goes wrong with this instance, expected or not, stays with it."""
        while True:
            if self._fleet.instance(self._name).is_live:
                await self.scrape()
            else:  # the watch says so already; a hung one keeps its place as a last resort
                self._fleet.hint(self._name, {})
            await asyncio.sleep(self._interval_s)

    async def scrape(self) -> None:
        """Scrape and hint. After a scrape that failed nothing is known to wait there."""
        try:
            families = await self._metrics.scrape(PENDING, timeout_s=self._timeout_s)
        except Exception as error:  # one instance's oddity must not end the control plane
            self._fleet.hint(self._name, {})
            self._note_failure(error)
            return
        pending = pending_by_component(families)
        self._fleet.hint(
            self._name,
            {
                (release.engine, release.version): pending_for(release, pending)
                for release in self._releases()
            },
        )
        if self._is_failing:
            self._log.info("metrics scraped again")
        self._is_failing = False

    def _note_failure(self, error: Exception) -> None:
        """Once, until it has gone well again."""
        if not self._is_failing:
            unexpected = None if isinstance(error, ScrapeFailed) else error
            self._log.warning("metrics not scraped", reason=str(error), exc_info=unexpected)
        self._is_failing = True
