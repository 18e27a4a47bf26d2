"""The server itself: health, reflection, its port, its end."""

from __future__ import annotations

import asyncio

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from control_plane.errors import ConfigurationError
from control_plane.grpc_api import kserve_service, operations_service, orchestrator_service
from tests.unit.fakes import FakeClock, FakeInstance, FakePhotos
from tests.unit.grpc_api.conftest import KSERVE, Edge, make_server, trailing
from tests.unit.samples import infer_request, make_fleet

SERVING, NOT_SERVING = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
)
NAMES = (
    "",
    kserve_service.SERVICE,
    orchestrator_service.SERVICE,
    operations_service.SERVICE,
)


async def health_of(edge: Edge) -> set[int]:
    stub = health_pb2_grpc.HealthStub(edge.channel)
    return {
        (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status for name in NAMES
    }


async def test_health_is_what_was_reported(edge: Edge) -> None:
    assert await health_of(edge) == {NOT_SERVING}
    await edge.server.report(True)
    assert await health_of(edge) == {SERVING}
    await edge.server.report(False)
    assert await health_of(edge) == {NOT_SERVING}


async def test_the_health_of_an_unknown_service_is_not_found(edge: Edge) -> None:
    stub = health_pb2_grpc.HealthStub(edge.channel)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub.Check(health_pb2.HealthCheckRequest(service="roof"))
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


async def test_reflection_lists_and_describes_the_services(edge: Edge) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(edge.channel)
    asked = reflection_pb2.ServerReflectionRequest
    call = stub.ServerReflectionInfo(
        iter(
            [
                asked(list_services=""),
                *(asked(file_containing_symbol=name) for name in NAMES if name),
            ]
        )
    )
    listed, *described = [answer async for answer in call]
    assert {service.name for service in listed.list_services_response.service} == {
        "inference.GRPCInferenceService",
        "tidegate.v1.Orchestrator",
        "tidegate.v1.Operations",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert all(answer.file_descriptor_response.file_descriptor_proto for answer in described)
    assert len(described) == 3


async def test_an_unknown_method_is_unimplemented(edge: Edge) -> None:
    assert (await edge.refusal(KSERVE + "Roof", b"")).status == "UNIMPLEMENTED"


async def test_a_port_that_is_taken_is_named_with_its_remedy(edge: Edge) -> None:
    port = int(edge.server.address.rpartition(":")[2])
    second = make_server(make_fleet(FakeInstance()), FakeClock(), FakePhotos(), port)
    with pytest.raises(ConfigurationError) as complaint:
        await second.start()
    assert complaint.value.field == "grpc.port"
    assert complaint.value.message == (
        f"cannot listen on 127.0.0.1:{port}: is the port taken? "
        "Choose another with grpc.port or --grpc-port"
    )
    await second.stop(0)


async def test_the_address_has_the_port_that_was_given(edge: Edge) -> None:
    host, _, port = edge.server.address.rpartition(":")
    assert host == "127.0.0.1"
    assert int(port) > 0


async def test_what_is_in_flight_is_finished_and_nothing_new_taken(edge: Edge) -> None:
    edge.triton.hold.clear()
    call = edge.channel.unary_unary(KSERVE + "ModelInfer")(infer_request("damage"), timeout=10.0)
    await edge.triton.entered.get()
    stopping = asyncio.create_task(edge.server.stop(10.0))
    async with grpc.aio.insecure_channel(edge.server.address) as channel:
        while True:  # until the server has begun to stop
            late = channel.unary_unary(KSERVE + "ServerLive")(b"", timeout=10.0)
            if await late.code() is grpc.StatusCode.UNAVAILABLE:
                break
    edge.triton.hold.set()
    assert await call
    await stopping


async def test_before_it_stops_it_says_that_it_does_not_serve_and_does(edge: Edge) -> None:
    await edge.server.report(True)
    await edge.server.announce_stop()
    await edge.server.report(True)  # the loop that reports may not know yet
    assert await health_of(edge) == {NOT_SERVING}
    await edge.call(KSERVE + "ModelInfer", infer_request("damage"))


async def test_who_watches_its_health_is_told_and_does_not_keep_it_from_stopping(
    edge: Edge,
) -> None:
    await edge.server.report(True)
    watch = health_pb2_grpc.HealthStub(edge.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await watch.read()).status == SERVING
    await edge.server.announce_stop()
    assert (await watch.read()).status == NOT_SERVING
    async with asyncio.timeout(10):
        await edge.server.stop(3600)
        assert await watch.read() is grpc.aio.EOF
        assert await watch.code() is grpc.StatusCode.OK


async def test_stopping_again_with_less_patience_ends_the_rest_sooner(edge: Edge) -> None:
    edge.triton.hold.clear()
    call = edge.channel.unary_unary(KSERVE + "ModelInfer")(infer_request("damage"), timeout=30.0)
    await edge.triton.entered.get()
    gentle = asyncio.create_task(edge.server.stop(3600))
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
        await edge.server.stop(0)
        await gentle
        assert await call.code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        while edge.in_flight:  # noqa: ASYNC110 -- until its handler has heard of it
            await asyncio.sleep(0)


async def test_a_stream_left_open_is_answered_and_ends_with_a_typed_status(edge: Edge) -> None:
    edge.triton.hold.clear()
    call = edge.channel.stream_stream(KSERVE + "ModelStreamInfer")(timeout=10.0)
    await call.write(infer_request("damage"))
    await edge.triton.entered.get()
    stopping = asyncio.create_task(edge.server.stop(3600))
    await asyncio.sleep(0)
    edge.triton.hold.set()
    async with asyncio.timeout(10):
        assert await call.read() is not grpc.aio.EOF
        await stopping
    assert await call.code() is grpc.StatusCode.UNAVAILABLE
    assert trailing(await call.trailing_metadata())["x-tidegate-code"] == "shutting_down"


async def test_calls_above_the_bound_are_refused_by_grpc() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    server = make_server(make_fleet(triton), FakeClock(), FakePhotos(), max_concurrent_calls=1)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        infer = channel.unary_unary(KSERVE + "ModelInfer")
        first = infer(infer_request("damage"), timeout=10.0)
        await triton.entered.get()
        second = infer(infer_request("damage"), timeout=10.0)
        assert await second.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        triton.hold.set()
        assert await first
    await server.stop(0)
