"""``register``: a new release, from an ONNX file or from versions that lie there already."""

from __future__ import annotations

import io
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.client import ControlPlane
from cli.failure import Refused
from cli.options import DEFAULT_URL, AsJson, Reason, Token, Url, Who, signed
from cli.printing import print_json
from cli.rollout_options import Engine, Release

ANSWER_TIMEOUT_S = 600.0
"""The file is loaded and run before there is an answer, and others may be before it."""

Onnx = Annotated[
    Path | None,
    typer.Option(
        "--onnx",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        show_default=False,
        help="The next version of the engine's floating component.",
    ),
]
Pins = Annotated[
    list[str] | None,
    typer.Option(
        "--pin",
        metavar="MODEL=N",
        show_default=False,
        help="A component and the version that the release runs; may be given again.",
    ),
]


def register(
    engine: Engine,
    release: Release,
    onnx: Onnx = None,
    pin: Pins = None,
    reason: Reason = "",
    who: Who = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Register a new release, with --onnx or with --pin.

    A file is checked before it is taken: it must load in ONNX Runtime, have the inputs and
    outputs of the component's configuration, and run the engine's golden input. Nothing is
    served by it until `promote`.
    """
    pins = _read_pins(pin or [])
    if onnx is not None and pins:
        raise typer.BadParameter("give one of --onnx and --pin, not both", param_hint="--pin")
    if onnx is None and not pins:
        raise typer.BadParameter("one of --onnx and --pin is needed", param_hint="--onnx")
    control_plane = ControlPlane(url, token)
    path = f"/api/v1/engines/{quote(engine, safe='')}/releases"
    asked = {"release": release, **signed(who, reason)}
    if onnx is None:
        done = control_plane.post(path, {**asked, "pins": pins}, timeout_s=ANSWER_TIMEOUT_S)
    else:
        done = _upload(control_plane, path, asked, onnx)
    if as_json:
        print_json(done)
        return
    typer.echo(_line(done))
    if onnx is not None and not done.get("is_proved"):
        typer.echo(f"it was not run: {engine} has no golden input (tidegate golden)")
    typer.echo(f"next: tidegate promote {engine} {release}")


def _line(done: dict[str, Any]) -> str:
    pins = ", ".join(f"{model} {version}" for model, version in done["pins"].items())
    line = f"{done['engine']} {done['release']} is registered: {pins}"
    if done.get("version") is not None:
        line += f" (new: {done['component']} {done['version']})"
    return line


def _read_pins(written: list[str]) -> dict[str, int]:
    pins: dict[str, int] = {}
    for pin in written:
        model, equals, version = pin.rpartition("=")
        if not equals or not model or not (version.isascii() and version.isdigit()):
            raise typer.BadParameter(f"{pin!r} is not MODEL=N", param_hint="--pin")
        if model in pins:
            raise typer.BadParameter(f"{model} is given twice", param_hint="--pin")
        pins[model] = int(version)
    return pins


def _upload(
    control_plane: ControlPlane, path: str, fields: dict[str, Any], onnx: Path
) -> dict[str, Any]:
    """Sends the file as it is read, and what the control plane answers. Raises Refused."""
    import httpx

    correlation_id = str(uuid.uuid4())
    with (
        httpx.Client(**control_plane.client_options(ANSWER_TIMEOUT_S)) as client,
        _opened(onnx) as file,
    ):
        try:
            response = client.post(
                path,
                data=fields,
                files={"onnx": (onnx.name, file, "application/octet-stream")},
                headers={"x-correlation-id": correlation_id},
            )
        except httpx.HTTPError as error:
            raise control_plane.refusal_of(error, correlation_id, ANSWER_TIMEOUT_S) from None
    return control_plane.answer_of(response, correlation_id)


class _ToldFile(io.FileIO):
    """A file that says how far it has been read."""

    def __init__(self, path: Path, tell: Callable[[int], None]) -> None:
        super().__init__(path)
        self._tell = tell

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(-1 if size is None else size)
        self._tell(self.tell())
        return chunk


@contextmanager
def _opened(onnx: Path) -> Iterator[_ToldFile]:
    """The file; on a terminal with a bar on standard error that says how much is sent."""
    try:
        size = onnx.stat().st_size
        if not sys.stderr.isatty():
            with _ToldFile(onnx, lambda _: None) as file:
                yield file
            return
        with _bar(onnx.name, size) as tell, _ToldFile(onnx, tell) as file:
            yield file
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise Refused(f"cannot read {onnx}: {why}", field="--onnx") from None


@contextmanager
def _bar(name: str, size: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    bar = Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True), transient=True)
    task = bar.add_task(f"sending {escape(name)}", total=size)

    def tell(sent: int) -> None:
        bar.update(task, completed=sent)
        if sent >= size:
            bar.update(task, description="sent; it is being checked")

    with bar:
        yield tell
