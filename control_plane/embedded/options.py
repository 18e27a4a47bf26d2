"""What a fleet of embedded Tritons is told: one frozen value, and the ports that follow from it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

ADDRESS = "127.0.0.1"
PORT_STRIDE = 10


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line that a Triton or one of its stubs wrote; known noise is at ``DEBUG``."""

    instance: str
    level: LogLevel
    text: str


@dataclass(frozen=True, slots=True)
class InstancePorts:
    """Where instance ``index`` of a fleet listens, on 127.0.0.1 only."""

    http: int
    grpc: int
    metrics: int

    @classmethod
    def of(cls, base_port: int, index: int) -> InstancePorts:
        first = base_port + PORT_STRIDE * index
        return cls(http=first, grpc=first + 1, metrics=first + 2)

    def purposes(self) -> dict[str, int]:
        return {"HTTP": self.http, "gRPC": self.grpc, "metrics": self.metrics}


def discard(_line: LogLine) -> None:
    """The log callback of those who do not listen."""


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """How many Tritons, on what repository, where; every wait and queue has its bound here.

    model_repository: Triton's own layout; read, never written.
    runtime_root: a private folder is made inside it and removed at the end.
    on_log: called for every line, in the event loop; it must not block.
    exit_timeout_s: how long a Triton that stops waits for requests in flight.
    stable_after_s: an instance that stayed up this long starts its back-off anew.
    """

    model_repository: Path
    count: int = 2
    base_port: int = 8000
    runtime_root: Path = field(default_factory=lambda: Path(tempfile.gettempdir()))
    on_log: Callable[[LogLine], None] = discard
    start_timeout_s: float = 60.0
    exit_timeout_s: int = 5
    first_back_off_s: float = 0.5
    longest_back_off_s: float = 30.0
    stable_after_s: float = 60.0
    kept_log_lines: int = 50
    extra_arguments: tuple[str, ...] = ()

    def ports(self, index: int) -> InstancePorts:
        return InstancePorts.of(self.base_port, index)
