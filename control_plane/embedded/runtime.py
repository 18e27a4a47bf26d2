"""Finds the Triton inside the nvidia-pytriton wheel and prepares the private folder it runs from.

The wheel holds the real server, the Python backend and a stub for each Python version, but not in
the places where the server looks for them. So each fleet gets a folder of its own:

    backends/python/        the Python backend with the stub for this Python
    backends/onnxruntime/   Tidegate's Python-based backend
    lib/                    libpython alone, so that nothing else of its folder shadows a library
    python/                 a tiny virtual environment for the stubs

The stubs start Python in *isolated* mode: ``PYTHONPATH``, ``PYTHONHOME`` and
``PYTHONDONTWRITEBYTECODE`` have no effect, and packages come from the environment of whichever
``python3`` is first on ``PATH``. ``python/`` is that environment: its one ``.pth`` file adds this
interpreter's packages and turns the writing of ``__pycache__`` off, which would make Triton reload
models.
"""

from __future__ import annotations

import ctypes.util
import importlib.util
import os
import shutil
import site
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

BACKENDS = Path(__file__).parent / "backends"
PYTHON_VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY_FOLDERS = ("/usr/lib", "/usr/local/lib", "/usr/lib64", "/lib")
# Never handed to models: credentials, and what would make the stubs measure coverage.
PRIVATE_VARIABLES = ("TIDEGATE_", "COVERAGE_", "COV_CORE_", "PYTEST_")


@dataclass(frozen=True, slots=True)
class Wheel:
    """Where the parts of the nvidia-pytriton wheel lie."""

    server: Path
    libraries: Path
    backends: Path
    caches: Path
    stub: Path

    @classmethod
    def find(cls) -> Wheel | None:
        """The installed wheel, or nothing; the package itself is never imported."""
        spec = importlib.util.find_spec("pytriton")
        if spec is None or not spec.submodule_search_locations:
            return None
        package = Path(spec.submodule_search_locations[0])
        triton = package / "tritonserver"
        return cls(
            server=triton / "bin" / "tritonserver",
            libraries=package.parent / "nvidia_pytriton.libs",
            backends=triton / "backends",
            caches=triton / "caches",
            stub=triton / "python_backend_stubs" / PYTHON_VERSION / "triton_python_backend_stub",
        )


def find_libpython(name: str | None = None) -> Path | None:
    """The shared library of this very Python, else one of the same version that the system has."""
    name = name or f"libpython{PYTHON_VERSION}.so.1.0"
    own = [sysconfig.get_config_var("LIBDIR"), str(Path(sys.base_prefix) / "lib")]
    multiarch = sysconfig.get_config_var("MULTIARCH")
    system = [f"{folder}/{multiarch}" for folder in LIBRARY_FOLDERS] if multiarch else []
    for folder in [*own, *system, *LIBRARY_FOLDERS]:
        if folder and (Path(folder) / name).is_file():
            return Path(folder) / name
    if ctypes.util.find_library(f"python{PYTHON_VERSION}"):
        return Path(name)  # the loader finds it by its name
    return None


def prepare(folder: Path, wheel: Wheel, libpython: Path) -> None:
    """Fills ``folder`` as the module's docstring says."""
    python_backend = folder / "backends" / "python"
    shutil.copytree(
        wheel.backends / "python", python_backend, ignore=shutil.ignore_patterns("__pycache__")
    )
    stub = Path(shutil.copy2(wheel.stub, python_backend / "triton_python_backend_stub"))
    stub.chmod(0o755)
    shutil.copytree(
        BACKENDS / "onnxruntime",
        folder / "backends" / "onnxruntime",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (folder / "lib").mkdir()
    if libpython.is_absolute():
        (folder / "lib" / libpython.name).symlink_to(libpython)
    prepare_python(folder / "python")


def prepare_python(folder: Path) -> None:
    """The virtual environment of the stubs: this interpreter's packages, no ``__pycache__``."""
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    packages = folder / "lib" / f"python{PYTHON_VERSION}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "bin" / "python3").symlink_to(executable)
    (folder / "pyvenv.cfg").write_text(f"home = {executable.parent}\n")
    lines = ["import sys; sys.dont_write_bytecode = True", *package_folders()]
    (packages / "tidegate.pth").write_text("\n".join(lines) + "\n")


def package_folders() -> list[str]:
    paths = sysconfig.get_paths()
    wanted = [paths["purelib"], paths["platlib"], *site.getsitepackages()]
    if site.ENABLE_USER_SITE:
        wanted.append(site.getusersitepackages())
    return [folder for folder in dict.fromkeys(wanted) if Path(folder).is_dir()]


def environment(folder: Path, wheel: Wheel) -> dict[str, str]:
    """The environment of tritonserver and its stubs."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(PRIVATE_VARIABLES) and not name.startswith(("LD_", "PYTHON"))
    }
    return inherited | {
        "LD_LIBRARY_PATH": f"{wheel.libraries}:{folder / 'lib'}",
        "PATH": f"{folder / 'python' / 'bin'}:{os.environ.get('PATH', os.defpath)}",
        # One thread for each numeric library: the instances share the cores, and threads that
        # spin for work would take them from each other.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
