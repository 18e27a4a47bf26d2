"""Results for photos that come again: looked up, shared while under way, and kept.

What is found on a photo depends on its bytes and on the release, which pins every model; so one
answer serves all who send the same photo to the same release, for a while. While a first request
is under way, others like it wait for it instead of asking too (single-flight).

What is shared is an answer, never a failure. When who asks fails, or is cancelled, one of those
who wait asks next. Nobody waits for another longer than half of his own remaining time: then he
asks himself, so that somebody else's slow request costs him no answer.

Nothing is looked up or kept while something is tried on an engine's traffic (``is_settled``): every
request of an experiment has to reach an instance and be counted. A fallback's answer is not kept
either: the release that was chosen did not give it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeGuard

import orjson

from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.detections import EngineFailure, EngineResult, Priority
from control_plane.ports import Clock, ResultCache
from control_plane.services.tracing import span

FORMAT = 1
"""Of what is kept: another one does not read this one's."""

MAX_VALUE_BYTES = 256 * 1024
WAIT_SHARE = 0.5
# SHA-256 takes some milliseconds for each of these.
HASHED_IN_A_THREAD_BYTES = 256 * 1024

Outcome = EngineResult | EngineFailure
Ask = Callable[[], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class ResultCacheStatistics:
    """How often it was looked for a result and what came of it, since the start.

    shared: answered by a request that was under way. errors: gets and puts that failed.
    """

    hits: int
    misses: int
    shared: int
    errors: int


@dataclass(frozen=True, slots=True)
class Question:
    """What one request asks one engine. photo_digest: ``digest_of`` the photo."""

    photo_digest: str
    release: Release
    priority: Priority
    deadline: Deadline

    @property
    def key(self) -> str:
        """The same for the same photo and the same models, in every process."""
        release = self.release
        models = [release.engine, release.version, release.model_name, sorted(release.pins.items())]
        told = hashlib.sha256(orjson.dumps([FORMAT, self.photo_digest, *models]))
        return told.hexdigest()


class ResultReuse:
    """Answers what was answered already, and asks what was not."""

    def __init__(self, cache: ResultCache, clock: Clock) -> None:
        self.cache = cache
        self._clock = clock
        self._flights: dict[str, asyncio.Future[EngineResult | None]] = {}
        self._hits = 0
        self._misses = 0
        self._shared = 0

    def __repr__(self) -> str:
        return f"<ResultReuse {self._hits} hits, {len(self._flights)} under way>"

    async def answer(self, question: Question, ask: Ask) -> Outcome:
        """What is known, or what ``ask`` finds. Raises what ``ask`` raises."""
        key, release = question.key, question.release
        # Who is in a hurry does not wait for somebody who is not.
        flight_key = f"{question.priority}/{key}"
        with span("cache", engine=release.engine, release=release.version) as traced:
            kept = read_result(await self.cache.get(key), key)
            if kept is not None:
                self._hits += 1
                traced.put(result="hit")
                return kept
            others = await self._others(flight_key, question.deadline)
            if others is not None:
                self._shared += 1
                traced.put(result="shared")
                return others
            self._misses += 1
            traced.put(result="miss")
        return await self._lead(flight_key, key, release, ask)

    def statistics(self) -> ResultCacheStatistics:
        return ResultCacheStatistics(self._hits, self._misses, self._shared, self.cache.failures)

    async def _others(self, flight_key: str, deadline: Deadline) -> EngineResult | None:
        """The answer to a request that is under way; None where it is better to ask."""
        started_s = self._clock.now_s()
        give_up_s = started_s + WAIT_SHARE * deadline.remaining_s(started_s)
        while (flight := self._flights.get(flight_key)) is not None:
            left_s = give_up_s - self._clock.now_s()
            if left_s <= 0:
                return None
            # Unlike awaiting it, this leaves it to the others when one of them is cancelled.
            await asyncio.wait((flight,), timeout=left_s)
            if flight.done() and (result := flight.result()) is not None:
                return _of_another(result)
        return None

    async def _lead(self, flight_key: str, key: str, release: Release, ask: Ask) -> Outcome:
        """Asks, with others waiting for it. Nothing is awaited between looking and leading."""
        if flight_key in self._flights:  # waited for, and too slow
            return await self._ask_and_keep(key, release, ask)
        flight = self._flights[flight_key] = asyncio.get_running_loop().create_future()
        found: EngineResult | None = None
        try:
            outcome = await self._ask_and_keep(key, release, ask)
            if _is_of(outcome, release):
                found = outcome
            return outcome
        finally:
            del self._flights[flight_key]
            flight.set_result(found)

    async def _ask_and_keep(self, key: str, release: Release, ask: Ask) -> Outcome:
        outcome = await ask()
        if _is_of(outcome, release):
            value = write_result(outcome, key)
            if len(value) <= MAX_VALUE_BYTES:
                await self.cache.put(key, value)
        return outcome


async def digest_of(photo: bytes) -> str:
    """The photo's SHA-256, in a thread where that takes its time."""
    if len(photo) <= HASHED_IN_A_THREAD_BYTES:
        return hashlib.sha256(photo).hexdigest()
    return (await asyncio.to_thread(hashlib.sha256, photo)).hexdigest()


def write_result(result: EngineResult, key: str) -> bytes:
    """The engine's part as it is kept. key: read back, it must still be the same."""
    return orjson.dumps(
        {
            "format": FORMAT,
            "key": key,
            "release": result.release,
            "instance": result.instance,
            "findings": result.findings,
        }
    )


def read_result(value: bytes | None, key: str) -> EngineResult | None:
    """None for what is not there, or is not what was kept under this key."""
    # Others may write into what is shared; nothing as large was put there.
    if value is None or len(value) > MAX_VALUE_BYTES:
        return None
    try:
        kept = orjson.loads(value)
        if kept["format"] != FORMAT or kept["key"] != key:
            return None
        findings, release, instance = kept["findings"], kept["release"], kept["instance"]
    except (ValueError, KeyError, TypeError):
        return None
    names = (release, instance)
    if not isinstance(findings, Mapping) or not all(isinstance(name, str) for name in names):
        return None
    return EngineResult(findings, release, instance, attempts=0, is_cached=True)


def _of_another(result: EngineResult) -> EngineResult:
    return replace(result, attempts=0, is_cached=True)


def _is_of(outcome: Outcome, release: Release) -> TypeGuard[EngineResult]:
    """Whether the release that was chosen answered itself."""
    return (
        isinstance(outcome, EngineResult)
        and outcome.fallback_from is None
        and outcome.release == release.version
    )
