"""Exchanges the last minutes' traffic with the other planes, and keeps the references of drift."""

from __future__ import annotations

import asyncio

import structlog

from control_plane.ports import StoreUnavailable
from control_plane.services.drift import ConfidenceDrift
from control_plane.services.traffic import Traffic

log = structlog.get_logger(__name__)

LAST_WORDS_S = 1.0
"""How long a plane that stops waits for the store to take its last counts."""


class TrafficLoop:
    """What is shown rests on it, and nothing else: whatever goes wrong is told of once.

    interval_s: between two exchanges.
    """

    def __init__(
        self, traffic: Traffic, drift: ConfidenceDrift, *, interval_s: float = 3.0
    ) -> None:
        self._traffic = traffic
        self._drift = drift
        self._interval_s = interval_s
        self._is_failing = False

    async def run(self) -> None:
        """Until cancelled; then the last counts are told, if the store takes them soon."""
        try:
            while True:
                await self.exchange()
                await asyncio.sleep(self._interval_s)
        finally:
            await self._say_last_words()

    async def exchange(self) -> None:
        try:
            await self._traffic.exchange()
            await self._drift.refresh()
        except StoreUnavailable as away:
            self._note_failure(str(away))
        except Exception as error:  # an oddity of a document must not end the control plane
            self._note_failure(str(error), error)
        else:
            self._is_failing = False

    async def _say_last_words(self) -> None:
        try:
            async with asyncio.timeout(LAST_WORDS_S):
                await self._traffic.tell()
        except Exception as error:  # a restart loses some seconds of what is shown, no more
            log.info("the last traffic was not told", reason=str(error) or type(error).__name__)

    def _note_failure(self, reason: str, unexpected: Exception | None = None) -> None:
        if not self._is_failing:
            log.warning("traffic not exchanged", reason=reason, exc_info=unexpected)
        self._is_failing = True
