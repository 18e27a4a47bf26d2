"""The gateway: one inference request in, one answer out, and who served it.

route (which release) → admit → try at an instance, hedged? → retry elsewhere? → fall back? → answer

It forwards bytes; what is in the tensors is between the caller and the engine. The decisions
are the core's: whether there is room (``core/admission.py``), what an ending means
(``core/outcomes.py``), whether there is another try (``core/retry.py``) or another release
(``core/fallback.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

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
from control_plane.core.fallback import fallbacks, may_fall_back
from control_plane.core.outcomes import MEANINGS, Ending, Verdict
from control_plane.core.requests import Ended, Refused, Try
from control_plane.core.retry import GiveUp, RetryOptions, decide
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from control_plane.core.routing import Route, RoutingTable, choose_release
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Clock
from control_plane.services.calling import Calling, CallTimes, InferCall, Request, TryFailed
from control_plane.services.fleet import Fleet
from control_plane.services.tracing import put, span

log = structlog.get_logger(__name__)

Event = TypeVar("Event")


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """A serialized ModelInferResponse under the engine's own name, and who served it.

    tries: all of them with their endings, those of a release that could not answer included.
    fallback_from: the release that was chosen and could not; None when it did.
    """

    message: bytes = field(repr=False)
    release: str
    instance: str
    tries: tuple[Try, ...]
    fallback_from: str | None = None

    @property
    def attempts(self) -> int:
        return len(self.tries)


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
    caller goes to another instance, and when the release cannot answer at all, to another one,
    within the deadline, the limit of attempts, and the engine's retry budget.

    ended: told of each request that was let in, once, when its answer is known. It must be quick
        and must not wait; what it raises is logged, and the caller has the answer all the same.
    refused: told in the same way of each that was not let in.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        table: Callable[[], RoutingTable],
        options: GatewayOptions,
        clock: Clock,
        rng: Rng,
        ended: Callable[[Ended], None] | None = None,
        refused: Callable[[Refused], None] | None = None,
    ) -> None:
        self._fleet = fleet
        self._table = table
        self._options = options
        self._calling = Calling(
            fleet=fleet, times=options.times, retries=options.retries, clock=clock
        )
        self._engines: dict[str, _Engine] = {}
        self._clock = clock
        self._rng = rng
        self._ended = ended
        self._refused = refused

    async def infer(self, call: InferCall) -> InferAnswer:
        """Raises ControlPlaneError with the code that tells whose fault it was."""
        with span("engine", engine=call.engine) as traced:
            answer = await self._infer(call)
            traced.put(
                release=answer.release,
                instance=answer.instance,
                attempts=answer.attempts,
                fallback_from=answer.fallback_from,
            )
            return answer

    async def _infer(self, call: InferCall) -> InferAnswer:
        now_s = self._clock.now_s()
        chosen: Release | None = None
        try:
            route = self.table.route(call.engine)
            chosen = choose_release(route, call.wanted_release, call.routing_key)
            engine = self._engine(call.engine)
            engine_s = call.deadline.timeout_s(now_s, self._options.times.of_engine(call.engine))
            put(release=chosen.version)
            ticket = engine.admit(call.priority, now_s)
        except ControlPlaneError as refusal:
            self._tell_refused(call.engine, chosen, refusal, now_s)
            raise
        request = Request(call, Deadline.after(now_s, engine_s), engine.budget)
        end: InferAnswer | BaseException | None = None
        try:
            engine.budget.deposit(now_s)
            end = await self._answer(route, chosen, request)
        except TryFailed as failed:
            end = failed.refusal
            raise failed.refusal from None
        except BaseException as error:
            end = error
            raise
        finally:
            ended_s = self._clock.now_s()
            engine.settle(ticket, request.decisive, ended_s)
            if self._ended is not None:
                ended = _ended(route, chosen, request, end, now_s, ended_s)
                self._tell(self._ended, ended, call.engine)
        return end

    def choose(self, engine: str, wanted_release: str, routing_key: str) -> Release:
        """Raises ControlPlaneError: UNKNOWN_ENGINE, UNKNOWN_RELEASE, RELEASE_NOT_READY."""
        return choose_release(self.table.route(engine), wanted_release, routing_key)

    def admission(self, engine: str) -> AdmissionStatistics:
        """The bound on an engine's requests in flight, and what it has come to so far."""
        return self._engine(engine).admission.statistics()

    def retry_budget(self, engine: str) -> float:
        """How many tries of an engine's requests could be made again now."""
        return self._engine(engine).budget.remaining(self._clock.now_s())

    def room(self, engine: str, priority: Priority) -> int:
        """How many more requests of this priority would be let in now; none if below 1."""
        admission = self._engine(engine).admission
        return admission.bound(priority) - admission.in_flight

    @property
    def table(self) -> RoutingTable:
        """The routes in force now."""
        return self._table()

    async def _answer(self, route: Route, chosen: Release, request: Request) -> InferAnswer:
        """From the release chosen, else from the first fallback that can."""
        call, release = request.call, chosen
        others = fallbacks(
            route, chosen, wanted=call.wanted_release, is_sequence=call.sequence is not None
        )
        while True:
            deadline = self._keep_time(request) if others else request.deadline
            try:
                message = await self._answer_from(
                    release, request, deadline, has_fallback=bool(others)
                )
                return _answer_of(release, message, chosen, request)
            except TryFailed as failed:
                problem: Exception = failed
                ending: Ending | None = failed.ending
            except ControlPlaneError as refusal:
                if refusal.code is not ErrorCode.RELEASE_NOT_READY:
                    raise
                problem, ending = refusal, None
            others = tuple(one for one in others if self._fleet.has_other(one, request.full))
            if not others or not self._may_fall_back(ending, request):
                raise problem
            log.info(
                "falling back",
                engine=call.engine,
                release=release.version,
                to=others[0].version,
                ending=ending,
            )
            release, *rest = others
            others = tuple(rest)

    async def _answer_from(
        self, release: Release, request: Request, deadline: Deadline, *, has_fallback: bool
    ) -> bytes:
        """A release's answer, after as many tries as it takes and may take.

        has_fallback: whether another one may answer; then one whose traffic has been taken away
            since the request came is not tried again.

        Raises TryFailed; ControlPlaneError when there was no try.
        """
        last: TryFailed | None = None
        while True:
            try:
                return await self._calling.ask(request, release, deadline)
            except TryFailed as failed:
                last = failed
            except ControlPlaneError:
                if last is None:
                    raise
                raise last from None  # the release went away meanwhile
            if has_fallback and not self._is_routed(release):
                raise last
            wait_s = self._wait_before_retry(last, release, request, deadline)
            if wait_s is None:
                raise last
            with span("wait", engine=release.engine, release=release.version):
                await asyncio.sleep(wait_s)

    def _is_routed(self, release: Release) -> bool:
        route = self.table.routes.get(release.engine)
        return route is not None and release.version in route.serving

    def _tell_refused(
        self, name: str, chosen: Release | None, refusal: ControlPlaneError, now_s: float
    ) -> None:
        if self._refused is not None:
            # A name that a caller made up must not be counted under.
            engine = name if name in self.table.routes else ""
            release = "" if chosen is None else chosen.version
            self._tell(self._refused, Refused(engine, release, refusal.code, now_s), engine)

    def _tell(self, listener: Callable[[Event], None], event: Event, engine: str) -> None:
        try:
            listener(event)
        except Exception:  # whoever listens must not cost a caller the answer
            log.exception("not counted", engine=engine)

    def _keep_time(self, request: Request) -> Deadline:
        """The deadline of a release with another to fall back to: a try's time is kept for it."""
        left_s = request.deadline.remaining_s(self._clock.now_s())
        kept_s = min(left_s / 2, self._options.times.of_try(request.call.engine))
        return Deadline(request.deadline.expires_at_s - kept_s)

    def _may_fall_back(self, ending: Ending | None, request: Request) -> bool:
        now_s = self._clock.now_s()
        return may_fall_back(
            ending,
            remaining_s=request.deadline.remaining_s(now_s),
            options=self._options.retries,
            budget=request.budget,
            now_s=now_s,
        )

    def _wait_before_retry(
        self, failed: TryFailed, release: Release, request: Request, deadline: Deadline
    ) -> float | None:
        """How long to wait before the next try; None when there is to be none."""
        now_s = self._clock.now_s()
        tried = request.tried(release)
        decision = decide(
            failed.ending,
            attempt=request.attempts(release),
            options=self._options.retries,
            remaining_s=deadline.remaining_s(now_s),
            has_other_instance=self._fleet.has_other(release, tried),
            is_sequence=request.call.sequence is not None,
            budget=request.budget,
            now_s=now_s,
            rng=self._rng,
        )
        facts = {
            "engine": release.engine,
            "release": release.version,
            "instance": request.tries[-1].instance,
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

    def settle(self, ticket: Ticket, last: Try, now_s: float) -> None:
        """Give the room back, and learn from the decisive try how the engine is."""
        self.admission.settle(ticket, latency_s=last.latency_s, ending=last.ending, now_s=now_s)


def _answer_of(release: Release, message: bytes, chosen: Release, request: Request) -> InferAnswer:
    return InferAnswer(
        message=message + target_suffix(release.engine, release.version),
        release=release.version,
        instance=request.decisive.instance,
        tries=tuple(request.tries),
        fallback_from=None if release is chosen else chosen.version,
    )


def _ended(
    route: Route,
    chosen: Release,
    request: Request,
    end: InferAnswer | BaseException | None,
    started_s: float,
    ended_s: float,
) -> Ended:
    call, answer = request.call, end if isinstance(end, InferAnswer) else None
    return Ended(
        route=route,
        wanted_release=call.wanted_release,
        routing_key=call.routing_key,
        is_key_given=call.is_key_given,
        sequence=call.sequence,
        correlation_id=call.correlation_id,
        chosen=chosen.version,
        tries=request.tries,
        answered_by=None if answer is None else answer.release,
        error=None if answer is not None else _code_of(end),
        started_s=started_s,
        ended_s=ended_s,
        message=call.message,
        answer=b"" if answer is None else answer.message,
    )


def _code_of(end: object) -> ErrorCode:
    if isinstance(end, ControlPlaneError):
        return end.code
    return ErrorCode.CANCELLED if isinstance(end, asyncio.CancelledError) else ErrorCode.INTERNAL
