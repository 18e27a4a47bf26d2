"""The fleets that rollouts are tried on: two real Tritons with ``steady``.

Either with their control plane in one ``tidegate up``, or by themselves with one or more
``tidegate serve`` in front, which can then be killed without them.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import psutil

from control_plane.embedded import FleetOptions
from tests.integration.faults.stage import STUB
from tests.integration.rollouts.repository import SCORER, VERSIONS, write_repository
from tests.integration.running import (
    STOP_TIMEOUT_S,
    TIDEGATE,
    RunningTidegate,
    options_of,
    wait_until,
)
from tests.integration.tritons import RunningTritons, free_base_port, skip_without_triton

FIRST, SECOND = "triton-0", "triton-1"

LEASE_S = 1.5
"""Of the leader: as short as lets a busy machine renew it in time."""

QUICK: Mapping[str, object] = {
    "leader.lease_s": LEASE_S,
    # A step of a good release is over after a hundred requests instead of thousands: "not worse"
    # is said of what is not very much worse. What is an alarm is as shipped.
    "analysis.error_margin.absolute": 0.2,
    "analysis.error_margin.ratio": 2,
    "analysis.slow_margin.absolute": 0.3,
    "analysis.slow_margin.ratio": 2,
    "analysis.confidence_margin": 0.3,
    "analysis.least_units": 20,
    # As the machine is now, not as it was while another test had it.
    "analysis.baseline_window_s": 15,
    # The machine of a test does other things too; whom it keeps waiting is not to be refused.
    "admission.initial_limit": 200,
}
"""What the shipped settings are replaced by, so that a test takes seconds."""


@contextmanager
def rollout_fleet(folder: Path, **settings: object) -> Iterator[RunningTidegate]:
    """A ``tidegate up`` in which all is well."""
    tidegate = RunningTidegate(
        folder / "run",
        write_repository(folder / "models"),
        tritons=2,
        settings=options_of({**QUICK, **settings}),
    )
    tidegate.start()
    try:
        tidegate.wait_ready()
        wait_until(tidegate.are_all_ready, timeout_s=60, what="both Tritons well")
        yield tidegate
    finally:
        tidegate.stop()


@contextmanager
def bare_tritons(folder: Path, *, away_s: float = 0.5) -> Iterator[RunningTritons]:
    """Two Tritons on the repository, and nobody in front of them.

    away_s: how long, about, one stays away that was killed.
    """
    options = FleetOptions(
        write_repository(folder / "models"),
        base_port=free_base_port(),
        runtime_root=folder,
        first_back_off_s=away_s,
    )
    skip_without_triton(options)
    running = RunningTritons(options)
    running.start()
    try:
        yield running
    finally:
        running.stop()


class ServingPlane(RunningTidegate):
    """A ``tidegate serve`` in front of Tritons that are not its own. It may be killed."""

    def __init__(
        self,
        folder: Path,
        tritons: RunningTritons,
        *,
        state_dir: Path,
        settings: Mapping[str, object],
    ) -> None:
        instances = [
            {"name": f"triton-{index}", "grpc_url": url}
            for index, url in enumerate(tritons.grpc_urls)
        ]
        super().__init__(
            folder,
            tritons.model_repository,
            tritons=0,
            settings=options_of({**QUICK, **settings, "instances": instances}),
        )
        self.state_dir = state_dir

    def command(self) -> list[str]:
        return [
            str(TIDEGATE),
            "serve",
            f"--model-repository={self.model_repository}",
            f"--http-port={self.http_port}",
            f"--grpc-port={self.grpc_port}",
            f"--state-dir={self.state_dir}",
            "--log-format=json",
        ]

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def logged(self, event: str) -> list[float]:
        """When it has written a line of this event, since the epoch."""
        return [
            datetime.fromisoformat(line["timestamp"]).timestamp()
            for line in self.log_lines()
            if line["event"] == event
        ]

    def kill(self) -> None:
        """SIGKILL: it cannot tidy anything up."""
        self.process.kill()
        self.process.wait(STOP_TIMEOUT_S)

    def suspend(self) -> None:
        """SIGSTOP: as a machine that stands still for a while."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.is_running:
            self.terminate()
            assert self.wait_stopped() == 0, self.last_words()


Pair = tuple[ServingPlane, ServingPlane]


@contextmanager
def serving(
    folder: Path, tritons: RunningTritons, *, state_dir: Path | None = None, **settings: object
) -> Iterator[ServingPlane]:
    """A control plane of its own folder. state_dir: of those who share their state."""
    plane = ServingPlane(
        folder, tritons, state_dir=state_dir or folder / "state", settings=settings
    )
    plane.start()
    try:
        plane.wait_ready()
        yield plane
    finally:
        plane.stop()


@contextmanager
def two_serving(folder: Path, tritons: RunningTritons, **settings: object) -> Iterator[Pair]:
    """Two control planes before the same Tritons, of one state."""
    state = folder / "state"
    with (
        serving(folder / "a", tritons, state_dir=state, **settings) as first,
        serving(folder / "b", tritons, state_dir=state, **settings) as second,
    ):
        for plane in (first, second):
            wait_until(plane.are_all_ready, timeout_s=60, what="both Tritons well")
        yield first, second


def scorer_processes(root: psutil.Process, release: str) -> dict[int, set[int]]:
    """The processes of a release's scorer, by the Triton that they belong to.

    root: of which all Tritons descend.
    """
    found: dict[int, set[int]] = {}
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.Error):  # it ended meanwhile
            if process.name() != STUB:
                continue
            if f"/{SCORER}/{VERSIONS[release]}/" in " ".join(process.cmdline()):
                found.setdefault(process.ppid(), set()).add(process.pid)
    return found


def memory_bytes(root: psutil.Process) -> int:
    """What all Tritons under a process take, with their stubs, shared pages counted once."""
    total = 0
    for server in root.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if server.name() == "tritonserver":
                family = (server, *server.children(recursive=True))
                total += sum(one.memory_full_info().pss for one in family)
    return total


def memory_without(release: str, root: psutil.Process) -> int:
    """As soon as the release's processes are gone: Triton says of a model that it is unloaded a
    while before its processes have ended."""
    wait_until(lambda: not scorer_processes(root, release), what=f"no process of {release}")
    return memory_bytes(root)


def kill_server(root: psutil.Process, grpc_port: int) -> None:
    """SIGKILL of the Triton that listens there."""
    (server,) = (one for one in root.children(recursive=True) if _listens(one, grpc_port))
    server.send_signal(signal.SIGKILL)


def _listens(process: psutil.Process, grpc_port: int) -> bool:
    try:
        return process.name() == "tritonserver" and f"--grpc-port={grpc_port}" in process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return False
