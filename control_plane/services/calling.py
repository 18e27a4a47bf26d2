"""Calling instances for one request: one try, or two side by side, and what their ends mean.

A place is reserved and settled here, whatever becomes of the call. Whether there is another
try after a failure, and of which release, is the gateway's question.

A hedge is a second try that starts when the first has not answered for a while, on another
instance. The first answer wins, and the other try is cancelled, which gives its place up with
the time it took so far. A try that failed waits for the one beside it, unless it failed by what
no instance could mend.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field

from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority
from control_plane.core.identifiers import CORRELATION_ID
from control_plane.core.outcomes import MEANINGS, CallFailure, Ending, classify, names_dead_process
from control_plane.core.requests import Try
from control_plane.core.retry import RetryOptions, may_hedge
from control_plane.core.retry_budget import RetryBudget
from control_plane.core.tracing import SpanKind
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError, InvalidArgument
from control_plane.kserve import is_infer_request
from control_plane.ports import CallFailed, Clock
from control_plane.services.explaining import explain
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Place
from control_plane.services.tracing import outgoing, span

WHOLE_TRY = 0.9
"""The share of a try's time with which it is still a whole one: the first try of two that fill
the engine's time takes a moment more than its half."""

UNPARSED = CallFailure("INTERNAL", "Unable to parse request")
"""What gRPC's C++ server, and so Triton, says of bytes that are no message of the method's."""


@dataclass(frozen=True, slots=True)
class InferCall:
    """One request to one engine.

    message: a serialized ModelInferRequest; whatever model it names, it is re-targeted.
    correlation_id: goes along to the instance.
    wanted_release: a semantic version, ``stable``, ``canary``, or "" for the split.
    routing_key: what the split is made by.
    is_key_given: whether other requests may have the same key: the caller's own, or a sequence.
    sequence: the stateful sequence it belongs to; such a request is never tried again.
    """

    message: bytes = field(repr=False)
    engine: str
    wanted_release: str
    routing_key: str
    deadline: Deadline
    correlation_id: str
    sequence: str | None = None
    priority: Priority = Priority.NORMAL
    is_key_given: bool = False


@dataclass(frozen=True, slots=True)
class CallTimes:
    """How long things may take, in seconds.

    engine_s: an engine's whole part of a request, retries included; by_engine: exceptions.
    try_s: one try at one instance; half of the engine's part when None, and never more, so that
        a second one fits. It bounds what a caller waits for an instance that hangs, and must be
        well above what a healthy engine takes under load.
    hedge_after_s: by engine, how long a try goes unanswered before a second one is begun; an
        engine that is not named is never hedged.
    """

    engine_s: float
    try_s: float | None = None
    by_engine: Mapping[str, float] = field(default_factory=dict)
    hedge_after_s: Mapping[str, float] = field(default_factory=dict)

    def of_engine(self, engine: str) -> float:
        return self.by_engine.get(engine, self.engine_s)

    def of_try(self, engine: str) -> float:
        half_s = self.of_engine(engine) / 2
        return half_s if self.try_s is None else min(self.try_s, half_s)


@dataclass(slots=True)
class Request:
    """One request on its way: what was asked, what is left for it, what was tried.

    deadline: the engine's part of the caller's.
    tries: in the order in which they were begun.
    has_hedged: whether it had its one hedge.
    """

    call: InferCall
    deadline: Deadline
    budget: RetryBudget
    tries: list[Try] = field(default_factory=list)
    has_hedged: bool = False

    def attempts(self, release: Release) -> int:
        """The tries of the release so far."""
        return sum(made.release == release.version for made in self.tries)

    def tried(self, release: Release) -> list[str]:
        """The instances that need not be asked for the release: they were, or are full."""
        return [
            made.instance
            for made in self.tries
            if made.release == release.version or made.ending is Ending.OVERLOAD
        ]

    @property
    def full(self) -> list[str]:
        """The instances that had no room. What is overloaded is never asked again."""
        return [made.instance for made in self.tries if made.ending is Ending.OVERLOAD]

    @property
    def decisive(self) -> Try:
        """The try that the request ended with: the one that answered, or the last.

        A blank one, that was cancelled before it went anywhere, when there was none.
        """
        for made in self.tries:
            if made.ending is Ending.SUCCESS:
                return made
        return self.tries[-1] if self.tries else Try("", "")


class TryFailed(Exception):
    """A try that brought no answer, what that means, and what the caller is to be told."""

    def __init__(self, ending: Ending, refusal: ControlPlaneError) -> None:
        super().__init__(refusal.message)
        self.ending = ending
        self.refusal = refusal


class Calling:
    """Asks instances, one try at a time, or one and its hedge."""

    def __init__(
        self, *, fleet: Fleet, times: CallTimes, retries: RetryOptions, clock: Clock
    ) -> None:
        self._fleet = fleet
        self._times = times
        self._retries = retries
        self._clock = clock

    async def ask(self, request: Request, release: Release, deadline: Deadline) -> bytes:
        """A try at an instance where the release was not tried yet, if there is one.

        Raises TryFailed; ControlPlaneError when no try was made: RELEASE_NOT_READY,
        DEADLINE_EXCEEDED.
        """
        call = request.call
        with self._reserve(request, release) as place:
            hedge_after_s = self._times.hedge_after_s.get(call.engine)
            if hedge_after_s is None or call.sequence is not None or request.has_hedged:
                return await self._try(request, release, place, deadline)
            return await self._hedged(request, release, place, deadline, hedge_after_s)

    async def _hedged(
        self, request: Request, release: Release, first: Place, deadline: Deadline, after_s: float
    ) -> bytes:
        """The first answer of a try and, if that takes too long, of a second one elsewhere."""
        with ExitStack() as second:
            tries = [asyncio.create_task(self._try(request, release, first, deadline))]
            try:
                done, _ = await asyncio.wait(tries, timeout=after_s)
                place = None if done else self._place_for_hedge(request, release, deadline)
                if place is not None:
                    second.enter_context(place)
                    hedge = self._try(request, release, place, deadline, is_hedge=True)
                    tries.append(asyncio.create_task(hedge))
                return await _first_answer(tries)
            finally:
                # Places are given back after the tries have ended: none may settle twice.
                for task in tries:
                    task.cancel()
                await asyncio.gather(*tries, return_exceptions=True)

    def _place_for_hedge(
        self, request: Request, release: Release, deadline: Deadline
    ) -> Place | None:
        """A place on another instance, if there may be a hedge."""
        now_s = self._clock.now_s()
        tried = request.tried(release)
        if not may_hedge(
            attempt=request.attempts(release),
            options=self._retries,
            remaining_s=deadline.remaining_s(now_s),
            has_other_instance=self._fleet.has_other(release, tried),
            budget=request.budget,
            now_s=now_s,
        ):
            return None
        request.has_hedged = True
        return self._reserve(request, release)

    def _reserve(self, request: Request, release: Release) -> Place:
        sequence = request.call.sequence
        if not request.tries:
            return self._fleet.reserve(release, sequence=sequence)
        return self._fleet.reserve(
            release, tried=request.tried(release), barred=request.full, sequence=sequence
        )

    async def _try(
        self,
        request: Request,
        release: Release,
        place: Place,
        deadline: Deadline,
        *,
        is_hedge: bool = False,
    ) -> bytes:
        """One call to one instance. Its place is settled by its end, unless it is cancelled."""
        with span(
            "attempt",
            kind=SpanKind.CLIENT,
            is_minor=True,
            engine=release.engine,
            release=release.version,
            instance=place.instance.name,
            hedge=is_hedge,
        ) as traced:
            try:
                answer = await self._call(request, release, place, deadline)
            except TryFailed as failed:
                traced.put(ending=failed.ending.value)
                traced.tell(failed.refusal)
                raise
            traced.put(ending=Ending.SUCCESS.value)
            return answer

    async def _call(
        self, request: Request, release: Release, place: Place, deadline: Deadline
    ) -> bytes:
        call, instance = request.call, place.instance
        started_s = self._clock.now_s()
        try_s = self._times.of_try(call.engine)
        timeout_s = deadline.timeout_s(started_s, try_s)
        made = Try(release.version, instance.name)
        request.tries.append(made)
        try:
            answer = await instance.calls.infer(
                call.message + target_suffix(release.model_name, release.model_version),
                timeout_s=timeout_s,
                metadata=(
                    (CORRELATION_ID, call.correlation_id),
                    # Triton traces every request that brings a context along.
                    *outgoing(only_if_sampled=True),
                ),
            )
        except CallFailed as failed:
            is_cut_short = timeout_s < WHOLE_TRY * try_s
            ending = _ending_of(failed.failure, call, is_cut_short=is_cut_short)
            if ending in (Ending.UNREACHABLE, Ending.NOT_READY_HERE):
                instance.look_again.set()
            self._end(made, place, ending, started_s)
            if names_dead_process(failed.failure, release.pins):
                served = release.engine, release.version
                self._fleet.found_dead(instance.name, served, str(failed))
            refusal = _refusal(failed.failure, ending, call, release, instance.name)
            raise TryFailed(ending, refusal) from None
        self._end(made, place, Ending.SUCCESS, started_s)
        return answer

    def _end(self, made: Try, place: Place, ending: Ending, started_s: float) -> None:
        made.ending = ending
        made.ended_s = self._clock.now_s()
        made.latency_s = made.ended_s - started_s
        place.settle(MEANINGS[ending].verdict)


async def _first_answer(tries: list[asyncio.Task[bytes]]) -> bytes:
    """Raises what the last of them failed with, or what no other try can mend, at once."""
    waiting = set(tries)
    while True:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        failures = [error for task in done if (error := task.exception()) is not None]
        if len(failures) < len(done):
            return next(task for task in tries if task in done and not task.exception()).result()
        for error in failures:
            can_be_mended = isinstance(error, TryFailed) and MEANINGS[error.ending].may_go_elsewhere
            if not (waiting and can_be_mended):
                raise error


def _ending_of(failure: CallFailure, call: InferCall, *, is_cut_short: bool) -> Ending:
    # All of it is parsed only where Triton could not: it may be 64 MiB long.
    if failure == UNPARSED and not is_infer_request(call.message):
        return Ending.MALFORMED
    return classify(failure, is_cut_short=is_cut_short)


def _refusal(
    failure: CallFailure, ending: Ending, call: InferCall, release: Release, instance: str
) -> ControlPlaneError:
    """What a try that ended so means to the caller, if it is the last."""
    if ending is Ending.MALFORMED:
        return InvalidArgument("malformed protobuf: no ModelInferRequest", field="message")
    subject = f"engine {call.engine!r}"
    return explain(failure, ending, subject=subject, instance=instance, release=release)
