"""What follows from a try that failed: another instance, the same one, or the refusal."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.balancing import PolicyName
from control_plane.core.breaker import State
from control_plane.core.deadline import Deadline
from control_plane.core.health import Fitness, ProbeResult
from control_plane.core.retry import RetryOptions
from control_plane.core.retry_budget import RetryBudgetOptions
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallMetadata
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway, GatewayOptions, InferAnswer
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import infer_request, make_fleet, make_gateway

TWIN = "damage--1.0.0"
FAULT = {TWIN: call_failed("INTERNAL", "Stub process 'damage' is not healthy")}
AWAY = {TWIN: call_failed("UNAVAILABLE", "failed to connect to all addresses")}
NOT_READY = {TWIN: call_failed("UNAVAILABLE", "version 1 is not at ready state")}
FULL = {TWIN: call_failed("UNAVAILABLE", "Exceeds maximum queue size")}
SLOW = {TWIN: call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded")}
MISTAKE = {TWIN: call_failed("INVALID_ARGUMENT", "unexpected shape")}


def call(sequence: str | None = None, expires_at_s: float = 1030.0) -> InferCall:
    deadline = Deadline(expires_at_s)
    return InferCall(infer_request("damage"), "damage", "", "key", deadline, "job-1", sequence)


async def ask(gateway: Gateway, times: int = 1) -> list[InferAnswer]:
    return [await gateway.infer(call()) for _ in range(times)]


async def refusal_of(gateway: Gateway, asked: InferCall) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refusal:
        await gateway.infer(asked)
    return refusal.value


def in_flight(fleet: Fleet) -> int:
    return sum(instance.in_flight for instance in fleet.instances)


@pytest.mark.parametrize("failures", [FAULT, AWAY, NOT_READY, FULL])
async def test_what_one_instance_cannot_answer_another_does(
    failures: dict[str, Exception],
) -> None:
    fleet = make_fleet(FakeInstance(failures=failures), FakeInstance())
    answers = await ask(make_gateway(fleet), 8)
    assert {answer.instance for answer in answers} == {"triton-1"}
    assert {answer.attempts for answer in answers} == {1, 2}
    assert in_flight(fleet) == 0


async def test_one_request_that_meets_a_dead_process_takes_the_engine_out_there() -> None:
    message = f"in ensemble '{TWIN}', Stub process 'damage_detector_0_1' is not healthy."
    dead = {TWIN: call_failed("INTERNAL", message)}
    fleet = make_fleet(FakeInstance(failures=dead), FakeInstance(), probed=("damage",))
    for instance in fleet.instances:
        fleet.probed(instance.name, ("damage", "1.0.0"), ProbeResult.OK, "")
    answers = await ask(make_gateway(fleet), 8)
    assert [answer.attempts for answer in answers].count(2) == 1
    health = fleet.health("triton-0")
    assert health.fitness("damage 1.0.0") is Fitness.UNFIT
    assert health.fitness_reason("damage 1.0.0") == f"probe: dead: INTERNAL: {message}"
    assert health.fit_engines == {"materials 1.0.0", "volume 4.0.0"}


async def test_the_callers_mistake_is_made_once() -> None:
    tritons = FakeInstance(failures=MISTAKE), FakeInstance(failures=MISTAKE)
    refusal = await refusal_of(make_gateway(make_fleet(*tritons)), call())
    assert refusal.code is ErrorCode.INVALID_ARGUMENT
    assert sum(len(triton.calls) for triton in tritons) == 1


async def test_no_more_tries_than_allowed_and_the_last_refusal_is_told() -> None:
    tritons = [FakeInstance(failures=FAULT) for _ in range(4)]
    fleet = make_fleet(*tritons)
    refusal = await refusal_of(make_gateway(fleet), call())
    assert refusal.code is ErrorCode.BACKEND_FAULT
    assert sorted(len(triton.calls) for triton in tritons) == [0, 1, 1, 1]
    assert in_flight(fleet) == 0


async def test_overload_is_never_tried_again_on_the_same_instance() -> None:
    triton = FakeInstance(failures=FULL)
    refusal = await refusal_of(make_gateway(make_fleet(triton)), call())
    assert refusal.code is ErrorCode.OVERLOADED
    assert len(triton.calls) == 1


async def test_the_overloaded_is_not_asked_again_for_want_of_another() -> None:
    full, faulty = FakeInstance(failures=FULL), FakeInstance(failures=FAULT)
    gateway = make_gateway(make_fleet(full, faulty, policy=PolicyName.P2C_EWMA))
    for _ in range(30):
        before = len(full.calls)
        await refusal_of(gateway, call())
        assert len(full.calls) - before <= 1


async def test_a_sequence_stays_on_its_instance_and_is_never_tried_again() -> None:
    tritons = FakeInstance(), FakeInstance(), FakeInstance()
    gateway = make_gateway(make_fleet(*tritons))
    for _ in range(5):
        await gateway.infer(call(sequence="42"))
    assert sorted(len(triton.calls) for triton in tritons) == [0, 0, 5]
    for number in range(30):
        await gateway.infer(call(sequence=str(number)))
    assert all(len(triton.calls) > 2 for triton in tritons)  # other sequences live elsewhere

    broken = [FakeInstance(failures=FAULT) for _ in range(3)]
    await refusal_of(make_gateway(make_fleet(*broken)), call(sequence="42"))
    assert sum(len(triton.calls) for triton in broken) == 1


async def test_when_the_budget_is_spent_there_is_one_try_each() -> None:
    tritons = [FakeInstance(failures=FULL) for _ in range(2)]
    options = GatewayOptions(
        CallTimes(5.0),
        RetryOptions(),
        RetryBudgetOptions(ratio=0.0, floor_per_s=0.1, burst_s=10.0),
    )
    gateway = make_gateway(make_fleet(*tritons), options=options)
    for _ in range(10):
        await refusal_of(gateway, call())
    assert sum(len(triton.calls) for triton in tritons) == 11


def test_half_of_an_engines_time_is_a_trys_unless_it_is_to_take_less() -> None:
    times = CallTimes(5.0, by_engine={"volume": 20.0})
    assert (times.of_try("damage"), times.of_try("volume")) == (2.5, 10.0)
    times = CallTimes(5.0, 2.0, {"volume": 20.0, "materials": 2.0})
    assert [times.of_try(name) for name in ("damage", "volume", "materials")] == [2.0, 2.0, 1.0]


async def test_of_an_engine_with_little_time_a_hang_is_tried_again_elsewhere_and_counted() -> None:
    """No try of it is as long as others may be, and yet it is a whole one."""
    hanging = call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded")
    clock = FakeClock()

    class Hung(FakeInstance):
        async def infer(
            self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
        ) -> bytes:
            clock.advance(timeout_s)
            raise hanging

    fleet = make_fleet(Hung(), FakeInstance(), clock=clock)
    gateway = make_gateway(fleet, clock)
    served = []
    for _ in range(20):
        deadline = Deadline.after(clock.now_s(), 30.0)
        asked = InferCall(infer_request("volume"), "volume", "", "key", deadline, "job-1")
        served.append((await gateway.infer(asked)).instance)
    assert set(served) == {"triton-1"}
    assert fleet.breakers("triton-0")[("volume", "4.0.0")] is not State.CLOSED


async def test_with_too_little_time_left_there_is_no_second_try() -> None:
    tritons = [FakeInstance(failures=FAULT) for _ in range(2)]
    await refusal_of(make_gateway(make_fleet(*tritons)), call(expires_at_s=1000.01))
    assert sum(len(triton.calls) for triton in tritons) == 1


async def test_whoever_finds_an_instance_away_or_not_ready_has_it_looked_at() -> None:
    for failures, is_doubted in ((AWAY, True), (NOT_READY, True), (FAULT, False), (FULL, False)):
        fleet = make_fleet(FakeInstance(failures=failures))
        await refusal_of(make_gateway(fleet), call())
        assert fleet.instances[0].look_again.is_set() is is_doubted


async def test_faults_and_hangs_open_a_breaker_and_overload_or_a_mistake_never_does() -> None:
    is_open = {("damage", "1.0.0"): State.OPEN}
    for failures, breakers in ((FAULT, is_open), (SLOW, is_open), (FULL, {}), (MISTAKE, {})):
        fleet = make_fleet(FakeInstance(failures=failures), FakeInstance())
        gateway = make_gateway(fleet)
        for _ in range(20):
            await asyncio.gather(gateway.infer(call()), return_exceptions=True)
        assert fleet.breakers("triton-0") == breakers
        assert fleet.breakers("triton-1") == {}


async def test_a_try_that_the_deadline_cuts_short_says_nothing_of_its_instance() -> None:
    for expires_at_s, breakers in ((1001.75, {}), (1001.85, {("damage", "1.0.0"): State.OPEN})):
        fleet = make_fleet(FakeInstance(failures=SLOW), FakeInstance(failures=SLOW))
        gateway = make_gateway(fleet)  # a whole try has 2 s
        for _ in range(20):
            await refusal_of(gateway, call(expires_at_s=expires_at_s))
        assert fleet.breakers("triton-0") == breakers
