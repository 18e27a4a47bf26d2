"""What a machine must have to run embedded Tritons, checked one by one, each with its remedy.

``tidegate doctor`` prints the findings and the fleet refuses to start on a bad one: both read the
same list. Every check looks and changes nothing.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from control_plane.embedded.guardian import SHARED_MEMORY
from control_plane.embedded.options import ADDRESS, FleetOptions
from control_plane.embedded.runtime import PYTHON_VERSION, Wheel, find_libpython
from control_plane.errors import ConfigurationError

OLDEST_GLIBC = (2, 35)
SUPPORTED_PYTHON = ((3, 11), (3, 12))
# Each Python model takes 1 MiB and grows with its tensors; measured with all engines loaded.
SHARED_MEMORY_PER_TRITON = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: what was found, and what mends it where it is not well."""

    name: str
    is_ok: bool
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        mark = "ok" if self.is_ok else "MISSING"
        return f"{self.name}: {mark}: {self.detail}" + (f" -> {self.remedy}" if self.remedy else "")


class MissingPrerequisite(ConfigurationError):
    """This machine cannot run embedded Tritons as asked; ``findings`` says all that was checked."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        bad = [f"{each.detail} ({each.remedy})" for each in findings if not each.is_ok]
        super().__init__("cannot start embedded Tritons: " + "; ".join(bad))


def check(options: FleetOptions) -> list[Finding]:
    """Every prerequisite of ``options`` on this machine, in the order in which to mend them."""
    return [
        check_platform(sys.platform, platform.machine()),
        check_python(sys.version_info[:2]),
        check_wheel(Wheel.find()),
        check_packages(("numpy", "onnxruntime", "PIL")),
        check_libpython(find_libpython()),
        check_glibc(glibc_version()),
        check_shared_memory(options.count),
        check_model_repository(options.model_repository),
        *check_ports(options),
    ]


def check_platform(system: str, machine: str) -> Finding:
    is_ok = system == "linux" and machine == "x86_64"
    remedy = "" if is_ok else "run `tidegate serve` against Triton containers instead"
    return Finding("platform", is_ok, f"{system} on {machine} (needs linux on x86_64)", remedy)


def check_python(version: tuple[int, ...]) -> Finding:
    spelled = ".".join(map(str, version))
    supported = " or ".join(".".join(map(str, each)) for each in SUPPORTED_PYTHON)
    is_ok = version in SUPPORTED_PYTHON
    remedy = "" if is_ok else f"make the virtual environment with Python {supported}"
    return Finding("python", is_ok, f"Python {spelled} (needs {supported})", remedy)


def check_wheel(wheel: Wheel | None) -> Finding:
    remedy = "pip install 'tidegate[embedded]'"
    if wheel is None:
        return Finding("wheel", False, "the package nvidia-pytriton is not installed", remedy)
    needed = (wheel.server, wheel.libraries, wheel.backends / "python", wheel.stub)
    absent = [path.name for path in needed if not path.exists()]
    if absent:
        detail = f"the nvidia-pytriton wheel lacks {', '.join(absent)} for Python {PYTHON_VERSION}"
        return Finding("wheel", False, detail, f"{remedy} --force-reinstall")
    return Finding("wheel", True, f"tritonserver in {wheel.server.parent}")


def check_packages(names: tuple[str, ...]) -> Finding:
    """What the models and the onnxruntime backend import inside Triton's stubs."""
    absent = [name for name in names if importlib.util.find_spec(name) is None]
    if absent:
        detail = f"the models need {', '.join(absent)}, which cannot be imported"
        return Finding("packages", False, detail, "pip install 'tidegate[embedded]'")
    return Finding("packages", True, f"{', '.join(names)} are installed")


def check_libpython(libpython: Path | None) -> Finding:
    if libpython is not None:
        return Finding("libpython", True, str(libpython))
    return Finding(
        "libpython",
        False,
        f"libpython{PYTHON_VERSION}.so.1.0 was not found; Triton's Python stubs need it",
        f"Debian, Ubuntu: apt-get install libpython{PYTHON_VERSION}; "
        f"pyenv: PYTHON_CONFIGURE_OPTS=--enable-shared pyenv install {PYTHON_VERSION}",
    )


def glibc_version() -> tuple[int, int] | None:
    try:
        spelled = os.confstr("CS_GNU_LIBC_VERSION") or ""
        major, minor = spelled.removeprefix("glibc ").split(".")[:2]
        return int(major), int(minor)
    except (ValueError, OSError):
        return None


def check_glibc(version: tuple[int, int] | None) -> Finding:
    needed = ".".join(map(str, OLDEST_GLIBC))
    found = "none" if version is None else ".".join(map(str, version))
    is_ok = version is not None and version >= OLDEST_GLIBC
    remedy = "" if is_ok else "use Debian 12, Ubuntu 22.04 or newer, or Triton containers"
    return Finding("glibc", is_ok, f"glibc {found} (needs {needed} or newer)", remedy)


def check_shared_memory(count: int, folder: Path = SHARED_MEMORY) -> Finding:
    needed = count * SHARED_MEMORY_PER_TRITON
    remedy = (
        f"free space in {folder}, or enlarge it: `mount -o remount,size=512m {folder}`, "
        "docker run --shm-size=512m"
    )
    try:
        free = shutil.disk_usage(folder).free
    except OSError as failure:
        return Finding("shared memory", False, f"{folder}: {failure.strerror}", remedy)
    tritons = "1 Triton" if count == 1 else f"{count} Tritons"
    detail = f"{free >> 20} MiB free in {folder} (needs {needed >> 20} MiB for {tritons})"
    return Finding("shared memory", free >= needed, detail, "" if free >= needed else remedy)


def check_model_repository(folder: Path) -> Finding:
    has_models = folder.is_dir() and any(folder.glob("*/config.pbtxt"))
    detail = f"{folder} holds models" if has_models else f"{folder} holds no model"
    remedy = "" if has_models else "name the folder with --model-repository"
    return Finding("model repository", has_models, detail, remedy)


def check_ports(options: FleetOptions) -> Iterator[Finding]:
    """One finding for each port that is taken, or a single good one."""
    taken = [
        (port, purpose, f"triton-{index}")
        for index in range(options.count)
        for purpose, port in options.ports(index).purposes().items()
        if not is_free(port)
    ]
    if not taken:
        last = options.ports(options.count - 1).metrics
        yield Finding("ports", True, f"{options.base_port}-{last} are free on {ADDRESS}")
    for port, purpose, instance in taken:
        holder = listener_of(port)
        detail = f"port {port} ({purpose} of {instance}) is taken" + (
            f" by {holder}" if holder else ""
        )
        yield Finding("ports", False, detail, "stop it, or choose others with --triton-base-port")


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as failure:
            return failure.errno not in (errno.EADDRINUSE, errno.EACCES)
        except OverflowError:
            return False
    return True


def listener_of(port: int) -> str | None:
    """The process that listens on ``port``, where this user may know it."""
    try:
        import psutil

        for connection in psutil.net_connections("inet"):
            is_listener = connection.status == psutil.CONN_LISTEN
            if is_listener and connection.pid and connection.laddr[1:] == (port,):
                return f"{psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except Exception:
        return None
    return None
