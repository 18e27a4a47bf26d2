"""N real Tritons on this machine, from the wheel: started, watched and put away together.

The fleet owns one private folder and one lock file in ``/dev/shm`` (guardian.py says what it is
for). Whatever a dead fleet left, even one whose parent and guardians were all killed at once, the
next start removes.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import secrets
import stat
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from control_plane.embedded import guardian
from control_plane.embedded.instance import EmbeddedTriton, Launch
from control_plane.embedded.lifecycle import InstanceState, InstanceStatus
from control_plane.embedded.options import ADDRESS, FleetOptions, InstancePorts
from control_plane.embedded.prerequisites import MissingPrerequisite, check
from control_plane.embedded.runtime import Wheel, environment, find_libpython, prepare
from control_plane.errors import ControlPlaneError, ErrorCode

NAME_PREFIX = "tidegate-"
# O_NONBLOCK: whatever somebody put there, opening it must not wait.
LOCK_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
LONGEST_PATH = 4096
CHANGING_APIS = "model-repository,shared-memory,trace,logging"
"""Of Triton's HTTP, those by which a server is changed."""


class NotReady(ControlPlaneError):
    """The Tritons were not ready in time; the message holds their last words."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.BACKEND_UNAVAILABLE, message)


class EmbeddedFleet:
    """``start`` → ``wait_ready`` → … → ``stop``; also an async context manager, once only."""

    def __init__(self, options: FleetOptions, *, rng: random.Random | None = None) -> None:
        self._options = options
        self._rng = rng or random.Random()  # noqa: S311  jitter, no secret
        self._instances: tuple[EmbeddedTriton, ...] = ()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self._changed = asyncio.Event()
        self._lock: int | None = None
        self._id = secrets.token_hex(4)
        self._folder = options.runtime_root / f"{NAME_PREFIX}{self._id}"
        self._lock_path = guardian.SHARED_MEMORY / f"{NAME_PREFIX}{self._id}{guardian.LOCK_SUFFIX}"

    async def __aenter__(self) -> Self:
        try:
            await self.start()
            await self.wait_ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def status(self) -> tuple[InstanceStatus, ...]:
        return tuple(instance.status() for instance in self._instances)

    async def start(self) -> None:
        """Checks this machine, clears what dead fleets left and launches every instance.

        Raises MissingPrerequisite, with every finding, before anything is started.
        """
        await asyncio.to_thread(sweep)
        findings = await asyncio.to_thread(check, self._options)
        if any(not finding.is_ok for finding in findings):
            raise MissingPrerequisite(findings)
        wheel, libpython = Wheel.find(), find_libpython()
        if wheel is None or libpython is None:  # what check() has just seen went away
            raise MissingPrerequisite(check(self._options))
        self._lock = create_lock(self._lock_path, self._folder)
        self._folder.mkdir(mode=0o700, parents=True)
        await asyncio.to_thread(prepare, self._folder, wheel, libpython)
        self._instances = tuple(
            self._instance(wheel, index) for index in range(self._options.count)
        )
        self._tasks = tuple(
            asyncio.create_task(instance.run(), name=instance.name) for instance in self._instances
        )

    async def wait_ready(self, timeout_s: float | None = None) -> None:
        """Until every instance is ready; NotReady, with the last log lines, after the timeout."""
        timeout_s = self._options.start_timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                while any(status.state is not InstanceState.READY for status in self.status()):
                    await self.wait_change()
        except TimeoutError:
            raise NotReady(self._last_words(timeout_s)) from None

    async def wait_change(self) -> None:
        """Until some instance's state changes."""
        self._changed.clear()
        await self._changed.wait()

    async def ended(self) -> AsyncGenerator[tuple[str, BaseException | None], None]:
        """Each instance whose supervision ended, as it does, and by which error.

        Before ``stop`` only a bug ends one, and then nobody restarts that instance any more.
        """
        pending = set(self._tasks)
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                yield task.get_name(), None if task.cancelled() else task.exception()

    async def stop(self) -> None:
        """Stops every instance side by side and removes all they had; safe to call again."""
        for instance in self._instances:
            instance.request_stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._lock is not None:
            lock, self._lock = self._lock, None
            await asyncio.to_thread(guardian.remove_if_last, lock, self._lock_path, self._folder)

    def _instance(self, wheel: Wheel, index: int) -> EmbeddedTriton:
        ports = self._options.ports(index)
        segment_prefix = f"{NAME_PREFIX}{self._id}-{index}-"
        launch = Launch(
            command=command(self._options, wheel, ports, self._folder, segment_prefix),
            environment=environment(self._folder, wheel),
            fleet_dir=self._folder,
            lock=self._lock_path,
            segment_prefix=segment_prefix,
        )
        return EmbeddedTriton(
            name=f"triton-{index}",
            launch=launch,
            ports=ports,
            options=self._options,
            rng=self._rng,
            on_change=self._changed.set,
        )

    def _last_words(self, timeout_s: float) -> str:
        late = [status for status in self.status() if status.state is not InstanceState.READY]
        words = [
            f"{status.name} is {status.state} (last exit: {status.last_exit}): "
            + " | ".join(status.log_tail[-5:])
            for status in late
        ]
        return f"embedded Tritons not ready within {timeout_s:g} s: " + "; ".join(words)


def command(
    options: FleetOptions, wheel: Wheel, ports: InstancePorts, folder: Path, segment_prefix: str
) -> tuple[str, ...]:
    """The argument list of one tritonserver."""
    return (
        str(wheel.server),
        f"--model-repository={options.model_repository}",
        f"--backend-directory={folder / 'backends'}",
        f"--cache-directory={wheel.caches}",
        "--model-control-mode=explicit",
        # Completing a configuration starts every Python model one time more and waits a second for
        # it to leave: 1.4 s for a load instead of 0.16 s. The configurations here are complete.
        "--disable-auto-complete-config",
        # Ready means that the server answers. Whether a model is ready is asked model by model,
        # and one model that fails to load must not take the others out of service.
        "--strict-readiness=false",
        f"--exit-timeout-secs={options.exit_timeout_s}",
        f"--http-address={ADDRESS}",
        f"--http-port={ports.http}",
        # HTTP serves health probes here; requests come by gRPC.
        "--http-thread-count=1",
        # A browser posts to this port for whatever page is open in it, and Triton asks for no proof
        # of origin. Who changes a server does it by gRPC; the word is told to nobody.
        f"--http-restricted-api={CHANGING_APIS}:x-tidegate={secrets.token_hex(16)}",
        f"--grpc-address={ADDRESS}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={ADDRESS}",
        f"--metrics-port={ports.metrics}",
        "--metrics-config=summary_latencies=true",
        "--allow-gpu-metrics=false",
        "--allow-cpu-metrics=false",
        "--trace-config=rate=0",
        f"--backend-config=python,shm-region-prefix-name={segment_prefix}",
        *options.extra_arguments,
    )


def create_lock(path: Path, folder: Path) -> int:
    """A lock file that nobody can see before it is locked; it names the folder it guards."""
    draft = path.with_name(f".{path.name}")
    descriptor = os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    os.write(descriptor, str(folder).encode())
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    draft.rename(path)
    return descriptor


def sweep() -> list[str]:
    """Removes what dead fleets left, in ``/dev/shm`` and in their folders; answers their names."""
    return [*_sweep(), *guardian.remove_triton_folders()]


def _sweep() -> Iterator[str]:
    for path in guardian.SHARED_MEMORY.glob(f"{NAME_PREFIX}*{guardian.LOCK_SUFFIX}"):
        # Everybody may write to /dev/shm, so a file there is not to be trusted for its name.
        with contextlib.suppress(OSError, ValueError):
            descriptor = os.open(path, LOCK_FLAGS)
            try:
                if not _is_own_file(descriptor):
                    continue
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                folder = Path(os.fsdecode(os.read(descriptor, LONGEST_PATH)))
                name = path.name.removesuffix(guardian.LOCK_SUFFIX)
                prefix = f"{name}-"
                guardian.kill_strays(prefix)
                guardian.remove_segments(prefix)
                # Only ever the folder that a fleet made together with this file.
                if folder.name == name:
                    guardian.remove_folder(folder)
                path.unlink(missing_ok=True)
                yield prefix
            finally:
                os.close(descriptor)


def _is_own_file(descriptor: int) -> bool:
    facts = os.fstat(descriptor)
    is_plain = stat.S_ISREG(facts.st_mode) and facts.st_nlink == 1
    return is_plain and facts.st_uid == os.getuid()
