"""A second try beside one that takes long: who wins, what it costs, and that all comes back."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.core.balancing import PolicyName, PoolOptions
from control_plane.core.breaker import State
from control_plane.core.deadline import Deadline
from control_plane.core.outcomes import Ending
from control_plane.core.retry import RetryOptions
from control_plane.core.retry_budget import RetryBudgetOptions
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallMetadata, Clock
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.fleet import Fleet, Instance
from control_plane.services.gateway import Gateway, GatewayOptions, InferAnswer
from tests.unit.fakes import call_failed
from tests.unit.samples import STABLE, TABLE, infer_request
from tests.unit.virtual_time import VirtualTimeLoop, run_virtually

HEDGE_S, TRY_S = 0.1, 1.0
FAILURES = {
    "fault": ("INTERNAL", "stub died"),
    "full": ("UNAVAILABLE", "Exceeds maximum queue size"),
    "away": ("UNAVAILABLE", "connection refused"),
    "mistake": ("INVALID_ARGUMENT", "unexpected shape"),
}
Plan = tuple[float, str]
"""How long a call takes, and what comes of it: a key of FAILURES, or "answer"."""


@dataclass(slots=True)
class Triton:
    """Answers as planned, one plan after the other; at once when there is none left."""

    plans: list[Plan] = field(default_factory=list)
    asked_s: list[float] = field(default_factory=list)
    cancelled: int = 0

    async def infer(
        self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
    ) -> bytes:
        self.asked_s.append(asyncio.get_running_loop().time())
        took_s, ending = self.plans.pop(0) if self.plans else (0.0, "answer")
        try:
            await asyncio.sleep(min(took_s, timeout_s))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if took_s > timeout_s:
            raise call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded")
        if ending != "answer":
            raise call_failed(*FAILURES[ending])
        return b""


@dataclass(slots=True)
class World:
    """A hedged gateway over these Tritons, asked in turn from the first on."""

    tritons: tuple[Triton, ...]
    fleet: Fleet
    gateway: Gateway

    @classmethod
    def of(cls, *tritons: Triton, retries: float = 1000.0, max_attempts: int = 3) -> World:
        clock: Clock = _loop()
        fleet = Fleet(
            [Instance(f"triton-{n}", "host:1", triton) for n, triton in enumerate(tritons)],  # type: ignore[arg-type]
            options=PoolOptions(policy=PolicyName.ROUND_ROBIN),
            clock=clock,
            rng=Random(7),
        )
        for instance in fleet.instances:
            fleet.publish(instance.name, serving=STABLE, is_live=True, reason="", now_s=0.0)
        options = GatewayOptions(
            CallTimes(5.0, TRY_S, hedge_after_s={"damage": HEDGE_S}),
            RetryOptions(max_attempts=max_attempts),
            RetryBudgetOptions(ratio=0.0, floor_per_s=retries, burst_s=1.0),
        )
        gateway = Gateway(
            fleet=fleet, table=lambda: TABLE, options=options, clock=clock, rng=Random(7)
        )
        return cls(tritons, fleet, gateway)

    async def ask(
        self, engine: str = "damage", sequence: str | None = None, timeout_s: float = 30.0
    ) -> InferAnswer:
        deadline = Deadline(_loop().time() + timeout_s)
        call = InferCall(infer_request(engine), engine, "", "key", deadline, "c-1", sequence)
        return await self.gateway.infer(call)

    @property
    def asked(self) -> int:
        return sum(len(triton.asked_s) for triton in self.tritons)

    def check_nothing_is_out(self) -> None:
        """Every place and ticket was given back; a second time would have raised."""
        assert [one.in_flight for one in self.fleet.instances] == [0] * len(self.tritons)
        pool = self.fleet._pools["damage", "1.0.0"].statistics(_loop().time())
        assert pool.in_flight == 0
        assert all(member.breaker.probes_out == 0 for member in pool.members)
        assert self.gateway.admission("damage").in_flight == 0


def _loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def in_turn(*plans: Plan) -> tuple[Triton, ...]:
    """As many Tritons, of which the one that is asked first has the first plan, and so on."""
    shared = list(plans)
    return tuple(Triton(shared) for _ in plans)


def endings(answer: InferAnswer) -> list[Ending]:
    return [made.ending for made in answer.tries]


def test_the_second_try_answers_for_one_that_takes_long() -> None:
    async def story() -> None:
        world = World.of(*in_turn((0.8, "answer"), (0.05, "answer")))
        answer = await world.ask()
        assert _loop().time() == pytest.approx(HEDGE_S + 0.05)
        first, second = answer.tries
        assert (answer.instance, answer.attempts) == (second.instance, 2)
        assert first.instance != second.instance
        assert endings(answer) == [Ending.CANCELLED, Ending.SUCCESS]
        assert second.latency_s == pytest.approx(0.05)
        assert sum(triton.cancelled for triton in world.tritons) == 1
        world.check_nothing_is_out()

    run_virtually(story())


def test_the_first_may_still_win() -> None:
    async def story() -> None:
        world = World.of(*in_turn((0.15, "answer"), (0.8, "answer")))
        answer = await world.ask()
        assert (answer.instance, answer.attempts) == (answer.tries[0].instance, 2)
        assert endings(answer) == [Ending.SUCCESS, Ending.CANCELLED]
        world.check_nothing_is_out()

    run_virtually(story())


def test_what_answers_in_time_has_no_second_try() -> None:
    async def story() -> None:
        world = World.of(*in_turn((0.09, "answer"), (0.0, "answer")))
        assert (await world.ask()).attempts == 1
        world.check_nothing_is_out()

    run_virtually(story())


@pytest.mark.parametrize(
    "plans", [((0.2, "fault"), (0.3, "answer")), ((0.6, "answer"), (0.1, "away"))]
)
def test_a_failure_waits_for_the_try_beside_it(plans: tuple[Plan, Plan]) -> None:
    async def story() -> None:
        world = World.of(*in_turn(*plans))
        answer = await world.ask()
        assert answer.attempts == 2
        assert Ending.SUCCESS in endings(answer)
        world.check_nothing_is_out()

    run_virtually(story())


def test_when_both_fail_there_is_a_third_try_and_no_second_hedge() -> None:
    async def story() -> None:
        world = World.of(
            *in_turn((0.2, "fault"), (0.2, "fault"), (0.9, "answer"), (0.0, "answer")),
            max_attempts=9,
        )
        answer = await world.ask()
        assert (answer.instance, answer.attempts) == (answer.tries[2].instance, 3)
        assert len({made.instance for made in answer.tries}) == 3
        world.check_nothing_is_out()

    run_virtually(story())


def test_the_callers_mistake_waits_for_nobody() -> None:
    async def story() -> None:
        world = World.of(*in_turn((0.2, "mistake"), (0.9, "answer")))
        with pytest.raises(ControlPlaneError) as refusal:
            await world.ask()
        assert refusal.value.code is ErrorCode.INVALID_ARGUMENT
        assert _loop().time() == pytest.approx(0.2)
        world.check_nothing_is_out()

    run_virtually(story())


@pytest.mark.parametrize(
    ("world_changes", "asked"),
    [
        ({"retries": 0.0}, {}),
        ({"max_attempts": 1}, {}),
        ({}, {"sequence": "42"}),
        ({}, {"engine": "volume"}),
        ({}, {"timeout_s": HEDGE_S + 0.04}),
    ],
)
def test_some_are_not_hedged(world_changes: dict[str, float], asked: dict[str, object]) -> None:
    """No budget, no attempt left, a sequence, an engine without hedges, no time for a try."""

    async def story() -> None:
        plans = (0.13, "answer"), (0.13, "answer")
        world = World.of(*in_turn(*plans), **world_changes)  # type: ignore[arg-type]
        assert (await world.ask(**asked)).attempts == 1  # type: ignore[arg-type]
        assert world.asked == 1

    run_virtually(story())


def test_alone_there_is_nobody_to_hedge_with() -> None:
    async def story() -> None:
        world = World.of(Triton([(0.5, "answer")]))
        assert (await world.ask()).attempts == 1

    run_virtually(story())


def test_one_that_loses_is_not_at_fault_but_known_as_slow() -> None:
    async def story() -> None:
        world = World.of(Triton([(0.9, "answer")] * 20), Triton())
        for _ in range(20):
            await world.ask()
        assert world.fleet.breakers("triton-0") == {}
        (slow, quick) = world.fleet._pools["damage", "1.0.0"].statistics(_loop().time()).members
        assert slow.breaker.state is State.CLOSED
        assert slow.latency_s is not None
        assert slow.latency_s > (quick.latency_s or 0.0)

    run_virtually(story())


plans = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.05, HEDGE_S, 0.15, 0.5, TRY_S, 2.0]),
        st.sampled_from(["answer", *FAILURES]),
    ),
    max_size=12,
)
callers = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.01, 0.1, 0.4]),  # after the one before
        st.sampled_from([None, 0.0, 0.05, HEDGE_S, 0.11, 0.15, 0.5, 1.1]),  # when it hangs up
        st.sampled_from([0.05, 0.2, 3.0]),  # its deadline
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=200)
@given(st.lists(plans, min_size=1, max_size=3), callers, st.sampled_from([0.0, 2.0, 1000.0]))
def test_whatever_happens_everything_is_given_back_once(
    of_each: list[list[Plan]],
    calls: list[tuple[float, float | None, float]],
    retries: float,
) -> None:
    async def story() -> None:
        world = World.of(*(Triton(list(own)) for own in of_each), retries=retries)
        asking = []
        for pause_s, leaves_after_s, timeout_s in calls:
            await asyncio.sleep(pause_s)
            task = asyncio.create_task(world.ask(timeout_s=timeout_s))
            if leaves_after_s is not None:
                _loop().call_later(leaves_after_s, task.cancel)
            asking.append(task)
        ends = await asyncio.gather(*asking, return_exceptions=True)
        for end in ends:
            assert isinstance(end, InferAnswer | ControlPlaneError | asyncio.CancelledError), end
            if isinstance(end, InferAnswer):
                assert end.attempts <= 3
                assert endings(end).count(Ending.SUCCESS) >= 1
                assert end.instance in {made.instance for made in end.tries}
        assert world.asked <= len(calls) * 3
        world.check_nothing_is_out()

    run_virtually(story())
