"""The KServe v2 service as its clients see it: the official client, and bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
import numpy as np
import pytest
import tritonclient.grpc.aio as triton
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2
from tritonclient.utils import InferenceServerException

from control_plane.core.detections import Priority
from control_plane.core.routing import ALL_BP, RoutingTable
from control_plane.grpc_api.kserve_service import EXTENSIONS, REFUSED
from tests.unit.fakes import call_failed
from tests.unit.grpc_api.conftest import KSERVE, Edge, trailing
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, TABLE, infer_request

INFER, STREAM = KSERVE + "ModelInfer", KSERVE + "ModelStreamInfer"


@pytest.fixture
async def client(edge: Edge) -> AsyncIterator[triton.InferenceServerClient]:
    async with triton.InferenceServerClient(edge.server.address) as client:
        yield client


def tensor(*values: float) -> triton.InferInput:
    made = triton.InferInput("X", [len(values)], "FP32")
    made.set_data_from_numpy(np.array(values, np.float32))
    return made


async def test_the_official_client_infers(client: Any, edge: Edge) -> None:
    result = await client.infer("damage", [tensor(1, 2, 3)], request_id="r-1")
    assert result.as_numpy("X").tolist() == [1, 2, 3]
    response = result.get_response()
    assert (response.model_name, response.model_version, response.id) == ("damage", "1.0.0", "r-1")
    assert edge.triton.calls == ["damage--1.0.0/1"]


async def test_only_a_key_that_other_requests_may_share_is_a_given_one(edge: Edge) -> None:
    await edge.call(INFER, infer_request("damage", request_id="r-1"))
    await edge.call(INFER, infer_request("damage", request_id="r-1"), x_routing_key="roof")
    sequence = service_pb2.ModelInferRequest(model_name="damage")
    sequence.parameters["sequence_id"].int64_param = 7
    await edge.call(INFER, sequence.SerializeToString())
    keys = [(one.routing_key, one.is_key_given) for one in edge.heard]
    assert keys == [("r-1", False), ("roof", True), ("7", True)]


async def test_the_official_client_asks_for_a_release(client: Any) -> None:
    result = await client.infer("volume", [tensor(1)], model_version="4.0.0")
    assert result.get_response().model_version == "4.0.0"
    with pytest.raises(InferenceServerException) as refused:
        await client.infer("volume", [tensor(1)], model_version="4")
    assert refused.value.status() == "StatusCode.NOT_FOUND"


async def test_the_official_client_reads(client: Any, edge: Edge) -> None:
    assert await client.is_server_live()
    assert await client.is_server_ready()
    assert await client.is_model_ready("damage")
    assert not await client.is_model_ready("damage", "1.1.0")
    metadata = await client.get_server_metadata()
    assert (metadata.name, metadata.version) == ("tidegate", "9.9.9")
    assert list(metadata.extensions) == list(EXTENSIONS)
    assert (await client.get_model_metadata("damage")).name == "damage"
    assert (await client.get_model_config("volume")).config.name == "volume"
    statistics = await client.get_inference_statistics("damage")
    assert statistics.model_stats[0].version == "1.0.0"
    index = await client.get_model_repository_index()
    assert [(model.name, model.version) for model in index.models] == [
        ("damage", "1.0.0"),
        ("damage", "1.1.0"),
        ("materials", "1.0.0"),
        ("volume", "4.0.0"),
    ]


async def test_the_server_is_not_ready_before_every_engine_is(client: Any, edge: Edge) -> None:
    edge.fleet.publish("triton-0", serving=(), is_live=True, reason="", now_s=0.0)
    assert not await client.is_server_ready()
    assert await client.is_server_live()
    assert not await client.is_model_ready("damage")


async def test_a_served_call_is_one_line_for_who_looks_closely(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    with capture_logs() as logs:
        await edge.call(INFER, infer_request("damage"))
    assert logs == []
    caplog.set_level("DEBUG", "control_plane")
    with capture_logs() as logs:
        await edge.call(INFER, infer_request("damage"))
        call = edge.channel.stream_stream(STREAM)(timeout=10.0)
        await call.write(infer_request("volume"))
        await call.done_writing()
        await answer(call)
        assert await call.read() is grpc.aio.EOF
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("inferred", "debug"),
        ("streamed", "debug"),
    ]
    assert (logs[0]["release"], logs[0]["instance"]) == ("1.0.0", "triton-0")
    assert logs[1]["releases"] == ("volume 4.0.0",)


async def test_an_answer_says_who_served_it(edge: Edge) -> None:
    _, metadata = await edge.call(INFER, infer_request("damage"))
    assert {key: metadata[key] for key in metadata if key.startswith("x-tidegate")} == {
        "x-tidegate-release": "1.0.0",
        "x-tidegate-instance": "triton-0",
        "x-tidegate-attempts": "1",
    }


async def test_an_answer_says_which_release_could_not(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    route = replace(
        TABLE.route("damage"),
        weights_bp={"1.0.0": 0, "1.1.0": ALL_BP},
        serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT},
    )
    table = RoutingTable(2, {"damage": route})
    monkeypatch.setattr(edge.gateway, "_table", lambda: table)
    _, metadata = await edge.call(INFER, infer_request("damage"))
    assert metadata["x-tidegate-release"] == "1.0.0"
    assert metadata["x-tidegate-fallback-from"] == "1.1.0"


@pytest.mark.parametrize(("word", "level"), [("high", 1), ("normal", 2), ("low", 3)])
async def test_a_priority_in_the_metadata_goes_to_triton(edge: Edge, word: str, level: int) -> None:
    seen: list[service_pb2.ModelInferRequest] = []

    def answer(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        seen.append(asked)
        return service_pb2.ModelInferResponse()

    edge.triton.answer = answer
    await edge.call(INFER, infer_request("damage"), x_priority=word)
    await edge.call(INFER, infer_request("damage"))
    assert seen[0].parameters["priority"].uint64_param == level
    assert "priority" not in seen[1].parameters


@pytest.mark.parametrize(
    ("metadata", "level", "priority"),
    [({}, 3, Priority.LOW), ({"x_priority": "high"}, 3, Priority.HIGH), ({}, 0, Priority.NORMAL)],
)
async def test_a_call_is_admitted_by_the_metadatas_priority_or_its_own(
    edge: Edge, metadata: dict[str, str], level: int, priority: Priority
) -> None:
    request = service_pb2.ModelInferRequest.FromString(infer_request("damage"))
    request.parameters["priority"].uint64_param = level
    await edge.call(INFER, request.SerializeToString(), **metadata)
    admitted = edge.gateway.admission("damage").admitted
    assert [one for one in admitted if admitted[one]] == [priority]


async def test_what_is_shed_is_told_when_to_come_back(edge: Edge) -> None:
    edge.triton.hold.clear()
    under_way = []
    for _ in range(36):  # as many as normal priority may have in flight before anything is known
        under_way.append(asyncio.create_task(edge.call(INFER, infer_request("damage"))))
        await edge.triton.entered.get()
    refusal = await edge.refusal(INFER, infer_request("damage"))
    assert (refusal.status, refusal.metadata["x-tidegate-code"]) == (
        "RESOURCE_EXHAUSTED",
        "overloaded",
    )
    assert float(refusal.metadata["x-tidegate-retry-after-s"]) > 0
    edge.triton.hold.set()
    await asyncio.gather(*under_way)


async def test_a_priority_in_a_streams_metadata_goes_with_every_message(edge: Edge) -> None:
    seen: list[int] = []

    def note(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        seen.append(asked.parameters["priority"].uint64_param)
        return service_pb2.ModelInferResponse()

    edge.triton.answer = note
    call = edge.channel.stream_stream(STREAM)(timeout=10.0, metadata=[("x-priority", "low")])
    for _ in range(2):
        await call.write(infer_request("damage"))
        await answer(call)
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert seen == [3, 3]


@pytest.mark.parametrize("method", REFUSED)
async def test_what_changes_a_server_is_refused(edge: Edge, method: str) -> None:
    refusal = await edge.refusal(KSERVE + method, b"")
    assert refusal.status == "PERMISSION_DENIED"
    assert refusal.metadata["x-tidegate-code"] == "permission_denied"
    assert refusal.message == (
        f"{method} is not for callers: the control plane alone changes its Tritons"
    )


async def test_every_method_of_the_protocol_is_answered_or_refused(edge: Edge) -> None:
    methods = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods_by_name
    for method in set(methods) - {"ModelStreamInfer"}:
        call = edge.channel.unary_unary(KSERVE + method)(b"", timeout=10.0)
        assert await call.code() is not grpc.StatusCode.UNIMPLEMENTED, method


async def test_a_cancelled_call_gives_its_place_back(edge: Edge) -> None:
    edge.triton.hold.clear()
    call = edge.channel.unary_unary(INFER)(infer_request("damage"))
    await edge.triton.entered.get()
    assert edge.in_flight == 1
    call.cancel()
    await until_idle(edge)


async def until_idle(edge: Edge) -> None:
    async with asyncio.timeout(10):
        while edge.in_flight:  # noqa: ASYNC110  turns of the event loop, no time
            await asyncio.sleep(0)


# Streams


async def answer(call: Any) -> service_pb2.ModelStreamInferResponse:
    raw = await call.read()
    assert raw is not grpc.aio.EOF
    return service_pb2.ModelStreamInferResponse.FromString(raw)


async def test_a_stream_carries_several_engines_and_its_correlation_id(edge: Edge) -> None:
    call = edge.channel.stream_stream(STREAM)(
        timeout=10.0, metadata=[("x-correlation-id", "job-7")]
    )
    for engine, release in (("damage", "1.0.0"), ("volume", "4.0.0"), ("damage", "1.0.0")):
        await call.write(infer_request(engine, request_id=engine))
        response = (await answer(call)).infer_response
        assert (response.model_name, response.model_version, response.id) == (
            engine,
            release,
            engine,
        )
    assert edge.in_flight == 2
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    assert trailing(await call.trailing_metadata()) == {"x-correlation-id": "job-7"}
    assert edge.in_flight == 0


async def test_a_bad_message_is_answered_in_the_stream_which_goes_on(edge: Edge) -> None:
    call = edge.channel.stream_stream(STREAM)(timeout=10.0)
    await call.write(infer_request("roof", request_id="7"))
    refused = await answer(call)
    assert refused.error_message == "unknown model 'roof'; engines: damage, materials, volume"
    assert refused.infer_response.id == "7"
    await call.write(b"\xff")
    assert (await answer(call)).error_message == "malformed protobuf: ends inside a number"
    await call.write(infer_request("volume"))
    assert (await answer(call)).infer_response.model_name == "volume"
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


async def test_an_instance_that_breaks_ends_the_stream_with_a_typed_status(edge: Edge) -> None:
    edge.triton.failures["volume"] = call_failed("UNAVAILABLE", "Socket closed")
    call = edge.channel.stream_stream(STREAM)(timeout=10.0)
    await call.write(infer_request("damage"))
    await answer(call)
    await call.write(infer_request("volume"))
    with pytest.raises(grpc.aio.AioRpcError) as broken:
        await call.read()
    assert broken.value.code() is grpc.StatusCode.UNAVAILABLE
    assert broken.value.details() == "the stream to instance 'triton-0' broke: Socket closed"
    assert trailing(broken.value.trailing_metadata())["x-tidegate-code"] == "backend_unavailable"
    await until_idle(edge)


async def test_a_cancelled_stream_gives_every_place_back(edge: Edge) -> None:
    call = edge.channel.stream_stream(STREAM)()
    for engine in ("damage", "volume"):
        await call.write(infer_request(engine))
        await answer(call)
    assert edge.in_flight == 2
    call.cancel()
    await until_idle(edge)


async def test_a_client_that_goes_away_mid_answer_gives_its_place_back(edge: Edge) -> None:
    edge.triton.hold.clear()
    channel = grpc.aio.insecure_channel(edge.server.address)
    call = channel.stream_stream(STREAM)()
    await call.write(infer_request("damage"))
    await edge.triton.entered.get()
    await channel.close(None)
    await until_idle(edge)


async def test_the_official_client_streams(client: Any) -> None:
    async def asked() -> AsyncIterator[dict[str, Any]]:
        for engine in ("damage", "volume"):
            yield {"model_name": engine, "inputs": [tensor(7)], "request_id": engine}

    found = {}
    async for result, error in client.stream_infer(asked()):
        assert error is None
        found[result.get_response().id] = result.as_numpy("X").tolist()
    assert found == {"damage": [7], "volume": [7]}
