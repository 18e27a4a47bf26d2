"""The gateway: one inference request in, one answer out, and who served it.

route (which release) → admit → try at an instance → retry elsewhere? → answer.

It forwards bytes; what is in the tensors is between the caller and the engine. The decisions
are the core's: whether there is room (``core/admission.py``), what an ending means
(``core/outcomes.py``), whether there is another try (``core/retry.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from control_plane.core.admission import (
    Admission,
    AdmissionOptions,
    AdmissionStatistics,
    Shed,
    Ticket,
)
from control_plane.core.backoff import Rng
from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority
from control_plane.core.outcomes import MEANINGS, Ending, Verdict
from control_plane.core.retry import GiveUp, RetryOptions, decide
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from control_plane.core.routing import RoutingTable, choose_release
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Clock
from control_plane.services.calling import Calling, CallTimes, InferCall, Request, TryFailed
from control_plane.services.fleet import Fleet

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """A serialized ModelInferResponse under the engine's own name, and who served it."""

    message: bytes = field(repr=False)
    release: str
    instance: str
    attempts: int


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """Times, and of each engine: how much is admitted, and how much may be tried again."""

    times: CallTimes
    retries: RetryOptions = field(default_factory=RetryOptions)
    budget: RetryBudgetOptions = field(default_factory=RetryBudgetOptions)
    admission: AdmissionOptions = field(default_factory=AdmissionOptions)


class Gateway:
    """Sends each request to an instance where the release chosen for it is ready.

    A request that there is no room for is refused at once. A try that fails by no fault of the
    caller goes to another instance, within the deadline, the limit of attempts, and the
    engine's retry budget.
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
        self._calling = Calling(fleet=fleet, times=options.times, clock=clock)
        self._engines: dict[str, _Engine] = {}
        self._clock = clock
        self._rng = rng

    async def infer(self, call: InferCall) -> InferAnswer:
        """Raises ControlPlaneError with the code that tells whose fault it was."""
        release = self.choose(call.engine, call.wanted_release, call.routing_key)
        now_s = self._clock.now_s()
        engine = self._engine(call.engine)
        engine_s = call.deadline.timeout_s(now_s, self._options.times.of_engine(call.engine))
        ticket = engine.admit(call.priority, now_s)
        request = Request(call, Deadline.after(now_s, engine_s), engine.budget)
        try:
            engine.budget.deposit(now_s)
            answer = await self._answer_from(release, request)
        finally:
            engine.settle(ticket, request, self._clock.now_s())
        return InferAnswer(
            message=answer + target_suffix(call.engine, release.version),
            release=release.version,
            instance=request.tries[-1].instance,
            attempts=len(request.tries),
        )

    def choose(self, engine: str, wanted_release: str, routing_key: str) -> Release:
        """Raises ControlPlaneError: UNKNOWN_ENGINE, UNKNOWN_RELEASE, RELEASE_NOT_READY."""
        return choose_release(self.table.route(engine), wanted_release, routing_key)

    def admission(self, engine: str) -> AdmissionStatistics:
        """The bound on an engine's requests in flight, and what it has come to so far."""
        return self._engine(engine).admission.statistics()

    @property
    def table(self) -> RoutingTable:
        """The routes in force now."""
        return self._table()

    async def _answer_from(self, release: Release, request: Request) -> bytes:
        """A release's answer, after as many tries as it takes and may take."""
        last: TryFailed | None = None
        while True:
            try:
                return await self._calling.ask(request, release, request.deadline)
            except TryFailed as failed:
                last = failed
            except ControlPlaneError:
                if last is None:
                    raise
                raise last.refusal from None  # the release went away meanwhile
            wait_s = self._wait_before_retry(last, release, request)
            if wait_s is None:
                raise last.refusal
            await asyncio.sleep(wait_s)

    def _wait_before_retry(
        self, failed: TryFailed, release: Release, request: Request
    ) -> float | None:
        """How long to wait before the next try; None when there is to be none."""
        now_s = self._clock.now_s()
        tried = request.tried(release)
        decision = decide(
            failed.ending,
            attempt=len(tried),
            options=self._options.retries,
            remaining_s=request.deadline.remaining_s(now_s),
            has_other_instance=self._fleet.has_other(release, tried),
            is_sequence=request.call.sequence is not None,
            budget=request.budget,
            now_s=now_s,
            rng=self._rng,
        )
        facts = {
            "engine": release.engine,
            "release": release.version,
            "instances": tried,
            "ending": failed.ending,
        }
        if isinstance(decision, GiveUp):
            if MEANINGS[failed.ending].verdict is Verdict.FAILURE:
                log.info("gave up", **facts, why=decision.reason)
            return None
        log.info("trying again", **facts, reason=failed.refusal.message[:200])
        return decision.wait_s

    def _engine(self, name: str) -> _Engine:
        engine = self._engines.get(name)
        if engine is None:
            options = self._options
            # Of the time that a try may take, half is left for what varies.
            limit = replace(options.admission.limit, longest_s=options.times.of_try(name) / 2)
            admission = Admission(replace(options.admission, limit=limit))
            engine = self._engines[name] = _Engine(name, admission, RetryBudget(options.budget))
        return engine


@dataclass(frozen=True, slots=True)
class _Engine:
    """What the requests to one engine share: the room for them, and what may be tried again."""

    name: str
    admission: Admission
    budget: RetryBudget

    def admit(self, priority: Priority, now_s: float) -> Ticket:
        """Raises ControlPlaneError(OVERLOADED) at once when there is no room."""
        place = self.admission.admit(priority, now_s)
        if isinstance(place, Shed):
            raise ControlPlaneError(
                ErrorCode.OVERLOADED,
                f"engine {self.name!r} has as many requests in flight as it can answer in time",
                retry_after_s=round(place.retry_after_s, 3),
            )
        return place

    def settle(self, ticket: Ticket, request: Request, now_s: float) -> None:
        """Give the room back, and learn from the last try how the engine is."""
        if request.tries:
            last = request.tries[-1]
            latency_s, ending = last.latency_s, last.ending
        else:
            latency_s, ending = None, Ending.CANCELLED
        self.admission.settle(ticket, latency_s=latency_s, ending=ending, now_s=now_s)
