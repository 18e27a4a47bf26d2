"""What the REST edge needs of the rest of Tidegate, as small protocols.

``bootstrap`` fills :class:`RestServices` with the real ones; unit tests with fakes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from control_plane.core.detections import DetectionAnswer, DetectionRequest
from control_plane.ports import Clock, PhotoSource
from control_plane.rest_api.registration import RegistrationService
from control_plane.services.operations import Action
from control_plane.services.rollout_requests import PlanDefaults, RolloutService
from control_plane.services.standing import Standing
from control_plane.services.status import ChangeView, EngineView, InstanceView

__all__ = [
    "DetectionService",
    "OperationsService",
    "PlanDefaults",
    "RegistrationService",
    "RestLimits",
    "RestServices",
    "RolloutService",
    "Standing",
    "StandingService",
    "StatusService",
]


class DetectionService(Protocol):
    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        """One answer, whole or partial. Raises ControlPlaneError for the caller's mistakes."""
        ...

    def known_engines(self) -> tuple[str, ...]:
        """The names a caller may ask for."""
        ...


class StatusService(Protocol):
    def engines(self) -> tuple[EngineView, ...]: ...

    def instances(self) -> tuple[InstanceView, ...]: ...

    def instance(self, name: str) -> InstanceView:
        """Raises ControlPlaneError(NOT_FOUND), as ``history`` does."""
        ...

    def history(self, name: str) -> tuple[ChangeView, ...]: ...

    def changes(self, limit: int) -> tuple[ChangeView, ...]: ...

    @property
    def is_stopping(self) -> bool:
        """Whether the process is about to stop."""
        ...

    def is_ready(self) -> bool:
        """Whether requests are to be sent to this process."""
        ...


class StandingService(Protocol):
    def now(self) -> Standing:
        """What this control plane is among the others."""
        ...


class OperationsService(Protocol):
    async def act(
        self, action: Action, name: str, *, who: str, reason: str = "", force: bool = False
    ) -> None:
        """who: as ``check_who`` lets it through.

        Raises ControlPlaneError: NOT_FOUND, INVALID_ARGUMENT, CONFLICT.
        """
        ...


@dataclass(frozen=True, slots=True)
class RestLimits:
    """The bounds of one request.

    max_bytes: the largest encoded photo (``photos.max_bytes``).
    timeout_s: the deadline of a caller who names none (``requests.timeout_s``).
    max_timeout_s: the longest deadline a caller may name (``requests.max_timeout_s``).
    body_timeout_s: how long the whole body of a request may take to arrive.
    """

    max_bytes: int
    timeout_s: float
    max_timeout_s: float
    body_timeout_s: float = 60.0


def _nothing() -> None:
    """Where no registry is asked."""


@dataclass(frozen=True, slots=True)
class RestServices:
    """Everything behind the REST edge. hasten: has the registry asked now."""

    detection: DetectionService
    status: StatusService
    operations: OperationsService
    photos: PhotoSource
    clock: Clock
    limits: RestLimits
    version: str
    rollouts: RolloutService
    plan_defaults: PlanDefaults
    registration: RegistrationService
    standing: StandingService
    hasten: Callable[[], None] = _nothing
