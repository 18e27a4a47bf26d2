"""Real Tritons without a control plane, for the tests that need only those."""

from __future__ import annotations

import asyncio
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from control_plane.embedded import EmbeddedFleet, FleetOptions, InstanceStatus, LogLine, check
from control_plane.embedded.options import PORT_STRIDE
from tests.servers.ports import free_ports

REPOSITORY = Path(__file__).parents[2] / "model_repository"
START_TIMEOUT_S = 60.0


def free_base_port(count: int = 2) -> int:
    """A base port from which ``count`` Tritons find all theirs free."""
    return free_ports(PORT_STRIDE * count)


@dataclass
class RunningTritons:
    """A fleet on an event loop of its own, in a thread: its logs are read whatever a test does."""

    options: FleetOptions
    lines: list[LogLine] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._fleet = EmbeddedFleet(self.options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tritons")

    def start(self) -> None:
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._fleet.__aenter__(), self._loop).result(
                START_TIMEOUT_S
            )
        except BaseException:
            self._leave_loop()
            raise

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._fleet.stop(), self._loop).result(START_TIMEOUT_S)
        self._leave_loop()

    def _leave_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def status(self) -> tuple[InstanceStatus, ...]:
        return self._fleet.status()

    @property
    def grpc_urls(self) -> tuple[str, ...]:
        return tuple(status.grpc_url for status in self.status())

    @property
    def model_repository(self) -> Path:
        return self.options.model_repository


def skip_without_triton(options: FleetOptions) -> None:
    """Skips, naming what is missing; with CI=true a missing prerequisite is a failure."""
    missing = [finding for finding in check(options) if not finding.is_ok]
    if missing:
        reason = "; ".join(map(str, missing))
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
