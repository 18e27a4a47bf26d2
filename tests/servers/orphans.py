"""What tests start ends with them, also where they are killed and stop nothing themselves.

Each process of pytest marks its environment, which whatever it starts inherits, and has a watcher:
a process in a session of its own, out of reach of signals that are meant for the tests, which reads
from a pipe that nobody writes to. The pipe ends when its writer does, in whatever way; then the
watcher ends all that bears the mark.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid

import psutil

MARK = "STARTED_BY_TESTS"
KILL_WAIT_S = 10.0
ROUNDS = 5


def start_watcher(*, grace_s: float = 10.0) -> subprocess.Popen[bytes]:
    """To be given to ``stop_watcher``. What this process starts from now on is ended with it.

    grace_s: how long it may take to end by itself.
    """
    run = uuid.uuid4().hex
    # Without a mark: a process of pytest-xdist has that of the one that started it, and so would
    # its watcher, and be ended before it could do its work.
    unmarked = {name: value for name, value in os.environ.items() if name != MARK}
    watcher = subprocess.Popen(
        # Not from its own folder, where a redis.py lies that is not the client's.
        [sys.executable, "-P", __file__, run, str(grace_s)],
        env=unmarked,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.environ[MARK] = run
    return watcher


def stop_watcher(watcher: subprocess.Popen[bytes]) -> None:
    """Waits until nothing is left."""
    watcher.communicate()


def mark() -> dict[str, str]:
    """For what is started with an environment of its own; nothing where no watcher is."""
    return {name: value for name, value in os.environ.items() if name == MARK}


def marked(run: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.environ().get(MARK) == run:
                found.append(process)
    return found


def end_all(run: str, grace_s: float) -> None:
    """First gently: a Tidegate that ends so leaves no shared memory."""
    left = marked(run)
    for process in left:
        with contextlib.suppress(psutil.Error):
            process.terminate()
    psutil.wait_procs(left, grace_s)
    for _ in range(ROUNDS):  # what was being started meanwhile too
        left = marked(run)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, KILL_WAIT_S)
        if not left:
            return


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end_all(sys.argv[1], float(sys.argv[2]))
