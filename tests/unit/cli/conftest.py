from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from PIL import Image
from typer.main import get_command
from typer.testing import CliRunner, Result

from cli.main import app
from tests.servers import ports
from tests.unit.cli.plane import Plane


@pytest.fixture(scope="package", autouse=True)
def _one_command() -> Iterator[None]:
    """Typer's runner makes the whole command line anew for each call, which takes 50 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.testing._get_command", cache(get_command))
        yield


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and nothing of Tidegate's in the environment."""
    for name in list(os.environ):
        if name.startswith("TIDEGATE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def plane() -> Iterator[Plane]:
    with Plane() as running:
        yield running


@pytest.fixture
def tidegate() -> Callable[..., Result]:
    """Runs the command line as a terminal would, without a process."""

    def run(*arguments: object, **environ: str) -> Result:
        result = CliRunner().invoke(app, [str(a) for a in arguments], env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A grey JPEG of 640 x 480."""
    path = tmp_path / "roof.jpg"
    path.write_bytes(encoded((640, 480)))
    return path


@pytest.fixture
def free_port() -> int:
    return ports.free_port()


def encoded(size: tuple[int, int], *, kind: str = "JPEG", orientation: int | None = None) -> bytes:
    image = Image.new("RGB", size, (110, 110, 112))
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, format=kind, exif=exif)
    return out.getvalue()
