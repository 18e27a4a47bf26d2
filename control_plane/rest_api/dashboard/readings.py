"""What pages show that has to be asked for: remembered, so that no page waits for who is away.

A question is asked for all who want to know, at most every few seconds. Who wants to know waits
a moment for the answer, and is then given what was known before, with what is wrong.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import structlog

from control_plane.errors import ControlPlaneError

log = structlog.get_logger(__name__)

Value = TypeVar("Value")

EVERY_S = 2.0
PATIENCE_S = 1.0
GIVE_UP_S = 10.0
MOST_KEPT = 256


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """value: the latest answer; None before the first. problem: why there is no newer one, and
    since when; empty while all is well.
    """

    value: Value | None = None
    problem: str = ""
    since: datetime | None = None


class _Known:
    def __init__(self) -> None:
        self.reading: Reading[Any] = Reading()
        self.read_s: float | None = None
        self.used_s = 0.0
        self.task: asyncio.Task[None] | None = None


class Readings:
    """Answers by their keys. now_s: a monotonic clock; now: a person's."""

    def __init__(self, now_s: Callable[[], float], now: Callable[[], datetime]) -> None:
        self._now_s = now_s
        self._now = now
        self._known: dict[str, _Known] = {}

    async def read(self, key: str, ask: Callable[[], Awaitable[Value]]) -> Reading[Value]:
        """key: names the question; equal keys ask the same. Never raises."""
        known = self._find(key)
        now_s = known.used_s = self._now_s()
        is_due = known.read_s is None or now_s - known.read_s >= EVERY_S
        if known.task is None and is_due:
            known.task = asyncio.create_task(self._ask(key, known, ask), name=f"dashboard {key}")
        if known.task is not None:
            # Who did not answer the last time is not waited for.
            patience_s = 0.0 if known.reading.problem else PATIENCE_S
            await asyncio.wait({known.task}, timeout=patience_s)
        reading: Reading[Value] = known.reading
        return reading

    def expire(self) -> None:
        """All is asked anew when it is wanted next: something was done."""
        for known in self._known.values():
            known.read_s = None

    def _find(self, key: str) -> _Known:
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_KEPT:
                idle = [name for name, one in self._known.items() if one.task is None]
                for name in sorted(idle, key=lambda one: self._known[one].used_s)[:1]:
                    del self._known[name]
            known = self._known[key] = _Known()
        return known

    async def _ask(self, key: str, known: _Known, ask: Callable[[], Awaitable[Any]]) -> None:
        began_s = self._now_s()
        try:
            async with asyncio.timeout(GIVE_UP_S):
                known.reading = Reading(await ask())
        except TimeoutError:
            self._failed(known, f"no answer within {GIVE_UP_S:g} s")
        except ControlPlaneError as error:
            self._failed(known, error.message)
        except Exception:
            log.exception("the dashboard could not read", key=key)
            self._failed(known, "something went wrong here; the log has it")
        finally:
            known.read_s = began_s
            known.task = None

    def _failed(self, known: _Known, problem: str) -> None:
        before = known.reading
        known.reading = Reading(before.value, problem, before.since or self._now())
