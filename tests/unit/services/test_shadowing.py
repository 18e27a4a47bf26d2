"""Copies go to the shadow after the answer, within bounds, and touch nobody."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2

from control_plane.core.analysis import bucket_of
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended
from control_plane.core.retry import RetryOptions
from control_plane.core.routing import Shadow, bucket
from control_plane.core.wire import read_request_head
from control_plane.ports import RolloutCounts
from control_plane.services.calling import Calling, CallTimes
from control_plane.services.measuring import Measuring
from control_plane.services.shadowing import Shadowing, ShadowOptions
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import (
    DETECTED,
    Tensors,
    infer_request,
    make_fleet,
    write_tensors,
)
from tests.unit.samples import (
    STABLE as SERVING,
)
from tests.unit.services.rollouts import CANARY, STABLE, TRIAL, detections, ended, split

ALL = split(0, replace(TRIAL, step=0), Shadow(CANARY, 10_000))
ROUTE = ALL.routes["damage"]
SHADOW = "damage--1.1.0"
MEAN = bucket_of((0.91234567 + 0.5) / 2)


def answering(outputs: Tensors) -> Any:
    return lambda _: write_tensors(outputs)


class Setup:
    """A shadowing over one Triton that serves both releases. room: of the engine."""

    def __init__(self, *, room: int = 10, pause_s: float = 0.0, **options: int) -> None:
        self.triton, self.clock = FakeInstance(answer=answering(DETECTED)), FakeClock()
        self.fleet = make_fleet(
            self.triton, serving=SERVING | {("damage", CANARY)}, clock=self.clock
        )
        self.room = room
        times = CallTimes(5.0, 2.0, hedge_after_s={"damage": 0.0})
        self.measuring = Measuring(plane="one", table=lambda: ALL, clock=self.clock)
        self.shadowing = Shadowing(
            calling=Calling(
                fleet=self.fleet, times=times, retries=RetryOptions(), clock=self.clock
            ),
            measuring=self.measuring,
            room=lambda engine: self.room,
            times=times,
            clock=self.clock,
            options=ShadowOptions(pause_s=pause_s, **options),  # type: ignore[arg-type]
        )

    async def end(self, *requests: Ended) -> RolloutCounts:
        """These requests end; then all copies have ended too."""
        for one in requests:
            self.shadowing.ended(one)
        await self.shadowing.idle()
        return self.counts()

    def counts(self) -> RolloutCounts:
        found = self.measuring.counts("r-1")
        return RolloutCounts() if found is None else found[1]


def request(*endings: Ending, **changes: Any) -> Ended:
    given = {"answer": detections(), "message": infer_request("damage", request_id="r-9")}
    if endings and endings[-1] is not Ending.SUCCESS:
        given["answer"] = b""
    return ended(ROUTE, STABLE, *endings, **(given | changes))


async def test_a_copy_goes_to_the_shadow_and_is_compared() -> None:
    setup = Setup()
    counts = await setup.end(request())
    assert setup.triton.calls == [f"{SHADOW}/1"]
    assert setup.triton.metadata == [{"x-correlation-id": "c-1"}]
    assert setup.triton.timeouts_s == [2.0]
    (pairs,) = counts.shadow
    assert (pairs.step.number, pairs.step.weight_bp) == (1, 5_000)
    assert (pairs.stable.units, pairs.canary.units) == (1, 1)
    assert pairs.stable.confidences[MEAN] == pairs.canary.confidences[MEAN] == 1
    assert counts.samples == {0: 1}
    assert counts.details["compared"] == counts.details["agreed"] == 1
    assert (counts.details["matched"], counts.details["iou_sum_milli"]) == (2, 2000)
    assert counts.details["errors"] == 0


async def test_a_copy_is_of_low_priority_and_else_as_it_was() -> None:
    setup = Setup()
    seen: list[bytes] = []

    def look(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        seen.append(asked.SerializeToString())
        return write_tensors(DETECTED)

    setup.triton.answer = look
    await setup.end(request())
    head = read_request_head(seen[0])
    assert (head.request_id, head.priority.value) == ("r-9", "low")


async def test_what_the_shadow_finds_otherwise_is_counted() -> None:
    setup = Setup()
    less = {**DETECTED, "COUNT": DETECTED["COUNT"] - 1}
    setup.triton.answer = answering(less)
    counts = await setup.end(request())
    assert (counts.details["matched"], counts.details["only_stable"]) == (1, 1)
    assert counts.details["agreed"] == 0
    assert counts.shadow[0].canary.confidences[bucket_of(0.912)] == 1


async def test_an_answer_without_outputs_has_no_confidence_and_is_not_compared() -> None:
    setup = Setup()
    setup.triton.answer = answering({})
    counts = await setup.end(request(), request(answer=b"\xff"))
    (pairs,) = counts.shadow
    assert (pairs.canary.units, pairs.canary.with_confidence) == (2, 0)
    assert pairs.stable.with_confidence == 1
    assert "compared" not in counts.details


@pytest.mark.parametrize("status", ["INTERNAL", "UNAVAILABLE", "INVALID_ARGUMENT"])
async def test_a_copy_that_fails_is_an_error_of_the_shadow_alone(status: str) -> None:
    setup = Setup()
    setup.triton.failures[SHADOW] = call_failed(status, "no")
    counts = await setup.end(request())
    assert setup.triton.calls == [f"{SHADOW}/1"]
    (pairs,) = counts.shadow
    assert (pairs.stable.errors, pairs.canary.errors) == (0, 1)
    assert pairs.stable.with_confidence == pairs.canary.with_confidence == 0
    assert counts.samples == {}
    assert counts.details == {"errors": 1}


async def test_what_stable_failed_is_copied_too() -> None:
    counts = await Setup().end(request(Ending.BACKEND_FAULT))
    (pairs,) = counts.shadow
    assert (pairs.stable.errors, pairs.canary.errors) == (1, 0)
    assert pairs.canary.with_confidence == 0
    assert counts.samples == {0: 1}


async def test_a_slow_copy_is_slow() -> None:
    setup = Setup()

    def slowly(_: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        setup.clock.advance(0.6)
        return write_tensors(DETECTED)

    setup.triton.answer = slowly
    (pairs,) = (await setup.end(request())).shadow
    assert (pairs.stable.slow, pairs.canary.slow) == (0, 1)


@pytest.mark.parametrize("said", ["Exceeds maximum queue size", "model is not ready"])
async def test_a_copy_that_there_was_no_room_for_counts_for_neither(said: str) -> None:
    setup = Setup()
    setup.triton.failures[SHADOW] = call_failed("UNAVAILABLE", said)
    counts = await setup.end(request())
    assert (counts.shadow, counts.details) == ((), {"dropped": 1})


async def test_a_shadow_that_is_ready_nowhere_is_asked_nothing() -> None:
    setup = Setup()
    setup.fleet.publish("triton-0", serving=SERVING, is_live=True, reason="", now_s=1000.0)
    counts = await setup.end(request())
    assert (setup.triton.calls, counts.details) == ([], {"dropped": 1})


async def test_without_room_in_the_engine_a_copy_is_dropped() -> None:
    counts = await (setup := Setup(room=0)).end(request())
    assert (setup.triton.calls, counts.details) == ([], {"dropped": 1})


async def test_copies_under_way_are_reckoned_with() -> None:
    setup = Setup(room=1)
    setup.triton.hold.clear()
    setup.shadowing.ended(request())
    await setup.triton.entered.get()
    setup.shadowing.ended(request())
    await asyncio.sleep(0)
    assert setup.counts().details == {"dropped": 1}
    setup.triton.hold.set()
    counts = await setup.end()
    assert counts.details["compared"] == 1


async def test_so_many_are_under_way_so_many_wait_and_the_rest_is_dropped() -> None:
    setup = Setup(concurrency=2, max_waiting=3)
    setup.triton.hold.clear()
    for _ in range(2):
        setup.shadowing.ended(request())
        await setup.triton.entered.get()
    for _ in range(5):
        setup.shadowing.ended(request())
    await asyncio.sleep(0)
    assert (len(setup.triton.calls), setup.counts().details) == (2, {"dropped": 2})
    setup.triton.hold.set()
    assert (await setup.end()).details["compared"] == 5


async def test_the_bytes_held_are_bounded() -> None:
    setup = Setup(max_bytes=1)
    setup.triton.hold.clear()
    for _ in range(3):
        setup.shadowing.ended(request())
    assert setup.counts().details == {"dropped": 2}
    setup.triton.hold.set()
    await setup.end()
    assert (await setup.end(request())).details["compared"] == 2


async def test_a_share_of_the_keys_is_copied_by_a_salt_of_its_own() -> None:
    half = replace(ROUTE, shadow=Shadow(CANARY, 5_000))
    setup = Setup(max_waiting=1_000)
    keys = [str(number) for number in range(200)]
    for key in keys:
        await setup.end(replace(request(key=key), route=half))
    copied = len(setup.triton.calls)
    assert copied == sum(bucket("shadow r-1", key) < 5_000 for key in keys)
    assert 70 < copied < 130


@pytest.mark.parametrize(
    "other",
    [
        replace(request(), wanted_release="stable"),
        replace(request(), sequence="7"),
        replace(request(), chosen=CANARY, tries=()),
        request(Ending.OVERLOAD),
        replace(request(), route=replace(ROUTE, shadow=None)),
        replace(request(), route=replace(ROUTE, trial=None)),
        ended(ROUTE, CANARY),
    ],
)
async def test_what_is_not_copied(other: Ended) -> None:
    counts = await (setup := Setup()).end(other)
    assert (setup.triton.calls, counts) == ([], RolloutCounts())


async def test_a_copy_is_sent_a_moment_after_the_answer() -> None:
    setup = Setup(pause_s=0.01)
    setup.shadowing.ended(request(at_s=1000.0))
    for _ in range(5):
        await asyncio.sleep(0)
    assert setup.triton.calls == []
    await asyncio.wait_for(setup.triton.entered.get(), 5.0)
    await setup.end()


async def test_an_oddity_of_one_copy_does_not_end_the_others() -> None:
    setup = Setup(concurrency=1)
    answers = iter([lambda _: 1 / 0, answering(DETECTED)])
    setup.triton.answer = lambda asked: next(answers)(asked)  # type: ignore[return-value]
    with capture_logs() as logs:
        counts = await setup.end(request(), request())
    assert [line["event"] for line in logs] == ["copy not compared"]
    assert counts.details["compared"] == 1


async def test_what_is_under_way_ends_when_it_is_closed() -> None:
    setup = Setup()
    setup.triton.hold.clear()
    setup.shadowing.ended(request())
    await setup.triton.entered.get()
    await setup.shadowing.close()
    assert sum(instance.in_flight for instance in setup.fleet.instances) == 0
    assert setup.counts() == RolloutCounts()
