"""``up``, ``serve`` and ``worker``: what runs in the foreground, until it is told to stop."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cli.options import Config

ModelRepository = Annotated[
    Path | None,
    typer.Option(
        "--model-repository",
        metavar="DIR",
        show_default="model_repository",
        help="Folder of Triton's layout with releases.yaml.",
    ),
]
StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        metavar="DIR",
        show_default="state",
        help="Folder of what is stored, made when needed.",
    ),
]
HttpPort = Annotated[
    int | None,
    typer.Option(
        "--http-port",
        metavar="N",
        show_default="9000",
        help="Port of REST.",
    ),
]
GrpcPort = Annotated[
    int | None,
    typer.Option("--grpc-port", metavar="N", show_default="9001", help="Port of gRPC."),
]
LogLevel = Annotated[
    str | None,
    typer.Option(
        "--log-level",
        metavar="debug|info|warning|error",
        show_default="info",
        help="Least severe message that is written.",
    ),
]
LogFormat = Annotated[
    str | None,
    typer.Option(
        "--log-format",
        metavar="auto|console|json",
        show_default="auto",
        help="Log lines for people or for machines.",
    ),
]


TritonBasePort = Annotated[
    int | None,
    typer.Option(
        "--triton-base-port",
        metavar="N",
        show_default="8000",
        help="Triton i listens on N+10i (HTTP), +1 (gRPC), +2 (metrics).",
    ),
]


def up(
    tritons: Annotated[
        int | None,
        typer.Option(
            "--tritons",
            metavar="N",
            show_default="2",
            help="Triton processes to start on this machine.",
        ),
    ] = None,
    model_repository: ModelRepository = None,
    state_dir: StateDir = None,
    http_port: HttpPort = None,
    grpc_port: GrpcPort = None,
    triton_base_port: TritonBasePort = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config: Config = None,
) -> None:
    """Start Tritons here and the control plane.

    Stays in the foreground. Ctrl-C or SIGTERM stops everything and leaves no process behind.
    """
    flags = {
        "embedded.tritons": tritons,
        "model_repository": model_repository,
        "state_dir": state_dir,
        "http.port": http_port,
        "grpc.port": grpc_port,
        "embedded.base_port": triton_base_port,
        "log.level": log_level,
        "log.format": log_format,
    }
    _run(config, flags, with_tritons=True)


def serve(
    model_repository: ModelRepository = None,
    state_dir: StateDir = None,
    http_port: HttpPort = None,
    grpc_port: GrpcPort = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config: Config = None,
) -> None:
    """Start the control plane for a remote fleet.

    The Tritons run elsewhere. Name them in the settings file, or in TIDEGATE_INSTANCES
    as a JSON list:

    [{"name": "gpu-0", "grpc_url": "10.0.0.5:8001"}]
    """
    flags = {
        "model_repository": model_repository,
        "state_dir": state_dir,
        "http.port": http_port,
        "grpc.port": grpc_port,
        "log.level": log_level,
        "log.format": log_format,
    }
    _run(config, flags, with_tritons=False)


def worker(
    tritons: Annotated[
        int | None,
        typer.Option(
            "--tritons",
            metavar="N",
            show_default="2",
            help="Triton processes that tidegate up starts on this machine.",
        ),
    ] = None,
    model_repository: ModelRepository = None,
    state_dir: StateDir = None,
    triton_base_port: TritonBasePort = None,
    http_port: Annotated[
        int | None,
        typer.Option(
            "--http-port",
            metavar="N",
            show_default="listens on nothing",
            help="Port of its metrics and health, 9002 by custom; another one for each worker.",
        ),
    ] = None,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
    config: Config = None,
) -> None:
    """Start a worker alone: it works on queued jobs.

    It takes them from the queue and answers no requests. Start as many as there is work for, on
    any machine that reaches the Tritons, the state store and the queue; give each the settings of
    the control plane. Where these name no instances, it asks the Tritons that `tidegate up`
    starts on this machine: give it the same --tritons and --triton-base-port. SIGTERM lets it
    finish what it has in its hands, and whatever it cannot finish goes back to the queue.
    """
    from control_plane.settings import load_settings

    flags = {
        "embedded.tritons": tritons,
        "model_repository": model_repository,
        "state_dir": state_dir,
        "embedded.base_port": triton_base_port,
        "worker.http_port": http_port,
        "log.level": log_level,
        "log.format": log_format,
    }
    loaded = load_settings(config, flags, os.environ)
    _prepare_grpc()
    from control_plane.bootstrap import run_worker

    raise typer.Exit(run_worker(loaded))


def _run(config: Path | None, flags: Mapping[str, object], *, with_tritons: bool) -> None:
    from control_plane.errors import ConfigurationError
    from control_plane.settings import load_settings

    loaded = load_settings(config, flags, os.environ)
    if not with_tritons and not loaded.settings.instances:
        raise ConfigurationError(
            "instances is empty: serve needs at least one Triton to stand in front of, "
            "in the settings file or TIDEGATE_INSTANCES; `tidegate up` starts its own",
            field="instances",
        )
    if with_tritons and not loaded.settings.embedded.tritons:
        raise ConfigurationError(
            "embedded.tritons is 0: up starts at least one Triton; `tidegate serve` stands in "
            "front of others",
            field="embedded.tritons",
        )
    _prepare_grpc()
    from control_plane.bootstrap import run

    raise typer.Exit(run(loaded, with_tritons=with_tritons))


def _prepare_grpc() -> None:
    # gRPC reads this when it is imported. Its fork handlers are for processes that go on
    # using gRPC after a fork; Tritons are started by fork and exec, which needs none.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
