from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from control_plane.embedded import runtime
from control_plane.embedded.runtime import Wheel, environment, find_libpython, prepare

PYTHON = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    triton = tmp_path / "wheel" / "tritonserver"
    for folder in ("bin", "backends/python/__pycache__", "caches", "stubs"):
        (triton / folder).mkdir(parents=True)
    (triton / "backends/python/libtriton_python.so").write_bytes(b"library")
    (triton / "stubs/triton_python_backend_stub").write_bytes(b"stub")
    return Wheel(
        server=triton / "bin" / "tritonserver",
        libraries=tmp_path / "wheel" / "libs",
        backends=triton / "backends",
        caches=triton / "caches",
        stub=triton / "stubs" / "triton_python_backend_stub",
    )


@pytest.fixture
def prepared(tmp_path: Path, wheel: Wheel) -> Path:
    folder = tmp_path / "fleet"
    folder.mkdir()
    prepare(folder, wheel, tmp_path / "libpython3.so.1.0")
    return folder


def test_the_folder_holds_both_backends_and_no_leftovers(prepared: Path) -> None:
    stub = prepared / "backends/python/triton_python_backend_stub"
    assert stub.read_bytes() == b"stub"
    assert os.access(stub, os.X_OK)
    assert (prepared / "backends/python/libtriton_python.so").is_file()
    assert (prepared / "backends/onnxruntime/model.py").is_file()
    assert not list(prepared.rglob("__pycache__"))
    assert (prepared / "lib/libpython3.so.1.0").is_symlink()


def test_the_stubs_python_has_these_packages_and_writes_no_bytecode(prepared: Path) -> None:
    # Isolated, as Triton's stub starts it: no environment variable reaches it.
    answer = subprocess.run(
        [
            prepared / "python/bin/python3",
            "-I",
            "-c",
            "import sys, numpy; print(sys.dont_write_bytecode, numpy.__file__)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    import numpy

    assert answer == ["True", numpy.__file__]


def test_the_environment_leads_to_the_private_folder_and_holds_no_secret(
    prepared: Path, wheel: Wheel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEGATE_TOKEN", "secret")
    monkeypatch.setenv("PYTHONHOME", "/elsewhere")
    monkeypatch.setenv("LD_PRELOAD", "/elsewhere.so")
    monkeypatch.setenv("LANG", "C.UTF-8")
    variables = environment(prepared, wheel)
    assert variables["PATH"].startswith(f"{prepared / 'python' / 'bin'}:")
    assert variables["LD_LIBRARY_PATH"] == f"{wheel.libraries}:{prepared / 'lib'}"
    assert variables["LANG"] == "C.UTF-8"
    assert not {"TIDEGATE_TOKEN", "PYTHONHOME", "LD_PRELOAD"} & variables.keys()


def test_libpython_is_looked_for_beside_this_interpreter_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lib").mkdir()
    library = tmp_path / "lib" / "libpython9.99.so.1.0"
    library.touch()
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path))
    assert find_libpython("libpython9.99.so.1.0") == library


def test_libpython_that_only_the_loader_knows_goes_by_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runtime.ctypes.util, "find_library", lambda name: f"lib{name}.so.1.0")
    assert find_libpython("libpython9.99.so.1.0") == Path("libpython9.99.so.1.0")
    monkeypatch.setattr(runtime.ctypes.util, "find_library", lambda _name: None)
    assert find_libpython("libpython9.99.so.1.0") is None


def test_no_wheel_no_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime.importlib.util, "find_spec", lambda _name: None)
    assert Wheel.find() is None
