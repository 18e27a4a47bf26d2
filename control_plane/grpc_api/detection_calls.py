"""The calls of ``tidegate.v1.Orchestrator`` about detections that nobody waits for."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import grpc
import structlog

from control_plane.core.identifiers import check_idempotency_key, check_job_id
from control_plane.core.jobs import Job, JobRequest
from control_plane.core.jobs.answers import answer_of
from control_plane.core.jobs.checks import check_request
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.grpc_api.calls import (
    Answering,
    CallHead,
    CallTimeouts,
    Context,
    parse,
    read_metadata,
    within_deadline,
)
from control_plane.grpc_api.detection_messages import read_asked, write_detection
from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from control_plane.services.jobs.intake import Submission
from control_plane.services.tracing import NOT_TRACED, Tracer


class IntakeService(Protocol):
    async def submit(self, submission: Submission) -> Job: ...


class DetectionDesk(Protocol):
    """What is asked about one job. Raises NOT_FOUND, STORE_UNAVAILABLE."""

    async def get(self, job_id: str) -> Job: ...

    def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now, and again with each change, until it is finished."""
        ...


@dataclass(frozen=True, slots=True)
class DetectionCalls:
    """Those calls over the jobs.

    known_engines: the names a caller may ask for. stopping: set when the server takes no new
    work; watches then end. max_deadline_s: the longest time a job may be given.
    """

    intake: IntakeService
    desk: DetectionDesk
    known_engines: Callable[[], tuple[str, ...]]
    timeouts: CallTimeouts
    stopping: asyncio.Event
    max_deadline_s: float
    tracing: Tracer = NOT_TRACED

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "SubmitDetection": grpc.unary_unary_rpc_method_handler(self.submit),
            "GetDetection": grpc.unary_unary_rpc_method_handler(self.get),
            "WatchDetection": grpc.unary_stream_rpc_method_handler(self.watch),
        }

    async def submit(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "SubmitDetection"):
            head = read_metadata(context)
            message = parse(pb.SubmitDetectionRequest, raw)
            submission = self._read(message, head)
            with self.tracing.root(
                "submit",
                correlation_id=head.correlation_id,
                carried=head.carried,
                edge="grpc",
                engines=",".join(submission.request.engines),
                priority=submission.priority.value,
            ):
                async with within_deadline(context, self.timeouts):
                    job = await self.intake.submit(submission)
            structlog.contextvars.bind_contextvars(request_id=job.job_id)
            return write_detection(answer_of(job))

    async def get(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "GetDetection"):
            read_metadata(context)
            asked = parse(pb.GetDetectionRequest, raw)
            async with within_deadline(context, self.timeouts):
                job = await self.desk.get(check_job_id(asked.request_id, "request_id"))
            return write_detection(answer_of(job))

    async def watch(self, raw: bytes, context: Context) -> AsyncIterator[bytes]:
        async with Answering(context, "WatchDetection"):
            read_metadata(context)
            asked = parse(pb.WatchDetectionRequest, raw)
            changes = self.desk.watch(check_job_id(asked.request_id, "request_id"))
            async with aclosing(until_stopped(changes, self.stopping)) as watched:
                async for job in watched:
                    yield write_detection(answer_of(job))

    def _read(self, message: pb.SubmitDetectionRequest, head: CallHead) -> Submission:
        asked = read_asked(message.request, self.known_engines())
        structlog.contextvars.bind_contextvars(**asked.metadata)
        request = JobRequest(
            engines=asked.engines,
            correlation_id=head.correlation_id,
            photo_url=asked.photo_url,
            photo_id=asked.photo_id,
            releases=asked.releases,
            metadata=asked.metadata,
            routing_key=head.routing_key or None,
        )
        key = message.idempotency_key
        return Submission(
            request=check_request(request),
            priority=asked.priority,
            photo=asked.photo,
            idempotency_key=check_idempotency_key(key, "idempotency_key") if key else None,
            deadline_s=self._timeout_s(message.timeout_s),
        )

    def _timeout_s(self, said_s: float) -> float | None:
        if said_s == 0:
            return None
        if not (math.isfinite(said_s) and 0 < said_s <= self.max_deadline_s):
            raise InvalidArgument(
                f"timeout_s is {said_s:g}; it must be above 0 and at most {self.max_deadline_s:g}",
                field="timeout_s",
            )
        return said_s


async def until_stopped(
    changes: AsyncIterator[Job], stopping: asyncio.Event
) -> AsyncGenerator[Job]:
    """The changes. Raises ControlPlaneError(SHUTTING_DOWN) when the server stops meanwhile."""
    stop = asyncio.create_task(stopping.wait())
    coming = _next(changes)
    try:
        while True:
            await asyncio.wait({coming, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not coming.done():
                raise ControlPlaneError(ErrorCode.SHUTTING_DOWN, "shutting down; watch elsewhere")
            job = coming.result()
            if job is None:
                return
            coming = _next(changes)
            yield job
    finally:
        stop.cancel()
        # A source that is cancelled in its step is closed by it.
        coming.cancel()
        await asyncio.gather(stop, coming, return_exceptions=True)


def _next(changes: AsyncIterator[Job]) -> asyncio.Task[Job | None]:
    """None: it has ended."""

    async def step() -> Job | None:
        return await anext(changes, None)

    return asyncio.create_task(step())
