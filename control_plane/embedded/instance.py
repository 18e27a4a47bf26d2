"""One embedded Triton: started through its guardian, watched, restarted after a crash.

The loop is: launch → wait until ready, ended or too late → wait for the end → back off → again.
It decides nothing about models or traffic; whether a Triton that answers is any good is for the
health loop to find out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from control_plane.core.backoff import backoff_s
from control_plane.embedded import guardian
from control_plane.embedded.lifecycle import (
    InstanceEvent,
    InstanceState,
    InstanceStatus,
    next_state,
)
from control_plane.embedded.logs import level_of, lines_of
from control_plane.embedded.options import ADDRESS, FleetOptions, InstancePorts, LogLevel, LogLine
from control_plane.embedded.readiness import is_ready

READY_POLL_S = 0.1
# What the guardian needs on top of Triton's own time to exit: kill, reap, remove.
GUARDIAN_MARGIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Launch:
    """How one instance's guardian is started."""

    command: tuple[str, ...]
    environment: dict[str, str]
    fleet_dir: Path
    lock: Path
    segment_prefix: str

    def guardian_spec(self, grace_s: float) -> str:
        return json.dumps(
            {
                "command": self.command,
                "fleet_dir": str(self.fleet_dir),
                "lock": str(self.lock),
                "segment_prefix": self.segment_prefix,
                "grace_s": grace_s,
            }
        )


class EmbeddedTriton:
    """Supervises one Triton. ``run`` is its loop; ``request_stop`` ends it."""

    def __init__(
        self,
        *,
        name: str,
        launch: Launch,
        ports: InstancePorts,
        options: FleetOptions,
        rng: random.Random,
        on_change: Callable[[], None],
    ) -> None:
        self.name = name
        self.ports = ports
        self._launch = launch
        self._options = options
        self._rng = rng
        self._on_change = on_change
        self._state = InstanceState.STOPPED
        self._restarts = 0
        self._last_exit: str | None = None
        self._log: deque[str] = deque(maxlen=options.kept_log_lines)
        self._stop = asyncio.Event()

    def __repr__(self) -> str:
        return f"<EmbeddedTriton {self.name} {self._state} grpc={self.ports.grpc}>"

    def status(self) -> InstanceStatus:
        return InstanceStatus(
            name=self.name,
            state=self._state,
            http_url=f"{ADDRESS}:{self.ports.http}",
            grpc_url=f"{ADDRESS}:{self.ports.grpc}",
            metrics_url=f"http://{ADDRESS}:{self.ports.metrics}/metrics",
            restarts=self._restarts,
            last_exit=self._last_exit,
            log_tail=tuple(self._log),
        )

    def request_stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Until a stop is requested or the task is cancelled; leaves no process behind."""
        failures = 0
        clock = asyncio.get_running_loop().time
        try:
            while not self._stop.is_set():
                started_at = clock()
                self._move(InstanceEvent.LAUNCHED)
                try:
                    self._last_exit = await self._run_once()
                except OSError as error:
                    # This machine is short of something, processes or descriptors for
                    # instance: as a crash, it may be over at the next try.
                    self._last_exit = f"could not be run: {error}"
                if self._stop.is_set():
                    break
                was_stable = clock() - started_at >= self._options.stable_after_s
                failures = 1 if was_stable else failures + 1
                pause_s = backoff_s(
                    failures,
                    first_s=self._options.first_back_off_s,
                    most_s=self._options.longest_back_off_s,
                    rng=self._rng,
                )
                self._report(
                    LogLevel.ERROR, f"{self.name}: {self._last_exit}; again in {pause_s:.1f} s"
                )
                self._move(InstanceEvent.ENDED)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), pause_s)
                if not self._stop.is_set():
                    self._restarts += 1
        finally:
            self._move(InstanceEvent.STOPPED)

    async def _run_once(self) -> str:
        """One process from launch to end; answers why it ended."""
        grace_s = self._options.exit_timeout_s + GUARDIAN_MARGIN_S
        process, output = await self._start_guardian(grace_s)
        logging = asyncio.create_task(self._read_log(output), name=f"{self.name} log")
        ending = asyncio.create_task(process.wait(), name=f"{self.name} end")
        stopping = asyncio.create_task(self._stop.wait(), name=f"{self.name} stop")
        is_late = False
        try:
            is_late = not await self._wait_ready(ending, stopping)
            if not is_late:
                await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            # Also on the way out of a cancellation: the guardian is always seen to its end.
            await asyncio.shield(self._end(process, ending, logging, grace_s))
        if is_late:
            return f"not ready within {self._options.start_timeout_s:g} s"
        return reason_of(process.returncode)

    async def _start_guardian(self, grace_s: float) -> tuple[Process, LogPipe]:
        # A pipe of its own: asyncio takes a process for running while anyone, a stub for instance,
        # holds a pipe that asyncio made for it.
        output, output_writer = await log_pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-S",
                "-E",
                "-B",
                guardian.__file__,
                self._launch.guardian_spec(grace_s),
                stdin=PIPE,
                stdout=output_writer,
                stderr=STDOUT,
                env=self._launch.environment,
                start_new_session=True,
            )
        except BaseException:
            output.transport.close()
            raise
        finally:
            os.close(output_writer)
        return process, output

    async def _wait_ready(self, ending: asyncio.Task[int], stopping: asyncio.Task[bool]) -> bool:
        """False when the time to become ready is over; true when ready, ended or stopping."""
        give_up_at = asyncio.get_running_loop().time() + self._options.start_timeout_s
        while asyncio.get_running_loop().time() < give_up_at:
            if await is_ready(self.ports.http) and not ending.done():
                self._move(InstanceEvent.BECAME_READY)
                return True
            await asyncio.wait(
                {ending, stopping}, timeout=READY_POLL_S, return_when=asyncio.FIRST_COMPLETED
            )
            if ending.done() or stopping.done():
                return True
        return False

    async def _end(
        self,
        process: Process,
        ending: asyncio.Task[int],
        logging: asyncio.Task[None],
        grace_s: float,
    ) -> None:
        """Asks the guardian to stop, waits for it, and clears up after one that was killed."""
        if process.stdin is not None:
            with contextlib.suppress(ConnectionError, RuntimeError):
                process.stdin.write(guardian.STOP_WORD)
                await process.stdin.drain()
            process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(ending), grace_s + guardian.KILL_WAIT_S)
        if not ending.done():
            process.kill()
            await ending
        if ending.result() == -signal.SIGKILL:
            guardian.kill_strays(self._launch.segment_prefix)
            guardian.remove_segments(self._launch.segment_prefix)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(logging, guardian.KILL_WAIT_S)

    async def _read_log(self, output: LogPipe) -> None:
        try:
            async for line in lines_of(output.reader):
                self._report(level_of(line), line)
        finally:
            output.transport.close()

    def _report(self, level: LogLevel, text: str) -> None:
        if level is not LogLevel.DEBUG:
            self._log.append(text)
        self._options.on_log(LogLine(self.name, level, text))

    def _move(self, event: InstanceEvent) -> None:
        self._state = next_state(self._state, event)
        self._on_change()


@dataclass(frozen=True, slots=True)
class LogPipe:
    """The reading end of an instance's output."""

    reader: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def log_pipe() -> tuple[LogPipe, int]:
    """A pipe whose reading end the event loop watches, and the descriptor to write to it."""
    reading, writing = os.pipe()
    reader = asyncio.StreamReader()
    source = os.fdopen(reading, "rb")
    try:
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), source
        )
    except BaseException:
        source.close()
        os.close(writing)
        raise
    return LogPipe(reader, transport), writing


def reason_of(status: int | None) -> str:
    """Why tritonserver ended, from its guardian's exit status (128 + n: killed by signal n)."""
    if status is None:
        return "still running"
    if status < 0:
        return f"its guardian was killed by {signal.Signals(-status).name}"
    if status > 128:
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(status - 128).name}"
    return f"exited with status {status}"
