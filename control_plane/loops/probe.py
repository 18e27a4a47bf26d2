"""The probing of one instance: each release served there is asked for its golden answer.

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
from control_plane.services.instance import Served, label
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
        releases: Callable[[], Iterable[Release]],
        options: ProbeOptions,
        clock: Clock,
    ) -> None:
        self._instance = fleet.instance(name)
        self._fleet = fleet
        self._prober = prober
        self._releases = releases
        self._options = options
        self._clock = clock
        self._schedules: dict[Served, ProbeSchedule] = {}
        self._log = log.bind(instance=name)

    async def run(self) -> None:
        """Until cancelled. What goes wrong with this instance, expected or not, stays with it."""
        while True:
            self._instance.probe_again.clear()
            async with asyncio.TaskGroup() as group:
                for due in self._due_safely():
                    group.create_task(self.probe(due))
            await self._pause()

    def _due_safely(self) -> tuple[Due, ...]:
        try:
            return self.due()
        except Exception:  # one instance's oddity must not end the control plane
            self._log.exception("what is to be probed failed unexpectedly")
            return ()

    def due(self) -> tuple[Due, ...]:
        """The probes to be made now: of each release that is served and has a golden input.

        None while the instance does not answer looks: what would fail then says nothing of an
        engine. One that is being mended is left alone: the mender probes it itself.
        """
        now_s, name, instance = self._clock.now_s(), self._instance.name, self._instance
        releases = {
            (release.engine, release.version): release
            for release in self._releases()
            if release.engine in self._prober.engines
        }
        for served in self._schedules.keys() - (releases.keys() & instance.serving):
            del self._schedules[served]
        if not instance.is_live:
            return ()
        due = []
        for served, release in releases.items():
            if served not in instance.serving:
                continue
            schedule = self._schedules.setdefault(served, ProbeSchedule(self._options))
            is_doubted = schedule.is_doubted(
                failed_at_s=instance.failed_at_s.get(served, float("-inf")),
                is_breaker_open=self._fleet.is_suspect(name, served),
            )
            is_mending = self._fleet.health(name).fitness(label(served)) is Fitness.MENDING
            if not is_mending and schedule.due_s(is_doubted=is_doubted) <= now_s:
                due.append(Due(release, is_doubted))
        return tuple(due)

    async def probe(self, due: Due) -> None:
        """One probe, and what it says."""
        served, started_s = (due.release.engine, due.release.version), self._clock.now_s()
        schedule = self._schedules[served]
        probed = await self._ask(due, schedule.inferences(is_doubted=due.is_doubted))
        if probed.result.is_fault and not self._instance.is_live:
            probed = Probed(ProbeResult.BUSY, "the instance does not answer looks either")
        schedule.ran(
            probed.result,
            is_doubted=due.is_doubted,
            started_s=started_s,
            ended_s=self._clock.now_s(),
        )
        if probed.result is not ProbeResult.OK:
            result, reason = probed.result.value, probed.reason
            self._log.warning("probe", engine=label(served), result=result, reason=reason)
        if served in self._instance.serving and not self._was_mended_since(started_s, served):
            self._fleet.probed(self._instance.name, served, probed.result, probed.reason)

    def _was_mended_since(self, started_s: float, served: Served) -> bool:
        """Whether what was asked is not what runs there now."""
        return any(
            change.engine == label(served)
            and change.to_state is Fitness.MENDING
            and change.at_s >= started_s
            for change in self._fleet.health(self._instance.name).history
        )

    async def _ask(self, due: Due, inferences: int) -> Probed:
        try:
            return await self._prober.probe(self._instance, due.release, inferences=inferences)
        except Exception as error:  # one engine's oddity must not end the control plane
            self._log.exception("probe failed unexpectedly", engine=due.release.model_name)
            return Probed(ProbeResult.FAILED, f"unexpected {type(error).__name__}: {error}")

    async def _pause(self) -> None:
        await asyncio.sleep(LEAST_PAUSE_S)
        try:
            async with asyncio.timeout(LONGEST_PAUSE_S):
                await self._instance.probe_again.wait()
        except TimeoutError:
            return
