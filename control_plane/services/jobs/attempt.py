"""One delivery, from the moment it is taken until it is settled.

    take ─► read, adopt ─► claim ─► photo ─► detect ─► store the outcome ─► clear up ─► settle
                             │        └─ the claim is renewed meanwhile ─┘
                             └─ nothing to do, not now, or somebody else's: settle at once

The worker may die at any of these steps. The message comes again or upkeep sends another one, the
claim runs out, and whoever is next goes on from what is stored; STEPS names the places where a
test lets it die. It does not decide what an outcome means: that is the core's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.detections import DetectionAnswer
from control_plane.core.jobs import (
    AlreadyFinished,
    Bury,
    Claim,
    ClaimedElsewhere,
    ClaimLost,
    DeadReason,
    Job,
    JobError,
    JobRequest,
    JobRetryOptions,
    NotDue,
    Outcome,
    settle_answer,
    settle_claim,
    settle_error,
)
from control_plane.core.jobs.applying import apply
from control_plane.core.jobs.transitions import bury, claim
from control_plane.core.tracing import SpanKind
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import (
    Clock,
    Delivery,
    JobQueue,
    JobStore,
    PhotoSource,
    QueueUnavailable,
    StoreUnavailable,
    Uploads,
)
from control_plane.services.jobs.adopting import Adoption, Origin
from control_plane.services.jobs.ending import ENDINGS, Ending
from control_plane.services.jobs.ends import tell_end
from control_plane.services.jobs.finding import Detects, Finding, Verdict
from control_plane.services.jobs.hold import Hold
from control_plane.services.tracing import (
    NOT_TRACED,
    NOTHING,
    Traced,
    Tracer,
    name_subject,
    record,
    span,
)

log = structlog.get_logger(__name__)

STEPS = ("taken", "read", "claimed", "loaded", "detected", "stored", "cleared", "settled")
"""Where a worker may be killed, each after what it is named by.

taken: nothing was done about the message yet. read: its job is known, and stored if it was another
service's. claimed: the job is in this worker's hands. loaded: its photo is here. detected: the
engines have answered, which nobody else knows. stored: the outcome is. cleared: the photo that
came with it is removed. settled: the queue was told.
"""

UNKNOWN_BECAUSE = (
    "the job was forgotten, or whoever accepted it uses another state store than this worker"
)


@dataclass(frozen=True, slots=True)
class AttemptOptions:
    """attempt_timeout_s: of one, photo included. claim_s: a worker's hold on a job.

    pause_s: until a message comes again that could not be looked at. give_back_s: how long a
    worker that stops may take to give back what it has in hand. is_sent: whether results are
    delivered somewhere. store: where jobs are kept, in words for people.
    """

    attempt_timeout_s: float = 30.0
    claim_s: float = 30.0
    pause_s: float = 2.0
    give_back_s: float = 2.0
    is_sent: bool = False
    store: str = ""
    retries: JobRetryOptions = field(default_factory=JobRetryOptions)


@dataclass(slots=True)
class _Hand:
    """What one delivery has got hold of so far."""

    delivery: Delivery
    job_id: str = ""
    hold: Hold | None = None
    is_preparing: bool = True
    traced: Traced = NOTHING
    trace: ExitStack = field(default_factory=ExitStack)


class Attempts:
    """Works on deliveries, any number side by side. step: told of each of STEPS.

    worker: a name that no other process has or had.
    """

    def __init__(
        self,
        worker: str,
        *,
        store: JobStore,
        queue: JobQueue,
        uploads: Uploads,
        photos: PhotoSource,
        detection: Detects,
        adoption: Adoption,
        clock: Clock,
        rng: Rng,
        options: AttemptOptions,
        tracing: Tracer = NOT_TRACED,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tracing = tracing
        self._worker = worker
        self._store = store
        self._queue = queue
        self._uploads = uploads
        self._finding = Finding(uploads, photos, detection, clock, options.attempt_timeout_s)
        self._adoption = adoption
        self._clock = clock
        self._rng = rng
        self._options = options
        self._step = step
        self._preparing = 0
        self._endings: Counter[Ending] = Counter()

    @property
    def preparing(self) -> int:
        """Deliveries in hand that the fleet has not been asked about yet, but soon will be."""
        return self._preparing

    @property
    def endings(self) -> Mapping[Ending, int]:
        """How many deliveries ended how, since the start."""
        return dict(self._endings)

    def handle(self, delivery: Delivery) -> Coroutine[Any, Any, Ending]:
        """Work on a delivery and settle it. Cancelled, it gives back what it has in hand.

        It counts as being prepared from this call on, before it is awaited.
        """
        self._preparing += 1
        return self._handle(_Hand(delivery))

    async def _handle(self, hand: _Hand) -> Ending:
        # Nobody knows what trace it belongs to before its job is known.
        with hand.trace:
            try:
                self._step("taken")
                ending, retry_in_s = await self._look(hand)
                hand.traced.put(ending=ending.value)
                with span("settle"):
                    await self._settle(hand.delivery, retry_in_s)
                self._step("settled")
            except asyncio.CancelledError:
                await self._let_go(hand)
                raise
            finally:
                self._prepared(hand)
        self._endings[ending] += 1
        return ending

    async def _look(self, hand: _Hand) -> tuple[Ending, float | None]:
        """What became of the job, and when the message is to come again; None: never."""
        try:
            hand.job_id, origin = await self._adoption.job_of(hand.delivery)
            self._step("read")
            if origin is Origin.ENTOMBED:
                return Ending.FAILED, None
            if hand.delivery.is_dead:
                return await self._bury(hand)
            return await self._attempt(hand)
        except AlreadyFinished:
            return await self._look_after(hand)
        except ClaimedElsewhere as held:
            # Not before it may be taken over, and not all who wait for it at once.
            return Ending.ELSEWHERE, held.until_s + self._rng.random()
        except NotDue as early:
            return Ending.EARLY, early.wait_s
        except ClaimLost:
            return Ending.LOST, self._options.claim_s
        except StoreUnavailable as away:
            log.info("a message goes back to the queue", job_id=hand.job_id, reason=str(away))
            return Ending.AWAY, self._pause_s()
        except Exception as error:
            if isinstance(error, ControlPlaneError) and error.code is ErrorCode.NOT_FOUND:
                log.warning(
                    "a message is about no job that is known",
                    job_id=hand.job_id,
                    store=self._options.store,
                    causes=UNKNOWN_BECAUSE,
                )
                return Ending.UNKNOWN, None
            # Of one message; the others go on.
            log.exception("a message could not be worked on", job_id=hand.job_id)
            return await self._despair(hand, error)

    async def _despair(self, hand: _Hand, error: Exception) -> tuple[Ending, float | None]:
        """Later once more. A job ends by its attempts or its deadline; a message without one, that
        no queue gives up while its workers live, ends here."""
        tries, retries = hand.delivery.deliveries, self._options.retries
        if not hand.job_id and tries >= retries.max_attempts:
            words = f"the message could not be worked on: {type(error).__name__}"
            with suppress(Exception):  # then it is tried again
                refusal = ControlPlaneError(ErrorCode.INTERNAL, words)
                hand.job_id = await self._adoption.entomb(hand.delivery, refusal)
                return Ending.FAILED, None
        wait_s = backoff_s(
            tries, first_s=self._options.pause_s, most_s=retries.most_s, rng=self._rng
        )
        return Ending.FAULT, wait_s

    async def _attempt(self, hand: _Hand) -> tuple[Ending, float | None]:
        asked_s = self._clock.now_s()
        job = await self._store.change(hand.job_id, self._claimed)
        mine, asked = job.claim, job.request
        if mine is None or asked is None:
            self._step("claimed")
            return await self._after(job, job)
        # So that what photo, gateway and store say of it has both.
        with bound_contextvars(job_id=job.job_id, correlation_id=asked.correlation_id):
            self._trace(hand, job, asked, asked_s)
            return await self._work(hand, job, asked, mine, asked_s)

    def _trace(self, hand: _Hand, job: Job, asked: JobRequest, asked_s: float) -> None:
        """From here on it is recorded, within the trace that the job was accepted in."""
        hand.traced = self._tracing.root(
            "job",
            correlation_id=asked.correlation_id,
            parent=asked.trace,
            kind=SpanKind.CONSUMER,
            started_s=asked_s,
            engines=",".join(job.engines_left),
            priority=job.priority.value,
            run=job.run,
            attempt=job.attempts,
            worker=self._worker,
            # By the store's clock.
            waited_s=round(job.updated_at_s - job.created_at_s, 3),
        )
        hand.trace.enter_context(hand.traced)
        name_subject(job.job_id)
        record("claim", started_s=asked_s, ended_s=self._clock.now_s())

    async def _work(
        self, hand: _Hand, job: Job, asked: JobRequest, mine: Claim, asked_s: float
    ) -> tuple[Ending, float | None]:
        """With a job in hand. asked_s: when the claim on it was asked for, by our own clock."""
        hold = hand.hold = Hold(
            job.job_id,
            mine,
            asked_s=asked_s,
            claim_s=self._options.claim_s,
            store=self._store,
            clock=self._clock,
            rng=self._rng,
        )
        self._step("claimed")
        verdict = await hold.during(
            self._finding.find_out(job, asked, loaded=partial(self._loaded, hand))
        )
        self._step("detected")
        if isinstance(verdict, ControlPlaneError):
            hand.traced.tell(verdict)
        with span("store"):
            after = await hold.write(lambda job, now_s: self._settled(job, now_s, mine, verdict))
        hand.hold = None
        self._step("stored")
        return await self._after(after, job)

    def _claimed(self, job: Job, now_s: float) -> Job:
        """In hand; or ended at once, where no attempt is left to be made."""
        mine = claim(job, now_s, worker=self._worker, ttl_s=self._options.claim_s)
        outcome = settle_claim(mine, now_s=now_s, options=self._options.retries)
        if mine.request is None:
            error = JobError(ErrorCode.INVALID_ARGUMENT, "the message could not be read", now_s)
            outcome = Bury(DeadReason.UNPROCESSABLE, error)
        if outcome is None or mine.claim is None:
            return mine
        return apply(mine, now_s, outcome, held=mine.claim, is_sent=self._options.is_sent)

    def _loaded(self, hand: _Hand) -> None:
        self._step("loaded")
        self._prepared(hand)

    def _settled(self, job: Job, now_s: float, held: Claim, verdict: Verdict) -> Job:
        """What the core makes of it."""
        retries, rng = self._options.retries, self._rng
        outcome: Outcome
        if isinstance(verdict, DetectionAnswer):
            outcome = settle_answer(job, verdict, now_s=now_s, options=retries, rng=rng)
        else:
            outcome = settle_error(job, verdict, now_s=now_s, options=retries, rng=rng)
        return apply(job, now_s, outcome, held=held, is_sent=self._options.is_sent)

    async def _after(self, job: Job, begun: Job) -> tuple[Ending, float | None]:
        """begun: the job as the attempt that has ended found it."""
        if job.is_finished:
            tell_end(job, began_s=begun.updated_at_s)
            await self._clear(job)
            return ENDINGS[job.state], None
        ending = Ending.RETRIED if job.attempts == begun.attempts else Ending.RETURNED
        return ending, max(0.0, job.due_at_s - job.updated_at_s)

    async def _look_after(self, hand: _Hand) -> tuple[Ending, float | None]:
        """Of a job that is finished: what the worker that finished it may not have come to."""
        try:
            job = await self._store.get(hand.job_id)
        except StoreUnavailable:
            return Ending.AWAY, self._pause_s()
        if job is not None:
            await self._clear(job)
        return Ending.DUPLICATE, None

    async def _clear(self, job: Job) -> None:
        """Remove the photo that came with a job that is over; a dead letter's may be needed."""
        if job.is_uploaded and job.dead is None:
            try:
                async with asyncio.timeout(self._options.attempt_timeout_s):
                    await self._uploads.remove(job.job_id)
            except (ControlPlaneError, TimeoutError) as error:
                # It is removed when the job is forgotten.
                log.warning("a photo was not removed", job_id=job.job_id, reason=str(error))
        self._step("cleared")

    async def _bury(self, hand: _Hand) -> tuple[Ending, float | None]:
        """A message that the queue itself has given up, after too many deliveries."""

        def buried(job: Job, now_s: float) -> Job:
            message = f"the queue gave the job up after {hand.delivery.deliveries} deliveries"
            error = job.error or JobError(ErrorCode.INTERNAL, message, now_s)
            return bury(
                job, now_s, reason=DeadReason.FAILED, error=error, is_sent=self._options.is_sent
            )

        tell_end(await self._store.change(hand.job_id, buried))
        return Ending.FAILED, None

    async def _settle(self, delivery: Delivery, retry_in_s: float | None) -> None:
        try:
            await self._queue.settle(delivery, retry_in_s=retry_in_s)
        except QueueUnavailable as away:
            log.info("a message was not settled; it comes again", reason=str(away))

    async def _let_go(self, hand: _Hand) -> None:
        """The worker stops: the job goes back as if it had not been taken, and so its message."""
        try:
            async with asyncio.timeout(self._options.give_back_s):
                if hand.hold is not None:
                    await hand.hold.give_back()
                await self._settle(hand.delivery, 0.0)
        except TimeoutError:
            log.warning("a job was not given back; its claim runs out", job_id=hand.job_id)

    def _prepared(self, hand: _Hand) -> None:
        self._preparing -= hand.is_preparing
        hand.is_preparing = False

    def _pause_s(self) -> float:
        return self._options.pause_s * (0.5 + 0.5 * self._rng.random())
