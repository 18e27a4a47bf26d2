"""What happens when the release that was chosen cannot answer, on whichever instance."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.deadline import Deadline
from control_plane.core.outcomes import Ending
from control_plane.core.retry_budget import RetryBudgetOptions
from control_plane.core.routing import ALL_BP, RoutingTable
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallFailed, CallMetadata
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.gateway import Gateway, GatewayOptions
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import (
    DAMAGE,
    DAMAGE_NEXT,
    STABLE,
    TABLE,
    infer_request,
    make_fleet,
    make_gateway,
)

STABLE_TWIN, CANARY_TWIN = "damage--1.0.0", "damage--1.1.0"
BOTH = STABLE | {("damage", "1.1.0")}
BROKEN = call_failed("INTERNAL", "stub died")
FULL = call_failed("UNAVAILABLE", "Exceeds maximum queue size")
SLOW = call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded")
MISTAKE = call_failed("INVALID_ARGUMENT", "unexpected shape")
# Everyone is in the canary, so that no test depends on a hash.
CANARY = replace(
    TABLE.route("damage"),
    weights_bp={"1.0.0": 0, "1.1.0": ALL_BP},
    serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT},
    canary="1.1.0",
)
# Everyone is in stable, and the settings name a release for the worst case.
SPARE = replace(CANARY, weights_bp={"1.0.0": ALL_BP}, canary=None, fallback="1.1.0")


def call(wanted: str = "", sequence: str | None = None) -> InferCall:
    deadline = Deadline(1030.0)
    return InferCall(infer_request("damage"), "damage", wanted, "key", deadline, "c-1", sequence)


def gateway_over(
    *tritons: FakeInstance,
    route: object = CANARY,
    serving: frozenset[tuple[str, str]] = BOTH,
    options: GatewayOptions | None = None,
    clock: FakeClock | None = None,
) -> Gateway:
    table = RoutingTable(1, {"damage": route})  # type: ignore[dict-item]
    fleet = make_fleet(*tritons, serving=serving)
    return make_gateway(fleet, clock, table=lambda: table, options=options)


def broken(**failures: CallFailed) -> FakeInstance:
    names = {"stable": STABLE_TWIN, "canary": CANARY_TWIN}
    return FakeInstance(failures={names[name]: failure for name, failure in failures.items()})


async def refusal_of(gateway: Gateway, asked: InferCall) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refusal:
        await gateway.infer(asked)
    return refusal.value


async def test_stable_answers_when_the_canary_fails_on_every_instance() -> None:
    tritons = broken(canary=BROKEN), broken(canary=BROKEN)
    answer = await gateway_over(*tritons).infer(call())
    assert (answer.release, answer.fallback_from, answer.attempts) == ("1.0.0", "1.1.0", 4)
    # What the canary did wrong is not lost for having been saved.
    assert [(made.release, made.ending) for made in answer.tries] == [
        *[("1.1.0", Ending.BACKEND_FAULT)] * 3,
        ("1.0.0", Ending.SUCCESS),
    ]
    assert {made.instance for made in answer.tries} == {"triton-0", "triton-1"}
    assert answer.tries[-1].instance == answer.instance


async def test_a_canary_that_was_taken_back_meanwhile_is_not_tried_again() -> None:
    table = RoutingTable(1, {"damage": CANARY})

    class TakenBack(FakeInstance):
        async def infer(
            self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
        ) -> bytes:
            nonlocal table
            table = RoutingTable(2, {"damage": TABLE.route("damage")})
            return await super().infer(message, timeout_s=timeout_s, metadata=metadata)

    tritons = [TakenBack(failures={CANARY_TWIN: BROKEN}) for _ in range(2)]
    gateway = make_gateway(make_fleet(*tritons, serving=BOTH), table=lambda: table)
    answer = await gateway.infer(call())
    assert [made.release for made in answer.tries] == ["1.1.0", "1.0.0"]


async def test_a_canary_that_answers_is_no_fallback() -> None:
    answer = await gateway_over(broken(canary=BROKEN), FakeInstance()).infer(call())
    assert (answer.release, answer.instance, answer.fallback_from) == ("1.1.0", "triton-1", None)


async def test_a_canary_that_is_ready_nowhere_costs_no_retry() -> None:
    none = GatewayOptions(CallTimes(5.0), budget=RetryBudgetOptions(ratio=0.0, floor_per_s=0.0))
    gateway = gateway_over(FakeInstance(), serving=STABLE, options=none)
    answer = await gateway.infer(call())
    assert (answer.release, answer.fallback_from, answer.attempts) == ("1.0.0", "1.1.0", 1)


async def test_a_fallback_is_a_retry_to_the_budget() -> None:
    none = GatewayOptions(CallTimes(5.0), budget=RetryBudgetOptions(ratio=0.0, floor_per_s=0.0))
    triton = broken(canary=BROKEN)
    assert (await refusal_of(gateway_over(triton, options=none), call())).message == "stub died"
    assert triton.calls == ["damage--1.1.0/1"]


@pytest.mark.parametrize(
    ("asked", "failure"),
    [
        (call("canary"), BROKEN),
        (call("1.1.0"), BROKEN),
        (call(sequence="42"), BROKEN),
        (call(), MISTAKE),
    ],
)
async def test_some_get_no_other_release(asked: InferCall, failure: CallFailed) -> None:
    triton = broken(canary=failure)
    await refusal_of(gateway_over(triton), asked)
    assert set(triton.calls) == {"damage--1.1.0/1"}


async def test_the_engines_own_fallback_comes_after_stable() -> None:
    gateway = gateway_over(broken(stable=BROKEN), route=SPARE)
    answer = await gateway.infer(call())
    assert (answer.release, answer.fallback_from) == ("1.1.0", "1.0.0")


async def test_when_no_release_can_the_last_refusal_is_told() -> None:
    other = call_failed("UNAVAILABLE", "connection refused")
    refusal = await refusal_of(gateway_over(broken(canary=BROKEN, stable=other)), call())
    assert refusal.code is ErrorCode.BACKEND_UNAVAILABLE


async def test_a_fallback_that_is_ready_nowhere_is_passed_over() -> None:
    serving = frozenset({("damage", "1.1.0")})
    gateway = gateway_over(broken(canary=BROKEN), serving=serving)
    assert (await refusal_of(gateway, call())).message == "stub died"


async def test_an_instance_that_is_full_is_not_asked_for_another_release_either() -> None:
    full, roomy = broken(canary=FULL), broken(canary=BROKEN)
    answer = await gateway_over(full, roomy).infer(call())
    assert (answer.release, answer.instance) == ("1.0.0", "triton-1")
    assert len(full.calls) <= 1

    alone = broken(canary=FULL)
    assert (await refusal_of(gateway_over(alone), call())).code is ErrorCode.OVERLOADED
    assert len(alone.calls) == 1


async def test_a_canary_that_hangs_leaves_stable_the_time_for_a_try() -> None:
    clock = FakeClock()

    class Hanging(FakeInstance):
        async def infer(
            self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
        ) -> bytes:
            if b"damage--1.1.0" not in message:
                return await FakeInstance.infer(
                    self, message, timeout_s=timeout_s, metadata=metadata
                )
            self.timeouts_s.append(timeout_s)
            clock.advance(timeout_s)
            raise SLOW

    triton = Hanging()
    gateway = gateway_over(triton, clock=clock, options=GatewayOptions(CallTimes(5.0)))
    answer = await gateway.infer(call())
    assert (answer.release, answer.fallback_from) == ("1.0.0", "1.1.0")
    assert triton.timeouts_s == [2.5, 2.5]


async def test_a_deadline_that_has_passed_is_nobodys_to_answer() -> None:
    gateway = gateway_over(FakeInstance())
    asked = replace(call(), deadline=Deadline(1000.0))
    assert (await refusal_of(gateway, asked)).code is ErrorCode.DEADLINE_EXCEEDED


async def test_a_release_that_goes_away_between_two_tries_leaves_the_first_refusal() -> None:
    class Leaving(FakeInstance):
        async def infer(self, *_: object, **__: object) -> bytes:
            fleet.publish("triton-0", serving=(), is_live=True, reason="", now_s=1000.0)
            raise BROKEN

    fleet = make_fleet(Leaving())
    assert (await refusal_of(make_gateway(fleet), call())).message == "stub died"
