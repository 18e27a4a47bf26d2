"""The processes of a run: started in an instant, killed, and started again as by a supervisor.

They are forked from a server that has imported everything, so that a hundred crashes cost
seconds; each is a process of its own all the same, with nothing of its parent's but the code.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import ForkServerProcess
from typing import Any

import psutil

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.integration.queue_faults.programs"])
STOP_TIMEOUT_S = 30.0
LOOK_EVERY_S = 0.02
UNKNOWN = 255
"""What is said of one that was killed before its server had written down that it runs."""

MOST_FAILURES = 5
"""Of a program: it is not started again and again when something is wrong with it."""

Arguments = tuple[Any, ...]


class Supervised:
    """So many processes of one program, each followed by another one when it ends too early.

    arguments: of the first, the second and so on; where there are no more, ``then``'s.
    """

    def __init__(
        self,
        program: Callable[..., None],
        *,
        count: int,
        arguments: Sequence[Arguments] = (),
        then: Arguments = (),
    ) -> None:
        self._program = program
        self._arguments = itertools.chain(arguments, itertools.repeat(then))
        self._left = len(arguments)
        self._lock = threading.Lock()
        self._running = [self._start() for _ in range(count)]
        self._is_over = threading.Event()
        self.deaths = 0
        self.failures: list[int | None] = []
        """Exit statuses of those that ended by themselves, and not by a signal."""
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    @property
    def left(self) -> int:
        """How many of the arguments have not been used yet."""
        return max(0, self._left)

    @property
    def is_done(self) -> bool:
        """Whether all have ended as they should."""
        assert len(self.failures) < MOST_FAILURES, f"{self._program.__name__} cannot be run"
        return all(one.exitcode == 0 for one in self._running)

    def pids(self) -> list[int]:
        with self._lock:
            return [one.pid for one in self._running if one.pid is not None]

    def kill_one(self, index: int) -> None:
        """Another one follows. One that is done is left alone: its number may be another's."""
        with self._lock:
            process = self._running[index]
            if process.exitcode is None and process.pid is not None:
                os.kill(process.pid, signal.SIGKILL)

    def memory_bytes(self, index: int) -> int:
        """Of one of them: what is its own alone."""
        return int(psutil.Process(self.pids()[index]).memory_full_info().uss)

    def stop(self) -> None:
        """By SIGTERM, as a supervisor would; who does not end in time is killed and told of."""
        self._is_over.set()
        self._thread.join()
        for process in self._running:
            process.terminate()
        give_up_s = time.monotonic() + STOP_TIMEOUT_S
        for process in self._running:
            process.join(max(0.0, give_up_s - time.monotonic()))
            if process.exitcode is None:
                process.kill()
                process.join()
            # One that was only just started has not learnt yet what SIGTERM means.
            if process.exitcode not in (0, -signal.SIGTERM, UNKNOWN):
                self.failures.append(process.exitcode)

    def _start(self) -> ForkServerProcess:
        self._left -= 1
        process = _CONTEXT.Process(target=self._program, args=next(self._arguments))
        process.start()
        return process

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_EVERY_S):
            for index, process in enumerate(self._running):
                if process.exitcode is None or process.exitcode == 0:
                    continue
                if process.exitcode not in (-signal.SIGKILL, UNKNOWN):
                    self.failures.append(process.exitcode)
                    if len(self.failures) >= MOST_FAILURES:
                        return
                self.deaths += 1
                with self._lock:
                    self._running[index] = self._start()


@contextmanager
def supervised(
    program: Callable[..., None],
    *,
    count: int = 1,
    arguments: Sequence[Arguments] = (),
    then: Arguments = (),
) -> Iterator[Supervised]:
    processes = Supervised(program, count=count, arguments=arguments, then=then)
    try:
        yield processes
    finally:
        processes.stop()


def end_with_parent() -> None:
    """In a process of a run: it is not to outlive who started it."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
