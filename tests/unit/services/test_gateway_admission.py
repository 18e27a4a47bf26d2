"""What there is no room for is refused at once; room comes back once, whatever the ending."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from control_plane.core.admission import AdmissionOptions, AdmissionStatistics
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.gateway import Gateway, GatewayOptions
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import infer_request, make_fleet, make_gateway

TWIN = "damage--1.0.0"
# Ten places, of which normal priority may fill six.
TEN = GatewayOptions(
    CallTimes(5.0),
    admission=AdmissionOptions(LimitOptions(initial=10, min_limit=10, max_limit=10)),
)
ONE_SAMPLE = LimitOptions(
    initial=16, min_limit=2, window_s=1e-9, least_samples=1, most_samples=1, overload_ratio=0.5
)


def call(engine: str = "damage", priority: Priority = Priority.NORMAL) -> InferCall:
    deadline = Deadline(1030.0)
    return InferCall(infer_request(engine), engine, "", "key", deadline, "c-1", priority=priority)


def statistics(gateway: Gateway, engine: str = "damage") -> AdmissionStatistics:
    return gateway.admission(engine)


async def shed(gateway: Gateway, priority: Priority) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refusal:
        await gateway.infer(call(priority=priority))
    return refusal.value


async def test_what_there_is_no_room_for_is_refused_at_once_low_first() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    gateway = make_gateway(make_fleet(triton), options=TEN)
    under_way = [asyncio.create_task(gateway.infer(call())) for _ in range(6)]
    for _ in under_way:
        await triton.entered.get()

    refusal = await shed(gateway, Priority.NORMAL)
    assert refusal.code is ErrorCode.OVERLOADED
    assert refusal.message.startswith("engine 'damage' has as many requests in flight")
    assert refusal.retry_after_s == 5.0
    await shed(gateway, Priority.LOW)
    assert len(triton.calls) == 6

    urgent = asyncio.create_task(gateway.infer(call(priority=Priority.HIGH)))
    other = asyncio.create_task(gateway.infer(call("volume")))
    assert {await triton.entered.get(), await triton.entered.get()} == {TWIN, "volume"}
    triton.hold.set()
    await asyncio.gather(*under_way, urgent, other)
    seen = statistics(gateway)
    assert (seen.in_flight, statistics(gateway, "volume").in_flight) == (0, 0)
    assert seen.admitted == {Priority.HIGH: 1, Priority.NORMAL: 6, Priority.LOW: 0}
    assert seen.shed == {Priority.HIGH: 0, Priority.NORMAL: 1, Priority.LOW: 1}


@pytest.mark.parametrize(
    "failure",
    [
        call_failed("INTERNAL", "stub died"),
        call_failed("INVALID_ARGUMENT", "unexpected shape"),
        RuntimeError("a bug"),
    ],
)
async def test_room_comes_back_however_a_request_ends(failure: Exception) -> None:
    gateway = make_gateway(make_fleet(FakeInstance(failures={TWIN: failure})), options=TEN)
    for _ in range(30):
        with pytest.raises((ControlPlaneError, RuntimeError)) as refusal:
            await gateway.infer(call())
        assert getattr(refusal.value, "code", None) is not ErrorCode.OVERLOADED
    assert statistics(gateway).in_flight == 0


async def test_room_comes_back_when_the_release_is_ready_nowhere() -> None:
    gateway = make_gateway(make_fleet(FakeInstance(), serving=frozenset()), options=TEN)
    assert (await shed(gateway, Priority.NORMAL)).code is ErrorCode.RELEASE_NOT_READY
    assert statistics(gateway).in_flight == 0


async def test_room_comes_back_when_the_caller_leaves() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    gateway = make_gateway(make_fleet(triton), options=TEN)
    task = asyncio.create_task(gateway.infer(call()))
    await triton.entered.get()
    assert statistics(gateway).in_flight == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert statistics(gateway).in_flight == 0


async def test_the_limit_learns_from_the_last_trys_own_latency() -> None:
    """The two seconds of the try before it say nothing of the one that answered."""
    clock, lasts_s = FakeClock(), [2.0, 0.125]

    class Triton(FakeInstance):
        async def infer(self, *_: object, **__: object) -> bytes:
            took_s = lasts_s.pop(0)
            clock.advance(took_s)
            if took_s == 2.0:
                raise call_failed("INTERNAL", "stub died")
            return b""

    options = replace(TEN, admission=AdmissionOptions(ONE_SAMPLE))
    gateway = make_gateway(make_fleet(Triton(), Triton()), clock, options=options)
    assert (await gateway.infer(call())).attempts == 2
    assert statistics(gateway).baseline_s == 0.125


async def test_an_instance_that_is_full_shrinks_the_limit() -> None:
    full = {TWIN: call_failed("UNAVAILABLE", "Exceeds maximum queue size")}
    options = replace(TEN, admission=AdmissionOptions(ONE_SAMPLE))
    gateway = make_gateway(make_fleet(FakeInstance(failures=full)), options=options)
    assert (await shed(gateway, Priority.NORMAL)).code is ErrorCode.OVERLOADED
    assert statistics(gateway).limit == 8


async def test_queueing_ends_at_half_of_a_trys_time_whatever_is_usual() -> None:
    clock, lasts_s = FakeClock(), [1.9, 2.1]

    class Triton(FakeInstance):
        async def infer(self, *_: object, **__: object) -> bytes:
            clock.advance(lasts_s.pop(0))
            return b""

    limit = replace(ONE_SAMPLE, initial=2, patience_s=60.0)
    options = GatewayOptions(CallTimes(20.0, 4.0), admission=AdmissionOptions(limit))
    gateway = make_gateway(make_fleet(Triton()), clock, options=options)
    await gateway.infer(call())
    assert statistics(gateway).limit == 4
    await gateway.infer(call(priority=Priority.HIGH))
    assert statistics(gateway).limit == 4
