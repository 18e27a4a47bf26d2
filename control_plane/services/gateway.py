"""The gateway: one inference request in, one answer out, and who served it.

route (which release) → balance (which instance) → call → settle. It forwards bytes; what
is in the tensors is between the caller and the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from control_plane.core.catalogue import Release
from control_plane.core.deadline import Deadline
from control_plane.core.identifiers import CORRELATION_ID
from control_plane.core.outcomes import CallFailure
from control_plane.core.routing import RoutingTable, choose_release
from control_plane.core.wire import target_suffix
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.kserve import is_infer_request
from control_plane.ports import CallFailed, Clock
from control_plane.services.explaining import explain
from control_plane.services.fleet import Fleet, Instance

UNPARSED = CallFailure("INTERNAL", "Unable to parse request")
"""What gRPC's C++ server, and so Triton, says of bytes that are no message of the method's."""


@dataclass(frozen=True, slots=True)
class InferCall:
    """One request to one engine.

    message: a serialized ModelInferRequest; whatever model it names, it is re-targeted.
    correlation_id: goes along to the instance.
    wanted_release: a semantic version, ``stable``, ``canary``, or "" for the split.
    """

    message: bytes = field(repr=False)
    engine: str
    wanted_release: str
    routing_key: str
    deadline: Deadline
    correlation_id: str


@dataclass(frozen=True, slots=True)
class InferAnswer:
    """A serialized ModelInferResponse under the engine's own name, and who served it."""

    message: bytes = field(repr=False)
    release: str
    instance: str
    attempts: int


@dataclass(frozen=True, slots=True)
class EngineTimeouts:
    """How long one call to an engine may take, in seconds: a default and exceptions to it."""

    default_s: float
    by_engine: Mapping[str, float] = field(default_factory=dict)

    def of(self, engine: str) -> float:
        return self.by_engine.get(engine, self.default_s)


class Gateway:
    """Sends each request to an instance where the release chosen for it is ready."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        table: Callable[[], RoutingTable],
        timeouts: EngineTimeouts,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._table = table
        self._timeouts = timeouts
        self._clock = clock

    async def infer(self, call: InferCall) -> InferAnswer:
        """Raises ControlPlaneError with the code that tells whose fault it was."""
        release = self.choose(call.engine, call.wanted_release, call.routing_key)
        timeout_s = call.deadline.timeout_s(self._clock.now_s(), self._timeouts.of(call.engine))
        with self._fleet.reserve(release) as instance:
            try:
                answer = await instance.calls.infer(
                    call.message + target_suffix(release.model_name, release.model_version),
                    timeout_s=timeout_s,
                    metadata=((CORRELATION_ID, call.correlation_id),),
                )
            except CallFailed as failed:
                raise _settle(failed, call, release, instance) from None
        return InferAnswer(
            message=answer + target_suffix(call.engine, release.version),
            release=release.version,
            instance=instance.name,
            attempts=1,
        )

    def choose(self, engine: str, wanted_release: str, routing_key: str) -> Release:
        """Raises ControlPlaneError: UNKNOWN_ENGINE, UNKNOWN_RELEASE, RELEASE_NOT_READY."""
        return choose_release(self.table.route(engine), wanted_release, routing_key)

    @property
    def table(self) -> RoutingTable:
        """The routes in force now."""
        return self._table()


def _settle(
    failed: CallFailed, call: InferCall, release: Release, instance: Instance
) -> ControlPlaneError:
    """What a call that brought no answer means to the caller, in the engine's own name."""
    # The whole message is parsed only where Triton's gRPC could not: it may be 64 MiB long.
    if failed.failure == UNPARSED and not is_infer_request(call.message):
        return ControlPlaneError(
            ErrorCode.INVALID_ARGUMENT, "malformed protobuf: no ModelInferRequest", field="message"
        )
    return explain(
        failed.failure, subject=f"engine {call.engine!r}", instance=instance.name, release=release
    )
