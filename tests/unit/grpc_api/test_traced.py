"""Calls over gRPC as traces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import grpc.aio
import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.tracing import TraceView
from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from control_plane.services.tracing import Tracing
from tests.unit.fakes import FakeClock, FakeInstance, FakePhotos, call_failed
from tests.unit.grpc_api.conftest import KSERVE, ORCHESTRATOR, make_server
from tests.unit.samples import infer_request, make_fleet
from tests.unit.services.tracing.making import tracer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
METADATA = (
    ("traceparent", f"00-{TRACE}-{SPAN}-01"),
    ("tracestate", "a=1"),
    ("tracestate", "b=2"),
    ("x-correlation-id", "c-1"),
)
URL = "file:///roof.jpg"


@dataclass
class Traced:
    triton: FakeInstance
    tracing: Tracing
    channel: grpc.aio.Channel

    async def call(self, method: str, message: bytes) -> bytes:
        answer: bytes = await self.channel.unary_unary(method)(
            message, timeout=10, metadata=METADATA
        )
        return answer

    @property
    def view(self) -> TraceView:
        view = self.tracing.find("c-1")
        assert view is not None
        assert (view.trace_id, view.parent_id, view.is_sampled) == (TRACE, SPAN, True)
        return view

    def names(self) -> list[str]:
        return [one.name for one in self.view.spans]


@pytest.fixture
async def traced() -> AsyncIterator[Traced]:
    triton, clock = FakeInstance(), FakeClock()
    tracing = tracer(clock)
    photos = FakePhotos({URL: b"photo from a file"})
    server = make_server(make_fleet(triton), clock, photos, tracing=tracing)
    await server.start()
    async with grpc.aio.insecure_channel(server.address) as channel:
        yield Traced(triton, tracing, channel)
    await server.stop(0)


async def test_an_infer_is_a_trace_of_the_callers(traced: Traced) -> None:
    await traced.call(KSERVE + "ModelInfer", infer_request("damage"))

    assert traced.names() == ["infer", "engine", "attempt"]
    (sent,) = traced.triton.metadata
    assert sent["traceparent"] == f"00-{TRACE}-{traced.view.spans[2].span_id}-01"
    assert sent["tracestate"] == "a=1,b=2"


async def test_a_refusal_is_told_in_its_trace(traced: Traced) -> None:
    with pytest.raises(grpc.aio.AioRpcError):
        await traced.call(KSERVE + "ModelInfer", infer_request("nobody"))

    assert traced.view.spans[0].attributes["refused"] == "unknown_engine"
    assert traced.view.error == ""


async def stream(traced: Traced, *messages: bytes) -> list[bytes]:
    call = traced.channel.stream_stream(KSERVE + "ModelStreamInfer")(metadata=METADATA, timeout=10)
    for message in messages:
        await call.write(message)
    await call.done_writing()
    return [answer async for answer in call]


async def test_a_stream_is_a_trace_with_a_part_for_each_release(traced: Traced) -> None:
    await stream(traced, infer_request("damage"), infer_request("damage"))

    assert traced.names() == ["stream", "attempt"]
    attempt = traced.view.spans[1]
    assert attempt.attributes == {
        "engine": "damage",
        "release": "1.0.0",
        "instance": "triton-0",
        "requests": 2,
        "answers": 2,
    }
    assert traced.triton.metadata[0]["traceparent"] == f"00-{TRACE}-{attempt.span_id}-01"


async def test_a_stream_that_breaks_fails_its_trace(traced: Traced) -> None:
    traced.triton.failures = {"damage--1.0.0": call_failed("UNAVAILABLE", "it is gone")}
    with pytest.raises(grpc.aio.AioRpcError):
        await stream(traced, infer_request("damage"))

    assert traced.view.error.startswith("backend_unavailable: ")
    assert {bool(one.error) for one in traced.view.spans} == {True}


async def test_a_detection_is_a_trace_with_its_photo(traced: Traced) -> None:
    asked = pb.DetectRequest(photo_url=URL, detection_types=["damage"])
    answer = pb.Detection.FromString(
        await traced.call(ORCHESTRATOR + "Detect", asked.SerializeToString())
    )

    assert traced.names()[:3] == ["detect", "photo", "engine"]
    assert traced.view.subject == answer.request_id
    assert traced.view.spans[1].attributes == {"scheme": "file", "bytes": 17}
    assert traced.view.spans[0].attributes["engines"] == "damage"


async def test_a_submission_is_a_trace(traced: Traced) -> None:
    asked = pb.SubmitDetectionRequest(request=pb.DetectRequest(photo_url=URL))
    await traced.call(ORCHESTRATOR + "SubmitDetection", asked.SerializeToString())

    assert traced.names() == ["submit"]


async def test_what_is_only_asked_about_is_no_trace(traced: Traced) -> None:
    await traced.call(KSERVE + "ServerLive", service_pb2.ServerLiveRequest().SerializeToString())

    assert traced.tracing.find("c-1") is None
