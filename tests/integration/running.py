"""One real ``tidegate up``: started, waited for, asked, stopped, and searched for afterwards.

Everything waits for a condition with a deadline. Nothing here is shared between processes:
free ports, a folder of its own, and only processes that descend from the one started.
"""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import psutil

from tests.servers.ports import free_port, free_ports

ROOT = Path(__file__).resolve().parents[2]
TIDEGATE = Path(sys.executable).parent / "tidegate"
SHARED_MEMORY = Path("/dev/shm")
# For requests in plain HTTP: httpx reads all of the system's certificates for each one else, which
# takes 50 ms of a processor that the Tritons need.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
# Generous: the machine may be busy with other things. Nothing waits this long when all is well.
READY_TIMEOUT_S = 180.0
STOP_TIMEOUT_S = 60.0
WAIT_TIMEOUT_S = 30.0

Value = TypeVar("Value")


def wait_until(
    condition: Callable[[], Value], *, timeout_s: float = WAIT_TIMEOUT_S, what: str = ""
) -> Value:
    """The first true value of ``condition``; AssertionError when there is none in time."""
    give_up_s = time.monotonic() + timeout_s
    while not (value := condition()):
        assert time.monotonic() < give_up_s, f"not within {timeout_s:g} s: {what or condition}"
        time.sleep(0.02)
    return value


def environment(**extra: str) -> dict[str, str]:
    """This process's environment without what would configure a Tidegate behind our back."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    return {**kept, **extra}


def command_line(
    *arguments: str, url: str = "", cwd: Path = ROOT, timeout_s: float = 90
) -> subprocess.CompletedProcess[str]:
    """Runs ``tidegate`` to its end."""
    extra = {"TIDEGATE_URL": url} if url else {}
    return subprocess.run(
        [str(TIDEGATE), *arguments],
        env=environment(**extra),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass
class RunningTidegate:
    """A ``tidegate up`` on free ports, logging JSON to ``folder/log.jsonl``.

    Without a result cache, unless the settings say otherwise: a photo that is sent again is meant
    to be looked at again.
    """

    folder: Path
    model_repository: Path
    tritons: int
    settings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http_port = free_port()
        self.grpc_port = free_port()
        self.triton_base_port = free_ports(10 * max(1, self.tritons))
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.grpc = f"127.0.0.1:{self.grpc_port}"
        self.log_file = self.folder / "log.jsonl"
        self._family: dict[int, psutil.Process] = {}
        self._fleet_ids: set[str] = set()

    @property
    def triton_urls(self) -> dict[str, str]:
        """The gRPC address of each Triton by the instance's name."""
        return {
            f"triton-{index}": f"127.0.0.1:{self.triton_base_port + 10 * index + 1}"
            for index in range(self.tritons)
        }

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                env=environment(**{"TIDEGATE_CACHE__KIND": "off", **self.settings}),
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def command(self) -> list[str]:
        return [
            str(TIDEGATE),
            "up",
            f"--tritons={self.tritons}",
            f"--model-repository={self.model_repository}",
            f"--triton-base-port={self.triton_base_port}",
            f"--http-port={self.http_port}",
            f"--grpc-port={self.grpc_port}",
            f"--state-dir={self.folder / 'state'}",
            "--log-format=json",
        ]

    def wait_ready(self) -> None:
        give_up_s = time.monotonic() + READY_TIMEOUT_S
        while not self.is_ready():
            assert self.process.poll() is None, f"tidegate ended:\n{self.last_words()}"
            assert time.monotonic() < give_up_s, f"tidegate is not ready:\n{self.last_words()}"
            time.sleep(0.05)
        self.remember_family()

    def is_ready(self) -> bool:
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5, verify=NO_CERTIFICATES)
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK

    def instances(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get("/api/v1/fleet")["instances"]
        return found

    def are_all_ready(self) -> bool:
        return all(
            instance["state"] == "ready" and instance["health"] == "healthy"
            for instance in self.instances()
        )

    def wait_idle(self) -> None:
        """Until no instance has a request in flight."""
        wait_until(
            lambda: not any(instance["in_flight"] for instance in self.instances()),
            what="no request in flight",
        )

    def get(self, path: str) -> Any:
        answer = httpx.get(self.url + path, timeout=10, verify=NO_CERTIFICATES)
        answer.raise_for_status()
        return answer.json()

    def detect(self, photo: bytes, **fields: str) -> httpx.Response:
        headers = {name: fields.pop(name) for name in list(fields) if name.lower().startswith("x-")}
        return httpx.post(
            f"{self.url}/api/v1/orchestrator/detect",
            files={"photo": ("photo.jpg", photo)},
            data=fields,
            headers=headers,
            timeout=60,
            verify=NO_CERTIFICATES,
        )

    def log_lines(self, correlation_id: str | None = None) -> list[dict[str, Any]]:
        """What was logged so far, the whole of it or one request's."""
        lines = [json.loads(line) for line in self.log_file.read_text().splitlines() if line]
        if correlation_id is None:
            return lines
        return [line for line in lines if line.get("correlation_id") == correlation_id]

    def last_words(self) -> str:
        return self.log_file.read_text()[-6000:]

    def remember_family(self) -> list[psutil.Process]:
        """All processes that descend from this one now; they must be gone in the end."""
        for process in psutil.Process(self.process.pid).children(recursive=True):
            self._family[process.pid] = process
            try:
                arguments = " ".join(process.cmdline())
            except psutil.Error:
                continue  # it ended meanwhile
            self._fleet_ids.update(re.findall(r"tidegate-([0-9a-f]{8})-\d+-", arguments))
        return list(self._family.values())

    def tritonservers(self) -> list[psutil.Process]:
        return [p for p in self.remember_family() if p.is_running() and p.name() == "tritonserver"]

    def leftovers(self) -> list[str]:
        """Processes and shared-memory segments of this Tidegate that still exist."""
        alive = [
            f"process {process.pid} {process.name()}"
            for process in self._family.values()
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        ]
        segments = [
            str(path)
            for fleet_id in self._fleet_ids
            for path in SHARED_MEMORY.glob(f"tidegate-{fleet_id}*")
        ]
        return alive + segments

    def terminate(self) -> None:
        """SIGTERM, without waiting."""
        self.remember_family()
        self.process.send_signal(signal.SIGTERM)

    def wait_stopped(self) -> int:
        """The exit status, after everything of it is gone."""
        try:
            status = self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"tidegate did not stop:\n{self.last_words()}") from None
        wait_until(lambda: not self.leftovers(), timeout_s=10, what=f"gone: {self.leftovers()}")
        return status

    def stop(self) -> None:
        """Ends it gently and asserts that it ended well and left nothing."""
        if self.process.poll() is not None:
            return
        self.terminate()
        assert self.wait_stopped() == 0, self.last_words()
        assert self._fleet_ids, "the fleet's segments were never seen, so nothing was proved"


def options_of(settings: Mapping[str, object]) -> dict[str, str]:
    """Dotted settings as the environment has them."""
    return {
        "TIDEGATE_" + name.upper().replace(".", "__"): (
            value if isinstance(value, str) else json.dumps(value)
        )
        for name, value in settings.items()
    }


def lines_of(text: str | Sequence[str]) -> list[dict[str, Any]]:
    """JSON objects, one a line."""
    rows = text.splitlines() if isinstance(text, str) else text
    return [json.loads(row) for row in rows if row.strip()]
