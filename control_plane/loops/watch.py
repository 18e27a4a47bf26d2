"""The watch of one instance: look at it, and publish what it serves.

    observe ──► publish ──► pause: the observe interval, or until somebody doubts what was seen

It only looks: what is missing or in the way is the reconciler's part, which acts on what was
published here. Every control plane watches every instance, whichever of them leads.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random

import structlog

from control_plane.core.backoff import backoff_s
from control_plane.core.catalogue import Release
from control_plane.core.loading import Observation
from control_plane.ports import CallFailed, Clock, ModelControl
from control_plane.services.fleet import Fleet

HANGS = "does not answer looks in time: it hangs, or its machine or the network does"
log = structlog.get_logger(__name__)

FIRST_BACKOFF_S, MOST_BACKOFF_S = 1.0, 30.0

LEAST_PAUSE_S = 0.02
"""Between two looks, however many callers ask for one."""


@dataclass(frozen=True, slots=True)
class WatchTimes:
    """interval_s: between looks; observe_s: how long a look may take."""

    interval_s: float
    observe_s: float


class InstanceWatch:
    """Keeps one instance's published state true. ``run`` never ends.

    known: every release that may be there: the whole catalogue.
    routed: the releases that callers may be sent there for; without one it is still loading.
    """

    def __init__(
        self,
        name: str,
        *,
        control: ModelControl,
        fleet: Fleet,
        known: Callable[[], Iterable[Release]],
        routed: Callable[[], Iterable[Release]],
        times: WatchTimes,
        clock: Clock,
        rng: Random,
    ) -> None:
        self._name = name
        self._control = control
        self._fleet = fleet
        self._known = known
        self._routed = routed
        self._times = times
        self._clock = clock
        self._rng = rng
        # Whoever doubts what was published asks for another look.
        self._look_again = fleet.instance(name).look_again
        self._odd_looks = 0
        self._look_after_s = float("-inf")
        self._log = log.bind(instance=name)

    async def run(self) -> None:
        """Until cancelled. What goes wrong with this instance, expected or not, stays with it."""
        while True:
            is_asked_for = self._look_again.is_set()
            self._look_again.clear()
            await self._look_safely()
            if is_asked_for:
                self._fleet.tell()
            await self._pause()

    async def _look_safely(self) -> None:
        """A look; after one that met an unexpected error, none until a growing wait is over."""
        now_s = self._clock.now_s()
        if now_s < self._look_after_s:
            return
        try:
            await self.look()
        except Exception as error:  # one instance's oddity must not end the control plane
            self._log.exception("look failed unexpectedly")
            self._odd_looks += 1
            wait_s = backoff_s(
                self._odd_looks, first_s=FIRST_BACKOFF_S, most_s=MOST_BACKOFF_S, rng=self._rng
            )
            self._look_after_s = self._clock.now_s() + wait_s
            reason = f"unexpected {type(error).__name__}: {error}"
            self._publish(None, now_s, is_live=False, reason=reason)
            return
        self._odd_looks = 0

    async def look(self) -> None:
        """Observe and publish."""
        began_s = self._clock.now_s()
        try:
            observed = await self._control.observe(
                tuple(self._known()), timeout_s=self._times.observe_s
            )
        except CallFailed as failed:
            is_refused = failed.failure.status == "UNAVAILABLE"
            is_hanging = failed.failure.status == "DEADLINE_EXCEEDED"
            reason = f"{HANGS} ({failed})" if is_hanging else str(failed)
            self._publish(None, began_s, is_live=not is_refused, reason=reason)
            if is_hanging:
                self._look_again.set()  # two such looks in a row settle it; the sooner the better
            return
        is_whole = all(observed.is_serving(release) for release in self._routed())
        failure = self._fleet.instance(self._name).work_failure
        reason = failure or ("" if is_whole else "loading")
        self._publish(observed, began_s, is_live=True, reason=reason)

    def _publish(
        self, observed: Observation | None, began_s: float, *, is_live: bool, reason: str
    ) -> None:
        """observed: None when there was no answer."""
        seen = observed or Observation(is_ready=False)
        serving = frozenset(
            (release.engine, release.version)
            for release in self._known()
            if seen.is_serving(release)
        )
        instance = self._fleet.instance(self._name)
        is_news = observed != instance.observation
        instance.observation, instance.looked_from_s = observed, began_s
        has_changed = self._fleet.publish(
            self._name,
            serving=serving,
            components=seen.ready_versions,
            is_live=is_live,
            is_ready=seen.is_ready,
            is_answering=observed is not None,
            reason=reason,
            now_s=self._clock.now_s(),
        )
        if is_news:
            self._fleet.tell()
        if has_changed:
            shown = sorted(f"{engine} {version}" for engine, version in serving)
            self._log.info("instance changed", is_live=is_live, serving=shown, reason=reason)

    async def _pause(self) -> None:
        """Until somebody asks for another look, or the interval has passed."""
        await asyncio.sleep(min(LEAST_PAUSE_S, self._times.interval_s))
        try:
            async with asyncio.timeout(self._times.interval_s):
                await self._look_again.wait()
        except TimeoutError:
            return
