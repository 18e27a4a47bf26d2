"""Sending results on: of each run one, as often as it takes, and every time the same bytes.

    due ─► begin, which keeps other deliverers off ─► send ─► arrived, put off, or given up

A deliverer that dies between sending and writing that down has another one send it again, so a
receiver may see a result twice, under one id, by which it can tell.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

import structlog

from control_plane.core.answer_document import write_answer
from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.jobs import Job, NotDue, answer_of, result_id_of
from control_plane.core.jobs.handing import NoHandover, arrived, begin, give_up, put_off
from control_plane.core.tracing import SpanKind
from control_plane.errors import ControlPlaneError
from control_plane.ports import (
    Due,
    JobStore,
    JobUpkeep,
    ResultRefused,
    ResultSink,
    ResultUnsent,
    StoreUnavailable,
)
from control_plane.services.tracing import (
    NOT_TRACED,
    NOTHING,
    Traced,
    Tracer,
    name_subject,
    outgoing,
)

log = structlog.get_logger(__name__)

MOST_WORDS = 500
"""Of a receiver's refusal, in characters."""


class Sent(StrEnum):
    """What came of a try."""

    DELIVERED = "delivered"
    PUT_OFF = "put_off"
    GIVEN_UP = "given_up"
    PASSED = "passed"
    """Somebody else sends it, or nothing is to be sent any more."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions:
    """timeout_s: of one try. max_attempts: the first among them. first_s, most_s: the wait between
    them, which doubles. hold_s: how much longer than one try a result is one deliverer's alone."""

    timeout_s: float = 10.0
    max_attempts: int = 12
    first_s: float = 5.0
    most_s: float = 3600.0
    hold_s: float = 30.0


class ResultGivenUp(Exception):
    """Its receiver will not get it: what a trace is told, and nobody raises."""


class Delivering:
    """Sends results. ``sink`` is where to."""

    def __init__(
        self,
        *,
        store: JobStore,
        upkeep: JobUpkeep,
        sink: ResultSink,
        rng: Rng,
        options: DeliveryOptions,
        tracing: Tracer = NOT_TRACED,
    ) -> None:
        self._tracing = tracing
        self._store = store
        self._upkeep = upkeep
        self._sink = sink
        self._rng = rng
        self._options = options
        self._is_failing = False

    async def due(self, *, limit: int) -> tuple[str, ...]:
        """The jobs whose results are to be sent now. Raises StoreUnavailable."""
        return await self._upkeep.due(Due.UNDELIVERED, since_s=0.0, limit=limit)

    async def deliver(self, job_id: str) -> Sent:
        """One try. Raises StoreUnavailable; then it is sent again, if it was sent."""
        hold_s = self._options.timeout_s + self._options.hold_s
        try:
            job = await self._store.change(
                job_id, lambda job, now_s: begin(job, now_s, hold_s=hold_s)
            )
        except (NoHandover, NotDue, ControlPlaneError):
            return Sent.PASSED
        with self._traced(job) as traced:
            name_subject(job.job_id)
            try:
                sent = await self._send(job)
            except (NoHandover, ControlPlaneError):
                sent = Sent.PASSED
            traced.put(sent=sent.value)
            if sent is Sent.GIVEN_UP:
                traced.tell(ResultGivenUp())
            return sent

    def _traced(self, job: Job) -> Traced:
        """Within the trace that the job was accepted in."""
        asked = job.request
        if asked is None:
            return NOTHING
        return self._tracing.root(
            "deliver",
            correlation_id=asked.correlation_id,
            parent=asked.trace,
            kind=SpanKind.CLIENT,
            run=job.run,
            attempt=None if job.handover is None else job.handover.attempts,
        )

    async def _send(self, job: Job) -> Sent:
        run = job.run
        try:
            async with asyncio.timeout(self._options.timeout_s):
                await self._sink.send(result_id_of(job), body_of(job), headers=outgoing())
        except ResultRefused as refused:
            return await self._give_up(job, str(refused))
        except ResultUnsent as unsent:
            await self._fails(job, str(unsent))
            return await self._put_off(job, str(unsent), unsent.retry_after_s)
        except TimeoutError:
            words = f"not confirmed within {self._options.timeout_s:g} s"
            await self._fails(job, words)
            return await self._put_off(job, words, None)
        self._takes(job)
        await self._store.change(job.job_id, lambda job, now_s: arrived(job, now_s, run=run))
        return Sent.DELIVERED

    async def _fails(self, job: Job, words: str) -> None:
        """Told once, until the receiver has taken one again."""
        if self._is_failing:
            return
        self._is_failing = True
        waiting = None
        with suppress(StoreUnavailable):
            waiting = (await self._upkeep.figures()).sending
        log.warning(
            "results are not taken",
            reason=words[:MOST_WORDS],
            waiting=waiting,
            job_id=job.job_id,
        )

    def _takes(self, job: Job) -> None:
        if self._is_failing:
            log.info("results are taken again", job_id=job.job_id)
        self._is_failing = False

    async def _put_off(self, job: Job, words: str, retry_after_s: float | None) -> Sent:
        attempts = 1 if job.handover is None else job.handover.attempts
        if attempts >= self._options.max_attempts:
            return await self._give_up(job, words)
        first_s, most_s = self._options.first_s, self._options.most_s
        own_s = backoff_s(attempts, first_s=first_s, most_s=most_s, rng=self._rng)
        wait_s = min(max(own_s, retry_after_s or 0.0), most_s)

        def later(now: Job, now_s: float) -> Job:
            return put_off(now, now_s, run=job.run, wait_s=wait_s, error=words[:MOST_WORDS])

        await self._store.change(job.job_id, later)
        return Sent.PUT_OFF

    async def _give_up(self, job: Job, words: str) -> Sent:
        log.warning("a result was given up on its way", job_id=job.job_id, reason=words)

        def over(now: Job, now_s: float) -> Job:
            return give_up(now, now_s, run=job.run, error=words[:MOST_WORDS])

        await self._store.change(job.job_id, over)
        return Sent.GIVEN_UP


def body_of(job: Job) -> bytes:
    """A result as it is sent: the same bytes for every try of one run."""
    document = write_answer(answer_of(job))
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
