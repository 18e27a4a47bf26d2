"""What a trace says of a request: its engine, each try, the wait between them."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.core.tracing import TraceContext, TraceView
from control_plane.errors import ControlPlaneError
from control_plane.services.gateway import Gateway
from control_plane.services.tracing import Tracing
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import make_fleet, make_gateway
from tests.unit.services.test_gateway_retries import AWAY, FAULT, FULL, MISTAKE, call
from tests.unit.services.test_hedging import World, in_turn
from tests.unit.services.tracing.making import tracer
from tests.unit.virtual_time import run_virtually

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


async def traced(
    gateway: Gateway, *, is_sampled: bool = True, refused: bool = False
) -> tuple[TraceView, Tracing]:
    tracing = tracer(FakeClock())
    parent = TraceContext(TRACE, SPAN, is_sampled)
    with tracing.root("infer", correlation_id="c-1", parent=parent):
        if refused:
            with pytest.raises(ControlPlaneError):
                await gateway.infer(call())
        else:
            await gateway.infer(call())
    view = tracing.find("c-1")
    assert view is not None
    return view, tracing


def attributes(view: TraceView, name: str) -> list[dict[str, Any]]:
    return [dict(one.attributes) for one in view.spans if one.name == name]


async def test_a_request_is_an_engine_with_its_try() -> None:
    view, _ = await traced(make_gateway(make_fleet(FakeInstance())))

    assert [one.name for one in view.spans] == ["infer", "engine", "attempt"]
    assert attributes(view, "engine") == [
        {"engine": "damage", "release": "1.0.0", "instance": "triton-0", "attempts": 1}
    ]
    assert attributes(view, "attempt") == [
        {
            "engine": "damage",
            "release": "1.0.0",
            "instance": "triton-0",
            "hedge": False,
            "ending": "success",
        }
    ]
    assert view.spans[2].parent_id == view.spans[1].span_id


@pytest.mark.parametrize("failures", [FAULT, AWAY, FULL])
async def test_a_try_that_failed_is_told_and_is_no_failure_of_the_whole(failures: Any) -> None:
    fleet = make_fleet(FakeInstance(failures=failures), FakeInstance())
    gateway = make_gateway(fleet)
    for _ in range(20):
        view, _ = await traced(gateway)
        tries = [one for one in view.spans if one.name == "attempt"]
        if len(tries) == 2:
            break

    failed, good = tries
    assert (failed.attributes["instance"], good.attributes["instance"]) == ("triton-0", "triton-1")
    assert failed.error.startswith(("backend_", "overloaded"))
    assert failed.attributes["ending"] != "success"
    assert good.error == view.error == ""
    assert attributes(view, "engine")[0]["attempts"] == 2


async def test_what_no_try_could_answer_fails() -> None:
    gateway = make_gateway(make_fleet(FakeInstance(failures=FAULT)))
    view, _ = await traced(gateway, refused=True)

    assert view.error.startswith("backend_fault: ")
    assert {one.name for one in view.spans} == {"infer", "engine", "attempt", "wait"}
    (engine,) = [one for one in view.spans if one.name == "engine"]
    assert engine.error == view.error


async def test_a_callers_mistake_is_refused_and_is_no_failure() -> None:
    gateway = make_gateway(make_fleet(FakeInstance(failures=MISTAKE)))
    view, _ = await traced(gateway, refused=True)

    assert view.error == ""
    (attempt,) = attributes(view, "attempt")
    assert (attempt["ending"], attempt["refused"]) == ("callers_mistake", "invalid_argument")


@pytest.mark.parametrize("is_sampled", [True, False])
async def test_a_triton_is_told_of_what_is_sampled(is_sampled: bool) -> None:
    triton = FakeInstance()
    view, _ = await traced(make_gateway(make_fleet(triton)), is_sampled=is_sampled)
    (sent,) = triton.metadata

    assert sent.get("traceparent") == (
        f"00-{TRACE}-{view.spans[2].span_id}-01" if is_sampled else None
    )
    assert sent["x-correlation-id"] == "job-1"


async def test_without_a_trace_nothing_goes_along() -> None:
    triton = FakeInstance()
    await make_gateway(make_fleet(triton)).infer(call())

    assert triton.metadata == [{"x-correlation-id": "job-1"}]


def test_a_hedge_is_told_apart_and_the_one_that_lost_is_cancelled() -> None:
    async def main() -> None:
        world = World.of(*in_turn((0.8, "answer"), (0.05, "answer")))
        tracing = tracer(FakeClock())
        with tracing.root("infer", correlation_id="c-1"):
            await world.ask()
        view = tracing.find("c-1")
        assert view is not None
        first, hedge = attributes(view, "attempt")

        assert (first["hedge"], first["outcome"]) == (False, "cancelled")
        assert "ending" not in first
        assert (hedge["hedge"], hedge["ending"]) == (True, "success")
        assert view.error == ""

    run_virtually(main())
