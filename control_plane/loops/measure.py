"""Hands what this control plane has counted to the store, for whoever leads."""

from __future__ import annotations

import asyncio

import structlog

from control_plane.ports import CountStore, StoreUnavailable
from control_plane.services.measuring import Measuring
from control_plane.services.rollout_tally import RolloutTally

log = structlog.get_logger(__name__)

UNITS = 1_000
"""Keyed units written at once."""

LAST_FLUSH_S = 1.0
"""How long a plane that stops waits for the store to take its last counts."""


class MeasureLoop:
    """Writes what has changed. While the store is away, the counts are kept and go on growing;
    keyed units wait, as many as a tally may hold.

    interval_s: between two writes.
    """

    def __init__(self, *, measuring: Measuring, store: CountStore, interval_s: float = 1.0) -> None:
        self._measuring = measuring
        self._store = store
        self._interval_s = interval_s
        self._written: dict[str, int] = {}
        self._is_failing = False

    async def run(self) -> None:
        """Until cancelled; then what is left is written, if the store takes it soon."""
        try:
            while True:
                await self.flush()
                await asyncio.sleep(self._interval_s)
        finally:
            self._measuring.count()
            try:
                async with asyncio.timeout(LAST_FLUSH_S):
                    await self.flush()
            except TimeoutError:
                log.warning("the last counts were not stored", reason="the store takes too long")

    async def flush(self) -> None:
        """Writes what has changed since the last time. What goes wrong is logged, once."""
        self._measuring.forget()
        tallies = self._measuring.tallies()
        try:
            for rollout_id, tally in tallies.items():
                await self._put(rollout_id, tally)
        except StoreUnavailable as away:
            self._note_failure(str(away))
        except Exception as error:  # an oddity of the store must not end the control plane
            self._note_failure(str(error), error)
        else:
            self._is_failing = False
        labels = {tally.label for tally in tallies.values()}
        self._written = {label: at for label, at in self._written.items() if label in labels}

    async def _put(self, rollout_id: str, tally: RolloutTally) -> None:
        while units := tally.keyed(UNITS):
            await self._store.add_keyed(rollout_id, tally.label, units)
            tally.stored(len(units))
        version = tally.version
        if self._written.get(tally.label) != version:
            await self._store.put_counts(rollout_id, tally.label, tally.counts())
            self._written[tally.label] = version

    def _note_failure(self, reason: str, unexpected: Exception | None = None) -> None:
        if not self._is_failing:
            log.warning("counts not stored; they are kept", reason=reason, exc_info=unexpected)
        self._is_failing = True
