"""The gateway: one inference request in, one answer out, and who served it.

route (which release) → balance (which instance) → call → settle → retry elsewhere? → answer.
It forwards bytes; what is in the tensors is between the caller and the engine. What an ending
means is one table (``core/outcomes.py``), whether there is another try one function
(``core/retry.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from control_plane.core.backoff import Rng
from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.identifiers import CORRELATION_ID
from control_plane.core.outcomes import MEANINGS, CallFailure, Ending, Verdict, classify
from control_plane.core.retry import GiveUp, RetryOptions, decide
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from control_plane.core.routing import RoutingTable, choose_release
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError, InvalidArgument
from control_plane.kserve import is_infer_request
from control_plane.ports import CallFailed, Clock
from control_plane.services.explaining import explain
from control_plane.services.fleet import Fleet, Place

log = structlog.get_logger(__name__)

UNPARSED = CallFailure("INTERNAL", "Unable to parse request")
"""What gRPC's C++ server, and so Triton, says of bytes that are no message of the method's."""


@dataclass(frozen=True, slots=True)
class InferCall:
    """One request to one engine.

    message: a serialized ModelInferRequest; whatever model it names, it is re-targeted.
    correlation_id: goes along to the instance.
    wanted_release: a semantic version, ``stable``, ``canary``, or "" for the split.
    sequence: the stateful sequence it belongs to; such a request is never tried again.
    """

    message: bytes = field(repr=False)
    engine: str
    wanted_release: str
    routing_key: str
    deadline: Deadline
    correlation_id: str
    sequence: str | None = None


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """A serialized ModelInferResponse under the engine's own name, and who served it."""

    message: bytes = field(repr=False)
    release: str
    instance: str
    attempts: int


@dataclass(frozen=True, slots=True)
class CallTimes:
    """How long things may take, in seconds.

    engine_s: an engine's whole part of a request, retries included; by_engine: exceptions.
    try_s: one try at one instance; half of the engine's part when None, so that a second one
        fits. It bounds what a caller waits for an instance that hangs, and must be well above
        what a healthy engine takes under load.
    """

    engine_s: float
    try_s: float | None = None
    by_engine: Mapping[str, float] = field(default_factory=dict)

    def of_engine(self, engine: str) -> float:
        return self.by_engine.get(engine, self.engine_s)

    def of_try(self, engine: str) -> float:
        return self.of_engine(engine) / 2 if self.try_s is None else self.try_s


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Times, and how much may be tried again: per request, and for all of an engine's together."""

    times: CallTimes
    retries: RetryOptions = field(default_factory=RetryOptions)
    budget: RetryBudgetOptions = field(default_factory=RetryBudgetOptions)


class Gateway:
    """Sends each request to an instance where the release chosen for it is ready.

    A try that fails by no fault of the caller goes to another instance, within the deadline,
    the limit of attempts, and the engine's retry budget.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        table: Callable[[], RoutingTable],
        options: GatewayOptions,
        clock: Clock,
        rng: Rng,
    ) -> None:
        self._fleet = fleet
        self._table = table
        self._options = options
        self._times = options.times
        self._budgets: dict[str, RetryBudget] = {}
        self._clock = clock
        self._rng = rng

    async def infer(self, call: InferCall) -> InferAnswer:
        """Raises ControlPlaneError with the code that tells whose fault it was."""
        release = self.choose(call.engine, call.wanted_release, call.routing_key)
        now_s = self._clock.now_s()
        engine_s = self._times.of_engine(call.engine)
        deadline = Deadline.after(now_s, call.deadline.timeout_s(now_s, engine_s))
        budget = self._budget(call.engine)
        budget.deposit(now_s)
        tried: list[str] = []
        last: _TryFailed | None = None
        while True:
            try:
                place = self._fleet.reserve(release, exclude=tried, sequence=call.sequence)
            except ControlPlaneError:
                if last is None:
                    raise
                raise _refusal(last, call, release) from None  # it went away meanwhile
            tried.append(place.instance.name)
            try:
                answer = await self._try(call, release, place, deadline)
            except _TryFailed as failed:
                wait_s = self._wait_before_retry(failed, call, release, tried, deadline)
                if wait_s is None:
                    raise _refusal(failed, call, release) from None
                last = failed
                await asyncio.sleep(wait_s)
                continue
            return InferAnswer(
                message=answer + target_suffix(call.engine, release.version),
                release=release.version,
                instance=place.instance.name,
                attempts=len(tried),
            )

    def choose(self, engine: str, wanted_release: str, routing_key: str) -> Release:
        """Raises ControlPlaneError: UNKNOWN_ENGINE, UNKNOWN_RELEASE, RELEASE_NOT_READY."""
        return choose_release(self.table.route(engine), wanted_release, routing_key)

    @property
    def table(self) -> RoutingTable:
        """The routes in force now."""
        return self._table()

    def _budget(self, engine: str) -> RetryBudget:
        budget = self._budgets.get(engine)
        if budget is None:
            budget = self._budgets[engine] = RetryBudget(self._options.budget)
        return budget

    async def _try(
        self, call: InferCall, release: Release, place: Place, deadline: Deadline
    ) -> bytes:
        """One call to one instance. Whatever its end, the place is settled by it."""
        instance = place.instance
        with place:
            now_s = self._clock.now_s()
            timeout_s = deadline.timeout_s(now_s, self._times.of_try(call.engine))
            is_callers_limit = timeout_s >= call.deadline.remaining_s(now_s)
            try:
                answer = await instance.calls.infer(
                    call.message + target_suffix(release.model_name, release.model_version),
                    timeout_s=timeout_s,
                    metadata=((CORRELATION_ID, call.correlation_id),),
                )
            except CallFailed as failed:
                ending = classify(failed.failure, is_past_deadline=is_callers_limit)
                # All of it is parsed only where Triton could not: it may be 64 MiB long.
                if failed.failure == UNPARSED and not is_infer_request(call.message):
                    ending = Ending.MALFORMED
                if ending in (Ending.UNREACHABLE, Ending.NOT_READY_HERE):
                    instance.look_again.set()
                place.settle(MEANINGS[ending].verdict)
                raise _TryFailed(ending, failed.failure, instance.name) from None
            place.settle(Verdict.SUCCESS)
            return answer

    def _wait_before_retry(
        self,
        failed: _TryFailed,
        call: InferCall,
        release: Release,
        tried: list[str],
        deadline: Deadline,
    ) -> float | None:
        """How long to wait before the next try; None when there is to be none."""
        now_s = self._clock.now_s()
        decision = decide(
            failed.ending,
            attempt=len(tried),
            options=self._options.retries,
            remaining_s=deadline.remaining_s(now_s),
            has_other_instance=self._fleet.has_other(release, tried),
            is_sequence=call.sequence is not None,
            budget=self._budget(call.engine),
            now_s=now_s,
            rng=self._rng,
        )
        if isinstance(decision, GiveUp):
            if failed.verdict is Verdict.FAILURE:
                log.info(
                    "gave up",
                    engine=call.engine,
                    release=release.version,
                    instances=tried,
                    ending=failed.ending,
                    why=decision.reason,
                )
            return None
        log.info(
            "trying again",
            engine=call.engine,
            release=release.version,
            instance=failed.instance,
            ending=failed.ending,
            reason=failed.failure.message[:200],
        )
        return decision.wait_s


class _TryFailed(Exception):
    """One try that brought no answer, and what that means."""

    def __init__(self, ending: Ending, failure: CallFailure, instance: str) -> None:
        super().__init__(failure.message)
        self.ending = ending
        self.failure = failure
        self.instance = instance

    @property
    def verdict(self) -> Verdict:
        return MEANINGS[self.ending].verdict


def _refusal(failed: _TryFailed, call: InferCall, release: Release) -> ControlPlaneError:
    """What the last try means to the caller."""
    if failed.ending is Ending.MALFORMED:
        return InvalidArgument("malformed protobuf: no ModelInferRequest", field="message")
    return explain(
        failed.failure,
        failed.ending,
        subject=f"engine {call.engine!r}",
        instance=failed.instance,
        release=release,
    )
