"""Jobs over gRPC: found, shown, replayed, discarded, sent again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import Claim, DeadReason, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.grpc_api.job_messages import PRIORITIES, REASONS, STATES
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.services.operations import DEFAULT_REASON
from tests.unit.fake_jobs import JOB_ID, NOON_S, dead_job, make_job
from tests.unit.grpc_api.conftest import OPERATIONS, Edge

OTHER_ID = "5a8e5b1c-0000-4000-8000-000000000002"
NOON = Timestamp(seconds=int(NOON_S))
FILTER = pb.JobFilter(
    priority=pb.JOB_PRIORITY_LOW,
    dead=pb.DEAD_REASON_FAILED,
    engine="material",
    code="photo_unavailable",
    correlation_id="c-1",
    created_after=NOON,
    created_before=Timestamp(seconds=int(NOON_S) + 1, nanos=500_000_000),
)
WANTED = JobFilter(
    priority=Priority.LOW,
    dead=DeadReason.FAILED,
    is_dead=True,
    engine="materials",
    code=ErrorCode.PHOTO_UNAVAILABLE,
    correlation_id="c-1",
    created_after_s=NOON_S,
    created_before_s=NOON_S + 1.5,
)


async def ask(edge: Edge, message: Message, kind: Any = pb.Job) -> Any:
    """The answer to a request, whose name is that of its method."""
    method = message.DESCRIPTOR.name.removesuffix("Request")
    raw, _ = await edge.call(OPERATIONS + method, message.SerializeToString())
    return kind.FromString(raw)


async def refused(edge: Edge, message: Message) -> tuple[str, str | None]:
    method = message.DESCRIPTOR.name.removesuffix("Request")
    refusal = await edge.refusal(OPERATIONS + method, message.SerializeToString())
    return refusal.status, refusal.metadata.get("x-tidegate-field")


def test_every_word_has_its_number() -> None:
    assert set(STATES) == set(DetectionStatus)
    assert set(PRIORITIES) == set(Priority)
    assert set(REASONS) == set(DeadReason)


async def test_jobs_are_listed_by_filter(edge: Edge) -> None:
    edge.jobs.put(dead_job(), make_job(OTHER_ID))
    wanted = pb.JobFilter()
    wanted.CopyFrom(FILTER)
    wanted.states.append(pb.JOB_STATE_FAILED)
    wanted.undelivered = True
    request = pb.ListJobsRequest(filter=wanted, limit=2, before=OTHER_ID)
    answer = await ask(edge, request, pb.ListJobsResponse)
    assert [job.id for job in answer.jobs] == [JOB_ID, OTHER_ID]
    assert answer.next_before == OTHER_ID
    ((_, found, limit),) = edge.jobs.done
    assert limit == 2
    assert found.states == {DetectionStatus.FAILED}
    assert found.is_undelivered is True
    assert found.before == OTHER_ID
    assert found.code is ErrorCode.PHOTO_UNAVAILABLE


async def test_without_a_filter_the_latest_are_listed(edge: Edge) -> None:
    answer = await ask(edge, pb.ListJobsRequest(), pb.ListJobsResponse)
    assert answer == pb.ListJobsResponse()
    assert edge.jobs.done == [("find", JobFilter(), 50)]


async def test_one_job_is_shown_with_everything(edge: Edge) -> None:
    claim = Claim("worker-1", 0, 1, NOON_S + 30)
    edge.jobs.put(dead_job(raw="{" * 3000, claim=claim, idempotency_key="k"))
    job = await ask(edge, pb.GetJobRequest(job=JOB_ID))
    shown = json_format.MessageToDict(job, preserving_proto_field_name=True)
    assert shown.pop("raw") == "{" * 2000
    assert shown == {
        "id": JOB_ID,
        "state": "JOB_STATE_FAILED",
        "priority": "JOB_PRIORITY_NORMAL",
        "dead": "DEAD_REASON_FAILED",
        "correlation_id": "c-1",
        "engines": ["damage", "volume"],
        "photo_url": "file:///photos/roof.jpg",
        "routing_key": JOB_ID,
        "idempotency_key": "k",
        "created_at": "2025-01-31T12:00:00Z",
        "updated_at": "2025-01-31T12:00:00Z",
        "due_at": "2025-01-31T12:00:00Z",
        "deadline_at": "2025-01-31T13:00:00Z",
        "published_at": "2025-01-31T12:00:00Z",
        "attempts": 10,
        "claim": {"worker": "worker-1", "attempt": 1, "expires_at": "2025-01-31T12:00:30Z"},
        "error": {
            "code": "photo_unavailable",
            "message": "the store is away",
            "at": "2025-01-31T12:00:05Z",
            "field": "photo_url",
        },
        "handover": {"attempts": 3, "is_given_up": True, "error": "HTTP 500"},
    }


async def test_a_message_that_could_not_be_read_is_shown(edge: Edge) -> None:
    edge.jobs.put(dead_job(request=None, raw="\ud800", published_at_s=None))
    job = await ask(edge, pb.GetJobRequest(job=JOB_ID))
    assert job.raw == "?"
    assert not job.HasField("published_at")


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        (pb.ReplayJobRequest, "replay"),
        (pb.DiscardJobRequest, "discard"),
        (pb.ResendJobRequest, "resend"),
    ],
)
async def test_one_job_is_acted_on(edge: Edge, kind: Any, action: str) -> None:
    edge.jobs.put(dead_job())
    await ask(edge, kind(job=JOB_ID, who="ada", reason="it is back"))
    assert edge.jobs.done == [(action, JOB_ID, "ada", "it is back")]
    assert (await refused(edge, kind(job=JOB_ID)))[0] == "FAILED_PRECONDITION"
    assert await refused(edge, kind(job=OTHER_ID)) == ("NOT_FOUND", "job")
    assert await refused(edge, kind(job="x")) == ("NOT_FOUND", "job")


@pytest.mark.parametrize(
    ("kind", "answer_kind", "action"),
    [
        (pb.ReplayJobsRequest, pb.ReplayJobsResponse, "replay_all"),
        (pb.DiscardJobsRequest, pb.DiscardJobsResponse, "discard_all"),
    ],
)
async def test_dead_letters_are_acted_on_by_filter(
    edge: Edge, kind: Any, answer_kind: Any, action: str
) -> None:
    edge.jobs.put(dead_job(), dead_job(OTHER_ID))
    answer = await ask(edge, kind(filter=FILTER, limit=1, who="ada"), answer_kind)
    assert list(answer.jobs) == [JOB_ID]
    assert answer.may_have_more
    for every in (kind(all=True), kind(filter=pb.JobFilter(dead=pb.DEAD_REASON_ANY))):
        answer = await ask(edge, every, answer_kind)
        assert list(answer.jobs) == [JOB_ID, OTHER_ID]
        assert not answer.may_have_more
    everything = (action, JobFilter(is_dead=True), 100, "grpc", DEFAULT_REASON)
    assert edge.jobs.done == [(action, WANTED, 1, "ada", DEFAULT_REASON), everything, everything]


@pytest.mark.parametrize(
    "kind", [pb.ReplayJobsRequest, pb.DiscardJobsRequest, pb.ResendJobsRequest]
)
async def test_a_filter_goes_on_from_a_job_which_chooses_nothing(edge: Edge, kind: Any) -> None:
    edge.jobs.put(dead_job())
    await ask(edge, kind(all=True, before=OTHER_ID))
    assert edge.jobs.done[-1][1].before == OTHER_ID
    assert await refused(edge, kind(before=OTHER_ID)) == ("INVALID_ARGUMENT", "all")
    assert await refused(edge, kind(all=True, before="x")) == ("NOT_FOUND", "before")


async def test_results_that_were_given_up_are_sent_again_by_filter(edge: Edge) -> None:
    edge.jobs.put(dead_job(), dead_job(OTHER_ID))
    for asked, wanted in (
        (pb.ResendJobsRequest(all=True), JobFilter()),
        (pb.ResendJobsRequest(filter=pb.JobFilter(undelivered=True)), JobFilter()),
        (pb.ResendJobsRequest(filter=pb.JobFilter(engine="damage")), JobFilter(engine="damage")),
    ):
        answer = await ask(edge, asked, pb.ResendJobsResponse)
        assert list(answer.jobs) == [JOB_ID, OTHER_ID]
        assert not answer.may_have_more
        expected = replace(wanted, is_undelivered=True)
        assert edge.jobs.done[-1] == ("resend_all", expected, 100, "grpc", DEFAULT_REASON)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.ResendJobsRequest(), "all"),
        (pb.ListJobsRequest(limit=501), "limit"),
        (pb.ListJobsRequest(filter=pb.JobFilter(code="x")), "code"),
        (pb.ListJobsRequest(filter=pb.JobFilter(states=[99])), "states"),
        (pb.ListJobsRequest(filter=pb.JobFilter(priority=99)), "priority"),
        (pb.ListJobsRequest(filter=pb.JobFilter(dead=99)), "dead"),
        (pb.ReplayJobsRequest(), "all"),
        (pb.ReplayJobsRequest(limit=10_001, all=True), "limit"),
        (pb.DiscardJobsRequest(filter=pb.JobFilter(states=[1])), "states"),
        (pb.DiscardJobsRequest(filter=pb.JobFilter(undelivered=True)), "undelivered"),
        (pb.DiscardJobsRequest(all=True, who="a\nb"), "who"),
    ],
)
async def test_a_mistake_is_named_and_does_nothing(
    edge: Edge, message: Message, field: str
) -> None:
    edge.jobs.put(dead_job())
    assert await refused(edge, message) == ("INVALID_ARGUMENT", field)
    assert edge.jobs.done == []


async def test_figures_are_whole(edge: Edge) -> None:
    figures = await ask(edge, pb.GetJobFiguresRequest(), pb.JobFigures)
    assert dict(figures.waiting) == {"high": 1, "normal": 0, "low": 40}
    assert dict(figures.queue) == {"high": 1, "normal": 0, "low": 39}
    assert figures.oldest_age_s["low"] == 12.5
    assert figures.states["queued"] == 41
    assert dict(figures.dead) == {"unprocessable": 0, "failed": 2}
    assert figures.undelivered == 1


async def test_figures_do_without_a_queue_that_is_away(edge: Edge) -> None:
    async def away() -> Any:
        raise ControlPlaneError(ErrorCode.QUEUE_UNAVAILABLE, "away")

    edge.jobs.depths = away  # type: ignore[method-assign]
    figures = await ask(edge, pb.GetJobFiguresRequest(), pb.JobFigures)
    assert not figures.queue
    assert figures.waiting["low"] == 40


async def test_a_store_that_is_away_is_unavailable(edge: Edge) -> None:
    edge.jobs.error = ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "away")
    assert (await refused(edge, pb.GetJobFiguresRequest()))[0] == "UNAVAILABLE"
