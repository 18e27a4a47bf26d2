"""Detections that nobody waits for, over gRPC: submitted, asked after, watched."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import grpc
import grpc.aio
import pytest

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from control_plane.services.jobs.intake import Unconfirmed
from tests.unit.fake_jobs import JOB_ID, dead_job, finished, make_job
from tests.unit.grpc_api.conftest import ORCHESTRATOR, Edge, Refusal

UUID = "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d"
ASKED = pb.DetectRequest(photo_url="file:///roof.jpg", detection_types=["damage"])


async def submit(edge: Edge, request: pb.SubmitDetectionRequest, **metadata: str) -> pb.Detection:
    raw, _ = await edge.call(
        ORCHESTRATOR + "SubmitDetection", request.SerializeToString(), **metadata
    )
    return pb.Detection.FromString(raw)


async def get(edge: Edge, request_id: str) -> pb.Detection:
    message = pb.GetDetectionRequest(request_id=request_id).SerializeToString()
    raw, _ = await edge.call(ORCHESTRATOR + "GetDetection", message)
    return pb.Detection.FromString(raw)


async def refused(edge: Edge, request: pb.SubmitDetectionRequest) -> Refusal:
    return await edge.refusal(ORCHESTRATOR + "SubmitDetection", request.SerializeToString())


async def test_all_that_is_asked_travels_with_the_job(edge: Edge) -> None:
    request = pb.SubmitDetectionRequest(
        request=pb.DetectRequest(
            photo=b"photo",
            photo_id=UUID,
            detection_types=["damage"],
            priority=pb.PRIORITY_LOW,
            releases={"damage": "1.0.0"},
            metadata=pb.Metadata(project_id=UUID),
        ),
        idempotency_key="photo-1",
        timeout_s=600,
    )
    answer = await submit(edge, request, x_correlation_id="batch-9", x_routing_key="roof-7")
    assert answer.status == pb.DETECTION_STATUS_QUEUED
    assert answer.correlation_id == "batch-9"
    assert answer.request_id in edge.jobs.jobs
    (submitted,) = edge.jobs.submitted
    assert submitted.photo == b"photo"
    assert submitted.priority is Priority.LOW
    assert submitted.idempotency_key == "photo-1"
    assert submitted.deadline_s == 600
    assert submitted.request.engines == ("damage",)
    assert submitted.request.photo_url is None
    assert submitted.request.photo_id == UUID
    assert submitted.request.releases == {"damage": "1.0.0"}
    assert submitted.request.metadata == {"project_id": UUID}
    assert submitted.request.routing_key == "roof-7"
    assert await get(edge, answer.request_id) == answer
    again = await submit(edge, request)
    assert again.request_id == answer.request_id


async def test_what_is_kept_and_not_confirmed_says_so(edge: Edge) -> None:
    cause = ControlPlaneError(ErrorCode.QUEUE_UNAVAILABLE, "away", retry_after_s=2.0)
    edge.jobs.error = Unconfirmed(make_job(JOB_ID), cause)
    refusal = await refused(edge, pb.SubmitDetectionRequest(request=ASKED))
    assert refusal.status == "UNAVAILABLE"
    assert "it is stored and will be worked on as soon as the queue is back" in refusal.message
    assert JOB_ID in refusal.message
    assert "x-tidegate-retry-after-s" not in refusal.metadata


async def test_what_is_left_out_has_a_default(edge: Edge) -> None:
    await submit(edge, pb.SubmitDetectionRequest(request=ASKED))
    (submitted,) = edge.jobs.submitted
    assert submitted.deadline_s is None
    assert submitted.idempotency_key is None
    assert submitted.photo is None
    assert submitted.request.photo_url == "file:///roof.jpg"
    assert submitted.request.routing_key is None


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.SubmitDetectionRequest(), "photo"),
        (pb.SubmitDetectionRequest(request=ASKED, timeout_s=-1), "timeout_s"),
        (pb.SubmitDetectionRequest(request=ASKED, timeout_s=3601), "timeout_s"),
        (pb.SubmitDetectionRequest(request=ASKED, timeout_s=math.nan), "timeout_s"),
        (pb.SubmitDetectionRequest(request=ASKED, timeout_s=math.inf), "timeout_s"),
        (pb.SubmitDetectionRequest(request=ASKED, idempotency_key="\x00"), "idempotency_key"),
        (pb.SubmitDetectionRequest(request=pb.DetectRequest(photo_url="\x00")), "photo_url"),
    ],
)
async def test_a_mistake_is_refused_before_anything_is_kept(
    edge: Edge, request_: pb.SubmitDetectionRequest, field: str
) -> None:
    refusal = await refused(edge, request_)
    assert refusal.status == "INVALID_ARGUMENT"
    assert refusal.metadata["x-tidegate-field"] == field
    assert edge.jobs.submitted == []


async def test_what_the_intake_refuses_is_told(edge: Edge) -> None:
    edge.jobs.error = ControlPlaneError(ErrorCode.CONFLICT, "another request has this key")
    refusal = await refused(edge, pb.SubmitDetectionRequest(request=ASKED))
    assert refusal.status == "FAILED_PRECONDITION"
    assert refusal.metadata["x-tidegate-code"] == "conflict"


async def test_a_detection_that_failed_is_an_answer(edge: Edge) -> None:
    edge.jobs.put(dead_job())
    answer = await get(edge, JOB_ID)
    assert answer.status == pb.DETECTION_STATUS_FAILED
    assert answer.errors["damage"].code == "photo_unavailable"


@pytest.mark.parametrize("name", [JOB_ID, "", "x"])
@pytest.mark.parametrize("method", ["GetDetection", "WatchDetection"])
async def test_an_unknown_id_is_not_found(edge: Edge, method: str, name: str) -> None:
    message = pb.GetDetectionRequest(request_id=name).SerializeToString()
    if method == "GetDetection":
        assert (await edge.refusal(ORCHESTRATOR + method, message)).status == "NOT_FOUND"
        return
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await anext(aiter(watch(edge, name)))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


def watch(edge: Edge, request_id: str = JOB_ID) -> grpc.aio.UnaryStreamCall:
    message = pb.WatchDetectionRequest(request_id=request_id).SerializeToString()
    return edge.channel.unary_stream(ORCHESTRATOR + "WatchDetection")(message, timeout=10)


async def test_a_detection_is_watched_until_it_is_finished(edge: Edge) -> None:
    edge.jobs.put(make_job())
    seen = []
    async for raw in watch(edge):
        answer = pb.Detection.FromString(raw)
        seen.append(answer.status)
        job = edge.jobs.jobs[JOB_ID]
        if job.state is DetectionStatus.QUEUED:
            edge.jobs.put(replace(job, state=DetectionStatus.PROCESSING))
        elif job.state is DetectionStatus.PROCESSING:
            edge.jobs.put(finished(job))
    assert seen == [
        pb.DETECTION_STATUS_QUEUED,
        pb.DETECTION_STATUS_PROCESSING,
        pb.DETECTION_STATUS_COMPLETED,
    ]
    assert answer.results["damage"].release == "1.1.0"
    assert edge.jobs.watching == 0


async def test_watching_ends_when_the_server_stops(edge: Edge) -> None:
    edge.jobs.put(make_job())
    call = watch(edge)
    await call.read()
    stopping = asyncio.create_task(edge.server.stop(5))
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await call.read()
    assert error.value.code() is grpc.StatusCode.UNAVAILABLE
    await stopping
    assert edge.jobs.watching == 0


async def test_who_stops_watching_leaves_nothing_behind(edge: Edge) -> None:
    edge.jobs.put(make_job())
    call = watch(edge)
    await call.read()
    call.cancel()
    async with asyncio.timeout(5):
        while edge.jobs.watching:  # noqa: ASYNC110 - the server's end has no event of its own
            await asyncio.sleep(0.01)
