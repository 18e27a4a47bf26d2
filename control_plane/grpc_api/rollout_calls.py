"""The calls of ``tidegate.v1.Operations`` about rollouts and the audit.

Reads views, hands on what was asked, and decides nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import Message

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.accuracy.comparing import DEFAULT_LEAST, DEFAULT_MARGIN
from control_plane.core.detections import ALIASES
from control_plane.core.rollout import Command, Kind
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.grpc_api.calls import (
    Answering,
    CallTimeouts,
    Context,
    Unary,
    parse,
    read_metadata,
    within_deadline,
)
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.grpc_api.rollout_messages import (
    KINDS,
    write_assessment,
    write_entry,
    write_rollout,
)
from control_plane.services.operations import check_reason
from control_plane.services.rollout_requests import (
    PlanDefaults,
    PlanRequest,
    RolloutService,
    check_who,
)
from control_plane.services.rollout_views import RolloutView

DEFAULT_WHO = "grpc"
INTERVAL_S, LEAST_INTERVAL_S, MOST_INTERVAL_S = 1.0, 0.1, 3600.0
MOST_ROLLOUTS, MOST_LOOKS, MOST_ENTRIES = 500, 10_000, 1000

KIND_OF: Mapping[int, Kind] = {
    pb.ROLLOUT_KIND_UNSPECIFIED: Kind.CANARY,
    **{number: kind for kind, number in KINDS.items()},
}

Signed: TypeAlias = (
    pb.StartRolloutRequest
    | pb.StartExperimentRequest
    | pb.RollBackRequest
    | pb.PauseRolloutRequest
    | pb.ResumeRolloutRequest
    | pb.AdvanceRolloutRequest
    | pb.AbortRolloutRequest
)


@dataclass(frozen=True, slots=True)
class RolloutCalls:
    """Those calls over the rollouts.

    stopping: set when the server takes no new work; watches then end.
    """

    rollouts: RolloutService
    plan_defaults: PlanDefaults
    timeouts: CallTimeouts
    stopping: asyncio.Event

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        unary = [
            self._call(pb.StartRolloutRequest, self._start),
            self._call(pb.StartExperimentRequest, self._experiment),
            self._call(pb.RollBackRequest, self._roll_back),
            self._call(pb.PauseRolloutRequest, self._commanding(Command.PAUSE)),
            self._call(pb.ResumeRolloutRequest, self._commanding(Command.RESUME)),
            self._call(pb.AdvanceRolloutRequest, self._commanding(Command.ADVANCE)),
            self._call(pb.AbortRolloutRequest, self._commanding(Command.ABORT)),
            self._call(pb.ListRolloutsRequest, self._list),
            self._call(pb.GetRolloutRequest, self._get),
            self._call(pb.GetRolloutEvidenceRequest, self._evidence),
            self._call(pb.ListAuditEntriesRequest, self._audit),
        ]
        found = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in unary}
        found["WatchRollout"] = grpc.unary_stream_rpc_method_handler(self.watch)
        return found

    async def watch(self, raw: bytes, context: Context) -> AsyncIterator[bytes]:
        """The rollout whenever it has changed, but looked at no more often than was asked."""
        async with Answering(context, "WatchRollout"):
            read_metadata(context)
            asked = parse(pb.WatchRolloutRequest, raw)
            interval_s = _interval_s(asked)
            name, shown = asked.rollout, None
            while True:
                view = await self.rollouts.show(name)
                # An engine's name means its latest, which may be another one at the next look.
                name = view.rollout.rollout_id
                if view != shown:
                    yield write_rollout(view).SerializeToString()
                    shown = view
                if view.rollout.is_finished:
                    return
                await self._wait(interval_s)

    def _call(self, kind: Any, answer: Callable[[Any], Awaitable[Message]]) -> tuple[str, Unary]:
        method = str(kind.DESCRIPTOR.name).removesuffix("Request")

        async def call(raw: bytes, context: Context) -> bytes:
            async with Answering(context, method):
                read_metadata(context)
                asked = parse(kind, raw)
                async with within_deadline(context, self.timeouts):
                    return bytes((await answer(asked)).SerializeToString())

        return method, call

    def _commanding(self, command: Command) -> Callable[[Any], Awaitable[Message]]:
        async def obey(asked: Any) -> Message:
            who, reason = _signature(asked)
            return write_rollout(
                await self.rollouts.command(asked.rollout, command, who=who, reason=reason)
            )

        return obey

    async def _start(self, asked: pb.StartRolloutRequest) -> Message:
        if not asked.release:
            raise InvalidArgument("release is missing: name the target", field="release")
        who, reason = _signature(asked)
        plan = self.plan_defaults.plan(_read_plan(asked))
        engine = _engine(asked.engine)
        view = await self.rollouts.start(engine, asked.release, plan, who=who, reason=reason)
        return write_rollout(view)

    async def _experiment(self, asked: pb.StartExperimentRequest) -> Message:
        who, reason = _signature(asked)
        split = dict(asked.split)
        view = await self.rollouts.experiment(
            _engine(asked.engine), split, ignored=tuple(asked.ignore), who=who, reason=reason
        )
        return write_rollout(view)

    async def _roll_back(self, asked: pb.RollBackRequest) -> Message:
        who, reason = _signature(asked)
        engine, to = _engine(asked.engine), asked.to or None
        return write_rollout(await self.rollouts.roll_back(engine, to=to, who=who, reason=reason))

    async def _list(self, asked: pb.ListRolloutsRequest) -> Message:
        limit = _limit(asked.limit, 50, MOST_ROLLOUTS)
        engine = _engine(asked.engine) or None
        found = await self.rollouts.rollouts(engine=engine, limit=limit)
        return pb.ListRolloutsResponse(rollouts=[write_rollout(view) for view in found])

    async def _get(self, asked: pb.GetRolloutRequest) -> Message:
        return write_rollout(await self.rollouts.show(asked.rollout))

    async def _evidence(self, asked: pb.GetRolloutEvidenceRequest) -> Message:
        limit = _limit(asked.limit, 2000, MOST_LOOKS)
        view: RolloutView = await self.rollouts.show(asked.rollout)
        rollout_id = view.rollout.rollout_id
        looks = await self.rollouts.evidence(rollout_id, limit=limit)
        return pb.RolloutEvidence(
            rollout=rollout_id,
            engine=view.rollout.engine,
            assessments=[write_assessment(look) for look in looks],
        )

    async def _audit(self, asked: pb.ListAuditEntriesRequest) -> Message:
        records = await self.rollouts.audit(
            engine=_engine(asked.engine) or None,
            rollout_id=asked.rollout or None,
            before=asked.before or None,
            limit=_limit(asked.limit, 100, MOST_ENTRIES),
        )
        return pb.ListAuditEntriesResponse(entries=[write_entry(record) for record in records])

    async def _wait(self, interval_s: float) -> None:
        """Raises ControlPlaneError(SHUTTING_DOWN) when the server stops meanwhile."""
        try:
            async with asyncio.timeout(interval_s):
                await self.stopping.wait()
        except TimeoutError:
            return
        raise ControlPlaneError(ErrorCode.SHUTTING_DOWN, "shutting down; watch elsewhere")


def _read_plan(asked: pb.StartRolloutRequest) -> PlanRequest:
    kind = KIND_OF.get(asked.kind)
    if kind is None:
        raise InvalidArgument(f"kind {asked.kind} is unknown", field="kind")

    def said(field: str) -> Any:
        return getattr(asked, field) if asked.HasField(field) else None

    return PlanRequest(
        kind=kind,
        steps_percent=tuple(asked.steps_percent) or None,
        shadow_percent=said("shadow_percent"),
        min_step_s=said("min_step_s"),
        max_step_s=said("max_step_s"),
        min_samples=said("min_samples"),
        is_manual=asked.manual,
        ignored=tuple(asked.ignore),
        accuracy=_read_gate(asked.accuracy) if asked.HasField("accuracy") else None,
    )


def _read_gate(asked: pb.AccuracyGate) -> AccuracyGate:
    """Raises InvalidArgument."""
    return AccuracyGate(
        asked.score,
        asked.margin if asked.HasField("margin") else DEFAULT_MARGIN,
        asked.least if asked.HasField("least") else DEFAULT_LEAST,
        asked.proof,
    )


def _signature(asked: Signed) -> tuple[str, str]:
    """Who asks, and why."""
    return check_who(asked.who, DEFAULT_WHO), check_reason(asked.reason)


def _interval_s(asked: pb.WatchRolloutRequest) -> float:
    interval_s = asked.interval_s or INTERVAL_S
    if not LEAST_INTERVAL_S <= interval_s <= MOST_INTERVAL_S:
        raise InvalidArgument(
            f"interval_s is {interval_s:g}; it must be {LEAST_INTERVAL_S:g} to {MOST_INTERVAL_S:g}",
            field="interval_s",
        )
    return interval_s


def _limit(asked: int, default: int, most: int) -> int:
    if asked > most:
        raise InvalidArgument(f"limit is {asked}; at most {most}", field="limit")
    return asked or default


def _engine(name: str) -> str:
    return ALIASES.get(name, name)
