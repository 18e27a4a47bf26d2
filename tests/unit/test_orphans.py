"""Whatever a process of pytest has started ends with it, also where it is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.servers.orphans import MARK, mark

ROOT = Path(__file__).parents[2]
# As a server is started: in a session of its own, one that starts others, one deaf to SIGTERM.
STARTER = """
import subprocess, sys
from tests.servers.orphans import start_watcher, stop_watcher

def start(code):
    command = [sys.executable, "-c", code]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, start_new_session=True
    )

watcher = start_watcher(grace_s=0.2)
waits = "import signal; print(flush=True); signal.pause()"
deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);" + waits
parent = (
    "import subprocess; one = subprocess.Popen(['sleep', '600']);"
    "print(one.pid, flush=True); one.wait()"
)
started = [start(waits), start(parent), start(deaf)]
inner = int([one.stdout.readline() for one in started][1])
print(*(one.pid for one in started), inner, flush=True)
input()
stop_watcher(watcher)
"""
PATIENT_S = 60.0


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, None])
def test_nothing_is_left(how: signal.Signals | None) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STARTER],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        started = [psutil.Process(int(pid)) for pid in starter.stdout.readline().split()]
        assert len(started) == 4
        if how is None:
            starter.communicate("\n", timeout=PATIENT_S)
            assert starter.returncode == 0
        else:
            starter.send_signal(how)
    _, left = psutil.wait_procs(started, PATIENT_S)
    assert left == []


def test_these_tests_are_watched() -> None:
    assert mark() == {MARK: os.environ[MARK]}


def test_servers_are_started_without_a_watcher_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the benchmarks do."""
    monkeypatch.delenv(MARK)
    assert mark() == {}
