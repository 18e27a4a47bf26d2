"""A Redis of the tests' own: on a free port, with a password, and nothing kept on a disk."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time

from redis import Redis
from redis.exceptions import RedisError

from tests.servers.ports import free_port

PASSWORD = "correct-horse"
MISSING = "redis-server is missing here; scripts/install_test_servers.sh gets it"
START_TIMEOUT_S = 20


def has_redis() -> bool:
    return shutil.which("redis-server") is not None


class RedisServer:
    """One redis-server, which can be stopped and started, killed, and stalled."""

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Empty, and on the same port as before."""
        if self._process is not None:
            return
        options = ("--port", str(self.port), "--bind", "127.0.0.1", "--requirepass", PASSWORD)
        self._process = subprocess.Popen(
            ["redis-server", *options, "--save", "", "--appendonly", "no"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended while it started"
            assert time.monotonic() < give_up_at, "redis-server did not start in time"
            time.sleep(0.02)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stall(self) -> None:
        """It keeps its connections, takes new ones, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def client(self) -> Redis:
        """For a test to look at what is there; to be closed by it."""
        return Redis.from_url(self.url)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.send_signal(signal.SIGCONT)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except RedisError:
                return False
