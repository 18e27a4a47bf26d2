"""A fleet on a virtual clock: the real decisions, simulated instances, seeded dice.

Callers come by themselves (open loop, Poisson), so a fleet that slows down is not spared.
Each request is reserved with ``Pool``, settled by the table of endings, retried by
``retry.decide`` within a ``RetryBudget``: what runs here is the code of the request path, and
only the instances and the clock are not real. Arrivals, service times and decisions have a
generator each, so that two policies see the same callers. Several gateways may share the fleet:
each knows only what it has seen itself, and requests come to them in turn.

An event is one entry of a heap: (when, number, what, whom). Two for each call: its arrival,
and its end, which is computed when it is sent and replaced if a fault strikes in between.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from control_plane.core.admission import Admission, AdmissionOptions, Shed, Ticket
from control_plane.core.balancing import Pool, PoolOptions, Reservation
from control_plane.core.detections import Priority
from control_plane.core.outcomes import MEANINGS, Ending
from control_plane.core.retry import RetryOptions, TryElsewhere, decide
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from tests.simulation.instances import Answer, InstanceModel, Mode, SimulatedInstance
from tests.simulation.report import Report


@dataclass(frozen=True, slots=True)
class Traffic:
    """Who calls, how often, how long they and their tries may take, and how many may be in.

    admission: None admits everyone, to see what the rest does by itself.
    """

    requests: int
    rate_per_s: float
    try_timeout_s: float = 1.0
    deadline_s: float = 5.0
    retry: RetryOptions = field(default_factory=RetryOptions)
    budget: RetryBudgetOptions = field(default_factory=RetryBudgetOptions)
    admission: AdmissionOptions | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """One control plane and what it has learnt."""

    pool: Pool
    budget: RetryBudget
    admission: Admission | None


@dataclass(slots=True, eq=False)
class Request:
    """One caller's request, over all its tries."""

    gateway: Gateway
    arrived_s: float
    expires_s: float
    ticket: Ticket | None = None
    tried: list[str] = field(default_factory=list)
    full: list[str] = field(default_factory=list)
    attempts: int = 0


@dataclass(slots=True, eq=False)
class Try:
    """One call to one instance. version tells its present end from one that was replaced."""

    request: Request
    reservation: Reservation
    times_out_s: float
    ending: Ending = Ending.SLOW
    version: int = 0


class FleetSimulation:
    """Build it, plan its faults with ``at``, ``run`` it once."""

    def __init__(
        self,
        models: Mapping[str, InstanceModel],
        traffic: Traffic,
        *,
        seed: int,
        options: PoolOptions | None = None,
        gateways: int = 1,
    ) -> None:
        self.now_s = 0.0
        self.report = Report()
        self._traffic = traffic
        self._gateways = [
            Gateway(
                Pool(options or PoolOptions()),
                RetryBudget(traffic.budget),
                None if traffic.admission is None else Admission(traffic.admission),
            )
            for _ in range(gateways)
        ]
        self._instances = {name: SimulatedInstance(name, models[name]) for name in models}
        self._running: dict[str, dict[Try, None]] = {name: {} for name in models}
        dice = (Random(seed + n) for n in range(4))
        self._arrivals, self._services, self._dice, self._others = dice
        self._events: list[tuple[float, int, Callable[[object, int], None], object, int]] = []
        self._numbers = 0
        for gateway in self._gateways:
            for name, model in models.items():
                gateway.pool.add(name, 0.0, weight=model.weight)

    @property
    def pool(self) -> Pool:
        """The first gateway's."""
        return self._gateways[0].pool

    def at(self, when_s: float, act: Callable[[], object]) -> None:
        """Do something at that time."""

        def do(_what: object, _version: int) -> None:
            act()

        self._plan(when_s, do, None)

    def becomes(self, when_s: float, name: str, mode: Mode) -> None:
        """An instance dies, hangs, or is well again at that time."""
        self.at(when_s, lambda: self._become(name, mode))

    def slows_down(self, when_s: float, name: str, factor: float) -> None:
        self.at(when_s, lambda: self._instances[name].slow_down(factor))

    def burst(self, when_s: float, requests: int) -> None:
        """So many of the requests come all at that time."""

        def ask() -> None:
            for _ in range(requests):
                self._ask()

        self.at(when_s, ask)

    def others_call(self, name: str, rate_per_s: float, until_s: float) -> None:
        """Another client keeps an instance busy and knows of no gateway."""

        def call(_what: object, _version: int) -> None:
            self._instances[name].take(self.now_s, self._others)
            at_s = self.now_s + self._others.expovariate(rate_per_s)
            if at_s < until_s:
                self._plan(at_s, call, None)

        self._plan(self._others.expovariate(rate_per_s), call, None)

    def scraped(
        self,
        every_s: float,
        until_s: float,
        *,
        with_queue_time: bool = True,
        is_in_step: bool = False,
    ) -> None:
        """Each gateway is told what waits where, and how long it has waited.

        is_in_step: all of them at the same moment, and not each at its own.
        """

        def scrape(gateway: object, _version: int) -> None:
            assert isinstance(gateway, Gateway)
            number = self._gateways.index(gateway)
            for name, instance in self._instances.items():
                pending, queue_s = instance.scrape(number, self.now_s)
                gateway.pool.update_hint(name, pending, queue_s if with_queue_time else 0.0)
            if self.now_s + every_s < until_s:
                self._plan(self.now_s + every_s, scrape, gateway)

        for number, gateway in enumerate(self._gateways, 1):
            share = 1.0 if is_in_step else number / len(self._gateways)
            self._plan(every_s * share, scrape, gateway)

    def run(self) -> Report:
        """All requests to their ends, on the virtual clock."""
        self._plan(self._arrivals.expovariate(self._traffic.rate_per_s), self._arrive, None)
        while self._events:
            self.now_s, _, do, what, version = heapq.heappop(self._events)
            do(what, version)
        self.report.finish(self.pool.statistics(self.now_s), self.now_s)
        return self.report

    def _plan(
        self, when_s: float, do: Callable[[object, int], None], what: object, version: int = 0
    ) -> None:
        self._numbers += 1
        heapq.heappush(self._events, (when_s, self._numbers, do, what, version))

    def _arrive(self, _what: object, _version: int) -> None:
        if self.report.requests + 1 < self._traffic.requests:
            pause_s = self._arrivals.expovariate(self._traffic.rate_per_s)
            self._plan(self.now_s + pause_s, self._arrive, None)
        self._ask()

    def _ask(self) -> None:
        gateway = self._gateways[self.report.requests % len(self._gateways)]
        self.report.requests += 1
        request = Request(gateway, self.now_s, self.now_s + self._traffic.deadline_s)
        if gateway.admission is not None:
            place = gateway.admission.admit(Priority.NORMAL, self.now_s)
            if isinstance(place, Shed):
                self.report.shed += 1
                return
            request.ticket = place
        gateway.budget.deposit(self.now_s)
        self._send(request, 0)

    def _send(self, request: object, _version: int) -> None:
        assert isinstance(request, Request)
        pool = request.gateway.pool
        reservation = pool.reserve(self.now_s, self._dice, request.full, tried=request.tried)
        if reservation is None:
            self._finish(request, Ending.NOT_READY_HERE, None)
            return
        request.attempts += 1
        if reservation.name not in request.tried:
            request.tried.append(reservation.name)
        limit_s = min(self._traffic.try_timeout_s, request.expires_s - self.now_s)
        sent = Try(request, reservation, self.now_s + limit_s)
        self._running[reservation.name][sent] = None
        instance = self._instances[reservation.name]
        self.report.sent(self.now_s, reservation, is_lost=instance.mode is not Mode.HEALTHY)
        self._plan_end(sent, instance.take(self.now_s, self._services))

    def _plan_end(self, sent: Try, answer: Answer) -> None:
        sent.version += 1
        if answer.ending is None or answer.at_s > sent.times_out_s:
            is_callers = sent.times_out_s >= sent.request.expires_s
            sent.ending = Ending.DEADLINE if is_callers else Ending.SLOW
            self._plan(sent.times_out_s, self._end, sent, sent.version)
        else:
            sent.ending = answer.ending
            self._plan(answer.at_s, self._end, sent, sent.version)

    def _end(self, sent: object, version: int) -> None:
        assert isinstance(sent, Try)
        if version != sent.version:
            return
        reservation, request = sent.reservation, sent.request
        gateway = request.gateway
        latency_s = self.now_s - reservation.started_s
        del self._running[reservation.name][sent]
        has_moved = gateway.pool.settle(
            reservation,
            MEANINGS[sent.ending].verdict,
            latency_s=latency_s,
            now_s=self.now_s,
            rng=self._dice,
        )
        self.report.breaker_moves += has_moved
        if sent.ending is Ending.SUCCESS:
            self._finish(request, sent.ending, latency_s)
            return
        if sent.ending is Ending.OVERLOAD:
            request.full.append(reservation.name)
        decision = decide(
            sent.ending,
            attempt=request.attempts,
            options=self._traffic.retry,
            remaining_s=request.expires_s - self.now_s,
            has_other_instance=len(request.tried) < len(gateway.pool),
            is_sequence=False,
            budget=gateway.budget,
            now_s=self.now_s,
            rng=self._dice,
        )
        if isinstance(decision, TryElsewhere):
            self._plan(self.now_s + decision.wait_s, self._send, request)
        else:
            self._finish(request, sent.ending, latency_s)

    def _finish(self, request: Request, ending: Ending, latency_s: float | None) -> None:
        """latency_s: of the try that ended it."""
        admission = request.gateway.admission
        if admission is not None and request.ticket is not None:
            admission.settle(request.ticket, latency_s=latency_s, ending=ending, now_s=self.now_s)
        is_served = ending is Ending.SUCCESS
        self.report.answered(request.arrived_s, self.now_s - request.arrived_s, is_served=is_served)

    def _become(self, name: str, mode: Mode) -> None:
        answer = self._instances[name].become(mode, self.now_s)
        if answer is not None:
            for sent in self._running[name]:
                self._plan_end(sent, answer)
