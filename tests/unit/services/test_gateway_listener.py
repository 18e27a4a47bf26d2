"""Whoever listens is told of each request that was let in, once, and can spoil none."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from random import Random

import pytest

from control_plane.core.admission import AdmissionOptions
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Ended, Refused
from control_plane.core.routing import RoutingTable
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.gateway import Gateway, GatewayOptions
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import DAMAGE_NEXT, STABLE, TABLE, infer_request, make_fleet

CALL = InferCall(infer_request("damage"), "damage", "", "key", Deadline(1030.0), "c-1")
BOTH = STABLE | {("damage", "1.1.0")}
ROUTE = replace(
    TABLE.routes["damage"],
    weights_bp={"1.0.0": 1, "1.1.0": 9_999},
    serving={**TABLE.routes["damage"].serving, "1.1.0": DAMAGE_NEXT},
    canary="1.1.0",
)
SPLIT = RoutingTable(2, {"damage": ROUTE})
ONE_PLACE = AdmissionOptions(LimitOptions(initial=4, min_limit=4, max_limit=4))


def listened(
    triton: FakeInstance, table: RoutingTable = TABLE, clock: FakeClock | None = None
) -> tuple[Gateway, list[Ended]]:
    heard: list[Ended] = []
    gateway = Gateway(
        fleet=make_fleet(triton, serving=BOTH),
        table=lambda: table,
        options=GatewayOptions(CallTimes(5.0, 2.0), admission=ONE_PLACE),
        clock=clock or FakeClock(),
        rng=Random(7),
        ended=heard.append,
    )
    return gateway, heard


async def test_an_answered_request_is_told_with_all_that_was_seen() -> None:
    triton = FakeInstance()
    gateway, heard = listened(triton)
    answer = await gateway.infer(replace(CALL, is_key_given=True))
    (one,) = heard
    assert one.route is TABLE.routes["damage"]
    assert (one.chosen, one.answered_by, one.error) == ("1.0.0", "1.0.0", None)
    assert (one.routing_key, one.is_key_given, one.correlation_id) == ("key", True, "c-1")
    assert (one.message, one.answer) == (CALL.message, answer.message)
    assert [made.ending for made in one.tries] == [Ending.SUCCESS]
    assert (one.arm_s, one.started_s, one.ended_s) == (0.0, 1000.0, 1000.0)


async def test_a_fallback_is_told_as_what_it_is() -> None:
    triton = FakeInstance(failures={"damage--1.1.0": call_failed("INTERNAL", "stub died")})
    gateway, heard = listened(triton, SPLIT)
    await gateway.infer(CALL)
    (one,) = heard
    assert (one.chosen, one.answered_by, one.error) == ("1.1.0", "1.0.0", None)
    assert [made.release for made in one.tries] == [*["1.1.0"] * 3, "1.0.0"]


async def test_a_failed_one_is_told_with_its_code() -> None:
    triton = FakeInstance(failures={"damage--1.0.0": call_failed("INVALID_ARGUMENT", "no")})
    gateway, heard = listened(triton)
    with pytest.raises(ControlPlaneError):
        await gateway.infer(CALL)
    triton.failures.clear()
    triton.answer = lambda _: 1 / 0  # type: ignore[assignment, return-value]
    with pytest.raises(ZeroDivisionError):
        await gateway.infer(CALL)
    assert [one.error for one in heard] == [ErrorCode.INVALID_ARGUMENT, ErrorCode.INTERNAL]
    assert [one.answer for one in heard] == [b"", b""]


async def test_what_is_not_let_in_is_told_with_what_is_known_of_it() -> None:
    refused: list[Refused] = []
    triton = FakeInstance()
    triton.hold.clear()
    gateway = Gateway(
        fleet=make_fleet(triton, serving=BOTH),
        table=lambda: TABLE,
        options=GatewayOptions(CallTimes(5.0, 2.0), admission=ONE_PLACE),
        clock=FakeClock(),
        rng=Random(7),
        refused=refused.append,
    )
    calls = [asyncio.create_task(gateway.infer(CALL)) for _ in range(2)]
    for _ in calls:
        await triton.entered.get()
    for call in (
        replace(CALL, priority=Priority.LOW),
        replace(CALL, wanted_release="7.0.0"),
        replace(CALL, engine="made up"),
        replace(CALL, deadline=Deadline(1.0)),
    ):
        with pytest.raises(ControlPlaneError):
            await gateway.infer(call)
    assert refused == [
        Refused("damage", "1.0.0", ErrorCode.OVERLOADED, 1000.0),
        Refused("damage", "", ErrorCode.UNKNOWN_RELEASE, 1000.0),
        Refused("", "", ErrorCode.UNKNOWN_ENGINE, 1000.0),
        Refused("damage", "1.0.0", ErrorCode.DEADLINE_EXCEEDED, 1000.0),
    ]
    triton.hold.set()
    await asyncio.gather(*calls)
    assert len(refused) == 4


async def test_a_cancelled_one_is_told_and_what_is_shed_is_not() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    gateway, heard = listened(triton)
    calls = [asyncio.create_task(gateway.infer(CALL)) for _ in range(2)]
    for _ in calls:
        await triton.entered.get()
    assert gateway.room("damage", Priority.LOW) == 0
    with pytest.raises(ControlPlaneError, match="in flight"):
        await gateway.infer(replace(CALL, priority=Priority.LOW))
    assert heard == []
    calls[0].cancel()
    await asyncio.gather(*calls[:1], return_exceptions=True)
    assert [one.error for one in heard] == [ErrorCode.CANCELLED]
    triton.hold.set()
    await calls[1]
    assert len(heard) == 2


async def test_a_listener_that_fails_costs_no_answer() -> None:
    def fail(_: Ended) -> None:
        raise RuntimeError("oh")

    gateway = Gateway(
        fleet=make_fleet(FakeInstance()),
        table=lambda: TABLE,
        options=GatewayOptions(CallTimes(5.0)),
        clock=FakeClock(),
        rng=Random(7),
        ended=fail,
    )
    assert (await gateway.infer(CALL)).release == "1.0.0"
