"""The watch of one instance: look at it, publish what it serves, load and mend.

    observe ──► publish ──► plan ──► (something missing?) ──► load, one after the other
       ▲                      └────► (something failing?) ──► mend
       └──────────── observe interval, or woken ◄─────────────────┘

Looking and working are two tasks, because a load takes seconds and what an instance serves
has to be known within one. There is one piece of work at a time: a load never undoes what a
mend has just unloaded. It is level-triggered: a Triton that was restarted has forgotten
everything, and gets it back by the same steps as at the first start.

An instance that an operator holds back is looked at and otherwise left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any

import structlog

from control_plane.core.backoff import backoff_s
from control_plane.core.catalogue import ModelSpec, Release
from control_plane.core.health.states import HELD_BACK
from control_plane.core.loading import (
    Action,
    LoadTwin,
    LoadVersions,
    Observation,
    plan_loads,
)
from control_plane.ports import CallFailed, Clock, ModelControl
from control_plane.services.fleet import Fleet
from control_plane.services.loading import load
from control_plane.services.mending import Mender

log = structlog.get_logger(__name__)

FIRST_BACKOFF_S, MOST_BACKOFF_S = 1.0, 30.0

LEAST_PAUSE_S = 0.02
"""Between two looks, however many callers ask for one."""


@dataclass(frozen=True, slots=True)
class WatchTimes:
    """interval_s: between looks; observe_s and load_s: how long a look or a load may take."""

    interval_s: float
    observe_s: float
    load_s: float


class InstanceWatch:
    """Keeps one instance's published state true and its releases loaded. ``run`` never ends."""

    def __init__(
        self,
        name: str,
        *,
        control: ModelControl,
        fleet: Fleet,
        specs: Mapping[str, ModelSpec],
        desired: Callable[[], Iterable[Release]],
        times: WatchTimes,
        clock: Clock,
        rng: Random,
        mender: Mender | None = None,
    ) -> None:
        self._name = name
        self._control = control
        self._mender = mender
        self._fleet = fleet
        self._specs = specs
        self._desired = desired
        self._times = times
        self._clock = clock
        self._rng = rng
        # Whoever doubts what was published asks for another look.
        self._look_again = fleet.instance(name).look_again
        self._failure = ""
        self._failures = 0
        self._load_after_s = float("-inf")
        self._odd_looks = 0
        self._look_after_s = float("-inf")
        self._log = log.bind(instance=name)

    async def run(self) -> None:
        """Until cancelled. What goes wrong with this instance, expected or not, stays with it."""
        work: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while True:
                self._look_again.clear()
                was_idle = work is None or work.done()
                actions = await self._look_safely()
                # What was seen while something was being done may be the half of it.
                if was_idle:
                    todo = self._work(actions)
                    work = group.create_task(todo) if todo is not None else None
                await self._pause()

    def _work(self, actions: tuple[Action, ...]) -> Coroutine[Any, Any, None] | None:
        """What is to be done to the instance now: loads first, for nothing is mended without."""
        if self._fleet.health(self._name).state in HELD_BACK:
            return None
        if actions and self._clock.now_s() >= self._load_after_s:
            return self.load(actions)
        if self._mender is None or not self._fleet.instance(self._name).is_live:
            return None
        try:
            plan = self._mender.begin(self._name, self._desired())
        except Exception:  # as in a look
            self._log.exception("planning a mend failed unexpectedly")
            return None
        return None if plan is None else self._mender.mend(self._name, self._control, plan)

    async def _look_safely(self) -> tuple[Action, ...]:
        """A look; after one that met an unexpected error, none until a growing wait is over."""
        if self._clock.now_s() < self._look_after_s:
            return ()
        try:
            actions = await self.look()
        except Exception as error:  # one instance's oddity must not end the control plane
            self._log.exception("look failed unexpectedly")
            self._odd_looks += 1
            self._look_after_s = self._wait_over_s(self._odd_looks)
            self._publish((), Observation(), is_live=False, reason=_unexpected(error))
            return ()
        self._odd_looks = 0
        return actions

    async def look(self) -> tuple[Action, ...]:
        """Observe and publish; what is to be loaded, nothing when the instance is away."""
        releases = tuple(self._desired())
        try:
            observed = await self._control.observe(releases, timeout_s=self._times.observe_s)
        except CallFailed as failed:
            is_refused = failed.failure.status == "UNAVAILABLE"
            self._publish(
                (),
                Observation(is_ready=False),
                is_live=not is_refused,
                is_answering=False,
                reason=str(failed),
            )
            if failed.failure.status == "DEADLINE_EXCEEDED":
                self._look_again.set()  # two such looks in a row settle it; the sooner the better
            return ()
        actions = plan_loads(releases, observed)
        if not actions:  # also when a load that ran out of time here was finished there
            self._failure, self._failures, self._load_after_s = "", 0, float("-inf")
        reason = self._failure or ("loading" if actions else "")
        self._publish(releases, observed, is_live=True, reason=reason)
        return actions

    async def load(self, actions: Iterable[Action]) -> None:
        """Run the actions in order. One that fails does not keep the others from running."""
        failures = []
        for action in actions:
            try:
                await self._apply(action)
            except CallFailed as failed:
                failures.append(f"{_subject(action)}: {failed}")
                self._log.error("load failed", model=_subject(action), reason=str(failed))
            except Exception as error:  # as in a look; the other actions may do
                failures.append(f"{_subject(action)}: {_unexpected(error)}")
                self._log.exception("load failed unexpectedly", model=_subject(action))
            self._look_again.set()
        self._failure = "; ".join(failures)
        self._failures = self._failures + 1 if failures else 0
        if failures:
            self._load_after_s = self._wait_over_s(self._failures)

    def _wait_over_s(self, failures: int) -> float:
        """When to try again after so many failures in a row."""
        wait_s = backoff_s(failures, first_s=FIRST_BACKOFF_S, most_s=MOST_BACKOFF_S, rng=self._rng)
        return self._clock.now_s() + wait_s

    async def _apply(self, action: Action) -> None:
        started_s = self._clock.now_s()
        await load(action, self._control, self._specs, timeout_s=self._times.load_s)
        took_s = round(self._clock.now_s() - started_s, 3)
        self._log.info("loaded", model=_subject(action), took_s=took_s)

    def _publish(
        self,
        releases: Iterable[Release],
        observed: Observation,
        *,
        is_live: bool,
        reason: str,
        is_answering: bool = True,
    ) -> None:
        serving = frozenset(
            (release.engine, release.version)
            for release in releases
            if observed.is_serving(release)
        )
        has_changed = self._fleet.publish(
            self._name,
            serving=serving,
            components=observed.ready_versions,
            is_live=is_live,
            is_ready=observed.is_ready,
            is_answering=is_answering,
            reason=reason,
            now_s=self._clock.now_s(),
        )
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


def _unexpected(error: Exception) -> str:
    return f"unexpected {type(error).__name__}: {error}"


def _subject(action: Action) -> str:
    match action:
        case LoadVersions(model, versions):
            return f"{model} {','.join(map(str, versions))}"
        case LoadTwin(release):
            return release.model_name
