from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.embedded import fleet, guardian, prerequisites
from control_plane.embedded.options import PORT_STRIDE
from control_plane.embedded.runtime import Wheel
from tests.servers.ports import free_ports

FAKE = Path(__file__).with_name("fake_tritonserver.py")


@pytest.fixture
def prefix() -> Iterator[str]:
    """A prefix of segments that is nobody else's."""
    prefix = f"tidegate-test-{secrets.token_hex(4)}-"
    yield prefix
    guardian.kill_strays(prefix)
    guardian.remove_segments(prefix)


@pytest.fixture
def base_port() -> int:
    return free_base_port(2)


def free_base_port(count: int) -> int:
    """A base port from which ``count`` instances find all theirs free."""
    return free_ports(PORT_STRIDE * count)


@pytest.fixture
def fake_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Wheel:
    """A wheel whose tritonserver is the fake one; the fleet finds it instead of the real."""
    folder = tmp_path / "wheel"
    (folder / "backends/python").mkdir(parents=True)
    (folder / "libs").mkdir()
    (folder / "stub").touch()
    server = folder / "tritonserver"
    server.write_text(f"#!{sys.executable} -S\n{FAKE.read_text()}")
    server.chmod(0o755)
    wheel = Wheel(server, folder / "libs", folder / "backends", folder / "caches", folder / "stub")
    for module in (fleet, prerequisites):
        monkeypatch.setattr(module.Wheel, "find", lambda: wheel)
        monkeypatch.setattr(module, "find_libpython", lambda: Path("libpython3.so.1.0"))
    return wheel


@pytest.fixture
def model_repository(tmp_path: Path) -> Path:
    model = tmp_path / "models" / "echo"
    model.mkdir(parents=True)
    (model / "config.pbtxt").touch()
    return model.parent
