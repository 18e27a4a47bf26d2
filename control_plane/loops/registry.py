"""The registry loop of the leader: what somebody wants moved is begun, and what is so is shown.

    candidates ──► a rollout by the default plan      stable, canary ──► marks in the registry

Asking again and again decides; a webhook only wakes the loop sooner (``hasten``). A registry that
is away is asked again later, and nothing else waits for it.
"""

from __future__ import annotations

import asyncio

import structlog

from control_plane.core.rollout import Plan, Rollout
from control_plane.errors import ControlPlaneError
from control_plane.ports import RegistryUnavailable, ReleaseRegistry
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.rollouts import Rollouts

log = structlog.get_logger(__name__)

WHO = "registry"


class RegistryLoop:
    """Implements Duty. plan: of a rollout that the registry begins."""

    def __init__(
        self,
        *,
        registry: ReleaseRegistry,
        catalogue: Catalogue,
        board: Board,
        rollouts: Rollouts,
        plan: Plan,
        interval_s: float,
    ) -> None:
        self._registry = registry
        self._catalogue = catalogue
        self._board = board
        self._rollouts = rollouts
        self._plan = plan
        self._interval_s = interval_s
        self._again = asyncio.Event()
        self._said: dict[str, str] = {}
        # Candidates that are marked as such still, though they have been begun: not again.
        self._heard: dict[str, str] = {}
        self._is_away = False

    def hasten(self) -> None:
        """Somebody says that the registry has changed: it is asked now."""
        self._again.set()

    async def run(self, epoch: int) -> None:
        """Until cancelled."""
        del epoch  # a rollout begins as by a person: by compare-and-set
        while True:
            self._again.clear()
            try:
                await self.sync()
                self._is_away = False
            except RegistryUnavailable as error:
                self._note_failure(str(error))
            except Exception as error:  # what it holds must not end the control plane
                self._note_failure(str(error), error)
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._again.wait()
            except TimeoutError:
                continue

    def _note_failure(self, reason: str, unexpected: Exception | None = None) -> None:
        """Once, until it has gone well again."""
        if not self._is_away:
            words = "the registry is away; it is asked again"
            log.warning(words, reason=reason, exc_info=unexpected)
        self._is_away = True

    async def sync(self) -> None:
        """One round. Raises RegistryUnavailable, after all that could be done."""
        candidates = await self._registry.candidates()
        self._heard = {
            engine: release
            for engine, release in self._heard.items()
            if candidates.get(engine) == release
        }
        if candidates.keys() - self._said.keys():
            await self._catalogue.refresh()  # what is moved may just have been registered
        for engine, release in candidates.items():
            if engine not in self._heard and await self._take(engine, release):
                self._heard[engine] = release
        failures = []
        for engine in self._board.state.engines:
            try:
                await self._mark(engine, self._heard.get(engine))
            except RegistryUnavailable as error:
                failures.append(error)
            else:
                self._heard.pop(engine, None)
        if failures:
            raise failures[0]

    async def _take(self, engine: str, release: str) -> bool:
        """Begin a rollout, unless one is under way; whether the candidate has been heard."""
        here = self._board.state.engines.get(engine)
        rollout = here.rollout if here is not None else None
        if here is not None and (here.stable == release or _is_to(rollout, release)):
            return True
        if rollout is not None and not rollout.is_finished:
            return False  # one at a time
        try:
            await self._rollouts.start(
                engine, release, self._plan, who=WHO, reason=f"{release} is the candidate there"
            )
        except ControlPlaneError as error:
            if self._said.get(engine) != error.message:
                log.warning("a candidate cannot be rolled out", engine=engine, reason=error.message)
            self._said[engine] = error.message
            return False
        self._said.pop(engine, None)
        return True

    async def _mark(self, engine: str, taken: str | None) -> None:
        here, known = self._board.state.engines[engine], self._catalogue.engines.get(engine)
        stable = known.releases.get(here.stable) if known is not None else None
        if known is None or stable is None:
            return
        rollout = here.rollout
        is_moving = rollout is not None and not rollout.is_finished and rollout.wants_target
        canary = known.releases.get(rollout.target) if is_moving and rollout is not None else None
        await self._registry.mark(engine, stable=stable, canary=canary, taken=taken)


def _is_to(rollout: Rollout | None, release: str) -> bool:
    return rollout is not None and not rollout.is_finished and rollout.target == release
