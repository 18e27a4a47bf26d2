"""The probing of one instance: each engine served there is asked for its golden answer.

which are due? ──► probe them, side by side ──► tell the fleet ──► until the next is due,
  (schedule)                                                        or a request failed
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from control_plane.core.catalogue import Release
from control_plane.core.health import Fitness, ProbeOptions, ProbeResult, ProbeSchedule
from control_plane.ports import Clock
from control_plane.services.fleet import Fleet
from control_plane.services.probing import Probed, Prober

log = structlog.get_logger(__name__)

LEAST_PAUSE_S = 0.02
"""Between two rounds, however many requests fail."""

LONGEST_PAUSE_S = 1.0
"""Between two rounds at the most: what becomes due without a word is found within this."""


@dataclass(frozen=True, slots=True)
class Due:
    """A probe to be made now. is_doubted: whether there is something to be settled."""

    release: Release
    is_doubted: bool


class InstanceProbe:
    """Keeps the fleet's opinion of one instance's engines true. ``run`` never ends."""

    def __init__(
        self,
        name: str,
        *,
        fleet: Fleet,
        prober: Prober,
        stable: Callable[[], Iterable[Release]],
        options: ProbeOptions,
        clock: Clock,
    ) -> None:
        self._instance = fleet.instance(name)
        self._fleet = fleet
        self._prober = prober
        self._stable = stable
        self._options = options
        self._clock = clock
        self._schedules: dict[str, ProbeSchedule] = {}
        self._log = log.bind(instance=name)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._instance.probe_again.clear()
            async with asyncio.TaskGroup() as group:
                for due in self.due():
                    group.create_task(self.probe(due))
            await self._pause()

    def due(self) -> tuple[Due, ...]:
        """The probes to be made now: of the stable release of each engine that is served.

        One that is being mended is left alone: the mender probes it itself.
        """
        now_s, name = self._clock.now_s(), self._instance.name
        releases = {
            release.engine: release
            for release in self._stable()
            if release.engine in self._prober.engines
            and (release.engine, release.version) in self._instance.serving
        }
        for engine in self._schedules.keys() - releases.keys():
            del self._schedules[engine]
        due = []
        for engine, release in releases.items():
            schedule = self._schedules.setdefault(engine, ProbeSchedule(self._options))
            is_doubted = schedule.is_doubted(
                failed_at_s=self._instance.failed_at_s.get(engine, float("-inf")),
                is_breaker_open=self._fleet.is_suspect(name, engine),
            )
            is_mending = self._fleet.health(name).fitness(engine) is Fitness.MENDING
            if not is_mending and schedule.due_s(is_doubted=is_doubted) <= now_s:
                due.append(Due(release, is_doubted))
        return tuple(due)

    async def probe(self, due: Due) -> None:
        """One probe, and what it says."""
        engine, started_s = due.release.engine, self._clock.now_s()
        schedule = self._schedules[engine]
        inferences = schedule.inferences(is_doubted=due.is_doubted)
        try:
            probed = await self._prober.probe(self._instance, due.release, inferences=inferences)
        except Exception as error:  # one engine's oddity must not end the control plane
            self._log.exception("probe failed unexpectedly", engine=engine)
            probed = Probed(ProbeResult.FAILED, f"unexpected {type(error).__name__}: {error}")
        schedule.ran(
            probed.result,
            is_doubted=due.is_doubted,
            started_s=started_s,
            ended_s=self._clock.now_s(),
        )
        if probed.result is not ProbeResult.OK:
            self._log.warning(
                "probe", engine=engine, result=probed.result.value, reason=probed.reason
            )
        if (engine, due.release.version) in self._instance.serving:
            self._fleet.probed(self._instance.name, engine, probed.result, probed.reason)

    async def _pause(self) -> None:
        await asyncio.sleep(LEAST_PAUSE_S)
        try:
            async with asyncio.timeout(LONGEST_PAUSE_S):
                await self._instance.probe_again.wait()
        except TimeoutError:
            return
