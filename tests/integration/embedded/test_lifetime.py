"""However a fleet ends, nothing of it is left: processes, shared memory, folders.

The parent is a real program, so that it can be killed. Each test waits for the ends of processes
through their descriptors.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tritonclient.grpc import InferenceServerClient, service_pb2

from control_plane.embedded import FleetOptions, guardian
from control_plane.embedded.fleet import sweep
from tests.integration.embedded.clients import infer, jpeg, load_twin
from tests.integration.tritons import REPOSITORY, free_base_port, skip_without_triton

pytestmark = pytest.mark.triton

ROOT = Path(__file__).parents[3]
DEADLINE_S = 30.0


class Parent:
    """The running program, its Tritons and all that must be gone when it has ended."""

    def __init__(self, folder: Path, count: int = 1) -> None:
        self.folder = folder
        self.base_port = free_base_port(count)
        skip_without_triton(FleetOptions(REPOSITORY, count=count, base_port=self.base_port))
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.integration.embedded.parent"),
                *(str(REPOSITORY), str(self.base_port), str(count), str(folder)),
            ],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        (fleet,) = folder.iterdir()
        self.name = fleet.name
        self.grpc_url = f"127.0.0.1:{self.base_port + 1}"

    def load(self) -> None:
        """Models with stubs, shared memory and a twin with its folder in /tmp."""
        with InferenceServerClient(self.grpc_url) as client:
            load_twin(client, REPOSITORY, "damage", f"damage--{self.name}")
            infer(client, f"damage--{self.name}", jpeg(320, 240))

    def family(self) -> list[psutil.Process]:
        """Guardians, tritonservers and stubs."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def named(self, family: list[psutil.Process], name: str) -> psutil.Process:
        return next(each for each in family if name in " ".join(each.cmdline()))

    def assert_nothing_left(self, family: list[psutil.Process]) -> None:
        for each in family:
            wait_end(each.pid)
        assert not list(self.folder.iterdir())
        assert not list(guardian.SHARED_MEMORY.glob(f"*{self.name}*"))
        assert not twins_of(self.name)

    def close(self) -> None:
        family = self.family() if self.process.poll() is None else []
        self.process.kill()
        self.process.communicate()
        for each in family:
            wait_end(each.pid)


def wait_end(pid: int) -> None:
    """Until the process, whoever's child it is, has ended."""
    with contextlib.suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            assert select.select([descriptor], [], [], DEADLINE_S)[0], f"{pid} still runs"
        finally:
            os.close(descriptor)


def twins_of(name: str) -> list[Path]:
    """Triton's folders in /tmp that hold a twin of this fleet."""
    return [
        config.parent
        for config in Path("/tmp").glob("folder*/config.pbtxt")
        if name in config.read_text()
    ]


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[Parent]:
    parent = Parent(tmp_path)
    yield parent
    parent.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_leaves_nothing(parent: Parent, number: signal.Signals) -> None:
    parent.load()
    family = parent.family()
    assert len(family) == 8  # a guardian, a Triton and two stubs of each of three components
    assert len(twins_of(parent.name)) == 1
    parent.process.send_signal(number)
    assert parent.process.communicate(timeout=DEADLINE_S)[0] == "stopped\n"
    assert parent.process.returncode == 0
    parent.assert_nothing_left(family)


def test_a_killed_parent_leaves_no_process_and_no_memory(parent: Parent) -> None:
    parent.load()
    family = parent.family()
    parent.process.kill()
    for each in family:
        wait_end(each.pid)
    assert not list(parent.folder.iterdir())
    assert not list(guardian.SHARED_MEMORY.glob(f"*{parent.name}*"))


def test_a_killed_parent_and_guardian_leave_no_process_and_the_next_start_sweeps(
    parent: Parent,
) -> None:
    parent.load()
    family = parent.family()
    its_guardian = parent.named(family, "guardian.py")
    server = parent.named(family, "bin/tritonserver")
    its_guardian.suspend()  # so that it has no time to do its work
    parent.process.kill()
    its_guardian.kill()
    for pid in (parent.process.pid, its_guardian.pid, server.pid):
        wait_end(pid)
    sweep()  # or another fleet's that starts just now
    for each in family:
        wait_end(each.pid)
    assert not list(parent.folder.iterdir())
    assert not list(guardian.SHARED_MEMORY.glob(f"*{parent.name}*"))


def test_a_killed_triton_is_restarted_and_its_stubs_and_memory_go(parent: Parent) -> None:
    parent.load()
    family = parent.family()
    segments = set(guardian.SHARED_MEMORY.glob(f"{parent.name}-*"))
    assert segments
    parent.named(family, "bin/tritonserver").kill()
    for each in family:
        wait_end(each.pid)
    with InferenceServerClient(parent.grpc_url) as client:
        wait_ready(client)
        assert not client.is_model_ready(f"damage--{parent.name}")
    assert not segments & set(guardian.SHARED_MEMORY.glob(f"{parent.name}-*"))
    parent.load()


def wait_ready(client: InferenceServerClient) -> None:
    """Until the restarted Triton answers; gRPC itself waits for the connection."""
    client._client_stub.ServerReady(
        service_pb2.ServerReadyRequest(), wait_for_ready=True, timeout=DEADLINE_S
    )
