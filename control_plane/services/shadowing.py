"""The shadow: a copy of some requests goes to another release, after their callers were answered.

Nobody waits for a copy and nobody sees what becomes of it. It takes no ticket of admission, so it
runs only where a request of low priority would be let in; what there is no room for is dropped and
counted, and never because of how the request ended. It is sent once. Breakers and health learn
from it as from any call of its release.

What is copied are requests that the split sent to stable and that count for the analysis, those
that stable failed among them: with stable's successes alone, stable would have no errors to be
compared with. A sequence is never copied, because its state would be.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from control_plane.core.analysis import Arm, Observed, bucket_of
from control_plane.core.comparison import compare
from control_plane.core.confidence import mean_confidence
from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority
from control_plane.core.outcomes import MEANINGS, Ending, Verdict
from control_plane.core.requests import Ended, Try, observed_of
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from control_plane.core.routing import Shadow, Trial, bucket
from control_plane.core.wire import priority_suffix
from control_plane.errors import CALLER_MISTAKES, ControlPlaneError
from control_plane.kserve import read_outputs
from control_plane.ports import Clock
from control_plane.services.calling import Calling, CallTimes, InferCall, Request, TryFailed
from control_plane.services.measuring import Measuring
from control_plane.services.rollout_tally import RolloutTally

log = structlog.get_logger(__name__)

LOW = priority_suffix(Priority.LOW.triton_level)


@dataclass(frozen=True, slots=True)
class ShadowOptions:
    """Bounds of what is copied.

    concurrency, max_waiting: copies of one engine's requests under way, and waiting.
    max_bytes: requests and answers held, of all engines.
    pause_s: how long after the answer was known a copy is sent, so that the answer goes first.
    """

    concurrency: int = 4
    max_waiting: int = 32
    max_bytes: int = 64 * 1024 * 1024
    pause_s: float = 0.02


@dataclass(frozen=True, slots=True)
class _Copy:
    """A request that is to be copied, and how it went with stable."""

    ended: Ended
    shadow: Shadow
    trial: Trial
    stable: Observed
    tally: RolloutTally

    @property
    def size(self) -> int:
        return len(self.ended.message) + len(self.ended.answer)


@dataclass(slots=True)
class _Lane:
    """The copies of one engine's requests. calling: those that an instance has now."""

    waiting: deque[_Copy] = field(default_factory=deque)
    workers: int = 0
    calling: int = 0


class Shadowing:
    """Copies requests to the shadow of their route, and counts how the two releases compare.

    room: how many requests of an engine would be let in now (``Gateway.room``, low priority).
    """

    def __init__(
        self,
        *,
        calling: Calling,
        measuring: Measuring,
        room: Callable[[str], int],
        times: CallTimes,
        clock: Clock,
        options: ShadowOptions | None = None,
    ) -> None:
        self._calling = calling
        self._measuring = measuring
        self._room = room
        self._times = times
        self._clock = clock
        self._options = options or ShadowOptions()
        self._budget = RetryBudget(RetryBudgetOptions())
        self._lanes: dict[str, _Lane] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._held_bytes = 0

    def ended(self, ended: Ended) -> None:
        """Takes in a request that the gateway has ended. O(1)."""
        route = ended.route
        shadow, trial = route.shadow, route.trial
        if shadow is None or trial is None or ended.sequence is not None:
            return
        # A salt of its own, or those whose copies were sent would be the first to try the canary.
        if bucket(f"shadow {route.salt}", ended.routing_key) >= shadow.share_bp:
            return
        stable = observed_of(ended, slow_s=trial.slow_s)
        if stable is None or stable.arm is not Arm.STABLE:
            return
        lane = self._lanes.setdefault(route.engine, _Lane())
        copy = _Copy(ended, shadow, trial, stable, self._measuring.tally(trial.rollout_id))
        is_full = len(lane.waiting) >= self._options.max_waiting
        if is_full or self._held_bytes >= self._options.max_bytes:
            copy.tally.add_details({"dropped": 1})
            return
        self._held_bytes += copy.size
        lane.waiting.append(copy)
        if lane.workers < self._options.concurrency:
            lane.workers += 1
            # Of many requests, so without the ids of the first.
            task = asyncio.create_task(self._work(lane), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def idle(self) -> None:
        """Until no copy waits or is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def close(self) -> None:
        """Ends what is under way; nothing is counted of it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, lane: _Lane) -> None:
        """Sends what waits, one after the other, until nothing does."""
        try:
            while lane.waiting:
                copy = lane.waiting.popleft()
                try:
                    await self._send(lane, copy)
                except Exception:  # an oddity of one copy must not end the others
                    log.exception("copy not compared", engine=copy.ended.engine)
                finally:
                    self._held_bytes -= copy.size
        finally:
            lane.workers -= 1

    async def _send(self, lane: _Lane, copy: _Copy) -> None:
        ended = copy.ended
        wait_s = ended.ended_s + self._options.pause_s - self._clock.now_s()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        # What copies take is not in the gateway's count.
        if self._room(ended.engine) - lane.calling < 1:
            copy.tally.add_details({"dropped": 1})
            return
        lane.calling += 1
        try:
            made, answer = await self._ask(copy)
        finally:
            lane.calling -= 1
        is_error = None if made is None else _is_error(made.ending)
        if made is None or is_error is None:
            copy.tally.add_details({"dropped": 1})
        else:
            _count(copy, made, answer, is_error=is_error)

    async def _ask(self, copy: _Copy) -> tuple[Try | None, bytes]:
        """The try that was made, None if there was none, and its answer, b"" if there was none."""
        ended = copy.ended
        release = ended.route.serving[copy.shadow.release]
        deadline = Deadline.after(self._clock.now_s(), self._times.of_try(ended.engine))
        call = InferCall(
            message=ended.message + LOW,
            engine=ended.engine,
            wanted_release=release.version,
            routing_key=ended.routing_key,
            deadline=deadline,
            correlation_id=ended.correlation_id,
            priority=Priority.LOW,
        )
        # One try: no retry, and a request that had its hedge gets no other.
        request = Request(call, deadline, self._budget, has_hedged=True)
        try:
            answer = await self._calling.ask(request, release, deadline)
        except (TryFailed, ControlPlaneError):
            return (request.tries[0] if request.tries else None), b""
        return request.tries[0], answer


def _is_error(ending: Ending) -> bool | None:
    """Whether the shadow has failed; None if that cannot be said.

    What stable took for a request, the other release must take for one, too.
    """
    meaning = MEANINGS[ending]
    if meaning.verdict is not Verdict.IGNORED:
        return meaning.verdict is Verdict.FAILURE
    return True if meaning.code in CALLER_MISTAKES else None


def _count(copy: _Copy, made: Try, answer: bytes, *, is_error: bool) -> None:
    """Counts a pair, and how the answers compare where there are two."""
    is_slow = (made.latency_s or 0.0) > copy.trial.slow_s
    shadow = Observed(Arm.CANARY, is_error, is_slow, confidence_bucket=None, key=None)
    stable, details = copy.stable, {"errors": int(is_error)}
    if answer:
        copy.tally.add_sample(0)
        if copy.ended.is_of_arm:
            stable, shadow, more = _compared(copy, shadow, answer)
            details |= more
    copy.tally.add_pair(stable, shadow, copy.trial.confidence_centre)
    copy.tally.add_details(details)


def _compared(
    copy: _Copy, shadow: Observed, answer: bytes
) -> tuple[Observed, Observed, dict[str, int]]:
    """The pair with its confidences, and how the answers compare."""
    try:
        given, found = read_outputs(copy.ended.answer), read_outputs(answer)
    except ControlPlaneError:
        return copy.stable, shadow, {}
    buckets = [
        None if confidence is None else bucket_of(confidence)
        for confidence in (mean_confidence(given), mean_confidence(found))
    ]
    comparison = compare(given, found)
    return (
        replace(copy.stable, confidence_bucket=buckets[0]),
        replace(shadow, confidence_bucket=buckets[1]),
        {} if comparison is None else comparison.details(),
    )
