"""What keeps ``tidegate up`` from starting is named with its remedy, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.integration.repositories import SHIPPED, copy_engines
from tests.integration.running import (
    TIDEGATE,
    RunningTidegate,
    command_line,
    environment,
    wait_until,
)
from tests.servers.ports import free_port, free_ports

Up = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.fixture
def up(tmp_path_factory: pytest.TempPathFactory) -> Up:
    """Runs ``tidegate up`` to its end, with a state of its own."""

    def run(**flags: object) -> subprocess.CompletedProcess[str]:
        chosen = {
            "tritons": 1,
            "model_repository": SHIPPED,
            "state_dir": tmp_path_factory.mktemp("state"),
            "http_port": free_port(),
            "grpc_port": free_port(),
            "triton_base_port": free_ports(10),
            **flags,
        }
        arguments = [f"--{name.replace('_', '-')}={value}" for name, value in chosen.items()]
        return command_line("up", *arguments, timeout_s=60)

    return run


@pytest.mark.parametrize("flag", ["http_port", "grpc_port", "triton_base_port"])
def test_a_taken_port_is_named_with_its_remedy(up: Up, taken_port: int, flag: str) -> None:
    done = up(**{flag: taken_port})
    assert done.returncode == 1
    complaint = done.stderr.splitlines()[-1]
    assert complaint.startswith("tidegate: ")
    assert str(taken_port) in complaint
    option = f"--{flag.replace('_', '-')}"
    setting = {"http_port": "http.port", "grpc_port": "grpc.port"}.get(flag, option)
    assert option in complaint or setting in complaint
    assert "Traceback" not in done.stderr


def test_a_missing_model_repository(up: Up, tmp_path: Path) -> None:
    done = up(model_repository=tmp_path / "nothing")
    assert done.returncode == 1
    assert done.stderr.startswith("tidegate: ")
    assert f"{tmp_path / 'nothing'} is not a folder" in done.stderr


def test_an_empty_model_repository(up: Up, tmp_path: Path) -> None:
    done = up(model_repository=tmp_path)
    assert done.returncode == 1
    assert "holds no model" in done.stderr


def test_a_release_that_pins_what_is_not_there(up: Up, tmp_path: Path) -> None:
    repository = copy_engines(tmp_path / "models", "damage")
    releases = repository / "releases.yaml"
    releases.write_text("engines: {damage: {stable: 2.0.0, releases: {2.0.0: {preprocess: 7}}}}")
    done = up(model_repository=repository)
    assert done.returncode == 1
    for word in ("engines.damage.releases.2.0.0", "preprocess", "7", "versions: 1"):
        assert word in done.stderr


def test_a_setting_that_is_wrong_names_field_origin_and_limit(up: Up) -> None:
    done = up(http_port=70_000)
    assert done.returncode == 1
    for word in ("http.port", "--http-port", "65535"):
        assert word in done.stderr


def test_serve_needs_an_instance() -> None:
    done = command_line("serve")
    assert done.returncode == 1
    assert "TIDEGATE_INSTANCES" in done.stderr
    assert "tidegate up" in done.stderr


def test_serve_without_its_tritons_is_alive_and_says_so(tmp_path: Path) -> None:
    """A remote fleet may come later; SIGINT ends it as SIGTERM does."""
    http_port = free_port()
    url = f"http://127.0.0.1:{http_port}"
    instances = f'[{{"name": "gpu-0", "grpc_url": "127.0.0.1:{free_port()}"}}]'
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(TIDEGATE),
                "serve",
                f"--model-repository={SHIPPED}",
                f"--http-port={http_port}",
                f"--grpc-port={free_port()}",
                f"--state-dir={tmp_path / 'state'}",
            ],
            env=environment(TIDEGATE_INSTANCES=instances),
            stdout=log,
            stderr=log,
        )
    try:
        _check_unready(url)
    finally:
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 0, (tmp_path / "log").read_text()


def _check_unready(url: str) -> None:
    def is_alive() -> bool:
        try:
            return httpx.get(f"{url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_alive)
    readiness = httpx.get(f"{url}/readyz")
    assert readiness.status_code == 503
    assert readiness.json()["code"] == "release_not_ready"
    health = httpx.get(f"{url}/api/v1/orchestrator/health").json()
    assert (health["status"], health["instances"]) == ("unavailable", {"gpu-0": "unreachable"})
    done = command_line("status", url=url)
    assert done.returncode == 1  # no engine can answer
    assert "unavailable" in done.stdout


@pytest.mark.triton
def test_sigterm_while_the_tritons_start(tmp_path: Path) -> None:
    running = RunningTidegate(tmp_path / "run", copy_engines(tmp_path / "models", "damage"), 1)
    running.start()
    wait_until(running.tritonservers)
    assert not running.is_ready()
    running.stop()
