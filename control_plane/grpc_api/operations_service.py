"""``tidegate.v1.Operations``: the fleet as an operator sees and steers it, over gRPC.

The service's calls about rollouts and the audit are in ``rollout_calls``, about jobs in
``job_calls``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeAlias

import grpc

from control_plane.core.health import Fitness, State
from control_plane.grpc_api.calls import Answering, Context, Unary, parse, read_metadata
from control_plane.grpc_api.job_calls import JobCalls
from control_plane.grpc_api.protos import operations_pb2 as pb
from control_plane.grpc_api.rollout_calls import DEFAULT_WHO, RolloutCalls
from control_plane.services.operations import Action, Operations
from control_plane.services.rollout_requests import check_who
from control_plane.services.status import (
    LOADING,
    READY,
    SHOWN_CHANGES,
    UNPROBED,
    UNREACHABLE,
    ChangeView,
    InstanceView,
    Status,
)

SERVICE = "tidegate.v1.Operations"

STATES: Mapping[str, pb.InstanceState] = {
    READY: pb.INSTANCE_STATE_READY,
    LOADING: pb.INSTANCE_STATE_LOADING,
    UNREACHABLE: pb.INSTANCE_STATE_UNREACHABLE,
}
HEALTHS: Mapping[str, pb.InstanceHealth] = {
    State.UNKNOWN: pb.INSTANCE_HEALTH_UNKNOWN,
    State.HEALTHY: pb.INSTANCE_HEALTH_HEALTHY,
    State.DEGRADED: pb.INSTANCE_HEALTH_DEGRADED,
    State.UNHEALTHY: pb.INSTANCE_HEALTH_UNHEALTHY,
    State.DRAINING: pb.INSTANCE_HEALTH_DRAINING,
    State.ISOLATED: pb.INSTANCE_HEALTH_ISOLATED,
}
FITNESSES: Mapping[str, pb.EngineFitness] = {
    Fitness.PROVING: pb.ENGINE_FITNESS_PROVING,
    Fitness.FIT: pb.ENGINE_FITNESS_FIT,
    Fitness.UNFIT: pb.ENGINE_FITNESS_UNFIT,
    Fitness.MENDING: pb.ENGINE_FITNESS_MENDING,
    Fitness.GIVEN_UP: pb.ENGINE_FITNESS_GIVEN_UP,
    UNPROBED: pb.ENGINE_FITNESS_UNPROBED,
}

ForceableRequest: TypeAlias = pb.DrainInstanceRequest | pb.IsolateInstanceRequest
ActRequest: TypeAlias = ForceableRequest | pb.UndrainInstanceRequest | pb.HealInstanceRequest


@dataclass(frozen=True, slots=True)
class OperationsService:
    """The service's methods over Tidegate's services."""

    operations: Operations
    status: Status
    rollouts: RolloutCalls
    jobs: JobCalls

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        methods: dict[str, Unary] = {
            "ListInstances": self.list_instances,
            "GetInstance": self.get_instance,
            "DrainInstance": self._acting(Action.DRAIN, pb.DrainInstanceRequest),
            "UndrainInstance": self._acting(Action.UNDRAIN, pb.UndrainInstanceRequest),
            "IsolateInstance": self._acting(Action.ISOLATE, pb.IsolateInstanceRequest),
            "HealInstance": self._acting(Action.HEAL, pb.HealInstanceRequest),
        }
        own = {
            name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
        }
        return own | self.rollouts.handlers() | self.jobs.handlers()

    async def list_instances(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "ListInstances"):
            read_metadata(context)
            parse(pb.ListInstancesRequest, raw)
            answer = pb.ListInstancesResponse(
                instances=[
                    _write_instance(view, [view.last_change] if view.last_change else [])
                    for view in self.status.instances()
                ],
                changes=[_write_change(change) for change in self.status.changes(SHOWN_CHANGES)],
            )
            return answer.SerializeToString()

    async def get_instance(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "GetInstance"):
            read_metadata(context)
            return self._whole(parse(pb.GetInstanceRequest, raw).instance)

    def _acting(self, action: Action, kind: type[ActRequest]) -> Unary:
        async def act(raw: bytes, context: Context) -> bytes:
            async with Answering(context, f"{action.capitalize()}Instance"):
                read_metadata(context)
                asked = parse(kind, raw)
                force = isinstance(asked, ForceableRequest) and asked.force
                await self.operations.act(
                    action,
                    asked.instance,
                    who=check_who(asked.who, DEFAULT_WHO),
                    reason=asked.reason,
                    force=force,
                )
                return self._whole(asked.instance)

        return act

    def _whole(self, name: str) -> bytes:
        view = self.status.instance(name)
        return _write_instance(view, self.status.history(name)).SerializeToString()


def _write_instance(view: InstanceView, history: Iterable[ChangeView]) -> pb.Instance:
    return pb.Instance(
        name=view.name,
        url=view.url,
        state=STATES[view.state],
        reason=view.reason,
        serving={engine: pb.Releases(releases=found) for engine, found in view.serving.items()},
        in_flight=view.in_flight,
        breakers=view.breakers,
        observed_ago_s=view.observed_ago_s,
        health=HEALTHS[view.health],
        health_reason=view.health_reason,
        health_since=view.health_since,
        engines={
            engine: pb.EngineThere(
                fitness=FITNESSES[there.fitness], reason=there.reason, in_flight=there.in_flight
            )
            for engine, there in view.engines.items()
        },
        history=[_write_change(change) for change in history],
        load=pb.InstanceLoad(**asdict(view.load)) if view.load else None,
        load_reason=view.load_reason,
    )


def _write_change(change: ChangeView) -> pb.InstanceChange:
    return pb.InstanceChange(
        at=change.at,
        instance=change.instance,
        engine=change.engine or "",
        was=change.was,
        now=change.now,
        reason=change.reason,
    )
