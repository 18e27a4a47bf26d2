"""The calls of ``tidegate.v1.Operations`` about jobs.

Reads, hands on what was asked, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from control_plane.core.detections import Priority
from control_plane.core.identifiers import check_job_id
from control_plane.core.jobs import Job, JobFigures, JobFilter
from control_plane.errors import ControlPlaneError, InvalidArgument
from control_plane.grpc_api.calls import (
    Answering,
    CallTimeouts,
    Context,
    Unary,
    parse,
    read_metadata,
    within_deadline,
)
from control_plane.grpc_api.job_messages import (
    read_dead_filter,
    read_filter,
    read_undelivered_filter,
    write_figures,
    write_job,
)
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.services.operations import check_reason
from control_plane.services.rollout_requests import check_who

DEFAULT_WHO = "grpc"
MOST_JOBS, MOST_ACTED_ON = 500, 10_000


class OneAct(Protocol):
    async def __call__(self, job_id: str, *, who: str, reason: str = "") -> Job: ...


class ManyAct(Protocol):
    async def __call__(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]: ...


class ReadFilter(Protocol):
    def __call__(self, asked: pb.JobFilter, *, is_all: bool) -> JobFilter: ...


class JobsDesk(Protocol):
    """Jobs looked at and steered. Raises NOT_FOUND, CONFLICT, STORE_UNAVAILABLE."""

    async def get(self, job_id: str) -> Job: ...

    async def find(self, wanted: JobFilter, *, limit: int) -> tuple[Job, ...]: ...

    async def figures(self) -> JobFigures: ...

    async def depths(self) -> Mapping[Priority, int]: ...

    @property
    def replay(self) -> OneAct: ...

    @property
    def discard(self) -> OneAct: ...

    @property
    def resend(self) -> OneAct: ...

    @property
    def replay_all(self) -> ManyAct: ...

    @property
    def discard_all(self) -> ManyAct: ...

    @property
    def resend_all(self) -> ManyAct: ...


@dataclass(frozen=True, slots=True)
class JobCalls:
    """Those calls over the jobs."""

    desk: JobsDesk
    timeouts: CallTimeouts

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        desk = self.desk
        calls = [
            self._call(pb.ListJobsRequest, self._list),
            self._call(pb.GetJobRequest, self._get),
            self._call(pb.ReplayJobRequest, self._one(desk.replay)),
            self._call(pb.DiscardJobRequest, self._one(desk.discard)),
            self._call(pb.ResendJobRequest, self._one(desk.resend)),
            self._call(pb.ReplayJobsRequest, self._many(desk.replay_all, pb.ReplayJobsResponse)),
            self._call(pb.DiscardJobsRequest, self._many(desk.discard_all, pb.DiscardJobsResponse)),
            self._call(
                pb.ResendJobsRequest,
                self._many(desk.resend_all, pb.ResendJobsResponse, read_undelivered_filter),
            ),
            self._call(pb.GetJobFiguresRequest, self._figures),
        ]
        return {name: grpc.unary_unary_rpc_method_handler(call) for name, call in calls}

    def _call(self, kind: Any, answer: Callable[[Any], Awaitable[Message]]) -> tuple[str, Unary]:
        method = str(kind.DESCRIPTOR.name).removesuffix("Request")

        async def call(raw: bytes, context: Context) -> bytes:
            async with Answering(context, method):
                read_metadata(context)
                asked = parse(kind, raw)
                async with within_deadline(context, self.timeouts):
                    return bytes((await answer(asked)).SerializeToString())

        return method, call

    async def _list(self, asked: pb.ListJobsRequest) -> Message:
        limit = _limit(asked.limit, 50, MOST_JOBS)
        found = await self.desk.find(read_filter(asked.filter, asked.before), limit=limit)
        return pb.ListJobsResponse(
            jobs=[write_job(job) for job in found],
            next_before=found[-1].job_id if len(found) == limit else "",
        )

    async def _get(self, asked: pb.GetJobRequest) -> Message:
        return write_job(await self.desk.get(check_job_id(asked.job, "job")))

    async def _figures(self, _: pb.GetJobFiguresRequest) -> Message:
        figures = await self.desk.figures()
        try:
            return write_figures(figures, await self.desk.depths())
        except ControlPlaneError:
            # A queue that is away must not hide what the store knows.
            return write_figures(figures, None)

    def _one(self, act: OneAct) -> Callable[[Any], Awaitable[Message]]:
        async def obey(asked: Any) -> Message:
            who, reason = _signature(asked)
            return write_job(await act(check_job_id(asked.job, "job"), who=who, reason=reason))

        return obey

    def _many(
        self, act: ManyAct, answer: Any, read: ReadFilter = read_dead_filter
    ) -> Callable[[Any], Awaitable[Message]]:
        async def obey(asked: Any) -> Message:
            who, reason = _signature(asked)
            limit = _limit(asked.limit, 100, MOST_ACTED_ON)
            wanted = read(asked.filter, is_all=asked.all)
            # Where to go on from chooses nothing by itself.
            if asked.before:
                wanted = replace(wanted, before=check_job_id(asked.before, "before"))
            ids = await act(wanted, limit=limit, who=who, reason=reason)
            made: Message = answer(jobs=ids, may_have_more=len(ids) >= limit)
            return made

        return obey


def _signature(asked: Any) -> tuple[str, str]:
    """Who asks, and why."""
    return check_who(asked.who, DEFAULT_WHO), check_reason(asked.reason)


def _limit(asked: int, default: int, most: int) -> int:
    if asked > most:
        raise InvalidArgument(f"limit is {asked}; at most {most}", field="limit")
    return asked or default
