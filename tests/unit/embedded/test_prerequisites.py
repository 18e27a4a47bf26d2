"""Each finding, good and bad, without a Triton."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.embedded import prerequisites
from control_plane.embedded.options import ADDRESS, FleetOptions
from control_plane.embedded.prerequisites import (
    Finding,
    MissingPrerequisite,
    check,
    check_glibc,
    check_libpython,
    check_model_repository,
    check_packages,
    check_platform,
    check_ports,
    check_python,
    check_shared_memory,
    check_wheel,
)
from control_plane.embedded.runtime import Wheel
from control_plane.errors import ErrorCode
from tests.unit.embedded.conftest import free_base_port


@pytest.fixture
def listener() -> Iterator[int]:
    port = free_base_port(1) + 1
    with socket.create_server((ADDRESS, port)):
        yield port


def wheel_in(folder: Path) -> Wheel:
    return Wheel(
        server=folder / "tritonserver",
        libraries=folder / "libs",
        backends=folder / "backends",
        caches=folder / "caches",
        stub=folder / "stub",
    )


def test_the_wheel_missing() -> None:
    finding = check_wheel(None)
    assert not finding.is_ok
    assert finding.remedy == "pip install 'tidegate[embedded]'"


def test_the_wheel_incomplete_names_what_is_missing(tmp_path: Path) -> None:
    finding = check_wheel(wheel_in(tmp_path))
    assert not finding.is_ok
    assert "tritonserver" in finding.detail
    assert "stub" in finding.detail


def test_the_wheel_whole(tmp_path: Path) -> None:
    wheel = wheel_in(tmp_path)
    for path in (wheel.server, wheel.stub):
        path.touch()
    for path in (wheel.libraries, wheel.backends / "python"):
        path.mkdir(parents=True)
    assert check_wheel(wheel).is_ok


def test_packages_missing_are_named() -> None:
    finding = check_packages(("numpy", "no_such_package"))
    assert not finding.is_ok
    assert finding.detail == "the models need no_such_package, which cannot be imported"
    assert check_packages(("numpy",)).is_ok


def test_libpython_missing_names_both_remedies() -> None:
    finding = check_libpython(None)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert not finding.is_ok
    assert f"apt-get install libpython{version}" in finding.remedy
    assert "--enable-shared" in finding.remedy


def test_libpython_found() -> None:
    assert check_libpython(Path("/somewhere/libpython3.11.so.1.0")).is_ok


@pytest.mark.parametrize(
    ("version", "is_ok"), [((2, 31), False), ((2, 35), True), ((2, 36), True), (None, False)]
)
def test_glibc(version: tuple[int, int] | None, is_ok: bool) -> None:
    finding = check_glibc(version)
    assert finding.is_ok is is_ok
    assert bool(finding.remedy) is not is_ok
    assert "2.35" in finding.detail


def test_glibc_of_a_system_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "confstr", lambda _name: "musl")
    assert prerequisites.glibc_version() is None


@pytest.mark.parametrize(
    ("version", "is_ok"), [((3, 10), False), ((3, 11), True), ((3, 12), True), ((3, 13), False)]
)
def test_python(version: tuple[int, int], is_ok: bool) -> None:
    finding = check_python(version)
    assert finding.is_ok is is_ok
    assert "3.11 or 3.12" in finding.detail


@pytest.mark.parametrize(
    ("system", "machine", "is_ok"),
    [("linux", "x86_64", True), ("darwin", "arm64", False), ("linux", "aarch64", False)],
)
def test_platform(system: str, machine: str, is_ok: bool) -> None:
    assert check_platform(system, machine).is_ok is is_ok


def test_shared_memory_too_small_says_how_to_enlarge_it(tmp_path: Path) -> None:
    finding = check_shared_memory(10**9, tmp_path)
    assert not finding.is_ok
    assert "--shm-size" in finding.remedy


@pytest.mark.parametrize(("count", "words"), [(1, "for 1 Triton)"), (2, "for 2 Tritons)")])
def test_shared_memory_is_counted_by_tritons(tmp_path: Path, count: int, words: str) -> None:
    assert check_shared_memory(count, tmp_path).detail.endswith(words)


def test_shared_memory_absent(tmp_path: Path) -> None:
    finding = check_shared_memory(1, tmp_path / "nowhere")
    assert not finding.is_ok
    assert "No such file" in finding.detail


def test_a_model_repository_needs_a_model(tmp_path: Path) -> None:
    assert not check_model_repository(tmp_path).is_ok
    (tmp_path / "echo").mkdir()
    (tmp_path / "echo" / "config.pbtxt").touch()
    assert check_model_repository(tmp_path).is_ok


def test_a_taken_port_is_named_with_its_purpose_its_holder_and_the_flag(
    listener: int, tmp_path: Path
) -> None:
    (finding,) = check_ports(FleetOptions(tmp_path, count=1, base_port=listener - 1))
    assert not finding.is_ok
    assert f"port {listener} (gRPC of triton-0) is taken" in finding.detail
    assert f"pid {os.getpid()}" in finding.detail
    assert "--triton-base-port" in finding.remedy


def test_a_holder_that_cannot_be_known_is_left_out(
    listener: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prerequisites, "listener_of", lambda _port: None)
    (finding,) = check_ports(FleetOptions(tmp_path, count=1, base_port=listener - 1))
    assert finding.detail == f"port {listener} (gRPC of triton-0) is taken"


def test_a_port_beyond_the_last_is_no_free_port(tmp_path: Path) -> None:
    findings = list(check_ports(FleetOptions(tmp_path, count=1, base_port=65_534)))
    assert any("65536" in finding.detail for finding in findings if not finding.is_ok)


def test_free_ports_make_one_good_finding(listener: int, tmp_path: Path) -> None:
    findings = list(check_ports(FleetOptions(tmp_path, count=0, base_port=listener)))
    assert [finding.is_ok for finding in findings] == [True]


def test_check_looks_at_everything(tmp_path: Path) -> None:
    names = [finding.name for finding in check(FleetOptions(tmp_path, count=1, base_port=1))]
    assert names[:8] == [
        "platform",
        "python",
        "wheel",
        "packages",
        "libpython",
        "glibc",
        "shared memory",
        "model repository",
    ]
    assert set(names[8:]) == {"ports"}


def test_the_error_holds_every_bad_finding_and_its_remedy() -> None:
    bad = Finding("glibc", False, "glibc 2.31", "use Debian 12")
    error = MissingPrerequisite([Finding("python", True, "Python 3.11"), bad])
    assert error.code is ErrorCode.CONFIGURATION
    assert error.message == "cannot start embedded Tritons: glibc 2.31 (use Debian 12)"
    assert str(bad) == "glibc: MISSING: glibc 2.31 -> use Debian 12"
